/*
 * clock.c
 *		Clocks: see clock.h.
 */
#include "postgres.h"

#include <time.h>

#include "access/xact.h"
#include "common/clock.h"
#include "common/guc.h"
#include "fmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(cq_clock_now_sql);
PG_FUNCTION_INFO_V1(cq_clock_ago);
PG_FUNCTION_INFO_V1(cq_clock_ago_utc);

#define SECONDS_TO_2000	((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (double) SECS_PER_DAY)

static TimestampTz
clock_as_set(void)
{
	return (TimestampTz) ((cq_clock - SECONDS_TO_2000) * USECS_PER_SEC);
}

/* What the wall clock is off by, for tests. */
static int64
step(void)
{
	return (int64) (cq_clock_step * USECS_PER_SEC);
}

TimestampTz
cq_clock_now(void)
{
	return cq_clock == 0 ? GetCurrentTimestamp() + step() : clock_as_set();
}

TimestampTz
cq_clock_transaction(void)
{
	return cq_clock == 0 ? GetCurrentTransactionStartTimestamp() + step() : clock_as_set();
}

/*
 * The wall clock less the monotonic one when the server began, so that it makes little difference
 * when a test sets cq.clock.
 */
static int64 alignment = 0;

int64
cq_clock_real_monotonic(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return alignment + time.tv_sec * USECS_PER_SEC + time.tv_nsec / 1000;
}

int64
cq_clock_monotonic(void)
{
	return cq_clock == 0 ? cq_clock_real_monotonic() : clock_as_set();
}

/* In the postmaster, from which all processes have it. */
void
cq_clock_init(void)
{
	alignment = GetCurrentTimestamp() - cq_clock_real_monotonic();
}

/* _cq.clock() */
Datum
cq_clock_now_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(cq_clock_now());
}

/* _cq.ago(length): the transaction's time less an interval. */
Datum
cq_clock_ago(PG_FUNCTION_ARGS)
{
	return DirectFunctionCall2(timestamptz_mi_interval, TimestampTzGetDatum(cq_clock_transaction()),
							   PG_GETARG_DATUM(0));
}

/* _cq.ago_utc(length): the same digits as in UTC, which a timestamp of that moment has in it. */
Datum
cq_clock_ago_utc(PG_FUNCTION_ARGS)
{
	return DirectFunctionCall2(timestamp_mi_interval, TimestampGetDatum(cq_clock_transaction()),
							   PG_GETARG_DATUM(0));
}
