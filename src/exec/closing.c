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
#include "catalog/query.h"
#include "catalog/view.h"
#include "common/attempt.h"
#include "common/version.h"
#include "common/compat.h"
#include "common/fault.h"
#include "common/wake.h"
#include "common/watch.h"
#include "exec/closing.h"
#include "exec/ending.h"
#include "exec/graph.h"
#include "exec/limit.h"
#include "exec/lock.h"
#include "exec/output.h"
#include "exec/root.h"
#include "exec/view_actor.h"
#include "exec/view_lock.h"
#include "exec/view_plan.h"
#include "exec/watermark.h"
#include "exec/window_life.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "plan/plan.h"
#include "stats/stats.h"
#include "stats/usage.h"
#include "storage/lmgr.h"
#include "stream/batch.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(cq_close_windows);
PG_FUNCTION_INFO_V1(cq_emit_windows);

/* A view whose windows are being closed. */
typedef struct Closing
{
	Oid			relid;
	CqEndingView of;
	const CqEndingRoutines *ending;
	bool		is_done;		/* something was written */
	void		(*step) (void *closing);
} Closing;

/* ---- the view ---- */

/* Plans the view, with what it is made of locked. False where it is not to be closed. */
static bool
prepare_closing(Closing *closing)
{
	Relation	definition;
	CqActor		actor;

	closing->of.view = cq_view_get(closing->relid);
	if (closing->of.view == NULL || strcmp(closing->of.view->status, "running") != 0)
		return false;
	definition = table_open(closing->of.view->definition, AccessShareLock);
	LockRelationOid(closing->of.view->state, RowExclusiveLock);
	if (OidIsValid(closing->of.view->result))
		LockRelationOid(closing->of.view->result, RowExclusiveLock);
	closing->of.owner = definition->rd_rel->relowner;
	cq_view_actor_begin(&actor, closing->of.view, closing->of.owner);
	cq_reject_raise(cq_view_plan(closing->of.view, cq_compat_view_query(definition),
								 &closing->of.plan), NULL);
	cq_owner_end(&actor);
	table_close(definition, NoLock);
	closing->ending = cq_ending_of(closing->of.plan);
	return true;
}

/* It may not go on for the moment: it does when it may. */
static bool
is_blocked(Closing *closing)
{
	const char *reason = cq_limit_reached(closing->of.view);

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
	CqClosingMarks marks;

	if (!prepare_closing(closing) || is_blocked(closing))
		return;
	marks = cq_closing_marks_read(closing->relid);
	if (marks.closed_through <= marks.emitted_through)
		return;
	closing->is_done = true;
	if (!closing->ending->end(&closing->of, marks.emitted_through, marks.closed_through))
		return;
	marks.emitted_through = marks.closed_through;
	cq_closing_marks_write(closing->relid, &marks);
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

static TimestampTz
next_end(const CqEndingView *of, const CqClosingMarks *marks)
{
	return cq_root_of(of->plan)->next_end(of->view, of->owner, of->plan, marks->closed_through,
										  marks->next_close);
}

static void
decide(void *arg)
{
	Closing    *closing = arg;
	CqClosingMarks marks = cq_closing_marks_read(closing->relid);
	TimestampTz watermark;
	TimestampTz before;
	bool		has_closed = false;

	closing->of.view = cq_view_get(closing->relid);
	if (closing->of.view == NULL || !watermark_for_closing(closing->of.view, &watermark) ||
		watermark < marks.next_close ||
		!prepare_closing(closing) || is_blocked(closing))
		return;
	cq_view_lock_close(closing->of.view->state);
	marks = cq_closing_marks_read(closing->relid);
	if (!watermark_for_closing(closing->of.view, &watermark))
		return;
	watermark -= closing->of.plan->longest_lag;
	cq_ending_find_bounds(&closing->of, watermark, &before, &marks.next_close);
	if (!TIMESTAMP_NOT_FINITE(marks.next_close))
		marks.next_close += closing->of.plan->longest_lag;
	if (before > marks.closed_through)
	{
		marks.closed_through = before;
		has_closed = true;
	}
	if (has_closed && closing->ending->is_at_once &&
		closing->ending->end(&closing->of, marks.emitted_through, marks.closed_through))
		marks.emitted_through = marks.closed_through;
	closing->ending->expire(&closing->of, watermark, &marks);
	marks.next_close = next_end(&closing->of, &marks);
	cq_closing_marks_write(closing->relid, &marks);
	if (has_closed && closing->ending->is_seen_before)
		cq_graph_push(closing->relid, false);
	closing->is_done = true;
}

bool
cq_closing_is_done(Oid relid)
{
	const CqView *view = cq_view_get(relid);
	TimestampTz watermark;
	CqClosingMarks marks;

	if (view == NULL || !watermark_for_closing(view, &watermark))
		return true;
	marks = cq_closing_marks_read(relid);
	return watermark < marks.next_close && (!view->emits_on_close ||
											marks.closed_through == marks.emitted_through);
}

/* ---- for all views ---- */

/* A cancel passes, but where a function says so itself, or the time was over. */
static bool
passes(const ErrorData *error)
{
	if (cq_fault_of(error) != CQ_FAULT_OF_SERVER || cq_watch_exceeded())
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
	if (passes(error) || !(closing->of.is_emitting || cq_watch_exceeded()))
		return;
	if (cq_watch_exceeded())
		reason = psprintf("it takes %s, which can be raised", cq_watch_excess());
	reason = psprintf("its windows cannot be closed: %s", reason);
	cq_stats_view_error(closing->relid, reason);
	if (!closing->of.is_emitting)
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
