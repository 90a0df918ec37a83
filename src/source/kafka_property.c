/*
 * kafka_property.c
 *		Decides which librdkafka properties may be set, where and by whom.
 *
 * Any property passes under its own name, unless a rule below says otherwise. The rules guard three
 * things: that nobody changes what exactly-once stands on, that secrets stay in user mappings, and
 * that whoever may create a stream cannot make the server run code, read files, or send its
 * credentials elsewhere. A property missing from the rules where it belongs there is a security
 * hole, so a suffix that says "file" is enough to be treated as one.
 */
#include "postgres.h"

#include <librdkafka/rdkafka.h>

#include "catalog/pg_authid.h"
#include "common/guc.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "source/kafka.h"
#include "source/property.h"
#include "utils/acl.h"
#include "utils/varlena.h"

typedef enum PropertyRuleKind
{
	PROPERTY_OWNED,				/* the source sets it */
	PROPERTY_SECRET,			/* only in a user mapping */
	PROPERTY_SUPERUSER,			/* makes the server run something */
	PROPERTY_FILE,				/* makes the server read a file */
	PROPERTY_CONNECTION,		/* says how to talk to brokers, and as whom: not a table's to say */
	PROPERTY_ADDRESS			/* says where to connect, or whom to trust: the server's to say */
} PropertyRuleKind;

typedef struct PropertyRule
{
	const char *pattern;		/* a name; one * at either end stands for anything */
	PropertyRuleKind kind;
	const char *reason;			/* a sentence, for PROPERTY_OWNED and PROPERTY_SUPERUSER */
} PropertyRule;

#define POSITIONS_REASON "Positions are kept in the database, in the transaction of what was made of the messages."
#define RESET_REASON "Where a stream begins is said by the view; a position that is no longer there is reported, never reset."
#define ACKS_REASON "INSERT waits until all in-sync replicas have each row, exactly once."
#define SOURCE_REASON "The source needs it for itself."
#define CALLBACK_REASON "It is not a setting but a pointer within a program."
#define SHELL_REASON "It becomes part of a shell command that the server runs."
#define LIBRARY_REASON "It makes the server load a library."

/* The first that matches counts. */
static const PropertyRule rules[] = {
	{"enable.auto.commit", PROPERTY_OWNED, POSITIONS_REASON},
	{"auto.commit.*", PROPERTY_OWNED, POSITIONS_REASON},
	{"enable.auto.offset.store", PROPERTY_OWNED, POSITIONS_REASON},
	{"offset.store.*", PROPERTY_OWNED, POSITIONS_REASON},
	{"auto.offset.reset", PROPERTY_OWNED, RESET_REASON},
	{"enable.partition.eof", PROPERTY_OWNED, "Positions move past control records by it."},
	{"statistics.interval.ms", PROPERTY_OWNED,
	 "New partitions and the return of brokers are seen by it."},
	{"log.queue", PROPERTY_OWNED, SOURCE_REASON},
	{"internal.termination.signal", PROPERTY_OWNED,
	 "The server's processes have their own use of signals."},
	{"enable.idempotence", PROPERTY_OWNED, ACKS_REASON},
	{"acks", PROPERTY_OWNED, ACKS_REASON},
	{"request.required.acks", PROPERTY_OWNED, ACKS_REASON},
	{"delivery.report.only.error", PROPERTY_OWNED, ACKS_REASON},
	{"dr.only.error", PROPERTY_OWNED, ACKS_REASON},
	{"produce.offset.report", PROPERTY_OWNED, SOURCE_REASON},
	{"transactional.id", PROPERTY_OWNED, "Rows are sent when the database's transaction commits."},
	{"*_cb", PROPERTY_OWNED, CALLBACK_REASON},
	{"opaque", PROPERTY_OWNED, CALLBACK_REASON},
	{"interceptors", PROPERTY_OWNED, CALLBACK_REASON},
	{"enabled_events", PROPERTY_OWNED, CALLBACK_REASON},
	{"default_topic_conf", PROPERTY_OWNED, CALLBACK_REASON},

	{"plugin.library.paths", PROPERTY_SUPERUSER, LIBRARY_REASON},
	{"ssl.engine.*", PROPERTY_SUPERUSER, LIBRARY_REASON},
	{"ssl.providers", PROPERTY_SUPERUSER, LIBRARY_REASON},
	{"sasl.kerberos.*", PROPERTY_SUPERUSER, SHELL_REASON},
	{"test.mock.*", PROPERTY_SUPERUSER, "It makes the server listen on ports."},

	{"debug", PROPERTY_SUPERUSER, "It floods the server's log."},

	{"sasl.username", PROPERTY_SECRET, NULL},
	{"sasl.password", PROPERTY_SECRET, NULL},
	{"sasl.oauthbearer.config", PROPERTY_SECRET, NULL},
	{"*.secret", PROPERTY_SECRET, NULL},
	{"*.password", PROPERTY_SECRET, NULL},
	{"*.passphrase", PROPERTY_SECRET, NULL},
	{"*.key.pem", PROPERTY_SECRET, NULL},

	{"bootstrap.servers", PROPERTY_ADDRESS, NULL},
	{"metadata.broker.list", PROPERTY_ADDRESS, NULL},
	{"client.dns.lookup", PROPERTY_ADDRESS, NULL},
	{"broker.address.*", PROPERTY_ADDRESS, NULL},
	{"*.url", PROPERTY_ADDRESS, NULL},
	{"https.*", PROPERTY_ADDRESS, NULL},
	{"ssl.ca.*", PROPERTY_ADDRESS, NULL},
	{"ssl.crl.*", PROPERTY_ADDRESS, NULL},

	{"*.location", PROPERTY_FILE, NULL},
	{"*.file", PROPERTY_FILE, NULL},
	{"*.path", PROPERTY_FILE, NULL},
	{"*.paths", PROPERTY_FILE, NULL},
	{"*.stores", PROPERTY_FILE, NULL},

	{"security.protocol", PROPERTY_CONNECTION, NULL},
	{"sasl.*", PROPERTY_CONNECTION, NULL},
	{"ssl.*", PROPERTY_CONNECTION, NULL},
	{"enable.ssl.*", PROPERTY_CONNECTION, NULL},
	{"enable.sasl.*", PROPERTY_CONNECTION, NULL},
};

