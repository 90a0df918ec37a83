/*
 * closing.c
 *		Closes windows of views with emit = 'close', and has windows expire that are retained for a
 *		time.
 *
 *		closed_through   ├──────────────┤ rows of these windows come too late
 *		emitted_through  ├─────────┤      and their own rows are in the result, for good
 *		                           └────┘ closed, and about to be emitted
 *
 * First it is decided that windows are closed, which takes a moment in which no batch of the view
 * runs: batches hold a lock shared that this takes exclusively, and read closed_through under it.
 * From then on the state of those windows does not change any more, so that their rows can be made
 * from it in another transaction, however long that takes, while ingest goes on. That transaction
 * writes the rows, drops the state and sets emitted_through. So each row appears exactly once,
 * whatever crashes when.
 *
 * Where windows overlap, those that are closed share rows with those that are open, or panes: there
 * both steps are one transaction. So they are for sessions, which lie wherever rows came. They are
 * closed up to the watermark itself, when it has reached the end of the first of them: what comes
 * later for a time before closed_through is late, so that no row can touch a session that has been
 * emitted.
 *
 * Rows that are of no window are closed one by one, those before the watermark, as often as that
 * moves, and are written in the order of their times.
 *
 * Windows that expire are closed without being emitted: from closed_through on nobody sees them
 * (plan/read.c), and their state is deleted in small steps, each a transaction, after which
 * emitted_through follows.
 *
 * Locks are taken in this order: relations, the closing lock (view_lock.h), the row of _cq.closing;
 * a batch takes them so as well.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/view.h"
#include "common/attempt.h"
#include "common/version.h"
#include "common/compat.h"
#include "common/fault.h"
#include "common/int.h"
#include "common/name.h"
#include "common/wake.h"
#include "common/watch.h"
#include "exec/closing.h"
#include "exec/expired_told.h"
#include "exec/graph.h"
#include "exec/lock.h"
#include "exec/node_cut.h"
#include "exec/output.h"
#include "exec/view_actor.h"
#include "exec/view_lock.h"
#include "exec/view_plan.h"
#include "exec/watermark.h"
#include "exec/window_bound.h"
#include "exec/window_life.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "plan/plan.h"
#include "rewrite/rewriteHandler.h"
#include "state/merge.h"
#include "state/retention.h"
#include "stats/stats.h"
#include "stats/usage.h"
#include "storage/lmgr.h"
#include "stream/batch.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(cq_close_windows);
PG_FUNCTION_INFO_V1(cq_emit_windows);

#define DROPPED_ROWS	100000	/* in a transaction */

/* A view whose windows are being closed. */
typedef struct Closing
{
	Oid			relid;
	CqView	   *view;
	Oid			owner;
	CqViewPlan *plan;
	const struct Ending *ending;
	bool		is_emitting;	/* its own query is running */
	bool		is_done;		/* something was written */
	void		(*step) (void *closing);
} Closing;

/* ---- the row of _cq.closing ---- */

typedef struct Marks
{
	TimestampTz closed_through; /* DT_NOBEGIN: nothing */
	TimestampTz emitted_through;
	TimestampTz next_close;
	TimestampTz expired_through;	/* where closed windows are amended */
} Marks;

/* What becomes of windows that are closed: by CqEnding. */
typedef struct Ending
{
	bool		is_at_once;		/* in the transaction that decides that they are closed */
	bool		is_seen_before; /* readers do not wait for it: what is closed is another thing */

	/* Of windows that end after from and not after to. False: some of it is still to be done. */
	bool		(*end) (Closing *closing, TimestampTz from, TimestampTz to);

	/* What has been closed for long. watermark: less all that windows are waited for. */
	void		(*expire) (Closing *closing, TimestampTz watermark, Marks *marks);
} Ending;

static const Ending *ending_of(const CqViewPlan *plan);

static TimestampTz
mark(int number)
{
	bool		is_null;
	Datum		value = cq_query_column(0, number, &is_null);

	return is_null ? DT_NOBEGIN : DatumGetTimestampTz(value);
}

