/*
 * pane.c
 *		Views that are grouped by overlapping windows (cq.hop, cq.cumulate) keep panes instead.
 *
 * All times of one pane, which is a step long, lie in the same windows. So a row is counted once, in its pane, and not once in each of
 * its windows; when the view is read, each pane takes its partial state to the windows that it is in: the same function
 * gives them, of the pane's start. (Li et al., "No Pane, No Gain", SIGMOD Record 34(1), 2005; Flink's slices.)
 *
 * Decides when: the windows serve for nothing but as keys, and where they are depends on nobody's TimeZone. Otherwise rows are counted
 * window by window, which is always right.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parse_func.h"
#include "parser/parsetree.h"
#include "plan/plan.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "window/window.h"

/* The arguments of cq.hop and cq.cumulate; the first is the time. */
#define ARG_STEP	1
#define ARG_SIZE	2
#define ARG_ORIGIN	3
#define NARGS		4

/* The columns that they return. */
#define WINDOW_START 1
#define WINDOW_END	2

static FuncExpr *
window_call(const RangeTblEntry *entry)
{
	FuncExpr   *call;
	char	   *name;

	if (entry->rtekind != RTE_FUNCTION || entry->funcordinality || list_length(entry->functions) != 1)
		return NULL;
	call = (FuncExpr *) linitial_node(RangeTblFunction, entry->functions)->funcexpr;
	if (!IsA(call, FuncExpr) || get_func_namespace(call->funcid) != get_namespace_oid("cq", true))
		return NULL;
	name = get_func_name(call->funcid);
	return strcmp(name, "hop") == 0 || strcmp(name, "cumulate") == 0 ? call : NULL;
}

/* _cq.hop_pane or _cq.cumulate_pane with the same arguments. */
static Oid
pane_function(const FuncExpr *call)
{
	Oid			argtypes[NARGS];
	ListCell   *cell;

	foreach(cell, call->args)
		argtypes[foreach_current_index(cell)] = exprType(lfirst(cell));
	return LookupFuncName(list_make2(makeString("_cq"), makeString(psprintf("%s_pane", get_func_name(call->funcid)))),
						  NARGS, argtypes, false);
}

/* In a step of days or months of a timestamptz, the reader's TimeZone would have a say. */
static bool
goes_by_calendar(const Const *step)
{
	Interval   *interval;

	if (step->consttype != INTERVALOID)
		return false;
	interval = DatumGetIntervalP(step->constvalue);
	return interval->month != 0 || interval->day != 0;
}

/* The arguments in their order, with those that are left out. */
static List *
all_arguments(const FuncExpr *call)
{
	HeapTuple	function = SearchSysCache1(PROCOID, ObjectIdGetDatum(call->funcid));
	List	   *arguments;

	if (!HeapTupleIsValid(function))
		elog(ERROR, "cache lookup failed for function %u", call->funcid);
	arguments = expand_function_arguments(call->args, false, call->funcresulttype, function);
	ReleaseSysCache(function);
	Assert(list_length(arguments) == NARGS);
	return arguments;
}

static bool
is_users_function(Oid function, void *context)
{
	return function >= FirstNormalObjectId;
}

/* Might it be altered? A view is planned again whenever a worker begins with it, and has to come to what its state was made for. */
static bool
is_alterable(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return IsA(node, CoerceToDomain) || check_functions_in_node(node, is_users_function, context) ||
		expression_tree_walker(node, is_alterable, context);
}

/* Makes the windows constants, origin included. False where they are none, or the same nowhere else. */
static bool
settle_windows(FuncExpr *call)
{
	Const	   *arguments[NARGS] = {NULL};
	bool		is_zoned;

	call->args = all_arguments(call);
	is_zoned = exprType(linitial(call->args)) == TIMESTAMPTZOID;
	for (int i = ARG_STEP; i < NARGS; i++)
	{
		if (is_alterable(list_nth(call->args, i), NULL))
			return false;
		arguments[i] = (Const *) eval_const_expressions(NULL, list_nth(call->args, i));
		if (!IsA(arguments[i], Const) || (arguments[i]->constisnull && i != ARG_ORIGIN) ||
			(is_zoned && i != ARG_ORIGIN && goes_by_calendar(arguments[i])))
			return false;
	}
	if (is_zoned && arguments[ARG_ORIGIN]->constisnull)
	{
		arguments[ARG_ORIGIN]->constvalue = DirectFunctionCall1(timestamp_timestamptz, TimestampGetDatum(CQ_WINDOW_ORIGIN));
		arguments[ARG_ORIGIN]->constisnull = false;
	}
	for (int i = ARG_STEP; i < NARGS; i++)
		lfirst(list_nth_cell(call->args, i)) = arguments[i];
	return true;
}

