/*
 * kafka_probe.c
 *		Finds where reading can go on behind a batch of messages that librdkafka cannot read.
 *
 * A batch is damaged, is packed in a way that this librdkafka does not know, or would be larger
 * than it may be when it is unpacked. Which offsets it has is not told, only its first one, and
 * whoever begins to read at any other of them gets the same error. So a client of its own begins
 * here and there: a step further, two, four, … until it gets something else, then in between until
 * the first such offset is found. Each look is a thread's, and takes a second or two at most; there
 * are some twice the logarithm of the batch's messages.
 */
#include "postgres.h"

#include "source/kafka_closer.h"
#include "source/kafka_consumer.h"
#include "source/kafka_question.h"
#include "utils/memutils.h"

#define LOOK_MS 1000

/* A look at what there is at an offset. */
typedef struct Look
{
	CqKafkaJob	job;
	rd_kafka_topic_t *topic;	/* the probe's */
	int32		partition;
	int64		first;			/* of the batch */
	int64		bad;			/* as the probe's */
	int64		offset;			/* where to look, if there is so much */

	bool		is_known;		/* something came */
	int64		end;			/* of the partition */
	int64		found;			/* the offset of what is not of the batch, or -1 */
} Look;

struct CqKafkaProbe
{
	CqKafkaClient *client;
	rd_kafka_topic_t *topic;
	int64		first;			/* of the batch */
	int64		bad;			/* the last offset that is known to be in it */
	int64		good;			/* the first that is known not to be; 0 none yet */
	int64		step;
	Look	   *look;			/* that a thread is at, or NULL */
};

static CqKafkaRemains *
let_go(void *owner)
{
	CqKafkaProbe *probe = owner;
	CqKafkaRemains *remains = cq_kafka_closer_prepare(probe->client->rk, 0, 0, 1);

	if (remains != NULL && probe->topic != NULL)
		remains->topics[remains->ntopics++] = probe->topic;
	return remains;
}

/* In the consumer's context, by which it is closed at the latest. */
static CqKafkaProbe *
open_probe(CqKafkaConsumer *consumer, const CqKafkaPartition *partition, int64 first)
{
	CqSourceConfig config = consumer->config;
	CqKafkaProbe *probe = MemoryContextAllocZero(consumer->context, sizeof(CqKafkaProbe));

	config.bounded = true;		/* small queues */
	probe->first = probe->bad = first;
	probe->step = 1;
	probe->client = cq_kafka_client_open(&config, CQ_KAFKA_READER, consumer->context,
										 cq_kafka_conf_build(&config, CQ_KAFKA_READER, 1));
	probe->client->owner = probe;
	probe->client->let_go = let_go;
	probe->topic = rd_kafka_topic_new(probe->client->rk, partition->topic, NULL);
	return probe;
}

/* ---- the thread ---- */

/* What comes first from the offset on? */
static void
look(CqKafkaJob *job)
{
	Look	   *look = (Look *) job;
	rd_kafka_message_t *message;

	look->found = -1;
	if (!cq_kafka_question_ask_offset(job->rk, rd_kafka_topic_name(look->topic), look->partition,
									  RD_KAFKA_OFFSET_END, LOOK_MS, &look->end))
		return;
	look->offset = Min(look->offset, look->end);
	if (look->offset <= look->bad)
	{
		look->is_known = true;	/* the batch is the last one */
		return;
	}
	if (rd_kafka_consume_start(look->topic, look->partition, look->offset) != 0)
		return;
	message = rd_kafka_consume(look->topic, look->partition, LOOK_MS);
	(void) rd_kafka_consume_stop(look->topic, look->partition);
	if (message == NULL)
		return;
	look->is_known = true;
	if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR ||
		message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF ||
		message->offset > look->first)
		look->found = Max(message->offset, look->offset);
	rd_kafka_message_destroy(message);
}

static void
discard(CqKafkaJob *job)
{
	free(job);
}

/* ---- looking ---- */

/* A thread looks where the batch may end. False where that cannot be now. */
bool
cq_kafka_probe_start(CqKafkaConsumer *consumer, CqKafkaPartition *partition)
{
	CqKafkaProbe *probe = partition->probe;
	char		lack[CQ_KAFKA_TEXT_LENGTH];
	Look	   *next;

	if (probe == NULL && cq_kafka_client_lacks_descriptors(lack, sizeof(lack)))
		return false;
	if (probe == NULL)
		probe = partition->probe = open_probe(consumer, partition, partition->bad);
	next = probe->topic == NULL ? NULL : calloc(1, sizeof(Look));
	if (next == NULL)
		return false;
	next->job = (CqKafkaJob)
	{
		.rk = probe->client->rk, .run = look, .discard = discard, .wakes = true
	};
	next->topic = probe->topic;
	next->partition = partition->partition;
	next->first = probe->first;
	next->bad = probe->bad;
	next->offset = probe->good == 0 ? probe->bad + probe->step : (probe->bad + probe->good) / 2;
	if (!cq_kafka_thread_start(&next->job))
	{
		free(next);
		return false;
	}
	probe->look = next;
	return true;
}

/* Takes note of what a look has found. */
static CqKafkaProbeAnswer
learn(CqKafkaProbe *probe, const Look *look)
{
	if (!look->is_known)
		return CQ_KAFKA_PROBE_FAILED;
	if (look->offset <= look->bad || look->found >= 0)
		probe->good = look->offset <= look->bad ? look->end : look->offset;
	else
	{
		probe->bad = look->offset;
		probe->step *= 2;
	}
	return look->offset <= look->bad ||
		(probe->good != 0 && probe->good <= probe->bad + 1) ? CQ_KAFKA_PROBE_KNOWS :
		CQ_KAFKA_PROBE_LEARNT;
}

/*
 * What has come of it. Where it is known: the first offset that can be read behind the batch, and
 * the partition's end; the probe is closed.
 */
CqKafkaProbeAnswer
cq_kafka_probe_hear(CqKafkaPartition *partition, int64 *next, int64 *end)
{
	CqKafkaProbe *probe = partition->probe;
	CqKafkaProbeAnswer answer;

	cq_kafka_client_poll(probe->client);
	if (!cq_kafka_thread_is_done(&probe->look->job))
		return CQ_KAFKA_PROBE_LOOKS;
	answer = learn(probe, probe->look);
	*end = probe->look->end;
	*next = probe->good;
	cq_kafka_probe_forget(partition);
	if (answer == CQ_KAFKA_PROBE_KNOWS)
	{
		cq_kafka_client_close(probe->client);
		partition->probe = NULL;
	}
	return answer;
}

/* Nobody waits for what it finds. */
void
cq_kafka_probe_forget(CqKafkaPartition *partition)
{
	CqKafkaProbe *probe = partition->probe;

	if (probe->look != NULL)
		cq_kafka_thread_forget(&probe->look->job);
	probe->look = NULL;
}
