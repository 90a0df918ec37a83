/*
 * event_time.c
 *		The event times that a batch brings: see event_time.h.
 *
 * The watermark of a partition is the highest event time that was read, less a delay. One row of a
 * clock that is wrong would take it to the next century, and everything that comes after would be
 * late. So a time further ahead of the wall clock than the stream's option max_event_lead is an
 * error of its row.
 */
#include "postgres.h"

#include "common/clock.h"
#include "exec/cursor.h"
#include "exec/event_time.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

Bitmapset *
cq_event_time_column(const CqLane *lane)
{
	AttrNumber	attno = cq_reader_stream(lane->reader)->event_time;

	return attno != InvalidAttrNumber ? bms_make_singleton(attno) : NULL;
}

/* Rows that have no event time to go by: absent ones, and those that could not be decoded. */
static Bitmapset *
rows_without(const CqBatch *batch, AttrNumber attno)
{
	Bitmapset  *rows = bms_copy(batch->absent);

	for (int i = 0; i < batch->bad.ncells; i++)
	{
		if (batch->bad.cells[i].attno == 0 || batch->bad.cells[i].attno == attno)
			rows = bms_add_member(rows, batch->bad.cells[i].row);
	}
	return rows;
}

static void
reject_future(CqBatch *batch, int row, AttrNumber attno, TimestampTz time)
{
	CqReject   *reject = cq_reject(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE,
								   "event time %s is too far ahead of the clock",
								   timestamptz_to_str(time));

	cq_batch_reject(batch, row, attno,
					cq_reject_hint(reject, "The stream's option max_event_lead says how far it may "
										   "be."));
}

CqEventTimes *
cq_event_time_find(const CqLane *lane, CqBatch *batch)
{
	const CqStream *stream = cq_reader_stream(lane->reader);
	AttrNumber	attno = stream->event_time;
	TimestampTz latest = cq_clock_now() + stream->max_event_lead;
	CqEventTimes *result;
	Bitmapset  *without;
	const Datum *times;
	const bool *nulls;

	if (attno == InvalidAttrNumber)
		return NULL;
	result = palloc(sizeof(CqEventTimes));
	result->highest = palloc(sizeof(TimestampTz) * Max(batch->fetch.nslices, 1));
	result->before = MemoryContextAllocHuge(CurrentMemoryContext,
											sizeof(TimestampTz) * batch->nrows);
	for (int i = 0; i < batch->fetch.nslices; i++)
		result->highest[i] = cq_cursor_event_time(lane, &batch->fetch.slices[i]);
	without = rows_without(batch, attno);
	times = batch->values[attno - 1];
	nulls = batch->nulls[attno - 1];
	for (int row = 0; row < batch->nrows; row++)
	{
		TimestampTz *highest = &result->highest[batch->fetch.messages[row].slice];
		TimestampTz time = DatumGetTimestampTz(times[row]);

		result->before[row] = *highest;
		if (nulls[row] || (without != NULL && bms_is_member(row, without)) || time <= *highest)
			continue;
		if (time > latest)
			reject_future(batch, row, attno, time);
		else
			*highest = time;
	}
	cq_batch_sort_rejects(batch);
	return result;
}
