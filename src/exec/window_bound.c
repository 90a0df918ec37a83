/*
 * window_bound.c
 *		Where the windows of a view begin and end: see window_bound.h.
 */
#include "postgres.h"

#include "exec/window_bound.h"
#include "utils/timestamp.h"

/* Each time is a window of its own, and ends where the next one begins. */
static TimestampTz
find_time(CqWindowBound *bound, TimestampTz time, int block, int offset)
{
	return TIMESTAMP_NOT_FINITE(time) ? time : time + offset;
}

/* _cq.window_bound(time, step, origin, block, offset) */
static TimestampTz
find_step(CqWindowBound *bound, TimestampTz time, int block, int offset)
{
	LOCAL_FCINFO(fcinfo, 5);

	InitFunctionCallInfoData(*fcinfo, &bound->function, 5, InvalidOid, NULL, NULL);
	fcinfo->args[0] = (NullableDatum) {TimestampTzGetDatum(time), false};
	fcinfo->args[1] = (NullableDatum) {bound->steps.step->constvalue, false};
	fcinfo->args[2] = (NullableDatum) {bound->steps.origin->constvalue,
									   bound->steps.origin->constisnull};
	fcinfo->args[3] = (NullableDatum) {Int32GetDatum(block), false};
	fcinfo->args[4] = (NullableDatum) {Int32GetDatum(offset), false};
	return DatumGetTimestampTz(FunctionCallInvoke(fcinfo));
}

void
cq_window_bound_init(CqWindowBound *bound, const CqWindowSteps *steps)
{
	bound->steps = *steps;
	bound->find = find_step;
	if (OidIsValid(steps->bound))
		fmgr_info(steps->bound, &bound->function);
	else
	{
		bound->find = find_time;
		bound->steps.block = bound->steps.last = 1;
	}
}

bool
cq_window_bound_has_ends(const CqWindowBound *bound)
{
	return bound->find == find_step;
}

TimestampTz
cq_window_bound_before(CqWindowBound *bound, TimestampTz time)
{
	return bound->find(bound, time, 1, 0);
}

TimestampTz
cq_window_bound_after(CqWindowBound *bound, TimestampTz time)
{
	return bound->find(bound, time, 1, 1);
}

TimestampTz
cq_window_bound_last_end(CqWindowBound *bound, TimestampTz time)
{
	return bound->find(bound, time, bound->steps.block, bound->steps.last);
}

TimestampTz
cq_window_bound_first_needed(CqWindowBound *bound, TimestampTz end)
{
	if (TIMESTAMP_NOT_FINITE(end))
		return end;
	/*
	 * Hopping windows that end then begin so many panes earlier; cumulating ones share the first
	 * panes of their block.
	 */
	return bound->steps.block == 1 ? bound->find(bound, end, 1, 1 - bound->steps.last) :
		bound->find(bound, end, bound->steps.block, 0);
}

static TimestampTz
behind_end(CqWindowBound *bound, TimestampTz end)
{
	return end + 1;
}

static TimestampTz
at_end(CqWindowBound *bound, TimestampTz end)
{
	return end;
}

static TimestampTz
first_start(CqWindowBound *bound, TimestampTz end)
{
	return cq_window_bound_first_needed(bound, cq_window_bound_before(bound, end));
}

TimestampTz
cq_window_bound_horizon(CqWindowBound *bound, CqTimeKind kind, TimestampTz end)
{
	static TimestampTz (*const horizons[]) (CqWindowBound *bound, TimestampTz end) = {
		[CQ_TIME_OF_END] = behind_end,
		[CQ_TIME_OF_ROW] = at_end,
		[CQ_TIME_OF_START] = first_start,
		[CQ_TIME_OF_SESSION_END] = behind_end,
		[CQ_TIME_OF_SESSION] = behind_end,
		[CQ_TIME_IN_SESSION] = behind_end,
	};

	return horizons[kind] (bound, end);
}
