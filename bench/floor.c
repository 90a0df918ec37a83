/*
 * floor.c
 *		The floor: a consumer that reads a topic from its beginning to its present end and only counts, or with -j also
 *		takes three fields out of each message. Nothing that stands on librdkafka can be cheaper. With -l it goes on until
 *		SIGTERM, and tells how long messages took from their timestamps until it had them. Nothing can be sooner.
 *
 * Prints a line of JSON. The clock runs from the first message to the last; the CPU time is that of all threads.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#include "floor_json.h"

#define BROKER_TIMEOUT_MS 30000
#define FETCH_TIMEOUT_MS 1000
#define BATCH_MESSAGES 10000
#define FOLLOW_TIMEOUT_MS 100
#define WARM_UP_MS 2000			/* from the first message's timestamp: not counted */
#define LONGEST_MS 60000

typedef struct Floor
{
	int64_t		expected;
	int64_t		messages;
	int64_t		bytes;
	int64_t		malformed;
	int64_t		checksum;		/* so that nothing can be left out */
	double		started;
	double		cpu_started;
	double		seconds;
	double		cpu_seconds;
} Floor;

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "floor: %s: %s\n", what, why);
	exit(1);
}

static double
wall_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static double
cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void
set_property(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char		error[512];

	if (rd_kafka_conf_set(conf, name, value, error, sizeof(error)) != RD_KAFKA_CONF_OK)
		die(name, error);
}

/* `more` are NAME=VALUE. */
static rd_kafka_t *
open_consumer(const char *brokers, char **more)
{
	const char *const properties[][2] = {
		{"bootstrap.servers", brokers},
		{"group.id", "floor"},
		{"enable.auto.commit", "false"},
		{"check.crcs", "false"},
		{"fetch.message.max.bytes", "4194304"},
		{"queued.min.messages", "200000"},
		{"queued.max.messages.kbytes", "65536"},
	};
	char		error[512];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_t *consumer;

	for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++)
		set_property(conf, properties[i][0], properties[i][1]);
	for (; *more != NULL; more++)
	{
		char	   *equals = strchr(*more, '=');

		if (equals == NULL)
			die(*more, "not NAME=VALUE");
		*equals = '\0';
		set_property(conf, *more, equals + 1);
	}
	consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof(error));
	if (consumer == NULL)
		die("cannot make a consumer", error);
	rd_kafka_poll_set_consumer(consumer);
	return consumer;
}

/* Starts at the beginning of every partition; returns how many messages there are. */
static int64_t
assign_all(rd_kafka_t *consumer, const char *topic)
{
	const struct rd_kafka_metadata *metadata;
	rd_kafka_topic_t *handle = rd_kafka_topic_new(consumer, topic, NULL);
	rd_kafka_topic_partition_list_t *partitions;
	rd_kafka_resp_err_t code;
	int64_t		total = 0;
	int			n;

	code = rd_kafka_metadata(consumer, 0, handle, &metadata, BROKER_TIMEOUT_MS);
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR || metadata->topic_cnt != 1)
		die(topic, rd_kafka_err2str(code));
	n = metadata->topics[0].partition_cnt;
	if (n == 0)
		die(topic, "no such topic");
	partitions = rd_kafka_topic_partition_list_new(n);
	for (int partition = 0; partition < n; partition++)
	{
		int64_t		low;
		int64_t		high;

		code = rd_kafka_query_watermark_offsets(consumer, topic, partition, &low, &high, BROKER_TIMEOUT_MS);
		if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
			die(topic, rd_kafka_err2str(code));
		rd_kafka_topic_partition_list_add(partitions, topic, partition)->offset = low;
		total += high - low;
	}
	code = rd_kafka_assign(consumer, partitions);
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
		die(topic, rd_kafka_err2str(code));
	rd_kafka_topic_partition_list_destroy(partitions);
	rd_kafka_metadata_destroy(metadata);
	rd_kafka_topic_destroy(handle);
	return total;
}

static void
take(Floor *floor, const rd_kafka_message_t *message, bool is_json)
{
	FloorBid	bid = {0};

	if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		die("cannot consume", rd_kafka_err2str(message->err));
	floor->messages++;
	floor->bytes += (int64_t) message->len;
	if (!is_json)
		return;
	if (floor_json_parse(message->payload, message->len, &bid) != 0)
		floor->malformed++;
	floor->checksum += bid.auction + bid.price + (int64_t) bid.time_length;
}

