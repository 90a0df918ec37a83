/*
 * partial.c
 *		Plans a view's `maintain` query so that its aggregates yield partial states.
 *
 * The server's planner plans the query as it is; then its aggregation node is told to stop before the final
 * functions (AGGSPLIT_INITIAL_SERIAL), as the planner does for the lower half of a parallel aggregation. Since the target list
 * holds nothing but keys and aggregates, that node is the top of the plan.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/planner.h"
#include "plan/moment.h"
#include "plan/plan.h"
#include "rewrite/rewriteHandler.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/syscache.h"

/* Batches are large and groups many: hash, in one process, without compiling for each batch. */
static const char *const planner_settings[][2] = {
	{"max_parallel_workers_per_gather", "0"},
	{"enable_sort", "off"},
	{"jit", "off"},
	{"constraint_exclusion", "partition"},
};

static void
split_aggregation(Agg *agg)
{
	ListCell   *cell;

	agg->aggsplit = AGGSPLIT_INITIAL_SERIAL;
	foreach(cell, agg->chain)
		split_aggregation(lfirst_node(Agg, cell));
	foreach(cell, agg->plan.targetlist)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);

		if (IsA(entry->expr, Aggref))
			mark_partial_aggref((Aggref *) entry->expr, AGGSPLIT_INITIAL_SERIAL);
	}
}

/* As the planner notes them for what it makes part of a query itself. */
static void
depend_on_functions(PlannedStmt *planned, const List *functions)
{
	ListCell   *cell;

	foreach(cell, functions)
	{
		PlanInvalItem *item = makeNode(PlanInvalItem);

		item->cacheId = PROCOID;
		item->hashValue = GetSysCacheHashValue1(PROCOID, ObjectIdGetDatum(lfirst_oid(cell)));
		planned->invalItems = lappend(planned->invalItems, item);
	}
}

PlannedStmt *
cq_partial_plan(const CqViewPlan *plan, const char *query_text)
{
	Query	   *query = copyObject(plan->maintain);
	PlannedStmt *planned;
	List	   *functions;
	int			nest = NewGUCNestLevel();

	for (int i = 0; i < (int) lengthof(planner_settings); i++)
		(void) set_config_option(planner_settings[i][0], planner_settings[i][1],
								 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	AcquireRewriteLocks(query, true, false);
	query = linitial_node(Query, QueryRewrite(query));
	cq_reject_raise(cq_moment_guard(&query, &functions), query_text);
	planned = pg_plan_query(query, "", 0, NULL);
	depend_on_functions(planned, functions);
	AtEOXact_GUC(true, nest);

	if (plan->partials != NIL)
	{
		if (!IsA(planned->planTree, Agg))
			elog(ERROR, "unexpected plan node %d above the aggregation of a continuous view",
				 (int) nodeTag(planned->planTree));
		split_aggregation((Agg *) planned->planTree);
	}
	return planned;
}
