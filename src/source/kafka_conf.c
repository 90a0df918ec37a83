/*
 * kafka_conf.c
 *		Makes a librdkafka configuration of a stream's properties.
 *
 * Three layers, each over the one before: defaults that suit a database, the properties that were
 * set, and what the source needs for itself. The last makes exactly-once hold even where a property
 * got past the check at DDL.
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "nodes/parsenodes.h"
#include "source/kafka.h"

typedef struct Setting
{
	const char *name;
	const char *value;
} Setting;

static const Setting common_defaults[] = {
	{"client.id", "pg_cq"},
	{"log.connection.close", "false"},
	{"reconnect.backoff.max.ms", "2000"},
	/* librdkafka's own default, GSSAPI, runs kinit: see check_mechanism in kafka_property.c. */
	{"sasl.mechanisms", "PLAIN"},
	{"socket.keepalive.enable", "true"},
	/* How soon a new partition is seen. */
	{"topic.metadata.refresh.interval.ms", "10000"},
	/* How long a topic that no broker knows may yet be one that was just made. */
	{"topic.metadata.propagation.max.ms", "5000"},
};

/*
 * Reading fast within bounded memory: the queues hold some tenths of a second of the fastest
 * stream. While one batch is worked on the next arrives; more would only be memory. The number of
 * messages is left to the size.
 */
#define QUEUES_KB			32768	/* of all partitions: a simple consumer has a queue for each */
#define BOUNDED_QUEUES_KB	8192	/* for one statement, in a backend among many */
#define SMALLEST_QUEUE_KB	512
#define FETCH_OVERHEAD		512		/* bytes that librdkafka wants to receive beside messages */
#define LONGEST_WAIT_MS		100
#define SHORTEST_WAIT_MS	10

static const Setting reader_defaults[] = {
	{"fetch.max.bytes", "16777216"},
	{"fetch.message.max.bytes", "1048576"},
	{"queued.min.messages", "1000000"},
};

/* Keys go to the partition where Java's clients would put them. */
static const Setting writer_defaults[] = {
	{"message.timeout.ms", "30000"},
	{"partitioner", "murmur2_random"},
};

/*
 * Over the writer's. A transaction right after another one is told to try again, until the brokers
 * are done with that one: that takes a few ms.
 */
static const Setting emitter_defaults[] = {
	{"retry.backoff.ms", "3"},
	{"transaction.timeout.ms", "60000"},
};

static const Setting common_owned[] = {
	{"log.queue", "true"},
};

static const Setting reader_owned[] = {
	{"auto.offset.reset", "error"},
	{"enable.auto.commit", "false"},
	{"enable.auto.offset.store", "false"},
	{"enable.partition.eof", "true"},
};

static const Setting writer_owned[] = {
	{"enable.idempotence", "true"},
};

static void
set_property(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char		reason[CQ_KAFKA_TEXT_LENGTH];

	if (rd_kafka_conf_set(conf, name, value, reason, sizeof(reason)) == RD_KAFKA_CONF_OK)
		return;
	rd_kafka_conf_destroy(conf);
	if (cq_kafka_property_is_secret(name))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for Kafka property \"%s\"", name)));
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 errmsg("could not set Kafka property \"%s\"", name),
			 errdetail("%s.", reason)));
}

static void
set_all(rd_kafka_conf_t *conf, const Setting *settings, int nsettings)
{
	for (int i = 0; i < nsettings; i++)
		set_property(conf, settings[i].name, settings[i].value);
}

/* -1 where it is not a number or not known to this librdkafka. */
static int
get_number(rd_kafka_conf_t *conf, const char *name)
{
	char		text[32];
	size_t		size = sizeof(text);

	if (rd_kafka_conf_get(conf, name, text, &size) != RD_KAFKA_CONF_OK)
		return -1;
	return atoi(text);
}

/*
 * Statistics tell of new partitions, so they come often enough for metadata not to be much older
 * than it says.
 */
static void
set_statistics_interval(rd_kafka_conf_t *conf)
{
	int			refresh = get_number(conf, "topic.metadata.refresh.interval.ms");
	char		value[16];

	snprintf(value, sizeof(value), "%d", refresh > 0 ? Max(refresh / 5, 1000) : 1000);
	set_property(conf, "statistics.interval.ms", value);
}

/*
 * A partition whose queue was full is fetched again with the broker's next answer about the others,
 * for which a broker waits as long as this where they are silent. With smaller queues it is to come
 * sooner; with very many partitions a question has its price.
 */
static void
set_wait(rd_kafka_conf_t *conf, int npartitions)
{
	char		value[16];
	int			wait_ms = Max(LONGEST_WAIT_MS / Max(npartitions, 1), npartitions / 10);

	snprintf(value, sizeof(value), "%d", Min(Max(wait_ms, SHORTEST_WAIT_MS), LONGEST_WAIT_MS));
	set_property(conf, "fetch.wait.max.ms", value);
}

static void
share_queues(rd_kafka_conf_t *conf, int total_kb, int npartitions)
{
	char		value[16];

	snprintf(value, sizeof(value), "%d", Max(total_kb / Max(npartitions, 1), SMALLEST_QUEUE_KB));
	set_property(conf, "queued.max.messages.kbytes", value);
}

