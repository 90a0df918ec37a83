/*
 * moment.c
 *		Texts that mean the moment when they are read as a date or time: see moment.h.
 *
 * A constant 'now'::text::timestamptz is refused at CREATE (check.c). What a message has is known
 * when it comes: then it is that row's fault, as where the stream has a column of such a type. So,
 * in what runs over a batch,
 *
 *		(j ->> 'at')::timestamptz		becomes		_cq.without_moment(j ->> 'at', …)::timestamptz
 *		jsonb_to_record(j) AS (…) becomes jsonb_to_record(_cq.without_moments(j, …)) AS (…)
 *
 * once views are expanded. Reached are casts, also those of elements of arrays, what makes rows of
 * JSON, and functions of language SQL that do such things: they are made part of the query, by the
 * planner's own rules, and refused where that is not possible. Other constructs that read texts
 * are refused by check.c; into functions of other languages nobody can look.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "parser/parse_func.h"
#include "parser/parsetree.h"
#include "plan/check_function.h"
#include "plan/check_type.h"
#include "plan/moment.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

typedef struct Guard
{
	List	   *functions;		/* of OIDs: those that read texts */
	int			location;		/* of the call that is being replaced, or -1 */
	CqReject   *reject;
} Guard;

/* ---- what reads texts ---- */

/* The argument of a function of the server that makes rows of JSON; -1: it is none. */
static int
json_argument(Oid function)
{
	static const char *const to_record[] = {"json_to_record", "json_to_recordset",
		"jsonb_to_record", "jsonb_to_recordset"};
	static const char *const populate[] = {"json_populate_record", "json_populate_recordset",
		"jsonb_populate_record", "jsonb_populate_recordset", "jsonb_populate_record_valid"};
	const char *name;

	if (function >= FirstGenbkiObjectId)
		return -1;
	name = get_func_name(function);
	for (int i = 0; i < (int) lengthof(to_record); i++)
		if (strcmp(name, to_record[i]) == 0)
			return 0;
	for (int i = 0; i < (int) lengthof(populate); i++)
		if (strcmp(name, populate[i]) == 0)
			return 1;
	return -1;
}

static bool
is_reading_cast(const Node *node)
{
	const CoerceViaIO *cast = (const CoerceViaIO *) node;

	return IsA(node, CoerceViaIO) && cq_check_type_is_time(cast->resulttype);
}

/*
 * Within the body of a function: what it reads of tables is looked up as tables are; what matters
 * is what it was given.
 */
typedef struct Body
{
	const Query *query;
	List	   *visited;		/* of OIDs of functions */
} Body;

static bool reads_texts(Oid function, Node *call, List **visited);
static bool find_reading(Node *node, Body *body);

static bool
find_given(Node *node, const Query *query)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param) || IsA(node, CaseTestExpr))
		return true;
	if (IsA(node, Var))
		return ((Var *) node)->varlevelsup > 0 || IS_SPECIAL_VARNO(((Var *) node)->varno) ||
			rt_fetch(((Var *) node)->varno, query->rtable)->rtekind != RTE_RELATION;
	if (IsA(node, Query))
		return true;
	return expression_tree_walker(node, find_given, (void *) query);
}

typedef struct Call
{
	Node	   *node;
	List	  **visited;
} Call;

static bool
call_reads_texts(Oid function, void *context)
{
	Call	   *call = context;

	return json_argument(function) >= 0 || reads_texts(function, call->node, call->visited);
}

static bool
find_reading(Node *node, Body *body)
{
	Call		call = {node, &body->visited};

	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Body		within = {(Query *) node, body->visited};
		bool		found = query_tree_walker((Query *) node, find_reading, &within, 0);

		body->visited = within.visited;
		return found;
	}
	if (is_reading_cast(node) && find_given((Node *) ((CoerceViaIO *) node)->arg,
											unconstify(Query *, body->query)))
		return true;
	if (check_functions_in_node(node, call_reads_texts, &call))
		return true;
	return expression_tree_walker(node, find_reading, body);
}

/* Does a function whose body can be seen read as a time what it is given, or may it? */
static bool
reads_texts(Oid function, Node *call, List **visited)
{
	Body		body = {NULL, *visited};
	bool		found = false;
	ListCell   *cell;

	if (list_member_oid(*visited, function))
		return false;
	body.visited = lappend_oid(body.visited, function);
	foreach(cell, cq_check_function_body(function, call))
		found = found || find_reading(lfirst(cell), &body);
	foreach(cell, cq_check_function_parts(function))
		found = found || reads_texts(lfirst_oid(cell), NULL, &body.visited);
	*visited = body.visited;
	return found;
}

