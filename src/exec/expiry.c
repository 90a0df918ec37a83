/*
 * expiry.c
 *		_cq.expire_rows(): deletes what is too old, of all views, in small steps.
 *
 * What goes:
 *		rows of a view without aggregation, groups, and rows of closed windows, by the option
 *		retention: where the time by which they expire (plan/expiry.c) is longer ago, before the
 *		clock, or before the watermark. (Windows that are not emitted are another matter: see
 *		closing.c.) An index on that time finds rows; groups are looked for in all of the table,
 *		since an index would have to be kept with each change of a group; steps that cq.sliding has
 *		left behind (plan/sliding.c).
 *
 * A reader's now is when its transaction began, which may be long ago, though what it sees is new:
 * so steps stay as long as one that might ask for them is open. Besides, nobody is waited for but
 * batches that have just written the rows.
 *
 * At most max_rows of each view go at a time, so that no transaction grows large. Takes that
 * bigint, and whether to stop after the first view of which something went, since batches of views
 * that keep one row for each group have to wait for whoever deletes one. Returns how many rows
 * went.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/part.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/reads.h"
#include "catalog/view.h"
#include "common/attempt.h"
#include "common/version.h"
#include "common/clock.h"
#include "common/fault.h"
#include "common/watch.h"
#include "common/compat.h"
#include "common/guc.h"
#include "exec/closing_marks.h"
#include "exec/expired_told.h"
#include "exec/graph.h"
#include "exec/lock.h"
#include "exec/node_cut.h"
#include "exec/output.h"
#include "exec/view_actor.h"
#include "exec/view_lock.h"
#include "exec/view_plan.h"
#include "exec/watermark.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "plan/plan.h"
#include "state/expire.h"
#include "state/retention.h"
#include "stats/reading.h"
#include "stats/stats.h"
#include "stats/usage.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(cq_expire_rows);

/*
 * Of a table that is gone over as a whole, a row takes no longer than it does to delete many more.
 */
#define GROUPS_FACTOR	10

static bool holds_view;			/* in this transaction */

typedef struct Expiry
{
	Oid			view;
	int64		max_rows;
	TimestampTz oldest;			/* now of the transaction that has been open for longest */
	int64		nexpired;
} Expiry;

static bool
find_clock(const CqView *view, TimestampTz *until)
{
	*until = cq_clock_now();
	return true;
}

/*
 * Up to when is it known that nothing more has come for a group? The clock says so only of what has
 * been read: up to when its worker has looked the last time, and where messages wait to be read, or
 * may do, up to the last one before them; where nobody has looked, not at all.
 */
static bool
find_silence(const CqView *view, TimestampTz *until)
{
	static const char read[] =
		"SELECT c.cursor_id, c.last_timestamp, coalesce(c.next_offset < "
		"(SELECT max(o.end_offset) FROM _cq.cursor o "
		"WHERE o.stream = c.stream AND o.topic = c.topic AND o.partition = c.partition), false) "
		"FROM _cq.follow f JOIN _cq.cursor c USING (cursor_id) "
		"JOIN _cq.input i ON i.view = f.view AND i.stream = f.stream "
		"WHERE f.view = $1 AND i.is_started";
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view->view)};
	TimestampTz now = cq_clock_now();

	*until = now;
	if (strcmp(view->status, "running") != 0)
		return false;
	SPI_connect();
	cq_query_execute(read, SPI_OK_SELECT, lengthof(types), types, args, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		is_null;
		bool		is_unknown;
		CqReading	reading;
		int64		cursor_id = DatumGetInt64(cq_query_column(i, 1, &is_null));
		TimestampTz last = DatumGetTimestampTz(cq_query_column(i, 2, &is_unknown));

		if (!cq_reading_get(cursor_id, &reading))
			*until = DT_NOBEGIN;
		else if (!reading.has_caught_up || reading.held_up[0] != '\0' ||
				 DatumGetBool(cq_query_column(i, 3, &is_null)))
			*until = Min(*until, is_unknown ? DT_NOBEGIN : last);
		else
			*until = Min(*until, now - (cq_clock_real_monotonic() - reading.looked_at));
	}
	SPI_finish();
	return !TIMESTAMP_NOT_FINITE(*until);
}

