/*
 * maintained.c
 *		Tables whose changes count: see maintained.h.
 *
 * With the option tables = 'maintained' no table is looked up: each is a relation whose rows come
 * and go, kept in a node as the rows of another continuous view are (cut_view.c).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "nodes/nodeFuncs.h"
#include "plan/cut_level.h"
#include "plan/maintained.h"
#include "plan/scope.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static bool mark_within(Node *node, void *context);

static void
mark_query(Query *query)
{
	ListCell   *cell;

	foreach(cell, query->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		if (entry->rtekind != RTE_RELATION || cq_scope_is_view(entry) || cq_scope_is_stream(entry))
			continue;
		if (entry->relkind == RELKIND_VIEW)
			cq_cut_leaf_inline_view(query, entry);
		else
			entry->relkind = CQ_RELKIND_MAINTAINED;
	}
	(void) query_tree_walker(query, mark_within, NULL, 0);
}

static bool
mark_within(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		mark_query((Query *) node);
		return false;
	}
	return expression_tree_walker(node, mark_within, context);
}

Query *
cq_maintained_mark(const Query *definition)
{
	Query	   *query = copyObject(unconstify(Query *, definition));

	if (query->commandType == CMD_SELECT && query->utilityStmt == NULL)
		mark_query(query);
	return query;
}

bool
cq_maintained_is(const RangeTblEntry *entry)
{
	return entry->rtekind == RTE_RELATION && entry->relkind == CQ_RELKIND_MAINTAINED;
}

void
cq_maintained_unmark(RangeTblEntry *entry)
{
	entry->relkind = get_rel_relkind(entry->relid);
}

/* What it is that has no changes to be told, or NULL. */
static const char *
kind_without_changes(Oid relid)
{
	switch (get_rel_relkind(relid))
	{
		case RELKIND_MATVIEW:
			return "a materialized view";
		case RELKIND_FOREIGN_TABLE:
			return "a foreign table";
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
			break;
		default:
			return "no table";
	}
	if (relid < FirstNormalObjectId || get_rel_namespace(relid) == PG_CATALOG_NAMESPACE)
		return "a table of the system's";
	return get_rel_persistence(relid) == RELPERSISTENCE_UNLOGGED ? "an unlogged table" : NULL;
}

CqReject *
cq_maintained_check(const RangeTblEntry *entry, int location)
{
	const char *kind = kind_without_changes(entry->relid);

	if (kind != NULL)
		return cq_reject_detail(cq_reject_unsupported(location,
													  "tables = 'maintained' is for tables whose "
													  "changes can be told",
													  "Leave the option out, and it is looked up "
													  "as of the batch; or read a table that has "
													  "the same rows."),
								"\"%s\" is %s.", get_rel_name(entry->relid), kind);
	if (entry->tablesample != NULL)
		return cq_reject_unsupported(location,
									 "TABLESAMPLE over a table is not supported with tables = "
									 "'maintained'",
									 "A condition on a hash of some column chooses rows as well.");
	if (!entry->inh)
		return cq_reject_unsupported(location, "ONLY is not supported with tables = 'maintained'",
									 "Name the table without it, or the partition that is meant.");
	return NULL;
}

void
cq_maintained_require_columns(Oid table, const Bitmapset *used)
{
	int			attno = -1;

	while ((attno = bms_next_member(used, attno)) >= 0)
	{
		HeapTuple	tuple = SearchSysCacheAttNum(table, attno);
		char		generated;

		if (!HeapTupleIsValid(tuple))
			continue;
		generated = ((Form_pg_attribute) GETSTRUCT(tuple))->attgenerated;
		ReleaseSysCache(tuple);
		if (generated != '\0' && generated != ATTRIBUTE_GENERATED_STORED)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("column \"%s\" of table \"%s\" is generated when it is read, which is "
							"not supported with tables = 'maintained'",
							get_attname(table, attno, false), get_rel_name(table)),
					 errhint("Write its expression into the query, or have the column stored.")));
	}
}
