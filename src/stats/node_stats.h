/*
 * node_stats.h
 *		Counters of the nodes of views, in shared memory: for EXPLAIN (ANALYZE) CONTINUOUS VIEW.
 *
 * As those of views (stats.h): since stats_reset, of at most cq.max_views views.
 */
#ifndef CQ_NODE_STATS_H
#define CQ_NODE_STATS_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* Of a view so many nodes are counted, the root, number 0, among them. */
#define CQ_COUNTED_NODES 32

typedef struct CqNodeCounts
{
	int64		nbatches;		/* that changed something for it */
	int64		rows_in;		/* changes that came to it */
	int64		rows_read;		/* of what it keeps */
	int64		rows_out;		/* changes that it passed on */
	int64		duration_us;
} CqNodeCounts;

extern void cq_node_stats_init(void);

/* Adds the counts of the first nodes of a view. */
extern void cq_node_stats_add(Oid view, const CqNodeCounts *counts, int ncounts);

/* Copies those of all CQ_COUNTED_NODES. False where nothing has been counted. */
extern bool cq_node_stats_get(Oid view, CqNodeCounts *counts, TimestampTz *since);

/* Sets those of a view, or with InvalidOid of all in this database, to zero. */
extern void cq_node_stats_reset(Oid view, TimestampTz now);

/* As of cq_stats_sweep, cq_stats_forget_database. */
extern void cq_node_stats_sweep(void);
extern void cq_node_stats_forget_database(Oid database);

#endif							/* CQ_NODE_STATS_H */
