/*
 * cut_split.c
 *		Takes a query apart where its key changes: a part of it becomes a sub-select of its own.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/compat.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "plan/cut_level.h"
#include "rewrite/rewriteManip.h"

/* ---- FROM ---- */

List *
cq_cut_split_conditions(Node *quals)
{
	List	   *conditions = NIL;
	ListCell   *cell;

	if (quals == NULL)
		return NIL;
	if (!is_andclause(quals))
		return list_make1(quals);
	foreach(cell, ((BoolExpr *) quals)->args)
		conditions = list_concat(conditions, cq_cut_split_conditions(lfirst(cell)));
	return conditions;
}

static Node *
all_of(List *conditions)
{
	return conditions != NIL ? (Node *) make_ands_explicit(conditions) : NULL;
}

/* Columns of joins are replaced by what they stand for, wherever the query names them. */
static void
flatten_join_columns(Query *query)
{
	ListCell   *cell;

#define FLATTEN(field, type) \
	(field) = (type) cq_compat_flatten_join_columns(query, (Node *) (field))
	FLATTEN(query->targetList, List *);
	FLATTEN(query->jointree, FromExpr *);
	FLATTEN(query->havingQual, Node *);
	FLATTEN(query->windowClause, List *);
	FLATTEN(query->limitCount, Node *);
	FLATTEN(query->limitOffset, Node *);
	foreach(cell, query->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		FLATTEN(entry->functions, List *);
		FLATTEN(entry->values_lists, List *);
		FLATTEN(entry->tablefunc, TableFunc *);
		FLATTEN(entry->tablesample, TableSampleClause *);
		if (entry->rtekind == RTE_SUBQUERY && entry->lateral)
			FLATTEN(entry->subquery, Query *);
	}
#undef FLATTEN
	foreach(cell, query->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		if (entry->rtekind == RTE_JOIN)
			entry->joinaliasvars = entry->joinleftcols = entry->joinrightcols = NIL;
	}
}

/* Items of FROM that stand in inner joins; conditions of those joins are added. */
static List *
inner_items(Node *item, List **conditions)
{
	JoinExpr   *join = (JoinExpr *) item;

	if (!IsA(item, JoinExpr) || join->jointype != JOIN_INNER)
		return list_make1(item);
	*conditions = list_concat(*conditions, cq_cut_split_conditions(join->quals));
	return list_concat(inner_items(join->larg, conditions), inner_items(join->rarg, conditions));
}

void
cq_cut_split_flatten_joins(Query *query)
{
	List	   *conditions = NIL;
	List	   *items = NIL;
	ListCell   *cell;

	flatten_join_columns(query);
	foreach(cell, query->jointree->fromlist)
		items = list_concat(items, inner_items(lfirst(cell), &conditions));
	conditions = list_concat(conditions, cq_cut_split_conditions(query->jointree->quals));
	query->jointree->fromlist = items;
	query->jointree->quals = all_of(conditions);
}

Bitmapset *
cq_cut_split_members(Node *item, bool with_joins)
{
	JoinExpr   *join = (JoinExpr *) item;
	Bitmapset  *members;

	if (item == NULL)
		return NULL;
	if (IsA(item, RangeTblRef))
		return bms_make_singleton(((RangeTblRef *) item)->rtindex);
	members = bms_union(cq_cut_split_members(join->larg, with_joins),
						cq_cut_split_members(join->rarg, with_joins));
	return with_joins ? bms_add_member(members, join->rtindex) : members;
}

static bool
find_nulling(Node *item, int rtindex, Bitmapset **joins)
{
	JoinExpr   *join = (JoinExpr *) item;
	bool		is_left;
	bool		is_right;

	if (IsA(item, RangeTblRef))
		return ((RangeTblRef *) item)->rtindex == rtindex;
	is_left = find_nulling(join->larg, rtindex, joins);
	is_right = find_nulling(join->rarg, rtindex, joins);
	if ((is_left && (join->jointype == JOIN_RIGHT || join->jointype == JOIN_FULL)) ||
		(is_right && (join->jointype == JOIN_LEFT || join->jointype == JOIN_FULL)))
		*joins = bms_add_member(*joins, join->rtindex);
	return is_left || is_right;
}

