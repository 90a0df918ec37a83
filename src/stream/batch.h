/*
 * batch.h
 *		A batch: what one fetch of one stream brought, as columns; and its binding to foreign scans.
 *
 * Life: the reader fetches it outside a transaction, exec decodes it inside one, for the union of
 * the columns that its views need and once for each of their settings that matter, binds it, runs
 * each view's plan, whose foreign scan of the stream then reads the bound rows instead of the
 * broker, unbinds it, commits; the reader releases it.
 */
#ifndef CQ_BATCH_H
#define CQ_BATCH_H

#include "postgres.h"

#include "format/format.h"
#include "nodes/bitmapset.h"
#include "source/source.h"

typedef struct CqReader CqReader;

typedef struct CqBatch CqBatch;

struct CqBatch
{
	CqReader   *reader;
	/* holds all that decoding makes; reset by the reader's next fetch */
	MemoryContext context;
	CqFetch		fetch;			/* the messages, and the positions before and after */
	int			nrows;			/* = fetch.nmessages: row i is message i */
	int			natts;			/* of the foreign table */
	Bitmapset  *decoded;		/* attribute numbers */
	const List *settings;		/* under which it was decoded; NIL: the session's */
	List	   *others;			/* of CqBatch *: the same messages under other settings */
	/* rows that are none: tombstones, where the stream skips them. Scans leave them out */
	Bitmapset  *absent;
	Bitmapset  *gone;			/* where rows change: rows whose key is gone */
	Bitmapset  *truncating;		/* of these: with all other keys */
	Bitmapset **lacking;		/* [attno - 1]: rows without the column's value,
		which has not changed; or
		NULL */
	Datum	  **values;			/* [attno - 1][row]; NULL for a column not decoded */
	bool	  **nulls;
	CqBadCells	bad;			/* ordered by row */
};

/* ---- decode.c ---- */

/*
 * The columns that may be something else under other settings. Event times are not: the stream
 * says under which they are read.
 */
extern const Bitmapset *cq_decode_sensitive(const CqBatch *batch);

/*
 * Fills the columns in needed (attribute numbers), under settings (of char *, name=value,
 * interned; NIL: the session's). Within a transaction. May be called once for each fetch.
 */
extern void cq_decode_batch(CqBatch *batch, const Bitmapset *needed, const List *settings);

/*
 * A decoded batch as it is under other settings, with the columns in needed; what does not depend
 * on them, and has been decoded before, is shared. It lasts as long as the batch.
 */
extern CqBatch *cq_decode_under(CqBatch *batch, const Bitmapset *needed, const List *settings);

/*
 * For a batch of which some columns are better decoded apart, since they may fail as a whole: first
 * cq_decode_batch without any, then each that is still missing of those needed (of attribute
 * numbers, in the order in which they are to be decoded). What such a call raises leaves the batch
 * as it was; the column may then be rejected, in all rows.
 */
extern List *cq_decode_missing(const CqBatch *batch, const Bitmapset *needed);
extern void cq_decode_column(CqBatch *batch, AttrNumber attno);
extern const char *cq_decode_column_name(const CqBatch *batch, AttrNumber attno);
extern void cq_decode_reject_column(CqBatch *batch, AttrNumber attno, CqReject *reject);

/* As cq_decode_under, where nothing more is decoded yet. */
extern CqBatch *cq_decode_other(CqBatch *batch, const List *settings);

/* The headers of a row's message as jsonb; false: it has none. */
extern bool cq_batch_headers(const CqBatch *batch, int row, Datum *headers);

/* ---- batch.c ---- */

/*
 * Makes a decoded value of a row a bad one, and what is computed of it. Before the batch is used,
 * cq_batch_sort_rejects puts them in order.
 */
extern void cq_batch_reject(CqBatch *batch, int row, AttrNumber attno, CqReject *reject);
extern void cq_batch_sort_rejects(CqBatch *batch);

/*
 * A part of a batch for one run of one plan: rows [first, end), leaving out those in skip (row
 * numbers, or NULL). While bound, the plan's foreign scan of the stream reads it, and any other
 * scan of a stream is an error. One binding at a time, within a part.
 */
struct PlannedStmt;
typedef struct CqBinding
{
	Oid			stream;
	const struct PlannedStmt *plan;
	CqBatch    *batch;
	int			first;
	int			end;
	const Bitmapset *skip;
} CqBinding;

/* The binding, or NULL. */
extern const CqBinding *cq_batch_bound(void);

extern void cq_batch_bind(const CqBinding *binding);
extern void cq_batch_unbind(void);

/*
 * Planning and running a view's part of a batch happens between these. No stream can be read
 * meanwhile but the one that is bound, by the plan that it is bound to: a function would see a part
 * of the one and wait for the network for another. Ending raises the error again if somebody has
 * tried, since a function may have caught it. Abandoning is for the error path, and unbinds.
 */
extern void cq_batch_begin_part(void);
extern void cq_batch_end_part(void);
extern void cq_batch_abandon_part(void);

/*
 * How many rows the planner is to expect of any stream, while exec plans for batches of about that
 * size; 0: as ANALYZE says. To be set back also on error.
 */
extern double cq_batch_expected_rows;

/*
 * The attribute numbers that the foreign scans of stream in a planned statement need decoded. The
 * scan finds them in its own plan node; this is for exec, which decodes once for several plans.
 */
extern Bitmapset *cq_batch_needed_columns(struct PlannedStmt *plan, Oid stream);

#endif							/* CQ_BATCH_H */
