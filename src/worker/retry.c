/*
 * retry.c
 *		cq.retry_errors: dead letters of a view are put through again (exec/retry.h).
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "common/version.h"
#include "common/wake.h"
#include "exec/retry.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "worker/control.h"

PG_FUNCTION_INFO_V1(cq_retry_errors);

/*
 * It is a condition, and nothing else: it does not end the parentheses that it is in, for a clause
 * or a statement of its own, whose result would be none of ours.
 */
static void
require_condition(SPIPlanPtr plan)
{
	const List *sources = SPI_plan_get_plan_sources(plan);
	const CachedPlanSource *source = linitial(sources);
	const SelectStmt *given = castNode(SelectStmt, source->raw_parse_tree->stmt);
	SelectStmt	bare = {.type = T_SelectStmt, .targetList = given->targetList,
						.fromClause = given->fromClause, .whereClause = given->whereClause};

	if (list_length(sources) != 1 || !equal(given, &bare))
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("what cq.retry_errors is given is no condition over cq.errors"),
				 errhint("It is what follows WHERE.")));
}

/*
 * The view's letters for which the condition holds, as bigint[]; false: there are none. As who
 * asks: the condition is SQL of theirs.
 */
static bool
find_ids(Oid view, const char *condition, Datum *ids)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view)};
	SPIPlanPtr	plan;
	bool		is_null;
	Datum		value;

	SPI_connect();
	/* The line's end is for a comment. */
	plan = cq_query_prepare(psprintf("SELECT pg_catalog.array_agg(error_id) FROM cq.errors WHERE "
									 "view OPERATOR(pg_catalog.=) $1 AND (%s\n)", condition),
							lengthof(types), types);
	require_condition(plan);
	SPI_execute_plan(plan, args, NULL, false, 0);
	value = cq_query_column(0, 1, &is_null);
	if (!is_null)
	{
		MemoryContextSwitchTo(caller);
		*ids = datumCopy(value, false, -1);
	}
	SPI_finish();
	return !is_null;
}

static void
require_running(const CqView *view)
{
	if (strcmp(view->status, "running") == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("continuous view \"%s\" is %s", get_rel_name(view->view), view->status),
			 errhint("Call cq.resume before messages are put through again.")));
}

/* What is stored already has to be seen as it is by then, under the view's lock. */
static void
require_read_committed(void)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("cq.retry_errors needs a transaction that is READ COMMITTED")));
}

static void
tell_what_stays(const CqRetryCounts *counts)
{
	if (counts->ncut > 0)
		ereport(NOTICE,
				(errmsg_plural(INT64_FORMAT " message was kept in part, and stays",
							   INT64_FORMAT " messages were kept in part, and stay",
							   counts->ncut, counts->ncut),
				 errhint("See cq.error_payload_limit; or give them whole payloads with an UPDATE "
						 "of cq.errors.")));
	if (counts->ngone > 0)
		ereport(NOTICE,
				(errmsg_plural(INT64_FORMAT " message is not in its stream any more, and stays",
							   INT64_FORMAT " messages are not in their streams any more, and stay",
							   counts->ngone, counts->ngone)));
}

/* cq.retry_errors(view regclass, "where" text): how many have passed. */
Datum
cq_retry_errors(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	CqRetryCounts counts = {0};
	CqView	   *view;
	Datum		ids = 0;
	bool		has_letters;

	PreventCommandIfReadOnly("cq.retry_errors()");
	cq_version_require();
	cq_control_require_session("cq.retry_errors");
	require_read_committed();
	(void) cq_control_own_view(relid);
	has_letters = find_ids(relid, text_to_cstring(PG_GETARG_TEXT_PP(1)), &ids);
	/* As it is now: functions in the condition may have done something to it. */
	view = cq_view_require(relid);
	require_running(view);
	if (has_letters)
		counts = cq_retry_run(view, ids);
	tell_what_stays(&counts);
	/* The emitter, and the workers whose streams were written to. */
	cq_wake_catalog_changed();
	PG_RETURN_INT64(counts.npassed);
}