/* Names longer than this are nobody's typing error. */
#define MAX_NAME_LENGTH 100
#define MAX_SUGGESTIONS 3

static bool
matches(const char *pattern, const char *name)
{
	size_t		pattern_length = strlen(pattern);
	size_t		name_length = strlen(name);

	if (pattern[0] == '*')
		return name_length >= pattern_length - 1 &&
			strcmp(name + name_length - (pattern_length - 1), pattern + 1) == 0;
	if (pattern[pattern_length - 1] == '*')
		return strncmp(name, pattern, pattern_length - 1) == 0;
	return strcmp(name, pattern) == 0;
}

static const PropertyRule *
find_rule(const char *name)
{
	for (int i = 0; i < (int) lengthof(rules); i++)
		if (matches(rules[i].pattern, name))
			return &rules[i];
	return NULL;
}

/* True for a property that the source sets itself. */
bool
cq_kafka_property_is_owned(const char *name)
{
	const PropertyRule *rule = find_rule(name);

	return rule != NULL && rule->kind == PROPERTY_OWNED;
}

/* True for one whose value must not be shown. */
bool
cq_kafka_property_is_secret(const char *name)
{
	const PropertyRule *rule = find_rule(name);

	return rule != NULL && rule->kind == PROPERTY_SECRET;
}

/* True for one that says where to connect or whom to trust. */
bool
cq_kafka_property_is_address(const char *name)
{
	const PropertyRule *rule = find_rule(name);

	return rule != NULL && rule->kind == PROPERTY_ADDRESS;
}

/* Properties that are sizes of memory. */
static const struct
{
	const char *name;
	int			unit;			/* bytes */
}			sizes[] =
{
	{"queued.max.messages.kbytes", 1024},
	{"queue.buffering.max.kbytes", 1024},
	{"fetch.max.bytes", 1},
	{"fetch.message.max.bytes", 1},
	{"max.partition.fetch.bytes", 1},
	{"receive.message.max.bytes", 1},
	{"message.max.bytes", 1},
	{"message.copy.max.bytes", 1},
	{"batch.size", 1},
	{"socket.send.buffer.bytes", 1},
	{"socket.receive.buffer.bytes", 1},
};

/* The largest value of one that is a size, as cq.max_kafka_buffer has it; -1: it is none. */
int64
cq_kafka_property_ceiling(const char *name)
{
	for (int i = 0; i < (int) lengthof(sizes); i++)
		if (strcmp(sizes[i].name, name) == 0)
			return (int64) cq_max_kafka_buffer * 1024 / sizes[i].unit;
	return -1;
}

static CqReject *
check_size(const char *name, const char *value)
{
	int64		ceiling = cq_kafka_property_ceiling(name);
	CqReject   *reject;

	if (ceiling < 0 || strtoll(value, NULL, 10) <= ceiling)
		return NULL;
	reject = cq_reject(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE, 
					   "value %s for Kafka property \"%s\" is too large", value, name);
	return cq_reject_hint(reject,
						  "The setting cq.max_kafka_buffer allows " INT64_FORMAT " at most.",
						  ceiling);
}

/* librdkafka's own spelling: '.' for '_', but for the few of its names that have one. palloc'd. */
char *
cq_kafka_property_name(const char *name)
{
	char	   *canonical = pstrdup(name);

	if (!cq_kafka_property_is_owned(name))
		for (char *c = canonical; *c != '\0'; c++)
			if (*c == '_')
				*c = '.';
	return canonical;
}

