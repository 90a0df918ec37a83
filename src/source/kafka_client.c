/*
 * kafka_client.c
 *		A librdkafka handle: its threads, its log, its errors, and its end.
 *
 * Promises:
 * - librdkafka's threads take no signal: all are blocked while a handle is made, and its threads
 *   inherit that.
 * - Nothing of the server runs on those threads. Logs, errors and statistics come through the
 *   handle's main queue to whoever polls it, and the callbacks only take notes.
 * - A handle does not outlive its memory context, but for the moment, or for ever, that librdkafka
 *   takes to end it: that is done by a thread (kafka_closer.h), for which nobody waits long.
 * - No thread runs when libraries are torn down in exit(): it could crash, and one crashed process
 *   makes the server restart all. Where one does not end, the process leaves by _exit, after all
 *   cleaning up of the server's own.
 * - A broker that is away for long makes few lines in the server's log.
 */
#include "postgres.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <syslog.h>
#include <unistd.h>

#include "common/clock.h"
#include "source/kafka_closer.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* So many lines may come at once, and then one each LOG_REFILL_SECONDS. */
#define LOG_BUDGET 10
#define LOG_REFILL_SECONDS 300

#define SCRAM_RIGHT_SINCE 0x020601ff	/* a version of librdkafka */

/* Closing takes a few milliseconds, or it may take for ever. */
#define CLOSE_PATIENCE_MS 100
#define EXIT_PATIENCE_MS 1000

/* So many descriptors a handle needs: a pipe and a socket for each of a few threads. */
#define DESCRIPTORS 9
#define DESCRIPTORS_LEFT 32		/* beyond those, for the server's own */

/*
 * A handle of which nothing is heard for so long, and for so many of its intervals, is taken to
 * hang.
 */
#define SILENCE_MS 30000
#define SILENCE_INTERVALS 10
#define POLLING_MS 5000			/* while it is polled at least so often */

static dlist_head clients = DLIST_STATIC_INIT(clients);
static bool exit_is_watched = false;
static bool has_lost = false;	/* a handle that cannot even be given back */

static void
note_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	CqKafkaNotes *notes = &((CqKafkaClient *) rd_kafka_opaque(rk))->notes;

	/*
	 * Which properties do not concern this kind of handle is nobody's concern: a stream has one set
	 * for all kinds.
	 */
	if (strcmp(facility, "CONFWARN") == 0)
		return;
	if (notes->nlines == CQ_KAFKA_LOG_LINES)
	{
		notes->nlost++;
		return;
	}
	notes->lines[notes->nlines].level = level;
	snprintf(notes->lines[notes->nlines].text, CQ_KAFKA_TEXT_LENGTH, "%s: %s", facility, text);
	notes->nlines++;
}

/* "(after 3ms in state AUTH_REQ)": what differs each time is no reason of its own. */
static void
cut_duration(char *reason)
{
	char	   *duration = strstr(reason, " (after ");

	if (duration != NULL)
		*duration = '\0';
}

/*
 * Before 2.6.1 librdkafka made a mistake in SCRAM that brokers overlook until Kafka 4: the right
 * password is refused as well.
 */
static void
note_refusal(CqKafkaNotes *notes, const char *reason)
{
	strlcpy(notes->failure, reason, sizeof(notes->failure));
	cut_duration(notes->failure);
	if (strstr(reason, "SCRAM") != NULL && rd_kafka_version() < SCRAM_RIGHT_SINCE)
		strlcat(notes->failure, " (brokers from Kafka 4.0 on refuse SCRAM of librdkafka before "
				"2.6.1, whatever the password)", sizeof(notes->failure));
}

