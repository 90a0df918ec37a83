/*
 * tree_versions.c
 *		Inputs of which the newest row before a time is asked for: see CqVersions in tree.h.
 *
 *		(SELECT … FROM b WHERE b.k = a.k AND b.at <= a.at ORDER BY b.at DESC LIMIT 1)
 *
 * What a row of b is to this sub-select is said by its time and by the columns that stand in the
 * other conditions. Of rows that are equal in these the newest that is not after a.at is chosen,
 * and never an older one. So once all a.at are from a time on, of those before it one is of use:
 * not more, whatever the conditions are, but not less either, however old it is.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "plan/cut_level.h"
#include "plan/tree_time.h"
#include "plan/tree_versions.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

typedef struct Search
{
	const CqViewPlan *plan;
	const CqNode *node;
	int			input;			/* from 1 */
	const Query *around;		/* the place */
	CqVersions *found;
} Search;

/* The index in the range table of what is all of the query's FROM, if that is the input; or 0. */
static int
find_input(const Search *search, const Query *query)
{
	const RangeTblRef *ref = list_length(query->jointree->fromlist) == 1 ?
		linitial(query->jointree->fromlist) : NULL;
	const RangeTblEntry *entry;

	if (ref == NULL || !IsA(ref, RangeTblRef))
		return 0;
	entry = rt_fetch(ref->rtindex, query->rtable);
	return entry->rtekind == RTE_NAMEDTUPLESTORE &&
		strcmp(entry->enrname, cq_tree_input_name(search->input)) == 0 ? ref->rtindex : 0;
}

static bool
is_limited_to_one(const Query *query)
{
	const Const *limit = (const Const *) eval_const_expressions(NULL, query->limitCount);

	return query->limitOffset == NULL && limit != NULL && IsA(limit, Const) &&
		!limit->constisnull && limit->consttype == INT8OID &&
		DatumGetInt64(limit->constvalue) == 1;
}

/* Does each row that WHERE lets through count for one? */
static bool
is_flat(const Query *query)
{
	return !cq_cut_has_groups(query) && !query->hasWindowFuncs && query->distinctClause == NIL &&
		query->setOperations == NULL && !query->hasTargetSRFs;
}

static bool
is_column(const Node *node, int rtindex, AttrNumber column)
{
	const Var  *var = (const Var *) node;

	return IsA(node, Var) && var->varlevelsup == 0 && var->varno == rtindex &&
		var->varattno == column;
}

/* ORDER BY time DESC, and whatever else of the same time: its column, or InvalidAttrNumber. */
static AttrNumber
newest_by(const Search *search, const Query *query, int rtindex)
{
	const SortGroupClause *clause = query->sortClause != NIL ?
		linitial_node(SortGroupClause, query->sortClause) : NULL;
	const Var  *time;
	Oid			family;
	CqTimeFound found;

	if (clause == NULL)
		return InvalidAttrNumber;
	time = (const Var *) get_sortgroupclause_expr(unconstify(SortGroupClause *, clause),
												  query->targetList);
	family = lookup_type_cache(exprType((const Node *) time), TYPECACHE_BTREE_OPFAMILY)->btree_opf;
	if (get_op_opfamily_strategy(clause->sortop, family) != BTGreaterStrategyNumber ||
		!IsA(time, Var) ||
		!is_column((const Node *) time, rtindex, time->varattno) ||
		!cq_tree_time_follow(search->plan, search->node, query, (const Node *) time, &found) ||
		found.kind != CQ_TIME_OF_ROW)
		return InvalidAttrNumber;
	return time->varattno;
}

/* ---- conditions ---- */

/*
 * A comparison of the time with something around the query: its operator as if the time stood on
 * the left, and what that is. InvalidStrategy: it is no such thing.
 */
static int
read_comparison(const Node *condition, int rtindex, AttrNumber time, Node **other)
{
	const OpExpr *call = (const OpExpr *) condition;
	bool		is_left;
	int			strategy;

	if (!IsA(call, OpExpr) || list_length(call->args) != 2)
		return InvalidStrategy;
	is_left = is_column(linitial(call->args), rtindex, time);
	if (!is_left && !is_column(lsecond(call->args), rtindex, time))
		return InvalidStrategy;
	*other = is_left ? lsecond(call->args) : linitial(call->args);
	if (contain_vars_of_level(*other, 0) || exprType(linitial(call->args)) !=
		exprType(lsecond(call->args)))
		return InvalidStrategy;
	strategy = get_op_opfamily_strategy(call->opno,
										lookup_type_cache(exprType(*other),
														  TYPECACHE_BTREE_OPFAMILY)->btree_opf);
	return is_left || strategy == InvalidStrategy ? strategy :
		BTMaxStrategyNumber + 1 - strategy;
}

