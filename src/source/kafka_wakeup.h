/*
 * kafka_wakeup.h
 *		What wakes the process when something has come into one of its queues: one pipe for all of
 *		them.
 *
 * A queue writes to it once it is no longer empty, and again only after it was looked at. So who
 * clears it looks at all queues that he minds before he waits again.
 */
#ifndef CQ_KAFKA_WAKEUP_H
#define CQ_KAFKA_WAKEUP_H

#include "source/kafka.h"

typedef enum CqKafkaWakeup
{
	CQ_KAFKA_WAKEUP_TIMEOUT,
	CQ_KAFKA_WAKEUP_QUEUE,		/* some queue has something; the pipe is cleared */
	CQ_KAFKA_WAKEUP_LATCH		/* the process's latch was set, and is reset */
} CqKafkaWakeup;

/* To read from. Opened on first use, and never closed; raises ERROR. */
extern int	cq_kafka_wakeup_fd(void);
extern void cq_kafka_wakeup_clear(void);

extern void cq_kafka_wakeup_enable(rd_kafka_queue_t *queue);

/* From any thread, once it is open. */
extern void cq_kafka_wakeup_signal(void);

extern CqKafkaWakeup cq_kafka_wakeup_wait(long timeout_ms);

#endif							/* CQ_KAFKA_WAKEUP_H */