static void
note_error(rd_kafka_t *rk, int error, const char *reason, void *opaque)
{
	CqKafkaClient *client = opaque;
	CqKafkaNotes *notes = &client->notes;

	switch (error)
	{
		case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
			notes->is_down = true;
			break;
		case RD_KAFKA_RESP_ERR__FATAL:
			notes->has_failed = true;
			(void) rd_kafka_fatal_error(rk, notes->failure, sizeof(notes->failure));
			break;
		case RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE:
			notes->has_failed = true;
			snprintf(notes->failure, sizeof(notes->failure),
					 "the system has no more threads or memory: %s", reason);
			break;
		case RD_KAFKA_RESP_ERR__AUTHENTICATION:
		case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
			notes->has_failed = true;
			note_refusal(notes, reason);
			break;
		case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
		case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
		case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
		case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
		case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
			if (notes->ntroubles == CQ_KAFKA_TROUBLES)
				break;			/* nobody reads them */
			notes->troubles[notes->ntroubles].error = error;
			strlcpy(notes->troubles[notes->ntroubles++].text, reason, CQ_KAFKA_TEXT_LENGTH);
			/* The rest waits until these have been taken. */
			if (notes->ntroubles == CQ_KAFKA_TROUBLES && !dlist_is_empty(&client->readers))
				rd_kafka_yield(rk);
			break;
		default:
			strlcpy(notes->last_error, reason, sizeof(notes->last_error));
			cut_duration(notes->last_error);
	}
}

static void
close_from_context(void *client)
{
	cq_kafka_client_close(client);
}

static void
close_at_exit(int code, Datum arg)
{
	while (!dlist_is_empty(&clients))
		cq_kafka_client_close(dlist_head_element(CqKafkaClient, node, &clients));
	if (has_lost || !cq_kafka_thread_end_all(EXIT_PATIENCE_MS))
		_exit(code);
}

static rd_kafka_t *
start_handle(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *reason, size_t size)
{
	sigset_t	all;
	sigset_t	before;
	rd_kafka_t *rk;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rk = rd_kafka_new(type, conf, reason, size);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rk;
}

/*
 * What handles with conf have to say goes to the client's notes: who polls them is who polls the
 * client.
 */
void
cq_kafka_client_set_callbacks(CqKafkaClient *client, rd_kafka_conf_t *conf)
{
	rd_kafka_conf_set_opaque(conf, client);
	rd_kafka_conf_set_log_cb(conf, note_log);
	rd_kafka_conf_set_error_cb(conf, note_error);
	rd_kafka_conf_set_stats_cb(conf, cq_kafka_statistics_note);
}

/* Has the process too few descriptors for another handle? Then reason says so. */
bool
cq_kafka_client_lacks_descriptors(char *reason, size_t size)
{
	struct rlimit limit;
	int			lowest;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return false;
	lowest = dup(STDERR_FILENO);
	if (lowest >= 0)
		close(lowest);
	else if (errno != EMFILE && errno != ENFILE)
		return false;
	if (lowest >= 0 && lowest + DESCRIPTORS + DESCRIPTORS_LEFT <= (int64) limit.rlim_cur)
		return false;
	if (lowest < 0 && errno == ENFILE)
		snprintf(reason, size, "the system has no more file descriptors");
	else
		snprintf(reason, size, "the process has no file descriptors left of its %lld",
				 (long long) limit.rlim_cur);
	return true;
}

pg_noreturn static void raise_not_started(const char *stream_name, const char *reason);

static void
raise_not_started(const char *stream_name, const char *reason)
{
	char		lack[CQ_KAFKA_TEXT_LENGTH];

	if (cq_kafka_client_lacks_descriptors(lack, sizeof(lack)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not start a Kafka client for stream %s: %s", stream_name, lack),
				 errhint("Raise the limit of open files (ulimit -n, or LimitNOFILE).")));
	ereport(ERROR,
			(errcode(strstr(reason, "thread") != NULL ? ERRCODE_INSUFFICIENT_RESOURCES :
					 ERRCODE_FDW_ERROR),
			 errmsg("could not start a Kafka client for stream %s: %s", stream_name, reason)));
}

