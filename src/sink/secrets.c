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

struct CqSecrets
{
	List	   *texts;			/* of char *, the longest first */
};

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
	ListCell   *cell;

	if (strlen(text) < SHORTEST)
		return;
	foreach(cell, secrets->texts)
	{
		if (strcmp(lfirst(cell), text) == 0)
			return;
	}
	secrets->texts = lappend(secrets->texts, pstrdup(text));
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

char *
cq_secrets_strike(const CqSecrets *secrets, char *text)
{
	ListCell   *cell;

	foreach(cell, secrets->texts)
	{
		const char *secret = lfirst(cell);
		StringInfoData struck;
		char	   *rest = text;
		char	   *place;

		if (strstr(text, secret) == NULL)
			continue;
		initStringInfo(&struck);
		for (; (place = strstr(rest, secret)) != NULL; rest = place + strlen(secret))
		{
			appendBinaryStringInfo(&struck, rest, place - rest);
			appendStringInfoString(&struck, "***");
		}
		appendStringInfoString(&struck, rest);
		text = struck.data;
	}
	return text;
}
