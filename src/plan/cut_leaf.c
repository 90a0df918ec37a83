/*
 * cut_leaf.c
 *		The relations through which rows of streams come into a level, and what is kept of them.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "plan/cut_level.h"
#include "plan/scope.h"
#include "rewrite/rewriteManip.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* ---- views and CTEs ---- */

/*
 * What is kept of the relations below a view is its reader's to see: so the reader must have the
 * rights of its owner.
 */
void
cq_cut_leaf_inline_view(const Query *query, RangeTblEntry *entry)
{
	Relation	view = table_open(entry->relid, AccessShareLock);

	if (!has_privs_of_role(GetUserId(), view->rd_rel->relowner))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a view of another owner is not supported where a continuous view keeps "
						"what it reads"),
				 errdetail("\"%s\" belongs to %s.", RelationGetRelationName(view),
						   GetUserNameFromId(view->rd_rel->relowner, false)),
				 errhint("Let that role create the continuous view, and grant SELECT on it.")));
	cq_compat_check_entry(query, entry);
	entry->subquery = cq_compat_view_query(view);
	table_close(view, NoLock);
	cq_compat_flatten_group_entry(entry->subquery);
	entry->rtekind = RTE_SUBQUERY;
	cq_compat_forget_relation(entry);
}

static void
inline_cte(const CqScope *scope, RangeTblEntry *entry)
{
	const CqScope *home;
	CommonTableExpr *cte = cq_scope_cte(scope, entry, &home);

	entry->subquery = copyObject(castNode(Query, cte->ctequery));
	cq_compat_flatten_group_entry(entry->subquery);
	IncrementVarSublevelsUp((Node *) entry->subquery, entry->ctelevelsup, 1);
	entry->rtekind = RTE_SUBQUERY;
	entry->ctename = NULL;
	entry->ctelevelsup = 0;
	entry->coltypes = entry->coltypmods = entry->colcollations = NIL;
}

/*
 * What a part of the query becomes does not know the CTEs of what it was a part of. Those that are
 * written where they are used stay; recursive ones have to.
 */
static bool
must_inline_cte(const CqScope *scope, const RangeTblEntry *entry)
{
	const CqScope *home;
	CommonTableExpr *cte = cq_scope_cte(scope, entry, &home);

	if (entry->ctelevelsup == 0 || cte == NULL)
		return false;
	if (cte->cterecursive)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("WITH RECURSIVE \"%s\" is used in a sub-select, which is not supported "
						"where "
						"a continuous view keeps what it reads", cte->ctename),
				 errhint("Write it in the sub-select that uses it, or make a view of it.")));
	return true;
}

static bool inline_within(Node *node, const CqScope **scope);

static void
inline_readers(Query *query, const CqScope *outer)
{
	CqScope		scope = {query, outer};
	const CqScope *inner = &scope;
	ListCell   *cell;

	cq_compat_flatten_group_entry(query);
	foreach(cell, query->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		bool		reads_stream = cq_scope_reads_stream(&scope, (Node *) entry);

		if (cq_scope_is_view(entry))
			continue;			/* a leaf */
		if (reads_stream && entry->rtekind == RTE_RELATION && entry->relkind == RELKIND_VIEW)
			cq_cut_leaf_inline_view(query, entry);
		else if (entry->rtekind == RTE_CTE &&
				 (reads_stream || must_inline_cte(&scope, entry)))
			inline_cte(&scope, entry);
	}
	(void) query_tree_walker(query, inline_within, &inner, QTW_IGNORE_CTE_SUBQUERIES);
	/* Nobody refers to those any more. */
	foreach(cell, query->cteList)
	{
		if (cq_scope_reads_stream(&scope, lfirst_node(CommonTableExpr, cell)->ctequery))
			query->cteList = foreach_delete_current(query->cteList, cell);
	}
}

static bool
inline_within(Node *node, const CqScope **scope)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		inline_readers((Query *) node, *scope);
		return false;
	}
	return expression_tree_walker(node, inline_within, scope);
}

void
cq_cut_leaf_inline(Query *query)
{
	inline_readers(query, NULL);
}

/* ---- leaves ---- */