/* One of the functions of a node that does; context is the guard. */
static bool
note_reading(Oid function, void *context)
{
	Call	   *call = context;
	List	   *visited = NIL;

	if (!reads_texts(function, call->node, &visited))
		return false;
	*call->visited = list_concat_unique_oid(*call->visited, visited);
	return true;
}

static bool
node_reads_texts(Guard *guard, Node *node)
{
	Call		call = {node, &guard->functions};

	return check_functions_in_node(node, note_reading, &call);
}

/* ---- guarding ---- */

static Node *guard_node(Node *node, Guard *guard);

static Node *
refuse(Guard *guard, int location)
{
	CqReject   *reject = cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED,
								   "a function that reads texts as dates or times is not supported "
								   "in a continuous view, where it cannot be made part of the "
								   "query");

	if (guard->reject != NULL)
		return NULL;
	reject = cq_reject_detail(reject, "A text such as \"now\" would be the moment at which it is "
							  "called.");
	reject = cq_reject_hint(reject, "Cast in the view's own query, where such texts are errors of "
							"their rows; or let the function be STABLE, of language SQL, and of a "
							"single expression.");
	guard->reject = cq_reject_at(reject, guard->location >= 0 ? guard->location : location);
	return NULL;
}

static Expr *
as_text(Expr *expr)
{
	CoerceViaIO *cast;

	if (exprType((Node *) expr) == TEXTOID)
		return expr;
	cast = makeNode(CoerceViaIO);
	cast->arg = expr;
	cast->resulttype = TEXTOID;
	cast->resultcollid = DEFAULT_COLLATION_OID;
	cast->coerceformat = COERCE_IMPLICIT_CAST;
	cast->location = -1;
	return (Expr *) cast;
}

static Expr *
call_ours(const char *function, List *arguments, int nargs, Oid type, Oid collation)
{
	Oid			types[FUNC_MAX_ARGS];
	List	   *name = list_make2(makeString("_cq"), makeString(pstrdup(function)));

	for (int i = 0; i < nargs; i++)
		types[i] = exprType(list_nth(arguments, i));
	return (Expr *) makeFuncExpr(LookupFuncName(name, nargs, types, false), type, arguments,
								 collation, collation, COERCE_EXPLICIT_CALL);
}

static Const *
constant(Oid type, Datum value)
{
	int16		length;
	bool		byval;

	get_typlenbyval(type, &length, &byval);
	return makeConst(type, -1, InvalidOid, length, value, false, byval);
}

static Node *
guard_cast(CoerceViaIO *cast, Guard *guard)
{
	CoerceViaIO *result = makeNode(CoerceViaIO);

	*result = *cast;
	result->arg = (Expr *) guard_node((Node *) cast->arg, guard);
	if (result->arg != NULL)
		result->arg = call_ours("without_moment",
								list_make2(as_text(result->arg),
										   constant(OIDOID, ObjectIdGetDatum(cast->resulttype))),
								2, TEXTOID, DEFAULT_COLLATION_OID);
	return (Node *) result;
}

/* Of a row's columns those that are read as times: their names and types. */
typedef struct Columns
{
	int			count;
	Datum	   *names;
	Datum	   *types;
} Columns;

static Columns
columns_of(TupleDesc descriptor)
{
	Columns		columns = {0, palloc(sizeof(Datum) * descriptor->natts),
		palloc(sizeof(Datum) * descriptor->natts)};

	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(descriptor, i);

		if (column->attisdropped || !cq_check_type_is_time(column->atttypid))
			continue;
		columns.names[columns.count] = CStringGetTextDatum(NameStr(column->attname));
		columns.types[columns.count++] = ObjectIdGetDatum(column->atttypid);
	}
	return columns;
}

static Node *
array_constant(Oid element, Oid type, const Columns *columns, const Datum *values)
{
	int16		length;
	bool		byval;
	char		align;

	get_typlenbyvalalign(element, &length, &byval, &align);
	return (Node *) constant(type, PointerGetDatum(construct_array(unconstify(Datum *, values),
																   columns->count, element, length,
																   byval, align)));
}

static void
guard_json(FuncExpr *call, TupleDesc descriptor)
{
	ListCell   *cell = list_nth_cell(call->args, json_argument(call->funcid));
	Columns		columns = columns_of(descriptor);

	if (columns.count > 0)
		lfirst(cell) = call_ours("without_moments",
								 list_make3(lfirst(cell),
											array_constant(TEXTOID, TEXTARRAYOID, &columns,
														   columns.names),
											array_constant(OIDOID, OIDARRAYOID, &columns,
														   columns.types)),
								 3, exprType(lfirst(cell)), InvalidOid);
}

static TupleDesc
columns_defined(const RangeTblFunction *function)
{
	TupleDesc	descriptor = BuildDescFromLists(function->funccolnames, function->funccoltypes,
												function->funccoltypmods,
												function->funccolcollations);

	return BlessTupleDesc(descriptor);
}

