/*
 * kafka_time.c
 *		Kafka's time, milliseconds since 1970, and the server's.
 */
#include "postgres.h"

#include "source/kafka.h"
#include "utils/timestamp.h"

#define EPOCH_DIFFERENCE_US ((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

/* DT_NOBEGIN for what is no time (Kafka's none is -1) or lies beyond what the server knows. */
TimestampTz
cq_kafka_time_from_ms(int64 ms)
{
	TimestampTz time;

	if (ms < 0 || ms > PG_INT64_MAX / 1000)
		return DT_NOBEGIN;
	time = ms * 1000 - EPOCH_DIFFERENCE_US;
	return IS_VALID_TIMESTAMP(time) ? time : DT_NOBEGIN;
}

/* The first millisecond that is not before time; 0 for anything before 1970. time is finite. */
int64
cq_kafka_time_to_ms(TimestampTz time)
{
	int64		us = time + EPOCH_DIFFERENCE_US;

	return us <= 0 ? 0 : (us + 999) / 1000;
}
