/*
 * compaction.c
 *		When the states of a lane's views are compacted: cq_compaction_run.
 *
 * A worker that appends groups without knowing whether they are there already keeps count of them.
 * When they may have doubled the table's rows, it is gone over, in steps between batches, each a
 * transaction of its own. So a reader finds some two rows of a group, not as many as there were
 * batches; and what that costs for each row appended is bounded as well.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/guc.h"
#include "common/watch.h"
#include "exec/exec.h"
#include "exec/lock.h"
#include "exec/view_exec.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

/* Fewer rows than a fourth of what the cache has room for are not worth the while. */
static int64
least_rows(void)
{
	return Max(1000, (int64) cq_group_cache_size * 1024 / CQ_GROUP_CACHE_ENTRY_SIZE / 4);
}

/* All workers together are to double the rows, not each of them. */
static int64
worth_while(const CqViewExec *exec)
{
	return Max(exec->compact_from / cq_workers, least_rows());
}

static bool
is_due(const CqViewExec *exec)
{
	return exec != NULL && exec->is_prepared &&
		(exec->compaction != NULL || exec->ndoubtful >= worth_while(exec)) &&
		cq_group_can_scan(exec->layout);
}

static void
finish_compaction(CqViewExec *exec)
{
	int64		nrows = cq_compact_nrows(exec->compaction);
	int64		nmerged = cq_compact_nmerged(exec->compaction);

	ereport(DEBUG1,
			(errmsg_internal("compacted the state of continuous view "
							 "\"%s\": " INT64_FORMAT " of " INT64_FORMAT " rows were doubles",
							 get_rel_name(exec->view), nmerged, nrows)));
	exec->compact_from = nrows - nmerged;
	cq_view_exec_end_compaction(exec);
}

static void
go_on(Oid view, int64 budget_us)
{
	CqViewExec *exec = cq_view_exec_get(view, InvalidOid);

	if (exec != NULL && is_due(exec) && !cq_view_exec_compact(exec, budget_us))
		finish_compaction(exec);
}

/* After an error: the view is none the worse for it, only larger. */
static void
give_up(CqViewExec *exec, MemoryContext caller)
{
	bool		is_locked = cq_lock_is_wanted() || cq_watch_yields();

	cq_watch_end();
	MemoryContextSwitchTo(caller);
	if (ProcDiePending)
		PG_RE_THROW();
	if (!is_locked)
		EmitErrorReport();
	FlushErrorState();
	AbortCurrentTransaction();
	cq_lock_forget();
	if (is_locked)
		return;					/* another time */
	exec->compact_from = 2 * cq_workers * worth_while(exec);
	cq_view_exec_end_compaction(exec);
}

static void
compact(CqViewExec *exec, int64 budget_us)
{
	MemoryContext caller = CurrentMemoryContext;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	PG_TRY();
	{
		cq_watch_begin();
		cq_watch_begin_part(exec->view);
		go_on(exec->view, budget_us);
		cq_watch_require_within();
		cq_watch_end();
		PopActiveSnapshot();
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		give_up(exec, caller);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
}

void
cq_compaction_run(CqLane *lane, int64 budget_us)
{
	List	   *views = list_concat_copy(lane->views, lane->followers);
	ListCell   *cell;

	foreach(cell, views)
	{
		CqViewExec *exec = cq_view_exec_find(lfirst_oid(cell));

		if (is_due(exec))
			compact(exec, budget_us);
	}
	list_free(views);
}