CqLeaf *
cq_cut_leaf(const CqLevel *level, const Query *holder, int rtindex)
{
	ListCell   *cell;

	foreach(cell, level->leaves)
	{
		CqLeaf	   *leaf = lfirst(cell);

		if (leaf->holder == holder && leaf->rtindex == rtindex)
			return leaf;
	}
	return NULL;
}

int
cq_cut_leaf_noutermost(const CqLevel *level)
{
	int			n = 0;
	ListCell   *cell;

	foreach(cell, level->leaves)
	{
		if (((CqLeaf *) lfirst(cell))->depth == 0)
			n++;
	}
	return n;
}

/* ---- the columns that are kept ---- */

/* A leaf's columns, in what names them. */
typedef struct Columns
{
	const CqLeaf *leaf;
	Bitmapset  *used;			/* attribute numbers */
	bool		whole;			/* the row as a value is named as well */
	int			natts;			/* of the leaf */
	int		   *kept;			/* by attribute number: its number among those that are kept */
	AttrNumber	never_null;		/* where the row may be missing: a column that is null then alone */
	Index		level;
} Columns;

static bool
is_of_leaf(const Node *node, const Columns *columns)
{
	return IsA(node, Var) && ((const Var *) node)->varlevelsup == columns->level &&
		((const Var *) node)->varno == columns->leaf->rtindex;
}

static bool
find_used(Node *node, Columns *columns)
{
	bool		stop;

	if (node == NULL)
		return false;
	if (is_of_leaf(node, columns))
	{
		AttrNumber	attno = ((Var *) node)->varattno;

		if (attno == InvalidAttrNumber)
			columns->whole = true;
		else if (attno > 0)
			columns->used = bms_add_member(columns->used, attno);
		return false;
	}
	if (!IsA(node, Query))
		return expression_tree_walker(node, find_used, columns);
	columns->level++;
	stop = query_tree_walker((Query *) node, find_used, columns, 0);
	columns->level--;
	return stop;
}

static Var *
column_var(const CqLeaf *leaf, AttrNumber attno)
{
	const RangeTblEntry *entry = rt_fetch(leaf->rtindex, leaf->holder->rtable);
	Oid			type;
	int32		typmod;
	Oid			collation;

	if (entry->rtekind == RTE_RELATION)
		get_atttypetypmodcoll(entry->relid, attno, &type, &typmod, &collation);
	else
	{
		Node	   *expr = (Node *) get_tle_by_resno(entry->subquery->targetList, attno)->expr;

		type = exprType(expr);
		typmod = exprTypmod(expr);
		collation = exprCollation(expr);
	}
	return makeVar(1, attno, type, typmod, collation, 0);
}

/* The column attno where the row is named. */
static Var *
make_var_like(const Var *whole, Var *var, AttrNumber attno)
{
	var->varno = whole->varno;
	var->varattno = attno;
	var->varlevelsup = whole->varlevelsup;
	cq_compat_set_nulling(var, cq_compat_nulling(whole));
	return var;
}

/* The row, unless it is missing: a row of nulls is not that. */
static Node *
row_if_there(const Var *whole, RowExpr *row, AttrNumber never_null)
{
	NullTest   *test = makeNode(NullTest);
	CaseWhen   *when = makeNode(CaseWhen);
	CaseExpr   *result = makeNode(CaseExpr);

	test->arg = (Expr *) make_var_like(whole, makeVar(1, never_null, INT8OID, -1, InvalidOid, 0),
									   never_null);
	test->nulltesttype = IS_NOT_NULL;
	test->location = -1;
	when->expr = (Expr *) test;
	when->result = (Expr *) row;
	when->location = -1;
	result->casetype = row->row_typeid;
	result->args = list_make1(when);
	result->defresult = (Expr *) makeNullConst(row->row_typeid, -1, InvalidOid);
	result->location = -1;
	return (Node *) result;
}

/* A row as a value, of its columns. Where a column was dropped there is a null. */
static Node *
row_of_columns(const Var *whole, const Columns *columns)
{
	const RangeTblEntry *entry = rt_fetch(columns->leaf->rtindex, columns->leaf->holder->rtable);
	RowExpr    *row = makeNode(RowExpr);

	for (AttrNumber attno = 1; attno <= columns->natts; attno++)
	{
		int			kept = columns->kept[attno];

		row->args = lappend(row->args, kept == 0 ?
							(Node *) makeNullConst(INT4OID, -1, InvalidOid) :
							(Node *) make_var_like(whole, column_var(columns->leaf, attno), kept));
	}
	row->row_typeid = whole->vartype;
	row->row_format = COERCE_IMPLICIT_CAST;
	row->colnames = copyObject(entry->eref->colnames);
	row->location = -1;
	return columns->never_null == 0 ? (Node *) row :
		row_if_there(whole, row, columns->never_null);
}

