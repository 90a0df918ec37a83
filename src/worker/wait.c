/*
 * wait.c
 *		cq.wait: until a view has seen all that is in its streams now.
 *
 * Asks the streams how far they reach, then compares with the view's positions, as of ever newer
 * snapshots, each time that a worker has committed something. What the caller then reads in a new
 * snapshot, that is with its next statement, is at least as new.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/identity.h"
#include "common/clock.h"
#include "common/owner.h"
#include "catalog/maintained.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/view.h"
#include "exec/closing.h"
#include "exec/graph.h"
#include "exec/table_turn.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "stream/reader.h"
#include "tcop/pquery.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"
#include "worker/shared.h"
#include "worker/slots.h"

#define EXTENTS_TIMEOUT_MS	30000
#define GRACE_MS			1000	/* for workers to come */
#define LOOK_MS				100		/* at the latest, though nobody has told of anything */

PG_FUNCTION_INFO_V1(cq_wait);

/* How far each partition of a stream reached, and where the view stood before that was asked. */
typedef struct Goal
{
	Oid			view;
	Datum		args[9];		/* view; topics, partitions, begins, ends;
		topics, partitions, places; stream */
} Goal;

/* Sets three arrays: the view's place in each partition that it follows, as of now. */
static void
find_places(Oid view, Oid stream, Datum *places)
{
	static const char read[] =
		"SELECT coalesce(array_agg(f.topic::text), '{}'), coalesce(array_agg(f.partition), '{}'), "
		"coalesce(array_agg(c.next_offset), '{}') "
		"FROM _cq.follow f JOIN _cq.cursor c USING (cursor_id) "
		"JOIN _cq.input i ON i.view = f.view AND i.stream = f.stream "
		"WHERE f.view = $1 AND f.stream = $2 AND i.is_started";
	MemoryContext caller = CurrentMemoryContext;
	Oid			types[] = {OIDOID, OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view), ObjectIdGetDatum(stream)};
	CqActor		actor;

	cq_owner_begin_catalog(&actor);
	SPI_connect();
	if (SPI_execute_with_args(read, lengthof(types), types, args, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not run \"%s\"", read);
	MemoryContextSwitchTo(caller);
	for (int i = 0; i < 3; i++)
	{
		bool		isnull;

		places[i] =
			PointerGetDatum(DatumGetArrayTypePCopy(SPI_getbinval(SPI_tuptable->vals[0],
																 SPI_tuptable->tupdesc, i + 1,
																 &isnull)));
	}
	SPI_finish();
	cq_owner_end(&actor);
}

static Goal *
find_goal(Oid view, Oid stream, int timeout_ms)
{
	Goal	   *goal = palloc0(sizeof(Goal));
	List	   *extents;
	Datum	   *topics;
	Datum	   *partitions;
	Datum	   *begins;
	Datum	   *ends;
	int			n;
	ListCell   *cell;

	goal->view = view;
	goal->args[0] = ObjectIdGetDatum(view);
	goal->args[8] = ObjectIdGetDatum(stream);
	find_places(view, stream, &goal->args[5]);
	(void) cq_reader_extents(stream, cq_owner_of_relation(stream), NULL, timeout_ms, &extents);
	n = list_length(extents);
	topics = palloc(sizeof(Datum) * Max(n, 1));
	partitions = palloc(sizeof(Datum) * Max(n, 1));
	begins = palloc(sizeof(Datum) * Max(n, 1));
	ends = palloc(sizeof(Datum) * Max(n, 1));
	foreach(cell, extents)
	{
		const CqExtent *extent = lfirst(cell);
		int			i = foreach_current_index(cell);

		topics[i] = CStringGetTextDatum(extent->topic);
		partitions[i] = Int32GetDatum(extent->partition);
		begins[i] = Int64GetDatum(extent->begin);
		ends[i] = Int64GetDatum(extent->end);
	}
	goal->args[1] = PointerGetDatum(construct_array(topics, n, TEXTOID, -1, false, TYPALIGN_INT));
	goal->args[2] = PointerGetDatum(construct_array(partitions, n, INT4OID,
													sizeof(int32), true, TYPALIGN_INT));
	goal->args[3] = PointerGetDatum(construct_array(begins, n, INT8OID,
													sizeof(int64), true, TYPALIGN_DOUBLE));
	goal->args[4] = PointerGetDatum(construct_array(ends, n, INT8OID,
													sizeof(int64), true, TYPALIGN_DOUBLE));
	return goal;
}

