/*
 * pane.c
 *		Views that are grouped by overlapping windows (cq.hop, cq.cumulate) keep panes instead.
 *
 * All times of one pane, which is a step long, lie in the same windows. So a row is counted once,
 * in its pane, and not once in each of its windows; when the view is read, each pane takes its
 * partial state to the windows that it is in: the same function gives them, of the pane's start.
 * (Li et al., "No Pane, No Gain", SIGMOD Record 34(1), 2005; Flink's slices.)
 *
 * Decides when: the windows serve for nothing but as keys, and where they are depends on nobody's
 * TimeZone. Otherwise rows are counted window by window, which is always right.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parse_func.h"
#include "parser/parsetree.h"
#include "plan/plan.h"
#include "plan/window_call.h"
#include "utils/lsyscache.h"

/* A call whose windows overlap, or NULL. */
static FuncExpr *
overlapping_call(const RangeTblEntry *entry)
{
	CqWindowKind kind;
	FuncExpr   *call = cq_window_call(entry, &kind);

	return call != NULL && kind != CQ_WINDOW_TUMBLE ? call : NULL;
}

/* _cq.hop_pane or _cq.cumulate_pane with the same arguments. */
static Oid
pane_function(const FuncExpr *call)
{
	Oid			argtypes[CQ_WINDOW_SIZE + 2];
	ListCell   *cell;

	foreach(cell, call->args)
		argtypes[foreach_current_index(cell)] = exprType(lfirst(cell));
	return LookupFuncName(list_make2(makeString("_cq"),
									 makeString(psprintf("%s_pane", get_func_name(call->funcid)))),
						  lengthof(argtypes), argtypes, false);
}

static bool
mentions(const void *node, int rtindex, int level)
{
	return bms_is_member(rtindex, pull_varnos_of_level(NULL, unconstify(void *, node), level));
}

/*
 * Is a key made of the windows, or does an aggregate take them for input? Then they must be there
 * row by row.
 */
static bool
is_needed_by_row(Node *node, int *rtindex)
{
	if (node == NULL)
		return false;
	if (IsA(node, Aggref))
		return mentions(node, *rtindex, 0);
	return expression_tree_walker(node, is_needed_by_row, rtindex);
}

static bool
is_used_in_entry(const RangeTblEntry *entry, int rtindex)
{
	switch (entry->rtekind)
	{
		case RTE_SUBQUERY:
			return mentions(entry->subquery, rtindex, 1);
		case RTE_FUNCTION:
			return mentions(entry->functions, rtindex, 0);
		case RTE_TABLEFUNC:
			return mentions(entry->tablefunc, rtindex, 0);
		case RTE_VALUES:
			return mentions(entry->values_lists, rtindex, 0);
		case RTE_RELATION:
			return entry->tablesample != NULL && mentions(entry->tablesample, rtindex, 0);
		default:
			return false;
	}
}

/*
 * Also through a join that has the windows' columns, and that another entry takes as a whole row:
 * in expressions those are flattened.
 */
static bool
is_used_in_from(const Query *query, int rtindex)
{
	ListCell   *cell;

	if (mentions(query->jointree, rtindex, 0))
		return true;
	foreach(cell, query->rtable)
	{
		const RangeTblEntry *entry = lfirst(cell);
		int			index = foreach_current_index(cell) + 1;

		if (index == rtindex)
			continue;
		if (is_used_in_entry(entry, rtindex) ||
			(entry->rtekind == RTE_JOIN && mentions(entry->joinaliasvars, rtindex, 0) &&
			 is_used_in_from(query, index)))
			return true;
	}
	return false;
}

/* Are the windows keys, and nothing else before the aggregation? */
static bool
serves_as_key(const Query *query, int rtindex)
{
	bool		found = false;
	ListCell   *cell;

	foreach(cell, query->groupClause)
	{
		Node	   *key = get_sortgroupclause_expr(lfirst(cell), query->targetList);

		if (cq_window_call_is_bound(key, rtindex, 0))
			found = true;
		else if (mentions(key, rtindex, 0))
			return false;
	}
	return found && !is_used_in_from(query, rtindex) &&
		!is_needed_by_row((Node *) query->targetList, &rtindex) &&
			!is_needed_by_row(query->havingQual, &rtindex);
}

void
cq_pane_find(CqViewPlan *plan)
{
	ListCell   *cell;

	if (plan->query->groupingSets != NIL)
		return;					/* a set without the windows counts a row once in each */
	foreach(cell, plan->query->rtable)
	{
		int			rtindex = foreach_current_index(cell) + 1;
		RangeTblEntry *entry;

		if (overlapping_call(lfirst(cell)) == NULL ||
			!cq_window_call_is_inner(plan->query, rtindex) ||
			!serves_as_key(plan->query, rtindex) || mentions(plan->sliding.time, rtindex, 0))
			continue;
		entry = copyObject(lfirst_node(RangeTblEntry, cell));
		if (!cq_window_call_settle(overlapping_call(entry), false))
			continue;
		plan->windows = entry;
		plan->windows_rtindex = rtindex;
		return;
	}
}

bool
cq_pane_is_bound(const CqViewPlan *plan, const Node *node, Index level)
{
	return plan->windows != NULL && cq_window_call_is_bound(node, plan->windows_rtindex, level);
}

Expr *
cq_pane_start(const Expr *bound)
{
	Var		   *start = copyObject((Var *) bound);

	start->varattno = start->varattnosyn = CQ_WINDOW_START;
	return (Expr *) start;
}

void
cq_pane_maintain(const CqViewPlan *plan, Query *maintain)
{
	RangeTblEntry *entry = copyObject(plan->windows);
	FuncExpr   *call = overlapping_call(entry);

	call->funcid = pane_function(call);
	lfirst(list_nth_cell(maintain->rtable, plan->windows_rtindex - 1)) = entry;
}

RangeTblEntry *
cq_pane_windows(const CqViewPlan *plan, Var *pane)
{
	RangeTblEntry *entry = copyObject(plan->windows);

	linitial(overlapping_call(entry)->args) = pane;
	entry->lateral = true;
	return entry;
}
