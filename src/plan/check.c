/*
 * check.c
 *		The one walk over a view's whole query: what is refused, with a reason and a place.
 *
 * What passes here is evaluated by the server's own executor over each batch, so a wrong yes would
 * be a silently wrong answer: whatever is not known to be right is refused.
 *
 * The walk goes wherever an expression can reach: sub-selects, CTEs where they are referred to,
 * plain views, functions in FROM, VALUES, and bodies of SQL functions. It takes along what is to be
 * said if it meets a stream (`refusal`): nothing as long as it comes from FROM of queries that let
 * rows pass one by one; below an aggregation, an outer join's side, a sub-select in an expression,
 * a function it is the reason why a stream cannot be there.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_class.h"
#include "catalog/view.h"
#include "common/compat.h"
#include "common/time_text.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "plan/check.h"
#include "plan/check_function.h"
#include "plan/check_type.h"
#include "plan/maintained.h"
#include "plan/scope.h"
#include "plan/window_call.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* Where the walk is. */
typedef struct Place
{
	const CqScope *scope;
	CqReject   *refusal;		/* of a stream; NULL: it may be here */
	const char *text;			/* the view or function whose text this is, or NULL:
		the statement's own */
	int			location;		/* where the statement refers to that,
		or to the sub-select of an expression; or -1 */
} Place;

typedef struct Check
{
	const Query *query;			/* the view's */
	Place		place;
	int			entry;			/* of its range table, where the walk came in */
	bool		anywhere;		/* streams may stand where rows do not pass one by one, too */
	List	   *streams;		/* of Oid, each once */
	List	   *views;			/* of Oid: continuous views that are read by their names */
	int			nstreams;
	int			second;			/* the entry by which the second came in */
	List	   *functions;		/* of OIDs: those whose bodies are being walked,
		or have been without finding anything */
	Node	   *call;			/* the node whose functions are being looked at */
	List	   *types;			/* of OIDs: those whose constraints have been looked at */
	bool		is_condition;	/* of a domain, which the server takes for immutable: so are
		functions that users made for it, however they are declared; none is called */
	CqReject   *reject;
} Check;

static bool walk_node(Node *node, Check *check);
static bool walk_query(Check *check, const Query *query, bool is_top);

/* ---- reasons ---- */

/* Where the select list begins: the place of what has none of its own. */
static int
start_of(const Query *query)
{
	return exprLocation((Node *) query->targetList);
}

/* A place in another text than the statement's is told in words. */
static CqReject *
in_its_text(const Check *check, CqReject *reject)
{
	if (reject == NULL || check->place.text == NULL)
		return reject;
	reject->location = check->place.location;
	if (reject->detail == NULL)
		return cq_reject_detail(reject, "It stands in %s.", check->place.text);
	return cq_reject_detail(reject, "%s It stands in %s.", reject->detail, check->place.text);
}

/* Ends the walk. */
static bool
stop_at_stream(Check *check)
{
	check->reject = check->place.refusal;
	return true;
}

static bool
refuse(Check *check, CqReject *reject)
{
	check->reject = in_its_text(check, reject);
	return true;
}

/* From here on no stream may be met: for that reason, or for one that was there before. */
static void
forbid_streams(Check *check, CqReject *reject)
{
	if (check->place.refusal == NULL)
		check->place.refusal = in_its_text(check, reject);
}

/* The same, where it is the shape of the query that keeps rows from passing one by one. */
static void
forbid_by_shape(Check *check, CqReject *reject)
{
	if (!check->anywhere)
		forbid_streams(check, reject);
}

/*
 * The first place where a column of one entry of the range table is named, or -1: entries
 * themselves do not tell theirs.
 */
typedef struct EntrySearch
{
	int			rtindex;
	int			location;
} EntrySearch;

static bool
find_column(Node *node, EntrySearch *search)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		if (var->varno == search->rtindex && var->varlevelsup == 0 && var->location >= 0 &&
			(search->location < 0 || var->location < search->location))
			search->location = var->location;
		return false;
	}
	return expression_tree_walker(node, find_column, search);
}

