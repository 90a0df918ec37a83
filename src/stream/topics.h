/*
 * topics.h
 *		What functions over topics ask of their arguments.
 */
#ifndef CQ_TOPICS_H
#define CQ_TOPICS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "foreign/foreign.h"

/* The server of Kafka of that name, which the current user may use; else raises ERROR. */
extern ForeignServer *cq_topics_server(const char *name);

/* In ms. Raises ERROR where that is nothing, or too long. */
extern int	cq_topics_timeout(const Interval *timeout);

#endif							/* CQ_TOPICS_H */
