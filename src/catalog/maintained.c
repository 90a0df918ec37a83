/*
 * maintained.c
 *		Rows of _cq.maintained: see maintained.h.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/maintained.h"
#include "catalog/namespace.h"
#include "catalog/rows.h"
#include "common/version.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* Columns of _cq.maintained, as in schema/catalog.sql. */
enum
{
	MAINTAINED_RELATION = 1,
	MAINTAINED_STREAM,
	MAINTAINED_NATTS = MAINTAINED_STREAM
};

/* Columns of _cq.version. */
enum
{
	VERSION_VIEW = 1,
	VERSION_VERSION,
	VERSION_NATTS = VERSION_VERSION
};

Oid
cq_maintained_stream(Oid table)
{
	CqRows		rows;
	Datum		values[MAINTAINED_NATTS];
	bool		nulls[MAINTAINED_NATTS];
	Oid			stream = InvalidOid;

	cq_rows_begin(&rows, "maintained", "maintained_pkey", MAINTAINED_RELATION, table);
	if (cq_rows_next(&rows, MAINTAINED_NATTS, values, nulls))
		stream = DatumGetObjectId(values[MAINTAINED_STREAM - 1]);
	cq_rows_end(&rows);
	return stream;
}

static int
compare_tables(const ListCell *one, const ListCell *other)
{
	Oid			a = ((const CqMaintained *) lfirst(one))->table;
	Oid			b = ((const CqMaintained *) lfirst(other))->table;

	return (a > b) - (a < b);
}

List *
cq_maintained_list(void)
{
	Oid			schema = get_namespace_oid("_cq", true);
	Oid			relid = OidIsValid(schema) ? get_relname_relid("maintained", schema) : InvalidOid;
	Relation	catalog;
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *list = NIL;

	if (!OidIsValid(relid))
		return NIL;
	catalog = table_open(relid, AccessShareLock);
	scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		CqMaintained *row = palloc(sizeof(CqMaintained));
		Datum		values[MAINTAINED_NATTS];
		bool		nulls[MAINTAINED_NATTS];

		cq_version_deform(tuple, RelationGetDescr(catalog), MAINTAINED_NATTS, values, nulls);
		row->table = DatumGetObjectId(values[MAINTAINED_RELATION - 1]);
		row->stream = DatumGetObjectId(values[MAINTAINED_STREAM - 1]);
		list = lappend(list, row);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	list_sort(list, compare_tables);
	return list;
}

void
cq_maintained_insert(Oid table, Oid stream)
{
	bool		nulls[MAINTAINED_NATTS] = {false};
	Datum		values[] = {ObjectIdGetDatum(table), ObjectIdGetDatum(stream)};
	Datum		version[] = {ObjectIdGetDatum(table), Int64GetDatum(0)};

	cq_rows_insert("maintained", MAINTAINED_NATTS, values, nulls);
	cq_rows_delete("version", "version_pkey", VERSION_VIEW, table);
	cq_rows_insert("version", VERSION_NATTS, version, nulls);
}

void
cq_maintained_forget(Oid table)
{
	cq_rows_delete("maintained", "maintained_pkey", MAINTAINED_RELATION, table);
	cq_rows_delete("version", "version_pkey", VERSION_VIEW, table);
}

int64
cq_maintained_version(Oid table)
{
	CqRows		rows;
	Datum		values[VERSION_NATTS];
	bool		nulls[VERSION_NATTS];
	int64		version = 0;

	cq_rows_begin(&rows, "version", "version_pkey", VERSION_VIEW, table);
	if (cq_rows_next(&rows, VERSION_NATTS, values, nulls))
		version = DatumGetInt64(values[VERSION_VERSION - 1]);
	cq_rows_end(&rows);
	return version;
}
