/*
 * exec.h
 *		One batch, one transaction: what the worker's main loop calls.
 *
 * A lane is a set of partitions of one stream at which the same views stand: it is read once, and
 * each batch is applied to all of its views and moves their shared cursors in the same transaction.
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
	/* the highest that was read, as of the batch at hand; DT_NOBEGIN: none */
	TimestampTz event_time;
	TimestampTz last_timestamp; /* of the last message read, when it was loaded; 0 unknown */
	int64		stop_offset;	/* a batch must not go beyond it; PG_INT64_MAX: may go on */
} CqCursor;

#define CQ_TROUBLE_LENGTH 512

/* The event times of a batch. */
typedef struct CqEventTimes
{
	/* by row: the highest that came before it in its partition, or DT_NOBEGIN */
	TimestampTz *before;
	TimestampTz *highest;		/* by slice: the same, behind the last row */
} CqEventTimes;

typedef struct CqLane
{
	Oid			stream;
	List	   *views;			/* of Oid (list of OIDs), ascending */
	CqCursor   *cursors;		/* by topic and partition */
	int			ncursors;
	CqReader   *reader;			/* opened by the worker */
	int			max_rows;		/* messages in one batch; 0: as cq.batch_rows says */
	bool		heeds_drift;	/* some view has max_drift */
	bool		is_held;		/* for that, its views do not go on for now: it has no reader */
	bool		closes_windows; /* some view has windows that are closed, or expire */
	bool		fills_outbox;	/* some view has a topic for a sink */
	/* of Oid: views further down a chain that were maintained with it */
	List	   *followers;
	CqEventTimes *event_times;	/* of the batch at hand; NULL: none, or it is not decoded yet */
	bool		decodes_apart;	/* column by column, the one message of the batch at hand */
	bool		gives_way;		/* does not wait for views that another worker is at */
	bool		has_stops;
	int64		nbytes;			/* of the last batch: keys and values */
	char		trouble[CQ_TROUBLE_LENGTH]; /* why a batch was rolled back; or empty */
	int64		lag;			/* messages that were waiting behind it, as far as is known */
	/* by row of the batch, which somebody puts through again: the dead letter that it is, 0 once it
	 * has failed again. Else NULL */
	int64	   *letters;
} CqLane;

typedef enum CqBatchResult
{
	CQ_BATCH_APPLIED,			/* committed; the lane goes on */
	CQ_BATCH_VIEWS_LEFT,		/* the same, with fewer views: load the lanes again */
	/*
	 * A view left the lane, cursors were found moved, or the reader has gone past a stop: close it,
	 * load the lanes again.
	 */
	CQ_BATCH_LANES_CHANGED,
	CQ_BATCH_GIVES_WAY,			/* nothing was fetched: another worker is at one of the views */
	CQ_BATCH_AWAITS,			/* rolled back: somebody has locked all of the lane's views */
	/* rolled back for a passing reason (out of disk, deadlock): wait, load lanes, try again */
	CQ_BATCH_RETRY
} CqBatchResult;

/*
 * Fetches one batch of the lane (waiting at most timeout_ms) and applies it. No transaction is open
 * before or after. On a fetch that brings nothing returns CQ_BATCH_APPLIED with *nrows 0. Errors
 * that concern one view are dealt with here; an ERROR that comes out means the worker should
 * restart.
 */
extern CqBatchResult cq_batch_exec_lane(CqLane *lane, int timeout_ms, int *nrows);

/* ---- compaction.c ---- */

/*
 * Goes on with the compaction of those of the lane's views that are due, for about so many
 * microseconds each. No transaction is open before or after. Errors are dealt with here.
 */
extern void cq_compaction_run(CqLane *lane, int64 budget_us);

/* ---- field.c ---- */

/*
 * Writes down for which columns of the lane's stream no message has a field, where that is news. No
 * transaction is open before or after. Errors are dealt with here.
 */
extern void cq_field_note(CqLane *lane);

/* ---- lane.c ---- */

/* What of the streams is a worker's. */
typedef struct CqShare
{
	const char *pool;			/* of whose views; empty: the default one */
	int			worker;			/* 0 … nworkers - 1 */
	int			nworkers;
	/* Does the partition fall to it? NULL: as their hashes say. */
	bool		(*is_own) (void *context, Oid stream, const char *topic, int32 partition);
	void	   *context;
} CqShare;

/*
 * Loads the lanes of the partitions that fall to a worker: of its pool's views that run and have
 * started. First gives cursors of their own to views that do not run, or are of another pool, and
 * makes one cursor of those that have met. Within a transaction with a snapshot. Lanes live in
 * CurrentMemoryContext, without reader.
 */
extern List *cq_lane_load(const CqShare *share);	/* of CqLane * */

/*
 * The lanes of one stream, whoever they fall to, with their cursors locked to the end of the
 * transaction; without those that somebody else has locked, and those of other pools than lanes
 * were loaded for.
 */
extern List *cq_lane_of_stream(Oid stream);

/* ---- drift.c ---- */

/*
 * Are those of the lanes (of CqLane *) held that are to be now, and no others? Else they are to be
 * loaded again. Within a transaction with a snapshot.
 */
extern bool cq_drift_is_current(const List *lanes);

/* ---- settle.c ---- */

/*
 * Streams with a view that runs but has not started; with all, all streams of views that run. Only
 * those that it is this worker's turn to settle. Within a transaction with a snapshot. In
 * CurrentMemoryContext.
 */
extern List *cq_settle_has_unsettled(int worker, int nworkers, bool all);	/* of Oid */

typedef enum CqSettling
{
	CQ_SETTLING_DONE,
	CQ_SETTLING_ASKS,			/* the inquiry has no answer yet: with the same one, later */
	CQ_SETTLING_LOCKED,			/* but for views that somebody has locked: again in a while */
	CQ_SETTLING_AGAIN			/* but for what is new: again, with another inquiry */
} CqSettling;

/*
 * Settles where the stream's views begin that have not started, and where the others begin in
 * partitions that they do not follow yet. Asks the broker, in a transaction of its own, then
 * writes, in another. No transaction is open before or after. Two workers at once do no harm.
 * *added: was anything? A start that cannot be is reported only if that is accepted; else it is to
 * be done again. Raises ERROR.
 */
extern CqSettling cq_settle_lane(Oid stream, CqInquiry *inquiry, bool accepts_faults, bool *added);

/* ---- apart.c ---- */

/* Do all of these views (of Oid) go on apart, since they would hold others up? */
extern bool cq_apart_are_all(const List *views);

/* ---- meet.c ---- */

/* May the two become one, where they have met? Not where the views of one go on apart. */
extern bool cq_meet_may(const CqLane *one, const CqLane *other);

/* How many messages two lanes are apart, over the partitions that both read; -1: none. */
extern int64 cq_meet_distance(const CqLane *one, const CqLane *other);

/* Is the lane behind the other one in some partition? */
extern bool cq_meet_is_behind(const CqLane *lane, const CqLane *other);

/* Neither goes, in partitions that both read, beyond where the other one stands. */
extern void cq_meet_set_stops(CqLane *one, CqLane *other);
extern void cq_meet_clear_stops(CqLane *lane);

/*
 * Takes out of a fetched batch what lies at or after the stops. True where there was any: only a
 * new reader gives it again.
 */
extern bool cq_meet_cut(CqLane *lane, CqBatch *batch);

/* Closes the reader. */
extern void cq_lane_close(CqLane *lane);

#endif							/* CQ_EXEC_H */
