/*
 * kafka_closer.c
 *		What closes: see kafka_closer.h.
 */
#include "postgres.h"

#include "source/kafka_closer.h"

static void close_remains(CqKafkaJob *job);
static void discard(CqKafkaJob *job);

CqKafkaRemains *
cq_kafka_closer_prepare(rd_kafka_t *rk, int nstops, int nmessages, int ntopics)
{
	Size		size = MAXALIGN(sizeof(CqKafkaRemains)) + MAXALIGN(sizeof(CqKafkaStop) * nstops) +
		sizeof(void *) * ((Size) nmessages + ntopics);
	CqKafkaRemains *remains = calloc(1, size);
	char	   *room = (char *) remains;

	if (remains == NULL)
		return NULL;
	remains->job = (CqKafkaJob) {.rk = rk, .run = close_remains, .discard = discard};
	remains->stops = (CqKafkaStop *) (room += MAXALIGN(sizeof(CqKafkaRemains)));
	remains->messages = (rd_kafka_message_t **) (room += MAXALIGN(sizeof(CqKafkaStop) * nstops));
	remains->topics = (rd_kafka_topic_t **) (room + sizeof(void *) * nmessages);
	return remains;
}

static void
give_back(CqKafkaRemains *remains)
{
	for (int i = 0; i < remains->nstops; i++)
		(void) rd_kafka_consume_stop(remains->stops[i].topic, remains->stops[i].partition);
	for (int i = 0; i < remains->nmessages; i++)
		rd_kafka_message_destroy(remains->messages[i]);
	for (int i = 0; i < remains->ntopics; i++)
		rd_kafka_topic_destroy(remains->topics[i]);
	for (int i = 0; i < (int) lengthof(remains->queues); i++)
		if (remains->queues[i] != NULL)
			rd_kafka_queue_destroy(remains->queues[i]);
}

static void
close_remains(CqKafkaJob *job)
{
	CqKafkaRemains *remains = (CqKafkaRemains *) job;

	/* What other threads are asking, or giving back, is of this client. */
	if (remains->is_end)
		cq_kafka_thread_await_others(job);
	give_back(remains);
	if (remains->is_end)
		rd_kafka_destroy_flags(job->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

static void
discard(CqKafkaJob *job)
{
	free(job);
}

uint64
cq_kafka_closer_take(CqKafkaRemains *remains)
{
	return cq_kafka_thread_hand_over(&remains->job);
}
