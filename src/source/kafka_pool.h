/*
 * kafka_pool.h
 *		One client for all readers of a process that read the same brokers with the same properties.
 *
 * A client has some nine descriptors and three threads, however much it reads: so a worker's
 * streams share it. What sets them apart is where they cannot: a partition can be read but once
 * with a client (two lanes of a stream stand at different places), and how large its queues are is
 * settled when it is made.
 */
#ifndef CQ_KAFKA_POOL_H
#define CQ_KAFKA_POOL_H

#include "source/kafka_consumer.h"

/* For a reader of these partitions. To be left when it is closed. Raises ERROR. */
extern CqKafkaClient *cq_kafka_pool_join(const CqSourceConfig *config, CqKafkaConsumer *reader,
										 const CqPosition *positions, int npositions);

/* All that a client is made of; palloc'd. */
extern char *cq_kafka_pool_key(const CqSourceConfig *config);

/* For somebody who only asks; NULL where this process keeps none. Raises ERROR. */
extern CqKafkaClient *cq_kafka_pool_borrow(const CqSourceConfig *config);

/* Closes what has not been used for a while. */
extern void cq_kafka_pool_tend(void);

/* The reader, or NULL, is done with it. Whoever is the last closes it. */
extern void cq_kafka_pool_leave(CqKafkaClient *client, CqKafkaConsumer *reader);

#endif							/* CQ_KAFKA_POOL_H */