/* A message that could still be delivered after its transaction is over is refused as a setting. */
static void
cap_message_timeout(rd_kafka_conf_t *conf)
{
	int			message = get_number(conf, "message.timeout.ms");
	int			transaction = get_number(conf, "transaction.timeout.ms");
	char		value[16];

	if (message > 0 && message <= transaction)
		return;
	snprintf(value, sizeof(value), "%d", transaction);
	set_property(conf, "message.timeout.ms", value);
}

/* Is the one behind the first nset among those? */
static bool
is_set(const Setting *settings, int nset)
{
	for (int i = 0; i < nset; i++)
		if (strcmp(settings[i].name, settings[nset].name) == 0)
			return true;
	return false;
}

/* Options may have been set when cq.max_kafka_buffer was larger. */
static const char *
cut_size(const char *name, const char *value)
{
	int64		ceiling = cq_kafka_property_ceiling(name);

	if (ceiling < 0 || strtoll(value, NULL, 10) <= ceiling)
		return value;
	return psprintf(INT64_FORMAT, ceiling);
}

/* librdkafka refuses to fetch less than the largest message, and to receive less than that. */
static void
raise_fetch_sizes(rd_kafka_conf_t *conf)
{
	int			message = get_number(conf, "message.max.bytes");
	int			fetch = get_number(conf, "fetch.max.bytes");
	char		value[16];

	if (fetch < message)
	{
		snprintf(value, sizeof(value), "%d", message);
		set_property(conf, "fetch.max.bytes", value);
		fetch = message;
	}
	if (get_number(conf, "receive.message.max.bytes") < fetch + FETCH_OVERHEAD)
	{
		snprintf(value, sizeof(value), "%d", fetch + FETCH_OVERHEAD);
		set_property(conf, "receive.message.max.bytes", value);
	}
}

static bool
has_brokers(rd_kafka_conf_t *conf)
{
	size_t		size = 0;

	if (rd_kafka_conf_get(conf, "metadata.broker.list", NULL, &size) == RD_KAFKA_CONF_OK &&
		size > 1)
		return true;
	return get_number(conf, "test.mock.num.brokers") > 0;
}

/*
 * For a reader: of so many partitions. The caller owns it until it is given to a client. Raises
 * ERROR for a bad property or where no broker is named.
 */
rd_kafka_conf_t *
cq_kafka_conf_build(const CqSourceConfig *config, CqKafkaRole role, int npartitions)
{
	int			nproperties = list_length(config->properties);
	Setting    *properties = palloc(sizeof(Setting) * Max(nproperties, 1));
	int			nset = 0;
	ListCell   *cell;
	rd_kafka_conf_t *conf;

	/* All that may raise comes before there is a handle to lose. */
	foreach(cell, config->properties)
	{
		DefElem    *property = lfirst(cell);

		properties[nset].name = cq_kafka_property_name(property->defname);
		/* Its other name, by which it would be set once more. */
		if (strcmp(properties[nset].name, "metadata.broker.list") == 0)
			properties[nset].name = "bootstrap.servers";
		properties[nset].value = cut_size(properties[nset].name, defGetString(property));
		/* The server's properties come first: nobody says otherwise where to connect. */
		if (cq_kafka_property_is_address(properties[nset].name) && is_set(properties, nset))
			continue;
		if (!cq_kafka_property_is_owned(properties[nset].name))
			nset++;
	}

	conf = rd_kafka_conf_new();
	set_all(conf, common_defaults, lengthof(common_defaults));
	if (role == CQ_KAFKA_READER)
	{
		set_all(conf, reader_defaults, lengthof(reader_defaults));
		share_queues(conf, config->bounded ? BOUNDED_QUEUES_KB : QUEUES_KB, npartitions);
		set_wait(conf, npartitions);
	}
	if (role == CQ_KAFKA_WRITER || role == CQ_KAFKA_EMITTER)
		set_all(conf, writer_defaults, lengthof(writer_defaults));
	if (role == CQ_KAFKA_EMITTER)
		set_all(conf, emitter_defaults, lengthof(emitter_defaults));

	/*
	 * Since 2.2: how long a full queue keeps librdkafka from fetching; a second unless told. Older:
	 * see nudge().
	 */
	if (role == CQ_KAFKA_READER)
		(void) rd_kafka_conf_set(conf, "fetch.queue.backoff.ms", "5", NULL, 0);

	set_all(conf, properties, nset);

	set_all(conf, common_owned, lengthof(common_owned));
	if (role == CQ_KAFKA_READER)
	{
		set_all(conf, reader_owned, lengthof(reader_owned));
		set_statistics_interval(conf);
	}
	if (role == CQ_KAFKA_WRITER || role == CQ_KAFKA_EMITTER)
		set_all(conf, writer_owned, lengthof(writer_owned));
	if (role == CQ_KAFKA_EMITTER)
		cap_message_timeout(conf);
	if (role == CQ_KAFKA_READER || role == CQ_KAFKA_INQUIRER)
		raise_fetch_sizes(conf);

	if (!has_brokers(conf))
	{
		rd_kafka_conf_destroy(conf);
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("no Kafka brokers are named for stream %s", config->stream_name),
				 errhint("Set the option bootstrap_servers of the server.")));
	}
	pfree(properties);
	return conf;
}
