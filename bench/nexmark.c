/*
 * nexmark.c
 *		Produces Nexmark events to the topics PREFIXperson, PREFIXauction and PREFIXbid, or prints them.
 *
 * See usage() for the options. Events go to the partitions of their topic in turn. Ends with a line of JSON, on standard
 * error, that says what was produced and how fast; with a status other than 0 unless the broker took every event.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <librdkafka/rdkafka.h>

#include "nexmark_event.h"

#define ADMIN_TIMEOUT_MS 30000
#define FLUSH_TIMEOUT_MS 60000

typedef struct Options
{
	const char *brokers;
	const char *prefix;
	const char *linger;			/* ms, as librdkafka takes it */
	int64_t		first;
	int64_t		events;
	double		rate;			/* events a second of real time; 0: as fast as it goes */
	int			partitions;
	bool		is_wall_clock;	/* events happen now, not in 2025 */
	bool		to_stdout;
	bool		kinds[NEXMARK_KINDS];
	NexmarkModel model;
} Options;

typedef struct Tally
{
	int64_t		count[NEXMARK_KINDS];
	int64_t		bytes[NEXMARK_KINDS];
} Tally;

static int64_t failed_deliveries = 0;

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "nexmark: %s: %s\n", what, why);
	exit(1);
}

static void
usage(void)
{
	fputs("nexmark [OPTION…]\n"
		  "  -b, --brokers=HOST:PORT   default 127.0.0.1:9092\n"
		  "  -t, --prefix=TEXT         of the topics' names, default nexmark-; they are made where they are not there\n"
		  "  -p, --partitions=N        of each topic, default 2\n"
		  "  -n, --events=N            default 1000000: of fifty, 46 are bids, 3 auctions, 1 is a person\n"
		  "  -f, --first=N             number of the first event, default 0\n"
		  "  -k, --kinds=NAME,…        only these of person, auction and bid\n"
		  "  -K, --keys=N              bids go evenly to N auctions\n"
		  "  -s, --seed=N              default 42\n"
		  "  -e, --event-rate=N        events in a second of event time, default 10000\n"
		  "  -r, --rate=N              events in a second of real time, default as fast as it goes\n"
		  "  -w, --wall-clock          event time is the time of producing\n"
		  "  -l, --linger=MS           of the producer, default 20\n"
		  "  -o, --stdout              print the events instead\n", stderr);
	exit(2);
}

static double
parse_number(const char *text, double least)
{
	char	   *end;
	double		number = strtod(text, &end);

	if (end == text || *end != '\0' || !(number >= least))
		die("not a number that makes sense here", text);
	return number;
}

static void
parse_kinds(Options *options, char *list)
{
	memset(options->kinds, 0, sizeof(options->kinds));
	for (char *name = strtok(list, ","); name != NULL; name = strtok(NULL, ","))
	{
		int			kind = 0;

		while (kind < NEXMARK_KINDS && strcmp(name, nexmark_kind_names[kind]) != 0)
			kind++;
		if (kind == NEXMARK_KINDS)
			die("no such kind", name);
		options->kinds[kind] = true;
	}
}

