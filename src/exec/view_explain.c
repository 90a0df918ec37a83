/*
 * view_explain.c
 *		cq.explain(view): how a continuous view is maintained.
 *
 * Who may read the view sees all of it, who is a member of pg_monitor what there is, with its
 * figures, but not the query; others nothing. It reads the catalog and counters, and waits for
 * nobody: where another transaction has locked what the view reads, it says so.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/part.h"
#include "catalog/pg_class.h"
#include "common/attempt.h"
#include "common/compat.h"
#include "common/owner.h"
#include "common/version.h"
#include "exec/explain_text.h"
#include "exec/lock.h"
#include "exec/view_actor.h"
#include "exec/view_plan.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "stats/stats.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(cq_view_explain);

/* Runs in a subtransaction: what is locked by others, or does not work any more, is an error. */
static void
explain_view(void *arg)
{
	CqExplain  *explain = arg;
	const CqView *row = explain->row;
	CqViewPlan *plan;
	Relation	definition;
	Query	   *query;
	CqActor		actor;

	cq_lock_relation(row->view, row->definition, AccessShareLock);
	definition = table_open(row->definition, NoLock);
	query = cq_compat_view_query(definition);
	cq_lock_query(row->view, query);
	cq_view_actor_begin(&actor, row, definition->rd_rel->relowner);
	cq_reject_raise(cq_view_plan(row, query, &plan), NULL);
	explain->plan = plan;
	explain->parts = cq_part_list(row->view);
	cq_explain_text_write(explain);
	cq_owner_end(&actor);
	table_close(definition, NoLock);
}

static void
add_failure(CqExplain *explain, const ErrorData *error)
{
	cq_lock_forget();
	explain->depth = 2;
	if (error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
		cq_explain_text_add(explain, "Another transaction is changing what it reads, or writes.");
	else if (explain->shows_query)
		cq_explain_text_add(explain, "It cannot be planned: %s", error->message);
	else
		cq_explain_text_add(explain, "It cannot be planned.");
}

static void
write_lines(CqExplain *explain, bool is_locked)
{
	ErrorData  *error;

	cq_explain_text_add(explain, "Continuous View %s",
						quote_identifier(get_rel_name(explain->row->view)));
	if (!is_locked)
	{
		explain->depth = 2;
		cq_explain_text_add(explain, "Another transaction is changing it.");
		return;
	}
	error = cq_attempt(explain_view, explain);
	if (error != NULL)
		add_failure(explain, error);
}

/* May the user see the query? Raises ERROR where he may not even see figures. */
static bool
check_rights(Oid view)
{
	if (!cq_stats_may_see(view))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_VIEW, get_rel_name(view));
	return has_privs_of_role(GetUserId(), cq_owner_of_relation(view)) ||
		pg_class_aclcheck(view, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

static void
put_lines(const CqExplain *explain, ReturnSetInfo *result)
{
	ListCell   *cell;

	foreach(cell, explain->lines)
	{
		Datum		value = CStringGetTextDatum(lfirst(cell));
		bool		isnull = false;

		tuplestore_putvalues(result->setResult, result->setDesc, &value, &isnull);
	}
}

/* cq.explain(view regclass, "analyze" boolean): nothing of a view that has just been dropped. */
Datum
cq_view_explain(PG_FUNCTION_ARGS)
{
	Oid			view = PG_GETARG_OID(0);
	CqExplain	explain = {.shows_counts = PG_GETARG_BOOL(1)};
	bool		is_locked;

	cq_version_require();
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	is_locked = ConditionalLockRelationOid(view, AccessShareLock);
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(view)))
		return (Datum) 0;
	explain.shows_query = check_rights(view);
	explain.row = cq_view_require(view);
	explain.has_counts = cq_node_stats_get(view, explain.counts, &explain.since);
	write_lines(&explain, is_locked);
	put_lines(&explain, (ReturnSetInfo *) fcinfo->resultinfo);
	return (Datum) 0;
}