Bitmapset *
cq_cut_split_nulling_below(Node *item, int rtindex)
{
	Bitmapset  *joins = NULL;

	(void) find_nulling(item, rtindex, &joins);
	return joins;
}

Bitmapset *
cq_cut_split_nulling(const Query *query, int rtindex)
{
	Bitmapset  *joins = NULL;
	ListCell   *cell;

	foreach(cell, query->jointree->fromlist)
		(void) find_nulling(lfirst(cell), rtindex, &joins);
	return joins;
}

/* ---- what moves, and who names it ---- */

typedef struct Move
{
	Bitmapset  *members;		/* entries that move */
	Bitmapset  *joins;			/* and joins with them */
	List	   *columns;		/* of Var *: their columns that are named elsewhere */
	int			rtindex;		/* of the sub-select they go to */
	Index		level;
	bool		names_others;
} Move;

/* Calls walker for the query's nodes, and those of its sub-selects with a level more. */
static bool
walk_levels(Node *node, bool (*walker) (Node *, Move *), Move *move)
{
	bool		stop;

	if (!IsA(node, Query))
		return expression_tree_walker(node, walker, move);
	move->level++;
	stop = query_tree_walker((Query *) node, walker, move, 0);
	move->level--;
	return stop;
}

static bool
find_others(Node *node, Move *move)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		if (((Var *) node)->varlevelsup == move->level &&
			!bms_is_member(((Var *) node)->varno, move->members))
			move->names_others = true;
		return false;
	}
	return walk_levels(node, find_others, move);
}

/* Do the entries, or the conditions, name columns of entries that stay? */
static bool
names_others(const Query *query, List *items, List *conditions, Move *move)
{
	int			member = -1;
	ListCell   *cell;

	(void) find_others((Node *) conditions, move);
	foreach(cell, items)
		(void) find_others(lfirst(cell), move);
	while ((member = bms_next_member(move->members, member)) >= 0)
	{
		RangeTblEntry *entry = rt_fetch(member, query->rtable);

		if (entry->rtekind == RTE_SUBQUERY)
			(void) find_others((Node *) entry->subquery, move);
		(void) find_others((Node *) entry->functions, move);
		(void) find_others((Node *) entry->values_lists, move);
		(void) find_others((Node *) entry->tablefunc, move);
		(void) find_others((Node *) entry->tablesample, move);
	}
	return move->names_others;
}

static int
column_of(Move *move, const Var *var)
{
	ListCell   *cell;
	Var		   *column;

	foreach(cell, move->columns)
	{
		const Var  *known = lfirst_node(Var, cell);

		if (known->varno == var->varno && known->varattno == var->varattno)
			return foreach_current_index(cell) + 1;
	}
	column = copyObject(unconstify(Var *, var));
	column->varlevelsup = 0;
	cq_compat_set_nulling(column, bms_intersect(cq_compat_nulling(var), move->joins));
	move->columns = lappend(move->columns, column);
	return list_length(move->columns);
}

static bool
redirect(Node *node, Move *move)
{
	Var		   *var = (Var *) node;

	if (node == NULL)
		return false;
	if (!IsA(node, Var))
		return walk_levels(node, redirect, move);
	if (var->varlevelsup != move->level || !bms_is_member(var->varno, move->members))
		return false;
	var->varattno = column_of(move, var);
	var->varno = move->rtindex;
	var->varnosyn = 0;
	var->varattnosyn = 0;
	cq_compat_set_nulling(var, bms_difference(cq_compat_nulling(var), move->joins));
	return false;
}

/* Entries that are elsewhere now. */
static void
void_entries(Query *query, const Bitmapset *entries, bool are_kept)
{
	ListCell   *cell;

	foreach(cell, query->rtable)
	{
		if (bms_is_member(foreach_current_index(cell) + 1, entries) != are_kept)
			cq_compat_void_entry(lfirst_node(RangeTblEntry, cell));
	}
}