static int64
delete_groups(const CqView *view, TimestampTz horizon, int64 max_rows)
{
	Relation	definition = table_open(view->definition, AccessShareLock);
	Oid			owner = definition->rd_rel->relowner;
	CqViewPlan *plan;
	DestReceiver *told;
	CqActor		actor;
	int64		nexpired;

	LockRelationOid(view->state, RowExclusiveLock);
	cq_view_actor_begin(&actor, view, owner);
	cq_reject_raise(cq_view_plan(view, cq_compat_view_query(definition), &plan), NULL);
	cq_view_plan_check_state(view, plan);
	told = cq_expired_told_open_groups(view, owner, plan);
	nexpired = cq_expire_groups(view->state, cq_group_layout(plan), horizon, max_rows,
								(uint32) GetCurrentTimestamp(), told);
	cq_expired_told_close(told);
	cq_owner_end(&actor);
	table_close(definition, NoLock);
	return nexpired;
}

static void
hold_alone(const CqView *view)
{
	cq_view_lock_exclusive(view->state);
	holds_view = true;
}

/*
 * Where changes are told, a batch must find the one row of a group that it has found before: nobody
 * deletes it meanwhile. Where others read the view by its name, they follow. The lock is held to
 * the end of the transaction, which goes on with no other such view, lest two wait for each other.
 */
static void
hold_off(const CqView *view)
{
	if (view->tells_changes || cq_reads_readers(view->view) != NIL)
		hold_alone(view);
}

static int64
delete_and_tell(const CqView *view, Oid table, const char *column, TimestampTz horizon,
				int64 max_rows)
{
	Relation	definition = table_open(view->definition, AccessShareLock);
	Oid			owner = definition->rd_rel->relowner;
	CqViewPlan *plan;
	DestReceiver *told;
	CqActor		actor;
	int64		nexpired;

	cq_view_actor_begin(&actor, view, owner);
	cq_reject_raise(cq_view_plan(view, cq_compat_view_query(definition), &plan), NULL);
	told = cq_expired_told_open(view, owner, plan);
	nexpired = cq_retention_delete(table, column, horizon, max_rows, told);
	cq_expired_told_close(told);
	cq_owner_end(&actor);
	table_close(definition, NoLock);
	return nexpired;
}

static int64
delete_rows(const CqView *view, Oid table, const char *column, TimestampTz horizon, int64 max_rows)
{
	if (!cq_retention_is_due(table, column, horizon))
		return 0;
	hold_off(view);
	return view->tells_expired ? delete_and_tell(view, table, column, horizon, max_rows) :
		cq_retention_delete(table, column, horizon, max_rows, NULL);
}

/* What nodes keep for rows that would be too old when they come. */
static void
cut_nodes(const CqView *view, TimestampTz horizon)
{
	Relation	definition;
	CqViewPlan *plan;
	CqActor		actor;

	if (!cq_part_has_nodes(view->view))
		return;
	definition = table_open(view->definition, AccessShareLock);
	cq_view_actor_begin(&actor, view, definition->rd_rel->relowner);
	cq_reject_raise(cq_view_plan(view, cq_compat_view_query(definition), &plan), NULL);
	horizon -= plan->longest_lag;
	if (cq_node_cut_is_due(view, plan, NULL, horizon))
	{
		hold_alone(view);
		cq_node_cut(view, plan, NULL, DT_NOBEGIN, horizon);
	}
	cq_owner_end(&actor);
	table_close(definition, NoLock);
}

/* ---- what expires ---- */

/* What goes by retention, of views of a kind, and by which clock. */
typedef struct Expiring
{
	/* Up to when it is known what there is. False: it is not known yet. */
	bool		(*find_now) (const CqView *view, TimestampTz *now);

	/* Deletes at most max_rows of what is before the horizon: how many. */
	int64		(*expire) (const CqView *view, TimestampTz horizon, int64 max_rows);
} Expiring;

static bool
find_no_time(const CqView *view, TimestampTz *now)
{
	return false;
}

