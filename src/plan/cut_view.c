/*
 * cut_view.c
 *		Continuous views that are read by their names: a node that has what is known of their rows.
 *
 * A batch of the view that is read tells which of its rows are new, and which are gone; both are
 * kept, so that what was not told (the view that reads was paused, or had failed; the other one
 * began again) is found by comparing what is kept with what is there. A table whose changes count is
 * read in the same way.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "common/columns.h"
#include "common/compat.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "plan/cut_level.h"
#include "plan/maintained.h"
#include "plan/scope.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static void
add_target(Query *query, Expr *expr, const char *name)
{
	query->targetList = lappend(query->targetList,
								makeTargetEntry(expr, list_length(query->targetList) + 1,
												pstrdup(name), false));
}

static Var *
column_var(const List *columns, AttrNumber attno)
{
	const ColumnDef *column = list_nth_node(ColumnDef, columns, attno - 1);

	return makeVar(1, attno, column->typeName->typeOid, column->typeName->typemod, column->collOid,
				   0);
}

/* SELECT … FROM the first entry of its range table. */
static Query *
select_from_first(void)
{
	Query	   *query = makeNode(Query);
	RangeTblRef *ref = makeNode(RangeTblRef);

	query->commandType = CMD_SELECT;
	query->canSetTag = true;
	ref->rtindex = 1;
	query->jointree = makeFromExpr(list_make1(ref), NULL);
	return query;
}

/*
 * All rows of the view, with its columns: null where they are not asked for, nor the right to them.
 */
static Query *
make_read(const CqLeaf *leaf, const List *columns, const Bitmapset *used)
{
	Query	   *read = select_from_first();
	ListCell   *cell;

	cq_compat_take_entry(leaf->holder, leaf->rtindex, read);
	if (cq_maintained_is(linitial(read->rtable)))
		cq_maintained_unmark(linitial(read->rtable));
	foreach(cell, columns)
	{
		const ColumnDef *column = lfirst_node(ColumnDef, cell);
		AttrNumber	attno = foreach_current_index(cell) + 1;

		add_target(read, bms_is_member(attno, used) ? (Expr *) column_var(columns, attno) :
				   (Expr *) makeNullConst(column->typeName->typeOid, column->typeName->typemod,
										  column->collOid), column->colname);
	}
	return read;
}

/* What is kept of rows with weights, the key being the row. */
static Query *
make_flow(const List *columns, const Bitmapset *used)
{
	Query	   *flow = select_from_first();
	RangeTblEntry *entry = makeNode(RangeTblEntry);
	List	   *told = lappend(list_copy(columns),
							   makeColumnDef(CQ_WEIGHT_COLUMN, INT4OID, -1, InvalidOid));
	Expr	   *key = cq_cut_key_none();
	int			attno = -1;

	cq_tree_make_entry(entry, CQ_TOLD_NAME, told);
	flow->rtable = list_make1(entry);
	while ((attno = bms_next_member(used, attno)) >= 0)
	{
		add_target(flow, (Expr *) column_var(columns, attno),
				   psprintf("c%d", list_length(flow->targetList) + 1));
		key = cq_cut_key_hash((Expr *) column_var(columns, attno), key);
	}
	add_target(flow, key, CQ_HASH_COLUMN);
	add_target(flow, (Expr *) makeVar(1, list_length(told), INT4OID, -1, InvalidOid, 0),
			   CQ_WEIGHT_COLUMN);
	return flow;
}

/* What is kept of the used columns, as it is. */
static Query *
make_step(const List *kept)
{
	Query	   *step = select_from_first();
	RangeTblEntry *entry = makeNode(RangeTblEntry);

	cq_tree_make_entry(entry, cq_tree_input_name(1), kept);
	step->rtable = list_make1(entry);
	for (AttrNumber n = 1; n < list_length(kept); n++)
		add_target(step, (Expr *) column_var(kept, n), psprintf("c%d", n));
	return step;
}

/*
 * The same with a column, be it null, in the place of each one of the view, and the hash: a query
 * over the view may take the place of the step (add_to_node in cut.c).
 */
static Query *
make_step_in_places(const List *kept, const Bitmapset *used, int natts)
{
	Query	   *step = make_step(kept);
	List	   *targets = step->targetList;
	int			nused = 0;

	step->targetList = NIL;
	for (AttrNumber attno = 1; attno <= natts; attno++)
		add_target(step, bms_is_member(attno, used) ?
				   ((TargetEntry *) list_nth(targets, nused++))->expr :
				   (Expr *) makeNullConst(INT4OID, -1, InvalidOid), psprintf("c%d", attno));
	add_target(step, (Expr *) column_var(kept, list_length(kept)), CQ_HASH_COLUMN);
	return step;
}

static CqNode *
make_node(CqTree *tree, Oid view, CqKeepRule rule, Query *read, Query *flow)
{
	CqNode	   *node = palloc0(sizeof(CqNode));
	CqNodeInput *input = palloc0(sizeof(CqNodeInput));

	input->view = view;
	input->read = read;
	input->flow = flow;
	input->columns = list_delete_last(cq_cut_columns_of(flow));
	node->rule = rule;
	node->inputs = list_make1(input);
	tree->nodes = lappend(tree->nodes, node);
	node->number = list_length(tree->nodes);
	return node;
}

void
cq_cut_make_copy(CqLevel *level, CqLeaf *leaf, CqKeepRule rule)
{
	RangeTblEntry *entry = rt_fetch(leaf->rtindex, leaf->holder->rtable);
	Bitmapset  *used = cq_cut_leaf_used_columns(leaf);
	List	   *columns = cq_columns_of_relation(entry->relid);
	Alias	   *alias = entry->alias;
	Alias	   *eref = entry->eref;
	int			natts = list_length(eref->colnames);	/* it may have been given more since */
	CqNode	   *node = make_node(level->cut->tree, entry->relid, rule,
								 make_read(leaf, columns, used), make_flow(columns, used));
	List	   *kept = ((CqNodeInput *) linitial(node->inputs))->columns;

	if (cq_maintained_is(entry))
	{
		cq_maintained_require_columns(entry->relid, used);
		((CqNodeInput *) linitial(node->inputs))->is_table = true;
	}
	node->step = cq_rule_stores(rule) ? make_step_in_places(kept, used, natts) : make_step(kept);
	node->columns = cq_cut_columns_of(node->step);
	leaf->flow.node = node->number;
	cq_compat_void_entry(entry);
	entry->rtekind = RTE_SUBQUERY;
	entry->subquery = cq_rule_stores(rule) ? cq_cut_select_changes(node) :
		cq_cut_select_in_places(node, used, natts);
	entry->inFromCl = true;
	entry->alias = alias;
	entry->eref = eref;
	leaf->flow.query = entry->subquery;
}
