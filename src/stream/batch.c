/*
 * batch.c
 *		Messages to columns, and the batch that is bound to foreign scans: see batch.h.
 */
#include "postgres.h"

#include "nodes/plannodes.h"
#include "parser/parsetree.h"
#include "stream/reader_state.h"
#include "stream/scan.h"
#include "utils/memutils.h"

static CqBinding binding;		/* while is_bound */
static bool is_bound = false;

/* Makes room for nrows values of each column in needed, also where these are none, and none for the others. */
static void
prepare_arrays(CqReader *reader, CqBatch *batch, const Bitmapset *needed)
{
	int			nrows = Max(batch->nrows, 1);

	for (int i = 0; i < batch->natts; i++)
	{
		CqColumnArrays *arrays = &reader->arrays[i];
		bool		is_needed = bms_is_member(i + 1, needed);

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

/* A decoder for the columns of the value among needed; kept as long as these are the same. */
static CqDecoder *
get_decoder(CqReader *reader, const Bitmapset *needed)
{
	MemoryContext caller;
	CqColumn   *columns;
	int			ncolumns = 0;

	if (reader->decoder != NULL && bms_equal(reader->decoder_columns, needed))
		return reader->decoder;
	reader->decoder = NULL;
	MemoryContextReset(reader->decoder_context);
	caller = MemoryContextSwitchTo(reader->decoder_context);
	columns = palloc(sizeof(CqColumn) * Max(reader->stream->ncolumns, 1));
	for (int i = 0; i < reader->stream->ncolumns; i++)
	{
		const CqStreamColumn *column = &reader->stream->columns[i];

		if (column->origin == CQ_COLUMN_VALUE && bms_is_member(column->attno, needed))
			columns[ncolumns++] = reader->columns[i];
	}
	reader->decoder_columns = bms_copy(needed);
	reader->decoder = reader->format->decoder_open(columns, ncolumns);
	MemoryContextSwitchTo(caller);
	return reader->decoder;
}

/* A message without a value, as the stream wants it. */
static void
take_tombstone(CqReader *reader, CqBatch *batch, int row, const Bitmapset *needed)
{
	switch (reader->stream->tombstone)
	{
		case CQ_TOMBSTONE_SKIP:
			batch->absent = bms_add_member(batch->absent, row);
			return;
		case CQ_TOMBSTONE_ERROR:
			cq_bad_cells_add(&batch->bad, row, 0,
							 cq_reject_hint(cq_reject(ERRCODE_NO_DATA, "the message has no value"),
											"The option tombstone says what such a message means: error, row or skip."));
			break;
		case CQ_TOMBSTONE_ROW:
			break;
	}
	for (int i = 0; i < reader->stream->ncolumns; i++)
	{
		const CqColumn *column = &reader->columns[i];

		if (reader->stream->columns[i].origin != CQ_COLUMN_VALUE || !bms_is_member(column->attno, needed))
			continue;
		batch->values[column->attno - 1][row] = (Datum) 0;
		batch->nulls[column->attno - 1][row] = true;
		if (column->is_not_null && reader->stream->tombstone == CQ_TOMBSTONE_ROW)
			cq_bad_cells_add(&batch->bad, row, column->attno,
							 cq_reject(ERRCODE_NOT_NULL_VIOLATION, "column \"%s\" is null", column->name));
	}
}

/* The columns of the value: runs of messages that have one go to the format. */
static void
decode_values(CqReader *reader, CqBatch *batch, const Bitmapset *needed)
{
	const CqMessage *messages = batch->fetch.messages;
	CqDecoder  *decoder = get_decoder(reader, needed);
	int			row = 0;

	while (row < batch->nrows)
	{
		int			end = row;

		while (end < batch->nrows && messages[end].value != NULL)
			end++;
		if (end > row)
			reader->format->decode(decoder, &messages[row], end - row, row, batch->values, batch->nulls, &batch->bad);
		for (row = end; row < batch->nrows && messages[row].value == NULL; row++)
			take_tombstone(reader, batch, row, needed);
	}
}

static int
compare_cells(const void *left, const void *right)
{
	const CqBadCell *a = left;
	const CqBadCell *b = right;

	if (a->row != b->row)
		return a->row < b->row ? -1 : 1;
	return (a->attno > b->attno) - (a->attno < b->attno);
}

void
cq_batch_reject(CqBatch *batch, int row, AttrNumber attno, CqReject *reject)
{
	MemoryContext caller = MemoryContextSwitchTo(batch->context);

	cq_bad_cells_add(&batch->bad, row, attno, reject);
	MemoryContextSwitchTo(caller);
}

void
cq_batch_sort_rejects(CqBatch *batch)
{
	if (batch->bad.ncells > 1)
		qsort(batch->bad.cells, batch->bad.ncells, sizeof(CqBadCell), compare_cells);
}

void
cq_batch_decode(CqBatch *batch, const Bitmapset *needed)
{
	CqReader   *reader = batch->reader;
	MemoryContext caller = MemoryContextSwitchTo(batch->context);

	Assert(batch->decoded == NULL);
	prepare_arrays(reader, batch, needed);
	decode_values(reader, batch, needed);
	if (cq_metadata_fill(reader, batch, needed))
		cq_batch_sort_rejects(batch);
	batch->decoded = bms_copy(needed);
	MemoryContextSwitchTo(caller);
}

void
cq_batch_bind(const CqBinding *bound)
{
	Assert(!is_bound);
	binding = *bound;
	is_bound = true;
}

void
cq_batch_unbind(void)
{
	is_bound = false;
}

const CqBinding *
cq_batch_binding(Oid stream)
{
	return is_bound && binding.stream == stream ? &binding : NULL;
}

static Bitmapset *find_needed(Plan *plan, List *rtable, Oid stream, Bitmapset *needed);

static Bitmapset *
find_needed_in_list(List *plans, List *rtable, Oid stream, Bitmapset *needed)
{
	ListCell   *cell;

	foreach(cell, plans)
		needed = find_needed(lfirst(cell), rtable, stream, needed);
	return needed;
}

/* Adds what the scans of stream in a plan need. */
static Bitmapset *
find_needed(Plan *plan, List *rtable, Oid stream, Bitmapset *needed)
{
	if (plan == NULL)
		return needed;
	switch (nodeTag(plan))
	{
		case T_ForeignScan:
			{
				ForeignScan *scan = (ForeignScan *) plan;

				if (scan->scan.scanrelid > 0 && rt_fetch(scan->scan.scanrelid, rtable)->relid == stream)
					needed = bms_add_members(needed, cq_scan_needed_columns(scan));
				break;
			}
		case T_Append:
			needed = find_needed_in_list(((Append *) plan)->appendplans, rtable, stream, needed);
			break;
		case T_MergeAppend:
			needed = find_needed_in_list(((MergeAppend *) plan)->mergeplans, rtable, stream, needed);
			break;
		case T_CustomScan:
			needed = find_needed_in_list(((CustomScan *) plan)->custom_plans, rtable, stream, needed);
			break;
		case T_SubqueryScan:
			needed = find_needed(((SubqueryScan *) plan)->subplan, rtable, stream, needed);
			break;
		default:
			break;
	}
	needed = find_needed(plan->lefttree, rtable, stream, needed);
	return find_needed(plan->righttree, rtable, stream, needed);
}

Bitmapset *
cq_batch_needed_columns(PlannedStmt *plan, Oid stream)
{
	Bitmapset  *needed = find_needed(plan->planTree, plan->rtable, stream, NULL);

	return find_needed_in_list(plan->subplans, plan->rtable, stream, needed);
}
