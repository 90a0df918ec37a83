/*
 * destination_options.c
 *		Which options cq_http has, on servers, user mappings, tables and columns, and what values
 *		they take: for CREATE and ALTER.
 */
#include "postgres.h"

#include "catalog/destination.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "common/closest.h"
#include "common/options.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/varlena.h"

#define MOST_AT_ONCE	1000
#define MOST_ATTEMPTS	1000000
#define MOST_RESPONSE	(1024 * 1024)

const char *const cq_destination_parts[] = {"field", "path", "query", "header", "body", NULL};

static const char *const methods[] = {"POST", "PUT", "PATCH", "DELETE", "GET", NULL};
static const char *const modes[] = {"append", "upsert", "debezium", NULL};

enum
{
	SERVER = 1,
	MAPPING = 2,
	TABLE = 4,
	COLUMN = 8
};

/* ---- what may stand in a request ---- */

#define LETTERS_DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

bool
cq_destination_is_header_name(const char *name)
{
	/* What libcurl, and the delivery, say themselves. */
	static const char *const reserved[] = {
		"host", "content-length", "content-type", "transfer-encoding", "connection", "expect",
		"idempotency-key", "upgrade", "te", "trailer", "keep-alive", "proxy-authorization", "proxy-connection"
	};

	for (int i = 0; i < (int) lengthof(reserved); i++)
	{
		if (pg_strcasecmp(name, reserved[i]) == 0)
			return false;
	}
	return name[0] != '\0' && strlen(name) <= 128 &&
		strspn(name, LETTERS_DIGITS "!#$%&'*+-.^_`|~") == strlen(name);
}

bool
cq_destination_is_header_value(const char *value)
{
	for (const unsigned char *c = (const unsigned char *) value; *c != '\0'; c++)
	{
		if ((*c < ' ' && *c != '\t') || *c == 0x7f)
			return false;
	}
	return true;
}

/* A segment "." or "..", however it is written. */
static bool
leads_elsewhere(const char *segment, size_t length)
{
	int			ndots = 0;

	for (size_t i = 0; i < length; ndots++)
	{
		if (segment[i] == '.')
			i++;
		else if (length - i >= 3 && pg_strncasecmp(segment + i, "%2e", 3) == 0)
			i += 3;
		else
			return false;
	}
	return ndots == 1 || ndots == 2;
}

bool
cq_destination_is_path(const char *path)
{
	size_t		length = strcspn(path, "?");

	if (path[0] != '\0' && path[0] != '/')
		return false;
	if (strspn(path, LETTERS_DIGITS "-._~!$&'()*+,;=:@/%?") != strlen(path))
		return false;
	for (size_t i = 0; i < length;)
	{
		size_t		segment = strcspn(path + i + 1, "/?");

		if (leads_elsewhere(path + i + 1, segment))
			return false;
		i += segment + 1;
	}
	return true;
}

bool
cq_destination_is_method(const char *method)
{
	for (int i = 0; methods[i] != NULL; i++)
	{
		if (strcmp(method, methods[i]) == 0)
			return true;
	}
	return false;
}

/* ---- values of options ---- */

static CqReject *
check_url(const char *name, const char *value)
{
	const char *host = strstr(value, "://");

	if ((pg_strncasecmp(value, "http://", 7) == 0 || pg_strncasecmp(value, "https://", 8) == 0) &&
		host[3] != '\0' && host[3] != '/' && strpbrk(value, "@?#\\\"<>{} \t\r\n") == NULL &&
		cq_destination_is_path(host + 3 + strcspn(host + 3, "/")))
		return NULL;
	return cq_reject_hint(cq_reject(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE,
									"invalid value for option \"%s\"", name),
						  "It is an address such as https://example.com or "
						  "https://example.com/api. User and password belong into a user mapping.");
}

static CqReject *
check_interval(const char *name, const char *value)
{
	int64		microseconds;
	CqReject   *reject = cq_options_interval(name, value, &microseconds);

	if (reject == NULL && (microseconds < 1000 || microseconds > USECS_PER_DAY))
		reject = cq_reject_hint(cq_options_bad_value(name, value),
								"It is between a millisecond and a day.");
	return reject;
}

static CqReject *
check_rate(const char *name, const char *value)
{
	char	   *end;
	double		rate = strtod(value, &end);

	if (end != value && *end == '\0' && rate >= 0.001 && rate <= 1e6)
		return NULL;
	return cq_reject_hint(cq_options_bad_value(name, value),
						  "It is a number of requests a second, between 0.001 and 1000000.");
}

static CqReject *
check_sigv4(const char *name, const char *value)
{
	const char *slash = strchr(value, '/');

	if (slash != NULL && slash != value && slash[1] != '\0' &&
		strspn(value, LETTERS_DIGITS "-/") == strlen(value) && strchr(slash + 1, '/') == NULL)
		return NULL;
	return cq_reject_hint(cq_options_bad_value(name, value),
						  "It is a region and a service, such as eu-west-1/lambda.");
}

static CqReject *
check_secret(const char *name, const char *value)
{
	if (*value != '\0' && cq_destination_is_header_value(value))
		return NULL;
	return cq_reject(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE, "invalid value for option \"%s\"", name);
}

bool
cq_destination_options_place(const char *path, const char **begin, const char **end)
{
	*begin = strchr(path, '{');
	*end = *begin != NULL ? strchr(*begin, '}') : NULL;
	if (*end == NULL)
		return false;
	(*end)++;
	return true;
}

