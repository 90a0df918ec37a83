/*
 * meet.c
 *		How a lane that is behind comes to stand exactly where another one stands.
 *
 * Cursors of one partition belong to one worker. While it holds the lane ahead, the one behind is
 * read with stops: what a fetch brings from beyond is cut off, and then the reader is closed, since
 * it has gone past it: nothing may be read with it. When all have met, the lanes are loaded again,
 * which makes one cursor of two.
 */
#include "postgres.h"

#include "exec/exec.h"
#include "exec/view_exec.h"

static int
compare_cursors(const CqCursor *one, const CqCursor *other)
{
	int			order = strcmp(one->topic, other->topic);

	return order != 0 ? order : one->partition - other->partition;
}

/*
 * Goes through the cursors of partitions that both lanes read; *i and *j begin at -1. False at the
 * end.
 */
static bool
next_pair(const CqLane *one, const CqLane *other, int *i, int *j)
{
	(*i)++;
	(*j)++;
	while (*i < one->ncursors && *j < other->ncursors)
	{
		int			order = compare_cursors(&one->cursors[*i], &other->cursors[*j]);

		if (order == 0)
			return true;
		if (order < 0)
			(*i)++;
		else
			(*j)++;
	}
	return false;
}

bool
cq_meet_may(const CqLane *one, const CqLane *other)
{
	return one->stream == other->stream &&
		cq_apart_are_all(one->views) == cq_apart_are_all(other->views) &&
		!cq_view_exec_any_stays_apart(one->views) && !cq_view_exec_any_stays_apart(other->views);
}

int64
cq_meet_distance(const CqLane *one, const CqLane *other)
{
	int64		distance = -1;
	int			i = -1;
	int			j = -1;

	if (one->stream != other->stream)
		return -1;
	while (next_pair(one, other, &i, &j))
		distance = Max(distance, 0) + llabs(one->cursors[i].next_offset -
											other->cursors[j].next_offset);
	return distance;
}

bool
cq_meet_is_behind(const CqLane *lane, const CqLane *other)
{
	int			i = -1;
	int			j = -1;

	while (lane->stream == other->stream && next_pair(lane, other, &i, &j))
	{
		if (lane->cursors[i].next_offset < other->cursors[j].next_offset)
			return true;
	}
	return false;
}

void
cq_meet_set_stops(CqLane *one, CqLane *other)
{
	int			i = -1;
	int			j = -1;

	one->has_stops = other->has_stops = true;
	while (next_pair(one, other, &i, &j))
		one->cursors[i].stop_offset = other->cursors[j].stop_offset =
			Max(one->cursors[i].next_offset, other->cursors[j].next_offset);
}

void
cq_meet_clear_stops(CqLane *lane)
{
	lane->has_stops = false;
	for (int i = 0; i < lane->ncursors; i++)
		lane->cursors[i].stop_offset = PG_INT64_MAX;
}

static CqCursor *
cursor_of(CqLane *lane, const CqSlice *slice)
{
	for (int i = 0; i < lane->ncursors; i++)
	{
		CqCursor   *cursor = &lane->cursors[i];

		if (cursor->partition == slice->partition && strcmp(cursor->topic, slice->topic) == 0)
			return cursor;
	}
	elog(ERROR, "partition %d of topic \"%s\" is not part of the lane", slice->partition,
		 slice->topic);
}

/*
 * The stop of each slice that goes beyond it, PG_INT64_MAX for the others. False where there is
 * none. Shortens the slices.
 */
static bool
find_stops(CqLane *lane, CqFetch *fetch, int64 *stops)
{
	bool		is_cut = false;

	for (int i = 0; i < fetch->nslices; i++)
	{
		CqSlice    *slice = &fetch->slices[i];
		CqCursor   *cursor = cursor_of(lane, slice);

		/*
		 * Somebody else may have moved the cursor past it meanwhile: then the fetch began there,
		 * and nothing of it is taken.
		 */
		stops[i] = Max(cursor->stop_offset, slice->from);
		if (slice->next > stops[i])
		{
			slice->next = stops[i];
			slice->nmessages = 0;
			slice->nbytes = 0;
			is_cut = true;
		}
		else
			stops[i] = PG_INT64_MAX;
	}
	return is_cut;
}

bool
cq_meet_cut(CqLane *lane, CqBatch *batch)
{
	CqFetch    *fetch = &batch->fetch;
	int64	   *stops;
	bool		is_cut;
	int			nkept = 0;

	if (!lane->has_stops)
		return false;
	stops = palloc(sizeof(int64) * Max(fetch->nslices, 1));
	is_cut = find_stops(lane, fetch, stops);
	for (int i = 0; i < fetch->nmessages; i++)
	{
		CqMessage	message = fetch->messages[i];
		CqSlice    *slice = &fetch->slices[message.slice];

		if (message.offset >= stops[message.slice])
			continue;
		if (stops[message.slice] != PG_INT64_MAX)
		{
			slice->nmessages++;
			slice->nbytes += message.key_length + message.value_length;
		}
		/* What is cut off goes behind what is kept: the source releases each message once. */
		fetch->messages[i] = fetch->messages[nkept];
		fetch->messages[nkept++] = message;
	}
	fetch->nmessages = nkept;
	batch->nrows = nkept;
	pfree(stops);
	return is_cut;
}
