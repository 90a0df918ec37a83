/*
 * time_text.h
 *		Texts whose meaning as a date or time hangs on when they are read.
 */
#ifndef CQ_TIME_TEXT_H
#define CQ_TIME_TEXT_H

#include "postgres.h"

/*
 * Which of now, today, tomorrow and yesterday a text has as a word of its own, in whatever case; or
 * NULL. So the server's input of dates and times would read it, also within the text of a range, an
 * array or a row.
 */
extern const char *cq_time_text_moment(const char *text, size_t length);

/*
 * Has TimeZone had other offsets than one? Then a time of day has none of its own: it gets today's.
 */
extern bool cq_time_text_zone_varies(void);

/* A time with time zone that does not say its offset from UTC, which TimeZone does not tell. */
extern bool cq_time_text_lacks_offset(const char *text);

#endif							/* CQ_TIME_TEXT_H */