static Marks
read_marks(Oid view)
{
	Marks		marks = {DT_NOBEGIN, DT_NOBEGIN, DT_NOBEGIN, DT_NOBEGIN};
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view)};

	SPI_connect();
	cq_query_execute("SELECT closed_through, emitted_through, next_close, expired_through FROM "
					 "_cq.closing WHERE view = $1", SPI_OK_SELECT,
					 lengthof(types), types, args, NULL);
	if (SPI_processed > 0)
		marks = (Marks) {mark(1), mark(2), mark(3), mark(4)};
	SPI_finish();
	return marks;
}

static void
write_marks(Oid view, const Marks *marks)
{
	static const char write[] =
		"INSERT INTO _cq.closing (view, closed_through, emitted_through, next_close, "
		"expired_through) VALUES ($1, $2, $3, $4, $5) "
		"ON CONFLICT (view) DO UPDATE SET closed_through = $2, emitted_through = $3, next_close = "
		"$4, expired_through = $5";
	Oid			types[] = {OIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum		args[] = {
		ObjectIdGetDatum(view), TimestampTzGetDatum(marks->closed_through),
		TimestampTzGetDatum(marks->emitted_through),
		TimestampTzGetDatum(marks->next_close), TimestampTzGetDatum(marks->expired_through)
	};

	SPI_connect();
	cq_query_execute(write, SPI_OK_INSERT, lengthof(types), types, args, NULL);
	SPI_finish();
}

/* ---- the view ---- */

/* Plans the view, with what it is made of locked. False where it is not to be closed. */
static bool
prepare_closing(Closing *closing)
{
	Relation	definition;
	CqActor		actor;

	closing->view = cq_view_get(closing->relid);
	if (closing->view == NULL || strcmp(closing->view->status, "running") != 0)
		return false;
	definition = table_open(closing->view->definition, AccessShareLock);
	LockRelationOid(closing->view->state, RowExclusiveLock);
	if (OidIsValid(closing->view->result))
		LockRelationOid(closing->view->result, RowExclusiveLock);
	closing->owner = definition->rd_rel->relowner;
	cq_view_actor_begin(&actor, closing->view, closing->owner);
	cq_reject_raise(cq_view_plan(closing->view, cq_compat_view_query(definition), &closing->plan),
					NULL);
	cq_owner_end(&actor);
	table_close(definition, NoLock);
	closing->ending = ending_of(closing->plan);
	return true;
}

/*
 * A batch must find the rows that it has found before; and it may be at rows of closed windows,
 * when it touches a key that is in several.
 */
static void
hold_batches(const Closing *closing)
{
	if (closing->plan->is_exclusive)
		cq_view_lock_exclusive(closing->view->state);
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
cut_nodes(Closing *closing, TimestampTz before, TimestampTz closed_through)
{
	CqWindowBound bound;
	CqActor		actor;

	cq_view_actor_begin(&actor, closing->view, closing->owner);
	cq_window_bound_init(&bound, &closing->plan->closing);
	cq_node_cut(closing->view, closing->plan, &bound,
				cq_window_bound_first_needed(&bound, before),
				cq_window_bound_first_needed(&bound, closed_through));
	cq_owner_end(&actor);
}

/* Writes the rows of windows that end after from and not after to, and drops what nobody needs. */
static void
emit_rows(Closing *closing, TimestampTz from, TimestampTz to,
		  void (*drop) (Closing *closing, TimestampTz from, TimestampTz to))
{
	const TimestampTz bounds[] = {from, to};
	Oid			type = closing->plan->closing.type;
	CqMergeCounts counts = {0};	/* nobody asks */
	Query	   *read;
	CqChangeReceiver *changes;
	DestReceiver *receiver;
	CqActor		actor;

	closing->is_emitting = true;
	cq_view_actor_begin(&actor, closing->view, closing->owner);
	changes = cq_output_open(closing->view, closing->owner, closing->plan);
	receiver = cq_merge_result_receiver(closing->view->result, &counts, changes);
	cq_reject_raise(cq_read_closed(closing->plan, closing->view->state, &read), NULL);
	run_query(read, make_params(type, bounds, lengthof(bounds)), receiver);
	drop(closing, from, to);
	if (changes != NULL)
		changes->finish(changes);
	cq_owner_end(&actor);
	receiver->rDestroy(receiver);
}

/* Drops the state of what has ended not after a time. */
static void
delete_closed(Closing *closing, TimestampTz through)
{
	CqActor		actor;

	cq_view_actor_begin(&actor, closing->view, closing->owner);
	run_query(cq_read_delete_closed(closing->plan, closing->view->state),
			  make_params(closing->plan->closing.type, &through, 1), None_Receiver);
	cq_owner_end(&actor);
}

/* What no other window needs. */
static void
drop_emitted(Closing *closing, TimestampTz from, TimestampTz to)
{
	hold_batches(closing);
	delete_closed(closing, to);
	cut_nodes(closing, from, to);
}

static bool
emit_and_drop(Closing *closing, TimestampTz from, TimestampTz to)
{
	emit_rows(closing, from, to, drop_emitted);
	return true;
}

static void
drop_nothing(Closing *closing, TimestampTz from, TimestampTz to)
{
}

static bool
emit_and_keep(Closing *closing, TimestampTz from, TimestampTz to)
{
	emit_rows(closing, from, to, drop_nothing);
	return true;
}

/* Deletes some of the state of windows that have expired. True where no more of it is left. */
static bool
drop_rows(Closing *closing, TimestampTz closed_through)
{
	bool		is_pane;
	int			column = cq_read_closing_column(closing->plan, &is_pane);
	const char *name = list_nth_node(ColumnDef, closing->plan->columns, column)->colname;
	TimestampTz horizon = closed_through + (closing->plan->closing.is_by_row ? 0 : 1);
	CqWindowBound bound;
	DestReceiver *told;
	CqActor		actor;
	bool		is_all;

	cq_view_actor_begin(&actor, closing->view, closing->owner);
	if (is_pane)
	{
		cq_window_bound_init(&bound, &closing->plan->closing);
		horizon = cq_window_bound_first_needed(&bound, closed_through);
	}
	told = cq_expired_told_open(closing->view, closing->owner, closing->plan);
	is_all = cq_retention_delete(closing->view->state, name, horizon, DROPPED_ROWS,
								 told) < DROPPED_ROWS;
	cq_expired_told_close(told);
	cq_owner_end(&actor);
	return is_all;
}

/*
 * A window's state goes in several transactions. What has no bounds but its own goes at once, and
 * with it what nodes have of it: a row that comes in between would have them make it anew.
 */
static bool
drop_all(Closing *closing, TimestampTz closed_through)
{
	bool		is_all = drop_rows(closing, closed_through);

	while (!is_all && !OidIsValid(closing->plan->closing.bound))
		is_all = drop_rows(closing, closed_through);
	return is_all;
}

/* Some of it, and in the end what nodes keep. */
static bool
drop_by_and_by(Closing *closing, TimestampTz from, TimestampTz to)
{
	hold_batches(closing);
	if (!drop_all(closing, to))
		return false;
	cut_nodes(closing, from, to);
	return true;
}

/* Its output takes no more for the moment: it goes on when it does. */
static bool
is_blocked(Closing *closing)
{
	const char *reason = cq_output_full(closing->view);

	if (reason == NULL)
		return false;
	cq_view_set_status(closing->relid, "blocked", reason);
	cq_wake_catalog_changed();
	closing->is_done = true;
	return true;
}

static void
emit(void *arg)
{
	Closing    *closing = arg;
	Marks		marks;

	if (!prepare_closing(closing) || is_blocked(closing))
		return;
	marks = read_marks(closing->relid);
	if (marks.closed_through <= marks.emitted_through)
		return;
	closing->is_done = true;
	if (!closing->ending->end(closing, marks.emitted_through, marks.closed_through))
		return;
	marks.emitted_through = marks.closed_through;
	write_marks(closing->relid, &marks);
	if (!closing->ending->is_seen_before)
		cq_graph_push(closing->relid, false);
}

/* ---- decision ---- */

static bool
watermark_for_closing(const CqView *view, TimestampTz *watermark)
{
	CqWindowLife life = cq_window_life_closed(view);

	if (!life.is_over || !cq_watermark_get(view, watermark))
		return false;
	*watermark = cq_window_life_ended(&life, *watermark - view->allowed_lateness);
	return true;
}

/* Where the windows lie around the watermark: under the view's TimeZone. */
static void
find_bounds(const Closing *closing, TimestampTz watermark, TimestampTz *before, TimestampTz *after)
{
	CqWindowBound bound;
	CqActor		actor;

	cq_view_actor_begin(&actor, closing->view, closing->owner);
	cq_window_bound_init(&bound, &closing->plan->closing);
	*before = cq_window_bound_before(&bound, watermark);
	*after = cq_window_bound_after(&bound, watermark);
	cq_owner_end(&actor);
}

/*
 * The first time at which a session may end from now on: of those that are stored, or of a row to
 * come, which is not before closed_through.
 */
static TimestampTz
next_session_end(Closing *closing, TimestampTz closed_through)
{
	Oid			state = closing->view->state;
	ColumnDef  *session = list_nth_node(ColumnDef, closing->plan->columns,
										closing->plan->session->key);
	TimestampTz end;
	CqActor		actor;
	bool		is_null;
	Datum		stored;

	if (pg_add_s64_overflow(closed_through, closing->plan->session->gap, &end))
		end = DT_NOEND;
	cq_view_actor_begin(&actor, closing->view, closing->owner);
	SPI_connect();
	cq_query_execute(psprintf("SELECT pg_catalog.min(pg_catalog.upper(%s)) FROM %s",
							  quote_identifier(session->colname),
							  cq_name_qualified(state)),
					 SPI_OK_SELECT, 0, NULL, NULL, NULL);
	stored = cq_query_column(0, 1, &is_null);
	if (!is_null)
		end = Min(end, DatumGetTimestampTz(stored));
	SPI_finish();
	cq_owner_end(&actor);
	return end;
}

static void
keep_all(Closing *closing, TimestampTz watermark, Marks *marks)
{
}

/* Closed windows that are amended go when rows are too late for them. */
static void
drop_expired(Closing *closing, TimestampTz watermark, Marks *marks)
{
	CqWindowLife life = cq_window_life_gone(closing->view);
	TimestampTz before;
	TimestampTz after;

	if (!life.is_over)
		return;
	find_bounds(closing, cq_window_life_ended(&life, watermark), &before, &after);
	if (before <= marks->expired_through)
		return;
	marks->expired_through = before;
	delete_closed(closing, before);
}

TimestampTz
cq_closing_expired_through(Oid view)
{
	return read_marks(view).expired_through;
}

static void
decide(void *arg)
{
	Closing    *closing = arg;
	Marks		marks = read_marks(closing->relid);
	TimestampTz watermark;
	TimestampTz before;
	bool		has_closed = false;

	closing->view = cq_view_get(closing->relid);
	if (closing->view == NULL || !watermark_for_closing(closing->view, &watermark) ||
		watermark < marks.next_close ||
		!prepare_closing(closing) || is_blocked(closing))
		return;
	cq_view_lock_close(closing->view->state);
	marks = read_marks(closing->relid);
	if (!watermark_for_closing(closing->view, &watermark))
		return;
	watermark -= closing->plan->longest_lag;
	find_bounds(closing, watermark, &before, &marks.next_close);
	if (!TIMESTAMP_NOT_FINITE(marks.next_close))
		marks.next_close += closing->plan->longest_lag;
	if (before > marks.closed_through)
	{
		marks.closed_through = before;
		has_closed = true;
	}
	if (has_closed && closing->ending->is_at_once &&
		closing->ending->end(closing, marks.emitted_through, marks.closed_through))
		marks.emitted_through = marks.closed_through;
	closing->ending->expire(closing, watermark, &marks);
	if (closing->plan->session != NULL)
		marks.next_close = next_session_end(closing, marks.closed_through);
	write_marks(closing->relid, &marks);
	if (has_closed && closing->ending->is_seen_before)
		cq_graph_push(closing->relid, false);
	closing->is_done = true;
}

static const Ending endings[] = {
	[CQ_ENDS_EXPIRED] = {false, true, drop_by_and_by, keep_all},
	[CQ_ENDS_EMITTED] = {false, false, emit_and_drop, keep_all},
	[CQ_ENDS_EMITTED_AT_ONCE] = {true, true, emit_and_drop, keep_all},
	[CQ_ENDS_AMENDED] = {true, true, emit_and_keep, drop_expired},
};

static const Ending *
ending_of(const CqViewPlan *plan)
{
	return &endings[plan->ending];
}

bool
cq_closing_is_done(Oid relid)
{
	const CqView *view = cq_view_get(relid);
	TimestampTz watermark;
	Marks		marks;

	if (view == NULL || !watermark_for_closing(view, &watermark))
		return true;
	marks = read_marks(relid);
	return watermark < marks.next_close && (!view->emits_on_close ||
											marks.closed_through == marks.emitted_through);
}

/* ---- for all views ---- */

/* A cancel passes, but where a function says so itself, or the time was over. */
static bool
passes(const ErrorData *error)
{
	if (cq_fault_of(error) != CQ_FAULT_OF_SERVER || cq_watch_timed_out())
		return false;
	return ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_OPERATOR_INTERVENTION ||
		!cq_fault_is_of_function(error);
}

/*
 * Where the view's own query fails, and it does not pass by itself, the view stops. All else its
 * workers find as well, but what takes too long.
 */
static void
take_error(const Closing *closing, ErrorData *error)
{
	static char *last_warning = NULL;
	const char *reason = error->message;

	cq_attempt_name_view(error, get_rel_name(closing->relid));
	cq_attempt_warn(error, &last_warning);
	if (passes(error) || !(closing->is_emitting || cq_watch_timed_out()))
		return;
	if (cq_watch_timed_out())
		reason = "it takes longer than ten times cq.view_timeout, which can be raised";
	reason = psprintf("its windows cannot be closed: %s", reason);
	cq_stats_view_error(closing->relid, reason);
	if (!closing->is_emitting)
		return;
	cq_view_set_status(closing->relid, "failed", reason);
	cq_wake_catalog_changed();
}

static List *
views_where(const char *condition)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *views;

	SPI_connect();
	cq_query_execute(psprintf("SELECT v.view::oid FROM _cq.view v LEFT JOIN _cq.closing c ON "
							  "c.view = v.view "
							  "WHERE (v.emit = 'close' OR v.expires = 'windows') "
							  "AND v.status = 'running' AND %s AND NOT EXISTS "
							  "(SELECT FROM _cq.input i WHERE i.view = v.view AND NOT "
							  "i.is_started) "
							  "ORDER BY 1", condition),
					 SPI_OK_SELECT, 0, NULL, NULL, NULL);
	views = cq_query_take_oids(caller, 1);
	SPI_finish();
	return views;
}

/* Where to begin in a list: behind the view that was done last, so that none waits for ever. */
static int
place_behind(const List *views, Oid last)
{
	int			place = 0;

	while (place < list_length(views) && list_nth_oid(views, place) <= last)
		place++;
	return place;
}

static void
take_step(void *arg)
{
	Closing    *closing = arg;
	CqFaultWatch watch;

	cq_fault_watch(&watch);
	cq_batch_begin_part();
	cq_watch_run(closing->relid, closing->step, closing);
	cq_batch_end_part();
	cq_fault_unwatch(&watch);
}

/*
 * Takes the step for one view, since what it locks stays locked to the end of the transaction: the
 * first in turn that has something to do. What goes wrong with a view is not the others' concern.
 * How many there were: 0 or 1.
 */
static int64
do_one(const List *views, Oid *last, void (*step) (void *closing))
{
	int			nviews = list_length(views);
	int			place = place_behind(views, *last);

	for (int i = 0; i < nviews; i++)
	{
		Closing		closing = {.relid = list_nth_oid(views, (place + i) % nviews)};
		ErrorData  *error;

		*last = closing.relid;
		if (!cq_lock_keep_view(closing.relid))
			continue;
		closing.step = step;
		error = cq_attempt(take_step, &closing);
		cq_usage_charge(closing.relid);
		if (error != NULL)
		{
			cq_batch_abandon_part();
			cq_fault_note_raiser(error);
		}
		if (error != NULL ? cq_watch_yields() : !closing.is_done)
			cq_lock_let_view(closing.relid);
		else if (error != NULL)
			take_error(&closing, error);
		else
			return 1;
	}
	return 0;
}

/* _cq.close_windows(): decides for one view. 0: for none there was anything to decide. */
Datum
cq_close_windows(PG_FUNCTION_ARGS)
{
	static Oid	last = InvalidOid;

	cq_version_require();
	PG_RETURN_INT64(do_one(views_where("true"), &last, decide));
}

/*
 * _cq.emit_windows(): makes the rows of windows that were closed, of one view. 0: there was none.
 */
Datum
cq_emit_windows(PG_FUNCTION_ARGS)
{
	static Oid	last = InvalidOid;

	cq_version_require();
	PG_RETURN_INT64(do_one(views_where("c.closed_through IS DISTINCT FROM c.emitted_through"),
						   &last, emit));
}
