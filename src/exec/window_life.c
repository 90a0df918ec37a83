/*
 * window_life.c
 *		How long windows of a view are kept: see window_life.h.
 */
#include "postgres.h"

#include "exec/view_plan.h"
#include "exec/window_life.h"
#include "state/retention.h"
#include "utils/timestamp.h"

static CqWindowLife
life_of(bool is_over_at_end, const Interval *retention)
{
	if (is_over_at_end)
		return (CqWindowLife) {true, NULL};
	return (CqWindowLife) {retention != NULL, retention};
}

CqWindowLife
cq_window_life_closed(const CqView *view)
{
	CqWindowLife life = life_of(view->emits_on_close, view->retention);

	life.is_over &= cq_view_plan_has_windows(view);
	return life;
}

CqWindowLife
cq_window_life_gone(const CqView *view)
{
	return life_of(view->emits_on_close && !view->amends_late, view->retention);
}

TimestampTz
cq_window_life_ended(const CqWindowLife *life, TimestampTz watermark)
{
	return life->after == NULL ? watermark : cq_retention_horizon(watermark, life->after);
}

/* Months and days are not of one length: the shortest. */
int64
cq_window_life_least(const CqWindowLife *life)
{
	const Interval *after = life->after;

	if (after == NULL)
		return 0;
	return (after->month * INT64CONST(28) * 24 + after->day * INT64CONST(23)) * USECS_PER_HOUR +
		after->time;
}
