/*
 * kafka_consumer.c
 *		Reads partitions of Kafka topics from given positions on.
 *
 * What it decides:
 * - No consumer group takes part. Positions are the caller's, so each partition is started at its
 *   own offset (librdkafka's "simple" consumer), and all of them feed one queue. There is no
 *   coordinator to look for, no right on a group to have, no rebalance; nothing is ever committed
 *   to Kafka.
 * - A position moves by messages and by what lies between them. Control records, aborted messages
 *   and compacted ones are never delivered: what librdkafka says it has gone past, and the offset
 *   of its end-of-partition event, carry a position over those at the end.
 * - A partition whose position is no longer there, or that librdkafka could not read, stops until
 *   it is opened again. Nothing is skipped silently.
 * - Waiting is done on the process's latch and a pipe that librdkafka writes to (kafka_wakeup.h),
 *   never inside librdkafka.
 *
 * Messages are borrowed: CqMessage.origin is librdkafka's message, given back by release, or when
 * the reader is closed.
 */
#include "postgres.h"

#include "common/clock.h"
#include "common/topic_pattern.h"
#include "miscadmin.h"
#include "source/kafka_pool.h"
#include "source/kafka_wakeup.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* librdkafka before 2.2 sleeps up to a second once its queue was full: see nudge. */
#define NUDGE_INTERVAL_US 5000
#define NUDGE_INTERVAL_MAX_US 200000
#define BACKOFF_PROPERTY_VERSION 0x02020000

/* ---- opening and closing ---- */

/* When its memory goes, at the latest. */
static void
leave(void *arg)
{
	CqKafkaConsumer *consumer = arg;
	CqKafkaClient *client = consumer->client;

	cq_kafka_gap_forget(consumer);
	consumer->client = NULL;
	if (client != NULL)
		cq_kafka_pool_leave(client, consumer);
}

/* Joins a client, with a queue of its own. */
static void
join(CqKafkaConsumer *consumer, const CqSourceConfig *config, const CqPosition *positions,
	 int npositions)
{
	MemoryContextCallback *callback = palloc(sizeof(MemoryContextCallback));

	(void) cq_kafka_wakeup_fd();	/* raises ERROR where there is none to be had */
	consumer->client = cq_kafka_pool_join(config, consumer, positions, npositions);
	consumer->client->note_topic = cq_kafka_event_note_topic;
	consumer->queue = rd_kafka_queue_new(consumer->client->rk);
	callback->func = leave;
	callback->arg = consumer;
	MemoryContextRegisterResetCallback(consumer->context, callback);
	cq_kafka_wakeup_enable(consumer->queue);
	cq_kafka_wakeup_enable(consumer->client->queue);
}

static CqKafkaTopic *
find_topic(CqKafkaConsumer *consumer, const char *name)
{
	for (int i = 0; i < consumer->ntopics; i++)
		if (strcmp(consumer->topics[i].name, name) == 0)
			return &consumer->topics[i];
	return NULL;
}

static void
open_topic(CqKafkaConsumer *consumer, const char *name)
{
	CqKafkaTopic *topic = &consumer->topics[consumer->ntopics];

	topic->name = pstrdup(name);
	topic->nseen = -1;
	topic->handle = rd_kafka_topic_new(consumer->client->rk, name, NULL);
	if (topic->handle == NULL)
	{
		rd_kafka_resp_err_t error = rd_kafka_last_error();

		ereport(ERROR,
				(errcode(cq_kafka_client_sqlstate(error)),
				 errmsg("could not open topic \"%s\": %s", name, rd_kafka_err2str(error))));
	}
	consumer->ntopics++;
}

/* Topics without a position are opened as well: their partitions may come. */
static void
open_topics(CqKafkaConsumer *consumer, const CqSourceConfig *config, const CqPosition *positions,
			int npositions)
{
	ListCell   *cell;

	consumer->topics = palloc0(sizeof(CqKafkaTopic) * Max(list_length(config->topics) + npositions,
														  1));
	foreach(cell, config->topics)
	{
		if (cq_topic_pattern_is(lfirst(cell)))
			consumer->has_pattern = true;
		else if (find_topic(consumer, lfirst(cell)) == NULL)
			open_topic(consumer, lfirst(cell));
	}
	for (int i = 0; i < npositions; i++)
	{
		CqKafkaTopic *topic = find_topic(consumer, positions[i].topic);

		if (topic == NULL)
		{
			open_topic(consumer, positions[i].topic);
			topic = &consumer->topics[consumer->ntopics - 1];
		}
		topic->npartitions = Max(topic->npartitions, positions[i].partition + 1);
	}
	for (int i = 0; i < consumer->ntopics; i++)
		consumer->topics[i].partitions =
			palloc0(sizeof(CqKafkaPartition *) * Max(consumer->topics[i].npartitions, 1));
}

