/*
 * window.c
 *		Where windows begin and end: the arithmetic under cq.tumble, cq.hop and cq.cumulate.
 *
 * Time is cut into panes: pane n goes from origin + n × step to origin + (n + 1) × step. All
 * windows are made of whole panes, so that one function answers for all of them: window_bound(ts,
 * step, origin, block, offset) finds the block (of that many panes, counted from the origin) in
 * which ts lies, and returns where the pane begins that is offset panes after the block's first. So
 * a tumbling window is offset 0 and 1 in blocks of one pane; the SQL functions are in
 * schema/window.sql.
 *
 * Decides:
 * - A step of hours and less is a fixed length of time. One of months goes by the calendar. One of
 *   days goes by the calendar for timestamptz, in the session's TimeZone, as the server adds days
 *   to a timestamptz: a day may have 23 or 25 hours. For timestamp a day has 24 hours. What mixes
 *   months with anything else, or days with hours for timestamptz, is refused.
 * - Without an origin, panes are counted from Monday, 2001-01-01 00:00 (of the session's TimeZone),
 *   or from 0. So weeks begin on Monday, and months, quarters and years where the calendar has
 *   them.
 * - A time that is null lies in no window (the SQL functions return no row); one that is infinite
 *   is an error.
 * - Where the calendar makes a bound ambiguous, or not exist, it is what the server makes of origin
 *   + n × step.
 *
 * A call site remembers its step in a readable form and the last block, for rows next to each other
 * mostly lie in the same one.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "common/reject.h"
#include "fmgr.h"
#include "pgtime.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "window/window.h"

/* As many windows as one row may belong to. */
#define MAX_WINDOWS		1000000

PG_FUNCTION_INFO_V1(cq_window_bound_timestamptz);
PG_FUNCTION_INFO_V1(cq_window_bound_timestamp);
PG_FUNCTION_INFO_V1(cq_window_bound_bigint);
PG_FUNCTION_INFO_V1(cq_window_count_interval);
PG_FUNCTION_INFO_V1(cq_window_count_bigint);

typedef enum StepUnit
{
	STEP_FIXED,					/* microseconds, or whatever a bigint counts */
	STEP_DAYS,
	STEP_MONTHS
} StepUnit;

typedef struct Step
{
	StepUnit	unit;
	int64		length;			/* in that unit, positive */
} Step;

/* The times of a type. */
typedef enum TimeKind
{
	TIME_BIGINT,
	TIME_TIMESTAMP,
	TIME_TIMESTAMPTZ
} TimeKind;

/* What a call site remembers, in fn_extra. */
typedef struct Panes
{
	TimeKind	kind;

	/* The arguments and the setting it was made for. */
	Interval	interval;
	int64		number;			/* the step of a bigint */
	bool		has_origin;
	int64		given_origin;
	int32		block;
	pg_tz	   *zone;			/* NULL but for timestamptz */

	Step		step;			/* length 0: what was asked for was refused */
	int64		origin;

	/*
	 * The last block: [start, end), and the number of its first pane, unless the step is fixed.
	 * Empty: none yet.
	 */
	int64		start;
	int64		end;
	int64		first;
} Panes;

static void
out_of_range(TimeKind kind)
{
	if (kind == TIME_BIGINT)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("bigint out of range")));
	ereport(ERROR,
			(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
			 errmsg("timestamp out of range")));
}

static void
check_range(TimeKind kind, int64 time)
{
	if (kind != TIME_BIGINT && !IS_VALID_TIMESTAMP(time))
		out_of_range(kind);
}

static int64
add(TimeKind kind, int64 a, int64 b)
{
	int64		sum;

	if (pg_add_s64_overflow(a, b, &sum))
		out_of_range(kind);
	return sum;
}

static int64
multiply(TimeKind kind, int64 a, int64 b)
{
	int64		product;

	if (pg_mul_s64_overflow(a, b, &product))
		out_of_range(kind);
	return product;
}

/*
 * Division that rounds down, and what it leaves, which is never negative. The divisor is positive.
 */
