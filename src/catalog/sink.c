/*
 * sink.c
 *		Rows of _cq.sink and _cq.outbox_end: see sink.h.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/sink.h"
#include "common/owner.h"
#include "common/version.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* Columns of _cq.sink, as in schema/catalog.sql. */
enum
{
	SINK_VIEW = 1,
	SINK_SINK,
	SINK_OUTBOX,
	SINK_EPOCH,
	SINK_SENT_ID,
	SINK_SENDING_ID,
	SINK_STATUS,
	SINK_DETAIL,
	SINK_KAFKA_ID,
	SINK_NATTS = SINK_KAFKA_ID
};

static CqViewSink *
read_row(HeapTuple tuple, TupleDesc descriptor)
{
	Datum		values[SINK_NATTS];
	bool		nulls[SINK_NATTS];
	CqViewSink *sink = palloc0(sizeof(CqViewSink));

	cq_version_deform(tuple, descriptor, SINK_NATTS, values, nulls);
	sink->view = DatumGetObjectId(values[SINK_VIEW - 1]);
	sink->sink = DatumGetObjectId(values[SINK_SINK - 1]);
	sink->outbox = DatumGetObjectId(values[SINK_OUTBOX - 1]);
	sink->epoch = DatumGetInt64(values[SINK_EPOCH - 1]);
	sink->sent_id = DatumGetInt64(values[SINK_SENT_ID - 1]);
	sink->sending_id = DatumGetInt64(values[SINK_SENDING_ID - 1]);
	sink->has_failed = strcmp(TextDatumGetCString(values[SINK_STATUS - 1]), "failed") == 0;
	return sink;
}

static List *
read_rows(int most)
{
	Oid			schema = get_namespace_oid("_cq", true);
	Oid			relid = OidIsValid(schema) ? get_relname_relid("sink", schema) : InvalidOid;
	List	   *sinks = NIL;
	Relation	relation;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (!OidIsValid(relid))
		return NIL;
	cq_version_require();
	relation = table_open(relid, AccessShareLock);
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	while (list_length(sinks) < most && HeapTupleIsValid(tuple = systable_getnext(scan)))
		sinks = lappend(sinks, read_row(tuple, RelationGetDescr(relation)));
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return sinks;
}

bool
cq_sink_any(void)
{
	return read_rows(1) != NIL;
}

List *
cq_sink_list(void)
{
	return read_rows(PG_INT32_MAX);
}

int64
cq_sink_new_epoch(void)
{
	int64		epoch;

	if (!pg_strong_random(&epoch, sizeof(epoch)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random number")));
	return epoch;
}

static void
execute_on_sinks(const char *statement, int expected, int nargs, Oid *types, Datum *args)
{
	CqActor		actor;

	cq_version_require();
	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_execute(statement, expected, nargs, types, args, NULL);
	SPI_finish();
	cq_owner_end(&actor);
}

void
cq_sink_insert(Oid view, Oid sink, Oid outbox)
{
	Oid			types[] = {OIDOID, OIDOID, OIDOID, INT8OID};
	Datum		args[] = {ObjectIdGetDatum(view), ObjectIdGetDatum(sink), ObjectIdGetDatum(outbox),
						  Int64GetDatum(cq_sink_new_epoch())};

	execute_on_sinks("INSERT INTO _cq.outbox_end (view) VALUES ($1)", SPI_OK_INSERT, 1, types,
					 args);
	execute_on_sinks("INSERT INTO _cq.sink (view, sink, outbox, epoch) VALUES ($1, $2, $3, $4)",
					 SPI_OK_INSERT, lengthof(args), types, args);
}

void
cq_sink_forget(Oid view)
{
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view)};

	execute_on_sinks("DELETE FROM _cq.sink WHERE view OPERATOR(pg_catalog.=) $1",
					 SPI_OK_DELETE, 1, types, args);
	execute_on_sinks("DELETE FROM _cq.outbox_end WHERE view OPERATOR(pg_catalog.=) $1",
					 SPI_OK_DELETE, 1, types, args);
}
