/*
 * clock.c
 *		The wall clock: see clock.h.
 */
#include "postgres.h"

#include "common/clock.h"
#include "common/guc.h"
#include "fmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(cq_clock_now_sql);

#define SECONDS_TO_2000	((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (double) SECS_PER_DAY)

TimestampTz
cq_clock_now(void)
{
	if (cq_clock == 0)
		return GetCurrentTimestamp();
	return (TimestampTz) ((cq_clock - SECONDS_TO_2000) * USECS_PER_SEC);
}

/* _cq.clock() */
Datum
cq_clock_now_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(cq_clock_now());
}
