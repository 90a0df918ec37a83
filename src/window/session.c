/*
 * session.c
 *		cq.session(ts, gap) OVER (PARTITION BY … ORDER BY ts): the session that a row belongs to.
 *
 * Two rows that follow each other are of one session when the later time is before the earlier one
 * plus the gap. The session is the range [first time, last time + gap), the same for all of its
 * rows: so sessions of a partition never overlap, and two sets of sessions, made of different rows,
 * are put together by uniting those that do. Ranges that only touch stay apart.
 *
 * Decides:
 * - A time that is null lies in no session: null. One that is infinite is an error.
 * - A gap is a fixed length of time: months are refused, and so are days between values of
 *   timestamptz, where they go by the calendar. For timestamp a day has 24 hours.
 * - The gap is the same for all rows of a partition.
 * - Rows must come in the order of their times. Where they do not, or where their order does not
 *   tell different times apart (no ORDER BY, by chance in order), that is an error, not another
 *   answer. The frame does not matter.
 *
 * The rows are read once, ahead of the current row up to the end of its session, and the row
 * behind.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/compat.h"
#include "common/int.h"
#include "fmgr.h"
#include "utils/rangetypes.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "window/session.h"
#include "windowapi.h"

PG_FUNCTION_INFO_V1(cq_session_timestamptz);
PG_FUNCTION_INFO_V1(cq_session_timestamp);
PG_FUNCTION_INFO_V1(cq_session_bigint);

/* What a partition remembers; all zero at its beginning. */
typedef struct Session
{
	int64		gap;			/* 0: no row has been seen */
	Interval	interval;		/* that it was given as */
	bool		is_ordered;		/* two different times are not peers */
	bool		is_found;		/* all below is there */
	int64		first;
	int64		last;
	int64		upper;
	int64		end;			/* number of the row behind it */
} Session;

/* ---- the gap ---- */

static CqReject *
not_positive(void)
{
	return cq_reject(ERRCODE_INVALID_PARAMETER_VALUE, "session gap must be greater than zero");
}

CqReject *
cq_session_bigint_gap(int64 number, int64 *gap)
{
	*gap = number;
	return number > 0 ? NULL : not_positive();
}

CqReject *
cq_session_interval_gap(const Interval *interval, bool is_zoned, int64 *gap)
{
	int64		days;

	if (interval->month != 0)
		return cq_reject_hint(cq_reject(ERRCODE_INVALID_PARAMETER_VALUE,
										"session gap must not contain months"),
							  "A month is of no fixed length. Write so many days or hours.");
	if (is_zoned && interval->day != 0)
		return cq_reject_hint(cq_reject(ERRCODE_INVALID_PARAMETER_VALUE,
										"session gap between values of timestamptz must not "
										"contain days"),
							  "A day may have 23 or 25 hours. Write 24 hours where that is meant.");
	if (pg_mul_s64_overflow(interval->day, USECS_PER_DAY, &days) ||
		pg_add_s64_overflow(days, interval->time, gap))
		return cq_reject(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "session gap out of range");
	return *gap > 0 ? NULL : not_positive();
}

static void
take_gap(Session *session, WindowObject window, Oid type)
{
	bool		is_null;
	Datum		value = WinGetFuncArgCurrent(window, 1, &is_null);
	bool		is_first = session->gap == 0;
	int64		before = session->gap;

	if (is_null)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("session gap must not be null")));
	if (type == INT8OID)
	{
		if (DatumGetInt64(value) == session->gap && !is_first)
			return;
		cq_reject_raise(cq_session_bigint_gap(DatumGetInt64(value), &session->gap), NULL);
	}
	else
	{
		const Interval *interval = DatumGetIntervalP(value);

		if (!is_first && memcmp(interval, &session->interval, sizeof(Interval)) == 0)
			return;
		cq_reject_raise(cq_session_interval_gap(interval, type == TIMESTAMPTZOID, &session->gap),
						NULL);
		session->interval = *interval;
	}
	if (!is_first && session->gap != before)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("session gap must be the same for all rows of a partition")));
}