static CqReject *
check_owned(const PropertyRule *rule, const char *name)
{
	CqReject   *reject = cq_reject(ERRCODE_FDW_INVALID_OPTION_NAME,
								   "Kafka property \"%s\" cannot be set", name);

	return cq_reject_detail(reject, "%s", rule->reason);
}

static CqReject *
check_secret(const char *name, CqPropertyPlace place)
{
	CqReject   *reject;

	if (place == CQ_PROPERTY_USER_MAPPING)
		return NULL;
	reject = cq_reject(ERRCODE_FDW_INVALID_OPTION_NAME, "Kafka property \"%s\" is a secret", name);
	cq_reject_detail(reject, "Options of servers and foreign tables can be read by everyone.");
	return cq_reject_hint(reject, "Set it with CREATE USER MAPPING or ALTER USER MAPPING.");
}

static CqReject *
check_superuser(const PropertyRule *rule, const char *name)
{
	CqReject   *reject;

	if (superuser())
		return NULL;
	reject = cq_reject(ERRCODE_INSUFFICIENT_PRIVILEGE,
					   "only superusers may set Kafka property \"%s\"", name);
	return cq_reject_detail(reject, "%s", rule->reason);
}

static CqReject *
check_connection(const char *name, CqPropertyPlace place)
{
	CqReject   *reject;

	if (place != CQ_PROPERTY_TABLE)
		return NULL;
	reject = cq_reject(ERRCODE_FDW_INVALID_OPTION_NAME,
					   "Kafka property \"%s\" cannot be set on a foreign table", name);
	cq_reject_detail(reject, "It says which brokers are trusted, and with whose credentials.");
	return cq_reject_hint(reject, "Set it on the server or in a user mapping.");
}

/* Also on the server it may name a file. */
static bool
names_file(const char *name)
{
	static const char *const files[] = {"*.location", "*.file", "*.path", "*.paths", "*.stores"};

	for (int i = 0; i < (int) lengthof(files); i++)
		if (matches(files[i], name))
			return true;
	return false;
}

/*
 * Whoever has USAGE on a server can make a user mapping: with an address there he could have the
 * database's server connect to wherever it reaches.
 */
static CqReject *
check_address(const char *name, CqPropertyPlace place)
{
	CqReject   *reject;

	if (place == CQ_PROPERTY_SERVER)
		return NULL;
	reject = cq_reject(ERRCODE_FDW_INVALID_OPTION_NAME,
					   "Kafka property \"%s\" cannot be set %s", name,
					   place == CQ_PROPERTY_TABLE ? "on a foreign table" : "in a user mapping");
	cq_reject_detail(reject,
					 "Where to connect, and whom to trust, is for the server's owner to say.");
	return cq_reject_hint(reject, "Set it on the server.");
}