static int
statistics_interval(const rd_kafka_conf_t *conf)
{
	char		text[32];
	size_t		size = sizeof(text);

	if (rd_kafka_conf_get(conf, "statistics.interval.ms", text, &size) != RD_KAFKA_CONF_OK)
		return 0;
	return atoi(text);
}

/*
 * Starts a handle with conf, which it takes. The client is allocated in context and closed with it
 * at the latest.
 */
CqKafkaClient *
cq_kafka_client_open(const CqSourceConfig *config, CqKafkaRole role, MemoryContext context,
					 rd_kafka_conf_t *conf)
{
	CqKafkaClient *client = MemoryContextAllocZero(context, sizeof(CqKafkaClient));
	MemoryContextCallback *callback = MemoryContextAlloc(context, sizeof(MemoryContextCallback));
	char		reason[CQ_KAFKA_TEXT_LENGTH];
	bool		produces = role == CQ_KAFKA_WRITER || role == CQ_KAFKA_EMITTER;
	bool		lacks_descriptors = cq_kafka_client_lacks_descriptors(reason, sizeof(reason));

	client->context = context;
	client->stream_name = MemoryContextStrdup(context, config->stream_name);
	client->is_lasting = role == CQ_KAFKA_EMITTER || (role == CQ_KAFKA_READER && !config->bounded);
	client->log_budget = LOG_BUDGET;
	client->log_time = client->heard_at = client->polled_at = cq_clock_real_monotonic();
	client->statistics_ms = statistics_interval(conf);
	dlist_init(&client->readers);

	if (!exit_is_watched)
	{
		on_proc_exit(close_at_exit, 0);
		exit_is_watched = true;
	}

	cq_kafka_client_set_callbacks(client, conf);
	if (!lacks_descriptors)
		client->rk = start_handle(produces ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, conf,
								  reason, sizeof(reason));
	if (client->rk == NULL)
	{
		rd_kafka_conf_destroy(conf);
		raise_not_started(config->stream_name, reason);
	}
	client->queue = rd_kafka_queue_get_main(client->rk);
	(void) rd_kafka_set_log_queue(client->rk, NULL);	/* NULL: the main queue */
	for (int i = 0; i < DESCRIPTORS; i++)
		ReserveExternalFD();

	dlist_push_tail(&clients, &client->node);
	callback->func = close_from_context;
	callback->arg = client;
	MemoryContextRegisterResetCallback(context, callback);
	return client;
}

/* What a handle that is being ended has to say, it says to nobody. */
static void
say_nothing(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
}

