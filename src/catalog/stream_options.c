/*
 * stream_options.c
 *		Which options streams and their columns have, and what values they take: for CREATE and
 *		ALTER.
 *
 * What needs more than the option itself (does the column event_time exist, has a metadata column
 * the right type) is checked when the stream is used: see stream.c.
 */
#include "postgres.h"

#include "catalog/pg_attribute.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "catalog/stream.h"
#include "catalog/stream_options.h"
#include "catalog/stream_path.h"
#include "common/options.h"
#include "common/topic_pattern.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/guc.h"

const char *const cq_stream_tombstones[] = {"error", "row", "skip", NULL};
const char *const cq_stream_gap_choices[] = {"pause", "skip", NULL};
const char *const cq_stream_framings[] = {"registry", "none", "connect", NULL};
const char *const cq_stream_modes[] = {"append", "upsert", "debezium", NULL};
const char *const cq_stream_subject_names[] = {"topic", "record", "topic_record", NULL};
const char *const cq_stream_values[] = {"plain", "debezium", NULL};
const char *const cq_stream_number_formats[] = {"number", "string", "base64", NULL};
const char *const cq_stream_headers[] = {"false", "true", "match", NULL};
const char *const cq_stream_error_choices[] = {"fail", "skip", NULL};

enum
{
	KAFKA_TABLE = 1,
	KAFKA_COLUMN = 2,
	LOG_TABLE = 4,
	LOG_COLUMN = 8,
	KAFKA_SERVER = 16,
	KAFKA_MAPPING = 32
};

static CqReject *
check_topics(const char *name, const char *value)
{
	List	   *topics;

	return cq_stream_options_parse_topics(value, &topics);
}

static CqReject *
check_error_topic(const char *name, const char *value)
{
	List	   *topics;
	CqReject   *reject = cq_topic_pattern_is(value) || strchr(value, ',') != NULL ?
		cq_options_bad_value(name, value) : cq_stream_options_parse_topics(value, &topics);

	return reject == NULL ? NULL : cq_reject_hint(reject, "It is the name of one topic.");
}

static CqReject *
check_path(const char *name, const char *value)
{
	List	   *path;
	List	   *items;

	return cq_stream_path_parse(name, value, &path, &items);
}

/* Of a field that is no item of an array. */
static CqReject *
check_field(const char *name, const char *value)
{
	List	   *path;
	List	   *items;
	CqReject   *reject = cq_stream_path_parse(name, value, &path, &items);

	if (reject == NULL && items != NIL)
		reject = cq_options_bad_value(name, value);
	return reject;
}

static CqReject *
check_interval(const char *name, const char *value)
{
	int64		microseconds;

	return cq_options_interval(name, value, &microseconds);
}

static const char *const formats[] = {
	"json", "json_sr", "avro", "protobuf", "csv", "text", "bytea", "string", "boolean", "short",
	"int", "long", "float", "double", "uuid", NULL
};

static CqReject *
check_log_mode(const char *name, const char *value)
{
	int			choice;
	CqReject   *reject = cq_options_choice(name, value, cq_stream_modes, &choice);

	if (reject == NULL && choice > 1)
		return cq_reject_hint(cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED,
										"mode \"%s\" of a stream kept in the database is not "
										"supported", value),
							  "Rows are added to it, mode append, or take the place of others with "
							  "the "
							  "same key, mode upsert.");
	return reject;
}

CqReject *
cq_stream_parse_time_format(const char *value, CqValueStyle *style)
{
	/* In the order of the enum, from CQ_TIMES_ISO on. */
	static const char *const words[] = {"iso", "seconds", "milliseconds", "microseconds",
	"nanoseconds"};

	style->pattern = NULL;
	for (int i = 0; i < (int) lengthof(words); i++)
	{
		if (strcmp(value, words[i]) == 0)
		{
			style->times = CQ_TIMES_ISO + i;
			return NULL;
		}
	}
	if (strpbrk(value, "YJHMDSyjhmds") == NULL || strchr(value, ' ') == value)
		return cq_reject_hint(cq_options_bad_value("time_format", value),
							  "Valid values: iso, seconds, milliseconds, microseconds, "
							  "nanoseconds, or a pattern as to_timestamp has them, such as "
							  "YYYY-MM-DD HH24:MI:SS.");
	style->times = CQ_TIMES_PATTERN;
	style->pattern = pstrdup(value);
	return NULL;
}

