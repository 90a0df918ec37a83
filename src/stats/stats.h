/*
 * stats.h
 *		Counters of views and workers, in shared memory.
 *
 * Written by workers after each batch, read by the functions behind cq.stat_views and cq.stat_workers. All functions are no-ops where the module was
 * not preloaded. Counts are since stats_reset; they are not durable.
 */
#ifndef CQ_STATS_H
#define CQ_STATS_H

#include "postgres.h"

#include "datatype/timestamp.h"

typedef struct CqBatchStats
{
	int64		rows;
	int64		bytes;
	int64		bad_rows;
	int64		groups_inserted;
	int64		groups_updated;
	int64		duration_us;	/* the view's part of the batch */
} CqBatchStats;

extern void cq_stats_view_batch(Oid view, const CqBatchStats *batch);
extern void cq_stats_view_error(Oid view, const char *message);

#endif							/* CQ_STATS_H */
