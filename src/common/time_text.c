/*
 * time_text.c
 *		Texts whose meaning as a date or time hangs on when they are read: see time_text.h.
 *
 * A wrong no would be a value that is another one each time that a message is read.
 */
#include "postgres.h"

#include <ctype.h>

#include "common/time_text.h"
#include "pgtime.h"
#include "utils/datetime.h"

/* Which of the words it is, in whatever case; or NULL. */
static const char *
one_of(const char *word, size_t length, const char *const *words, int nwords)
{
	for (int i = 0; i < nwords; i++)
	{
		if (length == strlen(words[i]) && pg_strncasecmp(word, words[i], length) == 0)
			return words[i];
	}
	return NULL;
}

const char *
cq_time_text_moment(const char *text, size_t length)
{
	static const char *const words[] = {"now", "today", "tomorrow", "yesterday"};
	const char *end = text + length;

	while (text < end)
	{
		size_t		word = 0;
		const char *found;

		while (text + word < end && isalpha((unsigned char) text[word]))
			word++;
		found = one_of(text, word, words, lengthof(words));
		if (found != NULL)
			return found;
		text += Max(word, 1);
	}
	return NULL;
}

bool
cq_time_text_zone_varies(void)
{
	long		offset;

	return !pg_get_timezone_offset(session_timezone, &offset);
}

/* With a date, or a named zone, for which the server wants one, it has the offset of that day. */
bool
cq_time_text_lacks_offset(const char *text)
{
	static const char *const utc[] = {"z", "zulu", "utc", "ut", "gmt"};
	char		room[MAXDATELEN + MAXDATEFIELDS];
	char	   *fields[MAXDATEFIELDS];
	int			kinds[MAXDATEFIELDS];
	int			nfields;
	bool		has_time = false;

	if (!cq_time_text_zone_varies() ||
		ParseDateTime(text, room, sizeof(room), fields, kinds, MAXDATEFIELDS, &nfields) != 0)
		return false;			/* what is no time is for the input function to say */
	for (int i = 0; i < nfields; i++)
	{
		if (kinds[i] == DTK_TZ || kinds[i] == DTK_DATE ||
			(kinds[i] == DTK_STRING &&
			 one_of(fields[i], strlen(fields[i]), utc, lengthof(utc)) != NULL))
			return false;
		has_time = has_time || kinds[i] == DTK_TIME || kinds[i] == DTK_NUMBER;
	}
	return has_time;
}
