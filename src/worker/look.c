/*
 * look.c
 *		Tells others which partitions this worker has read to their end, and since when nothing has
 *		come from them: see stats/reading.h.
 *
 * A partition is silent from the first look on at which it stands at its end, until it has moved.
 * Only looks count: a worker that is busy tells nothing, and what it has told before is soon too
 * old to be believed.
 */
#include "postgres.h"

#include "common/clock.h"
#include "stats/reading.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "worker/ingest.h"
#include "worker/map.h"

#define INTERVAL_US	(USECS_PER_SEC / 5)
#define BUSY_INTERVAL_US	(USECS_PER_SEC / 2)

/* A cursor, and how it was found the last time. */
typedef struct Look
{
	int64		cursor_id;		/* hash key */
	uint64		reader_number;
	int64		next_offset;
	uint64		number;			/* of the look */
	int64		held_since;		/* 0: it is not held up */
	CqReading	reading;
} Look;

static HTAB *looks = NULL;

static void
create_looks(void)
{
	HASHCTL		control = {
		.keysize = sizeof(int64), .entrysize = sizeof(Look), .hcxt = TopMemoryContext
	};

	looks = hash_create("pg_cq looks", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
look(const CqIngest *ingest, const CqIngestLane *lane, const CqCursor *cursor, uint64 number,
	 int64 began)
{
	const CqReader *reader = lane->lane->reader;
	int64		now = cq_clock_monotonic();
	Look	   *found;
	bool		was_there;
	bool		is_at_end;

	found = hash_search(looks, &cursor->cursor_id, HASH_ENTER, &was_there);
	if (!was_there || found->reader_number != lane->reader_number)
	{
		memset((char *) found + sizeof(int64), 0, sizeof(Look) - sizeof(int64));
		found->reader_number = lane->reader_number;
	}
	found->reading.held_up[0] = '\0';
	is_at_end = !lane->is_down &&
		cq_reader_is_at_end(reader, cursor->topic, cursor->partition, found->reading.held_up,
							CQ_READING_TEXT_LENGTH);
	found->reading.has_caught_up = (found->reading.has_caught_up || is_at_end) && !lane->is_down;
	/*
	 * What comes is held up for a moment, between being there and being fetched. Where that moves
	 * the cursor from one look to the next, nothing else holds it up.
	 */
	if (found->reading.held_up[0] == '\0')
		found->held_since = 0;
	else if (found->held_since == 0 || found->next_offset != cursor->next_offset)
		found->held_since = began;
	if (found->held_since != 0 && began - found->held_since < USECS_PER_SEC)
		found->reading.held_up[0] = '\0';
	if (!is_at_end)
		found->reading.silent_since = 0;
	else if (found->reading.silent_since == 0 || found->next_offset != cursor->next_offset)
		found->reading.silent_since = now;
	found->next_offset = found->reading.next_offset = cursor->next_offset;
	found->reading.looked_at = began;
	found->number = number;
	cq_reading_note(cursor->cursor_id, ingest->slot->number, &found->reading);
}

void
cq_look_tell_busy(CqIngest *ingest)
{
	int64		now = cq_clock_real_monotonic();
	int64		passed = now - ingest->told_at;
	ListCell   *cell;

	if (ingest->slot->pool[0] == '\0' || passed < BUSY_INTERVAL_US)
		return;
	ingest->told_at = now;
	foreach(cell, ingest->lanes)
	{
		CqIngestLane *lane = lfirst(cell);
		int			n = lane->lane->ncursors;
		double		waits = (double) lane->lane->lag * lane->us_per_row / USECS_PER_SEC;

		for (int i = 0; i < n; i++)
			cq_map_tell(ingest->slot, lane->lane->stream, lane->lane->cursors[i].topic,
						lane->lane->cursors[i].partition, (double) lane->busy_us / passed / n,
						waits / n, lane->lane->lag / n);
		lane->busy_us = 0;
	}
}

/* Cursors that this worker does not read any more. */
static void
forget_others(uint64 number)
{
	HASH_SEQ_STATUS scan;
	Look	   *one;

	hash_seq_init(&scan, looks);
	while ((one = hash_seq_search(&scan)) != NULL)
	{
		if (one->number == number)
			continue;
		cq_reading_forget(one->cursor_id);
		hash_search(looks, &one->cursor_id, HASH_REMOVE, NULL);
	}
}

void
cq_look_tell(const CqIngest *ingest, int64 began)
{
	static uint64 number = 0;
	static int64 last = 0;
	ListCell   *cell;

	if (began - last < INTERVAL_US || ingest->lanes_are_stale)
		return;
	last = began;
	number++;
	if (looks == NULL)
		create_looks();
	foreach(cell, ingest->lanes)
	{
		const CqIngestLane *lane = lfirst(cell);

		for (int i = 0; i < lane->lane->ncursors && lane->lane->reader != NULL; i++)
			look(ingest, lane, &lane->lane->cursors[i], number, began);
	}
	forget_others(number);
}
