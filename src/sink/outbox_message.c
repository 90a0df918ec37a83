/*
 * outbox_message.c
 *		Changes of a view as messages of a topic: see outbox_encoder.h.
 *
 * The stream's mode says what a message is:
 *		append		the row, for views whose rows are added and stay
 *		upsert		key: what the view is grouped by; value: its row now, none where it is gone
 *		debezium	key: the same, or none where nothing tells the view's rows apart; value: the row
 *					before and after
 * The key is a JSON object, unless the stream has a column for it (metadata 'key').
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/stream.h"
#include "common/clock.h"
#include "executor/executor.h"
#include "sink/constraint.h"
#include "sink/outbox_encoder.h"
#include "stream/outgoing.h"
#include "stream/reader_state.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

typedef struct MessageEncoder
{
	CqOutboxEncoder pub;
	CqStream   *stream;
	CqOutgoingRows *rows;
	CqEncoder  *key_encoder;	/* NULL: no key, or one that the rows themselves have */
	CqConstraints *constraints; /* NULL: there are none */
} MessageEncoder;

/* ---- what goes there ---- */

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
		cq_outbox_misfit("a column that the view is grouped by is not part of the value in the "
						 "sink %s", stream->name,
						 "The key is made of these columns. Give the sink one more column with "
						 "the option metadata 'key', and fill it in the view.");
	if (nkeys > 0 && format != &cq_json_format)
		cq_outbox_misfit("the sink %s has no columns for the key", stream->name,
						 "Give it columns with the option key, for the fields of the key, and "
						 "fill them in the view.");
	return nkeys > 0 ? format->encoder_open(cq_reader_format_options(stream), described, nkeys) :
		NULL;
}

static void
check_mode(const CqSinkTarget *target, const CqStream *stream, bool has_key)
{
	if (stream->mode == CQ_MODE_APPEND && !target->is_append_only)
		cq_outbox_misfit("rows of the view change, and the sink %s takes only rows that are added",
						 stream->name,
						 "Set the sink's option mode to upsert or debezium. Rows that are only "
						 "added are those of closed windows that are not amended.");
	if (stream->mode == CQ_MODE_UPSERT && !has_key && target->is_append_only)
		cq_outbox_misfit("rows of the view have no key, and the sink %s takes rows by their key",
						 stream->name,
						 "Give the sink a column with the option metadata 'key', or set its option "
						 "mode to append.");
	if (stream->mode == CQ_MODE_UPSERT && !has_key)
		cq_reject_raise(target->no_key, target->query_text);
}

/* ---- messages ---- */

static void
encode_row(const MessageEncoder *encoder, CqEncoder *fields, TupleTableSlot *row, StringInfo out)
{
	if (row == NULL)
		appendStringInfoString(out, "null");
	else
		encoder->rows->format->encode(fields, row->tts_values, row->tts_isnull, out);
}

/* What Debezium calls the envelope. */
static void
encode_change(const MessageEncoder *encoder, TupleTableSlot *before, TupleTableSlot *after,
			  StringInfo out)
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
	encoder->rows->format->encode_change(encoder->rows->encoder, &change, out);
}

static void
set_key(const MessageEncoder *encoder, TupleTableSlot *row, CqMessage *message)
{
	StringInfoData key;

	initStringInfo(&key);
	if (encoder->key_encoder != NULL)
		encode_row(encoder, encoder->key_encoder, row, &key);
	else if (encoder->stream->mode == CQ_MODE_UPSERT && message->key == NULL)
		appendStringInfoString(&key, "{}");		/* the only row that there is */
	else
		return;
	message->key = key.data;
	message->key_length = key.len;
}

static void
set_value(const MessageEncoder *encoder, TupleTableSlot *before, TupleTableSlot *after,
		  CqMessage *message)
{
	StringInfoData value;

	initStringInfo(&value);
	if (encoder->stream->mode == CQ_MODE_DEBEZIUM)
		encode_change(encoder, before, after, &value);
	else if (after != NULL)
		encode_row(encoder, encoder->rows->encoder, after, &value);
	message->value = value.len > 0 ? value.data : NULL;
	message->value_length = value.len;
}

static bool
encode_message(CqOutboxEncoder *self, TupleTableSlot *before, TupleTableSlot *after,
			   CqOutgoing *outgoing)
{
	MessageEncoder *encoder = (MessageEncoder *) self;

	if (after != NULL)
		cq_constraint_hold(encoder->constraints, after);
	cq_outgoing_describe(encoder->rows, after ? after : before, outgoing);
	set_key(encoder, after ? after : before, &outgoing->message);
	set_value(encoder, before, after, &outgoing->message);
	return true;
}

CqOutboxEncoder *
cq_outbox_message_open(const CqSinkTarget *target)
{
	MessageEncoder *encoder = palloc0(sizeof(MessageEncoder));
	Relation	sink = table_open(target->sink, AccessShareLock);
	TupleDesc	columns = CreateTupleDescCopyConstr(RelationGetDescr(sink));
	CqStream   *stream;
	bool		has_key;

	table_close(sink, NoLock);
	encoder->pub.encode = encode_message;
	encoder->pub.columns = columns;
	encoder->stream = stream = cq_stream_get(target->sink, target->owner);
	encoder->rows = cq_outgoing_open_sink(stream, columns);
	encoder->pub.map = cq_mapping_map(target->sink, columns, target->row);
	if (list_length(stream->topics) > 1 && !has_column(stream, encoder->pub.map, CQ_COLUMN_TOPIC))
		cq_outbox_misfit("the sink %s has several topics, and the view does not say which",
						 stream->name, "A column with the option metadata 'topic' says it.");
	has_key = has_column(stream, encoder->pub.map, CQ_COLUMN_KEY) ||
		has_column(stream, encoder->pub.map, CQ_COLUMN_KEY_FIELD);
	if (!has_key && stream->mode != CQ_MODE_APPEND)
		encoder->key_encoder = open_key_encoder(stream, encoder->rows->format, columns,
												encoder->pub.map, target->key);
	check_mode(target, stream, has_key || target->no_key == NULL);
	encoder->constraints = cq_constraint_open(stream, columns);
	return &encoder->pub;
}
