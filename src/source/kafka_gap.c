/*
 * kafka_gap.c
 *		A partition whose position is not there, or that is not there itself: what has become of it.
 *
 *		the position is before the beginning     retention overtook: go on at the beginning
 *		beyond the end, and all that is there    the topic was made anew: go on at the beginning
 *		is younger than what was read last
 *		beyond the end, and something that is    the log lost its end (a broker came back without
 *		it):
 *		there is as old as what was read         go on at the new end, for the rest was read
 *		beyond the end, and it cannot be told    the same, but only once somebody has said so
 *		the topic has fewer partitions           it was made anew: the others are read on
 *		a batch of messages cannot be read       go on behind it, once somebody or on_gap has said
 *		so
 *
 * Nothing is ever read a second time without a word. librdkafka tells neither topics' ids nor
 * leaders' epochs (in 2.0), so a topic is known by the times of its messages. A topic that has
 * grown beyond the position before anybody looked is not noticed at all.
 */
#include "postgres.h"

#include "source/kafka_consumer.h"
#include "utils/timestamp.h"

/* How long to ask about a partition, and when to ask again where no answer came. */
#define ASK_MS 1000
#define RETRY_US (5 * USECS_PER_SEC)

/*
 * A partition is missing once so many looks, so far apart, say so: one broker may not have heard of
 * it yet.
 */
#define LOOKS 3
#define LOOK_US USECS_PER_SEC

/* ---- positions that are not there ---- */

/*
 * Is all that the partition holds younger than what was read last? False where nobody knows.
 */
static bool
find_age(CqKafkaConsumer *consumer, const CqKafkaPartition *partition, int64 begin,
		 bool *is_younger)
{
	int64_t		first;

	if (partition->last_timestamp == 0 || TIMESTAMP_NOT_FINITE(partition->last_timestamp))
		return false;
	if (!cq_kafka_extent_ask(consumer->client->rk, partition->topic, partition->partition,
							 cq_kafka_time_to_ms(partition->last_timestamp) + 1, ASK_MS, &first))
		return false;
	*is_younger = first == begin;
	return true;
}

static char *
describe(const CqKafkaPartition *partition, int64 begin, int64 end, const char *what)
{
	if (partition->next < begin)
		return psprintf("offset %lld is no longer there; the oldest is %lld",
						(long long) partition->next, (long long) begin);
	if (end < partition->next)
		return psprintf("offset %lld is past the end, %lld: %s",
						(long long) partition->next, (long long) end, what);
	return psprintf("offset %lld was past the end, which is %lld by now: %s",
					(long long) partition->next, (long long) end, what);
}

/* What becomes of a partition that ends, or ended a moment ago, before its position. */
static void
judge_backward(CqKafkaConsumer *consumer, const CqKafkaPartition *partition, int64 begin, int64 end,
			   CqSourceEvent *event)
{
	bool		is_younger;
	bool		is_known = find_age(consumer, partition, begin, &is_younger);

	event->to = Min(end, partition->next);
	if (begin == 0 && (end == 0 || (is_known && is_younger)))
	{
		event->to = begin;
		event->text = describe(partition, begin, end, "the topic seems to have been made anew");
	}
	else if (is_known && !is_younger)
		event->text = describe(partition, begin, end, "the log has lost its end");
	else
	{
		event->is_doubtful = true;
		event->text = describe(partition, begin, end,
							   "the log has lost its end, or the topic was made anew, "
							   "which cannot be told");
	}
}

/*
 * Asks what there is of a partition whose position is not. Where no answer comes it is asked again
 * later. Waits for a few seconds at most.
 */
