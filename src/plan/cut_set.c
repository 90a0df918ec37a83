/*
 * cut_set.c
 *		UNION, INTERSECT, EXCEPT: the key is the row.
 *
 * UNION ALL of what only grows needs no node's storage: what is new in one part is new in the
 * whole.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/compat.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "parser/parse_oper.h"
#include "parser/parsetree.h"
#include "plan/cut_level.h"
#include "plan/scope.h"

/* Are all operations UNION ALL, and all parts of streams? */
static bool
only_unites(const Query *query, Node *node, bool *reads_others)
{
	SetOperationStmt *operation = (SetOperationStmt *) node;

	if (IsA(node, RangeTblRef))
	{
		RangeTblEntry *entry = rt_fetch(((RangeTblRef *) node)->rtindex, query->rtable);

		if (!cq_scope_reads_stream(NULL, (Node *) entry->subquery))
			*reads_others = true;
		return true;
	}
	return only_unites(query, operation->larg, reads_others) &
		only_unites(query, operation->rarg, reads_others) &
		(operation->op == SETOP_UNION && operation->all);
}

/* The hash of a part's row, of columns in the types of the whole. */
static Node *
row_key(const CqLeaf *leaf, const SetOperationStmt *whole)
{
	RangeTblEntry *entry = rt_fetch(leaf->rtindex, leaf->holder->rtable);
	Expr	   *key = cq_cut_key_none();
	ListCell   *type;
	ListCell   *collation;
	int			n = 0;

	forboth(type, whole->colTypes, collation, whole->colCollations)
	{
		TargetEntry *target = list_nth_node(TargetEntry, entry->subquery->targetList, n++);
		Node	   *expr = (Node *) target->expr;
		Node	   *column = (Node *) makeVar(leaf->rtindex, n, exprType(expr), exprTypmod(expr),
											  lfirst_oid(collation), 0);

		if (exprType(expr) != lfirst_oid(type))
			column = coerce_type(NULL, column, exprType(expr), lfirst_oid(type), -1,
								 COERCION_IMPLICIT, COERCE_IMPLICIT_CAST, -1);
		key = cq_cut_key_hash((Expr *) column, key);
	}
	return (Node *) key;
}

/*
 * Are rows equal in all operations where they are in the whole? Else the key is none: an operation
 * within may take together what the whole tells apart.
 */
static bool
has_one_equality(Node *node, const SetOperationStmt *whole)
{
	const SetOperationStmt *operation = (const SetOperationStmt *) node;

	return IsA(node, RangeTblRef) ||
		(equal(operation->colTypes, whole->colTypes) &&
		 equal(operation->colCollations, whole->colCollations) &&
		 has_one_equality(operation->larg, whole) && has_one_equality(operation->rarg, whole));
}

/* SELECT all columns, the hash included or not, FROM the entry: which becomes that. */
static void
select_from_input(Query *query, int rtindex, bool with_hash)
{
	RangeTblEntry *entry = rt_fetch(rtindex, query->rtable);
	Query	   *part = makeNode(Query);
	RangeTblRef *ref = makeNode(RangeTblRef);
	RangeTblEntry *outer = makeNode(RangeTblEntry);
	ListCell   *type;
	int			n = 0;

	part->commandType = CMD_SELECT;
	part->canSetTag = true;
	part->rtable = list_make1(entry);
	ref->rtindex = 1;
	part->jointree = makeFromExpr(list_make1(ref), NULL);
	foreach(type, entry->coltypes)
	{
		Var		   *var = makeVar(1, n + 1, lfirst_oid(type), list_nth_int(entry->coltypmods, n),
								  list_nth_oid(entry->colcollations, n), 0);

		n++;
		if (n == list_length(entry->coltypes) && !with_hash)
			break;
		part->targetList = lappend(part->targetList,
								   makeTargetEntry((Expr *) var, n, psprintf("c%d", n), false));
	}
	outer->rtekind = RTE_SUBQUERY;
	outer->subquery = part;
	outer->eref = makeAlias(PART_NAME, copyObject(entry->eref->colnames));
	lfirst(list_nth_cell(query->rtable, rtindex - 1)) = outer;
}