static inline int64
floor_remainder(int64 a, int64 b)
{
	int64		remainder = a % b;

	return remainder < 0 ? remainder + b : remainder;
}

static inline int64
floor_quotient(int64 a, int64 b)
{
	return a / b - (a % b < 0);
}

/* ---- Steps ---- */

/*
 * What the server can add to a time without an overflow in its own arithmetic: more than all of
 * time.
 */
#define MAX_DAYS		400000000
#define MAX_MONTHS		(MAX_DAYS / 30)

static CqReject *
refuse_null(const char *argument)
{
	return cq_reject(ERRCODE_NULL_VALUE_NOT_ALLOWED, "window %s must not be null", argument);
}

static char *
interval_text(const Interval *interval)
{
	return DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(interval)));
}

static CqReject *
refuse_interval(int code, const char *problem, const Interval *interval, const char *argument)
{
	return cq_reject_detail(cq_reject(code, "window %s %s", argument, problem),
							"The %s is \"%s\".", argument, interval_text(interval));
}

/* What an interval means as a step, or why it is none; argument names it. */
static CqReject *
interval_step(const Interval *interval, bool is_calendar, const char *argument, Step *step)
{
	int64		days;

	if (interval->month != 0 && (interval->day != 0 || interval->time != 0))
		return refuse_interval(ERRCODE_INVALID_PARAMETER_VALUE,
							   "must not mix months with days or hours", interval, argument);
	if (is_calendar && interval->day != 0 && interval->time != 0)
		return cq_reject_hint(refuse_interval(ERRCODE_INVALID_PARAMETER_VALUE,
											  "must not mix days with hours", interval, argument),
							  "A day may have 23 or 25 hours. Write 24 hours where that is meant.");
	if (interval->month != 0)
		*step = (Step) {STEP_MONTHS, interval->month};
	else if (is_calendar && interval->day != 0)
		*step = (Step) {STEP_DAYS, interval->day};
	else
	{
		step->unit = STEP_FIXED;
		if (pg_mul_s64_overflow(interval->day, USECS_PER_DAY, &days) ||
			pg_add_s64_overflow(days, interval->time, &step->length))
			return refuse_interval(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "is out of range",
								   interval, argument);
	}
	if (step->length <= 0)
		return refuse_interval(ERRCODE_INVALID_PARAMETER_VALUE, "must be greater than zero",
							   interval, argument);
	if ((step->unit == STEP_DAYS && step->length > MAX_DAYS) ||
		(step->unit == STEP_MONTHS && step->length > MAX_MONTHS))
		return refuse_interval(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "is out of range", interval,
							   argument);
	return NULL;
}

static CqReject *
number_step(int64 number, const char *argument, Step *step)
{
	*step = (Step) {STEP_FIXED, number};
	if (number > 0)
		return NULL;
	return cq_reject_detail(cq_reject(ERRCODE_INVALID_PARAMETER_VALUE,
									  "window %s must be greater than zero", argument),
							"The %s is " INT64_FORMAT ".", argument, number);
}

/* How many steps a window's size is. */
static CqReject *
count_steps(Step step, Step size, const char *step_argument, int32 *result)
{
	if (step.unit != size.unit)
		return cq_reject_hint(cq_reject(ERRCODE_INVALID_PARAMETER_VALUE,
										"window size and %s must be of the same unit",
										step_argument),
							  "Months, days and hours are of no fixed length in each other. Write "
							  "24 hours instead of a day where that is meant.");
	if (size.length % step.length != 0)
		return cq_reject(ERRCODE_INVALID_PARAMETER_VALUE, "window size must be a multiple of %s",
						 step_argument);
	if (size.length / step.length > MAX_WINDOWS)
		return cq_reject(ERRCODE_PROGRAM_LIMIT_EXCEEDED, "window size is more than %d times %s",
						 MAX_WINDOWS, step_argument);
	*result = (int32) (size.length / step.length);
	return NULL;
}

