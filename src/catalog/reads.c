/*
 * reads.c
 *		Rows of _cq.reads and _cq.version: see reads.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/reads.h"
#include "catalog/rows.h"
#include "common/owner.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/syscache.h"

/* Columns of _cq.reads, as in schema/catalog.sql. */
enum
{
	READS_VIEW = 1,
	READS_NAMED,
	READS_SEEN,
	READS_NATTS = READS_SEEN
};

static int
compare_oids(const ListCell *one, const ListCell *other)
{
	return (lfirst_oid(one) > lfirst_oid(other)) - (lfirst_oid(one) < lfirst_oid(other));
}

/* What stands in one column of the rows that have a view in the other. */
static List *
list_by(const char *index, AttrNumber by, AttrNumber wanted, Oid view)
{
	List	   *views = NIL;
	CqRows		rows;
	Datum		values[READS_NATTS];
	bool		nulls[READS_NATTS];

	cq_rows_begin(&rows, "reads", index, by, view);
	while (cq_rows_next(&rows, READS_NATTS, values, nulls))
		views = lappend_oid(views, DatumGetObjectId(values[wanted - 1]));
	cq_rows_end(&rows);
	list_sort(views, compare_oids);
	return views;
}

List *
cq_reads_list(Oid view)
{
	return list_by("reads_pkey", READS_VIEW, READS_NAMED, view);
}

List *
cq_reads_readers(Oid view)
{
	return list_by("reads_named", READS_NAMED, READS_VIEW, view);
}

static void
add_below(Oid view, List **below)
{
	ListCell   *cell;

	check_stack_depth();
	foreach(cell, cq_reads_list(view))
	{
		if (list_member_oid(*below, lfirst_oid(cell)))
			continue;
		*below = lappend_oid(*below, lfirst_oid(cell));
		add_below(lfirst_oid(cell), below);
	}
}

List *
cq_reads_below(Oid view)
{
	List	   *below = NIL;

	add_below(view, &below);
	list_sort(below, compare_oids);
	return below;
}

int
cq_reads_level(Oid view)
{
	static const char read[] =
		"WITH RECURSIVE below AS (SELECT $1::regclass AS view, 0 AS level "
		"UNION SELECT n.view, level + 1 FROM below b CROSS JOIN LATERAL "
		"(SELECT named AS view FROM _cq.reads r WHERE r.view = b.view "
		"UNION ALL SELECT p.view FROM _cq.input i JOIN _cq.part p ON p.relation = i.stream "
		"AND p.role = 'changes' WHERE i.view = b.view "
		"UNION ALL SELECT v.view FROM _cq.input i JOIN _cq.view v ON v.sink = i.stream "
		"WHERE i.view = b.view) n WHERE level < 1000) "
		"SELECT max(level) FROM below";
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view)};
	int			level;
	bool		is_null;
	CqActor		actor;

	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_execute(read, SPI_OK_SELECT, lengthof(types), types, args, NULL);
	level = DatumGetInt32(cq_query_column(0, 1, &is_null));
	SPI_finish();
	cq_owner_end(&actor);
	return level;
}

/* Whoever maintains the view asks for its readers again. */
static void
look_again(Oid view)
{
	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(view)))
		CacheInvalidateRelcacheByRelid(view);
}

/* It is going to be read. A transaction that is serializable may not see who has changed it last. */
static void
ensure_version(Oid view)
{
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view)};
	CqActor		actor;

	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_look("SELECT FROM _cq.version WHERE view = $1", lengthof(types), types, args);
	if (SPI_processed == 0)
		cq_query_execute("INSERT INTO _cq.version (view, version) VALUES ($1, 1) "
						 "ON CONFLICT DO NOTHING", SPI_OK_INSERT, lengthof(types), types, args,
						 NULL);
	SPI_finish();
	cq_owner_end(&actor);
}

void
cq_reads_insert(Oid view, const List *named)
{
	bool		nulls[READS_NATTS] = {[READS_SEEN - 1] = true};
	ListCell   *cell;

	foreach(cell, named)
	{
		Datum		values[] = {
			ObjectIdGetDatum(view), ObjectIdGetDatum(lfirst_oid(cell)), (Datum) 0
		};

		cq_rows_insert("reads", READS_NATTS, values, nulls);
		ensure_version(lfirst_oid(cell));
		look_again(lfirst_oid(cell));
	}
}

void
cq_reads_forget(Oid view)
{
	ListCell   *cell;

	foreach(cell, cq_reads_list(view))
		look_again(lfirst_oid(cell));
	cq_rows_delete("reads", "reads_pkey", READS_VIEW, view);
}