static void
add_hash(Node *node)
{
	SetOperationStmt *operation = (SetOperationStmt *) node;

	if (IsA(node, RangeTblRef))
		return;
	add_hash(operation->larg);
	add_hash(operation->rarg);
	operation->colTypes = lappend_oid(operation->colTypes, INT8OID);
	operation->colTypmods = lappend_int(operation->colTypmods, -1);
	operation->colCollations = lappend_oid(operation->colCollations, InvalidOid);
	if (operation->op != SETOP_UNION || !operation->all)
	{
		SortGroupClause *clause = makeNode(SortGroupClause);

		get_sort_group_operators(INT8OID, true, true, false, &clause->sortop, &clause->eqop, NULL,
								 &clause->hashable);
		operation->groupClauses = lappend(operation->groupClauses, clause);
	}
}

/* What all its parts have as the last column. */
static void
show_hash(Query *query)
{
	int			n = list_length(query->targetList) + 1;
	int			first = 1;

	while (rt_fetch(first, query->rtable)->rtekind != RTE_SUBQUERY)
		first++;
	add_hash(query->setOperations);
	query->targetList = lappend(query->targetList,
								makeTargetEntry((Expr *) makeVar(first, n, INT8OID, -1, InvalidOid,
																 0),
												n, pstrdup(CQ_HASH_COLUMN), false));
}

static CqReject *
cut_parts(CqLevel *level, bool *only_grows)
{
	Query	   *query = level->query;

	*only_grows = true;
	for (int rtindex = 1; rtindex <= list_length(query->rtable); rtindex++)
	{
		RangeTblEntry *entry = rt_fetch(rtindex, query->rtable);
		CqLeaf	   *leaf;
		CqReject   *reject;

		if (entry->rtekind != RTE_SUBQUERY || !cq_scope_reads_stream(NULL,
																	 (Node *) entry->subquery))
			continue;
		leaf = palloc0(sizeof(CqLeaf));
		leaf->holder = query;
		leaf->rtindex = rtindex;
		reject = cq_cut_query(level->cut, entry->subquery, false, &leaf->flow);
		if (reject != NULL)
			return reject;
		entry->subquery = leaf->flow.query;
		*only_grows &= leaf->flow.only_grows;
		level->leaves = lappend(level->leaves, leaf);
	}
	return NULL;
}

/* Parts that read no stream are there with each key: then there is but one. */
static void
add_no_key(const CqLevel *level)
{
	ListCell   *cell;

	foreach(cell, level->query->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);
		Query	   *part = entry->subquery;

		if (entry->rtekind != RTE_SUBQUERY ||
			cq_cut_leaf(level, level->query, foreach_current_index(cell) + 1) != NULL)
			continue;
		entry->subquery = cq_cut_select_all(part);
		part = entry->subquery;
		part->targetList = lappend(part->targetList,
								   makeTargetEntry(cq_cut_key_none(),
												   list_length(part->targetList) + 1,
												   pstrdup(CQ_HASH_COLUMN), false));
		/* The planner counts columns by their names. */
		entry->eref->colnames = lappend(entry->eref->colnames,
										makeString(pstrdup(CQ_HASH_COLUMN)));
	}
}

CqReject *
cq_cut_set_operations(CqCut *cut, Query *query, CqCutFlow *flow)
{
	CqLevel		level = {.cut = cut, .query = query};
	SetOperationStmt *whole = castNode(SetOperationStmt, query->setOperations);
	bool		reads_others = false;
	bool		unites = only_unites(query, query->setOperations, &reads_others);
	bool		only_grows;
	bool		is_additive;
	CqReject   *reject = cut_parts(&level, &only_grows);
	ListCell   *cell;

	if (reject != NULL)
		return reject;
	is_additive = unites && only_grows && !reads_others;
	foreach(cell, level.leaves)
	{
		CqLeaf	   *leaf = lfirst(cell);

		leaf->keeps_all = true;
		if (!reads_others && has_one_equality(query->setOperations, whole))
			leaf->key = row_key(leaf, whole);
	}
	query->sortClause = NIL;
	if (!is_additive)
		add_no_key(&level);
	cq_cut_add_node(&level, is_additive ? CQ_RULE_ADDITIVE : CQ_RULE_DIFFERENCE, flow);
	foreach(cell, level.leaves)
		select_from_input(query, ((CqLeaf *) lfirst(cell))->rtindex, !is_additive);
	if (!is_additive)
		show_hash(query);
	cq_cut_finish_node(cut->tree, flow);
	return NULL;
}
