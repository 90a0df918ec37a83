/*
 * kafka_thread.h
 *		What waits for librdkafka on a thread of its own, so that the process does not.
 *
 * A job calls nothing but librdkafka and the C library. It is malloc'd, and freed by whoever of the
 * two is last done with it: its thread, or the process, which may forget it at any time. What the
 * job has found is the process's once it is done.
 */
#ifndef CQ_KAFKA_THREAD_H
#define CQ_KAFKA_THREAD_H

#include "source/kafka.h"

typedef struct CqKafkaJob
{
	rd_kafka_t *rk;				/* that it uses; to be ended only after it is done */
	void		(*run) (struct CqKafkaJob *job);
	void		(*discard) (struct CqKafkaJob *job);	/* frees it, on any thread */
	bool		wakes;			/* the process, when it is done */

	/* kafka_thread.c's own */
	struct CqKafkaJob *next;
	uint64		id;
	bool		is_done;
	bool		is_forgotten;
} CqKafkaJob;

/* False where the system has no thread to give; errno says why. */
extern bool cq_kafka_thread_start(CqKafkaJob *job);

/*
 * Starts a job that nobody asks for again, now or as soon as there is a thread; its id. Such jobs
 * start in the order in which they came.
 */
extern uint64 cq_kafka_thread_hand_over(CqKafkaJob *job);

extern bool cq_kafka_thread_is_done(CqKafkaJob *job);
extern void cq_kafka_thread_forget(CqKafkaJob *job);

/* For the job itself: does nobody wait for it any more? */
extern bool cq_kafka_thread_is_forgotten(CqKafkaJob *job);

/* For the job itself: waits until it is the only one that uses its handle. */
extern void cq_kafka_thread_await_others(CqKafkaJob *job);

/* Is it done? Waits at most timeout_ms for that. */
extern bool cq_kafka_thread_await(uint64 id, int timeout_ms);

/* Forgets all jobs. Are all done? Waits at most timeout_ms for that. */
extern bool cq_kafka_thread_end_all(int timeout_ms);

#endif							/* CQ_KAFKA_THREAD_H */