static void
start_partition(CqKafkaConsumer *consumer, CqKafkaPartition *partition, const CqPosition *position)
{
	CqKafkaTopic *topic = find_topic(consumer, position->topic);

	partition->topic = topic->name;
	partition->partition = position->partition;
	partition->next = position->offset;
	partition->last_timestamp = position->last_timestamp;
	partition->slice = -1;
	topic->partitions[position->partition] = partition;
	if (rd_kafka_consume_start_queue(topic->handle, position->partition, position->offset,
									 consumer->queue) != 0)
	{
		rd_kafka_resp_err_t error = rd_kafka_last_error();

		ereport(ERROR,
				(errcode(cq_kafka_client_sqlstate(error)),
				 errmsg("could not read topic \"%s\" partition %d from offset %lld: %s",
						position->topic,
						position->partition, (long long) position->offset,
						rd_kafka_err2str(error))));
	}
	partition->is_started = true;
}

/* See CqSourceRoutine.open. */
CqSource *
cq_kafka_consumer_open(const CqSourceConfig *config, const CqPosition *positions, int npositions)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "cq kafka consumer",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	CqKafkaConsumer *consumer = palloc0(sizeof(CqKafkaConsumer));

	consumer->source.routine = &cq_kafka_source;
	consumer->context = context;
	consumer->stream = config->stream;
	consumer->config.stream_name = pstrdup(config->stream_name);
	consumer->config.properties = copyObject(config->properties);
	consumer->is_bounded = config->bounded;
	consumer->npartitions_seen = -1;
	consumer->topics_looked_at = cq_clock_real_monotonic();
	consumer->partitions = palloc0(sizeof(CqKafkaPartition) * Max(npositions, 1));
	consumer->slices = palloc(sizeof(CqSlice) * Max(npositions, 1));
	consumer->npartitions = npositions;

	join(consumer, config, positions, npositions);
	open_topics(consumer, config, positions, npositions);
	for (int i = 0; i < npositions; i++)
		start_partition(consumer, &consumer->partitions[i], &positions[i]);

	MemoryContextSwitchTo(old);
	return &consumer->source;
}

void
cq_kafka_consumer_close(CqSource *source)
{
	MemoryContextDelete(((CqKafkaConsumer *) source)->context);
}

/* ---- taking messages ---- */

static CqSlice *
move(CqKafkaConsumer *consumer, CqKafkaPartition *partition, int64 next)
{
	CqSlice    *slice;

	if (partition->slice < 0)
	{
		partition->slice = consumer->nslices++;
		slice = &consumer->slices[partition->slice];
		memset(slice, 0, sizeof(*slice));
		slice->topic = partition->topic;
		slice->partition = partition->partition;
		slice->from = partition->next;
	}
	slice = &consumer->slices[partition->slice];
	slice->next = partition->next = next;
	return slice;
}

/* A "message" that only carries an error or the end of a partition. */
static void
take_error(CqKafkaConsumer *consumer, CqKafkaPartition *partition,
		   const rd_kafka_message_t *message)
{
	if (partition == NULL || partition->is_stopped)
		return;
	if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
	{
		cq_kafka_event_note_error(consumer, partition, message->err, message->offset,
								  rd_kafka_message_errstr(message));
		return;
	}
	partition->is_at_end = true;
	cq_kafka_event_note_progress(consumer, partition);
	if (message->offset > partition->next)
		move(consumer, partition, message->offset);
}

