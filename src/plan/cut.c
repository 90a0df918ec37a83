/*
 * cut.c
 *		Cuts a query through which rows do not pass one by one into nodes: see cut.h.
 *
 * A query is taken apart until each part is one of these:
 *
 *		a flow: rows of one relation pass one by one. It needs no node, and is put into the query
 *		around it;
 *		a join of several relations, or of one with sub-selects over streams;
 *		something above: GROUP BY, OVER, DISTINCT or LIMIT over one relation;
 *		UNION, INTERSECT, EXCEPT (cut_set.c).
 *
 * All but the first become nodes, from the innermost on. What stands above may have another key
 * than what it reads: so FROM is a part of its own below an aggregation, and that below OVER. Joins
 * without a key that all of them share are taken apart as well, two by two.
 */
#include "postgres.h"

#include "catalog/heap.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "parser/parse_oper.h"
#include "parser/parsetree.h"
#include "plan/check.h"
#include "plan/cut_level.h"
#include "plan/scope.h"
#include "rewrite/rewriteManip.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

static bool
has_above_groups(const Query *query)
{
	return query->hasWindowFuncs || query->distinctClause != NIL || query->limitCount != NULL ||
		query->limitOffset != NULL;
}

/* ---- leaves ---- */

static bool
reads_stream(const Query *query)
{
	return cq_scope_reads_stream(NULL, (Node *) query);
}

static void find_leaves(CqLevel *level, Query *query, int depth);

static CqLeaf *
add_leaf(CqLevel *level, Query *holder, int rtindex, int depth)
{
	CqLeaf	   *leaf = palloc0(sizeof(CqLeaf));

	leaf->holder = holder;
	leaf->rtindex = rtindex;
	leaf->depth = depth;
	level->leaves = lappend(level->leaves, leaf);
	return leaf;
}

static void
add_inner(CqLevel *level, Query *query, Query *around, SubLink *link, int depth)
{
	CqInner    *inner = palloc0(sizeof(CqInner));

	inner->query = query;
	inner->around = around;
	inner->link = link;
	level->inners = lappend(level->inners, inner);
	find_leaves(level, query, depth);
}

/* Does a sub-select name columns of what is around it, in whatever distance? */
static bool
is_correlated(Query *query, int depth)
{
	for (int level = 1; level <= depth + 1; level++)
	{
		if (contain_vars_of_level((Node *) query, level))
			return true;
	}
	return false;
}

static void
find_in_entry(CqLevel *level, Query *query, int rtindex, int depth)
{
	RangeTblEntry *entry = rt_fetch(rtindex, query->rtable);

	if (cq_scope_is_view(entry) || cq_scope_is_stream(entry))
		add_leaf(level, query, rtindex, depth);
	else if (entry->rtekind != RTE_SUBQUERY || !reads_stream(entry->subquery))
		return;
	else if (is_correlated(entry->subquery, depth))
	{
		cq_cut_split_flatten_joins(entry->subquery);
		add_inner(level, entry->subquery, query, NULL, depth + 1);
	}
	else if (query->setOperations == NULL)
		add_leaf(level, query, rtindex, depth);
	else
	{
		/* What a set operation is of stays a query. */
		entry->subquery = cq_cut_select_all(entry->subquery);
		add_inner(level, entry->subquery, query, NULL, depth + 1);
	}
}

Query *
cq_cut_select_all(Query *query)
{
	Query	   *outer = makeNode(Query);
	RangeTblEntry *entry = makeNode(RangeTblEntry);
	RangeTblRef *ref = makeNode(RangeTblRef);
	List	   *names = NIL;
	ListCell   *cell;

	foreach(cell, query->targetList)
	{
		TargetEntry *target = lfirst_node(TargetEntry, cell);
		Node	   *expr = (Node *) target->expr;

		if (target->resjunk)
			continue;
		names = lappend(names, makeString(pstrdup(target->resname ? target->resname : "c")));
		outer->targetList =
			lappend(outer->targetList,
					makeTargetEntry((Expr *) makeVar(1, target->resno, exprType(expr),
													 exprTypmod(expr), exprCollation(expr), 0),
									list_length(names), target->resname, false));
	}
	entry->rtekind = RTE_SUBQUERY;
	entry->subquery = query;
	entry->inFromCl = true;
	entry->eref = makeAlias(PART_NAME, names);
	ref->rtindex = 1;
	outer->commandType = CMD_SELECT;
	outer->canSetTag = true;
	outer->rtable = list_make1(entry);
	outer->jointree = makeFromExpr(list_make1(ref), NULL);
	return outer;
}

