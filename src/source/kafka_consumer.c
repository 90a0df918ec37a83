/*
 * kafka_consumer.c
 *		Reads partitions of Kafka topics from given positions on.
 *
 * What it decides:
 * - No consumer group takes part. Positions are the caller's, so each partition is started at its own offset (librdkafka's
 *   "simple" consumer), and all of them feed one queue. There is no coordinator to look for, no right on a group to have, no
 *   rebalance; nothing is ever committed to Kafka.
 * - A position moves by messages and by what lies between them. Control records, aborted messages and compacted ones
 *   are never delivered: what librdkafka says it has gone past, and the offset of its end-of-partition event, carry a
 *   position over those at the end.
 * - A partition whose position is no longer there, or that librdkafka could not read, stops until it is opened again. Nothing
 *   is skipped silently.
 * - Waiting is done on the process's latch and a pipe that librdkafka writes to, never inside librdkafka.
 *
 * Messages are borrowed: CqMessage.origin is librdkafka's message, given back by release, or when the client is closed.
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/compat.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "source/kafka.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

/* Messages taken from librdkafka at a time. */
#define CHUNK_SIZE 1000

/* librdkafka before 2.2 sleeps up to a second once its queue was full: see nudge. */
#define NUDGE_INTERVAL_US 10000
#define BACKOFF_PROPERTY_VERSION 0x02020000

/* How long to ask for the oldest offset of a partition with a gap, and when to ask again. */
#define GAP_TIMEOUT_MS 1000
#define GAP_RETRY_US (5 * USECS_PER_SEC)

typedef struct Partition
{
	const char *topic;
	int32		partition;
	int64		next;
	int			slice;			/* in the present fetch, or -1 */
	bool		is_stopped;		/* until opened again */
	bool		is_at_end;		/* nothing came since end-of-partition */
	bool		has_gap;		/* to be reported, once it is known where the partition begins */
	bool		has_failed;		/* was reported, and nothing came since */
	TimestampTz gap_asked;		/* when the broker was last asked */
} Partition;

typedef struct Topic
{
	char	   *name;
	rd_kafka_topic_t *handle;
	Partition **partitions;		/* by number; NULL where it is not read */
	int			npartitions;
} Topic;

typedef struct Consumer
{
	CqSource	source;
	MemoryContext context;
	CqKafkaClient *client;
	Oid			stream;
	bool		is_bounded;
	Topic	   *topics;
	int			ntopics;
	Partition  *partitions;
	int			npartitions;
	Partition  *last;			/* of the last message: they come in runs */
	rd_kafka_topic_t *last_handle;

	CqMessage  *messages;		/* lent to the caller: nmessages of them */
	int			capacity;
	int			nmessages;
	CqSlice    *slices;
	int			nslices;
	rd_kafka_message_t *chunk[CHUNK_SIZE];	/* taken from librdkafka, and not yet looked at */
	int			chunk_next;
	int			chunk_end;

	int			wakeup[2];		/* a pipe: to read from, to write to; -1 when closed */
	WaitEventSet *wait;
	List	   *events;			/* of CqSourceEvent *, in context */
	bool		was_down;		/* as last reported */
	bool		had_failed;
	int			npartitions_seen;	/* notes.npartitions as last looked at */
	TimestampTz nudged;
} Consumer;

/* How many partitions the topics of a stream had when last seen in this process: survives closing and opening again. */
typedef struct KnownPartitions
{
	Oid			stream;
	int			npartitions;
} KnownPartitions;

static HTAB *known_partitions = NULL;

/* ---- opening and closing ---- */

static void
let_go(void *owner)
{
	Consumer   *consumer = owner;

	for (int i = 0; i < consumer->nmessages; i++)
		rd_kafka_message_destroy(consumer->messages[i].origin);
	consumer->nmessages = 0;
	while (consumer->chunk_next < consumer->chunk_end)
		rd_kafka_message_destroy(consumer->chunk[consumer->chunk_next++]);
	for (int i = 0; i < consumer->ntopics; i++)
		if (consumer->topics[i].handle != NULL)
			rd_kafka_topic_destroy(consumer->topics[i].handle);
	consumer->ntopics = 0;

	rd_kafka_queue_io_event_enable(consumer->client->queue, -1, NULL, 0);
	if (consumer->wait != NULL)
		FreeWaitEventSet(consumer->wait);
	consumer->wait = NULL;
	for (int i = 0; i < 2; i++)
	{
		if (consumer->wakeup[i] >= 0)
			close(consumer->wakeup[i]);
		consumer->wakeup[i] = -1;
	}
}

