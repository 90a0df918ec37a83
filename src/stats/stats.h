/*
 * stats.h
 *		Counters of views and states of streams, in shared memory.
 *
 * Written by workers after each batch, read by the functions behind cq.stat_views and its like. All
 * functions are no-ops where the module was not preloaded. Counts are since stats_reset; they are
 * kept over restarts, but not over a crash. At most cq.max_views relations are counted; what comes
 * later is maintained all the same, without counters.
 */
#ifndef CQ_STATS_H
#define CQ_STATS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "stats/histogram.h"

/* What a transaction has done for a view. */
typedef struct CqBatchStats
{
	int64		rows;
	int64		bytes;
	int64		bad_rows;
	int64		late_rows;
	int64		groups_inserted;
	int64		groups_updated;
	int64		duration_us;	/* the view's part of the batch */
	int64		cpu_ns;			/* with its part of what was done for several views at once */
	int64		wal_bytes;		/* likewise */
	int64		commits;		/* 0: another part of the same transaction has counted it */
} CqBatchStats;

/* How a stream fares, as its workers see it. */
typedef enum CqStreamState
{
	CQ_STREAM_UNREAD,			/* nobody reads it */
	CQ_STREAM_READING,
	CQ_STREAM_DOWN,				/* no broker can be reached */
	CQ_STREAM_HELD,				/* its messages' schema is not there */
	CQ_STREAM_FAILED			/* cannot be read as it is set up */
} CqStreamState;

extern void cq_stats_init(void);

/* visible: of the messages, how long after they were produced they can be seen; or NULL. */
extern void cq_stats_view_batch(Oid view, const CqBatchStats *batch, const CqHistogram *visible);
extern void cq_stats_view_error(Oid view, const char *message);

/* message may be NULL. */
extern void cq_stats_stream_state(Oid stream, CqStreamState state, const char *message);

/* May the current user know the numbers of a view or stream? */
extern bool cq_stats_may_see(Oid relation);

/* Gives back the room of what was dropped. Within a transaction. */
extern void cq_stats_sweep(void);

/* Forgets what is known of a database that is no more. */
extern void cq_stats_forget_database(Oid database);

#endif							/* CQ_STATS_H */