/* The same, in the order of the query: what an ARRAY (SELECT …) is made in. */
static Query *
select_all_in_order(Query *query)
{
	List	   *targets = copyObject(query->targetList);
	List	   *order = copyObject(query->sortClause);
	Query	   *outer;
	ListCell   *cell;
	ListCell   *other;

	foreach(cell, query->targetList)
		lfirst_node(TargetEntry, cell)->resjunk = false;
	outer = cq_cut_select_all(query);
	forboth(cell, outer->targetList, other, targets)
	{
		const TargetEntry *target = lfirst_node(TargetEntry, other);

		lfirst_node(TargetEntry, cell)->resjunk = target->resjunk;
		lfirst_node(TargetEntry, cell)->ressortgroupref = target->ressortgroupref;
	}
	outer->sortClause = order;
	return outer;
}

typedef struct LinkSearch
{
	CqLevel    *level;
	Query	   *query;
	int			depth;
} LinkSearch;

static bool
find_in_sublinks(Node *node, LinkSearch *search)
{
	SubLink    *link = (SubLink *) node;
	Query	   *query;

	if (node == NULL || IsA(node, Query))
		return false;
	if (!IsA(node, SubLink))
		return expression_tree_walker(node, find_in_sublinks, search);
	query = castNode(Query, link->subselect);
	if (reads_stream(query))
	{
		if (!is_correlated(query, search->depth))
		{
			query = link->subLinkType == ARRAY_SUBLINK ? select_all_in_order(query) :
				cq_cut_select_all(query);
			link->subselect = (Node *) query;
		}
		else if (query->setOperations == NULL)
			cq_cut_split_flatten_joins(query);
		add_inner(search->level, query, search->query, link, search->depth + 1);
	}
	return find_in_sublinks(link->testexpr, search);
}

static void
find_leaves(CqLevel *level, Query *query, int depth)
{
	LinkSearch	search = {level, query, depth};

	check_stack_depth();
	for (int rtindex = 1; rtindex <= list_length(query->rtable); rtindex++)
		find_in_entry(level, query, rtindex, depth);
	(void) query_tree_walker(query, find_in_sublinks, &search,
							 QTW_IGNORE_RT_SUBQUERIES | QTW_IGNORE_CTE_SUBQUERIES |
							 QTW_IGNORE_JOINALIASES);
}

static CqLevel *
open_level(CqCut *cut, Query *query)
{
	CqLevel    *level = palloc0(sizeof(CqLevel));

	level->cut = cut;
	level->query = query;
	find_leaves(level, query, 0);
	return level;
}

/* Cuts what is below the leaves. rule: of nodes for continuous views among them. */
static CqReject *
cut_leaves(CqLevel *level, CqKeepRule rule)
{
	ListCell   *cell;

	foreach(cell, level->leaves)
	{
		CqLeaf	   *leaf = lfirst(cell);
		RangeTblEntry *entry = rt_fetch(leaf->rtindex, leaf->holder->rtable);
		CqReject   *reject;

		if (entry->rtekind == RTE_RELATION && cq_cut_changes(entry))
		{
			cq_cut_latest_make(level, leaf);
			continue;
		}
		if (cq_scope_is_view(entry))
		{
			cq_cut_make_copy(level, leaf, rule);
			continue;
		}
		if (entry->rtekind == RTE_RELATION)
		{
			leaf->flow.stream = entry->relid;
			leaf->flow.only_grows = true;
			continue;
		}
		reject = cq_cut_query(level->cut, entry->subquery, false, &leaf->flow);
		if (reject != NULL)
			return reject;
		entry->subquery = leaf->flow.query;
	}
	return NULL;
}