static void
open_wakeup(Consumer *consumer)
{
	if (pipe(consumer->wakeup) < 0)
	{
		consumer->wakeup[0] = consumer->wakeup[1] = -1;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create a pipe: %m")));
	}
	for (int i = 0; i < 2; i++)
		if (fcntl(consumer->wakeup[i], F_SETFL, O_NONBLOCK) < 0 || fcntl(consumer->wakeup[i], F_SETFD, FD_CLOEXEC) < 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not set up a pipe: %m")));

	consumer->wait = cq_compat_create_wait_event_set(consumer->context, 3);
	AddWaitEventToSet(consumer->wait, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(consumer->wait, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(consumer->wait, WL_SOCKET_READABLE, consumer->wakeup[0], NULL, NULL);
	rd_kafka_queue_io_event_enable(consumer->client->queue, consumer->wakeup[1], "", 1);
}

static Topic *
find_topic(Consumer *consumer, const char *name)
{
	for (int i = 0; i < consumer->ntopics; i++)
		if (strcmp(consumer->topics[i].name, name) == 0)
			return &consumer->topics[i];
	return NULL;
}

static void
open_topic(Consumer *consumer, const char *name)
{
	Topic	   *topic = &consumer->topics[consumer->ntopics];

	topic->name = pstrdup(name);
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
open_topics(Consumer *consumer, const CqSourceConfig *config, const CqPosition *positions, int npositions)
{
	ListCell   *cell;

	consumer->topics = palloc0(sizeof(Topic) * Max(list_length(config->topics) + npositions, 1));
	foreach(cell, config->topics)
		if (find_topic(consumer, lfirst(cell)) == NULL)
			open_topic(consumer, lfirst(cell));
	for (int i = 0; i < npositions; i++)
	{
		Topic	   *topic = find_topic(consumer, positions[i].topic);

		if (topic == NULL)
		{
			open_topic(consumer, positions[i].topic);
			topic = &consumer->topics[consumer->ntopics - 1];
		}
		topic->npartitions = Max(topic->npartitions, positions[i].partition + 1);
	}
	for (int i = 0; i < consumer->ntopics; i++)
		consumer->topics[i].partitions = palloc0(sizeof(Partition *) * Max(consumer->topics[i].npartitions, 1));
}

static void
start_partition(Consumer *consumer, Partition *partition, const CqPosition *position)
{
	Topic	   *topic = find_topic(consumer, position->topic);

	partition->topic = topic->name;
	partition->partition = position->partition;
	partition->next = position->offset;
	partition->slice = -1;
	topic->partitions[position->partition] = partition;
	if (rd_kafka_consume_start_queue(topic->handle, position->partition, position->offset,
									 consumer->client->queue) != 0)
	{
		rd_kafka_resp_err_t error = rd_kafka_last_error();

		ereport(ERROR,
				(errcode(cq_kafka_client_sqlstate(error)),
				 errmsg("could not read topic \"%s\" partition %d from offset %lld: %s", position->topic,
						position->partition, (long long) position->offset, rd_kafka_err2str(error))));
	}
}

/* See CqSourceRoutine.open. */
CqSource *
cq_kafka_consumer_open(const CqSourceConfig *config, const CqPosition *positions, int npositions)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "cq kafka consumer", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Consumer   *consumer = palloc0(sizeof(Consumer));

	consumer->source.routine = &cq_kafka_source;
	consumer->context = context;
	consumer->stream = config->stream;
	consumer->is_bounded = config->bounded;
	consumer->npartitions_seen = -1;
	consumer->wakeup[0] = consumer->wakeup[1] = -1;
	consumer->partitions = palloc0(sizeof(Partition) * Max(npositions, 1));
	consumer->slices = palloc(sizeof(CqSlice) * Max(npositions, 1));
	consumer->npartitions = npositions;

	consumer->client = cq_kafka_client_open(config, CQ_KAFKA_READER, context, cq_kafka_conf_build(config, CQ_KAFKA_READER));
	consumer->client->owner = consumer;
	consumer->client->let_go = let_go;
	open_wakeup(consumer);
	open_topics(consumer, config, positions, npositions);
	for (int i = 0; i < npositions; i++)
		start_partition(consumer, &consumer->partitions[i], &positions[i]);

	MemoryContextSwitchTo(old);
	return &consumer->source;
}

void
cq_kafka_consumer_close(CqSource *source)
{
	Consumer   *consumer = (Consumer *) source;

	cq_kafka_client_close(consumer->client);
	MemoryContextDelete(consumer->context);
}

/* ---- what went wrong ---- */

static void
add_event(Consumer *consumer, CqSourceEventKind kind, const Partition *partition, const char *text)
{
	MemoryContext old = MemoryContextSwitchTo(consumer->context);
	CqSourceEvent *event = palloc0(sizeof(CqSourceEvent));

	event->kind = kind;
	event->topic = partition ? partition->topic : NULL;
	event->partition = partition ? partition->partition : -1;
	event->text = text ? pstrdup(text) : NULL;
	consumer->events = lappend(consumer->events, event);
	MemoryContextSwitchTo(old);
}

/*
 * After these librdkafka may go on behind something it could not read, or never will: the partition has to stop for
 * nothing to be lost. After others it tries again by itself.
 */
static bool
stops_partition(rd_kafka_resp_err_t error)
{
	switch (error)
	{
		case RD_KAFKA_RESP_ERR__BAD_MSG:
		case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
		case RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED:
		case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
		case RD_KAFKA_RESP_ERR_INVALID_MSG:
		case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
		case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
			return true;
		default:
			return false;
	}
}

/* What a person has to look at, though librdkafka goes on trying. */
static bool
is_lasting(rd_kafka_resp_err_t error)
{
	switch (error)
	{
		case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
		case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
		case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
		case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
		case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
			return true;
		default:
			return false;
	}
}

static void
take_gap(Consumer *consumer, Partition *partition)
{
	if (consumer->is_bounded)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_UNABLE_TO_CREATE_REPLY),
				 errmsg("topic \"%s\" partition %d has no offset %lld (any more)",
						partition->topic, partition->partition, (long long) partition->next)));
	partition->is_stopped = true;
	partition->has_gap = true;
}

