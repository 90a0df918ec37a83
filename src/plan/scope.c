/*
 * scope.c
 *		Which CTE a reference means, whether something reads a stream, or a row as a whole: see
 *		scope.h.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/stream.h"
#include "catalog/view.h"
#include "common/compat.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "plan/maintained.h"
#include "plan/scope.h"

CommonTableExpr *
cq_scope_cte(const CqScope *scope, const RangeTblEntry *entry, const CqScope **home)
{
	ListCell   *cell;

	if (entry->self_reference)
		return NULL;
	for (Index level = 0; level < entry->ctelevelsup && scope != NULL; level++)
		scope = scope->outer;
	*home = scope;
	foreach(cell, scope != NULL ? scope->query->cteList : NIL)
	{
		CommonTableExpr *cte = lfirst_node(CommonTableExpr, cell);

		if (strcmp(cte->ctename, entry->ctename) == 0)
			return cte;
	}
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

bool
cq_scope_is_stream(const RangeTblEntry *entry)
{
	if (entry->rtekind != RTE_RELATION)
		return false;
	if (entry->relkind == RELKIND_FOREIGN_TABLE)
		return cq_stream_is(entry->relid);
	if (cq_maintained_is(entry))
		return false;
	return entry->inh && entry->relkind != RELKIND_VIEW && has_stream_child(entry->relid);
}

bool
cq_scope_is_view(const RangeTblEntry *entry)
{
	return cq_maintained_is(entry) ||
		(entry->rtekind == RTE_RELATION && entry->relkind == RELKIND_VIEW &&
		 cq_view_is(entry->relid));
}

static bool find_stream(Node *node, const CqScope **scope);

static bool
view_reads_stream(Oid relid)
{
	Relation	view = table_open(relid, AccessShareLock);
	Query	   *query = cq_compat_view_query(view);

	table_close(view, NoLock);
	return cq_scope_reads_stream(NULL, (Node *) query);
}

static bool
entry_reads_stream(const CqScope *scope, const RangeTblEntry *entry)
{
	const CqScope *home;
	CommonTableExpr *cte;

	if (entry->rtekind == RTE_CTE)
	{
		cte = cq_scope_cte(scope, entry, &home);
		return cte != NULL && cq_scope_reads_stream(home, cte->ctequery);
	}
	if (cq_scope_is_view(entry))
		return true;
	if (entry->rtekind == RTE_RELATION && entry->relkind == RELKIND_VIEW)
		return view_reads_stream(entry->relid);
	return cq_scope_is_stream(entry);
}

/* CTEs are looked at where they are referred to. */
static bool
find_stream(Node *node, const CqScope **scope)
{
	if (node == NULL)
		return false;
	check_stack_depth();
	if (IsA(node, RangeTblEntry))
		return entry_reads_stream(*scope, (RangeTblEntry *) node);
	if (IsA(node, Query))
	{
		CqScope		inner = {(Query *) node, *scope};
		const CqScope *below = &inner;

		return query_tree_walker((Query *) node, find_stream, &below,
								 QTW_EXAMINE_RTES_BEFORE | QTW_IGNORE_CTE_SUBQUERIES);
	}
	return expression_tree_walker(node, find_stream, scope);
}

bool
cq_scope_reads_stream(const CqScope *scope, Node *node)
{
	return find_stream(node, &scope);
}

/* ---- whole rows ---- */

typedef struct RowSearch
{
	Oid			relation;
	const CqScope *scope;
} RowSearch;

static bool find_row(Node *node, RowSearch *search);

static bool
is_row(const Var *var, const RowSearch *search)
{
	const CqScope *scope = search->scope;

	for (Index level = 0; level < var->varlevelsup && scope != NULL; level++)
		scope = scope->outer;
	if (scope == NULL || var->varattno != InvalidAttrNumber || IS_SPECIAL_VARNO(var->varno))
		return false;
	return rt_fetch(var->varno, scope->query->rtable)->relid == search->relation;
}

static bool
view_names_row(Oid relid, Oid relation)
{
	Relation	view = table_open(relid, AccessShareLock);
	Query	   *query = cq_compat_view_query(view);

	table_close(view, NoLock);
	return cq_scope_names_row(query, relation);
}

static bool
find_row(Node *node, RowSearch *search)
{
	RowSearch	below = *search;

	if (node == NULL)
		return false;
	check_stack_depth();
	if (IsA(node, Var))
		return is_row((Var *) node, search);
	if (IsA(node, RangeTblEntry))
	{
		const RangeTblEntry *entry = (RangeTblEntry *) node;

		return entry->rtekind == RTE_RELATION && entry->relkind == RELKIND_VIEW &&
			!cq_scope_is_view(entry) && view_names_row(entry->relid, search->relation);
	}
	if (IsA(node, Query))
	{
		CqScope		inner = {(Query *) node, search->scope};

		below.scope = &inner;
		return query_tree_walker((Query *) node, find_row, &below, QTW_EXAMINE_RTES_BEFORE);
	}
	return expression_tree_walker(node, find_row, search);
}

bool
cq_scope_names_row(const Query *query, Oid relation)
{
	RowSearch	search = {relation, NULL};

	return find_row((Node *) query, &search);
}
