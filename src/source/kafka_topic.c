/*
 * kafka_topic.c
 *		Makes a topic.
 *
 * librdkafka's threads ask, and its queue is looked into without waiting long: so a statement can
 * be cancelled.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "source/kafka.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define LOOK_MS 50

/* All that must be given back. */
typedef struct Making
{
	CqKafkaClient *client;
	rd_kafka_queue_t *queue;
	rd_kafka_NewTopic_t *topic;
	rd_kafka_AdminOptions_t *options;
	rd_kafka_event_t *event;	/* the answer */
} Making;

/* Before the client, which is of the same context, goes. */
static void
give_back(void *arg)
{
	Making	   *making = arg;

	if (making->event != NULL)
		rd_kafka_event_destroy(making->event);
	if (making->options != NULL)
		rd_kafka_AdminOptions_destroy(making->options);
	if (making->topic != NULL)
		rd_kafka_NewTopic_destroy(making->topic);
	if (making->queue != NULL)
		rd_kafka_queue_destroy(making->queue);
}

static Making *
open_making(const CqSourceConfig *config, MemoryContext context)
{
	Making	   *making = MemoryContextAllocZero(context, sizeof(Making));
	MemoryContextCallback *callback = MemoryContextAlloc(context, sizeof(MemoryContextCallback));

	making->client = cq_kafka_client_open(config, CQ_KAFKA_INQUIRER, context,
										  cq_kafka_conf_build(config, CQ_KAFKA_INQUIRER, 0));
	callback->func = give_back;
	callback->arg = making;
	MemoryContextRegisterResetCallback(context, callback);
	making->queue = rd_kafka_queue_new(making->client->rk);
	return making;
}

static void
describe_topic(Making *making, const CqNewTopic *plan)
{
	char		reason[256];

	making->topic = rd_kafka_NewTopic_new(plan->name, plan->npartitions, plan->nreplicas, reason,
										  sizeof(reason));
	if (making->topic == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Kafka topic \"%s\" cannot be created: %s", plan->name, reason)));
	for (int i = 0; i < plan->nsettings; i++)
	{
		if (rd_kafka_NewTopic_set_config(making->topic, plan->names[i], plan->values[i]) !=
			RD_KAFKA_RESP_ERR_NO_ERROR)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid setting \"%s\" of Kafka topic \"%s\"", plan->names[i],
							plan->name)));
	}
}

static void
ask(Making *making, int timeout_ms)
{
	char		reason[256];

	making->options = rd_kafka_AdminOptions_new(making->client->rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
	if (rd_kafka_AdminOptions_set_request_timeout(making->options, timeout_ms, reason,
												  sizeof(reason)) != RD_KAFKA_RESP_ERR_NO_ERROR)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid timeout: %s", reason)));
	rd_kafka_CreateTopics(making->client->rk, &making->topic, 1, making->options, making->queue);
}

/* Until there is an answer, or no broker can be reached. */
static void
await_answer(Making *making)
{
	const CqKafkaNotes *notes = &making->client->notes;

	while (making->event == NULL)
	{
		CHECK_FOR_INTERRUPTS();
		making->event = rd_kafka_queue_poll(making->queue, LOOK_MS);
		cq_kafka_client_poll(making->client);
		if (making->event == NULL && (notes->is_down || notes->has_failed))
			cq_kafka_client_raise_down(making->client);
	}
}

/* What has gone wrong, or NULL. */
static const char *
error_of(const Making *making, rd_kafka_resp_err_t *error)
{
	const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(making->event);
	const rd_kafka_topic_result_t **topics;
	const char *text;
	size_t		ntopics;

	*error = rd_kafka_event_error(making->event);
	if (*error != RD_KAFKA_RESP_ERR_NO_ERROR || result == NULL)
		return rd_kafka_event_error_string(making->event);
	topics = rd_kafka_CreateTopics_result_topics(result, &ntopics);
	if (ntopics == 0)
		return NULL;
	*error = rd_kafka_topic_result_error(topics[0]);
	if (*error == RD_KAFKA_RESP_ERR_NO_ERROR)
		return NULL;
	text = rd_kafka_topic_result_error_string(topics[0]);
	return text != NULL ? text : rd_kafka_err2str(*error);
}

static int
sqlstate_of(rd_kafka_resp_err_t error)
{
	switch (error)
	{
		case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
			return ERRCODE_DUPLICATE_OBJECT;
		case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
		case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
		case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
		case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
			return ERRCODE_INVALID_PARAMETER_VALUE;
		default:
			return cq_kafka_client_sqlstate(error);
	}
}

/* See CqSourceRoutine.create_topic. */
void
cq_kafka_topic_create(const CqSourceConfig *config, const CqNewTopic *plan, int timeout_ms)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "cq kafka topic",
												  ALLOCSET_SMALL_SIZES);
	Making	   *making = open_making(config, context);
	rd_kafka_resp_err_t error;
	const char *reason;

	describe_topic(making, plan);
	ask(making, timeout_ms);
	await_answer(making);
	reason = error_of(making, &error);
	if (reason != NULL)
		ereport(ERROR,
				(errcode(sqlstate_of(error)),
				 errmsg("Kafka topic \"%s\" was not created: %s", plan->name, reason)));
	MemoryContextDelete(context);
}