static List *
column_targets(const List *columns)
{
	List	   *targets = NIL;
	ListCell   *cell;

	foreach(cell, columns)
	{
		int			n = foreach_current_index(cell) + 1;

		targets = lappend(targets, makeTargetEntry(lfirst(cell), n, psprintf("c%d", n), false));
	}
	return targets;
}

/* An entry for a sub-select, which its columns need not be complete for yet. */
static RangeTblEntry *
add_subselect(Query *query, Query *sub)
{
	RangeTblEntry *entry = makeNode(RangeTblEntry);

	entry->rtekind = RTE_SUBQUERY;
	entry->subquery = sub;
	entry->inFromCl = true;
	query->rtable = lappend(query->rtable, entry);
	return entry;
}

static void
name_columns(RangeTblEntry *entry)
{
	List	   *names = NIL;
	ListCell   *cell;

	foreach(cell, entry->subquery->targetList)
	{
		if (!lfirst_node(TargetEntry, cell)->resjunk)
			names = lappend(names, makeString(pstrdup(lfirst_node(TargetEntry, cell)->resname)));
	}
	entry->eref = makeAlias(PART_NAME, names);
}

static Node *
reference(int rtindex)
{
	RangeTblRef *ref = makeNode(RangeTblRef);

	ref->rtindex = rtindex;
	return (Node *) ref;
}

/* A SELECT with all entries of another query, and nothing else of it. */
static Query *
select_from_entries(const Query *query)
{
	Query	   *sub = makeNode(Query);

	sub->commandType = CMD_SELECT;
	sub->canSetTag = true;
	sub->rtable = copyObject(query->rtable);
	cq_compat_copy_permissions(query, sub);
	sub->cteList = copyObject(query->cteList);
	sub->hasSubLinks = query->hasSubLinks;
	return sub;
}

Node *
cq_cut_split_push_down(Query *query, List *items, List *conditions)
{
	Move		move = {.level = 0};
	RangeTblEntry *entry;
	Query	   *sub;
	ListCell   *cell;

	foreach(cell, items)
	{
		move.members = bms_add_members(move.members, cq_cut_split_members(lfirst(cell), false));
		move.joins = bms_add_members(move.joins, cq_cut_split_members(lfirst(cell), true));
	}
	if (names_others(query, items, conditions, &move))
		return NULL;
	sub = select_from_entries(query);
	sub->jointree = makeFromExpr(items, all_of(conditions));
	void_entries(sub, move.joins, true);
	void_entries(query, move.joins, false);
	entry = add_subselect(query, NULL);
	move.rtindex = list_length(query->rtable);
	(void) query_tree_walker(query, redirect, &move, 0);
	entry->subquery = sub;
	sub->targetList = column_targets(move.columns);
	name_columns(entry);
	return reference(move.rtindex);
}

void
cq_cut_split_push_from(Query *query)
{
	FromExpr   *from = query->jointree;
	Node	   *part;

	query->jointree = makeFromExpr(NIL, NULL);
	part = cq_cut_split_push_down(query, from->fromlist, cq_cut_split_conditions(from->quals));
	Assert(part != NULL);		/* nothing stays that it could name */
	query->jointree->fromlist = list_make1(part);
}

/* ---- above an aggregation ---- */

typedef struct Lift
{
	List	   *targets;		/* of TargetEntry *: of the sub-select */
	Index		level;
	bool		is_frame;		/* offsets of frames: they are the same for all rows */
} Lift;

static Node *
lifted(Lift *lift, const TargetEntry *entry)
{
	Var		   *var = makeVar(1, entry->resno, exprType((Node *) entry->expr),
							  exprTypmod((Node *) entry->expr),
							  exprCollation((Node *) entry->expr), lift->level);

	return (Node *) var;
}