static void
consume(rd_kafka_t *consumer, Floor *floor, bool is_json)
{
	static rd_kafka_message_t *batch[BATCH_MESSAGES];
	rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer);

	floor->started = wall_seconds();
	floor->cpu_started = cpu_seconds();
	while (floor->messages < floor->expected)
	{
		ssize_t		n = rd_kafka_consume_batch_queue(queue, FETCH_TIMEOUT_MS, batch, BATCH_MESSAGES);

		for (ssize_t i = 0; i < n; i++)
		{
			take(floor, batch[i], is_json);
			rd_kafka_message_destroy(batch[i]);
		}
	}
	floor->seconds = wall_seconds() - floor->started;
	floor->cpu_seconds = cpu_seconds() - floor->cpu_started;
	rd_kafka_queue_destroy(queue);
}

/* ---- latency ---- */

static volatile sig_atomic_t is_over = 0;

static void
on_signal(int number)
{
	(void) number;
	is_over = 1;
}

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The latency that this share of the messages did not exceed. */
static int64_t
percentile(const int64_t *histogram, int64_t total, double share)
{
	int64_t		seen = 0;

	for (int64_t ms = 0; ms < LONGEST_MS; ms++)
	{
		seen += histogram[ms];
		if (seen > 0 && seen >= share * total)
			return ms;
	}
	return LONGEST_MS;
}

static void
follow(rd_kafka_t *consumer)
{
	static int64_t histogram[LONGEST_MS + 1];
	rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer);
	int64_t		first = 0;
	int64_t		total = 0;

	signal(SIGTERM, on_signal);
	while (!is_over)
	{
		/* One by one: a batch is waited for until it is full. */
		rd_kafka_message_t *message = rd_kafka_consume_queue(queue, FOLLOW_TIMEOUT_MS);
		rd_kafka_timestamp_type_t kind;
		int64_t		stamp;
		int64_t		latency;

		if (message == NULL)
			continue;
		stamp = rd_kafka_message_timestamp(message, &kind);
		latency = now_ms() - stamp;
		if (first == 0)
			first = stamp;
		if (stamp >= first + WARM_UP_MS)
		{
			histogram[latency < 0 ? 0 : latency > LONGEST_MS ? LONGEST_MS : latency]++;
			total++;
		}
		rd_kafka_message_destroy(message);
	}
	rd_kafka_queue_destroy(queue);
	printf("{\"messages\": %lld, \"p50_ms\": %lld, \"p99_ms\": %lld, \"max_ms\": %lld}\n", (long long) total,
		   (long long) percentile(histogram, total, 0.5), (long long) percentile(histogram, total, 0.99),
		   (long long) percentile(histogram, total, 1));
}

static void
count(rd_kafka_t *consumer, int64_t expected, bool is_json)
{
	Floor		floor = {.expected = expected};

	consume(consumer, &floor, is_json);
	printf("{\"messages\": %lld, \"bytes\": %lld, \"seconds\": %.3f, \"cpu_seconds\": %.3f, \"malformed\": %lld, \"checksum\": %lld}\n",
		   (long long) floor.messages, (long long) floor.bytes, floor.seconds, floor.cpu_seconds,
		   (long long) floor.malformed, (long long) floor.checksum);
	if (floor.malformed > 0)
		die("malformed", "messages are not bids");
}

int
main(int argc, char **argv)
{
	const char *mode = argc > 1 && argv[1][0] == '-' ? argv[1] : "";
	char	  **names = argv + 1 + (*mode != '\0');
	rd_kafka_t *consumer;
	int64_t		expected;

	if (names - argv + 2 > argc)
	{
		fputs("floor [-j|-l] HOST:PORT TOPIC [PROPERTY=VALUE…]\n", stderr);
		return 2;
	}
	consumer = open_consumer(names[0], names + 2);
	expected = assign_all(consumer, names[1]);
	if (strcmp(mode, "-l") == 0)
		follow(consumer);
	else
		count(consumer, expected, strcmp(mode, "-j") == 0);
	rd_kafka_consumer_close(consumer);
	rd_kafka_destroy(consumer);
	return 0;
}
