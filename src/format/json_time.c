/*
 * json_time.c
 *		Dates and times as messages write them: see json_time.h.
 *
 * If this were wrong, rows would silently stand at wrong times; it is tested against the server's
 * input functions.
 */
#include "postgres.h"

#include <math.h>

#include "format/json_time.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#define ZONE_LIMIT	15			/* hours, as the server's input function has it */

static inline bool
two_digits(const char *text, int *value)
{
	unsigned int tens = (unsigned char) text[0] - '0';
	unsigned int ones = (unsigned char) text[1] - '0';

	*value = tens * 10 + ones;
	return tens <= 9 && ones <= 9;
}

/* YYYY-MM-DD. Messages of a stream mostly have the date of the one before. */
static inline bool
read_date(CqJsonClock *clock, const char *text, DateADT *date)
{
	int			century,
				year,
				month,
				day;

	if (memcmp(clock->day, text, sizeof(clock->day)) == 0)
	{
		*date = clock->date;
		return true;
	}
	if (!two_digits(text, &century) || !two_digits(text + 2, &year) || text[4] != '-' ||
		!two_digits(text + 5, &month) || text[7] != '-' || !two_digits(text + 8, &day))
		return false;
	year += century * 100;
	if (year < 1 || month < 1 || month > MONTHS_PER_YEAR || day < 1 ||
		day > day_tab[isleap(year)][month - 1])
		return false;

	memcpy(clock->day, text, sizeof(clock->day));
	clock->date = date2j(year, month, day) - POSTGRES_EPOCH_JDATE;
	*date = clock->date;
	return true;
}

/*
 * The digits behind the point as microseconds, rounded as the server does. Moves *text behind them.
 */
static inline bool
read_fraction(const char **text, const char *end, int64 *microseconds)
{
	static const int64 powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000,
								   1000000000};
	const char *at = *text;
	int64		value = 0;
	int			ndigits;

	while (at < end && at - *text < 9 && (unsigned char) (*at - '0') < 10)
		value = value * 10 + (*at++ - '0');
	ndigits = at - *text;
	if (ndigits == 0)
		return false;
	if (ndigits <= 6)
		*microseconds = value * powers[6 - ndigits];
	else
		*microseconds = (int64) rint((double) value / powers[ndigits] * 1000000);
	*text = at;
	return true;
}

/* Z, or an offset from UTC; all of the rest of the text. In microseconds east of UTC. */
static bool
read_zone(const char *text, const char *end, int64 *offset)
{
	int			hours,
				minutes = 0;
	bool		is_west = *text == '-';

	*offset = 0;
	if (*text == 'Z')
		return end - text == 1;
	if (*text != '+' && *text != '-')
		return false;
	text++;
	if (end - text < 2 || !two_digits(text, &hours))
		return false;
	text += 2;
	if (text < end)
	{
		if (*text == ':')
			text++;
		if (end - text != 2 || !two_digits(text, &minutes))
			return false;
	}
	if (hours > ZONE_LIMIT || minutes >= MINS_PER_HOUR)
		return false;
	*offset = (hours * SECS_PER_HOUR + minutes * SECS_PER_MINUTE) * USECS_PER_SEC *
		(is_west ? -1 : 1);
	return true;
}

/* The whole text as local time and, where it has one, its zone. */
static inline bool
read_time(CqJsonClock *clock, const char *text, uint32 length, Timestamp *local, bool *has_zone,
		  int64 *offset)
{
	const char *end = text + length;
	DateADT		date;
	int			hour,
				minute,
				second;
	int64		fraction = 0;

	*has_zone = false;
	if (length < 10 || !read_date(clock, text, &date))
		return false;
	*local = date * USECS_PER_DAY;
	if (length == 10)
		return true;
	if (length < 19 || (text[10] != 'T' && text[10] != ' ') || text[13] != ':' || text[16] != ':' ||
		!two_digits(text + 11, &hour) || !two_digits(text + 14, &minute) ||
		!two_digits(text + 17, &second) ||
		hour >= HOURS_PER_DAY || minute >= MINS_PER_HOUR || second >= SECS_PER_MINUTE)
		return false;

	text += 19;
	if (text < end && *text == '.')
	{
		text++;
		if (!read_fraction(&text, end, &fraction))
			return false;
	}
	*local += ((hour * MINS_PER_HOUR + minute) * SECS_PER_MINUTE + second) * USECS_PER_SEC +
		fraction;
	*has_zone = text < end;
	return text == end || read_zone(text, end, offset);
}

/*
 * How far east of UTC the session's zone is at a local time. Asking the zone's tables for each time
 * would cost more than all the rest, so the answer is kept together with the time around it in
 * which no change of the clocks is near.
 */
static bool
session_offset(CqJsonClock *clock, Timestamp local, int64 *offset)
{
	const pg_time_t margin = 2 * SECS_PER_DAY;
	struct pg_tm tm;
	fsec_t		fsec;
	long		east;
	pg_time_t	utc,
				earlier,
				boundary;
	long		before,
				after;
	int			before_isdst,
				after_isdst;
	int			found;

	if (clock->zone == session_timezone && local >= clock->constant_from &&
		local < clock->constant_until)
	{
		*offset = clock->offset;
		return true;
	}

	if (timestamp2tm(local, NULL, &tm, &fsec, NULL, NULL) != 0)
		return false;
	east = -DetermineTimeZoneOffset(&tm, session_timezone);
	*offset = east * USECS_PER_SEC;

	clock->zone = session_timezone;
	clock->offset = *offset;
	clock->constant_from = clock->constant_until = 0;
	utc = timestamptz_to_time_t(local) - east;
	earlier = utc - 2 * margin;
	found = pg_next_dst_boundary(&earlier, &before, &before_isdst, &boundary, &after, &after_isdst,
								 session_timezone);
	if (found < 0 || before != east || (found == 1 && boundary < utc + margin))
		return true;
	clock->constant_from = time_t_to_timestamptz(earlier + margin) + *offset;
	clock->constant_until = found == 0 ? DT_NOEND : time_t_to_timestamptz(boundary - margin) +
		*offset;
	return true;
}

bool
cq_json_time_date(CqJsonClock *clock, const char *text, uint32 length, DateADT *date)
{
	return length == 10 && read_date(clock, text, date);
}

bool
cq_json_time_timestamp(CqJsonClock *clock, const char *text, uint32 length, Timestamp *timestamp)
{
	bool		has_zone;
	int64		offset;

	return read_time(clock, text, length, timestamp, &has_zone, &offset);
}

bool
cq_json_time_timestamptz(CqJsonClock *clock, const char *text, uint32 length,
						 TimestampTz *timestamp)
{
	Timestamp	local;
	bool		has_zone;
	int64		offset;

	if (!read_time(clock, text, length, &local, &has_zone, &offset))
		return false;
	if (!has_zone && !session_offset(clock, local, &offset))
		return false;
	*timestamp = local - offset;
	return true;
}
