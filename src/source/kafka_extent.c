/*
 * kafka_extent.c
 *		Asks the brokers which partitions there are, how far they reach, and which offset a time begins at.
 *
 * All of it waits for the network, in steps short enough for a statement to be cancelled. A request covers all
 * partitions of a topic or of a broker, so that the time taken does not grow with their number. Ends are those that a
 * reader with the stream's isolation.level gets to: with read_committed the last stable offset.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "source/kafka_closer.h"
#include "source/kafka_pool.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* How long librdkafka waits before we look whether the statement was cancelled; doubled each time. */
#define FIRST_STEP_MS 250

/* What is asked of the brokers, with all that must be freed. */
typedef struct Inquiry
{
	CqKafkaClient *client;
	MemoryContext context;
	TimestampTz deadline;
	rd_kafka_topic_t *topic;
	const struct rd_kafka_metadata *metadata;
	rd_kafka_topic_partition_list_t *list;
} Inquiry;

static void
drop_answers(Inquiry *inquiry)
{
	if (inquiry->list != NULL)
		rd_kafka_topic_partition_list_destroy(inquiry->list);
	if (inquiry->metadata != NULL)
		rd_kafka_metadata_destroy(inquiry->metadata);
	if (inquiry->topic != NULL)
		rd_kafka_topic_destroy(inquiry->topic);
	inquiry->list = NULL;
	inquiry->metadata = NULL;
	inquiry->topic = NULL;
}

static CqKafkaRemains *
let_go(void *owner)
{
	Inquiry    *inquiry = owner;
	CqKafkaRemains *remains = cq_kafka_closer_prepare(inquiry->client->rk, 0, 0, 1);

	if (remains != NULL && inquiry->topic != NULL)
	{
		remains->topics[remains->ntopics++] = inquiry->topic;
		inquiry->topic = NULL;
	}
	drop_answers(inquiry);
	return remains;
}

/* Gives back a client that others use. */
static void
leave(void *owner)
{
	Inquiry    *inquiry = owner;

	if (inquiry->client->rk != NULL)
		drop_answers(inquiry);
	cq_kafka_pool_leave(inquiry->client, NULL);
}

/* True where this process keeps a client that can ask. */
static bool
borrow_client(Inquiry *inquiry, const CqSourceConfig *config)
{
	MemoryContextCallback *callback = MemoryContextAlloc(inquiry->context,
														 sizeof(MemoryContextCallback));

	inquiry->client = cq_kafka_pool_borrow(config);
	if (inquiry->client == NULL)
		return false;
	callback->func = leave;
	callback->arg = inquiry;
	MemoryContextRegisterResetCallback(inquiry->context, callback);
	return true;
}

static Inquiry *
open_inquiry(const CqSourceConfig *config, int timeout_ms)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "cq kafka inquiry", ALLOCSET_SMALL_SIZES);
	Inquiry    *inquiry = MemoryContextAllocZero(context, sizeof(Inquiry));

	inquiry->context = context;
	inquiry->deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_ms);
	if (borrow_client(inquiry, config))
		return inquiry;
	inquiry->client = cq_kafka_client_open(config, CQ_KAFKA_INQUIRER, context,
										   cq_kafka_conf_build(config, CQ_KAFKA_INQUIRER, 0));
	inquiry->client->owner = inquiry;
	inquiry->client->let_go = let_go;
	return inquiry;
}

static void
close_inquiry(Inquiry *inquiry)
{
	MemoryContextDelete(inquiry->context);
}

/*
 * Called after each attempt: true where to try again, with the next step's length. Serves interrupts; raises ERROR where no
 * broker can be reached.
 */
static bool
try_again(Inquiry *inquiry, rd_kafka_resp_err_t error, int *step_ms)
{
	cq_kafka_client_poll(inquiry->client);
	CHECK_FOR_INTERRUPTS();
	switch (error)
	{
		case RD_KAFKA_RESP_ERR__TIMED_OUT:
		case RD_KAFKA_RESP_ERR__TRANSPORT:
		case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
			break;
		case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
		case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
			pg_usleep(10000L);	/* an election takes a moment */
			break;
		default:
			return false;
	}
	if (inquiry->client->notes.is_down || inquiry->client->notes.has_failed)
	{
		inquiry->client->is_spoiled = true;
		cq_kafka_client_raise_down(inquiry->client);
	}
	*step_ms *= 2;
	/* Whoever asks next had better do it with another one. */
	inquiry->client->is_spoiled = GetCurrentTimestamp() >= inquiry->deadline;
	return !inquiry->client->is_spoiled;
}

