/*
 * cut_key.c
 *		By which columns of its inputs a level's answer falls apart.
 *
 * The answer for some keys is that of those inputs' rows which have these keys, where each join,
 * and each correlation of a sub-select, is by an equality of the keys: rows of other keys neither
 * match, nor keep from matching. A key is looked for from the leaves up: a part of FROM has those
 * classes of equal expressions which have one of each of its leaves; of two parts that are joined
 * the classes become one where an equality of that join links them. Of an outer join only its own
 * conditions count, and only those from one side to the other: others do not keep rows apart.
 *
 * What is above the joins must go by the same key: GROUP BY, PARTITION BY, DISTINCT.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parse_func.h"
#include "parser/parsetree.h"
#include "plan/cut_level.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* An expression over the columns of one leaf, as where the leaf is. */
typedef struct Member
{
	CqLeaf	   *leaf;
	Node	   *expr;
} Member;

typedef struct Equality
{
	Member		left;
	Member		right;
} Equality;

/* A part of FROM. */
typedef struct Part
{
	List	   *leaves;			/* of CqLeaf * */
	List	   *classes;		/* of lists of Member *,
		one for each leaf. Of one leaf alone there may
		be any */
} Part;

typedef struct Finder
{
	CqLevel    *level;
	/* of Query *: the level, and what is around the place, innermost last */
	List	   *holders;
	JoinExpr   *join;			/* in whose conditions the place is; or NULL: above FROM */
} Finder;

static Part *part_of_query(Finder *finder, Query *query, List **outward);

/* ---- hashes ---- */

Expr *
cq_cut_key_hash(Expr *expr, Expr *seed)
{
	Oid			argtypes[] = {ANYOID, INT8OID};
	List	   *name = list_make2(makeString("_cq"), makeString("key_hash"));

	return (Expr *) makeFuncExpr(LookupFuncName(name, lengthof(argtypes), argtypes, false),
								 INT8OID, list_make2(copyObject(expr), seed), InvalidOid,
								 exprCollation((Node *) expr), COERCE_EXPLICIT_CALL);
}

bool
cq_cut_key_can_hash(const Node *expr, Oid equality)
{
	TypeCacheEntry *type = lookup_type_cache(exprType(expr), TYPECACHE_HASH_EXTENDED_PROC |
											 TYPECACHE_HASH_OPFAMILY);

	return OidIsValid(type->hash_extended_proc) && OidIsValid(equality) &&
		op_in_opfamily(equality, type->hash_opf);
}

/* ---- expressions of leaves ---- */

typedef struct Origin
{
	Finder	   *finder;
	CqLeaf	   *leaf;
	Index		level;			/* how far out the leaf is */
	bool		is_other;		/* something that is not of the leaf is named as well */
} Origin;

static bool
find_origin(Node *node, Origin *origin)
{
	const List *holders = origin->finder->holders;

	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;
		int			holder = list_length(holders) - 1 - (int) var->varlevelsup;
		CqLeaf	   *leaf = holder < 0 ? NULL :
			cq_cut_leaf(origin->finder->level, list_nth(holders, holder), var->varno);

		if (leaf == NULL || (origin->leaf != NULL && origin->leaf != leaf) ||
			var->varattno == InvalidAttrNumber)
			origin->is_other = true;
		origin->leaf = leaf;
		origin->level = var->varlevelsup;
		return origin->is_other;
	}
	if (IsA(node, SubLink) || IsA(node, Query) || IsA(node, Aggref) || IsA(node, WindowFunc) ||
		IsA(node, GroupingFunc) || IsA(node, Param))
	{
		origin->is_other = true;
		return true;
	}
	return expression_tree_walker(node, find_origin, origin);
}

static bool
forget_nulling(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		cq_compat_set_nulling((Var *) node, NULL);
	return expression_tree_walker(node, forget_nulling, context);
}

