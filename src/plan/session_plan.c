/*
 * session_plan.c
 *		Views over sessions: a GROUP BY over the column that cq.session gives in a sub-select.
 *
 *		SELECT k, s, count(*)
 *		FROM (SELECT k, cq.session(ts, '10 min') OVER (PARTITION BY k ORDER BY ts) AS s FROM stream)
 *		q GROUP BY k, s
 *
 * `maintain` is the query as it stands: run over the rows of a batch it gives their sessions, which
 * are put together with those that are stored (state/session_merge.c). That is right because the
 * groups are the sessions, one by one: so GROUP BY has to consist of what PARTITION BY has and of
 * the session; between the two no row may be left out or repeated; and no input of an aggregate may
 * depend on the session, which is another one for the batch than it is in the end. All else is as
 * for other aggregates. The sub-select may be a view or a CTE.
 *
 * The rest of the analysis (check.c) sees the query without the call, as one in which rows pass on
 * their own.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "common/compat.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parse_oper.h"
#include "parser/parsetree.h"
#include "plan/plan.h"
#include "plan/scope.h"
#include "plan/window_call.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "window/session.h"

/* The call's arguments. */
#define SESSION_TIME	0
#define SESSION_GAP		1

/* ---- finding it ---- */

bool
cq_session_plan_is_call(const WindowFunc *call)
{
	return get_func_namespace(call->winfnoid) == get_namespace_oid("cq", true) &&
		strcmp(get_func_name(call->winfnoid), "session") == 0;
}

/* Collects the calls of window functions of one query, not of those below it. */
static bool
find_calls(Node *node, List **calls)
{
	if (node == NULL || IsA(node, Query))
		return false;
	if (IsA(node, WindowFunc))
		*calls = lappend(*calls, node);
	return expression_tree_walker(node, find_calls, calls);
}

static List *
window_calls(const Query *query)
{
	List	   *calls = NIL;

	if (query->hasWindowFuncs)
		find_calls((Node *) query->targetList, &calls);
	return calls;
}

WindowFunc *
cq_session_plan_call(const Query *query)
{
	ListCell   *cell;

	foreach(cell, window_calls(query))
	{
		if (cq_session_plan_is_call(lfirst_node(WindowFunc, cell)))
			return lfirst_node(WindowFunc, cell);
	}
	return NULL;
}

static CommonTableExpr *
find_cte(const Query *query, const RangeTblEntry *entry)
{
	ListCell   *cell;

	foreach(cell, entry->ctelevelsup == 0 ? query->cteList : NIL)
	{
		CommonTableExpr *cte = lfirst_node(CommonTableExpr, cell);

		if (strcmp(cte->ctename, entry->ctename) == 0)
			return cte->cterefcount == 1 && !cte->cterecursive ? cte : NULL;
	}
	return NULL;
}

/* The SELECT that an entry of the range table stands for, or NULL. */
static Query *
select_of(const Query *query, const RangeTblEntry *entry)
{
	CommonTableExpr *cte;
	Relation	view;
	Query	   *select;

	switch (entry->rtekind)
	{
		case RTE_SUBQUERY:
			return entry->subquery;
		case RTE_CTE:
			cte = find_cte(query, entry);
			return cte ? castNode(Query, cte->ctequery) : NULL;
		case RTE_RELATION:
			if (entry->relkind != RELKIND_VIEW)
				return NULL;
			view = table_open(entry->relid, AccessShareLock);
			select = cq_compat_view_query(view);
			table_close(view, NoLock);
			return select;
		default:
			return NULL;
	}
}

/* ---- what stands in its place for the rest of the analysis ---- */

static Node *
without_calls(Node *node, void *context)
{
	if (node == NULL || IsA(node, Query))
		return node;
	if (IsA(node, WindowFunc))
		return (Node *) makeNullConst(((WindowFunc *) node)->wintype, -1, InvalidOid);
	return expression_tree_mutator(node, without_calls, context);
}

