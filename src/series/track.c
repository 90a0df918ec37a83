/*
 * track.c
 *		A series that goes on, and the model of it, which is fitted anew from time to time.
 *
 * A fit takes time in proportion to the values, so it is done when they have grown by a half since
 * the last one; and when there are as many as are fitted to at most, each time that as many more
 * have come. So a value costs the same on average however many there are, and memory is bounded.
 * Between two fits the model goes on with each value. Which form it has is decided anew as long as
 * the series grows, and then left: forms that change for each bit of chance would make bounds
 * jump.
 *
 * Where a step is given, times are places on a grid: what is missing in between is a missing value.
 * A gap that is longer than what is fitted to begins the series anew.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "series/season.h"
#include "series/track.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* The track is zeroed; all it makes is in the context. */
void
cq_track_begin(CqTrack *track, const CqTrackOptions *options, MemoryContext context)
{
	track->options = *options;
	track->context = context;
	if (track->options.least == 0)
		track->options.least = cq_model_least(&options->form);
	track->options.least = Min(track->options.least, track->options.most);
	track->values = MemoryContextAlloc(context, 2 * track->options.most * sizeof(double));
	track->next_fit = track->options.least;
}

/* ---- time ---- */

static int64
months_of(TimestampTz time)
{
	struct pg_tm tm;
	fsec_t		fraction;

	if (timestamp2tm(time, NULL, &tm, &fraction, NULL, NULL) != 0)
		return 0;
	return (int64) tm.tm_year * 12 + tm.tm_mon - 1;
}

/* So many months later, in UTC; the last day of the month where there is no such day. */
static TimestampTz
months_later(TimestampTz time, int months)
{
	Interval	interval = {.month = months};

	return DatumGetTimestamp(DirectFunctionCall2(timestamp_pl_interval, TimestampGetDatum(time),
												 IntervalPGetDatum(&interval)));
}

static int64
length_of(const Interval *step)
{
	return step->time + step->day * USECS_PER_DAY;
}

/* From one time to a later one: the whole range of times does not fit into an int64. */
static uint64
microseconds(TimestampTz from, TimestampTz to)
{
	return (uint64) to - (uint64) from;
}

/* The place of a time on the grid that begins with the first one. */
static int64
place_of(const CqTrack *track, TimestampTz time)
{
	const Interval *step = &track->options.step;

	if (step->month != 0)
		return (months_of(time) - months_of(track->first)) / step->month;
	return (int64) Min(rint(microseconds(track->first, time) / (double) length_of(step)), 9e18);
}

static void
begin_anew(CqTrack *track)
{
	if (track->fitting != NULL)
		MemoryContextReset(track->fitting);
	track->model = NULL;
	track->count = 0;
	track->seen = 0;
	track->next_fit = track->options.least;
}

/* Goes to the time of the next value, over the steps that are missing before it. */
CqTrackMove
cq_track_move(CqTrack *track, TimestampTz time)
{
	if (!track->has_time)
	{
		track->has_time = true;
		track->first = track->last = track->before_last = time;
		return CQ_TRACK_NEXT;
	}
	if (time < track->last)
		return CQ_TRACK_BACK;
	if (length_of(&track->options.step) != 0 || track->options.step.month != 0)
	{
		int64		missing = place_of(track, time) - place_of(track, track->last) - 1;

		if (missing < 0)
			return CQ_TRACK_SAME;
		if (missing > track->options.most)
		{
			begin_anew(track);
			missing = 0;
		}
		while (missing-- > 0)
		{
			CHECK_FOR_INTERRUPTS();
			cq_track_add(track, NAN);
		}
	}
	track->before_last = track->last;
	track->last = time;
	return CQ_TRACK_NEXT;
}

/* Months from one time to the other, where both are at the same time of the same day of a month. */
static int
whole_months(TimestampTz from, TimestampTz to)
{
	int64		months = months_of(to) - months_of(from);

	return months > 0 && months < 1200 && months_later(from, (int) months) == to ? (int) months : 0;
}

/*
 * The time of the value so many steps ahead of the last one. Without a step, the time between the
 * last two values is taken for it, as so many months where it is. False: it is not known, since
 * the last two have the same time, or out of range.
 */
bool
cq_track_time(const CqTrack *track, int ahead, TimestampTz *time)
{
	int			months = track->options.step.month;
	uint64		length = length_of(&track->options.step);

	if (months == 0 && length == 0)
	{
		months = whole_months(track->before_last, track->last);
		length = microseconds(track->before_last, track->last);
	}
	if (months != 0)
	{
		struct pg_tm tm;
		fsec_t		fraction;

		if ((int64) months * ahead < 12 * 250000 &&
			timestamp2tm(track->last, NULL, &tm, &fraction, NULL, NULL) == 0 &&
			tm.tm_year + (int64) months * ahead / 12 < 290000)
		{
			*time = months_later(track->last, months * ahead);
			return true;
		}
		return false;
	}
	if (length == 0 || microseconds(track->last, END_TIMESTAMP - 1) / length < (uint64) ahead)
		return false;
	*time = track->last + (int64) (length * ahead);
	return true;
}

/* ---- values ---- */

static void
fit(CqTrack *track)
{
	MemoryContext fresh = AllocSetContextCreate(track->context, "pg_cq series model",
												ALLOCSET_SMALL_SIZES);
	MemoryContext before = MemoryContextSwitchTo(fresh);
	CqModelForm form = track->options.form;
	int			count = Min(track->count, track->options.most);
	const double *values = track->values + track->count - count;
	CqModel    *model;

	if (form.period == 0)
		form.period = cq_model_has_season(&form) ? cq_season_find(values, count) : 1;
	if (form.period > count / 2)
		form.period = 1;
	/* As long as the series grows the form is open; then it stays. */
	if (track->model != NULL && track->seen > track->options.most)
		form = track->model->form;
	model = cq_model_fit(&form, values, count);
	MemoryContextSwitchTo(before);
	if (model == NULL)
		MemoryContextDelete(fresh);
	else
	{
		if (track->fitting != NULL)
			MemoryContextDelete(track->fitting);
		track->fitting = fresh;
		track->model = model;
		track->fits++;
	}
}

/* Takes the next value in; NaN: it is missing. */
void
cq_track_add(CqTrack *track, double value)
{
	int			most = track->options.most;

	if (track->count == 2 * most)
	{
		memmove(track->values, track->values + most, most * sizeof(double));
		track->count = most;
	}
	track->values[track->count++] = value;
	track->seen++;
	if (track->model != NULL)
		track->model->routine->update(track->model, value);
	if (track->seen < track->next_fit)
		return;
	fit(track);
	track->next_fit = track->seen + Max(8, Min(most, track->seen / 2));
}
