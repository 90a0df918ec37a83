/*
 * kafka_kept.h
 *		Messages of Kafka that somebody has kept, as a source.
 */
#ifndef CQ_KAFKA_KEPT_H
#define CQ_KAFKA_KEPT_H

#include "source/source.h"

extern const CqSourceRoutine cq_kafka_kept_source;

/* They live as long as the source; the slice and the origin of each are the source's to set. */
extern CqSource *cq_kafka_kept_open(CqKeptMessage *messages, int nmessages);

#endif							/* CQ_KAFKA_KEPT_H */
