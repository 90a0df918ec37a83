/*
 * json_bare.c
 *		Keys in JSON, less Connect's envelope: see format.h.
 */
#include "postgres.h"

#include "format/json_bare.h"

/*
 * Behind the value that begins at text, as Connect's converter writes JSON; NULL: it does not end.
 */
static const char *
skip_value(const char *text, const char *end)
{
	int			depth = 0;
	bool		is_string = false;

	for (; text < end; text++)
	{
		if (is_string)
		{
			if (*text == '\\')
				text++;
			else if (*text == '"')
				is_string = false;
		}
		else if (*text == '"')
			is_string = true;
		else if (*text == '{' || *text == '[')
			depth++;
		else if (*text == '}' || *text == ']')
			depth--;
		if (!is_string && depth <= 0)
		{
			/* What is no object, array or string goes to the next comma. */
			if (*text == '"' || *text == '}' || *text == ']')
				return depth == 0 ? text + 1 : NULL;
			if (*text == ',')
				return text;
		}
	}
	return NULL;
}

/*
 * The payload of a key with its schema: where a schema gets another name or version, the key stays
 * the same. What is not written in just this way is a key as it stands.
 */
const char *
cq_json_bare_key(bool is_framed, const char *key, uint32 *length)
{
	static const char before[] = "{\"schema\":";
	static const char between[] = ",\"payload\":";
	const char *end = key + *length;
	const char *next;

	if (*length < sizeof(before) || memcmp(key, before, strlen(before)) != 0 || end[-1] != '}')
		return key;
	next = skip_value(key + strlen(before), end);
	if (next == NULL || end - next <= (int) strlen(between) ||
		memcmp(next, between, strlen(between)) != 0)
		return key;
	next += strlen(between);
	*length = end - 1 - next;
	return next;
}