/*
 * Partitions in which the view is not there yet, and of those, the ones it does not follow. As of
 * now, whatever the caller's snapshot.
 *
 * Where the view stood past an end that was asked for later, the topic was made anew: what it has
 * seen is not what is there now, until a worker has found out.
 */
static int64
count_missing(const Goal *goal, int64 *not_followed)
{
	static const char compare[] =
		"SELECT count(*), count(*) FILTER (WHERE c.cursor_id IS NULL) FROM unnest($2, $3, $4, $5) "
		"AS g (topic, partition, start, stop) "
		"LEFT JOIN (_cq.follow f JOIN _cq.cursor c USING (cursor_id) "
		"JOIN _cq.input i ON i.view = f.view AND i.stream = f.stream AND i.is_started) "
		"ON f.view = $1 AND f.stream = $9 AND f.topic = g.topic AND f.partition = g.partition "
		"LEFT JOIN unnest($6, $7, $8) AS b (topic, partition, place) ON b.topic = g.topic AND "
		"b.partition = g.partition "
		"WHERE (g.start < g.stop AND (c.next_offset IS NULL OR c.next_offset < g.stop)) "
		"OR (b.place > g.stop AND c.next_offset >= b.place)";
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {
		OIDOID, TEXTARRAYOID, INT4ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, TEXTARRAYOID, INT4ARRAYOID,
		INT8ARRAYOID, OIDOID
	};
	CqActor		actor;
	int64		missing;
	bool		isnull;

	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_keep(&plan, compare, lengthof(types), types);
	if (SPI_execute_snapshot(plan, (Datum *) goal->args, NULL, GetLatestSnapshot(), InvalidSnapshot,
							 true, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not run \"%s\"", compare);
	missing = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
										  &isnull));
	*not_followed = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2,
												&isnull));
	SPI_finish();
	cq_owner_end(&actor);
	return missing;
}

/*
 * Raises ERROR where the view has failed: then it is not even known that its positions mean
 * anything.
 */
static void
require_not_failed(const CqView *view)
{
	if (strcmp(view->status, "failed") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("continuous view \"%s\" has failed", get_rel_name(view->view)),
				 /* It may quote what the view does not show. */
				 view->status_detail && has_privs_of_role(GetUserId(),
														  cq_owner_of_relation(view->view)) &&
				 cq_view_streams_are_readable(view, GetUserId()) ?
				 errdetail_internal("%s", view->status_detail) : 0,
				 errhint("Call cq.resume once the cause is mended, or cq.reset to begin again.")));
}

/*
 * Else it is not yet settled where the view begins, and whether it can, though there may be nothing
 * to be seen.
 */
static bool
has_begun(Oid relid)
{
	const CqView *view = cq_view_get(relid);

	return view != NULL && view->is_started;
}

static bool
has_closed(Oid relid)
{
	CqActor		actor;
	bool		is_done;

	cq_owner_begin_catalog(&actor);
	is_done = cq_closing_is_done(relid);
	cq_owner_end(&actor);
	return is_done;
}

static void
require_identity(void)
{
	if (!cq_identity_matches())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("continuous views do not run in this database"),
				 errdetail("It is a copy of another one, or was restored from a dump."),
				 errhint("Call cq.resume_all() if they shall go on here.")));
}

/* Raises ERROR where nobody will bring the view further. */
static void
require_progress(Oid relid)
{
	CqView	   *view = cq_view_get(relid);

	if (view == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the continuous view was dropped")));
	require_not_failed(view);
	if (strcmp(view->status, "running") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("continuous view \"%s\" is %s", get_rel_name(relid), view->status),
				 strcmp(view->status, "blocked") == 0 ?
				 errhint("It goes on by itself: see status_detail in cq.views.") :
				 errhint("Call cq.resume to let it go on.")));
	if (view->is_changed_here)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("continuous view \"%s\" was created or changed by this transaction",
						get_rel_name(relid)),
				 errdetail("Workers go on with it after COMMIT."),
				 errhint("Call cq.wait in a transaction that begins later.")));
	require_identity();
}

/* Is there not one worker of this database that has found a process? With the lock held. */
static bool
workers_lack_processes(void)
{
	bool		lack = false;

	for (int i = 0; i < cq_shared->nslots; i++)
	{
		const CqWorkerSlot *slot = &cq_shared->workers[i];

		if (slot->database != MyDatabaseId || slot->number < 1)
			continue;
		if (slot->state != CQ_WORKER_NO_PROCESS)
			return false;
		lack = true;
	}
	return lack;
}

