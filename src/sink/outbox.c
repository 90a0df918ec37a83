/*
 * outbox.c
 *		Changes of a view on their way to a topic: encoded, and kept in a table until they are sent.
 *
 *		changes ──► message (key, value) ──► outbox, in the transaction of the changes ─ ─ ─► emitter ──► topic
 *
 * A row of the outbox has an id. Ids are given in the order of commits, without a gap: whoever
 * writes here holds the lock of the view to the end of the transaction. What is to be sent next is
 * therefore whatever comes behind the last id that was sent (emitter_send.c).
 *
 * The stream's mode says what a message is:
 *		append		the row, for views whose rows are added and stay
 *		upsert		key: what the view is grouped by; value: its row now, none where it is gone
 *		debezium	key: the same, or none where nothing tells the view's rows apart; value: the row
 *					before and after
 * The key is a JSON object, unless the stream has a column for it (metadata 'key').
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/stream.h"
#include "common/clock.h"
#include "common/owner.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "sink/sink.h"
#include "state/writer.h"
#include "stream/outgoing.h"
#include "stream/reader_state.h"
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
	CqStream   *stream;
	CqOutgoingRows *rows;
	CqEncoder  *key_encoder;	/* NULL: no key, or one that the rows themselves have */
	int		   *map;
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

/* Not the rows' fault, but that of how view and sink are made. */
static void
misfit(const char *message, const char *name, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg(message, name),
			 errhint("%s", hint)));
}

/* Does the stream have a column for this, that the view fills? */
static bool
has_column(const CqStream *stream, const int *map, CqColumnOrigin origin)
{
	for (int i = 0; i < stream->ncolumns; i++)
	{
		if (stream->columns[i].origin == origin && map[stream->columns[i].attno - 1] != 0)
			return true;
	}
	return false;
}

/*
 * Of the value's columns that the view is grouped by: all of them, or none of its rows could be
 * told from another. NULL where there are none.
 */
static CqEncoder *
open_key_encoder(const CqStream *stream, const CqFormat *format, TupleDesc columns, const int *map,
				 const Bitmapset *key)
{
	CqColumn   *described = cq_reader_columns(stream, columns);
	int			nkeys = 0;

	for (int i = 0; i < stream->ncolumns; i++)
	{
		int			source = map[stream->columns[i].attno - 1];

		if (stream->columns[i].origin == CQ_COLUMN_VALUE && bms_is_member(source, key))
			described[nkeys++] = described[i];
	}
	if (nkeys < bms_num_members(key))
		misfit("a column that the view is grouped by is not part of the value in the sink %s",
			   stream->name,
			   "The key is made of these columns. Give the sink one more column with the option "
			   "metadata 'key', and fill it in the view.");
	if (nkeys > 0 && format != &cq_json_format)
		misfit("the sink %s has no columns for the key", stream->name,
			   "Give it columns with the option key, for the fields of the key, and fill them in "
			   "the view.");
	return nkeys > 0 ? format->encoder_open(cq_reader_format_options(stream), described, nkeys) :
		NULL;
}

static void
check_mode(const CqSinkTarget *target, const CqStream *stream, bool has_key)
{
	if (stream->mode == CQ_MODE_APPEND && !target->is_append_only)
		misfit("rows of the view change, and the sink %s takes only rows that are added",
			   stream->name,
			   "Set the sink's option mode to upsert or debezium. Rows that are only added are "
			   "those of closed windows that are not amended.");
	if (stream->mode == CQ_MODE_UPSERT && !has_key && target->is_append_only)
		misfit("rows of the view have no key, and the sink %s takes rows by their key",
			   stream->name,
			   "Give the sink a column with the option metadata 'key', or set its option mode to "
			   "append.");
	if (stream->mode == CQ_MODE_UPSERT && !has_key)
		cq_reject_raise(target->no_key, target->query_text);
}

static Outbox *
prepare_outbox(const CqSinkTarget *target)
{
	Outbox	   *outbox = palloc0(sizeof(Outbox));
	Relation	sink = table_open(target->sink, AccessShareLock);
	TupleDesc	columns = CreateTupleDescCopyConstr(RelationGetDescr(sink));
	AclResult	result = pg_class_aclcheck(target->sink, target->owner, ACL_INSERT);
	bool		has_key;

	table_close(sink, NoLock);
	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_FOREIGN_TABLE, get_rel_name(target->sink));
	outbox->target = target;
	outbox->stream = cq_stream_get(target->sink, target->owner);
	outbox->rows = cq_outgoing_open_sink(outbox->stream, columns);
	outbox->map = cq_mapping_map(target->sink, columns, target->row);
	if (list_length(outbox->stream->topics) > 1 && !has_column(outbox->stream, outbox->map,
															   CQ_COLUMN_TOPIC))
		misfit("the sink %s has several topics, and the view does not say which",
			   outbox->stream->name,
			   "A column with the option metadata 'topic' says it.");
	has_key = has_column(outbox->stream, outbox->map, CQ_COLUMN_KEY) ||
		has_column(outbox->stream, outbox->map, CQ_COLUMN_KEY_FIELD);
	if (!has_key && outbox->stream->mode != CQ_MODE_APPEND)
		outbox->key_encoder = open_key_encoder(outbox->stream, outbox->rows->format, columns,
											   outbox->map, target->key);
	check_mode(target, outbox->stream, has_key || target->no_key == NULL);
	outbox->before = MakeSingleTupleTableSlot(columns, &TTSOpsVirtual);
	outbox->after = MakeSingleTupleTableSlot(columns, &TTSOpsVirtual);
	return outbox;
}

