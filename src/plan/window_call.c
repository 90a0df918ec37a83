/*
 * window_call.c
 *		Calls of cq.tumble, cq.hop and cq.cumulate in a query: see window_call.h.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "parser/parse_func.h"
#include "plan/window_call.h"
#include "rewrite/rewriteManip.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "window/window.h"

FuncExpr *
cq_window_call(const RangeTblEntry *entry, CqWindowKind *kind)
{
	static const char *const names[] = {"tumble", "hop", "cumulate"};
	FuncExpr   *call;
	char	   *name;

	if (entry->rtekind != RTE_FUNCTION || entry->funcordinality ||
		list_length(entry->functions) != 1)
		return NULL;
	call = (FuncExpr *) linitial_node(RangeTblFunction, entry->functions)->funcexpr;
	if (!IsA(call, FuncExpr) || get_func_namespace(call->funcid) != get_namespace_oid("cq", true))
		return NULL;
	name = get_func_name(call->funcid);
	for (int i = 0; i < (int) lengthof(names); i++)
	{
		if (strcmp(name, names[i]) == 0)
		{
			*kind = (CqWindowKind) i;
			return call;
		}
	}
	return NULL;
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
	return arguments;
}

static bool
is_users_function(Oid function, void *context)
{
	return function >= FirstNormalObjectId;
}

/*
 * Might it be altered? A view is planned again whenever a worker begins with it, and has to come to
 * what its state was made for.
 */
static bool
is_alterable(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return IsA(node, CoerceToDomain) || check_functions_in_node(node, is_users_function, context) ||
		expression_tree_walker(node, is_alterable, context);
}

bool
cq_window_call_is_alterable(Node *node)
{
	return is_alterable(node, NULL);
}

/* The constant that an argument comes to, or NULL. */
static Node *
constant_of(Node *argument)
{
	Node	   *constant;

	if (is_alterable(argument, NULL))
		return NULL;
	constant = eval_const_expressions(NULL, copyObject(argument));
	return IsA(constant, Const) ? constant : NULL;
}

CqReject *
cq_window_call_check(const FuncExpr *call)
{
	/*
	 * The function's name, that of its step in messages, and which arguments are the step and the
	 * size.
	 */
	static const struct
	{
		const char *name;
		const char *step_name;
		int			step;
		int			size;
	}			functions[] = {
		{"tumble", "size", 1, 0}, {"hop", "slide", 1, 2}, {"cumulate", "step", 1, 2},
		{"sliding", "step", 2, 1}
	};
	char	   *name;

	if (get_func_namespace(call->funcid) != get_namespace_oid("cq", true))
		return NULL;
	name = get_func_name(call->funcid);
	for (int i = 0; i < (int) lengthof(functions); i++)
	{
		List	   *arguments;
		Node	   *size = NULL;

		if (strcmp(name, functions[i].name) != 0)
			continue;
		arguments = all_arguments(call);
		if (functions[i].size > 0)
			size = constant_of(list_nth(arguments, functions[i].size));
		return cq_window_check(exprType(linitial(arguments)), functions[i].step_name,
							   constant_of(list_nth(arguments, functions[i].step)), size,
							   constant_of(llast(arguments)));
	}
	return NULL;
}

/* Whatever depends on settings alone, which are the view's own, as a constant. */
static Node *
value_under_settings(Node *expr)
{
	EState	   *estate;
	ExprState  *state;
	int16		length;
	bool		is_by_value;
	Datum		value;
	bool		is_null;

	if (IsA(expr, Const) || contain_volatile_functions(expr) || contain_var_clause(expr) ||
		checkExprHasSubLink(expr))
		return expr;
	estate = CreateExecutorState();
	state = ExecPrepareExpr((Expr *) expr, estate);
	value = ExecEvalExprSwitchContext(state, GetPerTupleExprContext(estate), &is_null);
	get_typlenbyval(exprType(expr), &length, &is_by_value);
	if (!is_null)
		value = datumCopy(value, is_by_value, length);
	FreeExecutorState(estate);
	return (Node *) makeConst(exprType(expr), exprTypmod(expr), exprCollation(expr), length, value,
							  is_null, is_by_value);
}

bool
cq_window_call_settle(FuncExpr *call, bool with_calendar)
{
	List	   *arguments = all_arguments(call);
	int			origin = list_length(arguments) - 1;
	bool		is_zoned = exprType(linitial(arguments)) == TIMESTAMPTZOID;
	ListCell   *cell;

	for_each_from(cell, arguments, CQ_WINDOW_STEP)
	{
		bool		is_origin = foreach_current_index(cell) == origin;
		Const	   *constant;

		if (is_alterable(lfirst(cell), NULL))
			return false;
		constant = (Const *) eval_const_expressions(NULL, lfirst(cell));
		if (is_origin)
			constant = (Const *) value_under_settings((Node *) constant);
		if (!IsA(constant, Const) || (constant->constisnull && !is_origin) ||
			(is_zoned && !is_origin && !with_calendar && goes_by_calendar(constant)))
			return false;
		if (is_zoned && is_origin && constant->constisnull)
		{
			constant->constvalue = DirectFunctionCall1(timestamp_timestamptz,
													   TimestampGetDatum(CQ_WINDOW_ORIGIN));
			constant->constisnull = false;
		}
		lfirst(cell) = constant;
	}
	call->args = arguments;
	return true;
}

Oid
cq_window_call_bound_function(Oid type)
{
	Oid			argtypes[] = {type, INTERVALOID, type, INT4OID, INT4OID};

	return LookupFuncName(list_make2(makeString("_cq"), makeString("window_bound")),
						  lengthof(argtypes), argtypes, false);
}

bool
cq_window_call_is_bound(const Node *node, int rtindex, Index level)
{
	const Var  *var = (const Var *) node;

	return IsA(var, Var) && var->varno == rtindex && var->varlevelsup == level &&
		(var->varattno == CQ_WINDOW_START || var->varattno == CQ_WINDOW_END);
}

static bool
is_inner_joined(const Node *node, int rtindex)
{
	const JoinExpr *join = (const JoinExpr *) node;

	if (IsA(node, RangeTblRef))
		return ((const RangeTblRef *) node)->rtindex == rtindex;
	return IsA(node, JoinExpr) && join->jointype == JOIN_INNER &&
		(is_inner_joined(join->larg, rtindex) || is_inner_joined(join->rarg, rtindex));
}

bool
cq_window_call_is_inner(const Query *query, int rtindex)
{
	ListCell   *cell;

	foreach(cell, query->jointree->fromlist)
	{
		if (is_inner_joined(lfirst(cell), rtindex))
			return true;
	}
	return false;
}
