/*
 * whole_row.c
 *		Columns that come and go, where a continuous view keeps rows as values.
 *
 * A node has a column for each of the row's as they were at CREATE (plan/cut_leaf.c). Of a column
 * that is added later it would know nothing, where the server's own views show it; of one that is
 * gone, too much. So the columns stay as long as such a view is there. Views that keep nothing of
 * what they read take rows as they are.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/part.h"
#include "catalog/pg_attribute.h"
#include "catalog/query.h"
#include "catalog/reads.h"
#include "catalog/view.h"
#include "common/compat.h"
#include "common/owner.h"
#include "common/version.h"
#include "ddl/ddl.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "plan/scope.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

char *
cq_whole_row_columns(Oid relation)
{
	StringInfoData text;
	HeapTuple	tuple;

	initStringInfo(&text);
	for (int attno = 1; HeapTupleIsValid(tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relation),
																 Int16GetDatum(attno))); attno++)
	{
		Form_pg_attribute column = (Form_pg_attribute) GETSTRUCT(tuple);

		if (!column->attisdropped)
			appendStringInfo(&text, "%d %u,", attno, column->atttypid);
		ReleaseSysCache(tuple);
	}
	return text.data;
}

static bool
keeps_rows(Oid view, Oid relation)
{
	CqView	   *row = cq_part_has_nodes(view) ? cq_view_get(view) : NULL;
	Relation	definition;
	Query	   *query;

	if (row == NULL)
		return false;
	definition = table_open(row->definition, AccessShareLock);
	query = cq_compat_view_query(definition);
	table_close(definition, NoLock);
	return cq_scope_names_row(query, relation);
}

void
cq_whole_row_require_none(Oid relation, const List *readers)
{
	ListCell   *cell;

	foreach(cell, readers)
	{
		if (keeps_rows(lfirst_oid(cell), relation))
			ereport(ERROR,
					(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
					 errmsg("cannot change which columns \"%s\" has", get_rel_name(relation)),
					 errdetail("Continuous view \"%s\" keeps its rows as values, with the columns "
							   "that they have.", get_rel_name(lfirst_oid(cell))),
					 errhint("Drop that view first, or have it name the columns that it needs.")));
	}
}

List *
cq_whole_row_readers(Oid stream)
{
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(stream)};
	MemoryContext caller = CurrentMemoryContext;
	List	   *readers;
	CqActor		actor;

	if (!cq_adopt_has_catalog() || !cq_version_matches())
		return NIL;
	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_execute("SELECT view::oid FROM _cq.input WHERE stream OPERATOR(pg_catalog.=) $1 "
					 "ORDER BY 1", SPI_OK_SELECT, lengthof(types), types, args, NULL);
	readers = cq_query_take_oids(caller, 1);
	SPI_finish();
	cq_owner_end(&actor);
	return readers;
}
