/*
 * sink.h
 *		Rows of _cq.sink: continuous views whose changes go to a Kafka stream, and how far; and
 *		streams whose dead letters go to a topic, which are the view in their row, and the sink.
 *
 *		ids of the outbox:   … sent_id │ … sending_id │ … next_id - 1 (in _cq.outbox_end)
 *		                     in Kafka, │ may be in    │ not handed over yet
 *		                     deleted   │ Kafka        │
 *
 * Written by the emitter, after the view's creation, except where somebody decides what is to
 * become of a sink that has failed. What counts between sent_id and sending_id is the place that
 * Kafka keeps (source/kafka_transaction.h).
 */
#ifndef CQ_CATALOG_SINK_H
#define CQ_CATALOG_SINK_H

#include "postgres.h"

#include "nodes/pg_list.h"

typedef struct CqViewSink
{
	Oid			view;
	Oid			sink;			/* the foreign table */
	Oid			outbox;
	int64		epoch;
	int64		sent_id;
	int64		sending_id;
	bool		has_failed;		/* stands until somebody decides */
} CqViewSink;

/* Is it of a stream's dead letters? */
#define cq_sink_is_of_errors(row) ((row)->view == (row)->sink)

/* Is there any? False where the extension is not there, or knows of no sinks. */
extern bool cq_sink_any(void);

/* All of them (of CqViewSink *), palloc'd. */
extern List *cq_sink_list(void);

/* A new epoch: a random number. */
extern int64 cq_sink_new_epoch(void);

/* Begins an outbox, with an epoch of its own. As anybody. */
extern void cq_sink_insert(Oid view, Oid sink, Oid outbox);

extern void cq_sink_forget(Oid view);

#endif							/* CQ_CATALOG_SINK_H */