static CqReject *
count_intervals(const Interval *step, const Interval *size, bool is_calendar,
				const char *step_argument, int32 *count)
{
	Step		step_step;
	Step		size_step;
	CqReject   *reject;

	if ((reject = interval_step(step, is_calendar, step_argument, &step_step)) != NULL ||
		(reject = interval_step(size, is_calendar, "size", &size_step)) != NULL)
		return reject;
	reject = count_steps(step_step, size_step, step_argument, count);
	return reject == NULL ? NULL :
		cq_reject_detail(reject, "The size is \"%s\", the %s \"%s\".", interval_text(size),
						 step_argument, interval_text(step));
}

static CqReject *
count_numbers(int64 step, int64 size, const char *step_argument, int32 *count)
{
	Step		step_step;
	Step		size_step;
	CqReject   *reject;

	if ((reject = number_step(step, step_argument, &step_step)) != NULL ||
		(reject = number_step(size, "size", &size_step)) != NULL)
		return reject;
	reject = count_steps(step_step, size_step, step_argument, count);
	return reject == NULL ? NULL :
		cq_reject_detail(reject, "The size is " INT64_FORMAT ", the %s " INT64_FORMAT ".", size,
						 step_argument, step);
}

/* Those that are no constants are only told when the windows are made. */
static bool
is_given(const Node *argument)
{
	return argument != NULL && IsA(argument, Const) && !((const Const *) argument)->constisnull;
}

static CqReject *
check_one(Oid type, const Const *value, const char *argument)
{
	Step		step;

	if (type == INT8OID)
		return number_step(DatumGetInt64(value->constvalue), argument, &step);
	return interval_step(DatumGetIntervalP(value->constvalue), type == TIMESTAMPTZOID, argument,
						 &step);
}

static CqReject *
check_null(const Node *argument, const char *name)
{
	return argument != NULL && IsA(argument, Const) && ((const Const *) argument)->constisnull ?
		refuse_null(name) : NULL;
}

CqReject *
cq_window_check(Oid type, const char *step_argument, const Node *step, const Node *size,
				const Node *origin)
{
	const Const *step_value = is_given(step) ? (const Const *) step : NULL;
	const Const *size_value = is_given(size) ? (const Const *) size : NULL;
	CqReject   *reject;
	int32		count;

	if ((reject = check_null(step, step_argument)) != NULL ||
		(reject = check_null(size, "size")) != NULL)
		return reject;
	if (is_given(origin) && type != INT8OID &&
		TIMESTAMP_NOT_FINITE(DatumGetTimestamp(((const Const *) origin)->constvalue)))
		return cq_reject(ERRCODE_INVALID_PARAMETER_VALUE, "window origin must be finite");
	if (step_value != NULL && size_value != NULL && type == INT8OID)
		return count_numbers(DatumGetInt64(step_value->constvalue),
							 DatumGetInt64(size_value->constvalue), step_argument, &count);
	if (step_value != NULL && size_value != NULL)
		return count_intervals(DatumGetIntervalP(step_value->constvalue),
							   DatumGetIntervalP(size_value->constvalue),
							   type == TIMESTAMPTZOID, step_argument, &count);
	if (step_value != NULL)
		return check_one(type, step_value, step_argument);
	return size_value != NULL ? check_one(type, size_value, "size") : NULL;
}

/* ---- Panes of the calendar ---- */

/* Where pane n begins. */
static int64
calendar_bound(const Panes *panes, int64 n)
{
	PGFunction	plus_interval = panes->kind == TIME_TIMESTAMP ? timestamp_pl_interval :
		timestamptz_pl_interval;
	int64		length = multiply(panes->kind, n, panes->step.length);
	int64		limit = panes->step.unit == STEP_MONTHS ? MAX_MONTHS : MAX_DAYS;
	Interval	interval = {0};

	if (length > limit || length < -limit)
		out_of_range(panes->kind);
	if (panes->step.unit == STEP_MONTHS)
		interval.month = (int32) length;
	else
		interval.day = (int32) length;
	return DatumGetTimestamp(DirectFunctionCall2(plus_interval, TimestampGetDatum(panes->origin),
												 IntervalPGetDatum(&interval)));
}

