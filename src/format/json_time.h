/*
 * json_time.h
 *		Dates and times as messages write them, in ISO 8601, much faster than the server's input
 *		functions read them.
 *
 * Only YYYY-MM-DD, and YYYY-MM-DD[T or space]HH:MM:SS[.fraction][Z or ±HH[[:]MM]] with all parts in
 * range, are read here; the functions return false for anything else, which the caller then gives
 * to the type's input function. What they do read means the same as to the server: a time without
 * zone is one of the session's TimeZone, and a zone that stands in a timestamp without time zone is
 * ignored.
 */
#ifndef CQ_JSON_TIME_H
#define CQ_JSON_TIME_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "pgtime.h"
#include "utils/date.h"

/* What was found out for the time before and mostly holds for the next. All zeros to begin with. */
typedef struct CqJsonClock
{
	char		day[10];		/* the last date, as text */
	DateADT		date;			/* and what it means */
	pg_tz	   *zone;			/* the session's, when the following was found */
	/* local times from here on, and before the next, are all the same way from UTC */
	Timestamp	constant_from;
	Timestamp	constant_until;
	int64		offset;			/* microseconds east of UTC */
} CqJsonClock;

extern bool cq_json_time_date(CqJsonClock *clock, const char *text, uint32 length, DateADT *date);
extern bool cq_json_time_timestamp(CqJsonClock *clock, const char *text, uint32 length,
								   Timestamp *timestamp);
extern bool cq_json_time_timestamptz(CqJsonClock *clock, const char *text, uint32 length,
									 TimestampTz *timestamp);

#endif							/* CQ_JSON_TIME_H */
