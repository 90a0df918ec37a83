/*
 * turn.c
 *		Whose turn it is: fairness among lanes, and lanes that meet.
 *
 * Lanes take turns, each with what is there. Where some lane is live (it keeps up with its stream),
 * those with a backlog take batches of some twenty milliseconds, so that it keeps its latency.
 * Where a lane is behind another one of the same partitions and both have a backlog, the one ahead
 * is left out three times of four: the sooner they meet, the sooner everything is read but once.
 *
 * A lane whose views go on apart (exec/apart.c) takes batches of a few milliseconds beside one that
 * is live, behind or not: about as long as a round of that one waits for its next messages.
 *
 * A lane whose view has used up a budget that makes it slow rests after each turn, so that it takes
 * a twentieth of the worker's time.
 *
 * Two lanes that are near each other meet, unless the views of one go on apart: neither gets a turn
 * of its own, and each is read up to where the other one stands. A reader that has gone past that
 * place is closed at once, so a meeting costs at most two; where it fails the next one is not
 * before a second later.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/clock.h"
#include "common/fault.h"
#include "common/guc.h"
#include "common/watch.h"
#include "miscadmin.h"
#include "stats/budget.h"
#include "utils/timestamp.h"
#include "worker/ingest.h"

#define LIVE_LAG		20000	/* messages: a lane no further behind keeps up */
#define LIVE_SECONDS	1		/* since its last batch: else nobody minds */
#define SLICE_US		20000	/* of a lane with a backlog, beside a live one */
#define SMALLEST_SLICE	1000	/* messages */
#define APART_SLICE_US	3000	/* of a lane whose views go on apart, beside a live one */
#define SMALLEST_APART_SLICE 50
#define BUDGET_SLICE_US	200000	/* of a lane one of whose views has a budget */
#define SLOWED_REST		19		/* so many times as long as its turn does one rest that is slowed */
#define COMPACTION_US	5000	/* after a batch, and no less than that took, while a view's state is due */
#define NEAR			20000	/* messages: so close that two lanes may meet */
#define MEETING_MS		200		/* after which a meeting has failed */
#define MEETING_PAUSE_MS 1000	/* between meetings that fail */

static bool
is_live(const CqIngestLane *lane, TimestampTz now)
{
	return lane->lane->lag < LIVE_LAG && now - lane->last_batch < LIVE_SECONDS * USECS_PER_SEC;
}

/* By a budget. Together with others no view stays that is. */
static bool
is_slowed(const CqIngestLane *lane)
{
	return list_length(lane->lane->views) == 1 &&
		cq_budget_slows(linitial_oid(lane->lane->views));
}

/* is_apart: are the lane's views so? Then the others of their kind do not count. */
static bool
other_is_live(const CqIngest *ingest, const CqIngestLane *lane, bool is_apart, TimestampTz now)
{
	ListCell   *cell;

	foreach(cell, ingest->lanes)
	{
		const CqIngestLane *other = lfirst(cell);

		if (other != lane && is_live(other, now) &&
			!(is_apart && cq_apart_are_all(other->lane->views)))
			return true;
	}
	return false;
}

/* One whose views do not go on apart: it is not to wait for other workers. */
static bool
has_plain_lane(const CqIngest *ingest)
{
	ListCell   *cell;

	foreach(cell, ingest->lanes)
	{
		const CqLane *lane = ((const CqIngestLane *) lfirst(cell))->lane;

		if (lane->reader != NULL && !cq_apart_are_all(lane->views))
			return true;
	}
	return false;
}

/* How many messages the lane takes in so long a time, as far as is known. */
static int
slice_of(const CqIngestLane *lane, double us, int smallest)
{
	if (lane->us_per_row == 0)
		return smallest;
	return Max(smallest, (int) Min(us / lane->us_per_row, (double) cq_batch_rows));
}

/*
 * How many messages the lane may take, so that others need not wait for it, or that it does not
 * take much more than its budget; 0: any number.
 */