/* May columns of the leaf be null, at the place, where they are not in the leaf? */
static bool
is_nullable(const Finder *finder, const Origin *origin)
{
	const JoinExpr *join = finder->join;
	int			rtindex = origin->leaf->rtindex;

	if (join == NULL || origin->level > 0)
		return !bms_is_empty(cq_cut_split_nulling(origin->leaf->holder, rtindex));
	return !bms_is_empty(cq_cut_split_nulling_below(join->larg, rtindex)) ||
		!bms_is_empty(cq_cut_split_nulling_below(join->rarg, rtindex));
}

/*
 * A stable function of the server between times and what they are written as depends on settings
 * alone, and those are kept: on TimeZone, DateStyle and the like.
 */
static bool
is_between_times(Oid function)
{
	Oid		   *types;
	int			ntypes;
	Oid			result = get_func_signature(function, &types, &ntypes);
	bool		has_time = false;

	for (int i = 0; i <= ntypes; i++)
	{
		switch (i < ntypes ? types[i] : result)
		{
			case DATEOID:
			case TIMEOID:
			case TIMETZOID:
			case TIMESTAMPOID:
			case TIMESTAMPTZOID:
			case INTERVALOID:
				has_time = true;
				break;
			case BOOLOID:
			case INT4OID:
			case OIDOID:
			case FLOAT8OID:
			case NUMERICOID:
			case TEXTOID:
			case CSTRINGOID:
				break;
			default:
				return false;
		}
	}
	return has_time;
}

static bool
is_changing_function(Oid function, void *context)
{
	char		volatility = func_volatile(function);

	return volatility != PROVOLATILE_IMMUTABLE &&
		(volatility != PROVOLATILE_STABLE || function >= FirstGenbkiObjectId ||
		 !is_between_times(function));
}

/* May it give something else for the same row, one day? Then it is no key. */
static bool
is_changing(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SQLValueFunction) || IsA(node, NextValueExpr) ||
		cq_compat_is_json_function(node) || cq_compat_is_json_constructor(node) ||
		check_functions_in_node(node, is_changing_function, NULL))
		return true;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, is_changing, NULL, 0);
	return expression_tree_walker(node, is_changing, NULL);
}

/*
 * The expression as one of a leaf; false where it is none. One that makes something of the nulls of
 * a row without match is none: that row has the key of the other side.
 */
static bool
find_member(Finder *finder, Node *expr, Member *member)
{
	Origin		origin = {.finder = finder};

	if (find_origin(expr, &origin) || origin.leaf == NULL || expression_returns_set(expr) ||
		(contain_mutable_functions(expr) && is_changing(expr, NULL)) ||
		(contain_nonstrict_functions(expr) && is_nullable(finder, &origin)))
		return false;
	member->leaf = origin.leaf;
	member->expr = copyObject(expr);
	if (origin.level > 0)
		IncrementVarSublevelsUp(member->expr, -(int) origin.level, origin.level);
	(void) forget_nulling(member->expr, NULL);
	return true;
}

static bool
is_same(const Member *one, const Member *other)
{
	return one->leaf == other->leaf && equal(one->expr, other->expr);
}

static bool
has_member(const List *class, const Member *member)
{
	ListCell   *cell;

	foreach(cell, class)
	{
		if (is_same(lfirst(cell), member))
			return true;
	}
	return false;
}

static Member *
keep_member(const Member *member)
{
	Member	   *kept = palloc(sizeof(Member));

	*kept = *member;
	return kept;
}

/* ---- equalities ---- */

static bool
is_deterministic(Oid collation)
{
	return !OidIsValid(collation) || get_collation_isdeterministic(collation);
}