static bool
mentions(const void *node, int rtindex, int level)
{
	return bms_is_member(rtindex, pull_varnos_of_level(NULL, unconstify(void *, node), level));
}

static bool
is_bound(const Node *node, int rtindex, Index level)
{
	const Var  *var = (const Var *) node;

	return IsA(var, Var) && var->varno == rtindex && var->varlevelsup == level &&
		(var->varattno == WINDOW_START || var->varattno == WINDOW_END);
}

/* Is a key made of the windows, or does an aggregate take them for input? Then they must be there row by row. */
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

/* Also through a join that has the windows' columns, and that another entry takes as a whole row: in expressions those are flattened. */
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
			(entry->rtekind == RTE_JOIN && mentions(entry->joinaliasvars, rtindex, 0) && is_used_in_from(query, index)))
			return true;
	}
	return false;
}

/* A row with no window is left out, not kept with nulls. */
static bool
is_inner_joined(const Node *node, int rtindex)
{
	const JoinExpr *join = (const JoinExpr *) node;

	if (IsA(node, RangeTblRef))
		return ((const RangeTblRef *) node)->rtindex == rtindex;
	return IsA(node, JoinExpr) && join->jointype == JOIN_INNER &&
		(is_inner_joined(join->larg, rtindex) || is_inner_joined(join->rarg, rtindex));
}

static bool
is_in_from(const Query *query, int rtindex)
{
	ListCell   *cell;

	foreach(cell, query->jointree->fromlist)
	{
		if (is_inner_joined(lfirst(cell), rtindex))
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

		if (is_bound(key, rtindex, 0))
			found = true;
		else if (mentions(key, rtindex, 0))
			return false;
	}
	return found && !is_used_in_from(query, rtindex) &&
		!is_needed_by_row((Node *) query->targetList, &rtindex) && !is_needed_by_row(query->havingQual, &rtindex);
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

		if (window_call(lfirst(cell)) == NULL || !is_in_from(plan->query, rtindex) ||
			!serves_as_key(plan->query, rtindex))
			continue;
		entry = copyObject(lfirst_node(RangeTblEntry, cell));
		if (!settle_windows(window_call(entry)))
			continue;
		plan->windows = entry;
		plan->windows_rtindex = rtindex;
		return;
	}
}

bool
cq_pane_is_bound(const CqViewPlan *plan, const Node *node, Index level)
{
	return plan->windows != NULL && is_bound(node, plan->windows_rtindex, level);
}

Expr *
cq_pane_start(const Expr *bound)
{
	Var		   *start = copyObject((Var *) bound);

	start->varattno = start->varattnosyn = WINDOW_START;
	return (Expr *) start;
}

void
cq_pane_maintain(const CqViewPlan *plan, Query *maintain)
{
	RangeTblEntry *entry = copyObject(plan->windows);
	FuncExpr   *call = window_call(entry);
	ListCell   *cell;

	call->funcid = pane_function(call);
	lfirst(list_nth_cell(maintain->rtable, plan->windows_rtindex - 1)) = entry;
	maintain->groupClause = NIL;
	foreach(cell, plan->keys)
		maintain->groupClause = lappend(maintain->groupClause, copyObject(((CqKey *) lfirst(cell))->clause));
}

RangeTblEntry *
cq_pane_windows(const CqViewPlan *plan, Var *pane)
{
	RangeTblEntry *entry = copyObject(plan->windows);

	linitial(window_call(entry)->args) = pane;
	entry->lateral = true;
	return entry;
}
