/*
 * outbox_read.c
 *		The outbox of a view, as the emitter works with it: see outbox_read.h.
 *
 * Ids are given in the order of commits, under the view's lock, so whoever sees one sees all before
 * it: to read on behind the last one misses nothing. The lower bounds of what is read and deleted
 * keep the index scans from walking over what was deleted before and is not vacuumed yet.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "common/name.h"
#include "common/owner.h"
#include "executor/spi.h"
#include "sink/outbox_read.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* What is read of an outbox, in this order. */
enum
{
	OUTBOX_ID = 1,
	OUTBOX_TOPIC,
	OUTBOX_PARTITION,
	OUTBOX_TIMESTAMP,
	OUTBOX_KEY,
	OUTBOX_VALUE,
	OUTBOX_HEADERS,
	OUTBOX_NATTS = OUTBOX_HEADERS
};

static const Oid outbox_types[] = {INT8OID, TEXTOID, INT4OID, TIMESTAMPTZOID, BYTEAOID, BYTEAOID,
								   JSONBOID};

static char *
outbox_name(const CqViewSink *sink)
{
	char	   *name = get_rel_name(sink->outbox);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the outbox of view \"%s\" was dropped", get_rel_name(sink->view) ?
						get_rel_name(sink->view) : "?")));
	return cq_name_qualified(sink->outbox);
}

static void
begin_owner(CqActor *actor, const CqViewSink *sink)
{
	cq_owner_begin_user(actor, cq_owner_of_relation(sink->view));
	SPI_connect();
}

static void
end_owner(CqActor *actor)
{
	SPI_finish();
	cq_owner_end(actor);
}

/* ---- reading ---- */

static void
check_columns(const CqViewSink *sink, TupleDesc descriptor)
{
	for (int i = 0; i < OUTBOX_NATTS; i++)
	{
		if (TupleDescAttr(descriptor, i)->atttypid != outbox_types[i])
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of outbox %s was altered",
							NameStr(TupleDescAttr(descriptor, i)->attname),
							outbox_name(sink))));
	}
}

/* A value's bytes, in the context of what is read; NULL for null. */
static const char *
take_bytes(HeapTuple row, int column, MemoryContext context, uint32 *length)
{
	bool		isnull;
	Datum		value = SPI_getbinval(row, SPI_tuptable->tupdesc, column, &isnull);
	struct varlena *bytes;
	char	   *copy;

	*length = 0;
	if (isnull)
		return NULL;
	bytes = PG_DETOAST_DATUM_PACKED(value);
	*length = VARSIZE_ANY_EXHDR(bytes);
	copy = MemoryContextAlloc(context, *length + 1);
	memcpy(copy, VARDATA_ANY(bytes), *length);
	copy[*length] = '\0';
	return copy;
}

static void
take_row(HeapTuple row, MemoryContext context, CqOutgoing *outgoing)
{
	TupleDesc	descriptor = SPI_tuptable->tupdesc;
	CqMessage  *message = &outgoing->message;
	uint32		topic_length;
	bool		isnull;
	Datum		value;

	memset(outgoing, 0, sizeof(CqOutgoing));
	message->offset = DatumGetInt64(SPI_getbinval(row, descriptor, OUTBOX_ID, &isnull));
	outgoing->topic = take_bytes(row, OUTBOX_TOPIC, context, &topic_length);
	value = SPI_getbinval(row, descriptor, OUTBOX_PARTITION, &isnull);
	outgoing->partition = isnull ? -1 : DatumGetInt32(value);
	value = SPI_getbinval(row, descriptor, OUTBOX_TIMESTAMP, &isnull);
	message->timestamp = isnull ? DT_NOBEGIN : DatumGetTimestampTz(value);
	message->key = take_bytes(row, OUTBOX_KEY, context, &message->key_length);
	message->value = take_bytes(row, OUTBOX_VALUE, context, &message->value_length);
	value = SPI_getbinval(row, descriptor, OUTBOX_HEADERS, &isnull);
	outgoing->has_headers = !isnull;
	if (!isnull)
	{
		MemoryContext caller = MemoryContextSwitchTo(context);

		outgoing->headers = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
		MemoryContextSwitchTo(caller);
	}
}

/* Large values are fetched row by row, so that no more than max_bytes and one row are in memory. */
static void
take_rows(MemoryContext context, int64 max_bytes, CqOutboxRows *rows)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "cq outbox row",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(scratch);

	rows->rows = MemoryContextAllocHuge(context, sizeof(CqOutgoing) * Max(SPI_processed, 1));
	for (uint64 i = 0; i < SPI_processed && rows->nbytes < max_bytes; i++)
	{
		CqOutgoing *row = &rows->rows[rows->nrows++];

		take_row(SPI_tuptable->vals[i], context, row);
		rows->nbytes += row->message.key_length + row->message.value_length;
		rows->last_id = row->message.offset;
		MemoryContextReset(scratch);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
}