/* One side of an equality, as a member that has the hashes of that. */
static bool
find_side(Finder *finder, const OpExpr *equality, Node *expr, Member *member)
{
	Oid			collation = exprCollation(expr);

	if (!cq_cut_key_can_hash(expr, equality->opno) || !find_member(finder, expr, member))
		return false;
	/* Equal is what the operator takes for equal, whatever the column's own collation is. */
	if (collation != equality->inputcollid &&
		!(is_deterministic(collation) && is_deterministic(equality->inputcollid)))
	{
		CollateExpr *collate = makeNode(CollateExpr);

		collate->arg = (Expr *) member->expr;
		collate->collOid = equality->inputcollid;
		collate->location = -1;
		member->expr = (Node *) collate;
	}
	return true;
}

static List *
add_equality(List *equalities, Finder *finder, const OpExpr *call)
{
	Equality   *equality = palloc(sizeof(Equality));

	if (!op_hashjoinable(call->opno, exprType(linitial(call->args))) ||
		!find_side(finder, call, linitial(call->args), &equality->left) ||
		!find_side(finder, call, lsecond(call->args), &equality->right) ||
		equality->left.leaf == equality->right.leaf)
		return equalities;
	return lappend(equalities, equality);
}

static List *
find_equalities(Finder *finder, const List *conditions)
{
	List	   *equalities = NIL;
	ListCell   *cell;

	foreach(cell, conditions)
	{
		OpExpr	   *call = lfirst(cell);

		if (IsA(call, OpExpr) && list_length(call->args) == 2)
			equalities = add_equality(equalities, finder, call);
	}
	return equalities;
}

/* ---- parts ---- */

static Part *
part_of_leaf(CqLeaf *leaf)
{
	Part	   *part = palloc0(sizeof(Part));

	part->leaves = list_make1(leaf);
	return part;
}

/* The class of a part that has the expression; NIL where there is none. */
static List *
class_with(const Part *part, const Member *member)
{
	ListCell   *cell;

	if (!list_member_ptr(part->leaves, member->leaf))
		return NIL;
	if (list_length(part->leaves) == 1)
		return list_make1(keep_member(member));
	foreach(cell, part->classes)
	{
		if (has_member(lfirst(cell), member))
			return lfirst(cell);
	}
	return NIL;
}

static void
add_class(Part *part, List *one, List *other)
{
	List	   *class;
	ListCell   *cell;

	if (one == NIL || other == NIL)
		return;
	foreach(cell, part->classes)
	{
		if (has_member(lfirst(cell), linitial(one)) && has_member(lfirst(cell), linitial(other)))
			return;
	}
	class = list_concat_copy(one, other);
	part->classes = lappend(part->classes, class);
}

/* Parts without leaves say nothing of keys: rows of tables are the same for all. */
static Part *
join_parts(Part *one, Part *other, const List *equalities)
{
	Part	   *part = palloc0(sizeof(Part));
	ListCell   *cell;

	if (one->leaves == NIL)
		return other;
	if (other->leaves == NIL)
		return one;
	part->leaves = list_concat_copy(one->leaves, other->leaves);
	foreach(cell, equalities)
	{
		const Equality *equality = lfirst(cell);

		add_class(part, class_with(one, &equality->left), class_with(other, &equality->right));
		add_class(part, class_with(one, &equality->right), class_with(other, &equality->left));
	}
	return part;
}

static CqInner *
inner_of(const CqLevel *level, const Query *query)
{
	ListCell   *cell;

	foreach(cell, level->inners)
	{
		CqInner    *inner = lfirst(cell);

		if (inner->query == query)
			return inner;
	}
	return NULL;
}

