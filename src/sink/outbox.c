/*
 * outbox.c
 *		Changes of a view on their way out of the database: encoded (outbox_encoder.h), and kept
 *		in a table until they are sent.
 *
 *		changes ──► message, or request ──► outbox, in the transaction of the changes ─ ─ ─► emitter
 *
 * A row of the outbox has an id. Ids are given in the order of commits, without a gap: whoever
 * writes here holds the lock of the view to the end of the transaction. What is to be sent next is
 * therefore whatever comes behind the last id that was sent (emitter_send.c).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "catalog/destination.h"
#include "catalog/query.h"
#include "common/owner.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "sink/outbox_encoder.h"
#include "state/writer.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

/* The columns of an outbox, as they are written. */
enum
{
	OUTBOX_ID,
	OUTBOX_TOPIC,
	OUTBOX_PARTITION,
	OUTBOX_TIMESTAMP,
	OUTBOX_KEY,
	OUTBOX_VALUE,
	OUTBOX_HEADERS,
	OUTBOX_NATTS
};

static const struct
{
	const char *name;
	Oid			type;
}			outbox_columns[OUTBOX_NATTS] = {
	{"id", INT8OID},
	{"topic", TEXTOID},
	{"partition", INT4OID},
	{"timestamp", TIMESTAMPTZOID},
	{"key", BYTEAOID},
	{"value", BYTEAOID},
	{"headers", JSONBOID},
};

typedef struct Outbox
{
	CqChangeReceiver pub;
	const CqSinkTarget *target;
	CqOutboxEncoder *encoder;
	TupleTableSlot *before;		/* rows of the sink */
	TupleTableSlot *after;
	CqWriter   *writer;
	int64		first_id;
	int64		next_id;
	MemoryContext row_context;
} Outbox;

List *
cq_outbox_columns(void)
{
	List	   *columns = NIL;

	for (int i = 0; i < OUTBOX_NATTS; i++)
		columns = lappend(columns, makeColumnDef(outbox_columns[i].name, outbox_columns[i].type, -1,
												 get_typcollation(outbox_columns[i].type)));
	return columns;
}

/* ---- what goes there ---- */

void
cq_outbox_misfit(const char *message, const char *name, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg(message, name),
			 errhint("%s", hint)));
}

static CqOutboxEncoder *
open_encoder(const CqSinkTarget *target)
{
	AclResult	result = pg_class_aclcheck(target->sink, target->owner, ACL_INSERT);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_FOREIGN_TABLE, get_rel_name(target->sink));
	return cq_destination_is(target->sink) ? cq_outbox_request_open(target) :
		cq_outbox_message_open(target);
}

void
cq_outbox_check(const CqSinkTarget *target)
{
	(void) open_encoder(target);
	if (cq_destination_is(target->sink))
		cq_outbox_request_check(target);
}

/* ---- ids ---- */

/* Of the catalog, run with each batch: kept once they are prepared. */
typedef struct IdQuery
{
	const char *statement;
	int			expected;
	SPIPlanPtr	plan;
} IdQuery;

/* The first column of its first row, or 0. */
static int64
run_id_query(IdQuery *query, Oid view, int64 id)
{
	Oid			types[] = {OIDOID, INT8OID};
	Datum		args[] = {ObjectIdGetDatum(view), Int64GetDatum(id)};
	bool		is_null = true;
	Datum		result = (Datum) 0;
	CqActor		actor;

	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_run(&query->plan, query->statement, lengthof(types), types, args, query->expected);
	if (query->expected == SPI_OK_SELECT && SPI_processed > 0)
		result = cq_query_column(0, 1, &is_null);
	SPI_finish();
	cq_owner_end(&actor);
	return is_null ? 0 : DatumGetInt64(result);
}

static int64
get_next_id(Oid view)
{
	static IdQuery query = {"SELECT next_id FROM _cq.outbox_end WHERE view = $1 AND $2 = 0",
							SPI_OK_SELECT, NULL};
	int64		id = run_id_query(&query, view, 0);

	if (id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the outbox of continuous view \"%s\" is not known", get_rel_name(view)),
				 errhint("CREATE OR REPLACE CONTINUOUS VIEW begins again.")));
	return id;
}

static void
set_next_id(Oid view, int64 id)
{
	static IdQuery query = {"UPDATE _cq.outbox_end SET next_id = $2 WHERE view = $1", SPI_OK_UPDATE,
							NULL};

	(void) run_id_query(&query, view, id);
}

int64
cq_outbox_pending(Oid view)
{
	static IdQuery query = {
		"SELECT e.next_id - 1 - s.sent_id FROM _cq.outbox_end e JOIN _cq.sink s USING (view) WHERE "
		"e.view = $1 AND $2 = 0",
		SPI_OK_SELECT, NULL
	};

	return run_id_query(&query, view, 0);
}

/* ---- rows ---- */

