/*
 * sink.c
 *		Rows of _cq.sink: see sink.h.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/sink.h"
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

	heap_deform_tuple(tuple, descriptor, values, nulls);
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
	relation = table_open(relid, AccessShareLock);
	if (RelationGetDescr(relation)->natts == SINK_NATTS)
	{
		scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
		while (list_length(sinks) < most && HeapTupleIsValid(tuple = systable_getnext(scan)))
			sinks = lappend(sinks, read_row(tuple, RelationGetDescr(relation)));
		systable_endscan(scan);
	}
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