/* The number of a time's day or month, in the session's zone for timestamptz. */
static int64
calendar_number(const Panes *panes, int64 time)
{
	struct pg_tm tm;
	fsec_t		fsec;
	int			offset;

	if (timestamp2tm(time, panes->zone != NULL ? &offset : NULL, &tm, &fsec, NULL,
					 panes->zone) != 0)
		out_of_range(panes->kind);
	return panes->step.unit == STEP_MONTHS
		? (int64) tm.tm_year * MONTHS_PER_YEAR + tm.tm_mon
		: date2j(tm.tm_year, tm.tm_mon, tm.tm_mday);
}

/* Finds the block of a time. */
static void
find_calendar_block(Panes *panes, int64 time)
{
	int64		passed = calendar_number(panes, time) - calendar_number(panes, panes->origin);
	int64		n = floor_quotient(passed, panes->step.length);

	/* On the first day or month of a pane the time may be before the pane begins. */
	while (calendar_bound(panes, n) > time)
		n--;
	while (calendar_bound(panes, n + 1) <= time)
		n++;
	panes->first = floor_quotient(n, panes->block) * panes->block;
	panes->start = calendar_bound(panes, panes->first);
	panes->end = calendar_bound(panes, panes->first + panes->block);
}

/* ---- Panes of fixed length ---- */

static void
find_fixed_block(Panes *panes, int64 time)
{
	int64		span = multiply(panes->kind, panes->step.length, panes->block);
	int64		into = floor_remainder(time, span) - floor_remainder(panes->origin, span);

	panes->start = add(panes->kind, time, -(into < 0 ? into + span : into));
	check_range(panes->kind, panes->start);
	/* The last block may reach beyond the type's range; who asks for its end is told. */
	if (pg_add_s64_overflow(panes->start, span, &panes->end))
		panes->end = PG_INT64_MAX;
}

/* ---- The functions ---- */

static int64
bound(Panes *panes, int64 time, int32 offset)
{
	int64		result;

	if (unlikely(time < panes->start || time >= panes->end))
	{
		panes->start = panes->end = 0;	/* in case of an error */
		if (panes->step.unit == STEP_FIXED)
			find_fixed_block(panes, time);
		else
			find_calendar_block(panes, time);
	}

	if (offset == 0)
		return panes->start;
	if (panes->step.unit != STEP_FIXED)
		return offset == panes->block ? panes->end : calendar_bound(panes, panes->first + offset);
	result = add(panes->kind, panes->start, multiply(panes->kind, offset, panes->step.length));
	check_range(panes->kind, result);
	return result;
}

/* Makes the call site forget what it remembers, and remember panes of blocks of that size. */
static Panes *
remember(FmgrInfo *flinfo, int32 block)
{
	Panes	   *panes;

	if (block < 1)
		elog(ERROR, "invalid block of %d panes", block);
	if (flinfo->fn_extra == NULL)
		flinfo->fn_extra = MemoryContextAlloc(flinfo->fn_mcxt, sizeof(Panes));
	panes = flinfo->fn_extra;
	memset(panes, 0, sizeof(Panes));
	panes->block = block;
	return panes;
}

/* The call site's panes, for the arguments of this call. */
static inline Panes *
timestamp_panes(FunctionCallInfo fcinfo, TimeKind kind)
{
	Panes	   *panes = fcinfo->flinfo->fn_extra;
	const Interval *interval = PG_ARGISNULL(1) ? NULL : PG_GETARG_INTERVAL_P(1);
	bool		has_origin = !PG_ARGISNULL(2);
	int64		origin = has_origin ? PG_GETARG_TIMESTAMP(2) : CQ_WINDOW_ORIGIN;
	int32		block = PG_GETARG_INT32(3);
	pg_tz	   *zone = kind == TIME_TIMESTAMPTZ ? session_timezone : NULL;

	if (interval == NULL)
		cq_reject_raise(refuse_null("size"), NULL);
	if (panes != NULL && panes->step.length != 0 &&
		memcmp(&panes->interval, interval, sizeof(Interval)) == 0 &&
		panes->has_origin == has_origin &&
		panes->given_origin == origin && panes->block == block && panes->zone == zone)
		return panes;

	panes = remember(fcinfo->flinfo, block);
	panes->kind = kind;
	panes->has_origin = has_origin;
	panes->given_origin = origin;
	panes->zone = zone;
	cq_reject_raise(interval_step(interval, kind == TIME_TIMESTAMPTZ, "size", &panes->step), NULL);
	if (TIMESTAMP_NOT_FINITE(origin))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("window origin must be finite")));
	if (!has_origin && kind == TIME_TIMESTAMPTZ)
		origin = DatumGetTimestampTz(DirectFunctionCall1(timestamp_timestamptz,
														 TimestampGetDatum(origin)));
	panes->origin = origin;
	panes->interval = *interval;
	return panes;
}