static void
settle_position(CqKafkaConsumer *consumer, CqKafkaPartition *partition)
{
	rd_kafka_t *rk = consumer->client->rk;
	CqSourceEvent found = {.kind = CQ_SOURCE_GAP, .from = partition->next};
	int64_t		begin;
	int64_t		end;
	CqSourceEvent *event;

	if (!cq_kafka_extent_ask(rk, partition->topic, partition->partition, RD_KAFKA_OFFSET_BEGINNING,
							 ASK_MS, &begin) ||
		!cq_kafka_extent_ask(rk, partition->topic, partition->partition, RD_KAFKA_OFFSET_END,
							 ASK_MS, &end))
		return;
	partition->has_gap = false;
	found.to = begin;
	if (partition->next < begin)
		found.text = describe(partition, begin, end, "");
	else
		judge_backward(consumer, partition, begin, end, &found);
	event = cq_kafka_event_add(consumer, found.kind, partition, found.text);
	event->from = found.from;
	event->to = found.to;
	event->end = end;
	event->is_doubtful = found.is_doubtful;
}

/* ---- batches that cannot be read ---- */

static void
settle_unreadable(CqKafkaConsumer *consumer, CqKafkaPartition *partition)
{
	int64_t		end;
	int64		next;
	CqSourceEvent *event;

	if (!cq_kafka_extent_ask(consumer->client->rk, partition->topic, partition->partition,
							 RD_KAFKA_OFFSET_END, ASK_MS, &end))
	{
		partition->asked = GetCurrentTimestamp();
		return;
	}
	next = cq_kafka_probe_step(consumer, partition, partition->bad, end);
	if (next < 0)
		return;
	event = cq_kafka_event_add(consumer, CQ_SOURCE_GAP, partition,
							   psprintf("offset %lld cannot be read, the next that can is %lld: %s",
										(long long) partition->bad, (long long) next,
										partition->unreadable));
	event->from = partition->next;
	event->to = next;
	event->end = end;
	partition->unreadable = NULL;
}

/* ---- partitions that are not there ---- */

/* -1 where no answer comes, 0 where there is no such topic. */
static int
count_partitions(CqKafkaConsumer *consumer, const char *name)
{
	const struct rd_kafka_metadata *metadata;
	int			n = -1;

	for (int i = 0; i < consumer->ntopics; i++)
	{
		if (strcmp(consumer->topics[i].name, name) != 0 ||
			rd_kafka_metadata(consumer->client->rk, 0, consumer->topics[i].handle, &metadata,
							  ASK_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
			continue;
		if (metadata->topic_cnt == 1 && metadata->topics[0].err == RD_KAFKA_RESP_ERR_NO_ERROR)
			n = metadata->topics[0].partition_cnt;
		else if (metadata->topic_cnt == 1 &&
				 metadata->topics[0].err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
			n = 0;
		rd_kafka_metadata_destroy(metadata);
	}
	return n;
}

/* Has it gone, or has only a broker not heard of it? */
static void
settle_missing(CqKafkaConsumer *consumer, CqKafkaPartition *partition)
{
	int			n = count_partitions(consumer, partition->topic);
	CqSourceEvent *event;

	if (n < 0)
		return;
	if (n > partition->partition)
	{
		/* It is there after all; librdkafka fetches it. */
		partition->is_missing = false;
		partition->nlooks = 0;
		return;
	}
	if (n == 0)
	{
		partition->is_missing = false;
		cq_kafka_event_add(consumer, CQ_SOURCE_FAILED, partition, "the topic does not exist");
		return;
	}
	if (++partition->nlooks < LOOKS)
		return;
	partition->is_missing = false;
	partition->is_stopped = true;
	event = cq_kafka_event_add(consumer, CQ_SOURCE_MISSING, partition,
							   psprintf("there is no such partition any more, but %d: "
										"the topic seems to have been made anew", n));
	event->from = partition->next;
}

/*
 * Looks into what is known to be wrong with partitions: one at a time, since each may have to wait.
 */
void
cq_kafka_gap_settle(CqKafkaConsumer *consumer)
{
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < consumer->npartitions; i++)
	{
		CqKafkaPartition *partition = &consumer->partitions[i];

		if (partition->unreadable != NULL && now - partition->asked >= RETRY_US)
			settle_unreadable(consumer, partition);
		if ((!partition->has_gap && !partition->is_missing) ||
			now - partition->asked < (partition->is_missing ? LOOK_US : RETRY_US))
			continue;
		partition->asked = now;
		if (partition->has_gap)
			settle_position(consumer, partition);
		else
			settle_missing(consumer, partition);
		if (consumer->events != NIL)
			break;
	}
}
