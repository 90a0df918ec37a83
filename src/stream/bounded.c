/*
 * bounded.c
 *		Reads what is in a stream now, for one statement: see bounded.h.
 *
 * The end is settled once, at the beginning; what arrives later is not part of it. A partition is
 * done when the position has reached its end, be it by messages or over what is none (records of
 * transactions).
 */
#include "postgres.h"

#include "miscadmin.h"
#include "stream/bounded.h"
#include "stream/reader_state.h"
#include "utils/timestamp.h"

#define CHUNK_MESSAGES 8192
#define CHUNK_BYTES (8 * 1024 * 1024)
#define EXTENTS_TIMEOUT_MS 30000
#define FETCH_TIMEOUT_MS 1000

typedef struct CqBoundedPartition
{
	const char *topic;
	int32		partition;
	int64		position;
	int64		limit;			/* rows from here on are not read */
} CqBoundedPartition;

List *
cq_bounded_extents(const CqStream *stream)
{
	CqSourceConfig config = cq_reader_config(stream, true);
	List	   *extents;

	(void) cq_reader_routine(stream)->extents(&config, EXTENTS_TIMEOUT_MS, &extents);
	return extents;
}

/* Where the range begins in each partition: by offset, and by time. */
static CqPosition *
find_beginnings(const CqStream *stream, const CqRange *range, List *extents, int *npositions)
{
	CqPosition *positions = palloc(sizeof(CqPosition) * Max(list_length(extents), 1));
	CqSourceConfig config = cq_reader_config(stream, true);
	int			n = 0;
	ListCell   *cell;

	foreach(cell, extents)
	{
		CqExtent   *extent = lfirst(cell);

		if (cq_pushdown_has_partition(range, extent->partition))
			positions[n++] = (CqPosition) {extent->topic, extent->partition, extent->begin, 0};
	}
	if (n > 0 && !TIMESTAMP_IS_NOBEGIN(range->first_time))
		(void) cq_reader_routine(stream)->seek_time(&config, range->first_time, positions, n,
													EXTENTS_TIMEOUT_MS);
	*npositions = n;
	return positions;
}

static const CqExtent *
find_extent(List *extents, const CqPosition *position)
{
	ListCell   *cell;

	foreach(cell, extents)
	{
		CqExtent   *extent = lfirst(cell);

		if (extent->partition == position->partition && strcmp(extent->topic, position->topic) == 0)
			return extent;
	}
	elog(ERROR, "no extent of topic \"%s\" partition %d", position->topic, position->partition);
}

/* Reads on from positions, to the end of the range or of each extent; positions is changed. */
static CqBounded *
open_at(CqStream *stream, const CqRange *range, const Bitmapset *needed, List *extents,
		CqPosition *positions,
		int npositions)
{
	CqBounded  *bounded = palloc0(sizeof(CqBounded));

	bounded->stream = stream;
	bounded->needed = needed;
	bounded->partitions = palloc0(sizeof(CqBoundedPartition) * Max(npositions, 1));
	for (int i = 0; i < npositions; i++)
	{
		const CqExtent *extent = find_extent(extents, &positions[i]);
		int64		begin = Max(positions[i].offset, range->first_offset);
		int64		limit = range->last_offset < extent->end ? range->last_offset + 1 : extent->end;

		bounded->nwaiting += Max(extent->end - extent->begin, 0);
		if (begin >= limit)
			continue;
		bounded->partitions[bounded->npartitions] = (CqBoundedPartition) {
			.topic = extent->topic, .partition = extent->partition, .position = begin,
				.limit = limit
		};
		positions[bounded->npartitions] = (CqPosition) {extent->topic, extent->partition, begin, 0};
		bounded->npartitions++;
	}
	if (bounded->npartitions > 0)
		bounded->reader = cq_reader_open_bounded(stream, positions, bounded->npartitions);
	return bounded;
}

CqBounded *
cq_bounded_open(CqStream *stream, const CqRange *range, const Bitmapset *needed)
{
	List	   *extents = range->is_empty ? NIL : cq_bounded_extents(stream);
	int			npositions;
	CqPosition *positions = find_beginnings(stream, range, extents, &npositions);

	return open_at(stream, range, needed, extents, positions, npositions);
}

CqBounded *
cq_bounded_open_latest(CqStream *stream, const Bitmapset *needed, int64 limit)
{
	List	   *extents = cq_bounded_extents(stream);
	CqRange		range;
	int			npositions;
	CqPosition *positions;

	cq_pushdown_init(&range);
	positions = find_beginnings(stream, &range, extents, &npositions);
	for (int i = 0; i < npositions; i++)
		positions[i].offset = Max(positions[i].offset, find_extent(extents, &positions[i])->end -
								  limit / npositions);
	return open_at(stream, &range, needed, extents, positions, npositions);
}