static Query *
without_session(const CqViewPlan *plan)
{
	Query	   *query = copyObject(plan->query);
	Query	   *select = copyObject(plan->session->select);
	RangeTblEntry *entry = rt_fetch(plan->session->rtindex, query->rtable);

	select->targetList = (List *) without_calls((Node *) select->targetList, NULL);
	select->windowClause = NIL;
	select->hasWindowFuncs = false;
	if (entry->rtekind == RTE_CTE)
		query->cteList = list_delete_ptr(query->cteList, find_cte(query, entry));
	entry->rtekind = RTE_SUBQUERY;
	entry->subquery = select;
	entry->relid = InvalidOid;
	entry->relkind = 0;
	return query;
}

/* ---- the call ---- */

static const char order_hint[] = "Write OVER (PARTITION BY … ORDER BY the session's time).";

/*
 * The order of what is taken as a bigint or a time may be written without the cast, where it is the
 * same.
 */
static bool
is_time(Node *ordered, Node *time)
{
	Oid			type = exprType(ordered);

	return equal(ordered, time) ||
		((type == INT2OID || type == INT4OID || type == DATEOID) &&
		 equal(ordered, strip_implicit_coercions(time)));
}

static bool
is_ascending(const SortGroupClause *clause, Oid type)
{
	Oid			less;

	get_sort_group_operators(type, true, false, false, &less, NULL, NULL, NULL);
	return clause->sortop == less;
}

static CqReject *
check_over(const CqSession *session)
{
	const WindowClause *over = list_nth_node(WindowClause, session->select->windowClause,
											 session->call->winref - 1);
	SortGroupClause *order;
	Node	   *ordered;

	if (over->frameOptions != FRAMEOPTION_DEFAULTS)
		return cq_reject_unsupported(session->call->location,
									 "cq.session with a frame is not supported in a continuous "
									 "view",
									 "A session has no use for the frame. Leave it out.");
	if (list_length(over->orderClause) != 1)
		return cq_reject_unsupported(session->call->location,
									 "cq.session in a continuous view needs ORDER BY its time, "
									 "and nothing else", order_hint);
	order = linitial_node(SortGroupClause, over->orderClause);
	ordered = get_sortgroupclause_expr(order, session->select->targetList);
	if (!is_ascending(order, exprType(ordered)) ||
		!is_time(ordered, list_nth(session->call->args, SESSION_TIME)))
		return cq_reject_unsupported(session->call->location,
									 "cq.session in a continuous view needs ORDER BY its time, "
									 "ascending",
									 order_hint);
	return NULL;
}

static char *
text_of(const Const *value)
{
	Oid			output;
	bool		is_varlena;

	getTypeOutputInfo(value->consttype, &output, &is_varlena);
	return OidOutputFunctionCall(output, value->constvalue);
}

static CqReject *
check_gap(CqSession *session)
{
	Node	   *argument = list_nth(session->call->args, SESSION_GAP);
	Const	   *gap = cq_window_call_is_alterable(argument) ? NULL :
		(Const *) eval_const_expressions(NULL, argument);
	CqReject   *reject;

	if (gap == NULL || !IsA(gap, Const))
		return cq_reject_unsupported(exprLocation(argument),
									 "cq.session in a continuous view needs a constant gap",
									 "Write the gap as a constant.");
	if (gap->constisnull)
		reject = cq_reject(ERRCODE_NULL_VALUE_NOT_ALLOWED, "session gap must not be null");
	else if (session->type == INT8OID)
		reject = cq_session_bigint_gap(DatumGetInt64(gap->constvalue), &session->gap);
	else
		reject = cq_session_interval_gap(DatumGetIntervalP(gap->constvalue),
										 session->type == TIMESTAMPTZOID, &session->gap);
	if (reject == NULL)
		return NULL;
	if (!gap->constisnull)
		cq_reject_detail(reject, "The gap is \"%s\".", text_of(gap));
	return cq_reject_at(reject, exprLocation(argument));
}

/* The column of the sub-select that is the session, and nothing more. */
static AttrNumber
session_column(const CqSession *session)
{
	ListCell   *cell;

	foreach(cell, session->select->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);

		if ((Node *) entry->expr == (Node *) session->call && !entry->resjunk)
			return entry->resno;
	}
	return InvalidAttrNumber;
}