static int64
expire_rows(const CqView *view, TimestampTz horizon, int64 max_rows)
{
	return delete_rows(view, view->state, CQ_ROW_TIME_COLUMN, horizon, max_rows);
}

static int64
expire_rows_by_event_time(const CqView *view, TimestampTz horizon, int64 max_rows)
{
	int64		nexpired = delete_rows(view, view->state, CQ_EVENT_TIME_COLUMN, horizon, max_rows);

	cut_nodes(view, horizon);
	return nexpired;
}

static int64
expire_groups_by(const CqView *view, const char *column, TimestampTz horizon, int64 max_rows)
{
	if (!cq_retention_is_due(view->state, column, horizon))
		return 0;
	hold_off(view);
	return delete_groups(view, horizon, max_rows * GROUPS_FACTOR);
}

static int64
expire_groups(const CqView *view, TimestampTz horizon, int64 max_rows)
{
	return expire_groups_by(view, CQ_ROW_TIME_COLUMN, horizon, max_rows);
}

static int64
expire_groups_by_event_time(const CqView *view, TimestampTz horizon, int64 max_rows)
{
	return expire_groups_by(view, CQ_EVENT_TIME_COLUMN, horizon, max_rows);
}

/* Of closed windows: those that are amended go with the state that they are amended by. */
static int64
expire_results(const CqView *view, TimestampTz horizon, int64 max_rows)
{
	if (view->amends_late)
		horizon = cq_closing_marks_read(view->view).expired_through;
	return horizon == DT_NOBEGIN ? 0 :
		delete_rows(view, view->result, CQ_END_COLUMN, horizon + 1, max_rows);
}

static int64
expire_nothing(const CqView *view, TimestampTz horizon, int64 max_rows)
{
	return 0;
}

/* By the clock, and by event time. Windows are closed, which is what closing.c is for. */
static const Expiring expirings[][2] = {
	[CQ_EXPIRES_NOTHING] = {{find_no_time, expire_nothing}, {find_no_time, expire_nothing}},
	[CQ_EXPIRES_ROWS] = {{find_clock, expire_rows}, {cq_watermark_get, expire_rows_by_event_time}},
	[CQ_EXPIRES_GROUPS] = {{find_silence, expire_groups},
						   {cq_watermark_get, expire_groups_by_event_time}},
	[CQ_EXPIRES_WINDOWS] = {{find_no_time, expire_nothing}, {find_no_time, expire_nothing}},
	[CQ_EXPIRES_RESULTS] = {{find_clock, expire_results}, {cq_watermark_get, expire_results}},
};

static int64
expire_view(const CqView *view, int64 max_rows)
{
	const Expiring *expiring = &expirings[view->expiry][view->expires_by_event_time];
	TimestampTz now;

	if (view->retention == NULL || !expiring->find_now(view, &now) ||
		(view->tells_expired && cq_output_full(view) != NULL))
		return 0;
	return expiring->expire(view, cq_retention_horizon(now, view->retention), max_rows);
}

/* Steps that cq.sliding has left. */
static int64
expire_steps(const CqView *view, TimestampTz oldest, int64 max_rows)
{
	if (view->steps_kept < 0)
		return 0;
	return delete_rows(view, view->state, CQ_STEP_COLUMN, oldest - view->steps_kept, max_rows);
}

static void
expire(void *arg)
{
	Expiry	   *expiry = arg;
	CqView	   *view = cq_view_get(expiry->view);

	if (view == NULL)
		return;
	expiry->nexpired += expire_view(view, expiry->max_rows);
	if (expiry->nexpired > 0)
		cq_graph_push(view->view, false);
	expiry->nexpired += expire_steps(view, expiry->oldest, expiry->max_rows);
}

/* ---- turns ---- */

/*
 * Views whose tables are gone over as a whole, when there is little to be found, have to wait for a
 * multiple of the time that it takes.
 */
typedef struct Turn
{
	Oid			view;			/* hash key */
	TimestampTz next;
} Turn;

#define LONG_US			50000
#define REST			20