/* In place for queries, so that whoever knows of them still does. */
static Node *
renumber(Node *node, Columns *columns)
{
	Var		   *var;

	if (node == NULL)
		return NULL;
	if (is_of_leaf(node, columns))
	{
		if (((Var *) node)->varattno == InvalidAttrNumber)
			return row_of_columns((Var *) node, columns);
		var = copyObject((Var *) node);
		var->varattno = columns->kept[var->varattno];
		var->varnosyn = 0;
		var->varattnosyn = 0;
		return (Node *) var;
	}
	if (!IsA(node, Query))
		return expression_tree_mutator(node, renumber, columns);
	columns->level++;
	query_tree_mutator((Query *) node, renumber, columns, QTW_DONT_COPY_QUERY);
	columns->level--;
	return node;
}

static int
natts_of_leaf(const CqLeaf *leaf)
{
	return list_length(rt_fetch(leaf->rtindex, leaf->holder->rtable)->eref->colnames);
}

/*
 * ALTER TABLE and CREATE OR REPLACE refuse to add columns where rows are kept whole
 * (ddl/whole_row.c), but not where these come down from a parent.
 */
static void
require_no_others(const CqLeaf *leaf, int natts)
{
	const RangeTblEntry *entry = rt_fetch(leaf->rtindex, leaf->holder->rtable);

	if (entry->rtekind == RTE_RELATION && OidIsValid(get_atttype(entry->relid, natts + 1)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"%s\" has got columns, and its rows are kept as values, without these",
						get_rel_name(entry->relid)),
				 errhint("Drop the continuous view, and create it again.")));
}

static bool
is_dropped(const CqLeaf *leaf, AttrNumber attno)
{
	const RangeTblEntry *entry = rt_fetch(leaf->rtindex, leaf->holder->rtable);

	return entry->rtekind == RTE_RELATION && !OidIsValid(get_atttype(entry->relid, attno));
}

static void
find_columns(Columns *columns, const CqLeaf *leaf)
{
	columns->leaf = leaf;
	columns->natts = natts_of_leaf(leaf);
	columns->kept = palloc0(sizeof(int) * (columns->natts + 1));
	(void) query_tree_walker(leaf->holder, find_used, columns, 0);
	if (columns->whole)
		require_no_others(leaf, columns->natts);
	for (AttrNumber attno = 1; attno <= columns->natts; attno++)
	{
		if ((columns->whole || leaf->keeps_all) && !is_dropped(leaf, attno))
			columns->used = bms_add_member(columns->used, attno);
	}
}

Bitmapset *
cq_cut_leaf_used_columns(const CqLeaf *leaf)
{
	Columns		columns = {.level = 0};

	find_columns(&columns, leaf);
	return columns.used;
}

void
cq_cut_leaf_expand_rows(const CqLeaf *leaf)
{
	Columns		columns = {.level = 0};

	find_columns(&columns, leaf);
	if (!columns.whole)
		return;
	for (AttrNumber attno = 1; attno <= columns.natts; attno++)
		columns.kept[attno] = attno;
	query_tree_mutator(leaf->holder, renumber, &columns, QTW_DONT_COPY_QUERY);
}

/* ---- inputs ---- */

/* The columns of a leaf as those of the only entry of its flow. */
static bool
make_only_entry(Node *node, const CqLeaf *leaf)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		Assert(var->varno == leaf->rtindex && var->varlevelsup == 0);
		var->varno = 1;
		var->varnosyn = 0;
		var->varattnosyn = 0;
		cq_compat_set_nulling(var, NULL);
		return false;
	}
	return expression_tree_walker(node, make_only_entry, (void *) leaf);
}

static Node *
over_leaf(const CqLeaf *leaf, Node *node)
{
	Node	   *copy = copyObject(node);

	(void) make_only_entry(copy, leaf);
	return copy;
}