/* outward: equalities with what is around the query are added. */
static Part *
part_of_item(Finder *finder, Query *query, Node *item, List **outward)
{
	JoinExpr   *join = (JoinExpr *) item;
	List	   *equalities;
	Part	   *left;
	Part	   *right;

	if (IsA(item, RangeTblRef))
	{
		int			rtindex = ((RangeTblRef *) item)->rtindex;
		RangeTblEntry *entry = rt_fetch(rtindex, query->rtable);
		CqLeaf	   *leaf = cq_cut_leaf(finder->level, query, rtindex);

		if (leaf != NULL && !leaf->is_broadcast)
			return part_of_leaf(leaf);
		if (entry->rtekind == RTE_SUBQUERY && inner_of(finder->level, entry->subquery) != NULL)
			return part_of_query(finder, entry->subquery, outward);
		return palloc0(sizeof(Part));
	}
	finder->join = join;
	equalities = find_equalities(finder, cq_cut_split_conditions(join->quals));
	finder->join = NULL;
	left = part_of_item(finder, query, join->larg, &equalities);
	right = part_of_item(finder, query, join->rarg, &equalities);
	return join_parts(left, right, equalities);
}

/* Joins those first that have something in common, in whatever order they are written. */
static Part *
join_all(List *parts, const List *equalities)
{
	Part	   *whole = parts != NIL ? linitial(parts) : palloc0(sizeof(Part));
	bool		has_grown = true;
	ListCell   *cell;

	parts = list_copy_tail(parts, 1);
	while (has_grown && parts != NIL)
	{
		has_grown = false;
		foreach(cell, parts)
		{
			Part	   *more = join_parts(whole, lfirst(cell), equalities);

			if (more->classes == NIL && list_length(more->leaves) > 1)
				continue;
			whole = more;
			parts = foreach_delete_current(parts, cell);
			has_grown = true;
		}
	}
	foreach(cell, parts)
		whole = join_parts(whole, lfirst(cell), equalities);
	return whole;
}

static void
broadcast(Part *part)
{
	ListCell   *cell;

	foreach(cell, part->leaves)
		((CqLeaf *) lfirst(cell))->is_broadcast = true;
}

/* Does each row of a sub-select come from rows one by one, so that its columns are theirs? */
static bool
is_flat(const Query *query)
{
	return !query->hasAggs && query->groupClause == NIL && query->groupingSets == NIL &&
		query->havingQual == NULL && !query->hasWindowFuncs && query->limitCount == NULL &&
		query->limitOffset == NULL && query->setOperations == NULL && !query->hasTargetSRFs &&
		!query->hasDistinctOn;
}

/* x = ANY (SELECT y …) as a condition is an equality of x and y. */
static List *
add_test(List *equalities, Finder *finder, const CqInner *inner, const List *conditions)
{
	const SubLink *link = inner->link;
	OpExpr	   *test = (OpExpr *) link->testexpr;
	Equality   *equality;
	bool		found;
	Node	   *column;

	if (link->subLinkType != ANY_SUBLINK || !list_member_ptr(conditions, link) || test == NULL ||
		!IsA(test, OpExpr) || list_length(test->args) != 2 || !IsA(lsecond(test->args), Param) ||
		!is_flat(inner->query))
		return equalities;
	column = (Node *) get_tle_by_resno(inner->query->targetList,
									   ((Param *) lsecond(test->args))->paramid)->expr;
	equality = palloc(sizeof(Equality));
	if (!op_hashjoinable(test->opno, exprType(linitial(test->args))) ||
		!find_side(finder, test, linitial(test->args), &equality->left))
		return equalities;
	finder->holders = lappend(finder->holders, inner->query);
	found = find_side(finder, test, column, &equality->right);
	finder->holders = list_delete_last(finder->holders);
	return found ? lappend(equalities, equality) : equalities;
}

/* Is there no row where the sub-select finds none? */
static bool
is_filter(const CqInner *inner, const List *conditions)
{
	return (inner->link->subLinkType == EXISTS_SUBLINK ||
			inner->link->subLinkType == ANY_SUBLINK) &&
		list_member_ptr(conditions, inner->link) && is_flat(inner->query);
}

