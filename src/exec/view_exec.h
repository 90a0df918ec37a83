/*
 * view_exec.h
 *		What a worker keeps ready to maintain one view: its plan, its group layout and cache.
 */
#ifndef CQ_VIEW_EXEC_H
#define CQ_VIEW_EXEC_H

#include "postgres.h"

#include "catalog/view.h"
#include "exec/root.h"
#include "exec/window_bound.h"
#include "node/tree_run.h"
#include "plan/plan.h"
#include "state/compact.h"
#include "state/merge.h"
#include "stream/batch.h"

/* What a view reads of a stream. */
typedef struct CqStreamUse
{
	Oid			stream;
	Bitmapset  *needed;			/* columns that the plans read */
	const List *settings;		/* under which they are decoded; interned */
	AttrNumber	event_time;		/* where windows are closed, or expire: its column */
	int64		lag;			/* by so much windows of a row lie before its time at most */
} CqStreamUse;

/* How long its part of batches has taken, where it is maintained by one at a time: see apart.c. */
typedef struct CqPartTimes
{
	TimestampTz since;			/* they are counted together since then */
	int			nbatches;
	int64		nrows;
	int64		took_us;
	TimestampTz slow_at;		/* they have last taken long */
	bool		is_apart;		/* it is to go on apart */
} CqPartTimes;

/* Of the last rows: see error_rate.c. */
typedef struct CqErrorRate
{
	int64		nrows;
	int64		nbad;
} CqErrorRate;

typedef struct CqViewExec
{
	Oid			view;			/* hash key */
	bool		is_prepared;	/* all below is there */
	bool		is_valid;		/* and nothing that it depends on has changed since */
	MemoryContext context;		/* of all below but the cache; reset when prepared again */
	CqView	   *row;			/* as in the catalog */
	Oid			owner;
	CqViewPlan *plan;
	const CqRoot *root;			/* how what comes to its root gets into the state */
	PlannedStmt *planned;		/* for large batches */
	/* for small ones: joins look rows up instead of reading whole tables */
	PlannedStmt *planned_small;
	CqTreeRun  *tree;			/* the nodes below the root */
	struct CqNodeCounts *counted;	/* by number, the root first: see node_count.h */
	int			ncounted;
	bool		checks_kept;	/* has them say whether what they keep is at fault */
	List	   *plans;			/* of PlannedStmt *: all of them; NIL: just being prepared */
	List	   *parts;			/* of Oid: tables of the nodes */
	List	   *outputs;		/* of Oid: tables and streams that it writes to besides */
	List	   *readers;		/* of Oid: views that read it by its name */
	List	   *below;			/* of Oid: those that it reads so, itself or through others */
	int			level;			/* how many of those stand one over the other */
	bool		is_exclusive;	/* it is maintained by one batch after the other, over all workers */
	List	   *uses;			/* of CqStreamUse *: of each stream */
	Bitmapset  *needed;			/* of the stream that it was got for last: as in its use */
	const List *settings;
	CqWindowBound bound;		/* of windows that are closed, or expire */
	AttrNumber	event_time;		/* there, and of that stream: as in its use */
	int64		lag;
	TimestampTz closed_through; /* in this transaction, where closed windows are amended */
	TimestampTz expired_through;	/* the same: what lies before is not amended any more */
	CqGroupLayout *layout;		/* for groups */
	/* for groups; survives a new plan while the state table's file is the same */
	CqGroupCache *cache;
	CqCompaction *compaction;	/* under way, or NULL; of the same file as the cache */
	/* groups appended that may be there already, since the last compaction began */
	int64		ndoubtful;
	int64		compact_from;	/* so many of them are worth one */
	int64		nerrors;		/* dead letters since they were counted last */
	int64		nhopeless;		/* rows that failed, with none that did not before or between */
	bool		is_hopeful;		/* that says nothing any more */
	CqErrorRate recent;			/* of what was committed */
	int			row_limit;		/* rows of a batch that it manages in its time; 0: any number */
	int			ntimeouts;		/* in a row, of its part of a batch */
	CqPartTimes part_times;
	int			nfailures;		/* of transactions, in a row, that it made fail */
	int32		doubted_partition;	/* the first row, lately, that may be at fault, or the server */
	int64		doubted_offset;
	Oid			state_file;		/* relfilenode that the cache speaks of */
	CqDelta    *told;			/* what the transaction changes of its rows, for its readers; NULL:
		nobody asks */
	CqDelta    *told_now;		/* the same of the run under way */
	bool		is_told_whole;	/* more than that has changed */
} CqViewExec;

/*
 * The view, ready to run over batches of a stream (or InvalidOid: not to run), with its relations
 * locked, or NULL where it is gone or not to be run. Within a transaction, with a
 * snapshot. Stays valid until the end of the transaction. Raises ERROR where its query no longer
 * works.
 */
extern CqViewExec *cq_view_exec_get(Oid view, Oid stream);

/* So many transactions in a row may one view make fail before it has to go on by itself. */
#define CQ_FAILURES_TOGETHER 2

/*
 * How many transactions in a row the view has made fail, by errors that pass or by locks that do
 * not: the caller counts.
 */
extern int *cq_view_exec_failures(Oid view);

/*
 * Is one of them better off alone? It makes transactions fail, takes fewer rows at a time than
 * others, or is slowed down by a budget: together with others of the kind, at the same place, it
 * would leave them again for ever.
 */
extern bool cq_view_exec_any_stays_apart(const List *views);

/*
 * Runs the plan over rows [first, end) of the batch except those in skip, and merges what comes out
 * into the state table. As the view's owner, under its pinned settings. The caller has a
 * subtransaction around it.
 */
extern void cq_view_exec_run(CqViewExec *exec, CqBatch *batch, int first, int end,
							 const Bitmapset *skip,
							 CqMergeCounts *counts);

/* The same with what continuous views that it reads by their names have told: of CqToldView *. */
extern void cq_view_exec_run_told(CqViewExec *exec, const List *told, CqMergeCounts *counts);

/*
 * Has the nodes of a view that is to begin store what they make of nothing, such as a count(*) of
 * 0, and tells it. Within a transaction, with a snapshot, and the view locked against its workers.
 */
extern void cq_view_exec_begin(Oid view);

/* Gives back what is kept of views that were dropped. Between batches, within a transaction. */
extern void cq_view_exec_sweep(void);

/* Gives back what is kept of all views: of a process that does not maintain them. */
extern void cq_view_exec_forget(void);

/* The view if it has been asked for before, prepared or not, or NULL. */
extern CqViewExec *cq_view_exec_find(Oid view);

/* A step of its compaction, which begins where none is under way; false when done. As run. */
extern bool cq_view_exec_compact(CqViewExec *exec, int64 budget_us);
extern void cq_view_exec_end_compaction(CqViewExec *exec);

/* Forgets where groups are, and its compaction, where there is any. */
extern void cq_view_exec_forget_cache(CqViewExec *exec);

#endif							/* CQ_VIEW_EXEC_H */
