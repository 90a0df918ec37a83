/*
 * kafka_transaction_state.h
 *		What the two sides of a transactional producer share: the server's process, and the thread
 *		that waits for Kafka.
 *
 * A field belongs to one side at a time. What the thread works with is its own while it has a job,
 * and the process's while not; the mutex guards what both look at at any time, and makes the
 * hand-over a point in order.
 */
#ifndef CQ_KAFKA_TRANSACTION_STATE_H
#define CQ_KAFKA_TRANSACTION_STATE_H

#include "postgres.h"

#include <pthread.h>

#include "lib/ilist.h"
#include "source/kafka.h"
#include "source/kafka_transaction.h"

typedef enum CqTransactionJob
{
	CQ_TRANSACTION_REST,		/* none */
	CQ_TRANSACTION_CONNECT,
	CQ_TRANSACTION_SEND,
	CQ_TRANSACTION_QUIT
} CqTransactionJob;

/* A row as the thread sends it. */
typedef struct CqTransactionRow
{
	const CqOutgoing *row;
	CqKafkaHeader *headers;
	int			nheaders;
} CqTransactionRow;

struct CqKafkaTransaction
{
	dlist_node	node;			/* among all that are open in this process */
	MemoryContext context;
	CqKafkaClient *client;
	rd_kafka_conf_t *asker_conf;	/* of a consumer that asks for the place */
	const char *topic;			/* for rows that name none; the place is kept in its partition 0 */
	const char *name;			/* transactional id and group */
	char		epoch[20];		/* as the place's metadata has it */
	int			timeout_ms;		/* transaction.timeout.ms */
	CqTransactionState state;	/* as the process has seen it last */
	TimestampTz job_began;
	pthread_t	thread;
	bool		has_thread;
	int			wakeup[2];		/* a pipe: the process reads from it, the thread writes */

	/* the thread's while it has a job */
	const CqTransactionRow *rows;
	int			nrows;
	int64		next_id;
	CqTransactionPlace place;
	int64		committed_at;	/* milliseconds */
	bool		must_close;		/* there is no going on with this producer */
	rd_kafka_resp_err_t error;	/* of what went wrong first */
	bool		is_fenced;
	char		reason[CQ_KAFKA_TEXT_LENGTH];

	/* guarded by mutex */
	pthread_mutex_t mutex;
	pthread_cond_t changed;		/* a job is there, or is_stopped */
	CqTransactionJob job;
	bool		is_stopped;		/* the thread gives up as soon as it can */
	char		trouble[CQ_KAFKA_TEXT_LENGTH];	/* what it is that takes long */
};

/* ---- kafka_transaction_thread.c ---- */

/* The thread's main function; arg is the transaction. */
extern void *cq_kafka_transaction_thread_run(void *arg);

/* Delivery reports come here. */
extern void cq_kafka_transaction_thread_note_delivery(rd_kafka_t *rk,
													  const rd_kafka_message_t *message,
													  void *opaque);

#endif							/* CQ_KAFKA_TRANSACTION_STATE_H */
