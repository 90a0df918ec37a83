/*
 * ending.c
 *		What becomes of windows that are closed: see ending.h.
 *
 * Those that are emitted have their rows made from the state, which is then dropped; those that
 * expire have it dropped in small steps, each a transaction; those that are amended keep it, until
 * rows are too late for them.
 */
#include "postgres.h"

#include "common/compat.h"
#include "exec/ending.h"
#include "exec/expired_told.h"
#include "exec/node_cut.h"
#include "exec/output.h"
#include "exec/root.h"
#include "exec/view_actor.h"
#include "exec/view_lock.h"
#include "exec/window_bound.h"
#include "exec/window_life.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "rewrite/rewriteHandler.h"
#include "state/merge.h"
#include "state/retention.h"
#include "tcop/tcopprot.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define DROPPED_ROWS	100000	/* in a transaction */

/*
 * A batch must find the rows that it has found before; and it may be at rows of closed windows,
 * when it touches a key that is in several.
 */
static void
hold_batches(const CqEndingView *ending)
{
	if (ending->plan->is_exclusive)
		cq_view_lock_exclusive(ending->view->state);
}

/* ---- emission ---- */

static ParamListInfo
make_params(Oid type, const TimestampTz *values, int nvalues)
{
	ParamListInfo params = makeParamList(nvalues);

	for (int i = 0; i < nvalues; i++)
	{
		params->params[i].value = TimestampTzGetDatum(values[i]);
		params->params[i].isnull = false;
		params->params[i].pflags = PARAM_FLAG_CONST;
		params->params[i].ptype = type;
	}
	return params;
}

static void
run_query(Query *query, ParamListInfo params, DestReceiver *receiver)
{
	CmdType		command = query->commandType;
	List	   *rewritten;
	PlannedStmt *planned;
	QueryDesc  *description;

	AcquireRewriteLocks(query, true, false);
	rewritten = QueryRewrite(query);
	if (list_length(rewritten) != 1 || linitial_node(Query, rewritten)->commandType != command)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a rule changes what is to be done with the state of a continuous view"),
				 errhint("Drop the rule.")));
	planned = pg_plan_query(linitial_node(Query, rewritten), "", 0, params);
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	description = CreateQueryDesc(planned, "", GetActiveSnapshot(), InvalidSnapshot, receiver,
								  params, NULL, 0);
	ExecutorStart(description, 0);
	cq_compat_executor_run(description);
	ExecutorFinish(description);
	ExecutorEnd(description);
	FreeQueryDesc(description);
	PopActiveSnapshot();
}

/* What nodes keep for windows that are closed, and were not so before. */
static void
cut_nodes(CqEndingView *ending, TimestampTz before, TimestampTz closed_through)
{
	CqWindowBound bound;
	CqActor		actor;

	cq_view_actor_begin(&actor, ending->view, ending->owner);
	cq_window_bound_init(&bound, &ending->plan->closing);
	cq_node_cut(ending->view, ending->plan, &bound,
				cq_window_bound_first_needed(&bound, before),
				cq_window_bound_first_needed(&bound, closed_through));
	cq_owner_end(&actor);
}

/* Writes the rows of windows that end after from and not after to, and drops what nobody needs. */
static void
emit_rows(CqEndingView *ending, TimestampTz from, TimestampTz to,
		  void (*drop) (CqEndingView *ending, TimestampTz from, TimestampTz to))
{
	const TimestampTz bounds[] = {from, to};
	Oid			type = ending->plan->closing.type;
	CqMergeCounts counts = {0};	/* nobody asks */
	Query	   *read;
	CqChangeReceiver *changes;
	DestReceiver *receiver;
	CqActor		actor;

	ending->is_emitting = true;
	cq_view_actor_begin(&actor, ending->view, ending->owner);
	changes = cq_output_open(ending->view, ending->owner, ending->plan);
	receiver = cq_merge_result_receiver(ending->view->result, &counts, changes);
	cq_reject_raise(cq_read_closed(ending->plan, ending->view->state, &read), NULL);
	run_query(read, make_params(type, bounds, lengthof(bounds)), receiver);
	drop(ending, from, to);
	if (changes != NULL)
		changes->finish(changes);
	cq_owner_end(&actor);
	receiver->rDestroy(receiver);
}

/* Drops the state of what has ended not after a time. */
static void
delete_closed(CqEndingView *ending, TimestampTz through)
{
	CqActor		actor;

	cq_view_actor_begin(&actor, ending->view, ending->owner);
	run_query(cq_read_delete_closed(ending->plan, ending->view->state),
			  make_params(ending->plan->closing.type, &through, 1), None_Receiver);
	cq_owner_end(&actor);
}