static int
limit_rows(const CqIngest *ingest, const CqIngestLane *lane, bool is_apart, TimestampTz now)
{
	bool		has_neighbour = other_is_live(ingest, lane, is_apart, now);

	if (has_neighbour && is_apart)
		return slice_of(lane, APART_SLICE_US, SMALLEST_APART_SLICE);
	if (is_slowed(lane))
		return slice_of(lane, SLICE_US, SMALLEST_APART_SLICE);
	if (has_neighbour && lane->us_per_row > 0 && lane->lane->lag >= LIVE_LAG)
		return slice_of(lane, SLICE_US, SMALLEST_SLICE);
	if (cq_budget_has_any(lane->lane->views))
		return slice_of(lane, BUDGET_SLICE_US, SMALLEST_APART_SLICE);
	return 0;
}

/* Is there one behind it, with a backlog as it has itself? */
static bool
should_let_another_catch_up(const CqIngest *ingest, const CqIngestLane *lane)
{
	ListCell   *cell;

	if (lane->lane->lag < LIVE_LAG)
		return false;
	foreach(cell, ingest->lanes)
	{
		const CqIngestLane *other = lfirst(cell);

		if (other != lane && other->lane->reader != NULL && other->lane->lag >= LIVE_LAG &&
			cq_meet_may(other->lane, lane->lane) &&
			cq_meet_is_behind(other->lane, lane->lane) &&
			!cq_meet_is_behind(lane->lane, other->lane))
			return true;
	}
	return false;
}

static void
note_batch(CqIngest *ingest, CqIngestLane *lane, int nrows, TimestampTz began)
{
	TimestampTz now = cq_clock_real_monotonic();
	double		us_per_row = (double) (now - began) / nrows;

	lane->us_per_row = lane->us_per_row == 0 ? us_per_row : (3 * lane->us_per_row + us_per_row) / 4;
	lane->last_batch = now;
	lane->busy_us += now - began;
	cq_shared_count(ingest->slot, nrows, lane->lane->nbytes);
}

/* An error that concerns no one view, but the stream: others go on. Its message, or NULL. */
static char *
try_exec(CqLane *lane, int timeout_ms, int *nrows, CqBatchResult *result)
{
	MemoryContext caller = CurrentMemoryContext;
	char	   *volatile message = NULL;

	PG_TRY();
	{
		*result = cq_batch_exec_lane(lane, timeout_ms, nrows);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		EmitErrorReport();
		FlushErrorState();
		cq_watch_end();
		cq_batch_abandon_part();
		AbortCurrentTransaction();
		MemoryContextSwitchTo(caller);
		message = cq_fault_public_text(error);
		FreeErrorData(error);
		*nrows = 0;
	}
	PG_END_TRY();
	return message;
}

/* Gives the lane a turn. True where there was something. */
static bool
run_lane(CqIngest *ingest, CqIngestLane *lane, int timeout_ms)
{
	TimestampTz began = cq_clock_real_monotonic();
	bool		is_apart = cq_apart_are_all(lane->lane->views);
	CqBatchResult result = CQ_BATCH_RETRY;
	char	   *message;
	int			nrows;

	lane->lane->gives_way = is_apart && ingest->nworkers > 1 && has_plain_lane(ingest);
	lane->lane->max_rows = limit_rows(ingest, lane, is_apart, began);
	message = try_exec(lane->lane, timeout_ms, &nrows, &result);
	lane->rests_until = !is_slowed(lane) ? 0 :
		began + (1 + SLOWED_REST) * (cq_clock_real_monotonic() - began);
	lane->gave_way = result == CQ_BATCH_GIVES_WAY;
	if (lane->gave_way)
		return false;
	if (result == CQ_BATCH_AWAITS)
		cq_load_wait_for_lock(lane);
	else if (message != NULL || result == CQ_BATCH_RETRY)
		cq_load_put_off(ingest, lane, message ? message : lane->lane->trouble);
	else if (nrows > 0)
	{
		note_batch(ingest, lane, nrows, began);
		ingest->has_drifted |= lane->lane->heeds_drift;
		cq_load_end_trouble(ingest, lane);
		if (lane->lane->closes_windows)
			cq_shared_request_closing();
		if (lane->lane->fills_outbox)
			cq_shared_request_emitting();
		cq_field_note(lane->lane);
		cq_compaction_run(lane->lane, Max(COMPACTION_US, cq_clock_real_monotonic() - began));
	}
	if (result == CQ_BATCH_VIEWS_LEFT)
		ingest->lanes_are_stale = true;
	/* The reader may be past what was rolled back, or cut off. */
	else if (result != CQ_BATCH_APPLIED)
		cq_load_drop_reader(ingest, lane);
	return nrows > 0;
}