/* ---- joins and flows ---- */

static bool
is_append_only(const CqLevel *level)
{
	ListCell   *cell;

	foreach(cell, level->leaves)
	{
		if (!((CqLeaf *) lfirst(cell))->flow.only_grows)
			return false;
	}
	return true;
}

static bool
reads_tables(const Query *query)
{
	ListCell   *cell;

	foreach(cell, query->rtable)
	{
		const RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		if ((entry->rtekind == RTE_RELATION && !cq_scope_is_stream(entry) &&
			 !cq_scope_is_view(entry)) ||
			(entry->rtekind == RTE_SUBQUERY && !reads_stream(entry->subquery) &&
			 reads_tables(entry->subquery)) || entry->rtekind == RTE_CTE)
			return true;
	}
	return query->hasSubLinks;
}

static bool
has_leaves_below(const CqLevel *level, Node *item)
{
	int			rtindex = -1;
	Bitmapset  *members = cq_cut_split_members(item, false);

	while ((rtindex = bms_next_member(members, rtindex)) >= 0)
	{
		RangeTblEntry *entry = rt_fetch(rtindex, level->query->rtable);

		if (cq_cut_leaf(level, level->query, rtindex) != NULL ||
			(entry->rtekind == RTE_SUBQUERY && reads_stream(entry->subquery)))
			return true;
	}
	return false;
}

/* A table's rows that have no match would come and go with rows of the stream. */
static CqReject *
check_preserved(const CqLevel *level, Node *item)
{
	JoinExpr   *join = (JoinExpr *) item;
	bool		left;
	bool		right;
	CqReject   *reject;
	int			location;

	if (!IsA(item, JoinExpr))
		return NULL;
	left = has_leaves_below(level, join->larg);
	right = has_leaves_below(level, join->rarg);
	location = exprLocation(join->quals);
	if ((left && !right && (join->jointype == JOIN_RIGHT || join->jointype == JOIN_FULL)) ||
		(right && !left && (join->jointype == JOIN_LEFT || join->jointype == JOIN_FULL)))
		return cq_reject_unsupported(location >= 0 ? location :
									 exprLocation((Node *) level->query->targetList),
									 "an outer join that keeps the rows of a table which have no "
									 "match in the stream is not supported",
									 "The stream may be on the left of a LEFT JOIN, or in an "
									 "inner join.");
	reject = check_preserved(level, join->larg);
	return reject != NULL ? reject : check_preserved(level, join->rarg);
}

static bool
has_nullable_leaf(const CqLevel *level)
{
	ListCell   *cell;

	foreach(cell, level->leaves)
	{
		const CqLeaf *leaf = lfirst(cell);

		if (leaf->depth == 0 && !bms_is_empty(cq_cut_split_nulling(level->query, leaf->rtindex)))
			return true;
	}
	return false;
}

/* Rows pass one by one. */
static bool
is_flow(const CqLevel *level)
{
	return list_length(level->leaves) == 1 && cq_cut_leaf_noutermost(level) == 1 &&
		!has_nullable_leaf(level);
}

static void
drop_sorting(Query *query)
{
	ListCell   *cell;

	query->sortClause = NIL;
	foreach(cell, query->targetList)
	{
		TargetEntry *target = lfirst_node(TargetEntry, cell);

		if (target->resjunk)
			query->targetList = foreach_delete_current(query->targetList, cell);
		else
			target->ressortgroupref = 0;
	}
}

/* What its rows are made of is not there again when they go: it is stored, by row. */
static void
key_by_row(CqLeaf *leaf)
{
	RangeTblEntry *entry = rt_fetch(leaf->rtindex, leaf->holder->rtable);
	Expr	   *key = cq_cut_key_none();
	ListCell   *cell;

	foreach(cell, entry->subquery->targetList)
	{
		TargetEntry *target = lfirst_node(TargetEntry, cell);
		Node	   *expr = (Node *) target->expr;

		if (foreach_current_index(cell) + 1 < list_length(entry->subquery->targetList))
			key = cq_cut_key_hash((Expr *) makeVar(leaf->rtindex, target->resno, exprType(expr),
											   exprTypmod(expr), exprCollation(expr), 0), key);
	}
	leaf->key = (Node *) key;
}