static int
step_within_deadline(Inquiry *inquiry, int step_ms)
{
	long		remaining = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), inquiry->deadline);

	return (int) Max(Min(remaining, step_ms), 1);
}

pg_noreturn static void raise_error(rd_kafka_resp_err_t error, const char *topic);

static void
raise_error(rd_kafka_resp_err_t error, const char *topic)
{
	if (error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_TABLE_NOT_FOUND),
				 errmsg("Kafka topic \"%s\" does not exist", topic),
				 errhint("Create it with Kafka's tools, or correct the option topic of the foreign table.")));
	if (topic == NULL)
		ereport(ERROR,
				(errcode(cq_kafka_client_sqlstate(error)),
				 errmsg("could not list the Kafka topics: %s", rd_kafka_err2str(error))));
	ereport(ERROR,
			(errcode(cq_kafka_client_sqlstate(error)),
			 errmsg("could not get the offsets of Kafka topic \"%s\": %s", topic, rd_kafka_err2str(error))));
}

/* Gets the metadata of one topic, or where it is NULL of all. */
static void
ask_metadata(Inquiry *inquiry, const char *topic)
{
	rd_kafka_resp_err_t error;
	int			step_ms = FIRST_STEP_MS;

	do
	{
		error = rd_kafka_metadata(inquiry->client->rk, inquiry->topic == NULL, inquiry->topic, &inquiry->metadata,
								  step_within_deadline(inquiry, step_ms));
		if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
			continue;
		if (inquiry->topic != NULL)
			error = inquiry->metadata->topics[0].err;
		if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
			return;
		rd_kafka_metadata_destroy(inquiry->metadata);
		inquiry->metadata = NULL;
	} while (try_again(inquiry, error, &step_ms));
	raise_error(error, topic);
}

/* Puts all partitions of topic into inquiry->list. */
static void
list_partitions(Inquiry *inquiry, const char *topic)
{
	const struct rd_kafka_metadata_topic *metadata;

	inquiry->topic = rd_kafka_topic_new(inquiry->client->rk, topic, NULL);
	if (inquiry->topic == NULL)
		raise_error(rd_kafka_last_error(), topic);
	ask_metadata(inquiry, topic);
	metadata = &inquiry->metadata->topics[0];
	inquiry->list = rd_kafka_topic_partition_list_new(metadata->partition_cnt);
	for (int i = 0; i < metadata->partition_cnt; i++)
		rd_kafka_topic_partition_list_add(inquiry->list, topic, metadata->partitions[i].id);
	rd_kafka_topic_partition_list_sort(inquiry->list, NULL, NULL);
}

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

/*
 * Sets the list's offsets to the first message at or after what[i] for each of them: milliseconds, or RD_KAFKA_OFFSET_BEGINNING or
 * _END (which the protocol gives the same meaning here).
 */
static void
ask_offsets(Inquiry *inquiry, const int64 *what)
{
	rd_kafka_topic_partition_list_t *list = inquiry->list;
	const char *topic;
	rd_kafka_resp_err_t error;
	int			step_ms = FIRST_STEP_MS;

	if (list->cnt == 0)
		return;
	topic = list->elems[0].topic;
	do
	{
		for (int i = 0; i < list->cnt; i++)
		{
			list->elems[i].offset = what[i];
			list->elems[i].err = RD_KAFKA_RESP_ERR_NO_ERROR;
		}
		error = rd_kafka_offsets_for_times(inquiry->client->rk, list, step_within_deadline(inquiry, step_ms));
		if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
			error = error_of_list(list, &topic);
	} while (error != RD_KAFKA_RESP_ERR_NO_ERROR && try_again(inquiry, error, &step_ms));
	if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
		raise_error(error, topic);
}

