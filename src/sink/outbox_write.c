/*
 * outbox_write.c
 *		Rows into an outbox: see outbox_write.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "common/owner.h"
#include "executor/spi.h"
#include "nodes/makefuncs.h"
#include "sink/outbox_write.h"
#include "sink/sink.h"
#include "state/writer.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
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

struct CqOutboxWriter
{
	Oid			whose;
	CqWriter   *writer;
	int64		first_id;
	int64		next_id;
	MemoryContext context;		/* of a row */
};

List *
cq_outbox_columns(void)
{
	List	   *columns = NIL;

	for (int i = 0; i < OUTBOX_NATTS; i++)
		columns = lappend(columns, makeColumnDef(outbox_columns[i].name, outbox_columns[i].type, -1,
												 get_typcollation(outbox_columns[i].type)));
	return columns;
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
get_next_id(Oid whose, bool locks)
{
	static IdQuery look = {"SELECT next_id FROM _cq.outbox_end WHERE view = $1 AND $2 = 0",
						   SPI_OK_SELECT, NULL};
	static IdQuery lock = {"SELECT next_id FROM _cq.outbox_end WHERE view = $1 AND $2 = 0 "
						   "FOR UPDATE", SPI_OK_SELECT, NULL};
	int64		id = run_id_query(locks ? &lock : &look, whose, 0);

	if (id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the outbox of continuous view \"%s\" is not known", get_rel_name(whose)),
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

CqOutboxWriter *
cq_outbox_write_begin(Oid whose, Oid outbox, bool locks)
{
	CqOutboxWriter *writer = palloc0(sizeof(CqOutboxWriter));

	writer->whose = whose;
	writer->context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq outbox",
											ALLOCSET_DEFAULT_SIZES);
	writer->first_id = writer->next_id = get_next_id(whose, locks);
	writer->writer = cq_writer_open(outbox, NULL, NULL);
	if (!is_outbox(writer->writer))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the outbox of continuous view \"%s\" is gone, or was altered",
						get_rel_name(whose)),
				 errhint("CREATE OR REPLACE CONTINUOUS VIEW begins again.")));
	return writer;
}

void
cq_outbox_write_row(CqOutboxWriter *writer, const CqOutgoing *outgoing)
{
	TupleTableSlot *slot = cq_writer_next_slot(writer->writer);
	MemoryContext caller = MemoryContextSwitchTo(writer->context);

	slot->tts_isnull[OUTBOX_ID] = false;
	slot->tts_values[OUTBOX_ID] = Int64GetDatum(writer->next_id++);
	set_columns(outgoing, slot);
	MemoryContextSwitchTo(caller);
	cq_writer_append(writer->writer, slot, 0);
	MemoryContextReset(writer->context);
}

void
cq_outbox_write_end(CqOutboxWriter *writer)
{
	cq_writer_close(writer->writer);
	if (writer->next_id > writer->first_id)
		set_next_id(writer->whose, writer->next_id);
	MemoryContextDelete(writer->context);
}
