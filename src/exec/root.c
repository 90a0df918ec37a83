/*
 * root.c
 *		The root of a view, of one kind or another: see root.h.
 *
 * A batch asks for none of the view's options: the plan says of which kind the root is
 * (plan/root.c), and here are the routines of each. All of them run once for each batch; the rows
 * pass through the server's executor to a receiver of state/.
 */
#include "postgres.h"

#include "access/table.h"
#include "common/clock.h"
#include "common/compat.h"
#include "common/guc.h"
#include "exec/expired_told.h"
#include "exec/output.h"
#include "exec/root.h"
#include "exec/session_end.h"
#include "exec/told.h"
#include "exec/view_exec.h"
#include "node/flow.h"
#include "node/pairs.h"
#include "plan/tree.h"
#include "state/session_merge.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/*
 * The sizes of batches that the two plans are made for, and the size from which on the plan for
 * large ones is taken.
 */
#define SMALL_BATCH 100
#define LARGE_BATCH 100000
#define LARGE_FROM 3000

/* ---- what is kept ready ---- */

void
cq_root_expect_rows(double nrows)
{
	cq_batch_expected_rows = nrows;
}

static PlannedStmt *
plan_for(const CqViewPlan *plan, double nrows)
{
	PlannedStmt *volatile planned = NULL;

	cq_root_expect_rows(nrows);
	PG_TRY();
	{
		planned = cq_partial_plan(plan, NULL);
	}
	PG_FINALLY();
	{
		cq_root_expect_rows(0);
	}
	PG_END_TRY();
	return planned;
}

static List *
plan_root(CqViewExec *exec)
{
	exec->planned = plan_for(exec->plan, LARGE_BATCH);
	exec->planned_small = plan_for(exec->plan, SMALL_BATCH);
	return list_make2(exec->planned, exec->planned_small);
}

static List *
prepare_rows(CqViewExec *exec)
{
	cq_view_exec_forget_cache(exec);
	return plan_root(exec);
}

static List *
prepare_sessions(CqViewExec *exec)
{
	exec->layout = cq_group_layout(exec->plan);
	return prepare_rows(exec);
}

/* A cache speaks of places in one file: gone after TRUNCATE, VACUUM FULL or cq.reset. */
static void
prepare_cache(CqViewExec *exec)
{
	Relation	state = table_open(exec->row->state, AccessShareLock);
	Oid			file = cq_compat_relation_file(state);

	if (exec->cache == NULL)
		exec->cache = cq_group_cache_create(TopMemoryContext, (Size) cq_group_cache_size * 1024);
	if (exec->state_file != file)
	{
		cq_group_cache_clear(exec->cache);
		cq_view_exec_end_compaction(exec);
		exec->ndoubtful = exec->compact_from = 0;
		if (cq_workers == 1)
			cq_merge_warm_up(state, exec->layout, exec->cache);
		else if (RelationGetNumberOfBlocks(state) > 0)
			cq_group_cache_doubt(exec->cache);
	}
	exec->state_file = file;
	table_close(state, NoLock);
}

static List *
prepare_groups(CqViewExec *exec)
{
	exec->layout = cq_group_layout(exec->plan);
	prepare_cache(exec);
	return plan_root(exec);
}

/* The last node has planned it all. */
static List *
prepare_nothing(CqViewExec *exec)
{
	cq_view_exec_forget_cache(exec);
	return NIL;
}

/* ---- what takes what the plans yield ---- */

static DestReceiver *
open_rows(CqViewExec *exec, CqMergeCounts *counts, const CqMergeChanges *changes)
{
	return cq_merge_rows_receiver(exec->row->state, cq_clock_transaction(), counts,
								  changes->receiver);
}

static DestReceiver *
open_groups(CqViewExec *exec, CqMergeCounts *counts, const CqMergeChanges *changes)
{
	return cq_merge_groups_receiver(exec->row->state, exec->layout, exec->cache, counts);
}

static DestReceiver *
open_told_groups(CqViewExec *exec, CqMergeCounts *counts, const CqMergeChanges *changes)
{
	return cq_merge_changes_receiver(exec->row->state, exec->layout, exec->cache, counts, changes);
}

/* Only of windows that are closed, and have not expired. */
static DestReceiver *
open_amended_groups(CqViewExec *exec, CqMergeCounts *counts, const CqMergeChanges *changes)
{
	CqMergeChanges of_closed = *changes;
	CqTimeKind	kind;

	of_closed.is_limited = true;
	of_closed.end = cq_read_closing_column(exec->plan, &kind);
	of_closed.after = exec->expired_through;
	of_closed.through = exec->closed_through;
	return open_told_groups(exec, counts, &of_closed);
}

static DestReceiver *
open_told_sessions(CqViewExec *exec, CqMergeCounts *counts, const CqMergeChanges *changes)
{
	return cq_session_merge_receiver(exec->row->state, exec->plan, exec->layout,
									 exec->row->emits_on_close, counts, changes);
}

static DestReceiver *
open_sessions(CqViewExec *exec, CqMergeCounts *counts, const CqMergeChanges *changes)
{
	return open_told_sessions(exec, counts, NULL);
}

/* ---- a batch ---- */

static int64
count_rows(const CqBinding *binding)
{
	int64		nrows = binding->end - binding->first;
	int			row = binding->first - 1;

	while ((row = bms_next_member(binding->skip, row)) >= 0 && row < binding->end)
		nrows--;
	return nrows;
}

static PlannedStmt *
plan_of_size(const CqViewExec *exec, int64 nrows)
{
	return nrows < LARGE_FROM ? exec->planned_small : exec->planned;
}

