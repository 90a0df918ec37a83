/*
 * sliding.c
 *		Views over the last while before now: cq.sliding(ts, size, step) in WHERE.
 *
 * What is maintained does not depend on now: `maintain` runs without the condition, and keeps a
 * state for each step in which times lie, so that the start of the step is one more key, which
 * nobody sees. `read` asks now for the condition of each step, and combines those that are in. So
 * the answer decays by itself, and is that of the same query run as a batch at that moment.
 *
 * Decides: the call is one of the conditions that WHERE combines by AND, at the top of the query,
 * and its sizes are constants. Anywhere else the condition could not be taken off without changing
 * what is below it. Steps are of fixed length: those of the calendar would lie elsewhere in the
 * TimeZone of who reads than in that of who maintains.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_func.h"
#include "parser/parse_node.h"
#include "parser/parse_oper.h"
#include "plan/plan.h"
#include "plan/window_call.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* The arguments of cq.sliding: the time, the size, the step, the origin. */
#define SLIDING_SIZE	1
#define SLIDING_STEP	2

static bool
is_in_schema(Oid function, const char *schema, const char *name)
{
	return function >= FirstNormalObjectId &&
		get_func_namespace(function) == get_namespace_oid(schema, true) &&
		strcmp(get_func_name(function), name) == 0;
}

bool
cq_sliding_is_call(Oid function)
{
	return is_in_schema(function, "cq", "sliding");
}

bool
cq_sliding_is_clock(Oid function)
{
	return is_in_schema(function, "_cq", "ago") || is_in_schema(function, "_cq", "ago_utc");
}

/* ---- the call ---- */

/* The place of the first call among conditions that are combined by AND, or NULL. */
static Node **
find_call(Node **condition)
{
	BoolExpr   *both = (BoolExpr *) *condition;
	Node	  **place = NULL;
	ListCell   *cell;

	if (*condition == NULL)
		return NULL;
	if (IsA(*condition, FuncExpr) && cq_sliding_is_call(((FuncExpr *) *condition)->funcid))
		return condition;
	if (!IsA(both, BoolExpr) || both->boolop != AND_EXPR)
		return NULL;
	foreach(cell, both->args)
	{
		if ((place = find_call((Node **) &lfirst(cell))) != NULL)
			break;
	}
	return place;
}

static Node *
is_not_null(Expr *time)
{
	NullTest   *test = makeNode(NullTest);

	test->arg = time;
	test->nulltesttype = IS_NOT_NULL;
	test->location = -1;
	return (Node *) test;
}

static CqReject *
bad_argument(const FuncExpr *call, int code, const char *reason, const char *hint)
{
	CqReject   *reject = cq_reject_at(cq_reject(code, "%s", reason), call->location);

	return hint != NULL ? cq_reject_hint(reject, "%s", hint) : reject;
}

/* In microseconds; false where it has months, or is too long. */
static bool
fixed_length(const Const *argument, int64 *length)
{
	const Interval *interval = DatumGetIntervalP(argument->constvalue);

	return interval->month == 0 && !pg_mul_s64_overflow(interval->day, USECS_PER_DAY, length) &&
		!pg_add_s64_overflow(*length, interval->time, length);
}

static CqReject *
take_lengths(CqSliding *sliding, const FuncExpr *call)
{
	if (!fixed_length(list_nth(call->args, SLIDING_SIZE), &sliding->size) ||
		!fixed_length(list_nth(call->args, SLIDING_STEP), &sliding->step_length))
		return bad_argument(call, ERRCODE_FEATURE_NOT_SUPPORTED,
							"cq.sliding in a continuous view needs a size and step of fixed length",
							"Months are of no fixed length.");
	if (sliding->size > END_TIMESTAMP / 4)
		return bad_argument(call, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
							"window size is too long for cq.sliding", NULL);
	return NULL;
}

CqReject *
cq_sliding_take(CqViewPlan *plan)
{
	CqSliding  *sliding = &plan->sliding;
	Node	  **place = NULL;
	FuncExpr   *call;
	CqReject   *reject;

	if (plan->query->commandType == CMD_SELECT && plan->query->jointree != NULL)
		place = find_call(&plan->query->jointree->quals);
	if (place == NULL)
		return NULL;
	call = (FuncExpr *) *place;
	if ((reject = cq_window_call_check(call)) != NULL)
		return cq_reject_at(reject, call->location);
	if (!cq_window_call_settle(call, false))
		return bad_argument(call, ERRCODE_FEATURE_NOT_SUPPORTED,
							"cq.sliding in a continuous view needs a constant size and step",
							"Write size, step and origin as constants, and days of a timestamptz "
							"as 24 hours.");
	sliding->time = linitial(call->args);
	sliding->type = exprType((Node *) sliding->time);
	sliding->step = list_nth_node(Const, call->args, SLIDING_STEP);
	sliding->origin = llast_node(Const, call->args);
	*place = is_not_null(copyObject(sliding->time));	/* a null time lies in no step */
	return take_lengths(sliding, call);
}

