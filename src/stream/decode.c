/*
 * decode.c
 *		Messages to columns: see batch.h.
 *
 * What a value is may depend on settings: a time without a zone on TimeZone, say. Views have
 * theirs, kept from CREATE. So columns for which that is so are decoded once for each of the
 * settings that differ in what matters to them; all others, and all where views agree, in one go
 * over the messages, as if there were no settings.
 *
 * The event times of a stream are of all its views, with the watermark that they make. So the
 * stream itself says under which settings they are read (options timezone and datestyle), and
 * they are the same for everybody, a SELECT too; and so is what is generated of them.
 */
#include "postgres.h"

#include "stream/contract.h"
#include "stream/envelope.h"
#include "stream/key.h"
#include "utils/guc.h"
#include "utils/memutils.h"

/* Kept for a reader; there are hardly ever more sets of columns. */
#define MOST_DECODERS 8

/* In so many messages a field is expected to be there once. */
#define UNSEEN_MESSAGES 1000

/* ---- decoders ---- */

static CqKeptDecoder *
open_decoder(CqReader *reader, const Bitmapset *columns, bool is_of_key)
{
	CqColumnOrigin origin = is_of_key ? CQ_COLUMN_KEY_FIELD : CQ_COLUMN_VALUE;
	bool		has_envelope = cq_envelope_columns(reader->stream) > 0 && !is_of_key;
	MemoryContext context = AllocSetContextCreate(reader->context, "pg_cq decoder",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	CqKeptDecoder *kept = palloc(sizeof(CqKeptDecoder));
	CqColumn   *described = palloc(sizeof(CqColumn) *
								   (reader->stream->ncolumns + CQ_ENVELOPE_COLUMNS));
	int			ncolumns = 0;

	for (int i = 0; i < reader->stream->ncolumns; i++)
	{
		const CqStreamColumn *column = &reader->stream->columns[i];

		if (column->origin != origin || !bms_is_member(column->attno, columns))
			continue;
		described[ncolumns] = reader->columns[i];
		if (has_envelope)
			cq_envelope_place(reader->stream, column, &described[ncolumns]);
		ncolumns++;
	}
	if (has_envelope)
		ncolumns = cq_envelope_add_columns(reader, described, ncolumns);
	kept->context = context;
	kept->columns = bms_copy(columns);
	kept->is_of_key = is_of_key;
	kept->decoder = is_of_key ?
		reader->key_format->decoder_open(reader->key_options, described, ncolumns) :
		reader->format->decoder_open(reader->format_options, described, ncolumns);
	MemoryContextSwitchTo(caller);
	return kept;
}

/* A decoder for the columns of the value, or key, among columns. */
static CqDecoder *
get_decoder(CqReader *reader, const Bitmapset *columns, bool is_of_key)
{
	MemoryContext caller;
	CqKeptDecoder *kept;
	ListCell   *cell;

	foreach(cell, reader->decoders)
	{
		kept = lfirst(cell);
		if (kept->is_of_key == is_of_key && bms_equal(kept->columns, columns))
			return kept->decoder;
	}
	if (list_length(reader->decoders) == MOST_DECODERS)
	{
		kept = llast(reader->decoders);
		reader->decoders = list_delete_last(reader->decoders);
		MemoryContextDelete(kept->context);
	}
	kept = open_decoder(reader, columns, is_of_key);
	caller = MemoryContextSwitchTo(reader->context);
	reader->decoders = lcons(kept, reader->decoders);
	MemoryContextSwitchTo(caller);
	return kept->decoder;
}

bool
cq_decode_fields(const CqReader *reader, Bitmapset **seen, Bitmapset **unseen)
{
	ListCell   *cell;

	*seen = *unseen = NULL;
	foreach(cell, reader->decoders)
	{
		const CqKeptDecoder *kept = lfirst(cell);
		const CqFormat *format = kept->is_of_key ? reader->key_format : reader->format;

		if (format->fields != NULL)
			format->fields(kept->decoder, UNSEEN_MESSAGES, seen, unseen);
	}
	for (int i = 1; i <= CQ_ENVELOPE_COLUMNS; i++)
	{
		*seen = bms_del_member(*seen, reader->batch.natts + i);
		*unseen = bms_del_member(*unseen, reader->batch.natts + i);
	}
	*unseen = bms_del_members(bms_del_members(*unseen, *seen), reader->told_unseen);
	*seen = bms_del_members(*seen, reader->told_seen);
	return !bms_is_empty(*seen) || !bms_is_empty(*unseen);
}

void
cq_decode_fields_told(CqReader *reader, const Bitmapset *seen, const Bitmapset *unseen)
{
	MemoryContext caller = MemoryContextSwitchTo(reader->context);

	reader->told_seen = bms_add_members(reader->told_seen, seen);
	reader->told_unseen = bms_add_members(reader->told_unseen, unseen);
	MemoryContextSwitchTo(caller);
}

/* ---- one go over the messages ---- */

/*
 * Makes room, also where there are no rows, for the columns; kept from batch to batch. None for
 * others.
 */
static void
prepare_arrays(CqReader *reader, CqBatch *batch, const Bitmapset *columns)
{
	int			nrows = Max(batch->nrows, 1);
	int			nfilled = batch->natts + cq_envelope_columns(reader->stream);

	for (int i = 0; i < batch->natts + CQ_ENVELOPE_COLUMNS; i++)
	{
		CqColumnArrays *arrays = &reader->arrays[i];
		bool		is_needed = bms_is_member(i + 1, columns) ||
			(i >= batch->natts && i < nfilled);

		if (is_needed && arrays->capacity < nrows)
		{
			if (arrays->values != NULL)
			{
				pfree(arrays->values);
				pfree(arrays->nulls);
			}
			arrays->capacity = nrows;
			arrays->values = MemoryContextAllocHuge(reader->context, sizeof(Datum) * nrows);
			arrays->nulls = MemoryContextAllocHuge(reader->context, sizeof(bool) * nrows);
		}
		batch->values[i] = is_needed ? arrays->values : NULL;
		batch->nulls[i] = is_needed ? arrays->nulls : NULL;
	}
}

/* A message without a value, as the stream wants it. */
static void
note_tombstone(CqReader *reader, CqBatch *batch, int row)
{
	CqReject   *reject;

	if (cq_mode_changes(reader->stream->mode))
	{
		batch->gone = bms_add_member(batch->gone, row);
		return;
	}
	switch (reader->stream->tombstone)
	{
		case CQ_TOMBSTONE_SKIP:
			batch->absent = bms_add_member(batch->absent, row);
			break;
		case CQ_TOMBSTONE_ERROR:
			reject = cq_reject(ERRCODE_NO_DATA, "the message has no value");
			cq_reject_hint(reject, "The option tombstone says what such a message means: "
						   "error, row or skip.");
			cq_bad_cells_add(&batch->bad, row, 0, reject);
			break;
		case CQ_TOMBSTONE_ROW:
			break;
	}
}

static void
take_tombstone(CqReader *reader, CqBatch *batch, int row, const Bitmapset *columns)
{
	bool		is_row = !cq_mode_changes(reader->stream->mode) &&
		reader->stream->tombstone == CQ_TOMBSTONE_ROW;

	note_tombstone(reader, batch, row);
	for (int i = 0; i < reader->stream->ncolumns; i++)
	{
		const CqColumn *column = &reader->columns[i];

		if (reader->stream->columns[i].origin != CQ_COLUMN_VALUE ||
			!bms_is_member(column->attno, columns))
			continue;
		batch->values[column->attno - 1][row] = (Datum) 0;
		batch->nulls[column->attno - 1][row] = true;
		if (column->is_not_null && is_row)
			cq_bad_cells_add(&batch->bad, row, column->attno,
							 cq_reject(ERRCODE_NOT_NULL_VIOLATION, "column \"%s\" is null",
									   column->name));
	}
}

/* Whose row would it be? */
static void
reject_keyless(CqReader *reader, CqBatch *batch)
{
	for (int row = 0; row < batch->nrows; row++)
	{
		if (batch->fetch.messages[row].key == NULL && !bms_is_member(row, batch->truncating) &&
			!bms_is_member(row, batch->absent))
			cq_bad_cells_add(&batch->bad, row, 0,
							 cq_reject(ERRCODE_NOT_NULL_VIOLATION, "the message has no key"));
	}
}

static void
decode_run(CqReader *reader, CqBatch *batch, const Bitmapset *columns, CqDecoder *decoder,
		   int first,
		   int end)
{
	int			first_bad = batch->bad.ncells;

	reader->format->decode(decoder, &batch->fetch.messages[first], end - first, first,
						   batch->values,
						   batch->nulls, &batch->bad);
	if (cq_mode_changes(reader->stream->mode))
		cq_envelope_settle(reader, batch, columns, first, end, first_bad);
}

/* The columns of the value: runs of messages that have one go to the format. */
static void
decode_values(CqReader *reader, CqBatch *batch, const Bitmapset *columns)
{
	const CqMessage *messages = batch->fetch.messages;
	CqDecoder  *decoder = get_decoder(reader, columns, false);
	int			row = 0;

	while (row < batch->nrows)
	{
		int			end = row;

		while (end < batch->nrows && messages[end].value != NULL)
			end++;
		if (end > row)
			decode_run(reader, batch, columns, decoder, row, end);
		for (row = end; row < batch->nrows && messages[row].value == NULL; row++)
			take_tombstone(reader, batch, row, columns);
	}
}

static bool
has_key_fields(const CqReader *reader, const Bitmapset *columns)
{
	for (int i = 0; i < reader->stream->ncolumns; i++)
	{
		if (reader->stream->columns[i].origin == CQ_COLUMN_KEY_FIELD &&
			bms_is_member(reader->columns[i].attno, columns))
			return true;
	}
	return false;
}

/*
 * Fills columns, whose arrays are there; what they are computed of is among them or filled.
 * Values, metadata, and what is generated.
 */
static void
fill_columns(CqReader *reader, CqBatch *batch, const Bitmapset *columns, const List *settings)
{
	int			level = settings != NIL ? NewGUCNestLevel() : 0;

	cq_settings_apply(settings, CQ_SETTINGS_ALL);
	decode_values(reader, batch, columns);
	if (cq_mode_changes(reader->stream->mode))
	{
		reject_keyless(reader, batch);
		cq_envelope_fill(reader, batch, columns);
		cq_batch_sort_rejects(batch);
	}
	if (has_key_fields(reader, columns))
		cq_key_fill(reader, batch, columns, get_decoder(reader, columns, true));
	if (cq_metadata_fill(reader, batch, columns))
		cq_batch_sort_rejects(batch);
	if (cq_generated_fill(reader, batch, columns))
		cq_batch_sort_rejects(batch);
	if (settings != NIL)
		AtEOXact_GUC(false, level);
}

/* ---- the same again, under other settings ---- */

/*
 * A copy of the batch that shares all columns, and has bad cells of its own. In the batch's
 * context, which is current.
 */
static CqBatch *
share_batch(const CqBatch *batch)
{
	CqBatch    *other = palloc(sizeof(CqBatch));
	int			ncolumns = batch->natts + CQ_ENVELOPE_COLUMNS;

	*other = *batch;
	other->others = NIL;
	other->values = memcpy(palloc(sizeof(Datum *) * ncolumns), batch->values,
						   sizeof(Datum *) * ncolumns);
	other->nulls = memcpy(palloc(sizeof(bool *) * ncolumns), batch->nulls,
						  sizeof(bool *) * ncolumns);
	other->decoded = bms_copy(batch->decoded);
	memset(&other->bad, 0, sizeof(CqBadCells));
	return other;
}

/* Adds cells, but those of whole messages where that is said, and those of columns in left_out. */
static void
add_cells(CqBatch *batch, const CqBadCells *cells, bool with_messages, const Bitmapset *left_out)
{
	for (int i = 0; i < cells->ncells; i++)
	{
		const CqBadCell *cell = &cells->cells[i];

		if (cell->attno == 0 ? with_messages : !bms_is_member(cell->attno, left_out))
			cq_bad_cells_add(&batch->bad, cell->row, cell->attno, cell->reject);
	}
}

/*
 * Decodes columns of a copy of the batch anew, into arrays of their own; what was decoded of them
 * before is left as it was.
 */
static void
decode_again(CqBatch *batch, const Bitmapset *columns, const List *settings)
{
	CqBadCells	before = batch->bad;
	CqBadCells	found;
	int			attno = -1;

	while ((attno = bms_next_member(columns, attno)) >= 0)
	{
		batch->values[attno - 1] = MemoryContextAllocHuge(batch->context,
														  sizeof(Datum) * Max(batch->nrows, 1));
		batch->nulls[attno - 1] = MemoryContextAllocHuge(batch->context,
														 sizeof(bool) * Max(batch->nrows, 1));
	}
	/* What is computed of a value that is there already must know whether that is bad. */
	memset(&batch->bad, 0, sizeof(CqBadCells));
	add_cells(batch, &before, false, columns);
	fill_columns(batch->reader, batch, columns, settings);
	/* Those of whole messages have been found again. */
	found = batch->bad;
	memset(&batch->bad, 0, sizeof(CqBadCells));
	add_cells(batch, &found, false, NULL);
	for (int i = 0; i < before.ncells; i++)
	{
		if (before.cells[i].attno == 0)
			cq_bad_cells_add(&batch->bad, before.cells[i].row, 0, before.cells[i].reject);
	}
	cq_batch_sort_rejects(batch);
	batch->decoded = bms_add_members(batch->decoded, columns);
}

/*
 * Event times, where the stream reads them under settings that differ from the batch's. Before the
 * other columns, some of which may be computed of them.
 */
static void
decode_event_time(CqReader *reader, CqBatch *batch)
{
	AttrNumber	attno = reader->stream->event_time;
	Bitmapset  *column = bms_make_singleton(attno);
	CqBatch    *again = share_batch(batch);

	decode_again(again, cq_generated_with_inputs(reader, column), reader->stream->event_settings);
	batch->values[attno - 1] = again->values[attno - 1];
	batch->nulls[attno - 1] = again->nulls[attno - 1];
	for (int i = 0; i < again->bad.ncells; i++)
	{
		const CqBadCell *cell = &again->bad.cells[i];

		if (cell->attno == attno)
			cq_bad_cells_add(&batch->bad, cell->row, cell->attno, cell->reject);
	}
}

static bool
is_event_time_apart(const CqReader *reader, const Bitmapset *needed, const List *settings)
{
	AttrNumber	attno = reader->stream->event_time;

	return attno != InvalidAttrNumber && bms_is_member(attno, needed) &&
		reader->settings[attno - 1] != 0 &&
		!cq_settings_agree(settings, reader->stream->event_settings, reader->settings[attno - 1]);
}

const Bitmapset *
cq_decode_sensitive(const CqBatch *batch)
{
	return batch->reader->sensitive;
}

void
cq_decode_batch(CqBatch *batch, const Bitmapset *needed, const List *settings)
{
	CqReader   *reader = batch->reader;
	MemoryContext caller = MemoryContextSwitchTo(batch->context);
	Bitmapset  *columns = cq_generated_with_inputs(reader, needed);
	bool		is_apart = is_event_time_apart(reader, columns, settings);

	Assert(batch->decoded == NULL);
	batch->settings = settings;
	if (is_apart)
	{
		columns = bms_del_member(bms_copy(needed), reader->stream->event_time);
		columns = bms_del_member(cq_generated_with_inputs(reader, columns),
								 reader->stream->event_time);
	}
	prepare_arrays(reader, batch, columns);
	if (is_apart)
		decode_event_time(reader, batch);
	fill_columns(reader, batch, columns, settings);
	batch->decoded = columns;
	if (is_apart)
	{
		cq_batch_sort_rejects(batch);
		batch->decoded = bms_add_member(batch->decoded, reader->stream->event_time);
	}
	cq_contract_hold(reader, batch);
	MemoryContextSwitchTo(caller);
}

static CqBatch *
find_other(CqBatch *batch, const List *settings)
{
	CqBatch    *other;
	ListCell   *cell;

	foreach(cell, batch->others)
	{
		other = lfirst(cell);
		if (other->settings == settings)
			return other;
	}
	other = share_batch(batch);
	other->settings = settings;
	add_cells(other, &batch->bad, true, NULL);
	/* What depends on settings counts as decoded only where it would be the same. */
	for (int i = 0; i < batch->natts; i++)
	{
		if (bms_is_member(i + 1, batch->reader->sensitive) &&
			!cq_settings_agree(batch->settings, settings, batch->reader->settings[i]))
			other->decoded = bms_del_member(other->decoded, i + 1);
	}
	batch->others = lappend(batch->others, other);
	return other;
}

CqBatch *
cq_decode_other(CqBatch *batch, const List *settings)
{
	MemoryContext caller = MemoryContextSwitchTo(batch->context);
	CqBatch    *other = settings == batch->settings ? batch : find_other(batch, settings);

	MemoryContextSwitchTo(caller);
	return other;
}

CqBatch *
cq_decode_under(CqBatch *batch, const Bitmapset *needed, const List *settings)
{
	MemoryContext caller;
	Bitmapset  *missing;
	CqBatch    *other;

	if (settings == batch->settings || !bms_overlap(cq_decode_sensitive(batch), needed))
		return batch;
	caller = MemoryContextSwitchTo(batch->context);
	other = find_other(batch, settings);
	missing = bms_difference(cq_generated_with_inputs(batch->reader, needed), other->decoded);
	if (is_event_time_apart(batch->reader, missing, settings))
	{
		decode_event_time(batch->reader, other);
		other->decoded = bms_add_member(other->decoded, batch->reader->stream->event_time);
		missing = bms_del_member(missing, batch->reader->stream->event_time);
	}
	if (!bms_is_empty(missing))
		decode_again(other, missing, settings);
	MemoryContextSwitchTo(caller);
	return other;
}

/* ---- column by column ---- */

List *
cq_decode_missing(const CqBatch *batch, const Bitmapset *needed)
{
	const CqReader *reader = batch->reader;
	Bitmapset  *columns = bms_difference(cq_generated_with_inputs(reader, needed), batch->decoded);
	List	   *generated = NIL;
	List	   *result = NIL;
	int			attno = -1;

	while ((attno = bms_next_member(columns, attno)) >= 0)
	{
		if (reader->generated[attno - 1].expression != NULL)
			generated = lappend_int(generated, attno);
		else
			result = lappend_int(result, attno);
	}
	return list_concat(result, generated);
}

const char *
cq_decode_column_name(const CqBatch *batch, AttrNumber attno)
{
	const CqReader *reader = batch->reader;

	for (int i = 0; i < reader->stream->ncolumns; i++)
	{
		if (reader->columns[i].attno == attno)
			return reader->columns[i].name;
	}
	return "?";
}

/* What an error has left half done is not to be used again. */
static void
close_decoders(CqReader *reader)
{
	ListCell   *cell;

	foreach(cell, reader->decoders)
		MemoryContextDelete(((CqKeptDecoder *) lfirst(cell))->context);
	list_free(reader->decoders);
	reader->decoders = NIL;
}

void
cq_decode_column(CqBatch *batch, AttrNumber attno)
{
	MemoryContext caller = MemoryContextSwitchTo(batch->context);
	Bitmapset  *column = bms_make_singleton(attno);
	CqBadCells	before = batch->bad;

	PG_TRY();
	{
		if (is_event_time_apart(batch->reader, column, batch->settings))
		{
			decode_event_time(batch->reader, batch);
			cq_batch_sort_rejects(batch);
			batch->decoded = bms_add_member(batch->decoded, attno);
		}
		else
			decode_again(batch, column, batch->settings);
	}
	PG_CATCH();
	{
		batch->bad = before;
		close_decoders(batch->reader);
		MemoryContextSwitchTo(caller);
		PG_RE_THROW();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
}

void
cq_decode_reject_column(CqBatch *batch, AttrNumber attno, CqReject *reject)
{
	MemoryContext caller = MemoryContextSwitchTo(batch->context);
	Size		nrows = Max(batch->nrows, 1);

	batch->values[attno - 1] = MemoryContextAllocHuge(batch->context, sizeof(Datum) * nrows);
	batch->nulls[attno - 1] = MemoryContextAllocHuge(batch->context, sizeof(bool) * nrows);
	for (int row = 0; row < batch->nrows; row++)
	{
		batch->values[attno - 1][row] = (Datum) 0;
		batch->nulls[attno - 1][row] = true;
		cq_bad_cells_add(&batch->bad, row, attno, reject);
	}
	cq_batch_sort_rejects(batch);
	batch->decoded = bms_add_member(batch->decoded, attno);
	MemoryContextSwitchTo(caller);
}
