/*
 * cut_node.c
 *		What becomes of a level of the query: a node with inputs, a step, columns and their hash.
 */
#include "postgres.h"

#include "catalog/heap.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_oper.h"
#include "parser/parsetree.h"
#include "plan/cut_level.h"
#include "rewrite/rewriteManip.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

Query *
cq_cut_select_changes(const CqNode *node)
{
	Query	   *query = makeNode(Query);
	RangeTblEntry *entry = makeNode(RangeTblEntry);
	RangeTblRef *ref = makeNode(RangeTblRef);
	List	   *columns = list_copy(node->columns);
	ListCell   *cell;

	if (cq_rule_stores(node->rule))
		columns = list_delete_last(columns);
	if (!node->only_grows)
		columns = lappend(columns, makeColumnDef(CQ_WEIGHT_COLUMN, INT4OID, -1, InvalidOid));
	cq_tree_make_entry(entry, cq_tree_changes_name(node->number), columns);
	ref->rtindex = 1;
	query->commandType = CMD_SELECT;
	query->canSetTag = true;
	query->rtable = list_make1(entry);
	query->jointree = makeFromExpr(list_make1(ref), NULL);
	foreach(cell, columns)
	{
		ColumnDef  *column = lfirst_node(ColumnDef, cell);
		int			n = foreach_current_index(cell) + 1;
		Var		   *var = makeVar(1, n, column->typeName->typeOid, column->typeName->typemod,
								  column->collOid, 0);

		query->targetList = lappend(query->targetList, makeTargetEntry((Expr *) var, n,
																	   column->colname, false));
	}
	return query;
}

Query *
cq_cut_select_in_places(const CqNode *node, const Bitmapset *used, int natts)
{
	Query	   *query = cq_cut_select_changes(node);
	List	   *changes = query->targetList;
	int			nused = 0;

	query->targetList = NIL;
	for (AttrNumber attno = 1; attno <= natts + 1; attno++)
	{
		Expr	   *expr = (Expr *) makeNullConst(INT4OID, -1, InvalidOid);
		char	   *name = psprintf("c%d", attno);

		if (attno > natts)
		{
			expr = ((TargetEntry *) llast(changes))->expr;
			name = pstrdup(CQ_WEIGHT_COLUMN);
		}
		else if (bms_is_member(attno, used))
			expr = ((TargetEntry *) list_nth(changes, nused++))->expr;
		query->targetList = lappend(query->targetList,
									makeTargetEntry(expr, attno, name, false));
	}
	return query;
}

/* The select list without what only sorts, and with names for all. */
static void
tidy_targets(Query *query)
{
	List	   *kept = NIL;
	ListCell   *cell;

	foreach(cell, query->targetList)
	{
		TargetEntry *target = lfirst_node(TargetEntry, cell);

		if (target->resname == NULL)
			target->resname = psprintf("c%d", target->resno);
		if (!target->resjunk || target->ressortgroupref > 0)
			kept = lappend(kept, target);
	}
	query->targetList = kept;
}

/* Could a table have the column? A sub-select's may be named twice, or as only a system's is. */
static bool
is_name_free(const List *columns, const char *name)
{
	ListCell   *cell;

	foreach(cell, columns)
	{
		if (strcmp(lfirst_node(ColumnDef, cell)->colname, name) == 0)
			return false;
	}
	return SystemAttributeByName(name) == NULL && strcmp(name, CQ_WEIGHT_COLUMN) != 0;
}

/* Those that are seen, as ColumnDef *. */
ColumnDef *
cq_cut_column(const char *name, const Node *expr)
{
	Oid			type = exprType(expr);

	if (get_typtype(type) == TYPTYPE_PSEUDO)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a value of type %s cannot be kept by a continuous view",
						format_type_be(type)),
				 errhint("Name the columns that are needed, or cast the row to a named composite "
						 "type.")));
	return makeColumnDef(name, type, exprTypmod(expr), exprCollation(expr));
}

List *
cq_cut_columns_of(const Query *query)
{
	List	   *columns = NIL;
	ListCell   *cell;

	foreach(cell, query->targetList)
	{
		TargetEntry *target = lfirst_node(TargetEntry, cell);
		const char *name = target->resname;

		if (target->resjunk)
			continue;
		for (int n = target->resno; !is_name_free(columns, name); n++)
			name = psprintf("c%d", n);
		columns = lappend(columns, cq_cut_column(pstrdup(name), (Node *) target->expr));
	}
	return columns;
}

void
cq_cut_add_node(CqLevel *level, CqKeepRule rule, CqCutFlow *flow)
{
	CqTree	   *tree = level->cut->tree;
	CqNode	   *node = palloc0(sizeof(CqNode));
	ListCell   *cell;

	node->rule = rule;
	foreach(cell, level->leaves)
	{
		node->inputs = lappend(node->inputs,
							   cq_cut_leaf_make_input(lfirst(cell), foreach_current_index(cell) +
													  1));
	}
	node->only_grows = !cq_rule_stores(rule);
	node->number = list_length(tree->nodes) + 1;
	node->step = level->query;
	tree->nodes = lappend(tree->nodes, node);
	flow->stream = InvalidOid;
	flow->node = node->number;
	flow->only_grows = node->only_grows;
}