static Turn *
find_turn(Oid view)
{
	static HTAB *turns = NULL;
	bool		found;
	Turn	   *turn;

	if (turns == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(Oid), .entrysize = sizeof(Turn),
							   .hcxt = TopMemoryContext};

		turns = hash_create("pg_cq expiry", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	turn = hash_search(turns, &view, HASH_ENTER, &found);
	if (!found)
		turn->next = DT_NOBEGIN;
	return turn;
}

/* Who asks for all views waits for none. */
static void
expire_in_time(void *expiry)
{
	cq_watch_run(((Expiry *) expiry)->view, expire, expiry);
}

static ErrorData *
take_turn(Expiry *expiry, bool is_patient)
{
	Turn	   *turn = find_turn(expiry->view);
	TimestampTz start = cq_clock_real_monotonic();
	TimestampTz end;
	ErrorData  *error;

	if (is_patient && start < turn->next)
		return NULL;
	if (!cq_lock_keep_view(expiry->view))
		return NULL;
	error = cq_attempt(expire_in_time, expiry);
	cq_usage_charge(expiry->view);
	if (expiry->nexpired == 0)
		cq_lock_let_view(expiry->view);
	end = cq_clock_real_monotonic();
	turn->next = end - start > LONG_US && expiry->nexpired < expiry->max_rows ?
		end + (end - start) * REST : start;
	return error;
}

/* Its batches go on, and so it does not stop; but it says why what is old stays. */
static void
tell_error(Oid view, const ErrorData *error)
{
	const char *reason = cq_watch_exceeded() ?
		psprintf("it takes %s, which can be raised", cq_watch_excess()) :
		cq_fault_text(error);

	cq_stats_view_error(view, psprintf("what is too old cannot be deleted: %s", reason));
}

/* Vacuum, which may take long, asks for no steps. */
static TimestampTz
oldest_now(void)
{
	static const char read[] =
		"SELECT min(xact_start) FROM pg_stat_activity WHERE datid = (SELECT oid FROM pg_database "
		"WHERE datname = current_database()) "
		"AND backend_type <> 'autovacuum worker'";
	TimestampTz now = cq_clock_now();
	bool		is_null;
	TimestampTz oldest;

	if (cq_clock != 0)
		return now;
	cq_query_execute(read, SPI_OK_SELECT, 0, NULL, NULL, NULL);
	oldest = DatumGetTimestampTz(cq_query_column(0, 1, &is_null));
	return is_null ? now : Min(oldest, now);
}

Datum
cq_expire_rows(PG_FUNCTION_ARGS)
{
	static const char read[] =
		"SELECT view::oid FROM _cq.view WHERE (retention IS NOT NULL OR steps_kept IS NOT NULL) "
		"AND status <> 'restored' "
		"ORDER BY view::oid <= $1, view::oid";
	static char *last_warning = NULL;
	static Oid	last = InvalidOid;
	bool		one_view = PG_GETARG_BOOL(1);
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(last)};
	int64		max_rows = PG_GETARG_INT64(0);
	int64		expired = 0;
	SPITupleTable *views;
	uint64		nviews;
	TimestampTz oldest;

	cq_version_require();
	SPI_connect();
	oldest = oldest_now();
	cq_query_execute(read, SPI_OK_SELECT, lengthof(types), types, args, NULL);
	views = SPI_tuptable;
	nviews = SPI_processed;
	holds_view = false;
	for (uint64 i = 0; i < nviews && !(one_view && expired > 0) && !holds_view; i++)
	{
		bool		isnull;
		Oid			view = DatumGetObjectId(SPI_getbinval(views->vals[i], views->tupdesc, 1,
														  &isnull));
		Expiry		expiry = {view, max_rows, oldest, 0};
		ErrorData  *error = take_turn(&expiry, one_view);

		/* What is wrong with one view is not the others' concern. */
		if (error != NULL && !cq_watch_yields())
		{
			tell_error(view, error);
			cq_attempt_name_view(error, get_rel_name(view));
			cq_attempt_warn(error, &last_warning);
		}
		expired += error == NULL ? expiry.nexpired : 0;
		last = view;
	}
	SPI_finish();
	PG_RETURN_INT64(expired);
}
