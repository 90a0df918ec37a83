/*
 * analyze.c
 *		ANALYZE of a stream.
 *
 * A topic may be far too long to be read for statistics, and what is in it now matters most. So the
 * sample is drawn from the latest messages of each partition, some times as many as are wanted. The
 * number of rows is told by the offsets.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "stream/bounded.h"
#include "stream/sample.h"
#include "utils/rel.h"
#include "utils/sampling.h"

/* How many times more rows are read than are kept. */
#define READ_FACTOR 10

typedef struct Sample
{
	Relation	relation;
	HeapTuple  *rows;
	int			wanted;
	int			taken;
	double		seen;
	double		to_skip;		/* -1: not yet chosen */
	ReservoirStateData reservoir;
	Datum	   *values;
	bool	   *nulls;
} Sample;

static HeapTuple
form_row(Sample *sample, const CqBatch *batch, int row)
{
	TupleDesc	descriptor = RelationGetDescr(sample->relation);

	for (int i = 0; i < descriptor->natts; i++)
	{
		bool		is_there = i < batch->natts && batch->values[i] != NULL;

		sample->nulls[i] = !is_there || batch->nulls[i][row];
		sample->values[i] = sample->nulls[i] ? (Datum) 0 : batch->values[i][row];
	}
	return heap_form_tuple(descriptor, sample->values, sample->nulls);
}

/* Every row seen has the same chance to be in the sample. */
static void
take_row(Sample *sample, const CqBatch *batch, int row)
{
	sample->seen++;
	if (sample->taken < sample->wanted)
	{
		sample->rows[sample->taken++] = form_row(sample, batch, row);
		return;
	}
	if (sample->to_skip < 0)
		sample->to_skip = reservoir_get_next_S(&sample->reservoir, sample->seen - 1,
											   sample->wanted);
	if (sample->to_skip <= 0)
	{
		int			replaced =
			(int) (sample->wanted * sampler_random_fract(&sample->reservoir.randstate));

		heap_freetuple(sample->rows[replaced]);
		sample->rows[replaced] = form_row(sample, batch, row);
	}
	sample->to_skip--;
}

static void
take_batch(Sample *sample, const CqBatch *batch)
{
	Bitmapset  *left_out = bms_copy(batch->absent);

	for (int i = 0; i < batch->bad.ncells; i++)
		left_out = bms_add_member(left_out, batch->bad.cells[i].row);
	for (int row = 0; row < batch->nrows; row++)
	{
		if (left_out == NULL || !bms_is_member(row, left_out))
			take_row(sample, batch, row);
	}
	bms_free(left_out);
}

static Bitmapset *
all_columns(Relation relation)
{
	TupleDesc	descriptor = RelationGetDescr(relation);
	Bitmapset  *columns = NULL;

	for (int i = 0; i < descriptor->natts; i++)
	{
		if (!TupleDescAttr(descriptor, i)->attisdropped)
			columns = bms_add_member(columns, i + 1);
	}
	return columns;
}

static int
acquire_sample(Relation relation, int elevel, HeapTuple *rows, int targrows, double *total_rows,
			   double *dead_rows)
{
	int			natts = Max(RelationGetNumberOfAttributes(relation), 1);
	Sample		sample = {.relation = relation, .rows = rows, .wanted = targrows, .to_skip = -1};
	CqStream   *stream = cq_stream_get(RelationGetRelid(relation), GetUserId());
	CqBounded  *bounded = cq_bounded_open_latest(stream, all_columns(relation),
												 (int64) targrows * READ_FACTOR);
	CqBatch    *batch;

	sample.values = palloc(sizeof(Datum) * natts);
	sample.nulls = palloc(sizeof(bool) * natts);
	reservoir_init_selection_state(&sample.reservoir, targrows);
	while ((batch = cq_bounded_next(bounded)) != NULL)
		take_batch(&sample, batch);
	*total_rows = bounded->nmessages > 0 ? bounded->nwaiting * (sample.seen / bounded->nmessages) :
		0;
	*dead_rows = 0;
	ereport(elevel,
			(errmsg("\"%s\": %.0f messages, of which " INT64_FORMAT " were read; %d rows in sample",
					RelationGetRelationName(relation), bounded->nwaiting, bounded->nmessages,
					sample.taken)));
	cq_bounded_close(bounded);
	return sample.taken;
}

static bool
analyze(Relation relation, AcquireSampleRowsFunc *function, BlockNumber *npages)
{
	*function = acquire_sample;
	*npages = 1;				/* a stream has none; zero would mean that nothing is known */
	return true;
}

void
cq_analyze_init(FdwRoutine *routine)
{
	routine->AnalyzeForeignTable = analyze;
}
