/*
 * sink.h
 *		Where the changes of a continuous view go: to a topic, or to a destination by HTTP, by way
 *		of an outbox; to a table; to a channel of NOTIFY.
 *
 * All of them write within the transaction of the changes, as the view's owner. Each kind is a
 * receiver of changes (state/change.h).
 */
#ifndef CQ_SINK_H
#define CQ_SINK_H

#include "postgres.h"

#include "common/reject.h"
#include "nodes/bitmapset.h"
#include "state/change.h"

typedef struct CqSinkTarget
{
	Oid			view;
	Oid			owner;			/* of the view */
	Oid			sink;			/* foreign or other table */
	Oid			outbox;			/* where what goes there leaves the database, else InvalidOid */
	TupleDesc	row;			/* of the view */
	Bitmapset  *key;			/* columns of the view, from 1, that tell its rows apart */
	/* why there are none such; NULL: key has them, or there is one row */
	const CqReject *no_key;
	bool		is_append_only; /* rows are added, and stay */
	bool		tells_expired;	/* … but for those that expire: on_expire */
	const char *query_text;		/* of the view, for the place of an error, or NULL */
} CqSinkTarget;

typedef enum CqSinkKind
{
	CQ_SINK_OUTBOX,				/* a topic, or a destination by HTTP: what leaves the database */
	CQ_SINK_TABLE				/* also a stream that is kept in the database */
} CqSinkKind;

/* Raises ERROR where the relation is neither. */
extern CqSinkKind cq_sink_kind(Oid sink);

/* Raises ERROR where somebody may not insert into a foreign table. */
extern void cq_sink_require_insert(Oid sink, Oid owner);

/*
 * Checks that the view's rows can go there, and that its owner may write there. Raises ERROR.
 * outbox need not be there yet.
 */
extern void cq_sink_check(const CqSinkTarget *target);

/*
 * A receiver for one run. In CurrentMemoryContext; target has to last. Raises ERROR as
 * cq_sink_check does.
 */
extern CqChangeReceiver *cq_sink_open(const CqSinkTarget *target);

/* ---- outbox.c ---- */

extern void cq_outbox_check(const CqSinkTarget *target);
extern CqChangeReceiver *cq_outbox_open(const CqSinkTarget *target);

/* How many rows of the view have not been sent yet. */
extern int64 cq_outbox_pending(Oid view);

/* The columns of an outbox (of ColumnDef). */
extern List *cq_outbox_columns(void);

/* ---- outbox_retry.c ---- */

/*
 * Puts those of the dead letters ids (bigint[]) that are requests of the view, and are whole, back
 * into its outbox, in the order in which they failed; they are gone from _cq.error. In a
 * transaction that has the view to itself. Raises ERROR where older ones could undo newer ones.
 */
extern void cq_outbox_retry(Oid view, Oid sink, Oid outbox, Datum ids, int64 *npassed,
							int64 *nin_part);

/* ---- table.c ---- */

extern void cq_table_sink_check(const CqSinkTarget *target);
extern CqChangeReceiver *cq_table_sink_open(const CqSinkTarget *target);

/* ---- change_stream.c ---- */

/* Adds rows (old, new) to a stream that was made for it. */
extern CqChangeReceiver *cq_change_stream_open(Oid stream, TupleDesc row);

/* ---- notify.c ---- */

/*
 * How much of the queue of NOTIFY is in use, of 1. A full one would be an error at the commit of
 * all that is in the transaction.
 */
extern double cq_notify_usage(void);

/* Tells a channel of each change, as JSON. */
extern CqChangeReceiver *cq_notify_open(const char *channel, Oid view, TupleDesc row);

/* ---- mapping.c ---- */

/*
 * For each attribute of the sink the view's column, from 1, that goes there by its name; 0: none,
 * null. Raises ERROR where one of them fits nowhere.
 */
extern int *cq_mapping_map(Oid sink, TupleDesc columns, TupleDesc row);

/* Fills a virtual slot of the sink from a row of the view. Points into it. */
extern void cq_mapping_map_row(const int *map, TupleTableSlot *row, TupleTableSlot *slot);

#endif							/* CQ_SINK_H */