/* Never refuses. */
static CqReject *
make_kept(CqLevel *level, CqKeepRule rule, CqCutFlow *flow)
{
	cq_cut_add_node(level, rule, flow);
	if (rule == CQ_RULE_DIFFERENCE)
		cq_cut_add_hash(level);
	cq_cut_finish_node(level->cut->tree, flow);
	return NULL;
}

static CqReject *
make_flow(CqLevel *level, CqCutFlow *flow)
{
	CqLeaf	   *leaf = linitial(level->leaves);
	CqReject   *reject = cut_leaves(level, CQ_RULE_DIFFERENCE);

	if (reject != NULL)
		return reject;
	if (leaf->flow.only_grows)
	{
		*flow = leaf->flow;
		flow->query = level->query;
		return NULL;
	}
	if (!reads_tables(level->query) && !cq_cut_latest_is(level, leaf))
	{
		cq_cut_add_to_node(level, flow);
		return NULL;
	}
	key_by_row(leaf);
	return make_kept(level, CQ_RULE_DIFFERENCE, flow);
}

/* Is a row named whole, or a system column? */
static bool
names_row(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return ((Var *) node)->varattno <= 0;
	return expression_tree_walker(node, names_row, context);
}

/*
 * Conditions on one leaf choose what is kept of it. Where its rows go again, they have to say the
 * same then.
 */
static void
move_filters(CqLevel *level)
{
	FromExpr   *from = level->query->jointree;
	List	   *kept = NIL;
	ListCell   *cell;

	foreach(cell, cq_cut_split_conditions(from->quals))
	{
		Node	   *condition = lfirst(cell);
		Bitmapset  *members = pull_varnos(NULL, condition);
		CqLeaf	   *leaf = bms_membership(members) != BMS_SINGLETON ? NULL :
			cq_cut_leaf(level, level->query, bms_singleton_member(members));

		if (leaf != NULL && !contain_subplans(condition) &&
			bms_is_empty(cq_cut_split_nulling(level->query, leaf->rtindex)) &&
			(leaf->flow.only_grows || (!contain_mutable_functions(condition) &&
									   !names_row(condition, NULL))))
			leaf->filters = lappend(leaf->filters, condition);
		else
			kept = lappend(kept, condition);
	}
	from->quals = kept != NIL ? (Node *) make_ands_explicit(kept) : NULL;
}

static bool
is_inner_join(const CqLevel *level)
{
	return level->inners == NIL && !has_nullable_leaf(level) && is_append_only(level);
}

static CqReject *
make_join(CqLevel *level, CqCutFlow *flow)
{
	CqReject   *reject = cut_leaves(level, CQ_RULE_LINEAR);

	if (reject != NULL)
		return reject;
	move_filters(level);
	return make_kept(level, is_inner_join(level) ? CQ_RULE_LINEAR : CQ_RULE_DIFFERENCE, flow);
}

/* ---- joins of more than two ---- */

/* The conditions that name nothing but columns of two items, and no sub-select. */
static List *
take_conditions(Query *query, Node *one, Node *other)
{
	Bitmapset  *members = bms_union(cq_cut_split_members(one, true),
									cq_cut_split_members(other, true));
	List	   *taken = NIL;
	List	   *left = NIL;
	ListCell   *cell;

	foreach(cell, cq_cut_split_conditions(query->jointree->quals))
	{
		if (bms_is_subset(pull_varnos(NULL, lfirst(cell)), members) &&
			!contain_subplans(lfirst(cell)))
			taken = lappend(taken, lfirst(cell));
		else
			left = lappend(left, lfirst(cell));
	}
	query->jointree->quals = left != NIL ? (Node *) make_ands_explicit(left) : NULL;
	return taken;
}

