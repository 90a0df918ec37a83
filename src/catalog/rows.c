/*
 * rows.c
 *		Rows of a table of the catalog: see rows.h.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/rows.h"
#include "common/version.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static Oid
find_relation(const char *name)
{
	Oid			schema = get_namespace_oid("_cq", true);

	return OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
}

static void
begin_scan(CqRows *rows, const char *table, const char *index, AttrNumber column, Oid key,
		   LOCKMODE lockmode)
{
	Oid			relid = find_relation(table);
	ScanKeyData equal;

	rows->relation = NULL;
	if (!OidIsValid(relid))
		return;
	cq_version_require();
	rows->relation = table_open(relid, lockmode);
	ScanKeyInit(&equal, column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(key));
	rows->scan = systable_beginscan(rows->relation, find_relation(index), true, NULL, 1, &equal);
}

void
cq_rows_begin(CqRows *rows, const char *table, const char *index, AttrNumber column, Oid key)
{
	begin_scan(rows, table, index, column, key, AccessShareLock);
}

bool
cq_rows_next(CqRows *rows, int n, Datum *values, bool *nulls)
{
	HeapTuple	tuple = rows->relation != NULL ? systable_getnext(rows->scan) : NULL;

	if (!HeapTupleIsValid(tuple))
		return false;
	cq_version_deform(tuple, RelationGetDescr(rows->relation), n, values, nulls);
	return true;
}

void
cq_rows_end(CqRows *rows)
{
	if (rows->relation == NULL)
		return;
	systable_endscan(rows->scan);
	table_close(rows->relation, NoLock);
}

void
cq_rows_insert(const char *table, int n, const Datum *values, const bool *nulls)
{
	Relation	relation = table_open(find_relation(table), RowExclusiveLock);

	cq_version_require();
	CatalogTupleInsert(relation, cq_version_form(RelationGetDescr(relation), n, values, nulls));
	table_close(relation, NoLock);
}

void
cq_rows_delete(const char *table, const char *index, AttrNumber column, Oid key)
{
	CqRows		rows;
	HeapTuple	tuple;

	begin_scan(&rows, table, index, column, key, RowExclusiveLock);
	while (rows.relation != NULL && HeapTupleIsValid(tuple = systable_getnext(rows.scan)))
		CatalogTupleDelete(rows.relation, &tuple->t_self);
	cq_rows_end(&rows);
}