/* The place of an entry of the view's own range table, as well as it can be told. */
static int
location_of_entry(const Check *check, int rtindex)
{
	EntrySearch search = {rtindex, -1};

	query_tree_walker(unconstify(Query *, check->query), find_column, &search,
					  QTW_IGNORE_RT_SUBQUERIES | QTW_IGNORE_CTE_SUBQUERIES);
	return search.location >= 0 ? search.location : start_of(check->query);
}

/* ---- what is read ---- */

static bool
meet_stream(Check *check, const RangeTblEntry *entry)
{
	if (check->place.refusal != NULL)
		return stop_at_stream(check);
	if (entry->relkind != RELKIND_FOREIGN_TABLE)
		return refuse(check, cq_reject_unsupported(location_of_entry(check, check->entry),
												   "a stream that is a partition or child of a "
												   "table is not supported in a continuous view",
												   "Read the stream itself."));
	if (entry->tablesample != NULL)
		return refuse(check, cq_reject_unsupported(exprLocation((Node *) entry->tablesample),
												   "TABLESAMPLE over a stream is not supported",
												   "A condition on a hash of some column chooses "
												   "rows as well."));
	check->streams = list_append_unique_oid(check->streams, entry->relid);
	if (++check->nstreams == 2)
		check->second = check->entry;
	return false;
}

/* Why a view cannot be read by its name, or NULL. */
static CqReject *
check_named(const Check *check, const CqView *view)
{
	int			location = location_of_entry(check, check->entry);

	if (!check->anywhere)
		return cq_reject_unsupported(location,
									 "a continuous view over a continuous view is not supported "
									 "with these options",
									 "Those that close windows or have rows go are for views "
									 "over streams: put the query of the view in the place of "
									 "its name.");
	if (view->steps_kept >= 0)
		return cq_reject_unsupported(location,
									 "a continuous view over one that slides with the clock is "
									 "not supported",
									 "Put the condition on now into the query that reads, or "
									 "have windows.");
	return NULL;
}

static bool
meet_view(Check *check, const RangeTblEntry *entry)
{
	CqView	   *view = cq_view_get(entry->relid);
	CqReject   *reject = check_named(check, view);

	if (check->place.refusal != NULL)
		return stop_at_stream(check);
	if (reject != NULL)
		return refuse(check, cq_reject_detail(reject, "\"%s\" is a continuous view.",
											  get_rel_name(entry->relid)));
	check->views = list_append_unique_oid(check->views, entry->relid);
	return false;
}

/* A table whose changes count. */
static bool
meet_table(Check *check, const RangeTblEntry *entry)
{
	int			location = location_of_entry(check, check->entry);
	CqReject   *reject = cq_maintained_check(entry, location);

	if (check->place.refusal != NULL)
		return stop_at_stream(check);
	if (reject == NULL && !check->anywhere)
		reject = cq_reject_unsupported(location,
									   "tables = 'maintained' is not supported with these "
									   "options",
									   "Those that close windows or have rows go are for tables "
									   "that are looked up as of the batch.");
	if (reject != NULL)
		return refuse(check, reject);
	check->views = list_append_unique_oid(check->views, entry->relid);
	return false;
}

/* The same text is walked where the view stands, since what may stand in it depends on that. */
static bool
walk_view(Check *check, const RangeTblEntry *entry)
{
	Place		before = check->place;
	Relation	view;
	Query	   *query;
	bool		stop;

	if (cq_view_is(entry->relid))
		return meet_view(check, entry);
	view = table_open(entry->relid, AccessShareLock);
	query = cq_compat_view_query(view);
	table_close(view, NoLock);
	check->place.scope = NULL;
	if (before.text == NULL && before.location < 0)
		check->place.location = location_of_entry(check, check->entry);
	check->place.text = psprintf("view \"%s\"", get_rel_name(entry->relid));
	stop = walk_query(check, query, false);
	check->place = before;
	return stop;
}

