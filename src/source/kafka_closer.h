/*
 * kafka_closer.h
 *		Gives back to librdkafka what is no longer needed, on threads of its own: nobody waits for
 *		it longer than a moment.
 *
 * librdkafka's calls that end something wait for its threads, and those may be waiting themselves:
 * for a name server, for a broker, or, after a topic has come back with fewer partitions, for a
 * mutex that they own. Whoever closes a client puts what is left of it into a CqKafkaRemains and
 * hands that over.
 */
#ifndef CQ_KAFKA_CLOSER_H
#define CQ_KAFKA_CLOSER_H

#include "source/kafka_thread.h"

typedef struct CqKafkaStop
{
	rd_kafka_topic_t *topic;
	int32		partition;
} CqKafkaStop;

/*
 * What is left of a reader or a client, in the order in which it goes. malloc'd, since a thread
 * frees it.
 */
struct CqKafkaRemains
{
	CqKafkaJob	job;			/* its handle is what the rest belongs to */
	bool		is_end;			/* it goes as well, when nothing else of it is left */
	int			nstops;			/* partitions that are being read */
	int			nmessages;
	int			ntopics;
	CqKafkaStop *stops;
	rd_kafka_message_t **messages;
	rd_kafka_topic_t **topics;
	rd_kafka_queue_t *queues[2];	/* a reader's, and the main one; or NULL */
};

/* Room for so many of each; NULL where there is no memory. */
extern CqKafkaRemains *cq_kafka_closer_prepare(rd_kafka_t *rk, int nstops, int nmessages,
											   int ntopics);

/* Hands it over; returns the job's id. */
extern uint64 cq_kafka_closer_take(CqKafkaRemains *remains);

#endif							/* CQ_KAFKA_CLOSER_H */