/* A call in FROM whose columns are defined there; others are seen as any call. */
static Node *
guard_function(RangeTblFunction *function, Guard *guard)
{
	RangeTblFunction *result = makeNode(RangeTblFunction);
	FuncExpr   *call = (FuncExpr *) function->funcexpr;

	*result = *function;
	if (IsA(call, FuncExpr) && json_argument(call->funcid) >= 0 && function->funccolnames != NIL)
	{
		call = (FuncExpr *) expression_tree_mutator((Node *) call, guard_node, guard);
		guard_json(call, columns_defined(function));
		result->funcexpr = (Node *) call;
	}
	else
		result->funcexpr = guard_node(function->funcexpr, guard);
	return (Node *) result;
}

static Node *
guard_json_call(FuncExpr *call, Guard *guard)
{
	TupleDesc	descriptor = NULL;
	Oid			type;

	call = (FuncExpr *) expression_tree_mutator((Node *) call, guard_node, guard);
	(void) get_expr_result_type((Node *) call, &type, &descriptor);
	if (call->funcresulttype == BOOLOID)	/* asks whether it can be read */
		descriptor = lookup_rowtype_tupdesc_domain(exprType(linitial(call->args)), -1, true);
	if (descriptor == NULL)
		return refuse(guard, call->location);
	guard_json(call, descriptor);
	ReleaseTupleDesc(descriptor);
	return (Node *) call;
}

/* What the planner would make of it later. */
static Node *
expand_call(Node *node, Guard *guard)
{
	Guard		within = *guard;
	Node	   *expanded = eval_const_expressions(NULL, node);

	if (nodeTag(expanded) == nodeTag(node) && node_reads_texts(guard, expanded))
		return refuse(guard, exprLocation(node));
	if (guard->location < 0)
		within.location = exprLocation(node);
	expanded = guard_node(expanded, &within);
	guard->functions = within.functions;
	guard->reject = within.reject;
	return expanded;
}

/* The same of a function in FROM. */
static void
expand_entry(const Query *query, RangeTblEntry *entry, Guard *guard)
{
	PlannerGlobal *global = makeNode(PlannerGlobal);
	PlannerInfo *root = makeNode(PlannerInfo);
	RangeTblFunction *function = linitial_node(RangeTblFunction, entry->functions);
	int			location = exprLocation(function->funcexpr);
	Query	   *body = NULL;

	root->parse = unconstify(Query *, query);
	root->glob = global;
	root->query_level = 1;
	root->planner_cxt = CurrentMemoryContext;
	if (list_length(entry->functions) == 1 && !entry->funcordinality)
	{
		entry->functions = (List *) eval_const_expressions(NULL, (Node *) entry->functions);
		body = inline_set_returning_function(root, entry);
	}
	if (body == NULL)
	{
		(void) refuse(guard, location);
		return;
	}
	entry->rtekind = RTE_SUBQUERY;
	entry->subquery = body;
	entry->security_barrier = false;
	entry->functions = NIL;
	entry->funcordinality = false;
}

static void
expand_entries(Query *query, Guard *guard)
{
	ListCell   *cell;
	ListCell   *inner;

	foreach(cell, query->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);
		bool		reads = false;

		if (entry->rtekind != RTE_FUNCTION)
			continue;
		foreach(inner, entry->functions)
			reads = reads ||
				node_reads_texts(guard, lfirst_node(RangeTblFunction, inner)->funcexpr);
		if (reads)
			expand_entry(query, entry, guard);
	}
}

static Node *
guard_query(Query *query, Guard *guard)
{
	Query	   *result = copyObject(query);

	expand_entries(result, guard);
	if (guard->reject != NULL)
		return (Node *) result;
	return (Node *) query_tree_mutator(result, guard_node, guard, QTW_DONT_COPY_QUERY);
}

static Node *
guard_node(Node *node, Guard *guard)
{
	if (node == NULL || guard->reject != NULL)
		return node;
	if (IsA(node, Query))
		return guard_query((Query *) node, guard);
	if (is_reading_cast(node))
		return guard_cast((CoerceViaIO *) node, guard);
	if (IsA(node, RangeTblFunction))
		return guard_function((RangeTblFunction *) node, guard);
	if (IsA(node, FuncExpr) && json_argument(((FuncExpr *) node)->funcid) >= 0)
		return guard_json_call((FuncExpr *) node, guard);
	if (node_reads_texts(guard, node))
		return expand_call(node, guard);
	return expression_tree_mutator(node, guard_node, guard);
}

CqReject *
cq_moment_guard(Query **query, List **functions)
{
	Guard		guard = {.location = -1};

	*query = (Query *) guard_node((Node *) *query, &guard);
	*functions = guard.functions;
	return guard.reject;
}
