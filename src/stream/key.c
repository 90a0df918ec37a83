/*
 * key.c
 *		Columns that are fields of a message's key: decoded as values are, by the key's own format.
 */
#include "postgres.h"

#include "stream/key.h"

CqMessage *
cq_key_messages(const CqFetch *fetch, int *nmessages, int **rows)
{
	CqMessage  *keys = palloc(sizeof(CqMessage) * Max(fetch->nmessages, 1));
	int			nkeys = 0;

	*rows = palloc(sizeof(int) * Max(fetch->nmessages, 1));
	for (int i = 0; i < fetch->nmessages; i++)
	{
		const CqMessage *message = &fetch->messages[i];

		if (message->key == NULL)
			continue;
		keys[nkeys] = *message;
		keys[nkeys].value = message->key;
		keys[nkeys].value_length = message->key_length;
		(*rows)[nkeys++] = i;
	}
	*nmessages = nkeys;
	return keys;
}

/* Rows whose message has no key. */
static void
fill_nulls(const CqReader *reader, CqBatch *batch, const Bitmapset *columns)
{
	for (int i = 0; i < reader->stream->ncolumns; i++)
	{
		const CqColumn *column = &reader->columns[i];

		if (reader->stream->columns[i].origin != CQ_COLUMN_KEY_FIELD ||
			!bms_is_member(column->attno, columns))
			continue;
		for (int row = 0; row < batch->nrows; row++)
		{
			if (batch->fetch.messages[row].key != NULL)
				continue;
			batch->values[column->attno - 1][row] = (Datum) 0;
			batch->nulls[column->attno - 1][row] = true;
			if (column->is_not_null && !bms_is_member(row, batch->truncating) &&
				!bms_is_member(row, batch->absent))
				cq_bad_cells_add(&batch->bad, row, column->attno,
								 cq_reject(ERRCODE_NOT_NULL_VIOLATION, "column \"%s\" is null",
										   column->name));
		}
	}
}

/* A key that is none is a bad message, and says that it is the key. */
static void
explain_cells(CqBatch *batch, int first_bad)
{
	for (int i = first_bad; i < batch->bad.ncells; i++)
	{
		CqBadCell  *cell = &batch->bad.cells[i];
		CqReject   *reject;

		if (cell->attno != 0)
			continue;
		reject = cq_reject(cell->reject->sqlerrcode, "key: %s", cell->reject->message);
		reject->detail = cell->reject->detail;
		reject->hint = cell->reject->hint;
		cell->reject = reject;
	}
}

void
cq_key_fill(CqReader *reader, CqBatch *batch, const Bitmapset *columns, CqDecoder *decoder)
{
	int			nkeys;
	int		   *rows;
	CqMessage  *keys = cq_key_messages(&batch->fetch, &nkeys, &rows);
	int			first_bad = batch->bad.ncells;
	int			end;

	fill_nulls(reader, batch, columns);
	for (int first = 0; first < nkeys; first = end)
	{
		for (end = first + 1; end < nkeys && rows[end] == rows[end - 1] + 1;)
			end++;
		reader->key_format->decode(decoder, &keys[first], end - first, rows[first], batch->values,
								   batch->nulls, &batch->bad);
	}
	explain_cells(batch, first_bad);
	if (batch->bad.ncells > first_bad)
		cq_batch_sort_rejects(batch);
}