/*
 * time <= a.at, or <: a time that rows have around the query, which stay for so long. With anything
 * added to it, or taken from it, another row might be the one.
 */
static bool
take_end(const Search *search, Node *other, CqVersions *versions, bool *has_end)
{
	CqTimeFound found;
	Var		   *var = (Var *) copyObject(other);

	if (!IsA(var, Var) || var->varlevelsup != 1)
		return false;
	var->varlevelsup = 0;
	if (!cq_tree_time_follow(search->plan, search->node, search->around, (Node *) var, &found) ||
		found.kind != CQ_TIME_OF_ROW || found.lead < 0)
		return false;
	versions->lead = Max(versions->lead, found.lead);
	*has_end = true;
	return true;
}

/* Is something of the query alone equal to something around it? */
static bool
is_correlation(const Node *condition)
{
	const OpExpr *call = (const OpExpr *) condition;
	Node	   *left;
	Node	   *right;

	if (!IsA(call, OpExpr) || list_length(call->args) != 2)
		return false;
	left = linitial(call->args);
	right = lsecond(call->args);
	return op_mergejoinable(call->opno, exprType(left)) &&
		(contain_vars_of_level(left, 0) ? !contain_vars_of_level(left, 1) &&
		 !contain_vars_of_level(right, 0) : !contain_vars_of_level(right, 1));
}

/* All columns that it names tell versions apart. */
static bool
take_keys(const Node *condition, int rtindex, CqVersions *versions)
{
	ListCell   *cell;

	versions->is_open |= !is_correlation(condition);
	foreach(cell, pull_vars_of_level(unconstify(Node *, condition), 0))
	{
		const Var  *var = lfirst_node(Var, cell);

		if (var->varno != rtindex || var->varattno <= 0 || var->varattno == versions->time)
			return false;
		versions->keys = list_append_unique_int(versions->keys, var->varattno);
	}
	return true;
}

static bool
take_condition(const Search *search, const Node *condition, int rtindex, CqVersions *versions,
			   bool *has_end)
{
	Node	   *other;

	if (contain_subplans(unconstify(Node *, condition)))
		return false;
	switch (read_comparison(condition, rtindex, versions->time, &other))
	{
		case BTLessStrategyNumber:
		case BTLessEqualStrategyNumber:
			return take_end(search, other, versions, has_end);
		case BTGreaterStrategyNumber:
		case BTGreaterEqualStrategyNumber:
			return true;		/* where it keeps the newest out, it keeps out all that are older */
		default:
			return take_keys(condition, rtindex, versions);
	}
}

static CqVersions *
versions_of(const Search *search, const Query *query)
{
	CqVersions *versions = palloc0(sizeof(CqVersions));
	int			rtindex = search->around != NULL ? find_input(search, query) : 0;
	bool		has_end = false;
	ListCell   *cell;

	if (rtindex == 0 || !is_limited_to_one(query) || !is_flat(query))
		return NULL;
	versions->time = newest_by(search, query, rtindex);
	if (versions->time == InvalidAttrNumber)
		return NULL;
	foreach(cell, cq_cut_split_conditions(query->jointree->quals))
	{
		if (!take_condition(search, lfirst(cell), rtindex, versions, &has_end))
			return NULL;
	}
	return has_end ? versions : NULL;
}

static bool
find_in(Node *node, Search *search)
{
	const Query *around = search->around;
	bool		stop;

	if (node == NULL)
		return false;
	if (!IsA(node, Query))
		return expression_tree_walker(node, find_in, search);
	search->found = versions_of(search, (Query *) node);
	if (search->found != NULL)
		return true;
	search->around = (Query *) node;
	stop = query_tree_walker((Query *) node, find_in, search, 0);
	search->around = around;
	return stop;
}

CqVersions *
cq_tree_versions_find(const CqViewPlan *plan, const CqNode *node, int input)
{
	Search		search = {.plan = plan, .node = node, .input = input};

	(void) find_in((Node *) node->step, &search);
	return search.found;
}