/* window_bound(ts, step, origin, block, offset): see the head of this file. Null for a null ts. */
static inline Datum
timestamp_bound(FunctionCallInfo fcinfo, TimeKind kind)
{
	Timestamp	time;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	time = PG_GETARG_TIMESTAMP(0);
	if (TIMESTAMP_NOT_FINITE(time))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("an infinite time lies in no window")));
	PG_RETURN_TIMESTAMP(bound(timestamp_panes(fcinfo, kind), time, PG_GETARG_INT32(4)));
}

Datum
cq_window_bound_timestamptz(PG_FUNCTION_ARGS)
{
	return timestamp_bound(fcinfo, TIME_TIMESTAMPTZ);
}

Datum
cq_window_bound_timestamp(PG_FUNCTION_ARGS)
{
	return timestamp_bound(fcinfo, TIME_TIMESTAMP);
}

Datum
cq_window_bound_bigint(PG_FUNCTION_ARGS)
{
	Panes	   *panes = fcinfo->flinfo->fn_extra;
	int64		number;
	int64		origin = PG_ARGISNULL(2) ? 0 : PG_GETARG_INT64(2);
	int32		block = PG_GETARG_INT32(3);

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(1))
		cq_reject_raise(refuse_null("size"), NULL);
	number = PG_GETARG_INT64(1);
	if (panes == NULL || panes->step.length == 0 || panes->number != number ||
		panes->origin != origin || panes->block != block)
	{
		panes = remember(fcinfo->flinfo, block);
		panes->kind = TIME_BIGINT;
		cq_reject_raise(number_step(number, "size", &panes->step), NULL);
		panes->number = number;
		panes->origin = origin;
	}
	PG_RETURN_INT64(bound(panes, PG_GETARG_INT64(0), PG_GETARG_INT32(4)));
}

static void
refuse_nulls(FunctionCallInfo fcinfo, const char *step_argument)
{
	if (PG_ARGISNULL(0))
		cq_reject_raise(refuse_null(step_argument), NULL);
	if (PG_ARGISNULL(1))
		cq_reject_raise(refuse_null("size"), NULL);
}

/* window_count(step, size, the step's name, does a day go by the calendar?) */
Datum
cq_window_count_interval(PG_FUNCTION_ARGS)
{
	const char *argument = PG_ARGISNULL(2) ? "step" : NameStr(*PG_GETARG_NAME(2));
	bool		is_calendar = PG_ARGISNULL(3) || PG_GETARG_BOOL(3);
	int32		count = 0;

	refuse_nulls(fcinfo, argument);
	cq_reject_raise(count_intervals(PG_GETARG_INTERVAL_P(0), PG_GETARG_INTERVAL_P(1), is_calendar,
									argument, &count), NULL);
	PG_RETURN_INT32(count);
}

Datum
cq_window_count_bigint(PG_FUNCTION_ARGS)
{
	const char *argument = PG_ARGISNULL(2) ? "step" : NameStr(*PG_GETARG_NAME(2));
	int32		count = 0;

	refuse_nulls(fcinfo, argument);
	cq_reject_raise(count_numbers(PG_GETARG_INT64(0), PG_GETARG_INT64(1), argument, &count), NULL);
	PG_RETURN_INT32(count);
}
