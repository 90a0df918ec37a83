/*
 * analyze.c
 *		Finds the one stream that a query reads, and checks that all around it can be evaluated row by row.
 *
 * Decides what is refused, with a reason and a place. What passes here is evaluated by the server's own executor over
 * each batch, so a wrong yes would be a silently wrong answer: whatever is not known to be right is refused.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/stream.h"
#include "catalog/view.h"
#include "common/compat.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "plan/plan.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static CqReject *check_level(Query *query, bool is_top, List **streams);

/* Where the select list begins: the place of what has none of its own. */
static int
start_of(const Query *query)
{
	return exprLocation((Node *) query->targetList);
}

static CqReject *
unsupported(int location, const char *what)
{
	return cq_reject_at(cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED, "%s", what), location);
}

/* Collects every stream read anywhere below a node, sub-selects and views included, with repetitions. */
static bool
find_streams(Node *node, List **streams)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *entry = (RangeTblEntry *) node;

		if (entry->rtekind != RTE_RELATION)
			return false;
		if (entry->relkind == RELKIND_FOREIGN_TABLE && cq_stream_is(entry->relid))
			*streams = lappend_oid(*streams, entry->relid);
		else if (entry->relkind == RELKIND_VIEW)
		{
			Relation	view = table_open(entry->relid, AccessShareLock);

			find_streams((Node *) cq_compat_view_query(view), streams);
			table_close(view, NoLock);
		}
		return false;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, find_streams, streams, QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, find_streams, streams);
}

static List *
streams_below(Node *node)
{
	List	   *streams = NIL;

	find_streams(node, &streams);
	return streams;
}

bool
cq_analyze_reads_stream(Node *query)
{
	return streams_below(query) != NIL;
}

static CommonTableExpr *
find_cte(Query *query, RangeTblEntry *entry)
{
	ListCell   *cell;

	if (entry->ctelevelsup > 0)
		return NULL;
	foreach(cell, query->cteList)
	{
		CommonTableExpr *cte = lfirst_node(CommonTableExpr, cell);

		if (strcmp(cte->ctename, entry->ctename) == 0)
			return cte;
	}
	return NULL;
}

/* Does a part of the join tree read a stream? */
static bool
jointree_has_stream(Query *query, Node *node)
{
	if (IsA(node, RangeTblRef))
	{
		RangeTblEntry *entry = rt_fetch(((RangeTblRef *) node)->rtindex, query->rtable);

		if (entry->rtekind == RTE_CTE)
		{
			CommonTableExpr *cte = find_cte(query, entry);

			return cte != NULL && streams_below(cte->ctequery) != NIL;
		}
		if (entry->rtekind == RTE_SUBQUERY)
			return streams_below((Node *) entry->subquery) != NIL;
		return streams_below((Node *) entry) != NIL;
	}
	if (IsA(node, JoinExpr))
		return jointree_has_stream(query, ((JoinExpr *) node)->larg) ||
			jointree_has_stream(query, ((JoinExpr *) node)->rarg);
	return false;
}

/*
 * The stream must be on the preserved side of outer joins: otherwise a row of the table would come out with nulls in
 * each batch that has no match for it.
 */
static CqReject *
check_join(Query *query, Node *node)
{
	JoinExpr   *join = (JoinExpr *) node;
	int			location;
	bool		on_left;
	bool		on_right;

	if (!IsA(node, JoinExpr))
		return NULL;
	location = exprLocation(join->quals);
	on_left = jointree_has_stream(query, join->larg);
	on_right = jointree_has_stream(query, join->rarg);
	if ((on_left && (join->jointype == JOIN_RIGHT || join->jointype == JOIN_FULL)) ||
		(on_right && (join->jointype == JOIN_LEFT || join->jointype == JOIN_FULL)))
		return cq_reject_hint(unsupported(location >= 0 ? location : start_of(query), "an outer join that keeps the rows of a table which have no match in the stream is not supported"),
							  "The stream may be on the left of a LEFT JOIN, or in an inner join.");
	return check_join(query, on_left ? join->larg : join->rarg);
}

/* The place of the first node of a kind in an expression, or -1. */
typedef struct NodeSearch
{
	NodeTag		tag;
	int			location;
} NodeSearch;

static bool
find_node(Node *node, NodeSearch *search)
{
	if (node == NULL)
		return false;
	if (nodeTag(node) == search->tag)
	{
		search->location = exprLocation(node);
		return true;
	}
	return expression_tree_walker(node, find_node, search);
}

static int
location_of(Query *query, NodeTag tag)
{
	NodeSearch	search = {tag, -1};

	(void) (find_node((Node *) query->targetList, &search) || find_node(query->havingQual, &search));
	return search.location;
}