static Options
parse_options(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"brokers", required_argument, NULL, 'b'},
		{"prefix", required_argument, NULL, 't'},
		{"partitions", required_argument, NULL, 'p'},
		{"events", required_argument, NULL, 'n'},
		{"first", required_argument, NULL, 'f'},
		{"kinds", required_argument, NULL, 'k'},
		{"keys", required_argument, NULL, 'K'},
		{"seed", required_argument, NULL, 's'},
		{"event-rate", required_argument, NULL, 'e'},
		{"rate", required_argument, NULL, 'r'},
		{"wall-clock", no_argument, NULL, 'w'},
		{"linger", required_argument, NULL, 'l'},
		{"stdout", no_argument, NULL, 'o'},
		{NULL, 0, NULL, 0}
	};
	Options		options = {
		.brokers = "127.0.0.1:9092",
		.prefix = "nexmark-",
		.linger = "20",
		.events = 1000000,
		.partitions = 2,
		.kinds = {true, true, true},
		.model = {.seed = 42, .events_per_second = 10000}
	};
	int			letter;

	while ((letter = getopt_long(argc, argv, "b:t:p:n:f:k:K:s:e:r:wl:o", long_options, NULL)) != -1)
	{
		switch (letter)
		{
			case 'b': options.brokers = optarg; break;
			case 't': options.prefix = optarg; break;
			case 'p': options.partitions = (int) parse_number(optarg, 1); break;
			case 'n': options.events = (int64_t) parse_number(optarg, 0); break;
			case 'f': options.first = (int64_t) parse_number(optarg, 0); break;
			case 'k': parse_kinds(&options, optarg); break;
			case 'K': options.model.distinct_auctions = (int64_t) parse_number(optarg, 1); break;
			case 's': options.model.seed = (uint64_t) parse_number(optarg, 0); break;
			case 'e': options.model.events_per_second = parse_number(optarg, 0.001); break;
			case 'r': options.rate = parse_number(optarg, 0.001); break;
			case 'w': options.is_wall_clock = true; break;
			case 'l': options.linger = optarg; break;
			case 'o': options.to_stdout = true; break;
			default: usage();
		}
	}
	if (optind < argc)
		usage();
	return options;
}

static int64_t
clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

/*
 * Waits until `due`, a time of the monotonic clock. Sleeps only where it is worth it, so that a high rate is not cut
 * into sleeps; meanwhile a producer's delivery reports are served.
 */
static void
wait_until(int64_t due, rd_kafka_t *producer)
{
	struct timespec target = {.tv_sec = due / 1000000000, .tv_nsec = due % 1000000000};

	if (due - clock_ns(CLOCK_MONOTONIC) < 50000)
		return;
	if (producer != NULL)
		rd_kafka_poll(producer, 0);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &target, NULL) == EINTR)
		;
}

static void
note_delivery(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque)
{
	(void) producer;
	(void) opaque;
	if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		failed_deliveries++;
}

static rd_kafka_t *
open_producer(const Options *options)
{
	const char *const properties[][2] = {
		{"bootstrap.servers", options->brokers},
		{"linger.ms", options->linger},
		{"acks", "all"},
		{"batch.size", "1000000"},
		{"batch.num.messages", "10000"},
		{"queue.buffering.max.messages", "1000000"},
		{"queue.buffering.max.kbytes", "524288"},
	};
	char		error[512];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_t *producer;

	for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++)
		if (rd_kafka_conf_set(conf, properties[i][0], properties[i][1], error, sizeof(error)) != RD_KAFKA_CONF_OK)
			die(properties[i][0], error);
	rd_kafka_conf_set_dr_msg_cb(conf, note_delivery);
	producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
	if (producer == NULL)
		die("cannot make a producer", error);
	return producer;
}

/* One topic; that it is there already is no error. */
static void
make_topic(rd_kafka_t *producer, const char *name, int partitions)
{
	char		error[512];
	rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, partitions, 1, error, sizeof(error));
	rd_kafka_AdminOptions_t *admin = rd_kafka_AdminOptions_new(producer, RD_KAFKA_ADMIN_OP_CREATETOPICS);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(producer);
	rd_kafka_event_t *event;
	const rd_kafka_topic_result_t **results;
	size_t		n;

	if (topic == NULL)
		die(name, error);
	rd_kafka_AdminOptions_set_operation_timeout(admin, ADMIN_TIMEOUT_MS, error, sizeof(error));
	rd_kafka_CreateTopics(producer, &topic, 1, admin, queue);
	event = rd_kafka_queue_poll(queue, ADMIN_TIMEOUT_MS);
	if (event == NULL)
		die(name, "the broker does not answer");
	if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
		die(name, rd_kafka_event_error_string(event));
	results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n);
	for (size_t i = 0; i < n; i++)
	{
		rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[i]);

		if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
			die(name, rd_kafka_topic_result_error_string(results[i]));
	}
	rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(queue);
	rd_kafka_AdminOptions_destroy(admin);
	rd_kafka_NewTopic_destroy(topic);
}

