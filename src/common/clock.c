/*
 * clock.c
 *		The wall clock: see clock.h.
 */
#include "postgres.h"

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

TimestampTz
cq_clock_now(void)
{
	return cq_clock == 0 ? GetCurrentTimestamp() : clock_as_set();
}

TimestampTz
cq_clock_transaction(void)
{
	return cq_clock == 0 ? GetCurrentTransactionStartTimestamp() : clock_as_set();
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
	return DirectFunctionCall2(timestamptz_mi_interval, TimestampTzGetDatum(cq_clock_transaction()), PG_GETARG_DATUM(0));
}

/* _cq.ago_utc(length): the same digits as in UTC, which a timestamp of that moment has in it. */
Datum
cq_clock_ago_utc(PG_FUNCTION_ARGS)
{
	return DirectFunctionCall2(timestamp_mi_interval, TimestampGetDatum(cq_clock_transaction()), PG_GETARG_DATUM(0));
}