void
cq_outbox_check(const CqSinkTarget *target)
{
	Outbox	   *outbox = prepare_outbox(target);

	ExecDropSingleTupleTableSlot(outbox->before);
	ExecDropSingleTupleTableSlot(outbox->after);
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

/* ---- messages ---- */

/* In a bytea, which is laid out as a text. */
static void
set_bytes(TupleTableSlot *slot, int column, const void *bytes, Size length)
{
	slot->tts_isnull[column] = bytes == NULL;
	slot->tts_values[column] = bytes ? PointerGetDatum(cstring_to_text_with_len(bytes, length)) :
		(Datum) 0;
}

static void
encode(const Outbox *outbox, CqEncoder *encoder, TupleTableSlot *row, StringInfo out)
{
	if (row == NULL)
		appendStringInfoString(out, "null");
	else
		outbox->rows->format->encode(encoder, row->tts_values, row->tts_isnull, out);
}

/* What Debezium calls the envelope. */
static void
encode_change(const Outbox *outbox, TupleTableSlot *before, TupleTableSlot *after, StringInfo out)
{
	CqChange	change = {
		.milliseconds = (cq_clock_now() + (POSTGRES_EPOCH_JDATE -
										   UNIX_EPOCH_JDATE) * USECS_PER_DAY) / 1000
	};

	if (before != NULL)
	{
		slot_getallattrs(before);
		change.before = before->tts_values;
		change.before_nulls = before->tts_isnull;
	}
	if (after != NULL)
	{
		slot_getallattrs(after);
		change.after = after->tts_values;
		change.after_nulls = after->tts_isnull;
	}
	outbox->rows->format->encode_change(outbox->rows->encoder, &change, out);
}

static void
set_key(const Outbox *outbox, TupleTableSlot *row, const CqOutgoing *outgoing, TupleTableSlot *slot)
{
	StringInfoData key;

	if (outbox->key_encoder == NULL)
	{
		bool		is_only_row = outbox->stream->mode == CQ_MODE_UPSERT &&
			outgoing->message.key == NULL;

		if (is_only_row)
			set_bytes(slot, OUTBOX_KEY, "{}", 2);
		else
			set_bytes(slot, OUTBOX_KEY, outgoing->message.key, outgoing->message.key_length);
		return;
	}
	initStringInfo(&key);
	encode(outbox, outbox->key_encoder, row, &key);
	set_bytes(slot, OUTBOX_KEY, key.data, key.len);
}

static void
set_value(const Outbox *outbox, TupleTableSlot *before, TupleTableSlot *after, TupleTableSlot *slot)
{
	StringInfoData value;

	initStringInfo(&value);
	if (outbox->stream->mode == CQ_MODE_DEBEZIUM)
		encode_change(outbox, before, after, &value);
	else if (after != NULL)
		encode(outbox, outbox->rows->encoder, after, &value);
	set_bytes(slot, OUTBOX_VALUE, value.len > 0 ? value.data : NULL, value.len);
}

static void
set_place(const CqOutgoing *outgoing, TupleTableSlot *slot)
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
}

static void
put_into_outbox(CqChangeReceiver *self, TupleTableSlot *row_before, TupleTableSlot *row_after)
{
	Outbox	   *outbox = (Outbox *) self;
	TupleTableSlot *before = row_before ? outbox->before : NULL;
	TupleTableSlot *after = row_after ? outbox->after : NULL;
	TupleTableSlot *slot = cq_writer_next_slot(outbox->writer);
	MemoryContext caller = MemoryContextSwitchTo(outbox->row_context);
	CqOutgoing	outgoing;

	if (before != NULL)
		cq_mapping_map_row(outbox->map, row_before, before);
	if (after != NULL)
		cq_mapping_map_row(outbox->map, row_after, after);
	cq_outgoing_describe(outbox->rows, after ? after : before, &outgoing);
	slot->tts_isnull[OUTBOX_ID] = false;
	slot->tts_values[OUTBOX_ID] = Int64GetDatum(outbox->next_id++);
	set_place(&outgoing, slot);
	set_key(outbox, after ? after : before, &outgoing, slot);
	set_value(outbox, before, after, slot);
	MemoryContextSwitchTo(caller);
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
	Outbox	   *outbox = prepare_outbox(target);

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
