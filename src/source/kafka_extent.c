/*
 * kafka_extent.c
 *		Asks the brokers which partitions there are, how far they reach, and which offset a time
 *		begins at.
 *
 * Threads ask (kafka_question.h). A statement waits for the answer, and can be cancelled meanwhile.
 * A worker waits for none: it has an inquiry, which keeps what was asked and what was answered
 * until whoever began it has all that he needs, and comes back to it with the same questions.
 */
#include "postgres.h"

#include "common/topic_pattern.h"
#include "miscadmin.h"
#include "source/kafka_pool.h"
#include "source/kafka_question.h"
#include "source/kafka_wakeup.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* How long to wait before looking whether no broker can be reached. */
#define LOOK_MS 50

/* Of one process, at a time, by inquiries: each has a thread. */
#define QUESTIONS_AT_A_TIME 16

/* A question, with all that must be given back. */
typedef struct Inquiring
{
	MemoryContext context;
	CqKafkaClient *client;
	bool		is_borrowed;
	CqKafkaQuestion *question;
	char	   *key;			/* what is asked, of whom */
	bool		is_counted;		/* among those at a time */
} Inquiring;

struct CqInquiry
{
	MemoryContext context;
	List	   *questions;		/* of Inquiring * */
	bool		was_refused;	/* too many are being asked */
};

static int	nasking = 0;

/* ---- a question ---- */

static void
stop_counting(Inquiring *inquiring)
{
	if (inquiring->is_counted)
		nasking--;
	inquiring->is_counted = false;
}

static void
give_back(void *arg)
{
	Inquiring  *inquiring = arg;

	stop_counting(inquiring);
	if (inquiring->question != NULL)
		cq_kafka_thread_forget(&inquiring->question->job);
	if (inquiring->is_borrowed)
		cq_kafka_pool_leave(inquiring->client, NULL);
}

/* Of a worker's the client is one that is kept for others. */
static Inquiring *
open_question(MemoryContext parent, const CqSourceConfig *config, int ntopics, int timeout_ms)
{
	MemoryContext context = AllocSetContextCreate(parent, "cq kafka question",
												  ALLOCSET_SMALL_SIZES);
	Inquiring  *inquiring = MemoryContextAllocZero(context, sizeof(Inquiring));
	MemoryContextCallback *callback = MemoryContextAlloc(context, sizeof(MemoryContextCallback));

	inquiring->context = context;
	(void) cq_kafka_wakeup_fd();
	inquiring->client = cq_kafka_pool_borrow(config);
	inquiring->is_borrowed = inquiring->client != NULL;
	if (!inquiring->is_borrowed)
		inquiring->client = cq_kafka_client_open(config, CQ_KAFKA_INQUIRER, context,
												 cq_kafka_conf_build(config, CQ_KAFKA_INQUIRER, 0));
	/* Called before the client's own, which is of the same context. */
	callback->func = give_back;
	callback->arg = inquiring;
	MemoryContextRegisterResetCallback(context, callback);
	inquiring->question = cq_kafka_question_make(inquiring->client->rk, ntopics, timeout_ms);
	if (inquiring->question == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	return inquiring;
}

static void
start_question(Inquiring *inquiring)
{
	CqKafkaQuestion *question = inquiring->question;

	if (cq_kafka_thread_start(&question->job))
		return;
	inquiring->question = NULL;
	question->job.discard(&question->job);
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg("could not start a thread: %m")));
}

pg_noreturn static void raise_error(const CqKafkaQuestion *question);

static void
raise_error(const CqKafkaQuestion *question)
{
	rd_kafka_resp_err_t error = question->error;

	if (error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
		error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_TABLE_NOT_FOUND),
				 errmsg("Kafka topic \"%s\" does not exist", question->topic),
				 errhint("Create it with Kafka's tools, or correct the option topic of the foreign "
						 "table.")));
	if (question->topic == NULL)
		ereport(ERROR,
				(errcode(cq_kafka_client_sqlstate(error)),
				 errmsg("could not list the Kafka topics: %s", rd_kafka_err2str(error))));
	ereport(ERROR,
			(errcode(cq_kafka_client_sqlstate(error)),
			 errmsg("could not get the offsets of Kafka topic \"%s\": %s", question->topic,
					rd_kafka_err2str(error))));
}

/* No broker can be reached. */
static bool
is_in_vain(const Inquiring *inquiring)
{
	const CqKafkaNotes *notes = &inquiring->client->notes;

	return cq_kafka_question_has_failed(inquiring->question) &&
		(notes->is_down || notes->has_failed);
}

/* Is the answer there? Raises ERROR where there will be none. */
static bool
is_answered(Inquiring *inquiring, const char *stream_name)
{
	CqKafkaClient *client = inquiring->client;
	CqKafkaQuestion *question = inquiring->question;

	cq_kafka_client_poll(client);
	if (!cq_kafka_thread_is_done(&question->job))
	{
		if (!is_in_vain(inquiring))
			return false;
		client->is_spoiled = true;
		cq_kafka_client_rename(client, stream_name);
		cq_kafka_client_raise_down(client);
	}
	stop_counting(inquiring);
	if (question->error == RD_KAFKA_RESP_ERR_NO_ERROR)
		return true;
	/* Whoever asks next had better do it with another one. */
	client->is_spoiled |=
		cq_kafka_client_sqlstate(question->error) == ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION;
	raise_error(question);
}