/* The sub-selects of the query's expressions; those that have no key in common are broadcast. */
static Part *
join_sublinks(Finder *finder, Query *query, Part *part, const List *conditions, List **outward)
{
	ListCell   *cell;

	foreach(cell, finder->level->inners)
	{
		CqInner    *inner = lfirst(cell);
		List	   *equalities = NIL;
		Part	   *sub;
		Part	   *both;

		if (inner->around != query || inner->link == NULL)
			continue;
		sub = part_of_query(finder, inner->query, &equalities);
		equalities = add_test(equalities, finder, inner, conditions);
		both = join_parts(part, sub, equalities);
		if (sub->leaves == NIL)
			continue;
		if (part->leaves == NIL || both->classes == NIL)
			broadcast(sub);
		else
			part = both;
		if (is_filter(inner, conditions))
			*outward = list_concat(*outward, equalities);
	}
	return part;
}

/* A sub-select that gives rows, or leaves some out, whatever it finds. */
static bool
is_made(const Finder *finder, const Query *query, const Node *item)
{
	const RangeTblEntry *entry;

	if (!IsA(item, RangeTblRef))
		return false;
	entry = rt_fetch(((const RangeTblRef *) item)->rtindex, query->rtable);
	return entry->rtekind == RTE_SUBQUERY && inner_of(finder->level, entry->subquery) != NULL &&
		!is_flat(entry->subquery);
}

/*
 * outward: equalities, with what is around the query as well, without which none of its rows is.
 * Those of a sub-select that is asked for no rows, or gives some where it finds none, only say
 * which of its own rows belong to which around it, and do not link these.
 */
static Part *
part_of_query(Finder *finder, Query *query, List **outward)
{
	List	   *conditions = NIL;
	List	   *equalities;
	List	   *parts = NIL;
	List	   *made = NIL;
	List	   *ties = NIL;			/* of lists of Equality *: of those that are made */
	Part	   *part;
	ListCell   *cell;
	ListCell   *tie;

	finder->holders = lappend(finder->holders, query);
	conditions = cq_cut_split_conditions(query->jointree->quals);
	equalities = find_equalities(finder, conditions);
	foreach(cell, query->jointree->fromlist)
	{
		List	   *own = NIL;
		Part	   *more = part_of_item(finder, query, lfirst(cell), &own);

		if (is_made(finder, query, lfirst(cell)))
		{
			made = lappend(made, more);
			ties = lappend(ties, own);
			continue;
		}
		parts = lappend(parts, more);
		equalities = list_concat(equalities, own);
	}
	part = query->setOperations != NULL ? palloc0(sizeof(Part)) : join_all(parts, equalities);
	forboth(cell, made, tie, ties)
		part = join_parts(part, lfirst(cell), lfirst(tie));
	part = join_sublinks(finder, query, part, conditions, &equalities);
	finder->holders = list_delete_last(finder->holders);
	*outward = list_concat(*outward, equalities);
	return part;
}

/* ---- what is above ---- */

static bool
is_by_expression(const Query *query, const List *clauses, Node *expr)
{
	ListCell   *cell;

	foreach(cell, clauses)
	{
		SortGroupClause *clause = lfirst_node(SortGroupClause, cell);
		Node	   *by = copyObject(get_sortgroupclause_expr(clause, query->targetList));

		(void) forget_nulling(by, NULL);
		if (equal(by, expr) && cq_cut_key_can_hash(expr, clause->eqop))
			return true;
	}
	return false;
}

/* Is the answer for rows with one value of the expression by itself, whatever it is made to? */
static bool
goes_by(const Query *query, Node *expr)
{
	ListCell   *cell;

	if (query->limitCount != NULL || query->limitOffset != NULL || query->groupingSets != NIL ||
		((query->hasAggs || query->groupClause != NIL || query->havingQual != NULL) &&
		 !is_by_expression(query, query->groupClause, expr)) ||
		(query->distinctClause != NIL && !is_by_expression(query, query->distinctClause, expr)))
		return false;
	foreach(cell, query->hasWindowFuncs ? query->windowClause : NIL)
	{
		if (!is_by_expression(query, lfirst_node(WindowClause, cell)->partitionClause, expr))
			return false;
	}
	return true;
}