void
cq_bounded_close(CqBounded *bounded)
{
	if (bounded->reader != NULL)
		cq_reader_close(bounded->reader);
	bounded->reader = NULL;
}

static CqBoundedPartition *
find_partition(CqBounded *bounded, const CqSlice *slice)
{
	for (int i = 0; i < bounded->npartitions; i++)
	{
		CqBoundedPartition *partition = &bounded->partitions[i];

		if (partition->partition == slice->partition && strcmp(partition->topic, slice->topic) == 0)
			return partition;
	}
	elog(ERROR, "messages of topic \"%s\" partition %d were not asked for", slice->topic,
		 slice->partition);
}

/* Moves the positions, and leaves out the rows beyond the ends. */
static void
take_slices(CqBounded *bounded, CqBatch *batch)
{
	const CqFetch *fetch = &batch->fetch;
	MemoryContext caller = MemoryContextSwitchTo(batch->context);
	int64	   *limits = palloc(sizeof(int64) * Max(fetch->nslices, 1));
	bool		is_beyond = false;

	for (int i = 0; i < fetch->nslices; i++)
	{
		CqBoundedPartition *partition = find_partition(bounded, &fetch->slices[i]);

		limits[i] = partition->limit;
		partition->position = fetch->slices[i].next;
		is_beyond |= partition->position > partition->limit;
	}
	for (int row = 0; is_beyond && row < batch->nrows; row++)
	{
		if (fetch->messages[row].offset >= limits[fetch->messages[row].slice])
			batch->absent = bms_add_member(batch->absent, row);
	}
	MemoryContextSwitchTo(caller);
}

/*
 * What the source has to say can only be a reason to fail: a statement does not wait for better
 * times.
 */
static void
take_events(CqBounded *bounded)
{
	CqSourceEvent event;

	while (cq_reader_poll_event(bounded->reader, &event))
	{
		if (event.kind == CQ_SOURCE_UP || event.kind == CQ_SOURCE_PARTITIONS ||
			event.kind == CQ_SOURCE_HELD)
			continue;
		ereport(ERROR,
				(errcode(event.kind == CQ_SOURCE_DOWN ? ERRCODE_CONNECTION_FAILURE :
						 ERRCODE_FDW_ERROR),
				 event.topic != NULL ?
				 errmsg("could not read stream %s: topic \"%s\" partition %d: %s",
						bounded->stream->name, event.topic, event.partition, event.text) :
				 errmsg("could not read stream %s: %s", bounded->stream->name, event.text)));
	}
}

/* Offsets that are still to be passed. */
static int64
count_remaining(const CqBounded *bounded)
{
	int64		remaining = 0;

	for (int i = 0; i < bounded->npartitions; i++)
		remaining += Max(bounded->partitions[i].limit - bounded->partitions[i].position, 0);
	return remaining;
}

CqBatch *
cq_bounded_next(CqBounded *bounded)
{
	int64		remaining;

	while ((remaining = count_remaining(bounded)) > 0)
	{
		CqBatch    *batch;

		CHECK_FOR_INTERRUPTS();
		batch = cq_reader_fetch(bounded->reader, Min(remaining, CHUNK_MESSAGES), CHUNK_BYTES,
								FETCH_TIMEOUT_MS);
		if (batch == NULL)
		{
			take_events(bounded);
			continue;
		}
		/* Markers of transactions and what was aborted move the positions, and are no rows. */
		if (batch->nrows == 0)
		{
			take_slices(bounded, batch);
			continue;
		}
		cq_decode_batch(batch, bounded->needed, NIL);
		take_slices(bounded, batch);
		bounded->nmessages += batch->nrows;
		return batch;
	}
	return NULL;
}

void
cq_bounded_take_bad(CqBounded *bounded, const CqBatch *batch, const CqBadCell *cell)
{
	const CqMessage *message = &batch->fetch.messages[cell->row];
	const CqSlice *slice = &batch->fetch.slices[message->slice];

	if (bounded->stream->skip_bad_rows)
	{
		bounded->nbad++;
		return;
	}
	ereport(ERROR,
			(errcode(cell->reject->sqlerrcode),
			 errmsg("topic \"%s\" partition %d offset " INT64_FORMAT ": %s",
					slice->topic, slice->partition, message->offset, cell->reject->message),
			 cell->reject->detail != NULL ? errdetail("%s", cell->reject->detail) : 0,
			 errhint("%s", cell->reject->hint != NULL ? cell->reject->hint :
					 "With the option on_error 'skip' of the stream such rows are left out.")));
}
