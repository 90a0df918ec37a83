/*
 * row_key.c
 *		By which columns rows are told apart: see row_key.h.
 *
 * A key comes about where rows are made one for each of something: GROUP BY, DISTINCT, row_number()
 * within its partition, the key of a stream whose rows change; and where there is but one row. From
 * there it goes up: a join has the keys of both sides, unless its conditions say that one side's
 * follows from the other. A query may have several, each a list of expressions over its FROM; those
 * count that the select list shows.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "catalog/stream.h"
#include "catalog/view.h"
#include "common/compat.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "plan/cut_level.h"
#include "plan/maintained.h"
#include "plan/row_key.h"
#include "plan/scope.h"
#include "plan/window_call.h"
#include "rewrite/rewriteManip.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#define MAX_KEYS 8				/* of a query: more are not looked at */

/* One value follows from others, by a condition: it is constant where there is no cause. */
typedef struct Consequence
{
	Var		   *cause;			/* or NULL */
	Var		   *effect;
} Consequence;

typedef struct Level
{
	Query	   *query;
	List	   *consequences;	/* of Consequence *: of what holds for each row of FROM */
	/* of List * of keys, by index of the range table from 1; of joins none */
	List	   *entries;
} Level;

static List *keys_of_query(Query *query);

static bool
same_column(const Var *one, const Var *other)
{
	return one->varlevelsup == other->varlevelsup && one->varno == other->varno &&
		one->varattno == other->varattno;
}

static bool
has_column(const List *columns, const Var *column)
{
	ListCell   *cell;

	foreach(cell, columns)
	{
		if (IsA(lfirst(cell), Var) && same_column(lfirst(cell), column))
			return true;
	}
	return false;
}

/* ---- what follows from conditions ---- */