void
cq_cut_finish_node(CqTree *tree, CqCutFlow *flow)
{
	CqNode	   *node = llast(tree->nodes);

	tidy_targets(node->step);
	node->columns = cq_cut_columns_of(node->step);
	flow->query = cq_cut_select_changes(node);
}

/* ---- the hash of a step's rows ---- */

/* That of the first leaf that is there: where several are, they are equal. */
static Expr *
hash_of_leaves(const CqLevel *level)
{
	CoalesceExpr *first = makeNode(CoalesceExpr);
	ListCell   *cell;

	foreach(cell, level->leaves)
	{
		const CqLeaf *leaf = lfirst(cell);

		if (leaf->depth == 0 && leaf->key != NULL && !leaf->is_broadcast)
			first->args = lappend(first->args, cq_cut_leaf_hash_column(level, leaf));
	}
	if (first->args == NIL)
		return cq_cut_key_none();
	first->args = lappend(first->args, cq_cut_key_none());
	first->coalescetype = INT8OID;
	first->location = -1;
	return (Expr *) first;
}

/* min(hash), of rows that have all the same. */
static Expr *
hash_of_group(Expr *hash)
{
	Aggref	   *min = makeNode(Aggref);

	if (IsA(hash, Const))
		return hash;
	min->aggfnoid = F_MIN_INT8;
	min->aggtype = INT8OID;
	min->aggargtypes = list_make1_oid(INT8OID);
	min->args = list_make1(makeTargetEntry(hash, 1, NULL, false));
	min->aggkind = AGGKIND_NORMAL;
	min->aggsplit = AGGSPLIT_SIMPLE;
	min->aggno = min->aggtransno = -1;
	min->location = -1;
	return (Expr *) min;
}

/* One more column that tells rows apart as the others do already. */
static void
make_distinct(Query *query, TargetEntry *target)
{
	SortGroupClause *clause = makeNode(SortGroupClause);
	ListCell   *cell;

	foreach(cell, query->targetList)
		target->ressortgroupref = Max(target->ressortgroupref,
									  lfirst_node(TargetEntry, cell)->ressortgroupref);
	clause->tleSortGroupRef = ++target->ressortgroupref;
	get_sort_group_operators(INT8OID, true, true, false, &clause->sortop, &clause->eqop, NULL,
							 &clause->hashable);
	query->distinctClause = lappend(query->distinctClause, clause);
}

/* Behind the visible columns, before those that only sort. */
static void
insert_target(Query *query, TargetEntry *target)
{
	int			n = 0;
	ListCell   *cell;

	foreach(cell, query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);

		if (!entry->resjunk)
			n++;
		else
			entry->resno++;
	}
	target->resno = n + 1;
	query->targetList = list_insert_nth(query->targetList, n, target);
}

void
cq_cut_add_hash(CqLevel *level)
{
	Query	   *query = level->query;
	Expr	   *hash = hash_of_leaves(level);
	TargetEntry *target;

	if (cq_cut_has_groups(query))
		hash = hash_of_group(hash);
	query->hasAggs |= IsA(hash, Aggref);
	target = makeTargetEntry(hash, 0, pstrdup(CQ_HASH_COLUMN), false);
	if (query->distinctClause != NIL && !query->hasDistinctOn)
		make_distinct(query, target);
	insert_target(query, target);
}

void
cq_cut_add_to_node(CqLevel *level, CqCutFlow *flow)
{
	CqLeaf	   *leaf = linitial(level->leaves);
	CqNode	   *node = list_nth(level->cut->tree->nodes, leaf->flow.node - 1);
	RangeTblEntry *entry;

	cq_cut_leaf_expand_rows(leaf);
	entry = rt_fetch(leaf->rtindex, level->query->rtable);
	entry->subquery = node->step;
	entry->eref->colnames = lappend(entry->eref->colnames,
									makeString(pstrdup(CQ_HASH_COLUMN)));
	insert_target(level->query,
				  makeTargetEntry((Expr *) makeVar(leaf->rtindex, list_length(node->columns),
												   INT8OID, -1, InvalidOid, 0), 0,
								  pstrdup(CQ_HASH_COLUMN), false));
	node->step = level->query;
	tidy_targets(node->step);
	node->columns = cq_cut_columns_of(node->step);
	*flow = leaf->flow;
	flow->query = cq_cut_select_changes(node);
}

bool
cq_cut_has_groups(const Query *query)
{
	return query->hasAggs || query->groupClause != NIL || query->groupingSets != NIL ||
		query->havingQual != NULL;
}

Expr *
cq_cut_key_none(void)
{
	return (Expr *) makeConst(INT8OID, -1, InvalidOid, sizeof(int64), Int64GetDatum(0), false,
							  FLOAT8PASSBYVAL);
}
