/*
 * close.c
 *		Views with emit = 'close': which windows are closed, and what must hold of the query for
 *		that.
 *
 * A window is closed when the watermark passes its end: its rows are made once and for good, and
 * its state is dropped. So each group belongs to a window, whose end is one of its keys, and what
 * lies above the aggregation must give the same for some windows at a time as for all. The
 * watermark speaks of the stream's event times: the windows must be windows of that column.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/tlist.h"
#include "parser/parse_func.h"
#include "parser/parse_oper.h"
#include "parser/parsetree.h"
#include "plan/check.h"
#include "plan/plan.h"
#include "plan/window_call.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static CqReject *
not_closable(const char *reason, int location, const char *hint)
{
	return cq_reject_hint(cq_reject_at(cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED, "emit = 'close' %s",
												 reason), location), "%s", hint);
}

/* ---- the column ---- */

/* A query, and those that it is a sub-select of. */
typedef struct Scope
{
	Query	   *query;
	const struct Scope *outer;
} Scope;

/* What is looked for. */
typedef struct Column
{
	Oid			stream;
	AttrNumber	attno;
} Column;

static bool is_column(const Scope *scope, const Node *node, const Column *column);

static bool
is_target(const Scope *scope, AttrNumber attno, const Column *column)
{
	TargetEntry *entry = scope->query->setOperations == NULL ?
		get_tle_by_resno(scope->query->targetList, attno) : NULL;

	return entry != NULL && is_column(scope, (Node *) entry->expr, column);
}

static bool
is_target_of_cte(const Scope *scope, const RangeTblEntry *entry, AttrNumber attno,
				 const Column *column)
{
	ListCell   *cell;

	for (Index level = 0; level < entry->ctelevelsup && scope != NULL; level++)
		scope = scope->outer;
	foreach(cell, scope != NULL ? scope->query->cteList : NIL)
	{
		CommonTableExpr *cte = lfirst_node(CommonTableExpr, cell);

		if (strcmp(cte->ctename, entry->ctename) == 0)
			return is_target(&(Scope) {castNode(Query, cte->ctequery), scope}, attno, column);
	}
	return false;
}

static bool
is_target_of_view(Oid view, AttrNumber attno, const Column *column)
{
	Relation	relation = table_open(view, AccessShareLock);
	bool		result = is_target(&(Scope) {cq_compat_view_query(relation), NULL}, attno, column);

	table_close(relation, NoLock);
	return result;
}

/*
 * Is an expression of the query nothing but that column of the stream, through whatever
 * sub-selects, views and joins?
 */
static bool
is_column(const Scope *scope, const Node *node, const Column *column)
{
	const Var  *var = (const Var *) node;
	RangeTblEntry *entry;

	if (!IsA(var, Var) || var->varlevelsup > 0 || var->varattno <= 0)
		return false;
	entry = rt_fetch(var->varno, scope->query->rtable);
	switch (entry->rtekind)
	{
		case RTE_RELATION:
			if (entry->relkind == RELKIND_VIEW)
				return is_target_of_view(entry->relid, var->varattno, column);
			return entry->relid == column->stream && var->varattno == column->attno;
		case RTE_SUBQUERY:
			return is_target(&(Scope) {entry->subquery, scope}, var->varattno, column);
		case RTE_CTE:
			return is_target_of_cte(scope, entry, var->varattno, column);
		case RTE_JOIN:
			return is_column(scope, list_nth(entry->joinaliasvars, var->varattno - 1), column);
		default:
			return false;
	}
}

/* ---- the query ---- */

static int
location_of(const void *node)
{
	return exprLocation(node);
}

CqReject *
cq_close_check(const CqViewPlan *plan)
{
	const Query *query = plan->query;
	static const char hint[] = "Do it in the query that reads the view.";

	if (query->groupingSets != NIL)
		return not_closable("with grouping sets is not supported", location_of(query->groupingSets),
							"Create a view for each of them.");
	if (query->limitCount != NULL || query->limitOffset != NULL)
		return not_closable("with LIMIT or OFFSET is not supported",
							location_of(query->limitCount ? query->limitCount : query->limitOffset),
							hint);
	if (query->hasWindowFuncs)
		return not_closable("with window functions (OVER) is not supported",
							cq_check_place(query, T_WindowFunc), hint);
	if (query->distinctClause != NIL)
		return not_closable("with DISTINCT is not supported", location_of(query->targetList), hint);
	return NULL;
}