static bool
push_pair(Query *query, Node *one, Node *other)
{
	FromExpr   *from = query->jointree;
	FromExpr	before = *from;
	List	   *conditions = take_conditions(query, one, other);
	Node	   *part;

	from->fromlist = list_delete_ptr(list_delete_ptr(list_copy(from->fromlist), one), other);
	part = cq_cut_split_push_down(query, list_make2(one, other), conditions);
	if (part == NULL)
	{
		*from = before;
		return false;
	}
	from->fromlist = lcons(part, from->fromlist);
	return true;
}

/* Two items of FROM that an equality joins; if there are none, any two. */
static bool
split_items(CqLevel *level, List *items)
{
	for (int is_any = 0; is_any <= 1; is_any++)
	{
		for (int i = 0; i < list_length(items); i++)
		{
			for (int j = i + 1; j < list_length(items); j++)
			{
				if ((is_any || cq_cut_key_are_joined(level, list_nth(items, i),
													 list_nth(items, j))) &&
					push_pair(level->query, list_nth(items, i), list_nth(items, j)))
					return true;
			}
		}
	}
	return false;
}

static bool
push_side(Query *query, Node **side)
{
	Node	   *item = *side;

	if (!IsA(item, JoinExpr))
		return false;
	*side = NULL;
	*side = cq_cut_split_push_down(query, list_make1(item), NIL);
	if (*side == NULL)
		*side = item;
	return *side != item;
}

/* An outer join of joins: one side after the other. */
static bool
split_join(CqLevel *level, Node *item)
{
	JoinExpr   *join = (JoinExpr *) item;

	return IsA(item, JoinExpr) &&
		((has_leaves_below(level, join->larg) && push_side(level->query, &join->larg)) ||
		 (has_leaves_below(level, join->rarg) && push_side(level->query, &join->rarg)));
}

/* Outer joins beside others: each is a part of its own. */
static bool
push_joins(Query *query, const List *items)
{
	FromExpr   *from = query->jointree;
	ListCell   *cell;

	foreach(cell, items)
	{
		Node	   *item = lfirst(cell);
		FromExpr	before = *from;
		Node	   *part;

		if (!IsA(item, JoinExpr))
			continue;
		from->fromlist = list_delete_ptr(list_copy(from->fromlist), item);
		part = cq_cut_split_push_down(query, list_make1(item), NIL);
		if (part != NULL)
		{
			from->fromlist = lcons(part, from->fromlist);
			return true;
		}
		*from = before;
	}
	return false;
}

/* False where there is nothing to take apart. */
static bool
split(CqLevel *level)
{
	List	   *items = NIL;
	ListCell   *cell;

	foreach(cell, level->query->jointree->fromlist)
	{
		if (has_leaves_below(level, lfirst(cell)))
			items = lappend(items, lfirst(cell));
	}
	if (list_length(items) == 1)
		return split_join(level, linitial(items));
	return push_joins(level->query, items) ||
		(list_length(items) > 2 && split_items(level, items));
}

static CqReject *
cut_from(CqCut *cut, Query *query, CqCutFlow *flow)
{
	CqLevel    *level;
	ListCell   *cell;

	cq_cut_split_flatten_joins(query);
	drop_sorting(query);
	query->hasSubLinks = checkExprHasSubLink((Node *) query);
	for (;;)
	{
		level = open_level(cut, query);
		foreach(cell, query->jointree->fromlist)
		{
			CqReject   *reject = check_preserved(level, lfirst(cell));

			if (reject != NULL)
				return reject;
		}
		if (is_flow(level))
			return make_flow(level, flow);
		if (cq_cut_key_find(level) || !split(level))
			return make_join(level, flow);
	}
}

/* ---- what is above FROM ---- */

/* Is FROM one relation, and nothing chosen of it? */
static bool
is_from_one(const Query *query)
{
	const FromExpr *from = query->jointree;

	return list_length(from->fromlist) == 1 && IsA(linitial(from->fromlist), RangeTblRef) &&
		from->quals == NULL;
}