static CqKafkaPartition *
find_partition(CqKafkaConsumer *consumer, const rd_kafka_message_t *message)
{
	CqKafkaTopic *topic = NULL;

	if (message->rkt == NULL)
		return NULL;
	if (consumer->last != NULL && message->rkt == consumer->last_handle &&
		message->partition == consumer->last->partition)
		return consumer->last;
	for (int i = 0; i < consumer->ntopics && topic == NULL; i++)
		if (consumer->topics[i].handle == message->rkt)
			topic = &consumer->topics[i];
	if (topic == NULL)
		topic = find_topic(consumer, rd_kafka_topic_name(message->rkt));
	if (topic == NULL || message->partition < 0 || message->partition >= topic->npartitions ||
		topic->partitions[message->partition] == NULL)
		return NULL;
	consumer->last = topic->partitions[message->partition];
	consumer->last_handle = message->rkt;
	return consumer->last;
}

/* Makes room for another chunk in messages. */
static void
reserve(CqKafkaConsumer *consumer)
{
	if (consumer->capacity >= consumer->nmessages + CQ_KAFKA_CHUNK_SIZE)
		return;
	consumer->capacity = Max(consumer->capacity * 2, CQ_KAFKA_CHUNK_SIZE);
	if (consumer->messages == NULL)
		consumer->messages = MemoryContextAllocHuge(consumer->context,
													sizeof(CqMessage) * (Size) consumer->capacity);
	else
		consumer->messages = repalloc_huge(consumer->messages,
										   sizeof(CqMessage) * (Size) consumer->capacity);
}

/* True where the message is now lent to the caller. */
static bool
take_message(CqKafkaConsumer *consumer, CqKafkaPartition *partition, rd_kafka_message_t *message)
{
	rd_kafka_timestamp_type_t kind;
	CqMessage  *out;
	CqSlice    *slice;

	if (partition == NULL || partition->is_stopped || message->offset < partition->next)
		return false;
	slice = move(consumer, partition, message->offset + 1);
	slice->nmessages++;
	slice->nbytes += message->len + message->key_len;
	partition->is_at_end = false;
	cq_kafka_event_note_progress(consumer, partition);

	out = &consumer->messages[consumer->nmessages++];
	out->value = message->payload;
	out->value_length = message->len;
	out->key = message->key;
	out->key_length = message->key_len;
	out->offset = message->offset;
	out->timestamp = cq_kafka_time_from_ms(rd_kafka_message_timestamp(message, &kind));
	out->slice = partition->slice;
	partition->last_timestamp = out->timestamp;
	out->origin = message;
	return true;
}

/*
 * Takes what librdkafka has queued, within the limits. What does not fit stays in the chunk for the
 * next time.
 */
static void
take_messages(CqKafkaConsumer *consumer, int max_messages, Size max_bytes)
{
	Size		nbytes = 0;

	while (consumer->nmessages < max_messages && nbytes < max_bytes)
	{
		rd_kafka_message_t *message;
		CqKafkaPartition *partition;
		bool		is_lent = false;

		if (consumer->chunk_next == consumer->chunk_end)
		{
			ssize_t		ntaken;

			reserve(consumer);
			ntaken = rd_kafka_consume_batch_queue(consumer->queue, 0, consumer->chunk,
												  Min(CQ_KAFKA_CHUNK_SIZE,
													  max_messages - consumer->nmessages));
			if (ntaken <= 0)
				break;
			consumer->chunk_next = 0;
			consumer->chunk_end = (int) ntaken;
		}
		else if (consumer->capacity == consumer->nmessages)
			reserve(consumer);

		message = consumer->chunk[consumer->chunk_next];
		partition = find_partition(consumer, message);
		if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
			take_error(consumer, partition, message);
		else
			is_lent = take_message(consumer, partition, message);
		consumer->chunk_next++;
		if (is_lent)
			nbytes += message->len + message->key_len;
		else
			rd_kafka_message_destroy(message);
	}
}

/*
 * Goes past control records that librdkafka has taken from the queue without handing them out, so
 * that a position reaches the end of a transaction along with its messages, not with the next
 * end-of-partition event.
 */
static void
pass_control_records(CqKafkaConsumer *consumer)
{
	rd_kafka_topic_partition_list_t *list;
	int			nslices = consumer->nslices;

	/* What waits in the chunk counts as taken for librdkafka. */
	if (nslices == 0 || consumer->chunk_next < consumer->chunk_end)
		return;
	list = rd_kafka_topic_partition_list_new(nslices);
	for (int i = 0; i < nslices; i++)
		rd_kafka_topic_partition_list_add(list, consumer->slices[i].topic,
										  consumer->slices[i].partition);
	if (rd_kafka_position(consumer->client->rk, list) == RD_KAFKA_RESP_ERR_NO_ERROR)
	{
		for (int i = 0; i < nslices; i++)
		{
			CqKafkaTopic *topic = find_topic(consumer, list->elems[i].topic);
			CqKafkaPartition *partition = topic->partitions[list->elems[i].partition];

			if (list->elems[i].offset > partition->next && !partition->is_stopped)
				move(consumer, partition, list->elems[i].offset);
		}
	}
	rd_kafka_topic_partition_list_destroy(list);
}