static Var *
plain_column(Node *node)
{
	while (IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return IsA(node, Var) && ((Var *) node)->varlevelsup == 0 ? (Var *) node : NULL;
}

static bool
is_constant(Node *node)
{
	return !contain_vars_of_level(node, 0) && !checkExprHasSubLink(node) &&
		!contain_volatile_functions(node);
}

/* Two values that are equal are so wherever grouping compares them. */
static bool
is_equality(const OpExpr *condition)
{
	return list_length(condition->args) == 2 &&
		op_mergejoinable(condition->opno, exprType(linitial(condition->args))) &&
		(!OidIsValid(condition->inputcollid) ||
		 get_collation_isdeterministic(condition->inputcollid));
}

/* Is a column of a sub-select a row_number()? */
static bool
is_row_number(const Query *query, const Var *column)
{
	const RangeTblEntry *entry = rt_fetch(column->varno, query->rtable);
	const TargetEntry *target;

	if (entry->rtekind != RTE_SUBQUERY || entry->subquery->setOperations != NULL)
		return false;
	target = get_tle_by_resno(entry->subquery->targetList, column->varattno);
	return target != NULL && IsA(target->expr, WindowFunc) &&
		((WindowFunc *) target->expr)->winfnoid == F_ROW_NUMBER;
}

/* Does it leave no number but 1? */
static bool
is_first_alone(const OpExpr *condition)
{
	Oid			function = get_opcode(condition->opno);
	const Const *bound = lsecond(condition->args);
	int64		value;

	if (!IsA(bound, Const) || bound->constisnull ||
		(bound->consttype != INT4OID && bound->consttype != INT8OID))
		return false;
	value = bound->consttype == INT4OID ? DatumGetInt32(bound->constvalue) :
		DatumGetInt64(bound->constvalue);
	return ((function == F_INT8LE || function == F_INT84LE) && value == 1) ||
		((function == F_INT8LT || function == F_INT84LT) && value == 2);
}

static List *
add_consequence(List *consequences, Var *cause, Var *effect)
{
	Consequence *consequence = palloc(sizeof(Consequence));

	*consequence = (Consequence) {cause, effect};
	return lappend(consequences, consequence);
}

static List *
consequences_of(const Query *query, Node *quals)
{
	List	   *consequences = NIL;
	ListCell   *cell;

	foreach(cell, cq_cut_split_conditions(quals))
	{
		const OpExpr *condition = lfirst(cell);
		Var		   *left;
		Var		   *right;

		if (!IsA(condition, OpExpr) || list_length(condition->args) != 2)
			continue;
		left = plain_column(linitial(condition->args));
		right = plain_column(lsecond(condition->args));
		if (is_equality(condition))
		{
			if (left != NULL && (right != NULL || is_constant(lsecond(condition->args))))
				consequences = add_consequence(consequences, right, left);
			if (right != NULL && (left != NULL || is_constant(linitial(condition->args))))
				consequences = add_consequence(consequences, left, right);
		}
		else if (left != NULL && is_first_alone(condition) && is_row_number(query, left))
			consequences = add_consequence(consequences, NULL, left);
	}
	return consequences;
}

/* One bound of a window tells the other, but of one that cumulates the end alone. */
static bool
is_other_bound(const Query *query, const Var *one, const Var *other)
{
	CqWindowKind kind;

	return one->varlevelsup == 0 && one->varno == other->varno &&
		cq_window_call(rt_fetch(one->varno, query->rtable), &kind) != NULL &&
		(kind != CQ_WINDOW_CUMULATE || one->varattno == CQ_WINDOW_END);
}

/* Are all columns of one of the keys known? */
static bool
knows_key(const List *keys, const List *known)
{
	ListCell   *key;

	foreach(key, keys)
	{
		ListCell   *cell;
		bool		is_known = true;

		foreach(cell, lfirst(key))
			is_known &= has_column(known, lfirst(cell));
		if (is_known)
			return true;
	}
	return false;
}

/* Does its key tell all of a row, whatever the rest of FROM has, and where it has no partner? */
static bool
is_by_itself(const Level *level, int rtindex)
{
	const RangeTblEntry *entry = rt_fetch(rtindex, level->query->rtable);

	return entry->rtekind != RTE_FUNCTION && !entry->lateral &&
		bms_is_empty(cq_cut_split_nulling(level->query, rtindex));
}

/* Is it among them, or tells one of them, or the key that they have of its row? */
static bool
is_known(const Level *level, const Var *column, const List *known)
{
	ListCell   *cell;

	foreach(cell, known)
	{
		if (IsA(lfirst(cell), Var) && (same_column(lfirst(cell), column) ||
									   is_other_bound(level->query, lfirst(cell), column)))
			return true;
	}
	return is_by_itself(level, column->varno) &&
		knows_key(list_nth(level->entries, column->varno - 1), known);
}

/* Does the value of a column follow from those that are known? */
static bool
follows(const Level *level, const Var *column, List *known)
{
	bool		is_growing = true;
	ListCell   *cell;

	known = list_copy(known);
	while (is_growing)
	{
		is_growing = false;
		foreach(cell, level->consequences)
		{
			const Consequence *consequence = lfirst(cell);

			if (has_column(known, consequence->effect) ||
				(consequence->cause != NULL && !is_known(level, consequence->cause, known)))
				continue;
			known = lappend(known, consequence->effect);
			is_growing = true;
		}
	}
	return is_known(level, column, known);
}

/* ---- the keys of FROM ---- */

static List *
keys_of_stream(int rtindex, Oid relid)
{
	const CqStream *stream = cq_stream_get(relid, InvalidOid);
	Var		   *key;

	if (!cq_mode_changes(stream->mode) || stream->key == InvalidAttrNumber)
		return NIL;
	key = makeVar(rtindex, stream->key, get_atttype(relid, stream->key), -1, InvalidOid, 0);
	return list_make1(list_make1(key));
}

static List *
keys_of_subquery(int rtindex, Query *query)
{
	List	   *keys = NIL;
	ListCell   *cell;

	foreach(cell, keys_of_query(query))
	{
		List	   *key = NIL;
		int			column = -1;

		while ((column = bms_next_member(lfirst(cell), column)) >= 0)
			key = lappend(key, makeVar(rtindex, column, InvalidOid, -1, InvalidOid, 0));
		keys = lappend(keys, key);
	}
	return keys;
}

/* A continuous view, read by its name: as its own query says. */
static List *
keys_of_view(int rtindex, Oid relid)
{
	const CqView *view = cq_view_get(relid);
	Relation	definition = table_open(view->definition, AccessShareLock);
	Query	   *query = copyObject(cq_compat_view_query(definition));

	table_close(definition, NoLock);
	return keys_of_subquery(rtindex, cq_compat_flatten_group_entry(query));
}

static List *
keys_of_entry(int rtindex, RangeTblEntry *entry)
{
	CqWindowKind kind;

	if (entry->rtekind == RTE_SUBQUERY)
		return keys_of_subquery(rtindex, entry->subquery);
	if (cq_maintained_is(entry))
		return NIL;				/* a primary key may be dropped */
	if (cq_scope_is_view(entry))
		return keys_of_view(rtindex, entry->relid);
	if (entry->rtekind == RTE_RELATION && entry->relkind == RELKIND_FOREIGN_TABLE &&
		cq_stream_is(entry->relid))
		return keys_of_stream(rtindex, entry->relid);
	if (entry->rtekind == RTE_RESULT)
		return list_make1(NIL);
	if (cq_window_call(entry, &kind) == NULL)
		return NIL;
	if (kind == CQ_WINDOW_TUMBLE)
		return list_make1(NIL);
	return list_make1(list_make1(makeVar(rtindex, CQ_WINDOW_END, InvalidOid, -1, InvalidOid, 0)));
}

/* Each of the ones with each of the others. */
static List *
product(const List *ones, const List *others)
{
	List	   *keys = NIL;
	ListCell   *one;
	ListCell   *other;

	foreach(one, ones)
	{
		foreach(other, others)
		{
			if (list_length(keys) < MAX_KEYS)
				keys = lappend(keys, list_concat_copy(lfirst(one), lfirst(other)));
		}
	}
	return keys;
}

/* Has a row of the one side, by the join's condition, one partner at most among those with keys? */
static bool
is_looked_up(const Level *level, const JoinExpr *join, const List *keys)
{
	List	   *known = NIL;
	Bitmapset  *members = cq_cut_split_members(join->jointype == JOIN_LEFT ? join->larg :
											   join->rarg, true);
	ListCell   *cell;

	foreach(cell, consequences_of(level->query, join->quals))
	{
		const Consequence *consequence = lfirst(cell);

		if (consequence->cause == NULL || bms_is_member(consequence->cause->varno, members))
			known = lappend(known, consequence->effect);
	}
	return knows_key(keys, known);
}

static List *
keys_of_item(const Level *level, Node *item)
{
	const JoinExpr *join = (const JoinExpr *) item;
	List	   *left;
	List	   *right;

	if (IsA(item, RangeTblRef))
		return list_nth(level->entries, ((RangeTblRef *) item)->rtindex - 1);
	left = keys_of_item(level, join->larg);
	right = keys_of_item(level, join->rarg);
	if (join->jointype == JOIN_LEFT && is_looked_up(level, join, right))
		return left;
	if (join->jointype == JOIN_RIGHT && is_looked_up(level, join, left))
		return right;
	/* Of a full join's rows two may have nothing but nulls: a key of nulls, and no partner. */
	return join->jointype == JOIN_FULL ? NIL : product(left, right);
}

static List *
keys_of_from(const Level *level)
{
	List	   *keys = list_make1(NIL);
	ListCell   *cell;

	foreach(cell, level->query->jointree->fromlist)
		keys = product(keys, keys_of_item(level, lfirst(cell)));
	return keys;
}

/* ---- the keys of what is above ---- */

static List *
grouped_expressions(const Query *query, const List *clauses)
{
	List	   *expressions = NIL;
	ListCell   *cell;

	foreach(cell, clauses)
		expressions = lappend(expressions,
							  get_sortgroupclause_expr(lfirst(cell), query->targetList));
	return expressions;
}

static List *
keys_of_rows(const Level *level)
{
	const Query *query = level->query;

	if (query->groupingSets != NIL)
		return NIL;
	if (query->groupClause != NIL || query->hasAggs || query->havingQual != NULL)
		return list_make1(grouped_expressions(query, query->groupClause));
	return keys_of_from(level);
}

/* A number is there once in a partition. */
static List *
keys_of_numbers(const Query *query)
{
	List	   *keys = NIL;
	ListCell   *cell;

	foreach(cell, query->targetList)
	{
		WindowFunc *call = (WindowFunc *) lfirst_node(TargetEntry, cell)->expr;
		const WindowClause *window;

		if (!IsA(call, WindowFunc) || call->winfnoid != F_ROW_NUMBER)
			continue;
		window = list_nth(query->windowClause, call->winref - 1);
		keys = lappend(keys, lappend(grouped_expressions(query, window->partitionClause), call));
	}
	return keys;
}

static bool
is_one_row(const Query *query)
{
	const Const *limit = (const Const *) eval_const_expressions(NULL, query->limitCount);

	return limit != NULL && IsA(limit, Const) && !limit->constisnull &&
		DatumGetInt64(limit->constvalue) <= 1 && query->limitOption == LIMIT_OPTION_COUNT;
}

static List *
expressions_of(const Level *level)
{
	const Query *query = level->query;
	List	   *keys = NIL;

	if (is_one_row(query))
		keys = lappend(keys, NIL);
	if (query->distinctClause != NIL)
		keys = lappend(keys, grouped_expressions(query, query->distinctClause));
	if (query->hasTargetSRFs)
		return keys;
	return list_concat(list_concat(keys, keys_of_numbers(query)), keys_of_rows(level));
}

/* Without what follows from the rest, and what is around the query: it is the same for all rows. */
static List *
reduce(const Level *level, List *key)
{
	for (int i = list_length(key) - 1; i >= 0; i--)
	{
		List	   *rest = list_delete_nth_cell(list_copy(key), i);
		const Var  *column = list_nth(key, i);

		if (IsA(column, Var) && (column->varlevelsup > 0 || follows(level, column, rest)))
			key = rest;
	}
	return key;
}

/* A column that shows an expression of the key, or something that tells it; 0: none. */
static int
shown_column(const Level *level, const Node *expression)
{
	ListCell   *cell;

	foreach(cell, level->query->targetList)
	{
		const TargetEntry *target = lfirst_node(TargetEntry, cell);

		if (target->resjunk)
			continue;
		if (IsA(expression, Var) ? IsA(target->expr, Var) &&
			follows(level, (const Var *) expression, list_make1(target->expr)) :
			equal(target->expr, expression))
			return target->resno;
	}
	return 0;
}

static bool
show_key(const Level *level, const List *key, Bitmapset **columns)
{
	ListCell   *cell;

	*columns = NULL;
	foreach(cell, key)
	{
		int			column = shown_column(level, lfirst(cell));

		if (column == 0)
			return false;
		*columns = bms_add_member(*columns, column);
	}
	return true;
}

/* Where duplicates go, a row is told by all that it has. */
static List *
keys_of_set(const Query *query)
{
	Bitmapset  *columns = NULL;
	ListCell   *cell;

	if (castNode(SetOperationStmt, query->setOperations)->all)
		return NIL;
	foreach(cell, query->targetList)
	{
		if (!lfirst_node(TargetEntry, cell)->resjunk)
			columns = bms_add_member(columns, lfirst_node(TargetEntry, cell)->resno);
	}
	return list_make1(columns);
}

/* Of Bitmapset *: columns of the select list. Takes inner joins apart in query. */
static List *
keys_of_query(Query *query)
{
	Level		level = {.query = query};
	List	   *keys = NIL;
	ListCell   *cell;

	check_stack_depth();
	if (query->setOperations != NULL)
		return keys_of_set(query);
	cq_cut_split_flatten_joins(query);
	foreach(cell, query->rtable)
		level.entries = lappend(level.entries, keys_of_entry(foreach_current_index(cell) + 1,
															 lfirst_node(RangeTblEntry, cell)));
	level.consequences = consequences_of(query, query->jointree->quals);
	foreach(cell, expressions_of(&level))
	{
		Bitmapset  *columns;

		if (list_length(keys) < MAX_KEYS &&
			show_key(&level, reduce(&level, lfirst(cell)), &columns))
			keys = lappend(keys, columns);
	}
	return keys;
}

bool
cq_row_key_find(const Query *query, Bitmapset **columns)
{
	Query	   *copy = copyObject(unconstify(Query *, query));
	List	   *keys;
	ListCell   *cell;

	cq_cut_leaf_inline(copy);
	keys = keys_of_query(copy);
	*columns = NULL;
	foreach(cell, keys)
	{
		if (foreach_current_index(cell) == 0 ||
			bms_num_members(lfirst(cell)) < bms_num_members(*columns))
			*columns = lfirst(cell);
	}
	return keys != NIL;
}
