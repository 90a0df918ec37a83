/*
 * index.c
 *		CREATE INDEX and DROP INDEX on a continuous view.
 *
 * Continuous views may be indexed for reading. The index is made on the table that holds the view's
 * state, and so lives in that table's schema; only columns can be indexed that stand there as the
 * view shows them. A group may have several rows in the state (one for each worker), so that no
 * index on it is unique.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/view.h"
#include "commands/defrem.h"
#include "commands/tablecmds.h"
#include "common/compat.h"
#include "common/part_name.h"
#include "ddl/ddl.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_utilcmd.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"

typedef struct IndexedView
{
	Oid			view;
	Oid			state;
	IndexStmt  *stmt;			/* our own copy */
} IndexedView;

static void
refuse(const IndexedView *indexed, const char *reason)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot create this index on continuous view \"%s\"",
					get_rel_name(indexed->view)),
			 errdetail("%s", reason)));
}

static void
map_column(const IndexedView *indexed, IndexElem *element)
{
	char	   *column;

	if (get_attnum(indexed->view, element->name) == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" does not exist", element->name)));
	column = cq_create_state_column(indexed->view, element->name);
	if (column == NULL)
		refuse(indexed, psprintf("Column \"%s\" is computed when the view is read.",
								 element->name));
	element->name = column;
}

static void
check_statement(const IndexedView *indexed)
{
	ListCell   *cell;

	if (indexed->stmt->unique)
		refuse(indexed, "The state of a group may be spread over several rows, so that an index "
						"cannot be unique.");
	if (indexed->stmt->whereClause != NULL)
		refuse(indexed, "Partial indexes on a continuous view are not supported.");
	foreach(cell, indexed->stmt->indexParams)
	{
		if (lfirst_node(IndexElem, cell)->name == NULL)
			refuse(indexed, "Expressions in an index on a continuous view are not supported.");
	}
}

/* The name that the server would give an index on a table called like the view. */
static char *
choose_name(const IndexedView *indexed)
{
	StringInfoData columns;
	ListCell   *cell;

	initStringInfo(&columns);
	foreach(cell, indexed->stmt->indexParams)
	{
		if (columns.len > 0)
			appendStringInfoChar(&columns, '_');
		appendStringInfoString(&columns, lfirst_node(IndexElem, cell)->name);
	}
	return cq_part_name_choose(get_rel_name(indexed->view), columns.data, "idx");
}

/* Turns the statement into one on the state table. */
static void
map_statement(IndexedView *indexed)
{
	IndexStmt  *stmt = indexed->stmt;
	ListCell   *cell;

	check_statement(indexed);
	if (stmt->idxname == NULL)
		stmt->idxname = choose_name(indexed);
	foreach(cell, stmt->indexParams)
		map_column(indexed, lfirst_node(IndexElem, cell));
	foreach(cell, stmt->indexIncludingParams)
		map_column(indexed, lfirst_node(IndexElem, cell));
	stmt->relation = makeRangeVar(get_namespace_name(get_rel_namespace(indexed->state)),
								  get_rel_name(indexed->state), -1);
}

static ObjectAddress
run_create(CqCommand *command, void *arg)
{
	IndexedView *indexed = arg;

	return cq_compat_define_index(indexed->state,
								  transformIndexStmt(indexed->state, indexed->stmt,
													 command->query_string));
}

void
cq_index_create(CqCommand *command)
{
	IndexStmt  *stmt = (IndexStmt *) command->pstmt->utilityStmt;
	CqView	   *view;
	IndexedView indexed;
	LOCKMODE	lockmode = stmt->concurrent ? ShareUpdateExclusiveLock : ShareLock;

	if (!OidIsValid(cq_command_view_named(stmt->relation)))
	{
		cq_command_pass_on(command);
		return;
	}

	PreventCommandIfReadOnly("CREATE INDEX");
	PreventCommandDuringRecovery("CREATE INDEX");
	if (stmt->concurrent)
		PreventInTransactionBlock(command->context == PROCESS_UTILITY_TOPLEVEL,
								  "CREATE INDEX CONCURRENTLY");
	indexed.view = RangeVarGetRelidExtended(stmt->relation, AccessShareLock, 0,
											RangeVarCallbackOwnsRelation, NULL);
	view = cq_view_get(indexed.view);
	if (view == NULL)
		elog(ERROR, "continuous view %u is gone", indexed.view);
	indexed.state = cq_view_table(view);
	LockRelationOid(indexed.state, lockmode);
	indexed.stmt = copyObject(stmt);
	map_statement(&indexed);
	cq_command_run(command, run_create, &indexed);
}

/*
 * An index of that name on the state of a continuous view that the name's schema, or the search
 * path, reaches.
 */
static bool
is_view_index(const RangeVar *name, Oid schema)
{
	Oid			index = get_relname_relid(name->relname, schema);
	Oid			table = OidIsValid(index) ? IndexGetRelation(index, true) : InvalidOid;
	Oid			view = OidIsValid(table) ? cq_adopt_whole(table) : InvalidOid;

	if (!OidIsValid(view))
		return false;
	return name->schemaname ? strcmp(name->schemaname,
									 get_namespace_name(get_rel_namespace(view))) == 0
		: RelationIsVisible(view);
}

void
cq_index_find_dropped(CqCommand *command)
{
	DropStmt   *stmt = (DropStmt *) cq_command_own_statement(command);
	Oid			schema = get_namespace_oid("_cq", true);
	ListCell   *cell;

	foreach(cell, stmt->objects)
	{
		RangeVar   *name = makeRangeVarFromNameList(lfirst_node(List, cell));

		if (OidIsValid(schema) && !OidIsValid(RangeVarGetRelid(name, NoLock, true)) &&
			is_view_index(name, schema))
			lfirst(cell) = list_make2(makeString("_cq"), makeString(name->relname));
	}
}