/* The high watermark as last heard of, or -1; no request. */
static int64
cached_end(const CqKafkaConsumer *consumer, const char *topic, int32 partition)
{
	int64_t		low = -1;
	int64_t		high = -1;

	if (rd_kafka_get_watermark_offsets(consumer->client->rk, topic, partition, &low, &high) !=
		RD_KAFKA_RESP_ERR_NO_ERROR)
		return -1;
	return high < 0 ? -1 : high;
}

/*
 * The partitions of which more is known to be there than was taken; the caller destroys the list.
 */
static rd_kafka_topic_partition_list_t *
list_backlog(CqKafkaConsumer *consumer)
{
	rd_kafka_topic_partition_list_t *list =
		rd_kafka_topic_partition_list_new(consumer->npartitions);

	for (int i = 0; i < consumer->npartitions; i++)
	{
		CqKafkaPartition *partition = &consumer->partitions[i];

		if (!partition->is_stopped && !partition->is_at_end &&
			cached_end(consumer, partition->topic, partition->partition) > partition->next)
			rd_kafka_topic_partition_list_add(list, partition->topic,
											  partition->partition)->offset = RD_KAFKA_OFFSET_END;
	}
	return list;
}

/*
 * librdkafka before 2.2 does not look again whether there is room in its queue until something
 * wakes the thread of the partition's broker, or a second has passed; later ones have a property
 * for it. So once there is room, wake it: any request to that broker will do. This one is the
 * smallest that is addressed by partition; nobody waits for its answer.
 *
 * Where the broker is what is slow this is in vain, so it is done less and less often until
 * something comes. Returns in how many milliseconds to do it again, -1 for not at all.
 */
static long
nudge(CqKafkaConsumer *consumer)
{
	rd_kafka_topic_partition_list_t *list;
	TimestampTz now;
	TimestampTz due = consumer->nudged + consumer->nudge_interval;
	bool		has_backlog;

	if (rd_kafka_version() >= BACKOFF_PROPERTY_VERSION)
		return -1;
	now = cq_clock_real_monotonic();
	if (now < due)
		return TimestampDifferenceMilliseconds(now, due);

	list = list_backlog(consumer);
	has_backlog = list->cnt > 0;
	if (has_backlog)
		(void) rd_kafka_offsets_for_times(consumer->client->rk, list, 0);
	rd_kafka_topic_partition_list_destroy(list);
	if (!has_backlog)
		return -1;
	consumer->nudged = now;
	consumer->nudge_interval = Min(consumer->nudge_interval * 2, NUDGE_INTERVAL_MAX_US);
	return consumer->nudge_interval / 1000;
}

/*
 * Waits for messages, a signal, or timeout_ms, whichever comes first, and nudges meanwhile. False
 * where there is no sense in looking for messages more than once again.
 */
static bool
wait_for_messages(CqKafkaConsumer *consumer, long timeout_ms)
{
	long		again_ms = nudge(consumer);
	bool		is_short = again_ms >= 0 && again_ms < timeout_ms;

	switch (cq_kafka_wakeup_wait(is_short ? again_ms : timeout_ms))
	{
		case CQ_KAFKA_WAKEUP_TIMEOUT:
			return is_short;
		case CQ_KAFKA_WAKEUP_QUEUE:
			return true;
		case CQ_KAFKA_WAKEUP_LATCH:
			CHECK_FOR_INTERRUPTS();
			break;
	}
	return false;
}

/* See CqSourceRoutine.hear_ends. */
void
cq_kafka_consumer_hear_ends(const CqSource *source, CqFetch *fetch)
{
	const CqKafkaConsumer *consumer = (const CqKafkaConsumer *) source;

	for (int i = 0; i < fetch->nslices; i++)
	{
		CqSlice    *slice = &fetch->slices[i];

		slice->end = Max(cached_end(consumer, slice->topic, slice->partition), slice->next);
	}
}