/* A column of the sub-select, or NULL. */
static Node *
find_lifted(Lift *lift, const Node *node)
{
	ListCell   *cell;

	foreach(cell, lift->targets)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);
		Node	   *expr = (Node *) entry->expr;

		if (lift->level > 0)
		{
			expr = copyObject(expr);
			IncrementVarSublevelsUp(expr, lift->level, 0);
		}
		if (equal(expr, node))
			return lifted(lift, entry);
	}
	return NULL;
}

/* What has to be a column: aggregates, and columns that are neither grouped nor aggregated. */
static Node *
lift_part(Lift *lift, const Node *node)
{
	Node	   *part = copyObject(unconstify(Node *, node));
	int			n = list_length(lift->targets) + 1;
	TargetEntry *entry;

	if (lift->level > 0)
		IncrementVarSublevelsUp(part, -(int) lift->level, lift->level);
	entry = makeTargetEntry((Expr *) part, n, psprintf("c%d", n), false);
	lift->targets = lappend(lift->targets, entry);
	return lifted(lift, entry);
}

static Node *
lift_node(Node *node, Lift *lift)
{
	Node	   *column;

	if (node == NULL)
		return NULL;
	if (IsA(node, Query))
	{
		Query	   *query;

		lift->level++;
		query = query_tree_mutator((Query *) node, lift_node, lift, 0);
		lift->level--;
		return (Node *) query;
	}
	if (!(lift->is_frame && IsA(node, Const)) && (column = find_lifted(lift, node)) != NULL)
		return column;
	if ((IsA(node, Aggref) && ((Aggref *) node)->agglevelsup == lift->level) ||
		(IsA(node, GroupingFunc) && ((GroupingFunc *) node)->agglevelsup == lift->level) ||
		(IsA(node, Var) && ((Var *) node)->varlevelsup == lift->level))
		return lift_part(lift, node);
	return expression_tree_mutator(node, lift_node, lift);
}

void
cq_cut_split_push_groups(Query *query)
{
	Query	   *sub = select_from_entries(query);
	Lift		lift = {NIL, 0, false};
	ListCell   *cell;
	RangeTblEntry *entry;

	sub->jointree = copyObject(query->jointree);
	sub->groupClause = copyObject(query->groupClause);
	sub->groupingSets = copyObject(query->groupingSets);
	sub->groupDistinct = query->groupDistinct;
	sub->havingQual = copyObject(query->havingQual);
	sub->hasAggs = query->hasAggs;
	foreach(cell, query->groupClause)
	{
		TargetEntry *key = get_sortgroupclause_tle(lfirst(cell), query->targetList);
		int			n = list_length(lift.targets) + 1;
		TargetEntry *target = makeTargetEntry((Expr *) copyObject(key->expr), n,
											  psprintf("c%d", n), false);

		target->ressortgroupref = key->ressortgroupref;
		lift.targets = lappend(lift.targets, target);
	}
	query->targetList = (List *) lift_node((Node *) query->targetList, &lift);
	lift.is_frame = true;
	query->windowClause = (List *) lift_node((Node *) query->windowClause, &lift);
	sub->targetList = lift.targets;
	query->groupClause = query->groupingSets = NIL;
	query->havingQual = NULL;
	query->hasAggs = false;
	query->rtable = NIL;
	entry = add_subselect(query, sub);
	name_columns(entry);
	query->jointree = makeFromExpr(list_make1(reference(1)), NULL);
}

void
cq_cut_split_push_all(Query *query)
{
	Query	   *sub = copyObject(query);
	RangeTblEntry *entry;
	ListCell   *cell;

	sub->sortClause = NIL;
	sub->limitCount = sub->limitOffset = NULL;
	query->setOperations = NULL;
	query->rtable = NIL;
	entry = add_subselect(query, sub);
	name_columns(entry);
	query->jointree = makeFromExpr(list_make1(reference(1)), NULL);
	foreach(cell, query->targetList)
	{
		TargetEntry *target = lfirst_node(TargetEntry, cell);
		Node	   *expr = (Node *) target->expr;

		target->expr = (Expr *) makeVar(1, target->resno, exprType(expr), exprTypmod(expr),
										exprCollation(expr), 0);
	}
}
