/*
 * kafka_probe.c
 *		Finds where reading can go on behind a batch of messages that librdkafka cannot read.
 *
 * A batch is damaged, is packed in a way that this librdkafka does not know, or would be larger
 * than it may be when it is unpacked. Which offsets it has is not told, only its first one, and
 * whoever begins to read at any other of them gets the same error. So a client of its own begins
 * here and there: a step further, two, four, … until it gets something else, then in between until
 * the first such offset is found. Each look waits at most a second; there are some twice the
 * logarithm of the batch's messages.
 */
#include "postgres.h"

#include "source/kafka_closer.h"
#include "source/kafka_consumer.h"
#include "utils/memutils.h"

#define LOOK_MS 1000

struct CqKafkaProbe
{
	CqKafkaClient *client;
	rd_kafka_topic_t *topic;
	int64		first;			/* of the batch */
	int64		bad;			/* the last offset that is known to be in it */
	int64		good;			/* the first that is known not to be; 0 none yet */
	int64		step;
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

/*
 * What comes first from an offset on: true, and where it is not of the batch, its own offset in
 * *found; false: no answer.
 */
static bool
look(CqKafkaProbe *probe, int32 partition, int64 offset, int64 *found)
{
	rd_kafka_message_t *message;

	*found = -1;
	if (probe->topic == NULL || rd_kafka_consume_start(probe->topic, partition, offset) != 0)
		return false;
	message = rd_kafka_consume(probe->topic, partition, LOOK_MS);
	(void) rd_kafka_consume_stop(probe->topic, partition);
	cq_kafka_client_poll(probe->client);
	if (message == NULL)
		return false;
	if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR ||
		message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF ||
		message->offset > probe->first)
		*found = Max(message->offset, offset);
	rd_kafka_message_destroy(message);
	return true;
}

/*
 * Looks once. The first offset that can be read behind the batch that begins at first, or -1 where
 * that is not known yet.
 */
int64
cq_kafka_probe_step(CqKafkaConsumer *consumer, CqKafkaPartition *partition, int64 first, int64 end)
{
	CqKafkaProbe *probe = partition->probe;
	int64		offset;
	int64		found;

	if (probe == NULL)
		probe = partition->probe = open_probe(consumer, partition, first);
	offset = probe->good == 0 ? Min(probe->bad + probe->step, end) : (probe->bad + probe->good) / 2;
	if (probe->good == 0 && offset <= probe->bad)
		return end;
	if (!look(probe, partition->partition, offset, &found))
		return -1;
	if (found >= 0)
		probe->good = offset;
	else
	{
		probe->bad = offset;
		probe->step *= 2;
	}
	if (probe->good == 0 || probe->good > probe->bad + 1)
		return -1;
	cq_kafka_client_close(probe->client);
	partition->probe = NULL;
	return probe->good;
}
