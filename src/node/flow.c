/*
 * flow.c
 *		Plans a query of a node, and runs it: see flow.h.
 *
 * The planner knows nothing of what is in a batch but how much it is. Plans for a few rows look
 * others up in tables, those for many read the tables; made once, they are run over and over.
 */
#include "postgres.h"

#include "common/compat.h"
#include "executor/executor.h"
#include "node/flow.h"
#include "nodes/nodeFuncs.h"
#include "plan/moment.h"
#include "rewrite/rewriteHandler.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* The sizes that the two plans are made for, and the size from which on the large one is taken. */
#define SMALL 100
#define LARGE 100000
#define LARGE_FROM 3000

/* In one process, without compiling for each run. */
static const char *const planner_settings[][2] = {
	{"max_parallel_workers_per_gather", "0"},
	{"jit", "off"},
	{"constraint_exclusion", "partition"},
};

/* Deltas have as many rows as the plan is made for. */
static bool
set_sizes(Node *node, double *nrows)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *entry = (RangeTblEntry *) node;

		if (entry->rtekind == RTE_NAMEDTUPLESTORE)
			entry->enrtuples = *nrows;
		return false;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, set_sizes, nrows, QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, set_sizes, nrows);
}

static PlannedStmt *
plan_for(const Query *rewritten, double nrows, CqFlowExpect expect)
{
	Query	   *query = copyObjectImpl(rewritten);
	PlannedStmt *volatile planned = NULL;

	set_sizes((Node *) query, &nrows);
	if (expect == NULL)
		return pg_plan_query(query, "", 0, NULL);
	expect(nrows);
	PG_TRY();
	{
		planned = pg_plan_query(query, "", 0, NULL);
	}
	PG_FINALLY();
	{
		expect(0);
	}
	PG_END_TRY();
	return planned;
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

CqFlow *
cq_flow_prepare(const Query *query, const char *query_text, CqFlowExpect expect)
{
	CqFlow	   *flow = palloc(sizeof(CqFlow));
	Query	   *rewritten = copyObjectImpl(query);
	List	   *functions;
	int			nest = NewGUCNestLevel();

	for (int i = 0; i < (int) lengthof(planner_settings); i++)
		(void) set_config_option(planner_settings[i][0], planner_settings[i][1],
								 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	rewritten->canSetTag = true;
	AcquireRewriteLocks(rewritten, true, false);
	rewritten = linitial_node(Query, QueryRewrite(rewritten));
	cq_reject_raise(cq_moment_guard(&rewritten, &functions), query_text);
	flow->small = plan_for(rewritten, SMALL, expect);
	flow->large = plan_for(rewritten, LARGE, expect);
	depend_on_functions(flow->small, functions);
	depend_on_functions(flow->large, functions);
	AtEOXact_GUC(true, nest);
	return flow;
}

PlannedStmt *
cq_flow_plan(const CqFlow *flow, int64 nrows)
{
	return nrows < LARGE_FROM ? flow->small : flow->large;
}

void
cq_flow_run(PlannedStmt *plan, QueryEnvironment *environment, DestReceiver *receiver)
{
	QueryDesc  *query = CreateQueryDesc(plan, "", GetActiveSnapshot(), InvalidSnapshot, receiver,
										NULL, environment, 0);

	ExecutorStart(query, 0);
	cq_compat_executor_run(query);
	ExecutorFinish(query);
	ExecutorEnd(query);
	FreeQueryDesc(query);
}