static bool
walk_relation(Check *check, const RangeTblEntry *entry)
{
	if (get_rel_persistence(entry->relid) == RELPERSISTENCE_TEMP)
		return refuse(check, cq_reject_unsupported(location_of_entry(check, check->entry),
												   "a continuous view over temporary tables or "
												   "views is not supported",
												   "Its workers are other sessions, which do not "
												   "see them. Take a table that stays."));
	if (cq_maintained_is(entry))
		return meet_table(check, entry);
	if (entry->relkind == RELKIND_VIEW)
		return walk_view(check, entry);
	if (cq_scope_is_stream(entry))
		return meet_stream(check, entry);
	if (entry->tablesample != NULL && entry->tablesample->repeatable == NULL)
		return refuse(check, cq_reject_unsupported(location_of_entry(check, check->entry),
												   "TABLESAMPLE in a continuous view needs "
												   "REPEATABLE",
												   "Without a seed it takes other rows each "
												   "time."));
	return false;
}

static bool
walk_cte(Check *check, const RangeTblEntry *entry)
{
	Place		before = check->place;
	const CqScope *home = NULL;
	CommonTableExpr *cte = cq_scope_cte(before.scope, entry, &home);
	bool		stop;

	if (cte == NULL)
		return false;			/* itself */
	check->place.scope = home;
	if (cte->cterecursive)
		forbid_streams(check, cq_reject_unsupported(cte->location,
													"WITH RECURSIVE over a stream is not "
													"supported",
													"A continuous view can keep the rows. The "
													"recursion is then for the query that reads "
													"it."));
	stop = walk_query(check, castNode(Query, cte->ctequery), false);
	check->place = before;
	return stop;
}

static bool
walk_entry(Check *check, const RangeTblEntry *entry)
{
	switch (entry->rtekind)
	{
		case RTE_RELATION:
			return walk_relation(check, entry);
		case RTE_SUBQUERY:
			return walk_query(check, entry->subquery, false);
		case RTE_CTE:
			return walk_cte(check, entry);
		default:
			return false;		/* sees rows one by one; expressions are walked apart */
	}
}

/* ---- FROM ---- */

static bool walk_from(Check *check, const Query *query, Node *node);

/*
 * One side of a join. The stream must be on the preserved side of outer joins: otherwise a row of
 * the table would come out with nulls in each batch that has no match for it.
 */
static bool
walk_side(Check *check, const Query *query, const JoinExpr *join, Node *side, bool is_nullable)
{
	CqReject   *before = check->place.refusal;
	int			location = exprLocation(join->quals);
	bool		stop;

	if (is_nullable)
		forbid_by_shape(check, cq_reject_unsupported(location >= 0 ? location : start_of(query),
													 "a stream on the side of an outer join "
													 "whose rows may be missing is not supported",
													 "It may be on the left of a LEFT JOIN with "
													 "a table, or in an inner join. Of two "
													 "streams create a view of each, and join "
													 "them in the query that reads."));
	stop = walk_from(check, query, side);
	check->place.refusal = before;
	return stop;
}

static bool
walk_from(Check *check, const Query *query, Node *node)
{
	const JoinExpr *join = (const JoinExpr *) node;

	if (IsA(node, RangeTblRef))
	{
		int			rtindex = ((RangeTblRef *) node)->rtindex;

		if (query == check->query)
			check->entry = rtindex;
		return walk_entry(check, rt_fetch(rtindex, query->rtable));
	}
	return walk_side(check, query, join, join->larg, join->jointype == JOIN_RIGHT ||
					 join->jointype == JOIN_FULL) ||
		walk_side(check, query, join, join->rarg, join->jointype == JOIN_LEFT ||
				  join->jointype == JOIN_FULL);
}

/* ---- expressions ---- */

static CqReject *
reads_stream(Oid function, Node *call)
{
	CqReject   *reject = cq_reject_unsupported(exprLocation(call),
											   "a function that reads a stream is not supported "
											   "in a continuous view",
											   "It would see a part of the stream alone. Call it "
											   "in the query that reads the view.");

	return cq_reject_detail(reject, "%s reads one.", cq_check_function_name(function));
}