/* Which of the windows' bounds are keys. */
static Bitmapset *
grouped_bounds(const Query *query, int rtindex)
{
	Bitmapset  *bounds = NULL;
	ListCell   *cell;

	foreach(cell, query->groupClause)
	{
		Node	   *key = get_sortgroupclause_expr(lfirst(cell), query->targetList);

		if (cq_window_call_is_bound(key, rtindex, 0))
			bounds = bms_add_member(bounds, ((Var *) key)->varattno);
	}
	return bounds;
}

/* Groups by the end of the window, which its start tells already. */
static void
group_by_end(Query *query, int rtindex, Oid type)
{
	TargetEntry *entry = makeTargetEntry((Expr *) makeVar(rtindex, CQ_WINDOW_END, type, -1,
														  InvalidOid, 0),
										 list_length(query->targetList) + 1, pstrdup("window_end"),
										 true);
	SortGroupClause *clause = makeNode(SortGroupClause);
	ListCell   *cell;

	foreach(cell, query->targetList)
		entry->ressortgroupref = Max(entry->ressortgroupref,
									 lfirst_node(TargetEntry, cell)->ressortgroupref);
	clause->tleSortGroupRef = ++entry->ressortgroupref;
	get_sort_group_operators(type, true, true, false, &clause->sortop, &clause->eqop, NULL,
							 &clause->hashable);
	query->targetList = lappend(query->targetList, entry);
	query->groupClause = lappend(query->groupClause, clause);
}

/* ---- the windows ---- */

static int
panes_of(const FuncExpr *call, Oid type)
{
	Const	   *step = list_nth_node(Const, call->args, CQ_WINDOW_STEP);
	Const	   *size = list_nth_node(Const, call->args, CQ_WINDOW_SIZE);
	Oid			argtypes[] = {INTERVALOID, INTERVALOID, NAMEOID, BOOLOID};
	Oid			function = LookupFuncName(list_make2(makeString("_cq"), makeString("window_count")),
										  lengthof(argtypes), argtypes, false);
	NameData	argument = {"slide"};

	return DatumGetInt32(OidFunctionCall4(function, step->constvalue, size->constvalue,
										  NameGetDatum(&argument),
										  BoolGetDatum(type == TIMESTAMPTZOID)));
}

CqReject *
cq_close_take_windows(CqViewPlan *plan, const RangeTblEntry *entry, int rtindex,
					  AttrNumber event_time)
{
	CqWindowKind kind;
	FuncExpr   *call = copyObject(cq_window_call(entry, &kind));
	CqWindowSteps *steps = &plan->closing;
	int			location = call->location;

	if (!cq_window_call_settle(call, true))
		return not_closable("needs windows of a constant size", location,
							"Write size, slide and origin as constants.");
	steps->rtindex = rtindex;
	steps->event_time = event_time;
	steps->type = exprType(linitial(call->args));
	steps->bound = cq_window_call_bound_function(steps->type);
	steps->step = list_nth_node(Const, call->args, CQ_WINDOW_STEP);
	steps->origin = llast_node(Const, call->args);
	steps->last = kind == CQ_WINDOW_TUMBLE ? 1 : panes_of(call, steps->type);
	steps->block = kind == CQ_WINDOW_CUMULATE ? steps->last : 1;
	return NULL;
}

/* A session is closed when its end is: it has no bounds but its own. */
static CqReject *
take_sessions(CqViewPlan *plan, const Scope *outer, const Column *column)
{
	const CqSession *session = plan->session;
	Scope		scope = {session->select, outer};

	if (!is_column(&scope, linitial(session->call->args), column))
		return not_closable("needs sessions of event time", session->call->location,
							"Take the time from the column that the stream's option event_time "
							"names.");
	plan->closing.rtindex = session->rtindex;
	plan->closing.type = session->type;
	plan->closing.event_time = column->attno;
	return NULL;
}

CqReject *
cq_close_find(CqViewPlan *plan, AttrNumber event_time)
{
	static const char hint[] = "Group by window_start or window_end of cq.tumble, cq.hop or "
							   "cq.cumulate, or by cq.session, over the column that the stream's "
							   "option event_time names.";
	Query	   *query = plan->query;
	Scope		scope = {query, NULL};
	Column		column = {plan->stream, event_time};
	ListCell   *cell;

	if (event_time == InvalidAttrNumber)
		return not_closable("needs a stream with event times", location_of(query->targetList),
							"Set the stream's option event_time to the column that has them.");
	if (plan->session != NULL)
		return take_sessions(plan, &scope, &column);
	foreach(cell, query->rtable)
	{
		int			rtindex = foreach_current_index(cell) + 1;
		CqWindowKind kind;
		FuncExpr   *call = cq_window_call(lfirst(cell), &kind);
		Bitmapset  *bounds;

		if (call == NULL || !is_column(&scope, linitial(call->args), &column) ||
			!cq_window_call_is_inner(query, rtindex) ||
			(bounds = grouped_bounds(query, rtindex)) == NULL)
			continue;
		if (!bms_is_member(CQ_WINDOW_END, bounds))
		{
			if (kind == CQ_WINDOW_CUMULATE)
				return not_closable("needs cumulating windows grouped by their end", call->location,
									"Add window_end to GROUP BY.");
			group_by_end(query, rtindex, exprType(linitial(call->args)));
		}
		return cq_close_take_windows(plan, lfirst(cell), rtindex, event_time);
	}
	return not_closable("needs a GROUP BY over windows of event time",
						location_of(query->targetList),
						hint);
}

