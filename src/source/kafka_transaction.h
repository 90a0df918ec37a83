/*
 * kafka_transaction.h
 *		Sends rows to Kafka in transactions that also keep the place up to which rows were sent:
 *		exactly once, whatever dies.
 *
 * A producer is known to Kafka by a transactional id, and the place is the committed offset of a
 * consumer group of the same name, in partition 0 of the stream's first topic. Both names are made
 * of an epoch, a random number that says which numbering of rows the place speaks of; the epoch is
 * also in the offset's metadata. Rows and place are one transaction of Kafka: both are there, or
 * neither.
 *
 *		open ──► CONNECTING ─────────────────► READY ──send──► SENDING ──committed──► READY, the place is behind the rows
 *		         init_transactions: aborts     ▲  the place      begin, rows,
 *		         what a predecessor left       │  is known       place, commit
 *		         open, fences it; then         │                   │ a row was refused, …
 *		         asks for the place            │                   ▼
 *		            │                          └── asks ◄─────── abort         READY, the place is where it was; error says why
 *		            ▼                                                │
 *		         FAILED ◄─── fenced, fatal, or unknown what became of it
 *
 * After FAILED only close is left; who wants to go on opens another one, and learns the place from
 * it.
 *
 * No function here waits for the network. librdkafka's transactional calls do, and not all can be
 * interrupted or resumed: send_offsets_to_transaction may take as long as a dead connection takes
 * to be given up. So they run on a thread of their own, which does nothing else. It blocks all
 * signals, touches nothing of the server's, and has the producer to itself from when a job is
 * handed to it until it is done; that is told through a file descriptor.
 *
 * None of this raises ERROR but for open and send, before anything happens. Memory that rows point
 * to is borrowed until the state is no longer SENDING, or until close said that it is not used any
 * more.
 */
#ifndef CQ_KAFKA_TRANSACTION_H
#define CQ_KAFKA_TRANSACTION_H

#include "source/source.h"

typedef struct CqKafkaTransaction CqKafkaTransaction;

typedef enum CqTransactionState
{
	CQ_TRANSACTION_CONNECTING,
	CQ_TRANSACTION_READY,
	CQ_TRANSACTION_SENDING,
	CQ_TRANSACTION_FAILED
} CqTransactionState;

/* What Kafka says of the rows that were sent. */
typedef struct CqTransactionPlace
{
	bool		is_there;
	bool		is_ours;		/* it has our epoch */
	int64		next_id;		/* rows below it are in Kafka */
} CqTransactionPlace;

/* What went wrong last. */
typedef struct CqTransactionError
{
	int			sqlstate;		/* 0: nothing */
	bool		is_fenced;		/* another producer with the same transactional id has come */
	const char *message;
} CqTransactionError;

/*
 * Opens a producer for a stream, and begins to connect. Raises ERROR for a bad configuration. Lives
 * until it is closed, whatever becomes of the current memory context.
 */
extern CqKafkaTransaction *cq_kafka_transaction_open(const CqSourceConfig *config, int64 epoch);

/* Looks how far the thread is. */
extern CqTransactionState cq_kafka_transaction_state(CqKafkaTransaction *transaction);

/* In state READY. */
extern CqTransactionPlace cq_kafka_transaction_place(const CqKafkaTransaction *transaction);

/* Of the last job, in state READY or FAILED. */
extern CqTransactionError cq_kafka_transaction_error(const CqKafkaTransaction *transaction);

/*
 * In state READY: sends rows, in their order, and moves the place to next_id; or, with no rows,
 * only that. A message's offset is the row's id, for what is said of it. What it needs beside the
 * rows is palloc'd in CurrentMemoryContext, and borrowed like them. Raises ERROR for headers that
 * are none.
 */
extern void cq_kafka_transaction_send(CqKafkaTransaction *transaction, const CqOutgoing *rows,
									  int nrows, int64 next_id);

/* Why it takes long to connect; false: it does not. The text is palloc'd. */
extern bool cq_kafka_transaction_trouble(CqKafkaTransaction *transaction, char **text);

/* Readable when a job is done. */
extern int	cq_kafka_transaction_fd(const CqKafkaTransaction *transaction);

/* From time to time while nothing else is called: takes what librdkafka has to say. */
extern void cq_kafka_transaction_tend(CqKafkaTransaction *transaction);

/*
 * Ends it; what was not committed will not be. The thread may still wait for the network: then
 * false, the rows are still borrowed, and it is to be called again later.
 */
extern bool cq_kafka_transaction_close(CqKafkaTransaction *transaction);

/* The name of a transactional id and group, of an epoch. palloc'd. */
extern char *cq_kafka_transaction_name(int64 epoch);

#endif							/* CQ_KAFKA_TRANSACTION_H */