/* Hands the handle over to be ended, with what else is left of it. */
static void
hand_over(CqKafkaClient *client, CqKafkaRemains *remains)
{
	dlist_delete(&client->node);
	for (int i = 0; i < DESCRIPTORS; i++)
		ReleaseExternalFD();
	/* Deprecated for whoever can say it in the configuration. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	rd_kafka_set_logger(client->rk, say_nothing);
#pragma GCC diagnostic pop
	if (remains == NULL)
		remains = cq_kafka_closer_prepare(client->rk, 0, 0, 0);
	if (remains == NULL)
		has_lost = true;
	else
	{
		remains->is_end = true;
		remains->queues[1] = client->queue;
		(void) cq_kafka_thread_await(cq_kafka_closer_take(remains), CLOSE_PATIENCE_MS);
	}
	client->queue = NULL;
	client->rk = NULL;
}

/* May be called again; the client's memory is its context's. */
void
cq_kafka_client_close(CqKafkaClient *client)
{
	if (client->rk != NULL)
		hand_over(client, client->let_go != NULL ? client->let_go(client->owner) : NULL);
}

/* Takes what librdkafka has to say besides messages: the callbacks run, and the log is written. */
void
cq_kafka_client_poll(CqKafkaClient *client)
{
	TimestampTz now = cq_clock_real_monotonic();

	(void) rd_kafka_poll(client->rk, 0);
	cq_kafka_client_write_log(client);
	/* What could not be heard is no silence. */
	if (TimestampDifferenceExceeds(client->polled_at, now, POLLING_MS))
		client->heard_at = now;
	client->polled_at = now;
}

/*
 * Does the handle hang? Statistics come from librdkafka's main thread, which asks for the locks of
 * all that it describes: they stop where some thread does not give back a lock.
 */
bool
cq_kafka_client_is_silent(const CqKafkaClient *client)
{
	int64		longest = Max(SILENCE_MS, SILENCE_INTERVALS * (int64) client->statistics_ms);

	return client->statistics_ms > 0 && client->polled_at - client->heard_at > longest * 1000;
}

static bool
may_log(CqKafkaClient *client)
{
	TimestampTz now = cq_clock_real_monotonic();

	client->log_budget += (double) (now - client->log_time) / USECS_PER_SEC / LOG_REFILL_SECONDS;
	client->log_budget = Min(client->log_budget, LOG_BUDGET);
	client->log_time = now;
	if (client->log_budget < 1)
		return false;
	client->log_budget -= 1;
	return true;
}

/*
 * Writes what librdkafka had to say to the server's log: a worker's within the budget. Its chatter,
 * and what a statement's error will say anyhow, go by log_min_messages.
 */
void
cq_kafka_client_write_log(CqKafkaClient *client)
{
	CqKafkaNotes *notes = &client->notes;
	const char *others = client->nusers > 1 ? " and others" : "";

	for (int i = 0; i < notes->nlines; i++)
	{
		const char *text = notes->lines[i].text;

		if (!client->is_lasting || notes->lines[i].level > LOG_WARNING)
			ereport(DEBUG1,
					(errmsg_internal("Kafka client of stream %s%s: %s", client->stream_name, others,
									 text)));
		else if (!may_log(client))
			client->nsuppressed++;
		else
		{
			ereport(LOG,
					(errmsg("Kafka client of stream %s%s: %s", client->stream_name, others, text),
					 client->nsuppressed == 0 ? 0 :
					 errdetail("%lld more were left out before this one.",
							   (long long) client->nsuppressed)));
			client->nsuppressed = 0;
		}
	}
	client->nsuppressed += notes->nlost;
	notes->nlost = 0;
	notes->nlines = 0;
}

int
cq_kafka_client_sqlstate(rd_kafka_resp_err_t error)
{
	switch (error)
	{
		case RD_KAFKA_RESP_ERR__TRANSPORT:
		case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
		case RD_KAFKA_RESP_ERR__RESOLVE:
		case RD_KAFKA_RESP_ERR__TIMED_OUT:
		case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
		case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
		case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
		case RD_KAFKA_RESP_ERR__SSL:
			return ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION;
		case RD_KAFKA_RESP_ERR__AUTHENTICATION:
		case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
			return ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION;
		case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
		case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
			return ERRCODE_INSUFFICIENT_PRIVILEGE;
		case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
		case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
		case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
		case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
			return ERRCODE_FDW_TABLE_NOT_FOUND;
		default:
			return ERRCODE_FDW_ERROR;
	}
}

/* Who uses it now, for messages. */
void
cq_kafka_client_rename(CqKafkaClient *client, const char *stream_name)
{
	char	   *before = client->stream_name;

	if (strcmp(before, stream_name) == 0)
		return;
	client->stream_name = MemoryContextStrdup(client->context, stream_name);
	pfree(before);
}

/* For statements: no broker can be reached, or they will not let us in. */
void
cq_kafka_client_raise_down(const CqKafkaClient *client)
{
	const CqKafkaNotes *notes = &client->notes;

	if (notes->has_failed)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				 errmsg("Kafka's brokers refused the client of stream %s: %s",
						client->stream_name, notes->failure)));
	ereport(ERROR,
			(errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
			 errmsg("no Kafka broker of stream %s can be reached%s%s", client->stream_name,
					notes->last_error[0] == '\0' ? "" : ": ", notes->last_error)));
}
