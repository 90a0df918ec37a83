/*
 * anchor_window.c
 *		Windows over bounds of other windows, such as hours over the minutes that were counted: see
 *		close_tree.c.
 *
 * A bound is a time of the rows of its window. It lies behind an event time in the window by the
 * window's size at most (its start), or before it (its end).
 */
#include "postgres.h"

#include "nodes/nodeFuncs.h"
#include "plan/anchor.h"
#include "plan/window_call.h"
#include "utils/timestamp.h"

static const Interval *
interval_of(const FuncExpr *call, int argument)
{
	const Const *constant = list_nth_node(Const, call->args, argument);

	return DatumGetIntervalP(constant->constvalue);
}

/* Of cq.tumble it is the step. */
static int
argument_of_size(CqWindowKind kind)
{
	return kind == CQ_WINDOW_TUMBLE ? CQ_WINDOW_STEP : CQ_WINDOW_SIZE;
}

/* Whatever the calendar: hours of hours, days of days. */
static bool
is_multiple(const Interval *whole, const Interval *part)
{
	if (whole->month != 0 || part->month != 0)
		return false;
	if (whole->day == 0 && part->day == 0)
		return part->time > 0 && whole->time % part->time == 0;
	return whole->time == 0 && part->time == 0 && part->day > 0 && whole->day % part->day == 0;
}

/* Do the ends of windows lie on starts of the others? */
static bool
are_aligned(const FuncExpr *call, CqWindowKind kind, const FuncExpr *inner)
{
	return equal(llast(call->args), llast(inner->args)) &&
		is_multiple(interval_of(call, CQ_WINDOW_STEP), interval_of(inner, CQ_WINDOW_STEP)) &&
		is_multiple(interval_of(call, argument_of_size(kind)),
					interval_of(inner, CQ_WINDOW_STEP));
}

/* Beyond it what a size comes to in microseconds might not fit. */
static bool
is_measurable(const FuncExpr *call, CqWindowKind kind)
{
	const Interval *size = interval_of(call, argument_of_size(kind));

	return size->month < 12 * 1000 && size->day < 366 * 1000 && size->time < PG_INT64_MAX / 4;
}

/* In microseconds, at most: months have 31 days, and days on which clocks are set back 25 hours. */
static int64
longest(const Interval *interval)
{
	return (interval->month * (int64) 31 + interval->day) * 25 * USECS_PER_HOUR + interval->time;
}

static int64
shortest(const Interval *interval)
{
	return (interval->month * (int64) 28 + interval->day) * 23 * USECS_PER_HOUR + interval->time;
}

/*
 * How far the start of a row's window may lie behind its time, as far as windows over starts see
 * it: where they end on a start, a row beyond their end has none before it, unless windows overlap.
 */
static int64
lag_of_start(const FuncExpr *call, CqWindowKind kind, const FuncExpr *inner,
			 CqWindowKind inner_kind)
{
	int64		size = longest(interval_of(inner, argument_of_size(inner_kind)));

	if (inner_kind == CQ_WINDOW_CUMULATE || !are_aligned(call, kind, inner))
		return size;
	return inner_kind == CQ_WINDOW_TUMBLE ? 0 :
		size - shortest(interval_of(inner, CQ_WINDOW_STEP));
}

bool
cq_anchor_window_size(const RangeTblEntry *windows, int64 *size)
{
	CqWindowKind kind;
	FuncExpr   *call = copyObject(cq_window_call(windows, &kind));

	if (!cq_window_call_settle(call, true) || !is_measurable(call, kind))
		return false;
	*size = longest(interval_of(call, argument_of_size(kind)));
	return true;
}

const CqAnchor *
cq_anchor_window_time(const CqAnchor *anchor, const RangeTblEntry *windows)
{
	CqWindowKind kind;
	CqWindowKind inner_kind;
	FuncExpr   *call = copyObject(cq_window_call(windows, &kind));
	FuncExpr   *inner;
	CqAnchor   *time;
	int64		lag = 0;
	ListCell   *cell;

	if (anchor->kind == CQ_ANCHOR_TIME)
		return anchor;
	if (cq_anchor_is_of_session(anchor))
		return NULL;
	inner = copyObject(cq_window_call(anchor->windows, &inner_kind));
	if (!cq_window_call_settle(call, true) || !cq_window_call_settle(inner, true) ||
		!is_measurable(inner, inner_kind))
		return NULL;
	if (anchor->kind == CQ_ANCHOR_START)
		lag = lag_of_start(call, kind, inner, inner_kind);
	time = cq_anchor_make(anchor->column, cq_anchor_merge_lags(anchor->lags, NIL, 0, 0));
	time->other = anchor->other;
	foreach(cell, time->lags)
	{
		CqStreamLag *of_stream = lfirst(cell);

		of_stream->nwindows++;
		of_stream->lag += lag;
		if (anchor->kind == CQ_ANCHOR_END && of_stream->lead >= 0)
			of_stream->lead += longest(interval_of(inner, argument_of_size(inner_kind)));
	}
	return time;
}