/* ---- expressions ---- */

/* The number of the column in an entry of FROM: the stream itself, a view, sub-select or CTE. */
static AttrNumber
find_column(const Scope *scope, int rtindex, const Column *column)
{
	RangeTblEntry *entry = rt_fetch(rtindex, scope->query->rtable);
	int			ncolumns = list_length(entry->eref->colnames);

	if (!entry->inFromCl || entry->rtekind == RTE_JOIN)
		return InvalidAttrNumber;
	for (AttrNumber attno = 1; attno <= ncolumns; attno++)
	{
		if (is_column(scope, (Node *) makeVar(rtindex, attno, InvalidOid, -1, InvalidOid, 0),
					  column))
			return attno;
	}
	return InvalidAttrNumber;
}

Var *
cq_close_event_time(const CqViewPlan *plan, AttrNumber event_time)
{
	Scope		scope = {plan->query, NULL};
	Column		column = {plan->stream, event_time};
	Oid			type;
	int32		typmod;
	Oid			collation;

	get_atttypetypmodcoll(plan->stream, event_time, &type, &typmod, &collation);
	for (int rtindex = 1; rtindex <= list_length(plan->query->rtable); rtindex++)
	{
		AttrNumber	attno = find_column(&scope, rtindex, &column);

		if (attno != InvalidAttrNumber)
			return makeVar(rtindex, attno, type, typmod, collation, 0);
	}
	return NULL;
}

Expr *
cq_close_upper(Expr *session)
{
	return (Expr *) makeFuncExpr(F_UPPER_ANYRANGE, get_range_subtype(exprType((Node *) session)),
								 list_make1(session), InvalidOid, InvalidOid,
								 COERCE_EXPLICIT_CALL);
}

Expr *
cq_close_end(const CqViewPlan *plan)
{
	if (plan->session != NULL)
	{
		const CqKey *session = list_nth(plan->keys, plan->session->key);

		return cq_close_upper(copyObject(session->expr));
	}
	return (Expr *) makeVar(plan->closing.rtindex, CQ_WINDOW_END, plan->closing.type, -1,
							InvalidOid, 0);
}

Node *
cq_close_condition(const CqViewPlan *plan, Expr *left, bool is_after, int number)
{
	bool		is_zoned = plan->closing.type == TIMESTAMPTZOID;
	Param	   *param = makeNode(Param);
	Oid			function;

	if (plan->closing.is_by_row && is_after)
		function = is_zoned ? F_TIMESTAMPTZ_GE : F_TIMESTAMP_GE;
	else if (plan->closing.is_by_row)
		function = is_zoned ? F_TIMESTAMPTZ_LT : F_TIMESTAMP_LT;
	else if (is_after)
		function = is_zoned ? F_TIMESTAMPTZ_GT : F_TIMESTAMP_GT;
	else
		function = is_zoned ? F_TIMESTAMPTZ_LE : F_TIMESTAMP_LE;
	param->paramkind = PARAM_EXTERN;
	param->paramid = number;
	param->paramtype = plan->closing.type;
	param->paramtypmod = -1;
	param->location = -1;
	return (Node *) makeFuncExpr(function, BOOLOID, list_make2(left, param), InvalidOid, InvalidOid,
								 COERCE_EXPLICIT_CALL);
}

Expr *
cq_close_last_end(const CqViewPlan *plan, Expr *time)
{
	const CqWindowSteps *steps = &plan->closing;
	List	   *args = list_make5(time, copyObject(steps->step), copyObject(steps->origin),
								  cq_plan_int4(steps->block),
								  cq_plan_int4(steps->last));

	return (Expr *) makeFuncExpr(steps->bound, steps->type, args, InvalidOid, InvalidOid,
								 COERCE_EXPLICIT_CALL);
}
