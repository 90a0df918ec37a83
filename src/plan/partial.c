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

PlannedStmt *
cq_partial_plan(const CqViewPlan *plan)
{
	Query	   *query = copyObject(plan->maintain);
	PlannedStmt *planned;
	int			nest = NewGUCNestLevel();

	for (int i = 0; i < (int) lengthof(planner_settings); i++)
		(void) set_config_option(planner_settings[i][0], planner_settings[i][1],
								 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	AcquireRewriteLocks(query, true, false);
	query = linitial_node(Query, QueryRewrite(query));
	cq_moment_guard(query);
	planned = pg_plan_query(query, "", 0, NULL);
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