static CqReject *
check_file(const char *name, CqPropertyPlace place)
{
	CqReject   *reject = check_connection(name, place);

	if (reject != NULL || has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		return reject;
	reject = cq_reject(ERRCODE_INSUFFICIENT_PRIVILEGE,
					   "permission denied to set Kafka property \"%s\"", name);
	return cq_reject_detail(reject, "It names a file of the server, so only members of \"%s\" may "
									"set it.",
							"pg_read_server_files");
}

static CqReject *
check_place(const char *name, CqPropertyPlace place)
{
	const PropertyRule *rule = find_rule(name);
	CqReject   *reject;

	if (rule == NULL)
		return NULL;
	switch (rule->kind)
	{
		case PROPERTY_OWNED:
			return check_owned(rule, name);
		case PROPERTY_SECRET:
			return check_secret(name, place);
		case PROPERTY_SUPERUSER:
			return check_superuser(rule, name);
		case PROPERTY_FILE:
			return check_file(name, place);
		case PROPERTY_CONNECTION:
			return check_connection(name, place);
		case PROPERTY_ADDRESS:
			reject = check_address(name, place);
			return reject == NULL && names_file(name) ? check_file(name, place) : reject;
	}
	return NULL;
}

/*
 * GSSAPI makes the server run kinit, and speak to the brokers as whoever the server is. It is
 * librdkafka's default mechanism; the source's is PLAIN, so that it must be named.
 */
static CqReject *
check_mechanism(const char *name, const char *value)
{
	CqReject   *reject;

	if (strcmp(name, "sasl.mechanisms") != 0 && strcmp(name, "sasl.mechanism") != 0)
		return NULL;
	if (pg_strcasecmp(value, "GSSAPI") != 0 || superuser())
		return NULL;
	reject = cq_reject(ERRCODE_INSUFFICIENT_PRIVILEGE,
					   "only superusers may use the SASL mechanism GSSAPI");
	return cq_reject_detail(reject, "It speaks to the brokers with the server's own Kerberos "
									"credentials.");
}

typedef struct Suggestions
{
	char	   *names[MAX_SUGGESTIONS]; /* the nearest first; NULL where there are fewer */
	int			distances[MAX_SUGGESTIONS];
} Suggestions;

/* Keeps candidate if it is among the names most like name. */
static void
suggest(Suggestions *nearest, const char *name, const char *candidate)
{
	int			farthest = Max(3, (int) strlen(name) / 3);
	int			distance = varstr_levenshtein_less_equal(name, strlen(name), candidate,
														 strlen(candidate),
														 1, 1, 1, farthest, true);
	int			place = MAX_SUGGESTIONS;

	if (distance > farthest)
		return;
	/* Some are properties both of the whole and of a topic. */
	for (int i = 0; i < MAX_SUGGESTIONS && nearest->names[i] != NULL; i++)
		if (strcmp(nearest->names[i], candidate) == 0)
			return;
	while (place > 0 && (nearest->names[place - 1] == NULL ||
						 nearest->distances[place - 1] > distance))
		place--;
	for (int i = MAX_SUGGESTIONS - 1; i > place; i--)
	{
		nearest->names[i] = nearest->names[i - 1];
		nearest->distances[i] = nearest->distances[i - 1];
	}
	if (place == MAX_SUGGESTIONS)
		return;
	nearest->names[place] = pstrdup(candidate);
	nearest->distances[place] = distance;
}

/*
 * librdkafka's own documentation of its properties, or NULL: a table in text, a line for each that
 * begins with its name. (The dump of a configuration would leave out what has no default.)
 * malloc'd.
 */
static char *
properties_table(void)
{
	char	   *table = NULL;
	size_t		size;
	FILE	   *out = open_memstream(&table, &size);

	if (out == NULL)
		return NULL;
	rd_kafka_conf_properties_show(out);
	fclose(out);
	return table;
}

static void
suggest_names(Suggestions *nearest, const char *name)
{
	char	   *table = properties_table();
	char	   *copy;
	char	   *rest;

	if (table == NULL)
		return;
	copy = pstrdup(table);
	free(table);
	for (char *line = strtok_r(copy, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
	{
		size_t		length = strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789.");

		/* Lines between the table's parts have no name; what cannot be set is no suggestion. */
		if (length == 0 || length > MAX_NAME_LENGTH || line[length] != ' ')
			continue;
		line[length] = '\0';
		if (!cq_kafka_property_is_owned(line))
			suggest(nearest, name, line);
	}
	pfree(copy);
}

static CqReject *
unknown_property(const char *name)
{
	CqReject   *reject = cq_reject(ERRCODE_FDW_OPTION_NAME_NOT_FOUND,
								   "unknown Kafka property \"%s\"", name);
	Suggestions nearest = {0};
	StringInfoData names;

	if (strlen(name) <= MAX_NAME_LENGTH)
		suggest_names(&nearest, name);
	if (nearest.names[0] == NULL)
		return cq_reject_hint(reject, "Any property of librdkafka %s may be set; its "
									  "CONFIGURATION.md lists them.",
							  rd_kafka_version_str());
	initStringInfo(&names);
	for (int i = 0; i < MAX_SUGGESTIONS && nearest.names[i] != NULL; i++)
		appendStringInfo(&names, "%s\"%s\"", i > 0 ? ", " : "", nearest.names[i]);
	return cq_reject_hint(reject, "Perhaps you meant %s. librdkafka's CONFIGURATION.md lists all "
								  "properties.", names.data);
}

/* Lets librdkafka try it. */
static CqReject *
check_value(const char *name, const char *value)
{
	char		reason[512];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, name, value, reason, sizeof(reason));

	rd_kafka_conf_destroy(conf);
	if (result == RD_KAFKA_CONF_OK)
		return NULL;
	if (result == RD_KAFKA_CONF_UNKNOWN)
		return unknown_property(name);
	if (cq_kafka_property_is_secret(name))
		return cq_reject(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE,
						 "invalid value for Kafka property \"%s\"", name);
	return cq_reject_detail(cq_reject(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE,
									  "invalid value for Kafka property \"%s\"", name),
							"%s.", reason);
}

CqReject *
cq_kafka_property_check(const char *name, const char *value, CqPropertyPlace place)
{
	char	   *canonical = cq_kafka_property_name(name);
	CqReject   *reject;

	/*
	 * Permission first: setting some of them acts at once, even on a configuration that is thrown
	 * away.
	 */
	reject = check_place(canonical, place);
	if (reject == NULL)
		reject = check_mechanism(canonical, value);
	if (reject == NULL)
		reject = check_value(canonical, value);
	if (reject == NULL)
		reject = check_size(canonical, value);
	return reject;
}
