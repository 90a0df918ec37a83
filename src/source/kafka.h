/*
 * kafka.h
 *		What the files of the Kafka source share; nobody outside this room includes it.
 */
#ifndef CQ_KAFKA_H
#define CQ_KAFKA_H

#include "postgres.h"

#include <librdkafka/rdkafka.h>

#include "lib/ilist.h"
#include "source/source.h"

/* kafka_property.c */
extern char *cq_kafka_property_name(const char *name);
extern bool cq_kafka_property_is_owned(const char *name);
extern bool cq_kafka_property_is_secret(const char *name);

#endif							/* CQ_KAFKA_H */