static void
produce(rd_kafka_t *producer, rd_kafka_topic_t *topic, int partition, char *event, size_t size)
{
	while (rd_kafka_produce(topic, partition, RD_KAFKA_MSG_F_COPY, event, size, NULL, 0, NULL) != 0)
	{
		if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			die("cannot produce", rd_kafka_err2str(rd_kafka_last_error()));
		rd_kafka_poll(producer, 20);
	}
}

/* Hands every event that was asked for to its topic, or prints it. */
static Tally
emit_events(const Options *options, rd_kafka_t *producer, rd_kafka_topic_t **topics)
{
	static char event[NEXMARK_MAX_SIZE + 1];
	Tally		tally = {{0}, {0}};
	int64_t		started = clock_ns(CLOCK_MONOTONIC);
	int64_t		emitted = 0;

	for (int64_t number = options->first; number < options->first + options->events; number++)
	{
		NexmarkKind kind = nexmark_kind(number);
		int64_t		time;
		size_t		size;

		if (!options->kinds[kind])
			continue;
		if (options->rate > 0)
			wait_until(started + (int64_t) (emitted * 1e9 / options->rate), producer);
		time = options->is_wall_clock ? clock_ns(CLOCK_REALTIME) / 1000000 : nexmark_time(&options->model, number);
		size = nexmark_write(&options->model, number, time, event);
		if (producer == NULL)
		{
			event[size] = '\n';
			fwrite(event, 1, size + 1, stdout);
		}
		else
			produce(producer, topics[kind], (int) (tally.count[kind] % options->partitions), event, size);
		if (producer != NULL && (emitted & 255) == 0)
			rd_kafka_poll(producer, 0);
		tally.count[kind]++;
		tally.bytes[kind] += (int64_t) size;
		emitted++;
	}
	return tally;
}

static void
report(const Tally *tally, double seconds)
{
	fprintf(stderr, "{\"seconds\": %.3f, \"cpu_seconds\": %.3f", seconds, (double) clock() / CLOCKS_PER_SEC);
	for (int kind = 0; kind < NEXMARK_KINDS; kind++)
		fprintf(stderr, ", \"%s\": %lld, \"%s_bytes\": %lld", nexmark_kind_names[kind], (long long) tally->count[kind],
				nexmark_kind_names[kind], (long long) tally->bytes[kind]);
	fputs("}\n", stderr);
}

int
main(int argc, char **argv)
{
	Options		options = parse_options(argc, argv);
	rd_kafka_t *producer = NULL;
	rd_kafka_topic_t *topics[NEXMARK_KINDS] = {NULL};
	Tally		tally;
	int64_t		started;

	nexmark_init();
	if (!options.to_stdout)
		producer = open_producer(&options);
	for (int kind = 0; kind < NEXMARK_KINDS && producer != NULL; kind++)
	{
		char		name[256];

		if (!options.kinds[kind])
			continue;
		snprintf(name, sizeof(name), "%s%s", options.prefix, nexmark_kind_names[kind]);
		make_topic(producer, name, options.partitions);
		topics[kind] = rd_kafka_topic_new(producer, name, NULL);
	}

	started = clock_ns(CLOCK_MONOTONIC);
	tally = emit_events(&options, producer, topics);
	if (producer != NULL && rd_kafka_flush(producer, FLUSH_TIMEOUT_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
		die("cannot flush", "the broker did not take all events");
	report(&tally, (clock_ns(CLOCK_MONOTONIC) - started) / 1e9);

	for (int kind = 0; kind < NEXMARK_KINDS; kind++)
		if (topics[kind] != NULL)
			rd_kafka_topic_destroy(topics[kind]);
	if (producer != NULL)
		rd_kafka_destroy(producer);
	return failed_deliveries == 0 ? 0 : 1;
}