static void
add_target(Query *query, Expr *expr, const char *name)
{
	query->targetList = lappend(query->targetList,
								makeTargetEntry(expr, list_length(query->targetList) + 1,
												pstrdup(name), false));
}

static Query *
select_from_leaf(const CqLeaf *leaf)
{
	Query	   *query = makeNode(Query);
	RangeTblRef *ref = makeNode(RangeTblRef);

	query->commandType = CMD_SELECT;
	query->canSetTag = true;
	cq_compat_take_entry(leaf->holder, leaf->rtindex, query);
	ref->rtindex = 1;
	query->jointree = makeFromExpr(list_make1(ref),
								   leaf->filters == NIL ? NULL :
								   over_leaf(leaf, (Node *) make_ands_explicit(leaf->filters)));
	return query;
}

/* The weight is the column behind those that the entry has had so far. */
static void
add_weight(Query *flow, int natts)
{
	RangeTblEntry *entry = linitial_node(RangeTblEntry, flow->rtable);

	entry->eref->colnames = lappend(entry->eref->colnames, makeString(pstrdup(CQ_WEIGHT_COLUMN)));
	add_target(flow, (Expr *) makeVar(1, natts + 1, INT4OID, -1, InvalidOid, 0), CQ_WEIGHT_COLUMN);
}

/* What is kept of the leaf's rows. Numbers the columns. */
static Query *
make_flow(const CqLeaf *leaf, Columns *columns, CqNodeInput *input)
{
	Query	   *flow = select_from_leaf(leaf);
	int			attno = -1;
	ListCell   *cell;

	while ((attno = bms_next_member(columns->used, attno)) >= 0)
	{
		add_target(flow, (Expr *) column_var(leaf, attno),
				   psprintf("c%d", list_length(flow->targetList) + 1));
		columns->kept[attno] = list_length(flow->targetList);
	}
	add_target(flow, leaf->key != NULL ? (Expr *) over_leaf(leaf, leaf->key) : cq_cut_key_none(),
			   CQ_HASH_COLUMN);
	foreach(cell, flow->targetList)
	{
		const TargetEntry *target = lfirst_node(TargetEntry, cell);

		input->columns = lappend(input->columns,
								 cq_cut_column(target->resname, (Node *) target->expr));
	}
	if (!leaf->flow.only_grows)
		add_weight(flow, columns->natts);
	return flow;
}

/* The entry becomes one of the tuplestore that the step reads. */
static void
replace_entry(const CqLeaf *leaf, const char *name, const List *columns)
{
	RangeTblEntry *entry = rt_fetch(leaf->rtindex, leaf->holder->rtable);
	Alias	   *alias = entry->alias;

	cq_compat_void_entry(entry);
	cq_tree_make_entry(entry, name, columns);
	entry->alias = alias;
}

CqNodeInput *
cq_cut_leaf_make_input(CqLeaf *leaf, int n)
{
	Columns		columns = {.level = 0};
	CqNodeInput *input = palloc0(sizeof(CqNodeInput));

	find_columns(&columns, leaf);
	input->stream = leaf->flow.stream;
	input->node = leaf->flow.node;
	input->only_grows = leaf->flow.only_grows;
	input->is_broadcast = leaf->is_broadcast;
	input->is_global = leaf->is_broadcast || leaf->key == NULL;
	input->flow = make_flow(leaf, &columns, input);
	if (!bms_is_empty(cq_cut_split_nulling(leaf->holder, leaf->rtindex)))
		columns.never_null = list_length(input->columns);	/* that of the hash */
	query_tree_mutator(leaf->holder, renumber, &columns, QTW_DONT_COPY_QUERY);
	replace_entry(leaf, cq_tree_input_name(n), input->columns);
	return input;
}

Expr *
cq_cut_leaf_hash_column(const CqLevel *level, const CqLeaf *leaf)
{
	const RangeTblEntry *entry = rt_fetch(leaf->rtindex, leaf->holder->rtable);
	Var		   *var = makeVar(leaf->rtindex, list_length(entry->coltypes), INT8OID, -1, InvalidOid,
							  0);

	if (level->query->jointree != NULL)
		cq_compat_set_nulling(var, cq_cut_split_nulling(level->query, leaf->rtindex));
	return (Expr *) var;
}
