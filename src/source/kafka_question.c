/*
 * kafka_question.c
 *		Asks the brokers, on a thread: see kafka_question.h.
 *
 * A request covers all partitions of a topic or of a broker, so that the time taken does not grow
 * with their number. Ends are those that a reader with the stream's isolation.level gets to: with
 * read_committed the last stable offset.
 */
#include "postgres.h"

#include <time.h>
#include <unistd.h>

#include "source/kafka_question.h"

/* How long librdkafka waits before somebody else may be asked; doubled each time. */
#define FIRST_STEP_MS 250
#define LONGEST_STEP_MS 2000
#define ELECTION_US 10000		/* takes a moment */

/* ---- steps ---- */

typedef struct Asking
{
	CqKafkaQuestion *question;
	int64		deadline;		/* ms of the monotonic clock */
	int			step_ms;
} Asking;

static int64
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int
step_within_deadline(const Asking *asking)
{
	return (int) Max(Min(asking->deadline - now_ms(), asking->step_ms), 1);
}

/* Called after each attempt: true where to try again. */
static bool
try_again(Asking *asking, rd_kafka_resp_err_t error)
{
	switch (error)
	{
		case RD_KAFKA_RESP_ERR__TIMED_OUT:
		case RD_KAFKA_RESP_ERR__TRANSPORT:
		case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
			break;
		case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
		case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
			usleep(ELECTION_US);
			break;
		default:
			return false;
	}
	__atomic_add_fetch(&asking->question->nfailed, 1, __ATOMIC_RELAXED);
	asking->step_ms = Min(asking->step_ms * 2, LONGEST_STEP_MS);
	return now_ms() < asking->deadline &&
		!cq_kafka_thread_is_forgotten(&asking->question->job);
}

/* ---- partitions ---- */

/* topic NULL: of all. */
static rd_kafka_resp_err_t
ask_metadata(Asking *asking, rd_kafka_topic_t *topic, const struct rd_kafka_metadata **metadata)
{
	rd_kafka_resp_err_t error;

	do
	{
		error = rd_kafka_metadata(asking->question->job.rk, topic == NULL, topic, metadata,
								  step_within_deadline(asking));
		if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
			continue;
		if (topic != NULL)
			error = (*metadata)->topics[0].err;
		if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
			return error;
		rd_kafka_metadata_destroy(*metadata);
	} while (try_again(asking, error));
	return error;
}

static void
list_topics(CqKafkaQuestion *question, const struct rd_kafka_metadata *metadata)
{
	for (int i = 0; i < metadata->topic_cnt; i++)
		rd_kafka_topic_partition_list_add(question->list, metadata->topics[i].topic,
										  RD_KAFKA_PARTITION_UA)->offset =
			metadata->topics[i].partition_cnt;
}

static void
list_partitions(CqKafkaQuestion *question, const struct rd_kafka_metadata_topic *topic)
{
	for (int number = 0; number < topic->partition_cnt; number++)
		rd_kafka_topic_partition_list_add(question->list, topic->topic,
										  topic->partitions[number].id);
}

static rd_kafka_resp_err_t
ask_topic(Asking *asking, const char *name)
{
	CqKafkaQuestion *question = asking->question;
	const struct rd_kafka_metadata *metadata;
	rd_kafka_topic_t *topic = rd_kafka_topic_new(question->job.rk, name, NULL);
	rd_kafka_resp_err_t error;

	question->topic = name;
	if (topic == NULL)
		return rd_kafka_last_error();
	error = ask_metadata(asking, topic, &metadata);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
	{
		list_partitions(question, &metadata->topics[0]);
		rd_kafka_metadata_destroy(metadata);
	}
	rd_kafka_topic_destroy(topic);
	return error;
}