static void
take_failure(Consumer *consumer, Partition *partition, const rd_kafka_message_t *message)
{
	StringInfoData text;

	if (consumer->is_bounded)
		ereport(ERROR,
				(errcode(cq_kafka_client_sqlstate(message->err)),
				 errmsg("could not read topic \"%s\" partition %d: %s",
						partition->topic, partition->partition, rd_kafka_message_errstr(message))));
	if (stops_partition(message->err))
		partition->is_stopped = true;
	if (partition->has_failed)
		return;
	partition->has_failed = true;
	initStringInfo(&text);
	appendStringInfo(&text, "topic \"%s\" partition %d from offset %lld: %s", partition->topic,
					 partition->partition, (long long) partition->next, rd_kafka_message_errstr(message));
	add_event(consumer, CQ_SOURCE_FAILED, partition, text.data);
	pfree(text.data);
}

static CqSlice *
move(Consumer *consumer, Partition *partition, int64 next)
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
take_error(Consumer *consumer, Partition *partition, const rd_kafka_message_t *message)
{
	if (partition == NULL || partition->is_stopped)
		return;
	if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
	{
		partition->is_at_end = true;
		partition->has_failed = false;
		if (message->offset > partition->next)
			move(consumer, partition, message->offset);
	}
	else if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
		take_gap(consumer, partition);
	else if (stops_partition(message->err) || is_lasting(message->err))
		take_failure(consumer, partition, message);
}

/* ---- taking messages ---- */

