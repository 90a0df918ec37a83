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
PG_FUNCTION_INFO_V1(cq_stream_status_held_back);
PG_FUNCTION_INFO_V1(cq_stream_status_list);
PG_FUNCTION_INFO_V1(cq_stream_status_unheard);
PG_FUNCTION_INFO_V1(cq_stream_status_locked);

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

/* As rows of the result: what a query finds that is given the user. */
static void
list_for_user(FunctionCallInfo fcinfo, const char *query)
{
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
}

/* _cq.held_up(): of streams and continuous views, the first partition that is. */
Datum
cq_stream_status_held_up(PG_FUNCTION_ARGS)
{
	list_for_user(fcinfo,
		"SELECT DISTINCT ON (r.oid) r.oid, pg_catalog.format('topic \"%s\" partition %s: %s',"
		" c.topic, c.partition, h.held_up)"
		" FROM _cq.readings() h JOIN _cq.cursor c USING (cursor_id),"
		" LATERAL (SELECT c.stream::oid UNION ALL"
		" SELECT f.view::oid FROM _cq.follow f WHERE f.cursor_id = c.cursor_id) x (relation)"
		" JOIN pg_catalog.pg_class r ON r.oid = x.relation"
		" WHERE h.held_up IS NOT NULL AND " MAY_SEE
		" ORDER BY r.oid, c.topic, c.partition");
	return (Datum) 0;
}

/* _cq.held_back(): of each, the stream that is the furthest ahead. */
Datum
cq_stream_status_held_back(PG_FUNCTION_ARGS)
{
	list_for_user(fcinfo,
		"SELECT DISTINCT ON (r.oid) r.oid, a.reason"
		" FROM _cq.ahead a JOIN pg_catalog.pg_class r ON r.oid = a.view"
		" WHERE " MAY_SEE
		" ORDER BY r.oid, a.drift DESC NULLS FIRST, a.cursor_id");
	return (Datum) 0;
}

/* _cq.stream_states() */
Datum
cq_stream_status_list(PG_FUNCTION_ARGS)
{
	list_for_user(fcinfo,
		"SELECT n.relation, n.state FROM _cq.stat_relations() n"
		" JOIN pg_catalog.pg_foreign_table t ON t.ftrelid = n.relation"
		" WHERE EXISTS (SELECT FROM (SELECT n.relation UNION ALL"
		" SELECT i.view::oid FROM _cq.input i WHERE i.stream = n.relation) x (relation)"
		" JOIN pg_catalog.pg_class r ON r.oid = x.relation WHERE " MAY_SEE ")");
	return (Datum) 0;
}

/* _cq.unheard(): of which a worker that is in trouble tells nothing. */
Datum
cq_stream_status_unheard(PG_FUNCTION_ARGS)
{
	list_for_user(fcinfo,
		"SELECT DISTINCT ON (r.oid) r.oid, w.trouble FROM _cq.worker_troubles() w, _cq.cursor c,"
		" LATERAL (SELECT c.stream::oid UNION ALL"
		" SELECT f.view::oid FROM _cq.follow f WHERE f.cursor_id = c.cursor_id) x (relation)"
		" JOIN pg_catalog.pg_class r ON r.oid = x.relation"
		" WHERE NOT EXISTS (SELECT FROM _cq.readings() h WHERE h.cursor_id = c.cursor_id)"
		" AND " MAY_SEE
		" ORDER BY r.oid, w.worker");
	return (Datum) 0;
}

/*
 * _cq.locked_views(): views that batches have to leave out, since somebody keeps a lock on them, on
 * what they are made of, or on a table that they read. What is over within a second does not count.
 */
Datum
cq_stream_status_locked(PG_FUNCTION_ARGS)
{
	list_for_user(fcinfo,
		"SELECT DISTINCT ON (r.oid) r.oid, pg_catalog.format('%s holds %s on %s',"
		" coalesce('process ' || l.pid, 'a prepared transaction'), l.mode, l.relation::regclass)"
		" FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_get_activity(NULL) a"
		" ON a.pid = l.pid,"
		" LATERAL (SELECT v.view::oid FROM _cq.view v WHERE v.view = l.relation UNION ALL"
		" SELECT p.view::oid FROM _cq.part p WHERE p.relation = l.relation UNION ALL"
		" SELECT p.view::oid FROM pg_catalog.pg_depend d"
		" JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid"
		" JOIN _cq.part p ON p.relation = w.ev_class AND p.role = 'definition'"
		" WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = l.relation"
		" AND d.classid = 'pg_catalog.pg_rewrite'::regclass"
		" AND l.mode = 'AccessExclusiveLock') x (view)"
		" JOIN pg_catalog.pg_class r ON r.oid = x.view"
		" WHERE l.locktype = 'relation' AND l.granted AND l.database ="
		" (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())"
		" AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',"
		" 'AccessExclusiveLock')"
		" AND (l.pid IS NULL OR (a.backend_type = 'client backend'"
		" AND a.xact_start < pg_catalog.clock_timestamp() - interval '1 s'))"
		" AND " MAY_SEE
		" ORDER BY r.oid, l.relation");
	return (Datum) 0;
}