/* Raises ERROR where there will be no worker. */
void
cq_wait_require_workers(void)
{
	CqDatabaseSlot *slot;
	bool		is_off;
	bool		lacks_process;

	require_identity();
	LWLockAcquire(cq_shared->lock, LW_SHARED);
	slot = cq_shared_find_database(MyDatabaseId, false);
	is_off = cq_shared->is_off;
	lacks_process = slot != NULL && (slot->lacks_process || workers_lack_processes());
	LWLockRelease(cq_shared->lock);
	if (is_off)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the workers are switched off"),
				 errhint("Set cq.enabled to on.")));
	if (lacks_process)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("no free worker process for the continuous views of this database"),
				 errhint("Consider increasing max_worker_processes.")));
}

/* There are partitions that no worker has seen. */
static void
ask_to_settle(void)
{
	CqDatabaseSlot *slot;

	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	slot = cq_shared_find_database(MyDatabaseId, false);
	if (slot != NULL)
		slot->settle_requests++;
	LWLockRelease(cq_shared->lock);
	cq_shared_wake_worker(MyDatabaseId);
}

/* Raises ERROR where what a worker commits could not be seen. */
static void
require_read_committed(void)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("cq.wait makes no sense in a transaction that sees only its own snapshot"),
				 errhint("Use isolation level read committed.")));
}

/* A statement that does nothing else: nobody asks its snapshot for rows. */
static bool
is_alone(void)
{
	const PlannedStmt *stmt;
	ListCell   *cell;

	if (ActivePortal == NULL || list_length(ActivePortal->stmts) != 1)
		return false;
	stmt = linitial_node(PlannedStmt, ActivePortal->stmts);
	if (stmt->commandType != CMD_SELECT || list_length(stmt->planTree->targetlist) != 1)
		return false;
	foreach(cell, stmt->rtable)
	{
		if (lfirst_node(RangeTblEntry, cell)->rtekind != RTE_RESULT)
			return false;
	}
	return true;
}

/*
 * On a standby a snapshot stops what arrives as soon as the primary has removed a row that it may
 * see, which workers do all the time: so while it waits this process shows none.
 */
static void
wait_a_while(long delay)
{
	if (RecoveryInProgress() && is_alone())
		MyProc->xmin = InvalidTransactionId;
	ConditionVariableTimedSleep(&cq_shared->changed, delay, PG_WAIT_EXTENSION);
}

static bool
wait_for_goal(const Goal *goal, TimestampTz deadline)
{
	TimestampTz began = cq_clock_real_monotonic();
	int64		not_followed_before = 0;

	if (!has_begun(goal->view))
		ask_to_settle();
	for (;;)
	{
		int64		not_followed;
		long		delay = LOOK_MS;

		if (count_missing(goal, &not_followed) == 0 && has_begun(goal->view) &&
			has_closed(goal->view))
			return true;
		require_progress(goal->view);
		/* They may just be told to start. */
		if (!RecoveryInProgress() &&
			TimestampDifferenceExceeds(began, cq_clock_real_monotonic(), GRACE_MS))
			cq_wait_require_workers();	/* a standby's are the primary's: what they do arrives */
		/* Once for each set of partitions that are new to us. */
		if (not_followed > not_followed_before)
			ask_to_settle();
		not_followed_before = not_followed;
		if (deadline != DT_NOEND)
		{
			delay = Min(delay, TimestampDifferenceMilliseconds(cq_clock_real_monotonic(),
															   deadline));
			if (delay <= 0)
				return false;
		}
		wait_a_while(delay);
	}
}

/* How long the broker may take to say how far the stream reaches, in ms. */
static int
patience(TimestampTz deadline)
{
	if (deadline == DT_NOEND)
		return EXTENTS_TIMEOUT_MS;
	return Min(EXTENTS_TIMEOUT_MS,
			   Max(1, TimestampDifferenceMilliseconds(cq_clock_real_monotonic(), deadline)));
}

/*
 * The views that write to one of a view's streams, by themselves or through others: of Oid, those
 * further up first.
 */
