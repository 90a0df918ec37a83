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
 *
 * Brokers are asked by threads, about one partition of a reader at a time, so that one that does
 * not answer holds up nobody else.
 */
#include "postgres.h"

#include "common/clock.h"
#include "source/kafka_consumer.h"
#include "source/kafka_question.h"
#include "utils/timestamp.h"

/* How long to ask about a partition, and when to ask again where no answer came. */
#define ASK_MS 5000
#define RETRY_US (5 * USECS_PER_SEC)

/*
 * A partition is missing once so many looks, so far apart, say so: one broker may not have heard of
 * it yet.
 */
#define LOOKS 3
#define LOOK_US USECS_PER_SEC

/* ---- positions that are not there ---- */

/* The answer to ask_position. */
enum
{
	BEGINNING, END, YOUNGER		/* the first that is younger than what was read last */
};

static bool
knows_age(const CqKafkaPartition *partition)
{
	return partition->last_timestamp != 0 && !TIMESTAMP_NOT_FINITE(partition->last_timestamp);
}

static bool
ask_position(CqKafkaConsumer *consumer, CqKafkaPartition *partition)
{
	CqKafkaQuestion *question = cq_kafka_question_make(consumer->client->rk, 0, ASK_MS);

	if (question == NULL)
		return false;
	rd_kafka_topic_partition_list_add(question->list, partition->topic, partition->partition);
	question->whats[BEGINNING] = RD_KAFKA_OFFSET_BEGINNING;
	question->whats[END] = RD_KAFKA_OFFSET_END;
	if (knows_age(partition))
		question->whats[YOUNGER] = cq_kafka_time_to_ms(partition->last_timestamp) + 1;
	question->nwhats = knows_age(partition) ? YOUNGER + 1 : YOUNGER;
	consumer->question = question;
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
judge_backward(const CqKafkaPartition *partition, const CqKafkaQuestion *answer,
			   CqSourceEvent *event)
{
	int64		begin = answer->offsets[BEGINNING][0];
	int64		end = answer->offsets[END][0];
	bool		is_known = answer->nwhats > YOUNGER;
	bool		is_younger = is_known && answer->offsets[YOUNGER][0] == begin;

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

static void
settle_position(CqKafkaConsumer *consumer, CqKafkaPartition *partition,
				const CqKafkaQuestion *answer)
{
	CqSourceEvent found = {.kind = CQ_SOURCE_GAP, .from = partition->next};
	int64		begin;
	CqSourceEvent *event;

	if (answer->error != RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	partition->has_gap = false;
	begin = found.to = answer->offsets[BEGINNING][0];
	if (partition->next < begin)
		found.text = describe(partition, begin, answer->offsets[END][0], "");
	else
		judge_backward(partition, answer, &found);
	event = cq_kafka_event_add(consumer, found.kind, partition, found.text);
	event->from = found.from;
	event->to = found.to;
	event->end = answer->offsets[END][0];
	event->is_doubtful = found.is_doubtful;
}

/* ---- batches that cannot be read ---- */

/* False where the probe is still looking. */
static bool
settle_unreadable(CqKafkaConsumer *consumer, CqKafkaPartition *partition)
{
	int64		next;
	int64		end;
	CqSourceEvent *event;

	switch (cq_kafka_probe_hear(partition, &next, &end))
	{
		case CQ_KAFKA_PROBE_LOOKS:
			return false;
		case CQ_KAFKA_PROBE_KNOWS:
			break;
		case CQ_KAFKA_PROBE_LEARNT:
			partition->asked = 0;	/* at once */
			return true;
		case CQ_KAFKA_PROBE_FAILED:
			return true;
	}
	event = cq_kafka_event_add(consumer, CQ_SOURCE_GAP, partition,
							   psprintf("offset %lld cannot be read, the next that can is %lld: %s",
										(long long) partition->bad, (long long) next,
										partition->unreadable));
	event->from = partition->next;
	event->to = next;
	event->end = end;
	partition->unreadable = NULL;
	return true;
}

/* ---- partitions that are not there ---- */

static bool
ask_partitions(CqKafkaConsumer *consumer, const CqKafkaPartition *partition)
{
	CqKafkaQuestion *question = cq_kafka_question_make(consumer->client->rk, 1, ASK_MS);

	if (question == NULL)
		return false;
	consumer->question = question;
	return cq_kafka_question_add_topic(question, partition->topic);
}

/* -1 where no answer came, 0 where there is no such topic. */
static int
count_partitions(const CqKafkaQuestion *answer)
{
	if (answer->error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
		return 0;
	return answer->error == RD_KAFKA_RESP_ERR_NO_ERROR ? answer->list->cnt : -1;
}

/* Has it gone, or has only a broker not heard of it? */
static void
settle_missing(CqKafkaConsumer *consumer, CqKafkaPartition *partition,
			   const CqKafkaQuestion *answer)
{
	int			n = count_partitions(answer);
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

/* ---- one after another ---- */

static bool
is_due(const CqKafkaPartition *partition, TimestampTz now)
{
	if (partition->has_gap || partition->unreadable != NULL)
		return now - partition->asked >= RETRY_US;
	return partition->is_missing && now - partition->asked >= LOOK_US;
}

/* A thread begins to ask about the partition. */
static void
ask(CqKafkaConsumer *consumer, CqKafkaPartition *partition)
{
	bool		is_asked;

	if (partition->unreadable != NULL)
	{
		if (cq_kafka_probe_start(consumer, partition))
			consumer->asked_about = partition;
		return;
	}
	is_asked = partition->has_gap ? ask_position(consumer, partition) :
		ask_partitions(consumer, partition);
	if (is_asked && cq_kafka_thread_start(&consumer->question->job))
		consumer->asked_about = partition;
	else if (consumer->question != NULL)
	{
		consumer->question->job.discard(&consumer->question->job);
		consumer->question = NULL;
	}
}

/* False where there is no answer yet. */
static bool
hear(CqKafkaConsumer *consumer)
{
	CqKafkaPartition *partition = consumer->asked_about;
	CqKafkaQuestion *question = consumer->question;

	if (question == NULL)
	{
		if (!settle_unreadable(consumer, partition))
			return false;
	}
	else if (!cq_kafka_thread_is_done(&question->job))
		return false;
	else
	{
		if (partition->has_gap)
			settle_position(consumer, partition, question);
		else if (partition->is_missing)
			settle_missing(consumer, partition, question);
		cq_kafka_thread_forget(&question->job);
		consumer->question = NULL;
	}
	consumer->asked_about = NULL;
	return true;
}

/* Looks into what is known to be wrong with partitions, in turn. */
void
cq_kafka_gap_settle(CqKafkaConsumer *consumer)
{
	TimestampTz now;

	if (consumer->asked_about != NULL && !hear(consumer))
		return;
	now = cq_clock_real_monotonic();
	for (int i = 0; i < consumer->npartitions; i++)
	{
		CqKafkaPartition *partition;

		consumer->next_look = (consumer->next_look + 1) % consumer->npartitions;
		partition = &consumer->partitions[consumer->next_look];
		if (!is_due(partition, now))
			continue;
		partition->asked = now;
		ask(consumer, partition);
		return;
	}
}

/* The consumer is being closed: nobody waits for answers. */
void
cq_kafka_gap_forget(CqKafkaConsumer *consumer)
{
	if (consumer->question != NULL)
		cq_kafka_thread_forget(&consumer->question->job);
	else if (consumer->asked_about != NULL)
		cq_kafka_probe_forget(consumer->asked_about);
	consumer->question = NULL;
	consumer->asked_about = NULL;
}