CqReject *
cq_sliding_check(const CqViewPlan *plan, bool emits_on_close)
{
	int			location = exprLocation((Node *) plan->sliding.time);

	if (plan->sliding.time == NULL)
		return NULL;
	if (emits_on_close)
		return cq_reject_hint(cq_reject_at(cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED,
													 "emit = 'close' with cq.sliding is not "
													 "supported"), location),
							  "What is closed stays for good, and what slides does not.");
	if (plan->query->groupingSets != NIL)
		return cq_reject_hint(cq_reject_at(cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED,
													 "cq.sliding with grouping sets is not "
													 "supported"), location),
							  "Create a view for each of them.");
	return NULL;
}

/* ---- expressions ---- */

Expr *
cq_sliding_step(const CqViewPlan *plan)
{
	const CqSliding *sliding = &plan->sliding;
	List	   *args = list_make5(copyObject(sliding->time), copyObject(sliding->step),
								  copyObject(sliding->origin), cq_plan_int4(1),
								  cq_plan_int4(0));

	return (Expr *) makeFuncExpr(cq_window_call_bound_function(sliding->type), sliding->type, args,
								 InvalidOid, InvalidOid,
								 COERCE_EXPLICIT_CALL);
}

Expr *
cq_sliding_ago(Oid type, int64 length)
{
	Oid			argtypes[] = {INTERVALOID};
	const char *name = type == TIMESTAMPTZOID ? "ago" : "ago_utc";
	Oid			function = LookupFuncName(list_make2(makeString("_cq"), makeString(pstrdup(name))),
										  lengthof(argtypes), argtypes, false);
	Interval   *interval = palloc0(sizeof(Interval));
	Const	   *argument;

	interval->time = length;
	argument = makeConst(INTERVALOID, -1, InvalidOid, sizeof(Interval), IntervalPGetDatum(interval),
						 false, false);
	return (Expr *) makeFuncExpr(function, type, list_make1(argument), InvalidOid, InvalidOid,
								 COERCE_EXPLICIT_CALL);
}

static Expr *
compare(const char *operator, Expr *left, Expr *right)
{
	ParseState *pstate = make_parsestate(NULL);
	Expr	   *result = make_op(pstate, list_make2(makeString("pg_catalog"),
													makeString(pstrdup(operator))),
								 (Node *) left, (Node *) right, NULL, -1);

	free_parsestate(pstate);
	return result;
}

/*
 * A window's size beyond what is asked for now: so even a transaction that has been open for as
 * long, and whose now is then, finds what it asks for. What is older would only be written to be
 * deleted, of which there is much when a view begins with a stream's past.
 */
void
cq_sliding_maintain(const CqViewPlan *plan, Query *maintain)
{
	const CqSliding *sliding = &plan->sliding;
	Expr	   *is_recent = compare(">", copyObject(sliding->time),
									cq_sliding_ago(sliding->type,
												   2 * sliding->size + 2 * sliding->step_length));

	maintain->jointree->quals = (Node *) make_ands_explicit(list_make2(is_recent,
																	   maintain->jointree->quals));
}

/* A step ends after now - size, and does not start after now. */
Node *
cq_sliding_condition(const CqViewPlan *plan, Var *step)
{
	const CqSliding *sliding = &plan->sliding;
	Expr	   *is_in = compare(">", (Expr *) step, cq_sliding_ago(sliding->type,
																   sliding->size +
																   sliding->step_length));
	Expr	   *has_come = compare("<=", copyObject((Expr *) step),
								   cq_sliding_ago(sliding->type, 0));

	return (Node *) make_ands_explicit(list_make2(is_in, has_come));
}

/* One step more than is asked for. */
int64
cq_sliding_kept(const CqViewPlan *plan)
{
	return plan->sliding.time != NULL ? plan->sliding.size + 2 * plan->sliding.step_length : -1;
}