/* See CqSourceRoutine.is_at_end. */
bool
cq_kafka_consumer_is_at_end(const CqSource *source, const char *topic, int32 partition,
							char *held_up, Size size)
{
	const CqKafkaConsumer *consumer = (const CqKafkaConsumer *) source;

	const CqKafkaPartition *found = NULL;
	int64		end;

	held_up[0] = '\0';
	for (int i = 0; i < consumer->npartitions && found == NULL; i++)
	{
		if (consumer->partitions[i].partition == partition &&
			strcmp(consumer->partitions[i].topic, topic) == 0)
			found = &consumer->partitions[i];
	}
	if (found == NULL || consumer->client->notes.is_down)
		return false;
	if (found->is_away)
	{
		cq_kafka_leader_name(found, held_up, size);
		return false;
	}
	if (!found->is_at_end || found->is_stopped || found->has_failed)
		return false;
	/* What is committed has been read; the rest is not, or on its way. */
	end = cached_end(consumer, topic, partition);
	if (end > found->next)
		snprintf(held_up, size, "an open transaction at offset %lld holds it up",
				 (long long) found->next);
	return end <= found->next;
}

/*
 * See CqSourceRoutine.fetch. A signal also resets the latch and serves interrupts, so the caller
 * looks at its flags again.
 */
bool
cq_kafka_consumer_fetch(CqSource *source, CqFetch *fetch, int max_messages, Size max_bytes,
						int timeout_ms)
{
	CqKafkaConsumer *consumer = (CqKafkaConsumer *) source;
	TimestampTz deadline = TimestampTzPlusMilliseconds(cq_clock_real_monotonic(), timeout_ms);
	bool		is_waiting = timeout_ms > 0;

	Assert(consumer->nmessages == 0);
	for (int i = 0; i < consumer->npartitions; i++)
		consumer->partitions[i].slice = -1;
	consumer->nslices = 0;

	for (;;)
	{
		long		remaining;

		take_messages(consumer, Max(max_messages, 1), Max(max_bytes, 1));
		cq_kafka_event_note_client(consumer);
		if (consumer->nslices > 0 || !is_waiting)
			break;
		remaining = TimestampDifferenceMilliseconds(cq_clock_real_monotonic(), deadline);
		/* The last look comes after the wait. */
		is_waiting = remaining > 0 && wait_for_messages(consumer, remaining);
	}
	if (consumer->nmessages > 0)
	{
		consumer->client->notes.is_down = false;
		consumer->nudge_interval = NUDGE_INTERVAL_US;
	}
	pass_control_records(consumer);

	memset(fetch, 0, sizeof(*fetch));
	fetch->messages = consumer->messages;
	fetch->nmessages = consumer->nmessages;
	fetch->slices = consumer->slices;
	fetch->nslices = consumer->nslices;
	fetch->has_backlog = consumer->chunk_next < consumer->chunk_end;
	cq_kafka_consumer_hear_ends(source, fetch);
	for (int i = 0; i < consumer->nslices; i++)
	{
		CqSlice    *slice = &consumer->slices[i];
		bool		is_at_end = find_topic(consumer,
										   slice->topic)->partitions[slice->partition]->is_at_end;

		fetch->has_backlog |= !is_at_end && slice->end > slice->next;
	}
	if (fetch->has_backlog && rd_kafka_queue_length(consumer->queue) < CQ_KAFKA_CHUNK_SIZE)
		(void) nudge(consumer);
	fetch->has_backlog |= consumer->nslices > 0 && rd_kafka_queue_length(consumer->queue) > 0;
	return consumer->nslices > 0;
}

void
cq_kafka_consumer_release(CqSource *source, CqFetch *fetch)
{
	CqKafkaConsumer *consumer = (CqKafkaConsumer *) source;

	for (int i = 0; i < consumer->nmessages; i++)
		rd_kafka_message_destroy(consumer->messages[i].origin);
	consumer->nmessages = 0;
	memset(fetch, 0, sizeof(*fetch));
}

int
cq_kafka_consumer_wakeup_fd(CqSource *source)
{
	return cq_kafka_wakeup_fd();
}

void
cq_kafka_consumer_wakeup_clear(CqSource *source)
{
	cq_kafka_wakeup_clear();
}