static CqReject *
check_select(CqSession *session)
{
	CqReject   *reject;

	if (list_length(window_calls(session->select)) > 1)
		return cq_reject_unsupported(session->call->location,
									 "other window functions beside cq.session are not supported "
									 "in a continuous view", NULL);
	session->column = session_column(session);
	if (session->column == InvalidAttrNumber)
		return cq_reject_unsupported(session->call->location,
									 "cq.session within an expression is not supported in a "
									 "continuous view",
									 "Make it a column of its own. lower() and upper() of it can "
									 "be taken above the GROUP BY.");
	if (session->select->hasTargetSRFs)
		return cq_reject_unsupported(session->call->location,
									 "cq.session beside a set-returning function is not "
									 "supported in a continuous view",
									 "Call the function in FROM.");
	if ((reject = check_over(session)) != NULL)
		return reject;
	return check_gap(session);
}

CqReject *
cq_session_plan_read(Query *select, const List *others, CqSession *session)
{
	CqReject   *reject;
	ListCell   *cell;

	session->select = select;
	session->call = cq_session_plan_call(select);
	session->type = exprType(list_nth(session->call->args, SESSION_TIME));
	foreach(cell, window_calls(select))
	{
		const WindowFunc *call = lfirst_node(WindowFunc, cell);

		if (!list_member_int(others, (int) call->winref) && !equal(call, session->call))
			return cq_reject_unsupported(call->location >= 0 ? call->location :
										 session->call->location,
										 "emit = 'close' of sessions beside another window "
										 "function is not supported",
										 "Put cq.session into a sub-select of its own, and add "
										 "the session to PARTITION BY of the other function.");
	}
	reject = check_over(session);
	return reject != NULL ? reject : check_gap(session);
}

/* ---- what is above it ---- */

/* Which of the expressions of PARTITION BY a column of the sub-select is, from 0, or -1. */
static int
partition_column(const CqSession *session, AttrNumber attno)
{
	const WindowClause *over = list_nth_node(WindowClause, session->select->windowClause,
											 session->call->winref - 1);
	TargetEntry *entry = get_tle_by_resno(session->select->targetList, attno);
	ListCell   *cell;

	foreach(cell, over->partitionClause)
	{
		if (entry != NULL && equal(get_sortgroupclause_expr(lfirst(cell),
															session->select->targetList),
								   entry->expr))
			return foreach_current_index(cell);
	}
	return -1;
}

static CqReject *
check_from(const CqSession *session, Query *query)
{
	Node	   *from = list_length(query->jointree->fromlist) == 1 ?
		linitial(query->jointree->fromlist) : NULL;
	ListCell   *cell;

	if (from == NULL || !IsA(from, RangeTblRef))
		return cq_reject_unsupported(session->call->location,
									 "sessions in a join are not supported in a continuous view",
									 "Join the tables within the sub-select that makes the "
									 "sessions, or when the view is read.");
	foreach(cell, pull_vars_of_level(query->jointree->quals, 0))
	{
		Var		   *var = lfirst_node(Var, cell);

		if (partition_column(session, var->varattno) < 0)
			return cq_reject_unsupported(var->location,
										 "WHERE over sessions is supported in a continuous view "
										 "only for columns of PARTITION BY",
										 "Put a condition on rows into the sub-select, one on "
										 "sessions into HAVING.");
	}
	return NULL;
}