/*
 * Which of the two is to be read on, or NULL: where it stands beyond the other one everywhere, or
 * has no reader any more.
 */
static CqIngestLane *
find_behind(CqIngestLane *one, CqIngestLane *other)
{
	if (one->lane->reader != NULL && cq_meet_is_behind(one->lane, other->lane))
		return one;
	if (other->lane->reader != NULL && cq_meet_is_behind(other->lane, one->lane))
		return other;
	return NULL;
}

static void
meet(CqIngest *ingest, CqIngestLane *one, CqIngestLane *other)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(cq_clock_real_monotonic(), MEETING_MS);
	CqIngestLane *behind;

	cq_meet_set_stops(one->lane, other->lane);
	while ((behind = find_behind(one, other)) != NULL && cq_clock_real_monotonic() < deadline)
	{
		CHECK_FOR_INTERRUPTS();
		run_lane(ingest, behind, 10);
		if (behind->gave_way)
			break;
	}
	cq_meet_clear_stops(one->lane);
	cq_meet_clear_stops(other->lane);
	if (cq_meet_distance(one->lane, other->lane) == 0)
		ingest->lanes_are_stale = true;
	/* Also where they have met: those that know of different event times stay apart for a while. */
	one->next_meeting = other->next_meeting =
		TimestampTzPlusMilliseconds(cq_clock_real_monotonic(), MEETING_PAUSE_MS);
}

/* Two lanes that are near each other, and may meet now. */
static bool
find_meeting(const CqIngest *ingest, CqIngestLane **one, CqIngestLane **other)
{
	TimestampTz now = cq_clock_real_monotonic();

	for (int i = 0; i < list_length(ingest->lanes); i++)
	{
		*one = list_nth(ingest->lanes, i);
		if ((*one)->lane->reader == NULL || (*one)->next_meeting > now)
			continue;
		for (int j = i + 1; j < list_length(ingest->lanes); j++)
		{
			int64		distance;

			*other = list_nth(ingest->lanes, j);
			if ((*other)->lane->reader == NULL || (*other)->next_meeting > now ||
				!cq_meet_may((*one)->lane, (*other)->lane))
				continue;
			distance = cq_meet_distance((*one)->lane, (*other)->lane);
			if (distance >= 0 && distance <= NEAR)
				return true;
		}
	}
	return false;
}

bool
cq_turn_run(CqIngest *ingest)
{
	bool		had_something = false;
	CqIngestLane *one;
	CqIngestLane *other;
	ListCell   *cell;

	foreach(cell, ingest->lanes)
	{
		CqIngestLane *lane = lfirst(cell);

		CHECK_FOR_INTERRUPTS();
		cq_shared_hear(ingest->slot);
		if (lane->lane->reader == NULL || lane->rests_until > cq_clock_real_monotonic())
			continue;
		if (lane->nskipped < 3 && should_let_another_catch_up(ingest, lane))
		{
			lane->nskipped++;
			had_something = true;
			continue;
		}
		lane->nskipped = 0;
		if (run_lane(ingest, lane, 0) || lane->gave_way)
			had_something = true;
		if (ingest->lanes_are_stale)
			return true;
	}
	if (list_length(ingest->lanes) > 1 && find_meeting(ingest, &one, &other))
	{
		meet(ingest, one, other);
		return true;
	}
	return had_something;
}
