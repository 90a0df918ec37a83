/*
 * outgoing.c
 *		From a row of a stream to a message on its way out: see outgoing.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/topic_pattern.h"
#include "mb/pg_wchar.h"
#include "stream/outgoing.h"
#include "stream/reader_state.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static void
require_encoder(const CqStream *stream, const char *name, const CqFormat *format)
{
	if (format == NULL || format->encoder_open == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("stream %s cannot be written to: format \"%s\" has no encoder",
						stream->name, name)));
}

/* What else would be in the array is not known. */
static void
require_whole_arrays(const CqStream *stream)
{
	for (int i = 0; i < stream->ncolumns; i++)
	{
		if (stream->columns[i].items != NIL && !stream->columns[i].is_of_envelope)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("stream %s cannot be written to: column \"%s\" is an item of an array",
							stream->name, stream->columns[i].name)));
	}
}

static void
open_key(CqOutgoingRows *rows, CqColumn *columns, bool defers)
{
	const CqStream *stream = rows->stream;
	CqFormatOptions *options = cq_reader_key_options(stream);
	int			ncolumns = 0;

	rows->key_format = cq_format_find(stream->key_format);
	require_encoder(stream, stream->key_format, rows->key_format);
	for (int i = 0; i < stream->ncolumns; i++)
	{
		if (stream->columns[i].origin == CQ_COLUMN_KEY_FIELD)
			columns[ncolumns++] = columns[i];
	}
	options->defers = defers;
	rows->key_encoder = rows->key_format->encoder_open(options, columns, ncolumns);
}

static CqOutgoingRows *
open_rows(const CqStream *stream, TupleDesc descriptor, const CqFormatOptions *options)
{
	CqOutgoingRows *rows = palloc0(sizeof(CqOutgoingRows));
	CqColumn   *columns = cq_reader_columns(stream, descriptor);
	int			ncolumns = 0;

	rows->stream = stream;
	if (stream->topics != NIL && cq_topic_pattern_is(linitial(stream->topics)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("stream %s cannot be written to: its topics are those that match a pattern",
						stream->name),
				 errhint("Make a stream of the topic that is to be written to.")));
	rows->format = cq_format_find(stream->format);
	require_encoder(stream, stream->format, rows->format);
	require_whole_arrays(stream);
	for (int i = 0; i < stream->ncolumns; i++)
	{
		if (stream->columns[i].origin == CQ_COLUMN_VALUE && !stream->columns[i].is_of_envelope)
			columns[ncolumns++] = columns[i];
	}
	rows->encoder = rows->format->encoder_open(options, columns, ncolumns);
	initStringInfo(&rows->encoded);
	if (cq_stream_has_key_fields(stream))
		open_key(rows, cq_reader_columns(stream, descriptor), options->defers);
	return rows;
}

CqOutgoingRows *
cq_outgoing_open(const CqStream *stream, TupleDesc descriptor)
{
	return open_rows(stream, descriptor, cq_reader_format_options(stream));
}

CqOutgoingRows *
cq_outgoing_open_sink(const CqStream *stream, TupleDesc descriptor)
{
	return open_rows(stream, descriptor, cq_reader_sink_options(stream));
}

static const char *
choose_topic(const CqStream *stream, Datum value)
{
	char	   *topic = TextDatumGetCString(value);
	ListCell   *cell;

	foreach(cell, stream->topics)
	{
		if (strcmp(lfirst(cell), topic) == 0)
			return lfirst(cell);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("topic \"%s\" is not one of stream %s", topic, stream->name)));
}

/* A key's bytes: of text, in UTF-8. */
static void
set_key(CqMessage *message, Datum value, Oid type)
{
	struct varlena *packed = PG_DETOAST_DATUM_PACKED(value);

	message->key = VARDATA_ANY(packed);
	message->key_length = VARSIZE_ANY_EXHDR(packed);
	if (type == TEXTOID)
	{
		char	   *text = pg_server_to_any(message->key, message->key_length, PG_UTF8);

		if (text != message->key)
			message->key_length = strlen(text);
		message->key = text;
	}
}