static void
close_question(Inquiring *inquiring)
{
	MemoryContextDelete(inquiring->context);
}

/* For statements. */
static void
await_answer(Inquiring *inquiring, const char *stream_name)
{
	start_question(inquiring);
	while (!is_answered(inquiring, stream_name))
	{
		(void) cq_kafka_wakeup_wait(LOOK_MS);
		CHECK_FOR_INTERRUPTS();
	}
}

/* ---- inquiries ---- */

CqInquiry *
cq_kafka_extent_begin(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "cq inquiry", ALLOCSET_SMALL_SIZES);
	CqInquiry  *inquiry = MemoryContextAllocZero(context, sizeof(CqInquiry));

	inquiry->context = context;
	return inquiry;
}

void
cq_kafka_extent_end(CqInquiry *inquiry)
{
	MemoryContextDelete(inquiry->context);
}

bool
cq_kafka_extent_is_open(CqInquiry *inquiry)
{
	ListCell   *cell;

	foreach(cell, inquiry->questions)
	{
		Inquiring  *inquiring = lfirst(cell);

		cq_kafka_client_poll(inquiring->client);
		if (!cq_kafka_thread_is_done(&inquiring->question->job) && !is_in_vain(inquiring))
			return true;
	}
	return inquiry->was_refused && nasking >= QUESTIONS_AT_A_TIME;
}

int
cq_kafka_extent_wakeup_fd(void)
{
	return cq_kafka_wakeup_fd();
}

void
cq_kafka_extent_wakeup_clear(void)
{
	cq_kafka_wakeup_clear();
}

static Inquiring *
find_question(const CqInquiry *inquiry, const char *key)
{
	ListCell   *cell;

	foreach(cell, inquiry->questions)
	{
		Inquiring  *inquiring = lfirst(cell);

		if (strcmp(inquiring->key, key) == 0)
			return inquiring;
	}
	return NULL;
}

static void
keep_question(CqInquiry *inquiry, Inquiring *inquiring, const char *key)
{
	MemoryContext caller = MemoryContextSwitchTo(inquiry->context);

	inquiring->key = MemoryContextStrdup(inquiring->context, key);
	inquiring->is_counted = true;
	nasking++;
	inquiry->questions = lappend(inquiry->questions, inquiring);
	MemoryContextSwitchTo(caller);
}

/* ---- what is asked ---- */

static void
add_topic(CqKafkaQuestion *question, const char *topic)
{
	if (!cq_kafka_question_add_topic(question, topic))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
}

static void
fill_question(CqKafkaQuestion *question, const List *topics, const CqPosition *positions,
			  int npositions, const int64 *whats, int nwhats)
{
	ListCell   *cell;

	foreach(cell, topics)
		add_topic(question, lfirst(cell));
	for (int i = 0; i < npositions; i++)
		rd_kafka_topic_partition_list_add(question->list, positions[i].topic,
										  positions[i].partition);
	for (int i = 0; i < nwhats; i++)
		question->whats[question->nwhats++] = whats[i];
	question->all_topics = topics == NIL && npositions == 0;
}

static char *
describe_question(const CqSourceConfig *config, const List *topics, const CqPosition *positions,
				  int npositions, const int64 *whats, int nwhats)
{
	StringInfoData key;
	ListCell   *cell;

	initStringInfo(&key);
	foreach(cell, topics)
		appendStringInfo(&key, "%s\n", (const char *) lfirst(cell));
	for (int i = 0; i < npositions; i++)
		appendStringInfo(&key, "%s %d\n", positions[i].topic, positions[i].partition);
	for (int i = 0; i < nwhats; i++)
		appendStringInfo(&key, INT64_FORMAT "\n", whats[i]);
	appendStringInfoString(&key, cq_kafka_pool_key(config));
	return key.data;
}

/*
 * The answered question: of topics the partitions, or the positions, and of each of these what is
 * asked of it. NULL: config has an inquiry, and has to come back. Raises ERROR.
 */
static Inquiring *
ask(const CqSourceConfig *config, const List *topics, const CqPosition *positions, int npositions,
	const int64 *whats, int nwhats, int timeout_ms)
{
	CqInquiry  *inquiry = config->inquiry;
	Inquiring  *inquiring = NULL;
	char	   *key = NULL;

	if (inquiry != NULL)
	{
		key = describe_question(config, topics, positions, npositions, whats, nwhats);
		inquiring = find_question(inquiry, key);
		inquiry->was_refused = inquiring == NULL && nasking >= QUESTIONS_AT_A_TIME;
		if (inquiry->was_refused)
			return NULL;
	}
	if (inquiring == NULL)
	{
		inquiring = open_question(inquiry != NULL ? inquiry->context : CurrentMemoryContext,
								  config, list_length(topics), timeout_ms);
		fill_question(inquiring->question, topics, positions, npositions, whats, nwhats);
		if (inquiry == NULL)
		{
			await_answer(inquiring, config->stream_name);
			return inquiring;
		}
		start_question(inquiring);
		keep_question(inquiry, inquiring, key);
	}
	return is_answered(inquiring, config->stream_name) ? inquiring : NULL;
}