/* ---- the session ---- */

static void
check_finite(Oid type, int64 time)
{
	if (type != INT8OID && TIMESTAMP_NOT_FINITE(time))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("an infinite time lies in no session")));
}

static int64
end_of(Oid type, int64 last, int64 gap)
{
	int64		end;

	if (pg_add_s64_overflow(last, gap, &end) || (type != INT8OID && !IS_VALID_TIMESTAMP(end)))
	{
		if (type == INT8OID)
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("bigint out of range")));
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	}
	return end;
}

static void
not_in_order(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_WINDOWING_ERROR),
			 errmsg("cq.session needs its rows in the order of their times"),
			 errhint("Write ORDER BY with the time, ascending, into the OVER clause.")));
}

static bool
is_within(int64 earlier, int64 later, int64 gap)
{
	int64		distance;

	return !pg_sub_s64_overflow(later, earlier, &distance) && distance < gap;
}

/* The row's session begins with it: looks for its end. */
static void
find_session(Session *session, WindowObject window, Oid type, int64 position, int64 time)
{
	check_finite(type, time);
	if (session->is_found && time < session->last)
		not_in_order();
	session->first = session->last = time;
	session->is_found = true;
	for (session->end = position + 1;; session->end++)
	{
		bool		is_null;
		bool		is_out;
		int64		next = DatumGetInt64(WinGetFuncArgInPartition(window, 0,
																  (int) (session->end - position),
																  WINDOW_SEEK_CURRENT, false,
																  &is_null, &is_out));

		if (is_out || is_null)
			break;
		if (next < session->last)
			not_in_order();
		if (next > session->last && !session->is_ordered)
		{
			if (WinRowsArePeers(window, session->end - 1, session->end))
				not_in_order();
			session->is_ordered = true;
		}
		if (!is_within(session->last, next, session->gap))
			break;
		check_finite(type, next);
		session->last = next;
	}
	session->upper = end_of(type, session->last, session->gap);
}

static Datum
session_range(FunctionCallInfo fcinfo, Oid range_type, const Session *session)
{
	TypeCacheEntry *type = fcinfo->flinfo->fn_extra;
	RangeBound	lower = {.val = Int64GetDatum(session->first), .inclusive = true, .lower = true};
	RangeBound	upper = {.val = Int64GetDatum(session->upper)};

	if (type == NULL)
		fcinfo->flinfo->fn_extra = type = lookup_type_cache(range_type, TYPECACHE_RANGE_INFO);
	return RangeTypePGetDatum(cq_compat_range_serialize(type, &lower, &upper));
}

static Datum
session_of(FunctionCallInfo fcinfo, Oid type, Oid range_type)
{
	WindowObject window = PG_WINDOW_OBJECT();
	Session    *session = WinGetPartitionLocalMemory(window, sizeof(Session));
	int64		position = WinGetCurrentPosition(window);
	bool		is_null;
	int64		time = DatumGetInt64(WinGetFuncArgCurrent(window, 0, &is_null));

	WinSetMarkPosition(window, position);
	take_gap(session, window, type);
	if (is_null)
		PG_RETURN_NULL();
	if (!session->is_found || position >= session->end)
		find_session(session, window, type, position, time);
	return session_range(fcinfo, range_type, session);
}

Datum
cq_session_timestamptz(PG_FUNCTION_ARGS)
{
	return session_of(fcinfo, TIMESTAMPTZOID, TSTZRANGEOID);
}

Datum
cq_session_timestamp(PG_FUNCTION_ARGS)
{
	return session_of(fcinfo, TIMESTAMPOID, TSRANGEOID);
}

Datum
cq_session_bigint(PG_FUNCTION_ARGS)
{
	return session_of(fcinfo, INT8OID, INT8RANGEOID);
}