static List *
find_feeders(Oid view)
{
	static const char read[] =
		"WITH RECURSIVE link AS (SELECT i.view AS reader, v.view "
		"FROM (SELECT view, stream FROM _cq.input UNION ALL SELECT view, named FROM _cq.reads) i "
		"JOIN (SELECT view, sink AS stream FROM _cq.view "
		"UNION ALL SELECT view, relation FROM _cq.part WHERE role = 'changes') v USING (stream) "
		"UNION SELECT view, named FROM _cq.reads), "
		"feeder AS (SELECT $1::regclass AS view, 0 AS distance "
		"UNION SELECT l.view, distance + 1 FROM feeder f JOIN link l ON l.reader = f.view) "
		"SELECT view::oid FROM feeder GROUP BY view HAVING max(distance) > 0 "
		"ORDER BY max(distance) DESC, view::oid";
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view)};
	MemoryContext caller = CurrentMemoryContext;
	List	   *feeders;
	CqActor		actor;

	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_execute(read, SPI_OK_SELECT, lengthof(types), types, args, NULL);
	feeders = cq_query_take_oids(caller, 1);
	SPI_finish();
	cq_owner_end(&actor);
	return feeders;
}

static bool
is_level(Oid view)
{
	bool		is_level;

	PushActiveSnapshot(GetLatestSnapshot());
	is_level = cq_graph_is_level(view);
	PopActiveSnapshot();
	return is_level;
}

/* How far the logs of a view's tables go: of int64 *, for each that it reads by its name. */
static List *
find_table_goals(const CqView *view)
{
	List	   *goals = NIL;
	ListCell   *cell;

	foreach(cell, view->named)
	{
		int64	   *goal = palloc(sizeof(int64));

		*goal = cq_table_turn_goal(lfirst_oid(cell));
		goals = lappend(goals, goal);
	}
	return goals;
}

/* Have its tables been told of, as far as that? */
static bool
are_tables_told(const CqView *view, const List *goals)
{
	ListCell   *cell;
	ListCell   *goal;

	forboth(cell, view->named, goal, goals)
	{
		if (*(const int64 *) lfirst(goal) > 0 &&
			cq_maintained_version(lfirst_oid(cell)) < *(const int64 *) lfirst(goal))
			return false;
	}
	return true;
}

/* With what it reads by name. */
static bool
wait_for_level(const CqView *view, const List *table_goals, TimestampTz deadline)
{
	TimestampTz began = cq_clock_real_monotonic();

	if (view->named == NIL)
		return true;
	while (!is_level(view->view) || !are_tables_told(view, table_goals))
	{
		long		delay = LOOK_MS;

		require_progress(view->view);
		if (!RecoveryInProgress() &&
			TimestampDifferenceExceeds(began, cq_clock_real_monotonic(), GRACE_MS))
			cq_wait_require_workers();
		if (deadline != DT_NOEND)
		{
			delay = Min(delay, TimestampDifferenceMilliseconds(cq_clock_real_monotonic(),
															   deadline));
			if (delay <= 0)
				return false;
		}
		wait_a_while(delay);
	}
	return true;
}

static bool
wait_for_view(const CqView *view, TimestampTz deadline)
{
	List	   *goals = NIL;
	List	   *table_goals = find_table_goals(view);
	bool		is_reached = true;
	ListCell   *cell;

	require_not_failed(view);
	foreach(cell, view->streams)
		goals = lappend(goals, find_goal(view->view, lfirst_oid(cell), patience(deadline)));
	ConditionVariablePrepareToSleep(&cq_shared->changed);
	foreach(cell, goals)
		is_reached = is_reached && wait_for_goal(lfirst(cell), deadline);
	is_reached = is_reached && wait_for_level(view, table_goals, deadline);
	ConditionVariableCancelSleep();
	return is_reached;
}

/* What comes from other views is in the streams once they have seen what is in theirs. */
static bool
wait_for_feeders(const CqView *view, TimestampTz deadline)
{
	ListCell   *cell;

	foreach(cell, find_feeders(view->view))
	{
		CqView	   *feeder = cq_view_get(lfirst_oid(cell));

		if (feeder != NULL && !wait_for_view(feeder, deadline))
			return false;
	}
	return true;
}

/* cq.wait(view regclass, timeout interval): false where the time was over first. */
Datum
cq_wait(PG_FUNCTION_ARGS)
{
	CqView	   *view;
	TimestampTz deadline = DT_NOEND;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	cq_shared_require();
	require_read_committed();
	view = cq_view_require_readable(PG_GETARG_OID(0));
	require_not_failed(view);
	if (!PG_ARGISNULL(1))
		deadline =
			DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
													TimestampTzGetDatum(cq_clock_real_monotonic()),
													PG_GETARG_DATUM(1)));
	PG_RETURN_BOOL(wait_for_feeders(view, deadline) && wait_for_view(view, deadline));
}