static int64 *
all_the_same(Inquiry *inquiry, int64 value)
{
	int64	   *result = MemoryContextAlloc(inquiry->context, sizeof(int64) * Max(inquiry->list->cnt, 1));

	for (int i = 0; i < inquiry->list->cnt; i++)
		result[i] = value;
	return result;
}

static List *
extents_of_topic(Inquiry *inquiry, const char *topic, List *extents)
{
	char	   *name = pstrdup(topic);
	int			first = list_length(extents);

	list_partitions(inquiry, topic);
	ask_offsets(inquiry, all_the_same(inquiry, RD_KAFKA_OFFSET_BEGINNING));
	for (int i = 0; i < inquiry->list->cnt; i++)
	{
		CqExtent   *extent = palloc(sizeof(CqExtent));

		extent->topic = name;
		extent->partition = inquiry->list->elems[i].partition;
		extent->begin = inquiry->list->elems[i].offset;
		extents = lappend(extents, extent);
	}
	ask_offsets(inquiry, all_the_same(inquiry, RD_KAFKA_OFFSET_END));
	for (int i = 0; i < inquiry->list->cnt; i++)
	{
		CqExtent   *extent = list_nth(extents, first + i);

		extent->end = Max(inquiry->list->elems[i].offset, extent->begin);
	}
	drop_answers(inquiry);
	return extents;
}

/* See CqSourceRoutine.extents. */
List *
cq_kafka_extent_list(const CqSourceConfig *config, int timeout_ms)
{
	Inquiry    *inquiry = open_inquiry(config, timeout_ms);
	List	   *extents = NIL;
	ListCell   *cell;

	foreach(cell, config->topics)
		extents = extents_of_topic(inquiry, lfirst(cell), extents);
	close_inquiry(inquiry);
	return extents;
}

/*
 * See CqSourceRoutine.list_topics. Kafka's own begin with two underscores; metadata would tell them by a flag, which librdkafka
 * keeps to itself.
 */
List *
cq_kafka_extent_topics(const CqSourceConfig *config, int timeout_ms)
{
	Inquiry    *inquiry = open_inquiry(config, timeout_ms);
	List	   *topics = NIL;

	ask_metadata(inquiry, NULL);
	for (int i = 0; i < inquiry->metadata->topic_cnt; i++)
		if (strncmp(inquiry->metadata->topics[i].topic, "__", 2) != 0)
			topics = lappend(topics, pstrdup(inquiry->metadata->topics[i].topic));
	close_inquiry(inquiry);
	return topics;
}

/* Where no message is that late, the answer is not an offset, and the position stays. */
static void
take_offsets(Inquiry *inquiry, int64 what, CqPosition *positions)
{
	ask_offsets(inquiry, all_the_same(inquiry, what));
	for (int i = 0; i < inquiry->list->cnt; i++)
		if (inquiry->list->elems[i].offset >= 0)
			positions[i].offset = inquiry->list->elems[i].offset;
}

/* See CqSourceRoutine.seek_time. */
void
cq_kafka_extent_seek_time(const CqSourceConfig *config, TimestampTz time, CqPosition *positions, int npositions,
						  int timeout_ms)
{
	Inquiry    *inquiry = open_inquiry(config, timeout_ms);

	inquiry->list = rd_kafka_topic_partition_list_new(npositions);
	for (int i = 0; i < npositions; i++)
		rd_kafka_topic_partition_list_add(inquiry->list, positions[i].topic, positions[i].partition);
	/* The ends first: what comes while we ask for the time is behind them. */
	if (!TIMESTAMP_IS_NOBEGIN(time))
		take_offsets(inquiry, RD_KAFKA_OFFSET_END, positions);
	if (!TIMESTAMP_IS_NOEND(time))
		take_offsets(inquiry, TIMESTAMP_IS_NOBEGIN(time) ? RD_KAFKA_OFFSET_BEGINNING :
					 cq_kafka_time_to_ms(time), positions);
	close_inquiry(inquiry);
}

/*
 * The first offset of a partition at or after what (milliseconds, or RD_KAFKA_OFFSET_BEGINNING or
 * _END; negative where no message is that late), with a handle that is there. False where no broker
 * answers in time; raises nothing.
 */
bool
cq_kafka_extent_ask(rd_kafka_t *rk, const char *topic, int32 partition, int64 what, int timeout_ms,
					int64_t *answer)
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