static bool
class_goes(const Query *query, const List *class)
{
	ListCell   *cell;

	foreach(cell, class)
	{
		const Member *member = lfirst(cell);

		if (member->leaf->depth == 0 && goes_by(query, member->expr))
			return true;
	}
	return false;
}

/* What the classes say of each leaf; one more column of its key for each. */
static void
set_keys(const List *classes)
{
	ListCell   *cell;
	ListCell   *other;

	foreach(cell, classes)
	{
		foreach(other, lfirst(cell))
		{
			const Member *member = lfirst(other);
			CqLeaf	   *leaf = member->leaf;

			leaf->key = (Node *) cq_cut_key_hash((Expr *) member->expr, leaf->key != NULL ?
											 (Expr *) leaf->key : cq_cut_key_none());
		}
	}
}

/*
 * A leaf has one expression in a class: of several, which are equal where they matter, the first.
 */
static List *
one_for_each_leaf(const List *class)
{
	List	   *members = NIL;
	List	   *leaves = NIL;
	ListCell   *cell;

	foreach(cell, class)
	{
		Member	   *member = lfirst(cell);

		if (list_member_ptr(leaves, member->leaf))
			continue;
		leaves = lappend(leaves, member->leaf);
		members = lappend(members, member);
	}
	return members;
}

static bool
has_upper(const Query *query)
{
	return !is_flat(query) || query->distinctClause != NIL;
}

bool
cq_cut_key_find(CqLevel *level)
{
	Finder		finder = {level, NIL, NULL};
	List	   *outward = NIL;
	Part	   *part = part_of_query(&finder, level->query, &outward);
	List	   *classes = NIL;
	ListCell   *cell;

	foreach(cell, part->classes)
	{
		if (!has_upper(level->query) || class_goes(level->query, lfirst(cell)))
			classes = lappend(classes, one_for_each_leaf(lfirst(cell)));
	}
	set_keys(classes);
	/* What has no key in common with the others, wherever it stands, is read whole. */
	foreach(cell, level->leaves)
	{
		CqLeaf	   *leaf = lfirst(cell);

		leaf->is_broadcast |= leaf->depth > 0 && leaf->key == NULL;
	}
	return classes != NIL || cq_cut_leaf_noutermost(level) <= 1;
}

bool
cq_cut_key_are_joined(CqLevel *level, Node *one, Node *other)
{
	Finder		finder = {level, list_make1(level->query), NULL};
	List	   *equalities = find_equalities(&finder,
											 cq_cut_split_conditions(
																	 level->query->jointree->quals));
	Part	   *left = part_of_item(&finder, level->query, one, &equalities);
	Part	   *right = part_of_item(&finder, level->query, other, &equalities);

	return left->leaves != NIL && right->leaves != NIL &&
		join_parts(left, right, equalities)->classes != NIL;
}

/* The columns that a query over one leaf may go by. */
static List *
upper_clauses(const Query *query)
{
	if (query->groupClause != NIL)
		return query->groupClause;
	if (query->hasAggs || query->havingQual != NULL)
		return NIL;
	if (query->hasWindowFuncs)
		return linitial_node(WindowClause, query->windowClause)->partitionClause;
	return query->distinctClause;
}

void
cq_cut_key_find_upper(CqLevel *level)
{
	Finder		finder = {level, list_make1(level->query), NULL};
	const Query *query = level->query;
	List	   *classes = NIL;
	ListCell   *cell;

	foreach(cell, upper_clauses(query))
	{
		Node	   *expr = get_sortgroupclause_expr(lfirst(cell), query->targetList);
		Member		member;

		if (find_member(&finder, expr, &member) && member.leaf->depth == 0 &&
			goes_by(query, member.expr))
			classes = lappend(classes, list_make1(keep_member(&member)));
	}
	set_keys(classes);
}
