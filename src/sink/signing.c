/*
 * signing.c
 *		Signatures of requests: HMAC-SHA256, and version 4 of those of AWS, which are made of it.
 *
 * AWS encodes a path once more than it is sent, which libcurl does not: names of models have colons
 * in them.
 */
#include "postgres.h"

#include "common/cryptohash.h"
#include "common/hmac.h"
#include "common/sha2.h"
#include "lib/stringinfo.h"
#include "sink/signing.h"
#include "utils/builtins.h"
#include "utils/resowner.h"

#define ALGORITHM "AWS4-HMAC-SHA256"

/* The server's functions want one, and there is none outside of transactions. */
static ResourceOwner
begin_own(void)
{
	static ResourceOwner own = NULL;
	ResourceOwner caller = CurrentResourceOwner;

	if (own == NULL)
		own = ResourceOwnerCreate(NULL, "pg_cq signatures");
	CurrentResourceOwner = own;
	return caller;
}

void
cq_signing_hmac(const void *key, Size key_length, const char *first, const char *second,
				Size second_length, uint8 *signature)
{
	ResourceOwner caller = begin_own();
	pg_hmac_ctx *hmac = pg_hmac_create(PG_SHA256);
	bool		is_done = hmac != NULL && pg_hmac_init(hmac, key, key_length) == 0 &&
		pg_hmac_update(hmac, (const uint8 *) first, strlen(first)) == 0 &&
		pg_hmac_update(hmac, (const uint8 *) second, second_length) == 0 &&
		pg_hmac_final(hmac, signature, CQ_SIGNING_BYTES) == 0;

	if (hmac != NULL)
		pg_hmac_free(hmac);
	CurrentResourceOwner = caller;
	if (!is_done)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not sign a request")));
}

static char *
as_hex(const uint8 *bytes)
{
	char	   *hex = palloc(CQ_SIGNING_BYTES * 2 + 1);

	hex_encode((const char *) bytes, CQ_SIGNING_BYTES, hex);
	hex[CQ_SIGNING_BYTES * 2] = '\0';
	return hex;
}

static char *
hash_hex(const char *bytes, Size length)
{
	ResourceOwner caller = begin_own();
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);
	uint8		result[CQ_SIGNING_BYTES];
	bool		is_done = hash != NULL && pg_cryptohash_init(hash) == 0 &&
		pg_cryptohash_update(hash, (const uint8 *) bytes, length) == 0 &&
		pg_cryptohash_final(hash, result, sizeof(result)) == 0;

	if (hash != NULL)
		pg_cryptohash_free(hash);
	CurrentResourceOwner = caller;
	if (!is_done)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not sign a request")));
	return as_hex(result);
}

/* ---- the canonical form ---- */

static void
append_path(StringInfo text, const char *path, Size length)
{
	if (length == 0)
		appendStringInfoChar(text, '/');
	for (const char *c = path; c < path + length; c++)
	{
		if (isalnum((unsigned char) *c) || strchr("-._~/", *c) != NULL)
			appendStringInfoChar(text, *c);
		else
			appendStringInfo(text, "%%%02X", (unsigned char) *c);
	}
}

static int
by_text(const ListCell *one, const ListCell *other)
{
	return strcmp(lfirst(one), lfirst(other));
}

/* Parameters in their order, each with an equals sign; they are encoded already. */
static void
append_query(StringInfo text, const char *query)
{
	List	   *parameters = NIL;
	ListCell   *cell;

	for (char *one = strtok(pstrdup(query), "&"); one != NULL; one = strtok(NULL, "&"))
		parameters = lappend(parameters, strchr(one, '=') != NULL ? one : psprintf("%s=", one));
	list_sort(parameters, by_text);
	foreach(cell, parameters)
		appendStringInfo(text, "%s%s", cell == list_head(parameters) ? "" : "&",
						 (char *) lfirst(cell));
}

/* "name:value", in small letters, of a header that is signed; NULL: it is not. */
static char *
canonical_header(const char *header)
{
	const char *colon = strchr(header, ':');
	char	   *name;
	StringInfoData text;

	if (colon == NULL || pg_strncasecmp(header, "x-amz-", 6) != 0)
		return NULL;
	name = pnstrdup(header, colon - header);
	for (char *c = name; *c != '\0'; c++)
		*c = pg_ascii_tolower((unsigned char) *c);
	initStringInfo(&text);
	appendStringInfo(&text, "%s:", name);
	for (const char *c = colon + 1; *c != '\0'; c++)
	{
		bool		is_space = *c == ' ' || *c == '\t';

		/* Spaces are one, and none at the beginning. */
		if (!is_space || (text.data[text.len - 1] != ' ' && text.data[text.len - 1] != ':'))
			appendStringInfoChar(&text, is_space ? ' ' : *c);
	}
	while (text.data[text.len - 1] == ' ')
		text.data[--text.len] = '\0';
	return text.data;
}