static CqReject *
cut_upper(CqCut *cut, Query *query, bool is_root, CqCutFlow *flow)
{
	CqLevel    *level = open_level(cut, query);
	CqReject   *reject;
	CqLeaf	   *leaf = linitial(level->leaves);

	if (cq_cut_has_groups(query) && has_above_groups(query) && !is_root)
	{
		cq_cut_split_push_groups(query);
		return cq_cut_query(cut, query, is_root, flow);
	}
	if (level->inners != NIL)
		(void) cq_cut_key_find(level);
	if (leaf->key == NULL)
		cq_cut_key_find_upper(level);
	reject = cut_leaves(level, CQ_RULE_LINEAR);
	if (reject != NULL)
		return reject;
	if (query->limitCount == NULL && query->limitOffset == NULL && !query->hasDistinctOn)
		query->sortClause = NIL;
	return make_kept(level, CQ_RULE_DIFFERENCE, flow);
}

/* Can the root be what it is without nodes: groups of partial states over what only grows? */
static bool
is_root_of_groups(CqCut *cut, Query *query, CqCutFlow *flow)
{
	Query	   *copy = copyObject(query);
	CqTree		before = *cut->tree;
	CqLevel    *level = open_level(cut, copy);
	CqLeaf	   *leaf = linitial(level->leaves);

	before.nodes = list_copy(before.nodes);
	if (level->inners == NIL && cut_leaves(level, CQ_RULE_LINEAR) == NULL && leaf->flow.only_grows)
	{
		*flow = leaf->flow;
		flow->query = copy;
		if (cut->try_root(flow, cut->context) == NULL)
			return true;
	}
	*cut->tree = before;
	return false;
}

CqReject *
cq_cut_query(CqCut *cut, Query *query, bool is_root, CqCutFlow *flow)
{
	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (query->rowMarks != NIL)
		return cq_check_flat(query, is_root);
	if (query->setOperations != NULL && (query->limitCount != NULL || query->limitOffset != NULL))
		cq_cut_split_push_all(query);
	if (query->setOperations != NULL)
		return cq_cut_set_operations(cut, query, flow);
	if (!cq_cut_has_groups(query) && !has_above_groups(query))
		return cut_from(cut, query, flow);
	if (!is_from_one(query))
	{
		cq_cut_split_flatten_joins(query);
		cq_cut_split_push_from(query);
	}
	if (is_root && cq_cut_has_groups(query) && is_root_of_groups(cut, query, flow))
		return NULL;
	if (cq_cut_has_groups(query) && has_above_groups(query))
	{
		cq_cut_split_push_groups(query);
		return cq_cut_query(cut, query, false, flow);
	}
	return cut_upper(cut, query, is_root, flow);
}

/* Rows that are kept, and come of messages, have none. */
static bool
find_system_column(Node *node, int *location)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, find_system_column, location, 0);
	if (IsA(node, Var) && ((Var *) node)->varattno < 0)
	{
		*location = ((Var *) node)->location;
		return true;
	}
	return expression_tree_walker(node, find_system_column, location);
}

CqReject *
cq_cut(const Query *definition, List *streams, CqCutRoot try_root, void *context,
	   CqTree **result)
{
	CqTree	   *tree = palloc0(sizeof(CqTree));
	CqCut		cut = {tree, try_root, context};
	Query	   *query = copyObject(unconstify(Query *, definition));
	CqReject   *reject;
	int			location;

	tree->streams = streams;
	if (find_system_column((Node *) query, &location))
		return cq_reject_unsupported(location,
									 "a system column is not supported in a continuous view that "
									 "keeps what it reads", "Leave it out.");
	cq_cut_leaf_inline(query);
	reject = cq_cut_query(&cut, query, true, &tree->root);
	if (reject != NULL)
		return reject;
	if (tree->root.only_grows && !cq_cut_has_groups(tree->root.query))
	{
		reject = try_root(&tree->root, context);
		if (reject != NULL)
			return reject;
	}
	tree->is_stored = !tree->root.only_grows;
	*result = tree;
	return NULL;
}