CqReject *
cq_analyze_flat(Query *query)
{
	int			start = start_of(query);

	if (query->commandType != CMD_SELECT)
		return unsupported(start, "a data-modifying statement in a continuous view is not supported");
	if (query->setOperations != NULL)
		return unsupported(start, "UNION, INTERSECT and EXCEPT over a stream are not supported yet");
	if (query->hasAggs)
		return unsupported(location_of(query, T_Aggref), "an aggregation of a stream below another query is not supported yet");
	if (query->groupClause != NIL || query->groupingSets != NIL || query->havingQual != NULL)
		return unsupported(start, "an aggregation of a stream below another query is not supported yet");
	if (query->hasWindowFuncs)
		return cq_reject_hint(unsupported(location_of(query, T_WindowFunc), "window functions over a stream are not supported yet"),
							  "Over the result of the view's GROUP BY they are.");
	if (query->distinctClause != NIL)
		return cq_reject_hint(unsupported(start, "DISTINCT over a stream is not supported yet"),
							  "GROUP BY in the view does the same.");
	if (query->limitCount != NULL || query->limitOffset != NULL)
		return cq_reject_hint(unsupported(exprLocation(query->limitCount ? query->limitCount : query->limitOffset),
										  "LIMIT over a stream is not supported yet"),
							  "Put the LIMIT into the query that reads the view.");
	if (query->rowMarks != NIL)
		return unsupported(start, "FOR UPDATE and FOR SHARE in a continuous view are not supported");
	return NULL;
}

/* Would a stream come in through its parent, as a partition or child? */
static bool
has_stream_child(Oid relid)
{
	ListCell   *cell;

	if (!has_subclass(relid))
		return false;
	foreach(cell, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		if (cq_stream_is(lfirst_oid(cell)))
			return true;
	}
	return false;
}

static CqReject *
check_relation(RangeTblEntry *entry, List **streams)
{
	CqReject   *reject = NULL;
	Relation	view;
	Query	   *query;

	if (entry->relkind == RELKIND_FOREIGN_TABLE && cq_stream_is(entry->relid))
	{
		if (entry->tablesample != NULL)
			return unsupported(-1, "TABLESAMPLE over a stream is not supported");
		*streams = lappend_oid(*streams, entry->relid);
		return NULL;
	}
	if (entry->relkind != RELKIND_VIEW)
		return entry->inh && has_stream_child(entry->relid) ?
			unsupported(-1, "a stream that is a partition or child of a table is not supported in a continuous view") : NULL;
	if (cq_view_is(entry->relid))
		return cq_reject_detail(unsupported(-1, "a continuous view over a continuous view is not supported yet"),
								"\"%s\" is a continuous view.", get_rel_name(entry->relid));
	view = table_open(entry->relid, AccessShareLock);
	query = cq_compat_view_query(view);
	table_close(view, NoLock);
	if (streams_below((Node *) query) != NIL)
		reject = check_level(query, false, streams);
	return reject ? cq_reject_at(reject, -1) : NULL;	/* the place is in another text */
}

static CqReject *
check_ctes(Query *query, List **streams)
{
	ListCell   *cell;

	foreach(cell, query->cteList)
	{
		CommonTableExpr *cte = lfirst_node(CommonTableExpr, cell);
		Query	   *body = castNode(Query, cte->ctequery);
		CqReject   *reject;
		int			uses;

		if (body->commandType != CMD_SELECT)
			return unsupported(cte->location, "a data-modifying statement in a continuous view is not supported");
		if (streams_below((Node *) body) == NIL)
			continue;
		if (cte->cterecursive)
			return unsupported(cte->location, "WITH RECURSIVE over a stream is not supported");
		reject = check_level(body, false, streams);
		if (reject != NULL)
			return reject;
		for (uses = 1; uses < cte->cterefcount; uses++)
			*streams = list_concat(*streams, streams_below((Node *) body));
	}
	return NULL;
}

/* A stream in a sub-select of an expression (IN, EXISTS, scalar) would need its whole past. */
static bool
sublink_reads_stream(Node *node, int *location)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubLink) && streams_below(((SubLink *) node)->subselect) != NIL)
	{
		*location = exprLocation(node);
		return true;
	}
	return expression_tree_walker(node, sublink_reads_stream, location);
}

static CqReject *
check_level(Query *query, bool is_top, List **streams)
{
	CqReject   *reject;
	ListCell   *cell;
	int			location = -1;

	if (!is_top && (reject = cq_analyze_flat(query)) != NULL)
		return reject;
	if ((reject = check_ctes(query, streams)) != NULL)
		return reject;
	foreach(cell, query->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		reject = NULL;
		if (entry->rtekind == RTE_RELATION)
			reject = check_relation(entry, streams);
		else if (entry->rtekind == RTE_SUBQUERY && streams_below((Node *) entry->subquery) != NIL)
			reject = check_level(entry->subquery, false, streams);
		/* functions, VALUES and the like see the stream's rows one by one */
		if (reject != NULL)
			return reject;
	}
	foreach(cell, query->jointree->fromlist)
	{
		if ((reject = check_join(query, lfirst(cell))) != NULL)
			return reject;
	}
	if (sublink_reads_stream((Node *) query->targetList, &location) ||
		sublink_reads_stream((Node *) query->jointree, &location) ||
		sublink_reads_stream(query->havingQual, &location))
		return unsupported(location, "a sub-select in an expression that reads a stream is not supported yet");
	return NULL;
}