/* What no other window needs. */
static void
drop_emitted(CqEndingView *ending, TimestampTz from, TimestampTz to)
{
	hold_batches(ending);
	delete_closed(ending, to);
	cut_nodes(ending, from, to);
}

static bool
emit_and_drop(CqEndingView *ending, TimestampTz from, TimestampTz to)
{
	emit_rows(ending, from, to, drop_emitted);
	return true;
}

static void
drop_nothing(CqEndingView *ending, TimestampTz from, TimestampTz to)
{
}

static bool
emit_and_keep(CqEndingView *ending, TimestampTz from, TimestampTz to)
{
	emit_rows(ending, from, to, drop_nothing);
	return true;
}

/* Deletes some of the state of windows that have expired. True where no more of it is left. */
static bool
drop_rows(CqEndingView *ending, TimestampTz closed_through)
{
	CqTimeKind	kind;
	int			column = cq_read_closing_column(ending->plan, &kind);
	const char *name = list_nth_node(ColumnDef, ending->plan->columns, column)->colname;
	TimestampTz horizon;
	CqWindowBound bound;
	DestReceiver *told;
	CqActor		actor;
	bool		is_all;

	cq_view_actor_begin(&actor, ending->view, ending->owner);
	cq_window_bound_init(&bound, &ending->plan->closing);
	horizon = cq_window_bound_horizon(&bound, kind, closed_through);
	told = cq_root_of(ending->plan)->tell_expired(ending->view, ending->owner, ending->plan);
	is_all = cq_retention_delete(ending->view->state, name, horizon, DROPPED_ROWS,
								 told) < DROPPED_ROWS;
	cq_expired_told_close(told);
	cq_owner_end(&actor);
	return is_all;
}

/* A window's state goes in several transactions, and in the end what nodes keep. */
static bool
drop_by_and_by(CqEndingView *ending, TimestampTz from, TimestampTz to)
{
	hold_batches(ending);
	if (!drop_rows(ending, to))
		return false;
	cut_nodes(ending, from, to);
	return true;
}

/*
 * What has no bounds but its own goes at once, and with it what nodes have of it: a row that comes
 * in between would have them make it anew.
 */
static bool
drop_at_once(CqEndingView *ending, TimestampTz from, TimestampTz to)
{
	hold_batches(ending);
	while (!drop_rows(ending, to))
		CHECK_FOR_INTERRUPTS();
	cut_nodes(ending, from, to);
	return true;
}

void
cq_ending_find_bounds(const CqEndingView *ending, TimestampTz watermark, TimestampTz *before,
					  TimestampTz *after)
{
	CqWindowBound bound;
	CqActor		actor;

	cq_view_actor_begin(&actor, ending->view, ending->owner);
	cq_window_bound_init(&bound, &ending->plan->closing);
	*before = cq_window_bound_before(&bound, watermark);
	*after = cq_window_bound_after(&bound, watermark);
	cq_owner_end(&actor);
}

static void
keep_all(CqEndingView *ending, TimestampTz watermark, CqClosingMarks *marks)
{
}

/* Closed windows that are amended go when rows are too late for them. */
static void
drop_expired(CqEndingView *ending, TimestampTz watermark, CqClosingMarks *marks)
{
	CqWindowLife life = cq_window_life_gone(ending->view);
	TimestampTz before;
	TimestampTz after;

	if (!life.is_over)
		return;
	cq_ending_find_bounds(ending, cq_window_life_ended(&life, watermark), &before, &after);
	if (before <= marks->expired_through)
		return;
	marks->expired_through = before;
	delete_closed(ending, before);
}

static TimestampTz
late_when_closed(const CqClosingMarks *marks)
{
	return marks->closed_through;
}

static TimestampTz
late_when_gone(const CqClosingMarks *marks)
{
	return marks->expired_through;
}

static const CqEndingRoutines endings[] = {
	[CQ_ENDS_EXPIRED] = {false, true, drop_by_and_by, keep_all, late_when_closed},
	[CQ_ENDS_EXPIRED_AT_ONCE] = {false, true, drop_at_once, keep_all, late_when_closed},
	[CQ_ENDS_EMITTED] = {false, false, emit_and_drop, keep_all, late_when_closed},
	[CQ_ENDS_EMITTED_AT_ONCE] = {true, true, emit_and_drop, keep_all, late_when_closed},
	[CQ_ENDS_AMENDED] = {true, true, emit_and_keep, drop_expired, late_when_gone},
};

const CqEndingRoutines *
cq_ending_of(const CqViewPlan *plan)
{
	return &endings[plan->ending];
}