static CqReject *
check_keys(CqSession *session, const Query *query)
{
	static const char message[] = "a GROUP BY over sessions must consist of the columns of "
								  "PARTITION BY and the session";
	const WindowClause *over = list_nth_node(WindowClause, session->select->windowClause,
											 session->call->winref - 1);
	Bitmapset  *found = NULL;
	ListCell   *cell;

	session->key = -1;
	if (query->groupingSets != NIL)
		return cq_reject_unsupported(exprLocation((Node *) query->groupingSets),
									 "grouping sets over sessions are not supported in a "
									 "continuous view",
									 "Create a view for each of them.");
	foreach(cell, query->groupClause)
	{
		Node	   *expr = get_sortgroupclause_expr(lfirst(cell), query->targetList);
		AttrNumber	attno = IsA(expr, Var) ? ((Var *) expr)->varattno : InvalidAttrNumber;
		int			partition = partition_column(session, attno);

		if (attno == session->column)
			session->key = foreach_current_index(cell);
		else if (partition >= 0)
			found = bms_add_member(found, partition);
		else
			return cq_reject_unsupported(session->call->location, message,
										 "Other columns of a row belong into aggregates, or into "
										 "PARTITION BY.");
	}
	if (session->key < 0 || bms_num_members(found) < list_length(over->partitionClause))
		return cq_reject_unsupported(session->call->location, message, "Group by all of them.");
	return NULL;
}

/* ---- the whole ---- */

/* There are no sessions to maintain. Does one seem to be meant? */
static CqReject *
check_misplaced(const Query *query)
{
	WindowFunc *call = query->hasAggs || query->groupClause != NIL ? NULL : cq_session_plan_call(query);

	if (call == NULL)
		return NULL;
	return cq_reject_unsupported(call->location,
								 "cq.session in a continuous view needs a GROUP BY above it",
								 "Write SELECT k, s, … FROM (SELECT …, cq.session(ts, gap) OVER "
								 "(PARTITION BY k ORDER BY ts) AS s FROM …) q GROUP BY k, s.");
}

CqReject *
cq_session_plan_find(CqViewPlan *plan, Query **rest)
{
	Query	   *query = plan->query;
	CqScope		scope = {query, NULL};
	CqReject   *reject;
	ListCell   *cell;

	*rest = query;
	foreach(cell, query->rtable)
	{
		Query	   *select = select_of(query, lfirst(cell));
		WindowFunc *call = select ? cq_session_plan_call(select) : NULL;
		CqSession  *session;

		if (call == NULL || !cq_scope_reads_stream(&scope, (Node *) select))
			continue;
		session = palloc0(sizeof(CqSession));
		session->rtindex = foreach_current_index(cell) + 1;
		session->select = select;
		session->call = call;
		session->type = exprType(list_nth(call->args, SESSION_TIME));
		if ((reject = check_select(session)) != NULL ||
			(reject = check_from(session, query)) != NULL ||
			(reject = check_keys(session, query)) != NULL)
			return reject;
		plan->session = session;
		*rest = without_session(plan);
		return NULL;
	}
	return check_misplaced(query);
}

CqReject *
cq_session_plan_check(const CqViewPlan *plan)
{
	ListCell   *cell;

	if (plan->session == NULL)
		return NULL;
	foreach(cell, plan->keys)
	{
		Oid			type = exprType((Node *) ((CqKey *) lfirst(cell))->expr);

		if (!OidIsValid(GetDefaultOpClass(type, BTREE_AM_OID)))
			return cq_reject_unsupported(plan->session->call->location,
										 psprintf("sessions by a column of type %s are not "
												  "supported in a continuous view: it has no "
												  "order", format_type_be(type)),
										 "Cast it to a type that has one, such as text.");
	}
	if (list_length(plan->keys) > INDEX_MAX_KEYS)
		return cq_reject_unsupported(plan->session->call->location,
									 psprintf("sessions by more than %d columns are not supported",
											  INDEX_MAX_KEYS - 1), NULL);
	foreach(cell, plan->aggregates)
	{
		ListCell   *input;

		foreach(input, pull_vars_of_level((Node *) ((CqAggregate *) lfirst(cell))->aggref, 0))
		{
			Var		   *var = lfirst_node(Var, input);

			if (var->varattno == plan->session->column || var->varattno == InvalidAttrNumber)
				return cq_reject_unsupported(var->location,
											 "an aggregate over the session itself is not "
											 "supported in a continuous view",
											 "While rows arrive, the session is not yet what it "
											 "comes to be.");
		}
	}
	return NULL;
}