static Partition *
find_partition(Consumer *consumer, const rd_kafka_message_t *message)
{
	Topic	   *topic = NULL;

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
reserve(Consumer *consumer)
{
	if (consumer->capacity >= consumer->nmessages + CHUNK_SIZE)
		return;
	consumer->capacity = Max(consumer->capacity * 2, CHUNK_SIZE);
	if (consumer->messages == NULL)
		consumer->messages = MemoryContextAllocHuge(consumer->context, sizeof(CqMessage) * (Size) consumer->capacity);
	else
		consumer->messages = repalloc_huge(consumer->messages, sizeof(CqMessage) * (Size) consumer->capacity);
}

/* True where the message is now lent to the caller. */
static bool
take_message(Consumer *consumer, Partition *partition, rd_kafka_message_t *message)
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
	partition->has_failed = false;

	out = &consumer->messages[consumer->nmessages++];
	out->value = message->payload;
	out->value_length = message->len;
	out->key = message->key;
	out->key_length = message->key_len;
	out->offset = message->offset;
	out->timestamp = cq_kafka_time_from_ms(rd_kafka_message_timestamp(message, &kind));
	out->slice = partition->slice;
	out->origin = message;
	return true;
}

/* Takes what librdkafka has queued, within the limits. What does not fit stays in the chunk for the next time. */
static void
take(Consumer *consumer, int max_messages, Size max_bytes)
{
	Size		nbytes = 0;

	while (consumer->nmessages < max_messages && nbytes < max_bytes)
	{
		rd_kafka_message_t *message;
		Partition  *partition;
		bool		is_lent = false;

		if (consumer->chunk_next == consumer->chunk_end)
		{
			ssize_t		ntaken;

			reserve(consumer);
			ntaken = rd_kafka_consume_batch_queue(consumer->client->queue, 0, consumer->chunk,
												  Min(CHUNK_SIZE, max_messages - consumer->nmessages));
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
 * Goes past control records that librdkafka has taken from the queue without handing them out, so that a position
 * reaches the end of a transaction along with its messages, not with the next end-of-partition event.
 */
static void
pass_control_records(Consumer *consumer)
{
	rd_kafka_topic_partition_list_t *list;
	int			nslices = consumer->nslices;

	/* What waits in the chunk counts as taken for librdkafka. */
	if (nslices == 0 || consumer->chunk_next < consumer->chunk_end)
		return;
	list = rd_kafka_topic_partition_list_new(nslices);
	for (int i = 0; i < nslices; i++)
		rd_kafka_topic_partition_list_add(list, consumer->slices[i].topic, consumer->slices[i].partition);
	if (rd_kafka_position(consumer->client->rk, list) == RD_KAFKA_RESP_ERR_NO_ERROR)
	{
		for (int i = 0; i < nslices; i++)
		{
			Topic	   *topic = find_topic(consumer, list->elems[i].topic);
			Partition  *partition = topic->partitions[list->elems[i].partition];

			if (list->elems[i].offset > partition->next && !partition->is_stopped)
				move(consumer, partition, list->elems[i].offset);
		}
	}
	rd_kafka_topic_partition_list_destroy(list);
}

/* The high watermark as last heard of, or -1; no request. */
static int64
cached_end(Consumer *consumer, const char *topic, int32 partition)
{
	int64_t		low = -1;
	int64_t		high = -1;

	if (rd_kafka_get_watermark_offsets(consumer->client->rk, topic, partition, &low, &high) !=
		RD_KAFKA_RESP_ERR_NO_ERROR)
		return -1;
	return high < 0 ? -1 : high;
}

/*
 * librdkafka before 2.2 does not look again whether there is room in its queue until something wakes the thread of
 * the partition's broker, or a second has passed; later ones have a property for it. So once there is room, wake it: any
 * request to that broker will do. This one is the smallest that is addressed by partition; nobody waits for its answer.
 */
static void
nudge(Consumer *consumer)
{
	rd_kafka_topic_partition_list_t *list;
	TimestampTz now;

	if (rd_kafka_version() >= BACKOFF_PROPERTY_VERSION)
		return;
	now = GetCurrentTimestamp();
	if (now - consumer->nudged < NUDGE_INTERVAL_US)
		return;
	consumer->nudged = now;

	list = rd_kafka_topic_partition_list_new(consumer->npartitions);
	for (int i = 0; i < consumer->npartitions; i++)
	{
		Partition  *partition = &consumer->partitions[i];

		if (!partition->is_stopped && !partition->is_at_end &&
			cached_end(consumer, partition->topic, partition->partition) > partition->next)
			rd_kafka_topic_partition_list_add(list, partition->topic, partition->partition)->offset = RD_KAFKA_OFFSET_END;
	}
	if (list->cnt > 0)
		(void) rd_kafka_offsets_for_times(consumer->client->rk, list, 0);
	rd_kafka_topic_partition_list_destroy(list);
}

/* Waits for messages, a signal, or timeout_ms. False where there is no sense in looking again. */
static bool
wait_for_messages(Consumer *consumer, long timeout_ms)
{
	WaitEvent	event;

	if (WaitEventSetWait(consumer->wait, timeout_ms, &event, 1, PG_WAIT_EXTENSION) == 0)
		return false;
	if ((event.events & WL_LATCH_SET) == 0)
		return true;
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	return false;
}

/* In a statement, what a worker would wait for is an error. */
static void
raise_if_down(Consumer *consumer)
{
	const CqKafkaNotes *notes = &consumer->client->notes;

	if (consumer->is_bounded && consumer->nslices == 0 && (notes->is_down || notes->has_failed))
		cq_kafka_client_raise_down(consumer->client);
}

/* See CqSourceRoutine.fetch. A signal also resets the latch and serves interrupts, so the caller looks at its flags again. */
bool
cq_kafka_consumer_fetch(CqSource *source, CqFetch *fetch, int max_messages, Size max_bytes, int timeout_ms)
{
	Consumer   *consumer = (Consumer *) source;
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_ms);
	bool		is_waiting = timeout_ms > 0;

	Assert(consumer->nmessages == 0);
	for (int i = 0; i < consumer->npartitions; i++)
		consumer->partitions[i].slice = -1;
	consumer->nslices = 0;

	for (;;)
	{
		long		remaining;

		cq_kafka_consumer_wakeup_clear(source);
		take(consumer, Max(max_messages, 1), Max(max_bytes, 1));
		cq_kafka_client_write_log(consumer->client);
		raise_if_down(consumer);
		if (consumer->nslices > 0 || !is_waiting)
			break;
		nudge(consumer);
		remaining = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);
		/* The last look comes after the wait. */
		is_waiting = remaining > 0 && wait_for_messages(consumer, remaining);
	}
	if (consumer->nmessages > 0)
		consumer->client->notes.is_down = false;
	pass_control_records(consumer);

	memset(fetch, 0, sizeof(*fetch));
	fetch->messages = consumer->messages;
	fetch->nmessages = consumer->nmessages;
	fetch->slices = consumer->slices;
	fetch->nslices = consumer->nslices;
	fetch->has_backlog = consumer->chunk_next < consumer->chunk_end;
	for (int i = 0; i < consumer->nslices; i++)
	{
		CqSlice    *slice = &consumer->slices[i];
		bool		is_at_end = find_topic(consumer, slice->topic)->partitions[slice->partition]->is_at_end;

		slice->end = Max(cached_end(consumer, slice->topic, slice->partition), slice->next);
		fetch->has_backlog |= !is_at_end && slice->end > slice->next;
	}
	if (fetch->has_backlog && rd_kafka_queue_length(consumer->client->queue) < CHUNK_SIZE)
		nudge(consumer);
	fetch->has_backlog |= consumer->nslices > 0 && rd_kafka_queue_length(consumer->client->queue) > 0;
	return consumer->nslices > 0;
}

void
cq_kafka_consumer_release(CqSource *source, CqFetch *fetch)
{
	Consumer   *consumer = (Consumer *) source;

	for (int i = 0; i < consumer->nmessages; i++)
		rd_kafka_message_destroy(consumer->messages[i].origin);
	consumer->nmessages = 0;
	memset(fetch, 0, sizeof(*fetch));
}

int
cq_kafka_consumer_wakeup_fd(CqSource *source)
{
	return ((Consumer *) source)->wakeup[0];
}

void
cq_kafka_consumer_wakeup_clear(CqSource *source)
{
	char		bytes[64];

	while (read(((Consumer *) source)->wakeup[0], bytes, sizeof(bytes)) == sizeof(bytes))
		;
}

/* ---- events ---- */

/* Asks where a partition with a gap begins now. False where no answer came; it is asked again later. */
static bool
settle_gap(Consumer *consumer, Partition *partition)
{
	TimestampTz now = GetCurrentTimestamp();
	int64_t		begin;
	int64_t		end;
	char		text[200];

	if (now - partition->gap_asked < GAP_RETRY_US)
		return false;
	partition->gap_asked = now;
	if (!cq_kafka_extent_of_partition(consumer->client->rk, partition->topic, partition->partition, GAP_TIMEOUT_MS,
									  &begin, &end))
		return false;
	partition->has_gap = false;
	if (partition->next < begin)
		snprintf(text, sizeof(text), "offset %lld is no longer there; the oldest is %lld",
				 (long long) partition->next, (long long) begin);
	else
		snprintf(text, sizeof(text), "offset %lld is past the end, %lld; was the topic made anew?",
				 (long long) partition->next, (long long) end);
	add_event(consumer, CQ_SOURCE_GAP, partition, text);
	((CqSourceEvent *) llast(consumer->events))->from = partition->next;
	((CqSourceEvent *) llast(consumer->events))->to = begin;
	return true;
}

static bool
partitions_were_added(Oid stream, int npartitions)
{
	KnownPartitions *known;
	bool		found;
	bool		result;

	if (known_partitions == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(Oid), .entrysize = sizeof(KnownPartitions)};

		known_partitions = hash_create("cq partitions of streams", 16, &control, HASH_ELEM | HASH_BLOBS);
	}
	known = hash_search(known_partitions, &stream, HASH_ENTER, &found);
	/* When first seen in this process they are news too: some may have come since the caller last asked. */
	result = !found || npartitions > known->npartitions;
	known->npartitions = npartitions;
	return result;
}