static CqReject *
check_time_format(const char *name, const char *value)
{
	CqValueStyle style;

	return cq_stream_parse_time_format(value, &style);
}

/* What the setting of that name takes. */
static CqReject *
check_setting(const char *name, const char *value)
{
	if (set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SET, false, DEBUG5,
						  false) != 0)
		return NULL;
	return cq_reject_hint(cq_options_bad_value(name, value),
						  "It is a value of the setting of that name.");
}

/* A character of one byte that is no end of a line. */
static CqReject *
check_character(const char *name, const char *value)
{
	if (strlen(value) == 1 && *value != '\n' && *value != '\r' && !IS_HIGHBIT_SET(*value))
		return NULL;
	return cq_reject_hint(cq_options_bad_value(name, value),
						  "It is one character of a single byte.");
}

static CqReject *
check_null(const char *name, const char *value)
{
	if (strpbrk(value, "\r\n") == NULL)
		return NULL;
	return cq_reject_hint(cq_options_bad_value(name, value), "It has no ends of lines.");
}

List *
cq_stream_options_parse_urls(const char *value)
{
	List	   *urls = NIL;

	while (*value != '\0')
	{
		size_t		length = strcspn(value, ", ");

		if (length > 0)
			urls = lappend(urls, pnstrdup(value, length));
		value += length;
		value += strspn(value, ", ");
	}
	return urls;
}

/* What is in a URL is seen by everybody: no passwords. */
static CqReject *
check_urls(const char *name, const char *value)
{
	List	   *urls = cq_stream_options_parse_urls(value);
	ListCell   *cell;

	foreach(cell, urls)
	{
		const char *url = lfirst(cell);
		const char *host = strstr(url, "://");

		if ((pg_strncasecmp(url, "http://", 7) != 0 && pg_strncasecmp(url, "https://", 8) != 0) ||
			host[3] == '\0' || strpbrk(url, "@?#\\\"<> \t\r\n") != NULL)
			return cq_reject_hint(cq_reject(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE,
											"invalid value for option \"%s\"", name),
								  "It is an address such as http://registry:8081, or several with "
								  "commas between. "
								  "User and password belong into a user mapping.");
	}
	return urls != NIL ? NULL : cq_options_bad_value(name, value);
}

/* Goes into a header. */
static CqReject *
check_secret(const char *name, const char *value)
{
	if (*value != '\0' && strpbrk(value, "\r\n") == NULL)
		return NULL;
	return cq_reject(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE, "invalid value for option \"%s\"", name);
}

static const CqOptionRule rules[] = {
	{"topic", KAFKA_TABLE, .check = check_topics},
	{"error_topic", KAFKA_TABLE, .check = check_error_topic},
	{"format", KAFKA_TABLE, .choices = formats},
	{"key_format", KAFKA_TABLE, .choices = formats},
	{"schema", KAFKA_TABLE, .check = NULL},
	{"key_schema", KAFKA_TABLE, .check = NULL},
	{"message", KAFKA_TABLE, .check = NULL},
	{"key_message", KAFKA_TABLE, .check = NULL},
	{"framing", KAFKA_TABLE, .choices = cq_stream_framings},
	{"subject", KAFKA_TABLE, .check = NULL},
	{"subject_names", KAFKA_TABLE, .choices = cq_stream_subject_names},
	{"register_schema", KAFKA_TABLE, .check = cq_options_check_boolean},
	{"check_compatibility", KAFKA_TABLE, .check = cq_options_check_boolean},
	{"ignore_case", KAFKA_TABLE, .check = cq_options_check_boolean},
	{"mode", KAFKA_TABLE, .choices = cq_stream_modes},
	{"mode", LOG_TABLE, .check = check_log_mode},
	{"values", KAFKA_TABLE, .choices = cq_stream_values},
	{"time_format", KAFKA_TABLE | KAFKA_COLUMN, .check = check_time_format},
	{"number_format", KAFKA_TABLE | KAFKA_COLUMN, .choices = cq_stream_number_formats},
	{"unavailable_value", KAFKA_TABLE, .check = NULL},
	{"deleted_field", KAFKA_TABLE, .check = check_field},
	{"delimiter", KAFKA_TABLE, .check = check_character},
	{"quote", KAFKA_TABLE, .check = check_character},
	{"escape", KAFKA_TABLE, .check = check_character},
	{"null", KAFKA_TABLE, .check = check_null},
	{"header", KAFKA_TABLE, .choices = cq_stream_headers},
	{"force_null", KAFKA_COLUMN, .check = cq_options_check_boolean},
	{"force_not_null", KAFKA_COLUMN, .check = cq_options_check_boolean},
	{"event_time", KAFKA_TABLE | LOG_TABLE, .check = NULL},
	{"timezone", KAFKA_TABLE, .check = check_setting},
	{"datestyle", KAFKA_TABLE, .check = check_setting},
	{"watermark", KAFKA_TABLE | LOG_TABLE, .check = check_interval},
	{"idle_timeout", KAFKA_TABLE | LOG_TABLE, .check = check_interval},
	{"max_event_lead", KAFKA_TABLE | LOG_TABLE, .check = check_interval},
	{"tombstone", KAFKA_TABLE | LOG_TABLE, .choices = cq_stream_tombstones},
	{"on_gap", KAFKA_TABLE | LOG_TABLE, .choices = cq_stream_gap_choices},
	{"on_error", KAFKA_TABLE | LOG_TABLE, .choices = cq_stream_error_choices},
	{"retention", LOG_TABLE, .check = check_interval},
	{"path", KAFKA_COLUMN, .check = check_path},
	{"envelope", KAFKA_COLUMN, .check = check_path},
	{"key", KAFKA_COLUMN, .check = check_path},
	{"metadata", KAFKA_COLUMN | LOG_COLUMN, .choices = cq_stream_metadata},
	{"schema_registry", KAFKA_SERVER, .check = check_urls},
	{"schema_registry_ca", KAFKA_SERVER, .check = cq_options_check_pem},
	{"schema_registry_user", KAFKA_MAPPING, .check = check_secret},
	{"schema_registry_password", KAFKA_MAPPING, .check = check_secret},
	{"schema_registry_token", KAFKA_MAPPING, .check = check_secret},
	{"schema_registry_certificate", KAFKA_MAPPING, .check = cq_options_check_pem},
	{"schema_registry_key", KAFKA_MAPPING, .check = cq_options_check_pem},
	{"schema_registry_key_password", KAFKA_MAPPING, .check = check_secret},
};