/* An inquiry may be asked again. */
static void
end_answer(const CqSourceConfig *config, Inquiring *inquiring)
{
	if (config->inquiry == NULL)
		close_question(inquiring);
}

/*
 * Kafka's own begin with two underscores; metadata would tell them by a flag, which librdkafka
 * keeps to itself.
 */
static List *
topics_of(const Inquiring *inquiring, List **npartitions)
{
	const rd_kafka_topic_partition_list_t *list = inquiring->question->list;
	List	   *topics = NIL;

	*npartitions = NIL;
	for (int i = 0; i < list->cnt; i++)
	{
		if (strncmp(list->elems[i].topic, "__", 2) == 0)
			continue;
		topics = lappend(topics, pstrdup(list->elems[i].topic));
		*npartitions = lappend_int(*npartitions, (int) list->elems[i].offset);
	}
	return topics;
}

/* The stream's topics: those that match now. False: the inquiry has no answer yet. */
static bool
find_topics(const CqSourceConfig *config, int timeout_ms, List **topics)
{
	const char *pattern = config->topics != NIL ? linitial(config->topics) : "";
	List	   *npartitions;
	Inquiring  *inquiring;
	ListCell   *cell;

	*topics = config->topics;
	if (!cq_topic_pattern_is(pattern))
		return true;
	inquiring = ask(config, NIL, NULL, 0, NULL, 0, timeout_ms);
	if (inquiring == NULL)
		return false;
	*topics = topics_of(inquiring, &npartitions);
	end_answer(config, inquiring);
	foreach(cell, *topics)
	{
		if (!cq_topic_pattern_matches(pattern, lfirst(cell)))
			*topics = foreach_delete_current(*topics, cell);
	}
	return true;
}

/* See CqSourceRoutine.extents. */
bool
cq_kafka_extent_list(const CqSourceConfig *config, int timeout_ms, List **extents)
{
	static const int64 whats[] = {RD_KAFKA_OFFSET_BEGINNING, RD_KAFKA_OFFSET_END};
	Inquiring  *inquiring;
	CqKafkaQuestion *question;
	List	   *topics;

	*extents = NIL;
	if (!find_topics(config, timeout_ms, &topics))
		return false;
	if (topics == NIL)
		return true;
	inquiring = ask(config, topics, NULL, 0, whats, lengthof(whats), timeout_ms);
	if (inquiring == NULL)
		return false;
	question = inquiring->question;
	for (int i = 0; i < question->list->cnt; i++)
	{
		CqExtent   *extent = palloc(sizeof(CqExtent));

		extent->topic = pstrdup(question->list->elems[i].topic);
		extent->partition = question->list->elems[i].partition;
		extent->begin = question->offsets[0][i];
		extent->end = Max(question->offsets[1][i], extent->begin);
		*extents = lappend(*extents, extent);
	}
	end_answer(config, inquiring);
	return true;
}

/* See CqSourceRoutine.list_topics. */
List *
cq_kafka_extent_topics(const CqSourceConfig *config, int timeout_ms, List **npartitions)
{
	Inquiring  *inquiring = ask(config, NIL, NULL, 0, NULL, 0, timeout_ms);
	List	   *topics = topics_of(inquiring, npartitions);

	end_answer(config, inquiring);
	return topics;
}

/*
 * See CqSourceRoutine.seek_time. Where no message is that late, the answer is no offset but the
 * end; that is asked first, for what comes in between may be that late.
 */
bool
cq_kafka_extent_seek_time(const CqSourceConfig *config, TimestampTz time, CqPosition *positions,
						  int npositions,
						  int timeout_ms)
{
	int64		whats[] = {RD_KAFKA_OFFSET_END, 0};
	Inquiring  *inquiring;
	CqKafkaQuestion *question;

	if (npositions == 0)
		return true;
	if (TIMESTAMP_IS_NOBEGIN(time))
		whats[1] = RD_KAFKA_OFFSET_BEGINNING;
	else if (TIMESTAMP_IS_NOEND(time))
		whats[1] = RD_KAFKA_OFFSET_END;
	else
		whats[1] = cq_kafka_time_to_ms(time);
	inquiring = ask(config, NIL, positions, npositions, whats, lengthof(whats), timeout_ms);
	if (inquiring == NULL)
		return false;
	question = inquiring->question;
	for (int i = 0; i < npositions; i++)
		positions[i].offset = question->offsets[1][i] >= 0 ? question->offsets[1][i] :
			question->offsets[0][i];
	end_answer(config, inquiring);
	return true;
}