static int
by_name(const ListCell *one, const ListCell *other)
{
	return strcmp(pnstrdup(lfirst(one), strcspn(lfirst(one), ":")),
				  pnstrdup(lfirst(other), strcspn(lfirst(other), ":")));
}

static List *
canonical_headers(const List *headers, const char *host)
{
	List	   *canonical = list_make1(psprintf("host:%s", host));
	ListCell   *cell;

	foreach(cell, headers)
	{
		char	   *header = canonical_header(lfirst(cell));

		if (header != NULL)
			canonical = lappend(canonical, header);
	}
	list_sort(canonical, by_name);
	return canonical;
}

static char *
names_of(const List *headers)
{
	StringInfoData names;
	ListCell   *cell;

	initStringInfo(&names);
	foreach(cell, headers)
		appendStringInfo(&names, "%s%.*s", names.len > 0 ? ";" : "",
						 (int) strcspn(lfirst(cell), ":"), (char *) lfirst(cell));
	return names.data;
}

static char *
canonical_request(const CqAwsRequest *request, const char *place, const List *headers)
{
	Size		length = strcspn(place, "?");
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	appendStringInfo(&text, "%s\n", request->method);
	append_path(&text, place, length);
	appendStringInfoChar(&text, '\n');
	append_query(&text, place[length] == '?' ? place + length + 1 : "");
	appendStringInfoChar(&text, '\n');
	foreach(cell, headers)
		appendStringInfo(&text, "%s\n", (char *) lfirst(cell));
	appendStringInfo(&text, "\n%s\n%s", names_of(headers),
					 hash_hex(request->body != NULL ? request->body : "", request->body_length));
	return text.data;
}

/* ---- the signature ---- */

static char *
sign_text(const CqAwsRequest *request, const char *date, const char *region, const char *service,
		  const char *text)
{
	char	   *secret = psprintf("AWS4%s", request->password);
	const char *const parts[] = {date, region, service, "aws4_request", text};
	uint8		key[CQ_SIGNING_BYTES];

	cq_signing_hmac(secret, strlen(secret), parts[0], "", 0, key);
	for (int i = 1; i < (int) lengthof(parts); i++)
		cq_signing_hmac(key, sizeof(key), parts[i], "", 0, key);
	return as_hex(key);
}

/* As the header has it: without the port that goes without saying. */
static char *
host_of(const char *begin, Size length, bool is_https)
{
	char	   *host = pnstrdup(begin, length);
	const char *port = is_https ? ":443" : ":80";
	Size		ends_at = length - Min(length, strlen(port));

	if (strcmp(host + ends_at, port) == 0)
		host[ends_at] = '\0';
	return host;
}

List *
cq_signing_aws(List *headers, const CqAwsRequest *request)
{
	const char *slash = strchr(request->place, '/');
	char	   *region = pnstrdup(request->place, slash - request->place);
	const char *begin = strstr(request->url, "://") + 3;
	const char *place = begin + strcspn(begin, "/?");
	char	   *host = host_of(begin, place - begin, pg_strncasecmp(request->url, "https", 5) == 0);
	struct pg_tm *now = pg_gmtime(&request->time);
	char		time[20];
	char	   *date;
	char	   *scope;
	char	   *text;
	List	   *signed_headers;

	pg_strftime(time, sizeof(time), "%Y%m%dT%H%M%SZ", now);
	date = pnstrdup(time, 8);
	headers = lappend(headers, psprintf("X-Amz-Date: %s", time));
	signed_headers = canonical_headers(headers, host);
	scope = psprintf("%s/%s/%s/aws4_request", date, region, slash + 1);
	text = canonical_request(request, place, signed_headers);
	text = psprintf(ALGORITHM "\n%s\n%s\n%s", time, scope, hash_hex(text, strlen(text)));
	return lappend(headers, psprintf("Authorization: " ALGORITHM " Credential=%s/%s, "
									 "SignedHeaders=%s, Signature=%s", request->user, scope,
									 names_of(signed_headers),
									 sign_text(request, date, region, slash + 1, text)));
}