bool
cq_stream_options_is_of_registry(const char *name)
{
	return cq_options_find(rules, lengthof(rules), KAFKA_SERVER | KAFKA_MAPPING, name) != NULL;
}

static int
place_bit(CqStreamKind kind, Oid place)
{
	if (place == ForeignTableRelationId)
		return kind == CQ_STREAM_KAFKA ? KAFKA_TABLE : LOG_TABLE;
	if (place == AttributeRelationId)
		return kind == CQ_STREAM_KAFKA ? KAFKA_COLUMN : LOG_COLUMN;
	if (kind == CQ_STREAM_KAFKA && place == ForeignServerRelationId)
		return KAFKA_SERVER;
	if (kind == CQ_STREAM_KAFKA && place == UserMappingRelationId)
		return KAFKA_MAPPING;
	return 0;
}

CqReject *
cq_stream_options_check(CqStreamKind kind, Oid place, const char *name, const char *value,
						bool *is_ours)
{
	const CqOptionRule *rule = cq_options_find(rules, lengthof(rules), place_bit(kind, place),
											   name);

	*is_ours = rule != NULL;
	return rule != NULL ? cq_options_check(rule, value) : NULL;
}

char *
cq_stream_options_names(CqStreamKind kind, Oid place)
{
	return cq_options_names(rules, lengthof(rules), place_bit(kind, place));
}

/* Kafka's own rule for names of topics. */
static bool
is_topic(const char *name)
{
	size_t		length = strlen(name);

	return length > 0 && length <= 249 && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == length;
}

CqReject *
cq_stream_options_parse_topics(const char *value, List **topics)
{
	*topics = NIL;
	if (cq_topic_pattern_is(value))
	{
		(void) cq_topic_pattern_matches(value, "");
		*topics = list_make1(pstrdup(value));
		return NULL;
	}
	for (;;)
	{
		const char *start = value + strspn(value, " ");
		const char *end = start + strcspn(start, ",");
		const char *last = end;
		char	   *topic;

		while (last > start && last[-1] == ' ')
			last--;
		topic = pnstrdup(start, last - start);
		if (!is_topic(topic))
			return cq_reject_hint(cq_reject(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE,
											"\"%s\" is not a name of a topic", topic),
								  "Several topics are separated by commas. A name has letters, "
								  "digits, dots, underscores and hyphens, at most 249.");
		*topics = lappend(*topics, topic);
		if (*end == '\0')
			return NULL;
		value = end + 1;
	}
}