/* In a bytea, which is laid out as a text. */
static void
set_bytes(TupleTableSlot *slot, int column, const void *bytes, Size length)
{
	slot->tts_isnull[column] = bytes == NULL;
	slot->tts_values[column] = bytes ? PointerGetDatum(cstring_to_text_with_len(bytes, length)) :
		(Datum) 0;
}

static void
set_columns(const CqOutgoing *outgoing, TupleTableSlot *slot)
{
	slot->tts_isnull[OUTBOX_TOPIC] = outgoing->topic == NULL;
	slot->tts_values[OUTBOX_TOPIC] = outgoing->topic ? CStringGetTextDatum(outgoing->topic) :
		(Datum) 0;
	slot->tts_isnull[OUTBOX_PARTITION] = outgoing->partition < 0;
	slot->tts_values[OUTBOX_PARTITION] = Int32GetDatum(outgoing->partition);
	slot->tts_isnull[OUTBOX_TIMESTAMP] = outgoing->message.timestamp == DT_NOBEGIN;
	slot->tts_values[OUTBOX_TIMESTAMP] = TimestampTzGetDatum(outgoing->message.timestamp);
	slot->tts_isnull[OUTBOX_HEADERS] = !outgoing->has_headers;
	slot->tts_values[OUTBOX_HEADERS] = outgoing->headers;
	set_bytes(slot, OUTBOX_KEY, outgoing->message.key, outgoing->message.key_length);
	set_bytes(slot, OUTBOX_VALUE, outgoing->message.value, outgoing->message.value_length);
}

static void
put_into_outbox(CqChangeReceiver *self, TupleTableSlot *row_before, TupleTableSlot *row_after)
{
	Outbox	   *outbox = (Outbox *) self;
	CqOutboxEncoder *encoder = outbox->encoder;
	TupleTableSlot *before = row_before ? outbox->before : NULL;
	TupleTableSlot *after = row_after ? outbox->after : NULL;
	TupleTableSlot *slot = cq_writer_next_slot(outbox->writer);
	MemoryContext caller = MemoryContextSwitchTo(outbox->row_context);
	CqOutgoing	outgoing;
	bool		is_to_go;

	if (before != NULL)
		cq_mapping_map_row(encoder->map, row_before, before);
	if (after != NULL)
		cq_mapping_map_row(encoder->map, row_after, after);
	is_to_go = encoder->encode(encoder, before, after, &outgoing);
	if (is_to_go)
	{
		slot->tts_isnull[OUTBOX_ID] = false;
		slot->tts_values[OUTBOX_ID] = Int64GetDatum(outbox->next_id++);
		set_columns(&outgoing, slot);
	}
	MemoryContextSwitchTo(caller);
	if (is_to_go)
		cq_writer_append(outbox->writer, slot, 0);
	MemoryContextReset(outbox->row_context);
}

static void
finish_outbox(CqChangeReceiver *self)
{
	Outbox	   *outbox = (Outbox *) self;

	cq_writer_close(outbox->writer);
	if (outbox->next_id > outbox->first_id)
		set_next_id(outbox->target->view, outbox->next_id);
	ExecDropSingleTupleTableSlot(outbox->before);
	ExecDropSingleTupleTableSlot(outbox->after);
	MemoryContextDelete(outbox->row_context);
}

/* The table is its owner's to alter, and what is written there is taken for what it was made of. */
static bool
is_outbox(const CqWriter *writer)
{
	TupleDesc	columns;

	if (writer == NULL)
		return false;
	columns = RelationGetDescr(cq_writer_relation(writer));
	if (columns->natts != OUTBOX_NATTS)
		return false;
	for (int i = 0; i < OUTBOX_NATTS; i++)
	{
		if (TupleDescAttr(columns, i)->attisdropped ||
			TupleDescAttr(columns, i)->atttypid != outbox_columns[i].type)
			return false;
	}
	return true;
}

CqChangeReceiver *
cq_outbox_open(const CqSinkTarget *target)
{
	Outbox	   *outbox = palloc0(sizeof(Outbox));

	outbox->target = target;
	outbox->encoder = open_encoder(target);
	outbox->before = MakeSingleTupleTableSlot(outbox->encoder->columns, &TTSOpsVirtual);
	outbox->after = MakeSingleTupleTableSlot(outbox->encoder->columns, &TTSOpsVirtual);
	outbox->pub.take = put_into_outbox;
	outbox->pub.finish = finish_outbox;
	outbox->row_context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq outbox",
												ALLOCSET_DEFAULT_SIZES);
	outbox->first_id = outbox->next_id = get_next_id(target->view);
	outbox->writer = cq_writer_open(target->outbox, NULL, NULL);
	if (!is_outbox(outbox->writer))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the outbox of continuous view \"%s\" is gone, or was altered",
						get_rel_name(target->view)),
				 errhint("CREATE OR REPLACE CONTINUOUS VIEW begins again.")));
	return &outbox->pub;
}