/* What stands in braces is looked up when there are columns. */
static CqReject *
check_path(const char *name, const char *value)
{
	StringInfoData without;
	const char *rest = value;
	const char *begin;
	const char *end;

	initStringInfo(&without);
	while (cq_destination_options_place(rest, &begin, &end))
	{
		appendBinaryStringInfo(&without, rest, begin - rest);
		appendStringInfoChar(&without, 'x');
		rest = end;
	}
	appendStringInfoString(&without, rest);
	if (without.data[0] == '/' && cq_destination_is_path(without.data))
		return NULL;
	return cq_reject_hint(cq_options_bad_value(name, value),
						  "It is a path such as /orders/{id}, where {id} is a column. Other than "
						  "letters, digits and the signs of a URL are percent-encoded, and there "
						  "is no segment \"..\".");
}

CqReject *
cq_destination_options_names(const char *value, List **names)
{
	*names = NIL;
	if (SplitIdentifierString(pstrdup(value), ',', names) && *names != NIL)
		return NULL;
	return cq_reject_hint(cq_options_bad_value("key", value),
						  "It is names of columns with commas between.");
}

static CqReject *
check_key(const char *name, const char *value)
{
	List	   *names;

	return cq_destination_options_names(value, &names);
}

static CqReject *
check_content_type(const char *name, const char *value)
{
	if (strchr(value, '/') != NULL && cq_destination_is_header_value(value))
		return NULL;
	return cq_reject_hint(cq_options_bad_value(name, value),
						  "It is a media type such as text/plain.");
}

static const CqOptionRule rules[] = {
	{"url", SERVER, .check = check_url},
	{"authority", SERVER, .check = cq_options_check_pem},
	{"timeout", SERVER, .check = check_interval},
	{"connect_timeout", SERVER, .check = check_interval},
	{"concurrency", SERVER, .least = 1, .most = MOST_AT_ONCE},
	{"rate", SERVER, .check = check_rate},
	{"attempts", SERVER, .most = MOST_ATTEMPTS},
	{"backoff", SERVER, .check = check_interval},
	{"max_backoff", SERVER, .check = check_interval},
	{"breaker", SERVER, .most = MOST_ATTEMPTS},
	{"breaker_pause", SERVER, .check = check_interval},
	{"sigv4", SERVER, .check = check_sigv4},
	{"user", MAPPING, .check = check_secret},
	{"password", MAPPING, .check = check_secret},
	{"token", MAPPING, .check = check_secret},
	{"certificate", MAPPING, .check = cq_options_check_pem},
	{"certificate_key", MAPPING, .check = cq_options_check_pem},
	{"certificate_key_password", MAPPING, .check = check_secret},
	{"hmac_key", MAPPING, .check = check_secret},
	{"method", TABLE, .choices = methods},
	{"path", TABLE, .check = check_path},
	{"mode", TABLE, .choices = modes},
	{"key", TABLE, .check = check_key},
	{"ordered", TABLE, .check = cq_options_check_boolean},
	{"content_type", TABLE, .check = check_content_type},
	{"responses", TABLE, .check = NULL},
	{"max_response", TABLE, .most = MOST_RESPONSE},
	{"part", COLUMN, .choices = cq_destination_parts},
	{"name", COLUMN, .check = NULL},
};

static int
place_bit(Oid place)
{
	return place == ForeignServerRelationId ? SERVER :
		place == UserMappingRelationId ? MAPPING :
		place == ForeignTableRelationId ? TABLE :
		place == AttributeRelationId ? COLUMN : 0;
}

bool
cq_destination_options_have(Oid place, const char *name)
{
	int			bit = place_bit(place);

	return cq_options_find(rules, lengthof(rules), bit, name) != NULL ||
		(bit == MAPPING && strncmp(name, CQ_SECRET_HEADER, strlen(CQ_SECRET_HEADER)) == 0);
}

static CqReject *
reject_unknown(int place, const char *name)
{
	CqReject   *reject = cq_reject(ERRCODE_FDW_OPTION_NAME_NOT_FOUND, "invalid option \"%s\"",
								   name);
	CqClosest	closest;

	if (place == 0)
		return cq_reject_hint(reject, "There are no valid options here.");
	if (place == SERVER && cq_options_find(rules, lengthof(rules), MAPPING, name) != NULL)
		return cq_reject_hint(reject, "Secrets belong into a user mapping.");
	cq_closest_init(&closest, name);
	for (int i = 0; i < (int) lengthof(rules); i++)
	{
		if (rules[i].places & place)
			cq_closest_try(&closest, rules[i].name);
	}
	return cq_reject_hint(reject, "%sValid options: %s%s.", cq_closest_hint(&closest),
						  cq_options_names(rules, lengthof(rules), place),
						  place == MAPPING ? "; header.NAME for headers" : "");
}

CqReject *
cq_destination_options_check(Oid place, const char *name, const char *value)
{
	int			bit = place_bit(place);
	const CqOptionRule *rule = cq_options_find(rules, lengthof(rules), bit, name);

	if (rule == NULL && bit == MAPPING &&
		strncmp(name, CQ_SECRET_HEADER, strlen(CQ_SECRET_HEADER)) == 0)
	{
		if (!cq_destination_is_header_name(name + strlen(CQ_SECRET_HEADER)))
			return cq_reject(ERRCODE_FDW_INVALID_OPTION_NAME, "\"%s\" is no header that can be "
							 "set", name + strlen(CQ_SECRET_HEADER));
		return check_secret(name, value);
	}
	if (rule == NULL)
		return reject_unknown(bit, name);
	return cq_options_check(rule, value);
}
