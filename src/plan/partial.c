/*
 * partial.c
 *		Plans a view's `maintain` query so that its aggregates yield partial states.
 *
 * The server's planner plans the query as it is; then its aggregation node is told to stop before
 * the final functions (AGGSPLIT_INITIAL_SERIAL), as the planner does for the lower half of a
 * parallel aggregation. Since the target list holds nothing but keys and aggregates, that node is
 * the top of the plan.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/planner.h"
#include "plan/moment.h"
#include "plan/plan.h"
#include "plan/scope.h"
#include "rewrite/rewriteHandler.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
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

/* Streams that a rewritten query reads, but for the view's own, once. */
typedef struct OtherScans
{
	Oid			stream;
	int			nscans;
	bool		found;
	Oid			guarded;		/* the table whose policies read one */
} OtherScans;

static bool find_other_scan(Node *node, OtherScans *scans);

static void
look_at_entry(RangeTblEntry *entry, OtherScans *scans)
{
	OtherScans	of_policies = {.stream = InvalidOid};

	if (entry->rtekind == RTE_RELATION && cq_scope_is_stream(entry))
		scans->found |= entry->relid != scans->stream || ++scans->nscans > 1;
	(void) find_other_scan((Node *) entry->securityQuals, &of_policies);
	if (of_policies.found)
		scans->guarded = entry->relid;
}

static bool
find_other_scan(Node *node, OtherScans *scans)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, find_other_scan, scans,
								 QTW_EXAMINE_RTES_BEFORE);
	/* What nobody refers to is not planned. */
	if (IsA(node, CommonTableExpr) && ((CommonTableExpr *) node)->cterefcount == 0)
		return false;
	if (!IsA(node, RangeTblEntry))
		return expression_tree_walker(node, find_other_scan, scans);
	look_at_entry((RangeTblEntry *) node, scans);
	return false;
}

/*
 * The query itself has been looked at (check.c); what is added to it are the policies of tables
 * that it reads, by their owners. A stream there would be given the batch.
 */
static CqReject *
check_policies(const CqViewPlan *plan, Query *query)
{
	OtherScans	scans = {.stream = plan->stream};
	CqReject   *reject;

	(void) find_other_scan((Node *) query, &scans);
	if (!scans.found)
		return NULL;
	reject = cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED,
					   "row security of a table that reads a stream is not supported in a "
					   "continuous view");
	if (OidIsValid(scans.guarded))
		cq_reject_detail(reject, "A policy of \"%s\" reads one.", get_rel_name(scans.guarded));
	return cq_reject_hint(reject, "It would see a part of the stream alone. Join the table in the "
						  "query that reads the view.");
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
	cq_reject_raise(check_policies(plan, query), query_text);
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