/* Turns what has changed since the last time into events. */
static void
gather_events(Consumer *consumer)
{
	CqKafkaNotes *notes = &consumer->client->notes;

	if (notes->has_failed && !consumer->had_failed)
		add_event(consumer, CQ_SOURCE_FAILED, NULL, notes->failure);
	if (notes->is_down && !consumer->was_down)
		add_event(consumer, CQ_SOURCE_DOWN, NULL,
				  notes->last_error[0] != '\0' ? notes->last_error : "no broker can be reached");
	if (!notes->is_down && !notes->has_failed && (consumer->was_down || consumer->had_failed))
		add_event(consumer, CQ_SOURCE_UP, NULL, NULL);
	consumer->was_down = notes->is_down;
	consumer->had_failed = notes->has_failed;

	if (notes->npartitions != consumer->npartitions_seen)
	{
		consumer->npartitions_seen = notes->npartitions;
		if (partitions_were_added(consumer->stream, notes->npartitions))
			add_event(consumer, CQ_SOURCE_PARTITIONS, NULL, NULL);
	}
	for (int i = 0; i < consumer->npartitions; i++)
		if (consumer->partitions[i].has_gap && settle_gap(consumer, &consumer->partitions[i]))
			break;
}

/* See CqSourceRoutine.poll_event. Waits for a broker only to learn the extent of a gap, a second at most. */
bool
cq_kafka_consumer_poll_event(CqSource *source, CqSourceEvent *event)
{
	Consumer   *consumer = (Consumer *) source;
	CqSourceEvent *first;

	if (consumer->events == NIL)
		gather_events(consumer);
	if (consumer->events == NIL)
		return false;
	first = linitial(consumer->events);
	*event = *first;
	event->text = first->text ? pstrdup(first->text) : pstrdup("");
	consumer->events = list_delete_first(consumer->events);
	if (first->text)
		pfree(first->text);
	pfree(first);
	return true;
}