static rd_kafka_resp_err_t
ask_partitions(Asking *asking)
{
	CqKafkaQuestion *question = asking->question;
	rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;

	if (question->all_topics)
	{
		const struct rd_kafka_metadata *metadata;

		error = ask_metadata(asking, NULL, &metadata);
		if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
		{
			list_topics(question, metadata);
			rd_kafka_metadata_destroy(metadata);
		}
		return error;
	}
	for (int i = 0; i < question->ntopics && error == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
		error = ask_topic(asking, question->topics[i]);
	if (question->ntopics > 0)	/* else they stay in the order of the positions */
		rd_kafka_topic_partition_list_sort(question->list, NULL, NULL);
	return error;
}

/* ---- offsets ---- */

/* The first error of the list's own. */
static rd_kafka_resp_err_t
error_of_list(const rd_kafka_topic_partition_list_t *list, const char **topic)
{
	for (int i = 0; i < list->cnt; i++)
	{
		*topic = list->elems[i].topic;
		if (list->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR)
			return list->elems[i].err;
	}
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* The protocol gives RD_KAFKA_OFFSET_BEGINNING and _END the same meaning among times. */
static rd_kafka_resp_err_t
ask_offsets(Asking *asking, int64 what, int64 *offsets)
{
	CqKafkaQuestion *question = asking->question;
	rd_kafka_topic_partition_list_t *list = question->list;
	rd_kafka_resp_err_t error;

	if (list->cnt == 0)
		return RD_KAFKA_RESP_ERR_NO_ERROR;
	question->topic = list->elems[0].topic;
	do
	{
		for (int i = 0; i < list->cnt; i++)
		{
			list->elems[i].offset = what;
			list->elems[i].err = RD_KAFKA_RESP_ERR_NO_ERROR;
		}
		error = rd_kafka_offsets_for_times(question->job.rk, list, step_within_deadline(asking));
		if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
			error = error_of_list(list, &question->topic);
	} while (error != RD_KAFKA_RESP_ERR_NO_ERROR && try_again(asking, error));
	for (int i = 0; i < list->cnt; i++)
		offsets[i] = list->elems[i].offset;
	return error;
}

bool
cq_kafka_question_ask_offset(rd_kafka_t *rk, const char *topic, int32 partition, int64 what,
							 int timeout_ms, int64 *answer)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	bool		is_known;

	rd_kafka_topic_partition_list_add(list, topic, partition)->offset = what;
	is_known = rd_kafka_offsets_for_times(rk, list, timeout_ms) == RD_KAFKA_RESP_ERR_NO_ERROR &&
		list->elems[0].err == RD_KAFKA_RESP_ERR_NO_ERROR;
	*answer = list->elems[0].offset;
	rd_kafka_topic_partition_list_destroy(list);
	return is_known;
}

/* ---- the job ---- */

static void
ask(CqKafkaJob *job)
{
	CqKafkaQuestion *question = (CqKafkaQuestion *) job;
	Asking		asking = {question, now_ms() + question->timeout_ms, FIRST_STEP_MS};

	question->error = ask_partitions(&asking);
	for (int i = 0; i < question->nwhats && question->error == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
	{
		question->offsets[i] = calloc(Max(question->list->cnt, 1), sizeof(int64));
		question->error = question->offsets[i] == NULL ? RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE :
			ask_offsets(&asking, question->whats[i], question->offsets[i]);
	}
}

static void
discard(CqKafkaJob *job)
{
	CqKafkaQuestion *question = (CqKafkaQuestion *) job;

	for (int i = 0; i < question->ntopics; i++)
		free(question->topics[i]);
	for (int i = 0; i < CQ_KAFKA_QUESTION_WHATS; i++)
		free(question->offsets[i]);
	rd_kafka_topic_partition_list_destroy(question->list);
	free(question);
}

CqKafkaQuestion *
cq_kafka_question_make(rd_kafka_t *rk, int ntopics, int timeout_ms)
{
	CqKafkaQuestion *question = calloc(1, sizeof(CqKafkaQuestion) + sizeof(char *) * ntopics);

	if (question == NULL)
		return NULL;
	question->job = (CqKafkaJob) {.rk = rk, .run = ask, .discard = discard, .wakes = true};
	question->topics = (char **) (question + 1);
	question->timeout_ms = timeout_ms;
	question->list = rd_kafka_topic_partition_list_new(0);
	return question;
}

bool
cq_kafka_question_add_topic(CqKafkaQuestion *question, const char *topic)
{
	char	   *copy = strdup(topic);

	if (copy != NULL)
		question->topics[question->ntopics++] = copy;
	return copy != NULL;
}

bool
cq_kafka_question_has_failed(const CqKafkaQuestion *question)
{
	return __atomic_load_n(&question->nfailed, __ATOMIC_RELAXED) > 0;
}
