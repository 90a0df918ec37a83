/*
 * metadata.c
 *		Columns that tell of the message itself: topic, partition, offset, timestamp, key, headers.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "stream/reader_state.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Topics and partitions: one Datum for each slice, then looked up by message. */
static void
fill_by_slice(const CqBatch *batch, bool is_topic, Datum *values, bool *nulls)
{
	const CqFetch *fetch = &batch->fetch;
	Datum	   *by_slice = palloc(sizeof(Datum) * Max(fetch->nslices, 1));

	for (int i = 0; i < fetch->nslices; i++)
		by_slice[i] = is_topic ? CStringGetTextDatum(fetch->slices[i].topic) :
			Int32GetDatum(fetch->slices[i].partition);
	for (int row = 0; row < batch->nrows; row++)
		values[row] = by_slice[fetch->messages[row].slice];
	memset(nulls, false, batch->nrows);
}

static void
fill_offset(const CqBatch *batch, Datum *values, bool *nulls)
{
	for (int row = 0; row < batch->nrows; row++)
		values[row] = Int64GetDatum(batch->fetch.messages[row].offset);
	memset(nulls, false, batch->nrows);
}

static void
fill_timestamp(const CqBatch *batch, Datum *values, bool *nulls)
{
	for (int row = 0; row < batch->nrows; row++)
	{
		TimestampTz timestamp = batch->fetch.messages[row].timestamp;

		values[row] = TimestampTzGetDatum(timestamp);
		nulls[row] = TIMESTAMP_IS_NOBEGIN(timestamp);
	}
}

/* A key as text, from UTF-8; false where it is none. */
static bool
make_text(const char *bytes, uint32 length, Datum *value)
{
	char	   *text;

	if (!pg_verify_mbstr(PG_UTF8, bytes, length, true))
		return false;
	text = pg_any_to_server(bytes, length, PG_UTF8);
	*value = PointerGetDatum(cstring_to_text_with_len(text, text == bytes ? length : strlen(text)));
	return true;
}

static void
fill_key(CqBatch *batch, const CqColumn *column, Datum *values, bool *nulls)
{
	for (int row = 0; row < batch->nrows; row++)
	{
		const CqMessage *message = &batch->fetch.messages[row];

		nulls[row] = message->key == NULL;
		if (message->key == NULL)
			continue;
		if (column->type == BYTEAOID)
			values[row] = PointerGetDatum(cstring_to_text_with_len(message->key,
																   message->key_length));
		else if (!make_text(message->key, message->key_length, &values[row]))
		{
			nulls[row] = true;
			cq_bad_cells_add(&batch->bad, row, column->attno,
							 cq_reject(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
									   "the key is not valid UTF-8 text"));
		}
	}
}

bool
cq_batch_headers(const CqBatch *batch, int row, Datum *headers)
{
	const CqReader *reader = batch->reader;

	return reader->routine->headers(reader->source, &batch->fetch.messages[row], headers);
}

static void
fill_headers(const CqBatch *batch, Datum *values, bool *nulls)
{
	for (int row = 0; row < batch->nrows; row++)
		nulls[row] = !cq_batch_headers(batch, row, &values[row]);
}

/*
 * What is missing in a column that must not be null. A key that is no text has been rejected
 * already.
 */
static void
reject_nulls(CqBatch *batch, const CqColumn *column, int first_bad)
{
	const bool *nulls = batch->nulls[column->attno - 1];
	int			nbad = batch->bad.ncells;

	for (int row = 0; row < batch->nrows; row++)
	{
		if (!nulls[row])
			continue;
		if (first_bad < nbad && batch->bad.cells[first_bad].row == row)
			first_bad++;
		else
			cq_bad_cells_add(&batch->bad, row, column->attno,
							 cq_reject(ERRCODE_NOT_NULL_VIOLATION, "column \"%s\" is null",
									   column->name));
	}
}

static void
fill_column(CqBatch *batch, const CqColumn *column, CqColumnOrigin origin)
{
	Datum	   *values = batch->values[column->attno - 1];
	bool	   *nulls = batch->nulls[column->attno - 1];
	int			first_bad = batch->bad.ncells;

	switch (origin)
	{
		case CQ_COLUMN_VALUE:
		case CQ_COLUMN_KEY_FIELD:
		case CQ_COLUMN_GENERATED:
			Assert(false);
			break;
		case CQ_COLUMN_TOPIC:
		case CQ_COLUMN_PARTITION:
			fill_by_slice(batch, origin == CQ_COLUMN_TOPIC, values, nulls);
			break;
		case CQ_COLUMN_OFFSET:
			fill_offset(batch, values, nulls);
			break;
		case CQ_COLUMN_TIMESTAMP:
			fill_timestamp(batch, values, nulls);
			break;
		case CQ_COLUMN_KEY:
			fill_key(batch, column, values, nulls);
			break;
		case CQ_COLUMN_HEADERS:
			fill_headers(batch, values, nulls);
			break;
	}
	if (column->is_not_null)
		reject_nulls(batch, column, first_bad);
}

bool
cq_metadata_fill(CqReader *reader, CqBatch *batch, const Bitmapset *needed)
{
	int			nbad = batch->bad.ncells;

	for (int i = 0; i < reader->stream->ncolumns; i++)
	{
		const CqStreamColumn *column = &reader->stream->columns[i];

		if (column->origin != CQ_COLUMN_VALUE && column->origin != CQ_COLUMN_GENERATED &&
			column->origin != CQ_COLUMN_KEY_FIELD && bms_is_member(column->attno, needed))
			fill_column(batch, &reader->columns[i], column->origin);
	}
	return batch->bad.ncells > nbad;
}