/* Where something depends on the moment, and whether it is cq.sliding, which may stand in one place only. */
typedef struct MomentSearch
{
	int			location;
	bool		is_sliding;
} MomentSearch;

/* Volatile, or stable but following the clock, the transaction or the session rather than its arguments. */
static bool
is_unrepeatable(Oid function, void *context)
{
	MomentSearch *search = context;

	search->is_sliding = cq_sliding_is_call(function);
	switch (function)
	{
		case F_NOW:
		case F_TRANSACTION_TIMESTAMP:
		case F_STATEMENT_TIMESTAMP:
		case F_AGE_TIMESTAMP:
		case F_AGE_TIMESTAMPTZ:
		case F_AGE_XID:
		case F_TXID_CURRENT:
		case F_TXID_CURRENT_SNAPSHOT:
		case F_PG_CURRENT_XACT_ID:
		case F_PG_CURRENT_SNAPSHOT:
		case F_PG_BACKEND_PID:
			return true;
		default:
			return func_volatile(function) == PROVOLATILE_VOLATILE || search->is_sliding || cq_sliding_is_clock(function);
	}
}

static bool
find_unrepeatable(Node *node, MomentSearch *search)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *entry = (RangeTblEntry *) node;
		bool		found = false;

		if (entry->rtekind == RTE_RELATION && entry->relkind == RELKIND_VIEW)
		{
			Relation	view = table_open(entry->relid, AccessShareLock);

			found = find_unrepeatable((Node *) cq_compat_view_query(view), search);
			search->location = -1;	/* a place in another text */
			table_close(view, NoLock);
		}
		return found;
	}
	if (check_functions_in_node(node, is_unrepeatable, search) ||
		IsA(node, SQLValueFunction) || IsA(node, NextValueExpr))
	{
		search->location = exprLocation(node);
		return true;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, find_unrepeatable, search, QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, find_unrepeatable, search);
}

/* The first place where a column of one entry of the range table is named, or -1: entries themselves do not tell theirs. */
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

/* The place of the second stream. */
static int
location_of_second(Query *query)
{
	EntrySearch search = {0, -1};
	bool		has_first = false;
	ListCell   *cell;

	foreach(cell, query->rtable)
	{
		if (streams_below(lfirst(cell)) == NIL)
			continue;
		if (has_first)
		{
			search.rtindex = foreach_current_index(cell) + 1;
			query_tree_walker(query, find_column, &search, QTW_IGNORE_RT_SUBQUERIES | QTW_IGNORE_CTE_SUBQUERIES);
			break;
		}
		has_first = true;
	}
	return search.location >= 0 ? search.location : start_of(query);
}

static CqReject *
check_streams(Query *query, const List *streams)
{
	if (streams == NIL)
		return cq_reject_hint(cq_reject(ERRCODE_WRONG_OBJECT_TYPE, "a continuous view must read a stream"),
							  "A stream is a foreign table of a server of cq_kafka or of the server cq_log.");
	if (list_length(streams) > 1)
		return cq_reject_hint(unsupported(location_of_second(query), "a continuous view over several streams, or over one stream several times, is not supported yet"),
							  "Joins of a stream with tables are.");
	return NULL;
}

CqReject *
cq_analyze_query(Query *query, Oid *stream)
{
	List	   *streams = NIL;
	CqReject   *reject;
	MomentSearch search = {-1, false};
	bool		found;

	if (query->commandType != CMD_SELECT || query->utilityStmt != NULL)
		return unsupported(-1, "a continuous view must be a SELECT");
	if (query->setOperations != NULL)
		return unsupported(start_of(query), "UNION, INTERSECT and EXCEPT over a stream are not supported yet");
	if (query->rowMarks != NIL)
		return unsupported(start_of(query), "FOR UPDATE and FOR SHARE in a continuous view are not supported");
	if ((reject = check_level(query, true, &streams)) != NULL ||
		(reject = check_streams(query, streams)) != NULL)
		return reject;
	if (isQueryUsingTempRelation(query))
		return unsupported(-1, "a continuous view over temporary tables or views is not supported");
	found = find_unrepeatable((Node *) query, &search);
	if (found && search.is_sliding)
		return cq_reject_hint(unsupported(search.location, "cq.sliding is not supported here"),
							  "It may be one of the conditions that WHERE of the continuous view itself combines by AND, once.");
	if (found)
		return cq_reject_hint(cq_reject_at(cq_reject(ERRCODE_INVALID_OBJECT_DEFINITION,
													 "a continuous view must not depend on the moment at which it is computed"), search.location),
							  "Volatile functions, now() and the like give another answer each time. Take the time from a column of the stream, or ask for it when reading the view. For the last while before now there is cq.sliding(ts, size, step).");
	*stream = linitial_oid(streams);
	return NULL;
}
