/*
 * stream_path.c
 *		The option path: see stream_path.h.
 */
#include "postgres.h"

#include "catalog/stream_path.h"
#include "common/options.h"
#include "common/path_step.h"
#include "lib/stringinfo.h"

/* As many as an item's index may have: it is an int. */
#define MOST_DIGITS 9

/* Reads one name of a path from *place on; false where there is none. */
static bool
read_name(const char **place, StringInfo name)
{
	const char *next = *place;
	bool		is_quoted = *next == '"';

	if (is_quoted)
		next++;
	for (;; next++)
	{
		if (*next == '\0' && is_quoted)
			return false;
		if (is_quoted && *next == '"')
		{
			if (next[1] != '"')
				break;
			next++;
		}
		else if (!is_quoted && (*next == '\0' || strchr(".\"[]", *next) != NULL))
			break;
		appendStringInfoChar(name, *next);
	}
	*place = is_quoted ? next + 1 : next;
	return name->len > 0 || is_quoted;
}

/* Reads an index in brackets. */
static bool
read_index(const char **place, int *index)
{
	const char *digits = *place + 1 + ((*place)[1] == '-');
	size_t		ndigits = strspn(digits, "0123456789");

	if (ndigits == 0 || ndigits > MOST_DIGITS || digits[ndigits] != ']')
		return false;
	*index = atoi(*place + 1);
	*place = digits + ndigits + 1;
	return true;
}

static List *
add_step(List *items, const char *name, int index)
{
	CqPathStep *step = palloc(sizeof(CqPathStep));

	step->name = name;
	step->index = index;
	return lappend(items, step);
}

/* Reads a name and the indexes behind it. */
static bool
read_part(const char **place, List **path, List **items)
{
	StringInfoData name;
	int			index;

	initStringInfo(&name);
	if (!read_name(place, &name))
		return false;
	if (*items == NIL)
		*path = lappend(*path, name.data);
	else
		*items = add_step(*items, name.data, 0);
	while (**place == '[')
	{
		if (!read_index(place, &index))
			return false;
		*items = add_step(*items, NULL, index);
	}
	return **place == '\0' || **place == '.';
}

CqReject *
cq_stream_path_parse(const char *name, const char *value, List **path, List **items)
{
	const char *place = value;

	*path = NIL;
	*items = NIL;
	for (;;)
	{
		if (!read_part(&place, path, items))
			return cq_reject_hint(cq_options_bad_value(name, value),
								  "Names are separated by dots; one that holds a dot, a bracket or "
								  "a quote stands in double quotes. An item of an array is its "
								  "index in brackets, from 0.");
		if (*place == '\0')
			return NULL;
		place++;
	}
}