static void
set_metadata(const CqStream *stream, const CqStreamColumn *column, Oid type, Datum value,
			 CqOutgoing *row)
{
	switch (column->origin)
	{
		case CQ_COLUMN_VALUE:
		case CQ_COLUMN_KEY_FIELD:
		case CQ_COLUMN_GENERATED:
			break;
		case CQ_COLUMN_TOPIC:
			if (stream->kind == CQ_STREAM_KAFKA)
				row->topic = choose_topic(stream, value);
			break;
		case CQ_COLUMN_PARTITION:
			row->partition = DatumGetInt32(value);
			break;
		case CQ_COLUMN_OFFSET:
			ereport(ERROR,
					(errcode(ERRCODE_GENERATED_ALWAYS),
					 errmsg("cannot insert a value into column \"%s\"", column->name),
					 errdetail("The offset of a message is given by where it is written to.")));
			break;
		case CQ_COLUMN_TIMESTAMP:
			row->message.timestamp = DatumGetTimestampTz(value);
			break;
		case CQ_COLUMN_KEY:
			set_key(&row->message, value, type);
			break;
		case CQ_COLUMN_HEADERS:
			row->headers = value;
			row->has_headers = true;
			break;
	}
}

/* Where all of its fields are null there is no key. */
static void
encode_key(const CqOutgoingRows *rows, TupleTableSlot *slot, CqMessage *message)
{
	const CqStream *stream = rows->stream;
	StringInfoData key;
	bool		is_null = true;

	for (int i = 0; i < stream->ncolumns; i++)
	{
		if (stream->columns[i].origin == CQ_COLUMN_KEY_FIELD)
			is_null &= slot->tts_isnull[stream->columns[i].attno - 1];
	}
	if (is_null)
		return;
	initStringInfo(&key);
	rows->key_format->encode(rows->key_encoder, slot->tts_values, slot->tts_isnull, &key);
	message->key = key.data;
	message->key_length = key.len;
}

bool
cq_outgoing_is_tombstone(const CqStream *stream, TupleTableSlot *slot)
{
	if (stream->mode == CQ_MODE_APPEND && stream->tombstone != CQ_TOMBSTONE_ROW)
		return false;
	if (stream->mode == CQ_MODE_DEBEZIUM)
		return false;
	slot_getallattrs(slot);
	for (int i = 0; i < stream->ncolumns; i++)
	{
		if (stream->columns[i].origin == CQ_COLUMN_VALUE &&
			!slot->tts_isnull[stream->columns[i].attno - 1])
			return false;
	}
	return true;
}

static void
set_value(CqOutgoingRows *rows, TupleTableSlot *slot, CqMessage *message)
{
	StringInfo	encoded = &rows->encoded;
	char	   *value;

	if (cq_outgoing_is_tombstone(rows->stream, slot))
		return;
	resetStringInfo(encoded);
	rows->format->encode(rows->encoder, slot->tts_values, slot->tts_isnull, encoded);
	value = palloc(encoded->len + 1);
	memcpy(value, encoded->data, encoded->len);
	message->value = value;
	message->value_length = encoded->len;
}

void
cq_outgoing_describe(const CqOutgoingRows *rows, TupleTableSlot *slot, CqOutgoing *row)
{
	const CqStream *stream = rows->stream;

	memset(row, 0, sizeof(CqOutgoing));
	row->partition = -1;
	row->message.offset = -1;
	row->message.timestamp = DT_NOBEGIN;
	slot_getallattrs(slot);
	for (int i = 0; i < stream->ncolumns; i++)
	{
		int			index = stream->columns[i].attno - 1;

		if (stream->columns[i].origin != CQ_COLUMN_VALUE && !slot->tts_isnull[index])
			set_metadata(stream, &stream->columns[i], TupleDescAttr(slot->tts_tupleDescriptor,
																	index)->atttypid,
						 slot->tts_values[index], row);
	}
	if (rows->key_encoder != NULL)
		encode_key(rows, slot, &row->message);
	if (stream->kind == CQ_STREAM_LOG && row->partition > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("stream %s has no partition %d", stream->name, row->partition),
				 errdetail("A stream that is kept in the database has partition 0 alone.")));
	if (list_length(stream->topics) > 1 && row->topic == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("stream %s has several topics, and the row does not say which",
						stream->name),
				 errhint("A column with the option metadata 'topic' says it.")));
}

void
cq_outgoing_fill(CqOutgoingRows *rows, TupleTableSlot *slot, CqOutgoing *row)
{
	cq_outgoing_describe(rows, slot, row);
	if (rows->stream->mode == CQ_MODE_UPSERT && row->message.key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("a row for stream %s has no key", rows->stream->name),
				 errdetail("Its mode is upsert: a row takes the place of the one before it with "
						   "the "
						   "same key."),
				 errhint("The key is the column with the option metadata 'key', or those with the "
						 "option "
						 "key.")));
	set_value(rows, slot, &row->message);
}