static bool
walk_bodies(Check *check, Oid function, Node *call)
{
	Place		before = check->place;
	Node	   *within = check->call;
	List	   *bodies;
	ListCell   *cell;
	bool		stop = false;

	if (list_member_oid(check->functions, function))
		return false;
	check->functions = lappend_oid(check->functions, function);
	bodies = cq_check_function_body(function, call);
	check->place.scope = NULL;
	forbid_streams(check, reads_stream(function, check->call));
	if (before.text == NULL)
		check->place.location = exprLocation(check->call);
	check->place.text = psprintf("function %s", cq_check_function_name(function));
	foreach(cell, bodies)
		stop = stop || walk_query(check, lfirst_node(Query, cell), false);
	check->place = before;
	check->call = within;
	return stop;
}

static bool
walk_function(Oid function, void *context)
{
	Check	   *check = context;
	Node	   *call = check->call;
	CqReject   *reject = cq_check_function(function, call);
	ListCell   *cell;

	if (reject != NULL && !(check->is_condition && function >= FirstNormalObjectId))
		return refuse(check, cq_reject_at(reject, exprLocation(call)));
	foreach(cell, cq_check_function_parts(function))
	{
		if (walk_bodies(check, lfirst_oid(cell), NULL))
			return true;
	}
	return walk_bodies(check, function, call);
}

/* A stream in a sub-select of an expression (IN, EXISTS, scalar) would need its whole past. */
static bool
walk_sublink(Check *check, SubLink *link)
{
	Place		before = check->place;
	bool		stop;

	forbid_by_shape(check, cq_reject_unsupported(exprLocation((Node *) link),
												 "a sub-select in an expression that reads a "
												 "stream is not supported yet",
												 "Create a continuous view of the sub-select, and "
												 "ask for it in the query that reads both."));
	if (before.text == NULL)
		check->place.location = exprLocation((Node *) link);
	stop = walk_query(check, castNode(Query, link->subselect), false);
	check->place = before;
	return stop || walk_node(link->testexpr, check);
}

/*
 * The constant that a text comes to, if it is one: also by stable functions of the server, as
 * concat() is, which the planner leaves to the executor, or evaluates where it estimates.
 */
static Const *
constant_text(Node *text)
{
	PlannerInfo *root = makeNode(PlannerInfo);

	if (cq_window_call_is_alterable(text))
		return (Const *) eval_const_expressions(NULL, copyObject(text));
	root->glob = makeNode(PlannerGlobal);
	return (Const *) estimate_expression_value(root, copyObject(text));
}

/* Of a text, or of an array of texts. */
static bool
walk_cast(Check *check, const Node *cast, Expr *argument)
{
	Const	   *text;
	char	   *value;
	Oid			output;
	bool		is_varlena;

	if (!cq_check_type_is_time(exprType(cast)))
		return false;
	text = check->is_condition ? (Const *) argument : constant_text((Node *) argument);
	if (!IsA(text, Const) || text->constisnull)
		return false;
	getTypeOutputInfo(text->consttype, &output, &is_varlena);
	value = OidOutputFunctionCall(output, text->constvalue);
	return cq_time_text_moment(value, strlen(value)) != NULL &&
		refuse(check, cq_reject_at(cq_check_function_moment(), exprLocation(cast)));
}

/* ---- types ---- */

typedef struct TypeWalk
{
	Check	   *check;
	int			location;
} TypeWalk;

static bool
walk_condition(Node *condition, Oid domain, void *context)
{
	TypeWalk   *walk = context;
	Check	   *check = walk->check;
	Place		before = check->place;
	bool		is_within = check->is_condition;
	bool		stop;

	if (before.text == NULL && walk->location >= 0)
		check->place.location = walk->location;
	check->place.text = psprintf("domain %s", format_type_be(domain));
	check->is_condition = true;
	stop = walk_node(condition, check);
	check->is_condition = is_within;
	check->place = before;
	return stop;
}