void
cq_outbox_read(const CqViewSink *sink, int64 after, uint64 max_rows, int64 max_bytes,
			   CqOutboxRows *rows)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			types[] = {INT8OID, INT8OID};
	Datum		args[] = {Int64GetDatum(after), Int64GetDatum((int64) max_rows)};
	CqActor		actor;

	memset(rows, 0, sizeof(CqOutboxRows));
	rows->last_id = rows->after = after;
	begin_owner(&actor, sink);
	cq_query_execute(psprintf("SELECT id, topic, partition, \"timestamp\", key, value, headers "
							  "FROM %s"
							  " WHERE id OPERATOR(pg_catalog.>) $1 ORDER BY id LIMIT $2",
							  outbox_name(sink)),
					 SPI_OK_SELECT, lengthof(types), types, args, NULL);
	check_columns(sink, SPI_tuptable->tupdesc);
	take_rows(context, max_bytes, rows);
	rows->has_more = SPI_processed == max_rows || rows->nrows < SPI_processed;
	end_owner(&actor);
}

void
cq_outbox_read_delete(const CqViewSink *sink, int64 after, int64 through)
{
	Oid			types[] = {INT8OID, INT8OID};
	Datum		args[] = {Int64GetDatum(after), Int64GetDatum(through)};
	CqActor		actor;

	begin_owner(&actor, sink);
	cq_query_execute(psprintf("DELETE FROM %s WHERE id OPERATOR(pg_catalog.>) $1 AND id "
							  "OPERATOR(pg_catalog.<=) $2", outbox_name(sink)),
					 SPI_OK_DELETE, lengthof(types), types, args, NULL);
	end_owner(&actor);
}

/* ---- progress ---- */

static void
execute_on_catalog(const char *statement, int expected, int nargs, Oid *types, Datum *args,
				   const char *nulls)
{
	CqActor		actor;

	cq_owner_begin_catalog(&actor);
	cq_query_execute(statement, expected, nargs, types, args, nulls);
	cq_owner_end(&actor);
}

bool
cq_outbox_read_lock_progress(CqViewSink *sink)
{
	Oid			types[] = {OIDOID, INT8OID};
	Datum		args[] = {ObjectIdGetDatum(sink->view), Int64GetDatum(sink->epoch)};
	bool		is_there;
	bool		isnull;

	SPI_connect();
	execute_on_catalog("SELECT sent_id, sending_id FROM _cq.sink WHERE view = $1 AND epoch = $2 "
					   "AND status = 'running' FOR UPDATE",
					   SPI_OK_SELECT, lengthof(types), types, args, NULL);
	is_there = SPI_processed == 1;
	if (is_there)
	{
		sink->sent_id = DatumGetInt64(cq_query_column(0, 1, &isnull));
		sink->sending_id = DatumGetInt64(cq_query_column(0, 2, &isnull));
	}
	SPI_finish();
	return is_there;
}

void
cq_outbox_read_write_progress(const CqViewSink *sink)
{
	Oid			types[] = {OIDOID, INT8OID, INT8OID};
	Datum		args[] = {ObjectIdGetDatum(sink->view), Int64GetDatum(sink->sent_id),
						  Int64GetDatum(sink->sending_id)};

	SPI_connect();
	execute_on_catalog("UPDATE _cq.sink SET sent_id = $2, sending_id = $3 WHERE view = $1",
					   SPI_OK_UPDATE,
					   lengthof(types), types, args, NULL);
	SPI_finish();
}

void
cq_outbox_read_write_failure(const CqViewSink *sink, const char *detail, int64 arrived_id)
{
	Oid			types[] = {OIDOID, TEXTOID, INT8OID};
	Datum		args[] = {ObjectIdGetDatum(sink->view), CStringGetTextDatum(detail),
						  Int64GetDatum(arrived_id)};

	SPI_connect();
	execute_on_catalog("UPDATE _cq.sink SET status = 'failed', detail = $2, kafka_id = nullif($3, "
					   "-1) WHERE view = $1", SPI_OK_UPDATE,
					   lengthof(types), types, args, NULL);
	SPI_finish();
}

void
cq_outbox_read_ends(void (*tell) (Oid view, int64 end_id, void *arg), void *arg)
{
	bool		isnull;

	SPI_connect();
	execute_on_catalog("SELECT view, next_id - 1 FROM _cq.outbox_end", SPI_OK_SELECT, 0, NULL, NULL,
					   NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
		tell(DatumGetObjectId(cq_query_column(i, 1, &isnull)),
			 DatumGetInt64(cq_query_column(i, 2, &isnull)), arg);
	SPI_finish();
}
