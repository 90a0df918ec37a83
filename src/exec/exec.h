/*
 * exec.h
 *		One batch, one transaction: what the worker's main loop calls.
 *
 * A lane is a set of partitions of one stream at which the same views stand: it is read once, and each batch is
 * applied to all of its views and moves their shared cursors in the same transaction.
 */
#ifndef CQ_EXEC_H
#define CQ_EXEC_H

#include "postgres.h"

#include "stream/reader.h"

/* A cursor row as the worker believes it to be. */
typedef struct CqCursor
{
	int64		cursor_id;
	char	   *topic;
	int32		partition;
	int64		next_offset;
} CqCursor;

typedef struct CqLane
{
	Oid			stream;
	List	   *views;			/* of Oid (list of OIDs), ascending */
	CqCursor   *cursors;
	int			ncursors;
	CqReader   *reader;			/* opened by the worker */
	struct CqLaneExec *exec;	/* exec's own: prepared plans, group caches */
} CqLane;

typedef enum CqBatchResult
{
	CQ_BATCH_APPLIED,			/* committed; the lane goes on */
	CQ_BATCH_LANES_CHANGED,		/* committed, but a view left the lane, or cursors were found moved: load the lanes again */
	CQ_BATCH_RETRY				/* rolled back for a passing reason (out of disk, deadlock): wait, load lanes, try again */
} CqBatchResult;

/*
 * Fetches one batch of the lane (waiting at most timeout_ms) and applies it. No transaction is open before or after. On
 * a fetch that brings nothing returns CQ_BATCH_APPLIED with *nrows 0. Errors that concern one view are dealt with here; an ERROR that
 * comes out means the worker should restart.
 */
extern CqBatchResult cq_exec_lane(CqLane *lane, int timeout_ms, int *nrows);

/*
 * Loads the lanes of this worker: partitions whose hash falls to worker of nworkers. First settles the start of views that
 * are new and of partitions that appeared (known tells which partitions there are now; of CqExtent *, by stream), merges cursors
 * that have met. Within a transaction. Lanes live in CurrentMemoryContext, without reader.
 */
extern List *cq_lane_load(int worker, int nworkers);	/* of CqLane * */

/*
 * Settles where views begin that have not started, and new partitions of the others, from what the broker told
 * (extents: of CqExtent *). Takes the stream's rows locked. Within a transaction. True where anything was added.
 */
extern bool cq_lane_settle(Oid stream, List *extents);

/* Frees what exec keeps for the lane. */
extern void cq_lane_close(CqLane *lane);

#endif							/* CQ_EXEC_H */
