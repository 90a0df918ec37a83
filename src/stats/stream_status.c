/*
 * stream_status.c
 *		What views of the catalog say of streams that their reader may not read: whether they are
 *		read, and what holds them up.
 *
 * A function in a view runs with the rights of whoever reads the view, who has none on the tables
 * and functions that are asked here, and may call it by itself. So the catalog's owner asks, for
 * whom is told: of a relation that they may see in cq.views or cq.streams, and of a stream also if
 * they may see a view of it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/owner.h"
#include "common/version.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(cq_stream_status_held_up);
PG_FUNCTION_INFO_V1(cq_stream_status_list);

/* Of a row of pg_class r, the user being $1: as the views of the catalog have it. */
#define MAY_SEE \
	"(pg_catalog.has_table_privilege($1, r.oid, 'SELECT')" \
	" OR pg_catalog.pg_has_role($1, r.relowner, 'USAGE')" \
	" OR pg_catalog.pg_has_role($1, 'pg_monitor', 'USAGE'))"

/* Leaves the caller within SPI, as the catalog's owner; with the caller's snapshot. */
static void
ask_catalog(CqActor *actor, const char *query, int nargs, Oid *types, Datum *args)
{
	cq_owner_begin_catalog(actor);
	SPI_connect();
	if (SPI_execute_with_args(query, nargs, types, args, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not run \"%s\"", query);
}

/* _cq.held_up(relation regclass), a stream or a continuous view */
Datum
cq_stream_status_held_up(PG_FUNCTION_ARGS)
{
	static const char query[] =
		"SELECT pg_catalog.format('topic \"%s\" partition %s: %s', c.topic, c.partition, h.held_up)"
		" FROM _cq.readings() h JOIN _cq.cursor c USING (cursor_id), pg_catalog.pg_class r"
		" WHERE h.held_up IS NOT NULL AND r.oid = $2 AND " MAY_SEE
		" AND (c.stream = $2 OR cursor_id IN"
		" (SELECT f.cursor_id FROM _cq.follow f WHERE f.view = $2))"
		" ORDER BY c.topic, c.partition LIMIT 1";
	Oid			types[] = {OIDOID, OIDOID};
	Datum		args[] = {ObjectIdGetDatum(GetUserId()), PG_GETARG_DATUM(0)};
	MemoryContext caller = CurrentMemoryContext;
	char	   *told = NULL;
	CqActor		actor;

	cq_version_require();
	ask_catalog(&actor, query, lengthof(types), types, args);
	if (SPI_processed > 0)
	{
		told = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
		told = MemoryContextStrdup(caller, told);
	}
	SPI_finish();
	cq_owner_end(&actor);
	if (told == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(told));
}

/* _cq.stream_states() */
Datum
cq_stream_status_list(PG_FUNCTION_ARGS)
{
	static const char query[] =
		"SELECT n.relation, n.state FROM _cq.stat_relations() n"
		" JOIN pg_catalog.pg_foreign_table t ON t.ftrelid = n.relation"
		" WHERE EXISTS (SELECT FROM pg_catalog.pg_class r"
		" WHERE (r.oid = n.relation"
		" OR r.oid IN (SELECT i.view FROM _cq.input i WHERE i.stream = n.relation)) AND " MAY_SEE ")";
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(GetUserId())};
	CqActor		actor;

	cq_version_require();
	InitMaterializedSRF(fcinfo, 0);
	ask_catalog(&actor, query, lengthof(types), types, args);
	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[i]);
	SPI_finish();
	cq_owner_end(&actor);
	return (Datum) 0;
}