static int64
run_over_node(CqViewExec *exec, CqBinding *binding, CqDelta **deltas, DestReceiver *receiver)
{
	CqDelta    *changes = deltas[exec->plan->node - 1];
	QueryEnvironment *environment = create_queryEnv();

	if (changes == NULL)
		return -1;
	cq_delta_register(changes, cq_tree_changes_name(exec->plan->node), environment);
	cq_flow_run(plan_of_size(exec, changes->nrows), environment, receiver);
	return changes->nrows;
}

static int64
run_over_batch(CqViewExec *exec, CqBinding *binding, CqDelta **deltas, DestReceiver *receiver)
{
	PlannedStmt *plan = plan_of_size(exec, binding->end - binding->first);

	if (binding->stream != exec->plan->stream)
		return -1;
	binding->plan = plan;
	cq_batch_bind(binding);
	cq_flow_run(plan, NULL, receiver);
	cq_batch_unbind();
	return count_rows(binding);
}

/* To sinks and the like. NULL as well where whoever closes windows tells what has become of them. */
static CqChangeReceiver *
open_output(CqViewExec *exec)
{
	if (exec->plan->telling == CQ_TELLS_NOTHING)
		return NULL;
	return exec->root->open_output(exec->row, exec->owner, exec->plan);
}

static void
finish_output(CqChangeReceiver *changes)
{
	if (changes != NULL)
		changes->finish(changes);
}

/* row: makes the view's row of a group, where that is told. */
static int64
run_plan(CqViewExec *exec, CqBinding *binding, CqDelta **deltas, CqMergeCounts *counts,
		 CqGroupRow *row)
{
	static int64 (*const runs[]) (CqViewExec *exec, CqBinding *binding, CqDelta **deltas,
								  DestReceiver *receiver) = {
		[CQ_DRIVEN_BY_STREAM] = run_over_batch,
		[CQ_DRIVEN_BY_NODE] = run_over_node,
	};
	CqMergeChanges changes = {.receiver = cq_told_open(exec, open_output(exec)), .row = row};
	DestReceiver *receiver = exec->root->open(exec, counts, &changes);
	int64		nrows = runs[exec->plan->driver] (exec, binding, deltas, receiver);

	receiver->rDestroy(receiver);
	finish_output(changes.receiver);
	return nrows;
}

static int64
run_untold(CqViewExec *exec, CqBinding *binding, CqDelta **deltas, CqMergeCounts *counts)
{
	return run_plan(exec, binding, deltas, counts, NULL);
}

/* Which row a group was, and is. */
static int64
run_told(CqViewExec *exec, CqBinding *binding, CqDelta **deltas, CqMergeCounts *counts)
{
	CqGroupRow *row = cq_group_row_open(exec->plan);
	int64		nrows = run_plan(exec, binding, deltas, counts, row);

	cq_group_row_close(row);
	return nrows;
}

static CqDelta *
last_delta(const CqViewPlan *plan, CqDelta **deltas)
{
	return deltas[list_length(plan->tree->nodes) - 1];
}

/* What has become stored: to whoever asks for it. */
static void
tell_stored(const CqViewPlan *plan, CqDelta *stored, CqChangeReceiver *receiver)
{
	if (receiver != NULL && stored != NULL)
		cq_pairs_tell(stored, plan->row_key, plan->has_row_key, receiver);
	finish_output(receiver);
}

static int64
run_stored(CqViewExec *exec, CqBinding *binding, CqDelta **deltas, CqMergeCounts *counts)
{
	CqDelta    *stored = last_delta(exec->plan, deltas);

	tell_stored(exec->plan, stored, open_output(exec));
	if (stored != NULL)
	{
		counts->inserted += stored->nrows;
		cq_told_add(exec, stored);
	}
	return -1;
}

/* ---- it begins ---- */

static void
begin_empty(const CqView *view, Oid owner, const CqViewPlan *plan, CqDelta **deltas)
{
}

static void
begin_stored(const CqView *view, Oid owner, const CqViewPlan *plan, CqDelta **deltas)
{
	CqDelta    *stored = last_delta(plan, deltas);

	if (stored != NULL)
		tell_stored(plan, stored, cq_output_open(view, owner, plan));
}

/* ---- its windows end ---- */

static TimestampTz
next_bound(const CqView *view, Oid owner, const CqViewPlan *plan, TimestampTz closed_through,
		   TimestampTz next)
{
	return next;
}

/* ---- which it is ---- */

static const CqRoot roots[] = {
	[CQ_ROOT_ROWS] = {prepare_rows, open_rows, cq_output_open, run_untold, begin_empty,
					  next_bound, cq_expired_told_open},
	[CQ_ROOT_GROUPS] = {prepare_groups, open_groups, cq_output_open, run_untold, begin_empty,
						next_bound, cq_expired_told_open_groups},
	[CQ_ROOT_TOLD_GROUPS] = {prepare_groups, open_told_groups, cq_output_open, run_told,
							 begin_empty, next_bound, cq_expired_told_open_groups},
	[CQ_ROOT_AMENDED_GROUPS] = {prepare_groups, open_amended_groups, cq_output_open_amended,
								run_told, begin_empty, next_bound, cq_expired_told_open_groups},
	[CQ_ROOT_SESSIONS] = {prepare_sessions, open_sessions, cq_output_open, run_untold,
						  begin_empty, cq_session_end_next, cq_expired_told_open_groups},
	[CQ_ROOT_TOLD_SESSIONS] = {prepare_sessions, open_told_sessions, cq_output_open, run_told,
							   begin_empty, cq_session_end_next, cq_expired_told_open_groups},
	[CQ_ROOT_STORED] = {prepare_nothing, NULL, cq_output_open, run_stored, begin_stored,
						next_bound, cq_expired_told_open},
};

const CqRoot *
cq_root_of(const CqViewPlan *plan)
{
	return &roots[plan->root];
}