/* A type of which values are made. */
static bool
walk_type(Check *check, Oid type, int location)
{
	TypeWalk	walk = {check, location};

	return cq_check_type_walk(type, &check->types, walk_condition, &walk);
}

static bool
walk_types(Check *check, List *types, int location)
{
	ListCell   *cell;

	foreach(cell, types)
	{
		if (walk_type(check, lfirst_oid(cell), location))
			return true;
	}
	return false;
}

/* Values of a stream are made when it is read, those of a table are there. */
static bool
walk_column(Check *check, const Var *var)
{
	const CqScope *scope = check->place.scope;
	const RangeTblEntry *entry;

	for (Index i = 0; i < var->varlevelsup && scope != NULL; i++)
		scope = scope->outer;
	if (scope == NULL || IS_SPECIAL_VARNO(var->varno))
		return false;
	entry = rt_fetch(var->varno, scope->query->rtable);
	if (var->varattno < 0 && var->varattno != TableOidAttributeNumber && cq_scope_is_stream(entry))
		return refuse(check, cq_reject_unsupported(var->location,
												   "a system column of a stream is not supported "
												   "in a continuous view",
												   "What a message has is in columns with the "
												   "option metadata: its partition, offset, "
												   "timestamp."));
	return (entry->rtekind == RTE_JOIN || cq_scope_is_stream(entry)) &&
		walk_type(check, var->vartype, var->location);
}

/* What a column is made of would be read as a time without a look at what it says. */
static bool
walk_table_function(Check *check, const TableFunc *function)
{
	ListCell   *cell;

	foreach(cell, function->coltypes)
	{
		if (cq_check_type_is_time(lfirst_oid(cell)))
			return refuse(check, cq_reject_unsupported(function->location,
													   "a column of a date or time type in "
													   "XMLTABLE or JSON_TABLE is not supported "
													   "in a continuous view",
													   "Let it be text, and cast that: so 'now' "
													   "and the like are errors of their rows."));
	}
	return walk_types(check, function->coltypes, function->location);
}

static bool
walk_json(Check *check, Node *node)
{
	if (cq_check_type_is_time(exprType(node)))
		return refuse(check, cq_reject_unsupported(exprLocation(node),
												   "a function of JSON that returns a date or "
												   "time is not supported in a continuous view",
												   "Let it be RETURNING text, and cast that: so "
												   "'now' and the like are errors of their rows."));
	if (cq_compat_json_path_is_mutable(node))
		return refuse(check, cq_reject_at(cq_check_function_moment(), exprLocation(node)));
	return walk_type(check, exprType(node), exprLocation(node));
}

/* ---- any node ---- */

static bool
walk_node(Node *node, Check *check)
{
	CqReject   *reject;

	if (node == NULL)
		return false;
	check_stack_depth();
	check->call = node;
	if (check_functions_in_node(node, walk_function, check))
		return true;
	switch (nodeTag(node))
	{
		case T_SubLink:
			return walk_sublink(check, (SubLink *) node);
		case T_FuncExpr:
			reject = check->is_condition ? NULL : cq_window_call_check((FuncExpr *) node);
			if (reject != NULL)
				return refuse(check, cq_reject_at(reject, exprLocation(node)));
			if (walk_type(check, exprType(node), exprLocation(node)))
				return true;
			break;
		case T_CoerceViaIO:
			if (walk_cast(check, node, ((CoerceViaIO *) node)->arg) ||
				walk_type(check, exprType(node), exprLocation(node)))
				return true;
			break;
		case T_ArrayCoerceExpr:
			if (walk_cast(check, node, ((ArrayCoerceExpr *) node)->arg))
				return true;
			break;
		case T_CoerceToDomain:
			if (walk_type(check, exprType(node), exprLocation(node)))
				return true;
			break;
		case T_Var:
			return walk_column(check, (Var *) node);
		case T_RangeTblFunction:
			if (walk_types(check, ((RangeTblFunction *) node)->funccoltypes,
						   exprLocation(((RangeTblFunction *) node)->funcexpr)))
				return true;
			break;
		case T_TableFunc:
			if (walk_table_function(check, (TableFunc *) node))
				return true;
			break;
		case T_SQLValueFunction:
			reject = cq_check_function_sql_value((SQLValueFunction *) node);
			return refuse(check, cq_reject_at(reject, exprLocation(node)));
		case T_NextValueExpr:
			return refuse(check, cq_reject_unsupported(-1, "a continuous view must not take "
														   "numbers of a sequence", NULL));
		default:
			if (cq_compat_is_json_function(node) && walk_json(check, node))
				return true;
			break;
	}
	return expression_tree_walker(node, walk_node, check);
}

