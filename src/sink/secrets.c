/*
 * secrets.c
 *		Strikes secrets from texts: see secrets.h.
 */
#include "postgres.h"

#include "http/http.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "sink/secrets.h"
#include "utils/builtins.h"
#include "utils/json.h"

#define SHORTEST 3				/* what is shorter is in every text */
#define STARS "***"

struct CqSecrets
{
	List	   *texts;			/* of char *, in lower case; the longest first */
};

/* ASCII alone: others differ by encoding. */
static char *
lower_bytes(const char *bytes, Size length)
{
	char	   *lower = palloc(length + 1);

	for (Size i = 0; i < length; i++)
		lower[i] = pg_ascii_tolower((unsigned char) bytes[i]);
	lower[length] = '\0';
	return lower;
}

CqSecrets *
cq_secrets_make(void)
{
	return palloc0(sizeof(CqSecrets));
}

static int
longest_first(const ListCell *one, const ListCell *other)
{
	size_t		length = strlen(lfirst(one));
	size_t		other_length = strlen(lfirst(other));

	return length > other_length ? -1 : length < other_length;
}

static void
add_text(CqSecrets *secrets, const char *text)
{
	char	   *lower = lower_bytes(text, strlen(text));
	ListCell   *cell;

	if (strlen(text) < SHORTEST)
		return;
	foreach(cell, secrets->texts)
	{
		if (strcmp(lfirst(cell), lower) == 0)
			return;
	}
	secrets->texts = lappend(secrets->texts, lower);
	list_sort(secrets->texts, longest_first);
}

void
cq_secrets_add(CqSecrets *secrets, const char *secret)
{
	StringInfoData json;

	if (secret == NULL)
		return;
	add_text(secrets, secret);
	add_text(secrets, cq_http_escape(secret));
	initStringInfo(&json);
	escape_json(&json, secret);
	json.data[json.len - 1] = '\0';
	add_text(secrets, json.data + 1);
}

void
cq_secrets_add_basic(CqSecrets *secrets, const char *user, const char *password)
{
	char	   *both = psprintf("%s:%s", user, password);
	Datum		encoded = DirectFunctionCall2(binary_encode,
											  PointerGetDatum(cstring_to_text(both)),
											  CStringGetTextDatum("base64"));
	char	   *header = TextDatumGetCString(encoded);
	char	   *end = header;

	/* It comes in lines. */
	for (const char *c = header; *c != '\0'; c++)
	{
		if (*c != '\n')
			*end++ = *c;
	}
	*end = '\0';
	add_text(secrets, header);
}

/* How many bytes at the end are the beginning of a secret; in time that is linear. */
static Size
begun_length(const char *lower, Size length, const char *secret)
{
	Size		whole = strlen(secret);
	Size	   *borders = palloc0(sizeof(Size) * whole);
	Size		n = 0;

	for (Size i = 1; i < whole; borders[i++] = n)
	{
		while (n > 0 && secret[i] != secret[n])
			n = borders[n - 1];
		n += secret[i] == secret[n];
	}
	n = 0;
	for (Size i = length - Min(length, whole - 1); i < length; i++)
	{
		while (n > 0 && lower[i] != secret[n])
			n = borders[n - 1];
		n += lower[i] == secret[n];
	}
	pfree(borders);
	return n;
}

static const char *
strike_one(const char *secret, const char *bytes, Size *length, bool is_cut)
{
	char	   *lower = lower_bytes(bytes, *length);
	Size		begun = is_cut ? begun_length(lower, *length, secret) : 0;
	const char *end = lower + *length - (begun >= SHORTEST ? begun : 0);
	const char *rest = lower;
	const char *place;
	StringInfoData struck;

	initStringInfo(&struck);
	while ((place = memmem(rest, end - rest, secret, strlen(secret))) != NULL)
	{
		appendBinaryStringInfo(&struck, bytes + (rest - lower), place - rest);
		appendStringInfoString(&struck, STARS);
		rest = place + strlen(secret);
	}
	appendBinaryStringInfo(&struck, bytes + (rest - lower), end - rest);
	if (begun >= SHORTEST)
		appendStringInfoString(&struck, STARS);
	pfree(lower);
	if (rest == lower && begun < SHORTEST)
	{
		pfree(struck.data);
		return bytes;
	}
	*length = struck.len;
	return struck.data;
}

const char *
cq_secrets_strike_bytes(const CqSecrets *secrets, const char *bytes, Size *length, bool is_cut)
{
	ListCell   *cell;

	foreach(cell, secrets->texts)
		bytes = strike_one(lfirst(cell), bytes, length, is_cut);
	return bytes;
}

char *
cq_secrets_strike(const CqSecrets *secrets, char *text)
{
	Size		length = strlen(text);

	return (char *) cq_secrets_strike_bytes(secrets, text, &length, false);
}
