/*
 * window_bound.h
 *		Where the windows of a view that are closed, or expire, begin and end.
 *
 * Of sessions, and of rows that are closed one by one, that is not known from a time alone: there
 * each time counts by itself, as if it were a window that ends before the next one.
 */
#ifndef CQ_WINDOW_BOUND_H
#define CQ_WINDOW_BOUND_H

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "plan/plan.h"

typedef struct CqWindowBound
{
	CqWindowSteps steps;
	TimestampTz (*find) (struct CqWindowBound *bound, TimestampTz time, int block, int offset);
	FmgrInfo	function;		/* of windows */
} CqWindowBound;

/* Look-ups live in CurrentMemoryContext; the steps' constants where the plan does. */
extern void cq_window_bound_init(CqWindowBound *bound, const CqWindowSteps *steps);

/* Are they windows, whose ends mean something to people? */
extern bool cq_window_bound_has_ends(const CqWindowBound *bound);

/*
 * The last bound of any window that is not after time, and the first that is. Raise ERROR for times
 * out of range.
 */
extern TimestampTz cq_window_bound_before(CqWindowBound *bound, TimestampTz time);
extern TimestampTz cq_window_bound_after(CqWindowBound *bound, TimestampTz time);

/* The end of the last window in which time lies. */
extern TimestampTz cq_window_bound_last_end(CqWindowBound *bound, TimestampTz time);

/*
 * What is told by a time, of windows, rows or sessions, which lies before that is of use to no
 * window that ends after end.
 */
extern TimestampTz cq_window_bound_horizon(CqWindowBound *bound, CqTimeKind kind, TimestampTz end);

/* Where the first pane begins that lies in any window which ends after a bound of windows. */
extern TimestampTz cq_window_bound_first_needed(CqWindowBound *bound, TimestampTz end);

#endif							/* CQ_WINDOW_BOUND_H */