/* ---- the query ---- */

/* What of a query is not walked as its expressions are. */
#define WALK_FLAGS \
	(QTW_IGNORE_RT_SUBQUERIES | QTW_IGNORE_CTE_SUBQUERIES | QTW_IGNORE_JOINALIASES)

static bool
walk_query(Check *check, const Query *query, bool is_top)
{
	Place		before = check->place;
	CqScope		scope = {query, before.scope};
	bool		stop = false;
	ListCell   *cell;

	check_stack_depth();
	check->place.scope = &scope;
	if (!is_top)
		forbid_by_shape(check, cq_check_flat(query, false));
	foreach(cell, query->cteList)
	{
		CommonTableExpr *cte = lfirst_node(CommonTableExpr, cell);

		if (castNode(Query, cte->ctequery)->commandType != CMD_SELECT)
			return refuse(check, cq_reject_unsupported(cte->location,
													   "a data-modifying statement in a "
													   "continuous view is not supported",
													   NULL));
	}
	foreach(cell, query->jointree != NULL ? query->jointree->fromlist : NIL)
		stop = stop || walk_from(check, query, lfirst(cell));
	if (query->setOperations != NULL)
	{
		foreach(cell, query->rtable)
			stop = stop || walk_entry(check, lfirst_node(RangeTblEntry, cell));
	}
	stop = stop || query_tree_walker(unconstify(Query *, query), walk_node, check, WALK_FLAGS);
	check->place = before;
	return stop;
}

static CqReject *
check_any_stream(const Check *check)
{
	if (check->streams != NIL || check->views != NIL)
		return NULL;
	return cq_reject_hint(cq_reject_at(cq_reject(ERRCODE_WRONG_OBJECT_TYPE,
												 "a continuous view must read a stream"),
									   start_of(check->query)),
						  "A stream is a foreign table of a server of cq_kafka or of the "
						  "server cq_log.");
}

static CqReject *
check_one_stream(const Check *check)
{
	CqReject   *reject = check_any_stream(check);

	if (reject == NULL && check->nstreams > 1)
		return cq_reject_unsupported(location_of_entry(check, check->second),
									 "a continuous view over several streams, or over one stream "
									 "several times, is not supported yet",
									 "Joins of a stream with tables are. Create a continuous "
									 "view of each, and join them in the query that reads.");
	return reject;
}

static CqReject *
check_all(Check *check)
{
	const Query *query = check->query;

	if (query->commandType != CMD_SELECT || query->utilityStmt != NULL)
		return cq_reject_unsupported(-1, "a continuous view must be a SELECT", NULL);
	if ((query->setOperations != NULL && !check->anywhere) || query->rowMarks != NIL)
		return cq_check_flat(query, true);
	if (walk_query(check, query, true))
		return check->reject;
	return NULL;
}

CqReject *
cq_check_query(const Query *query, Oid *stream)
{
	Check		check = {.query = query, .place.location = -1};
	CqReject   *reject = check_all(&check);

	if (reject != NULL)
		return reject;
	*stream = check.streams != NIL ? linitial_oid(check.streams) : InvalidOid;
	return check_one_stream(&check);
}

CqReject *
cq_check_tree(const Query *query, List **streams, List **views)
{
	Check		check = {.query = query, .place.location = -1, .anywhere = true};
	CqReject   *reject = check_all(&check);

	if (reject != NULL)
		return reject;
	*streams = check.streams;
	*views = check.views;
	return check_any_stream(&check);
}
