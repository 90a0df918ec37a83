/*
 * kafka_event.c
 *		What a consumer has to say besides messages: which error means what, and to whom it is told.
 *
 *		librdkafka says                           a worker hears         a statement
 *		all brokers down                          DOWN, then UP          ERROR, if nothing came
 *		authentication failed, fatal error        FAILED, UP if it ends  ERROR, if nothing came
 *		topic unknown, not authorized             FAILED, UP if it ends  ERROR
 *		offset out of range                       GAP; partition stops   ERROR
 *		message unreadable                        FAILED; it stops       ERROR
 *		other errors of a partition               nothing: librdkafka tries again
 *
 * Each is told once, not as often as librdkafka repeats it.
 */
#include "postgres.h"

#include "source/kafka_consumer.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

/* How long to ask for the oldest offset of a partition with a gap, and when to ask again. */
#define GAP_TIMEOUT_MS 1000
#define GAP_RETRY_US (5 * USECS_PER_SEC)

/* How many partitions the topics of a stream had when last seen in this process: survives closing and opening again. */
typedef struct KnownPartitions
{
	Oid			stream;
	int			npartitions;
} KnownPartitions;

static HTAB *known_partitions = NULL;

static CqSourceEvent *
add_event(CqKafkaConsumer *consumer, CqSourceEventKind kind, const CqKafkaPartition *partition, const char *text)
{
	MemoryContext old = MemoryContextSwitchTo(consumer->context);
	CqSourceEvent *event = palloc0(sizeof(CqSourceEvent));

	event->kind = kind;
	event->topic = partition ? partition->topic : NULL;
	event->partition = partition ? partition->partition : -1;
	event->text = pstrdup(text);
	consumer->events = lappend(consumer->events, event);
	MemoryContextSwitchTo(old);
	return event;
}

/*
 * After these librdkafka may go on behind something it could not read: the partition has to stop for nothing to be
 * lost.
 */
static bool
is_unreadable(rd_kafka_resp_err_t error)
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
needs_attention(rd_kafka_resp_err_t error)
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
note_gap(CqKafkaConsumer *consumer, CqKafkaPartition *partition)
{
	if (consumer->is_bounded)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_UNABLE_TO_CREATE_REPLY),
				 errmsg("Kafka topic \"%s\" partition %d has no offset %lld",
						partition->topic, partition->partition, (long long) partition->next)));
	partition->is_stopped = true;
	partition->has_gap = true;
}

static void
note_failure(CqKafkaConsumer *consumer, CqKafkaPartition *partition, rd_kafka_resp_err_t error, const char *reason)
{
	if (consumer->is_bounded)
		ereport(ERROR,
				(errcode(cq_kafka_client_sqlstate(error)),
				 errmsg("could not read Kafka topic \"%s\" partition %d from offset %lld",
						partition->topic, partition->partition, (long long) partition->next),
				 errdetail("%s.", reason)));
	if (partition->has_failed)
		return;
	partition->has_failed = true;
	add_event(consumer, CQ_SOURCE_FAILED, partition, reason);
}

/* An error that came in a partition's place among its messages. */
void
cq_kafka_event_note_error(CqKafkaConsumer *consumer, CqKafkaPartition *partition, rd_kafka_resp_err_t error,
						  const char *reason)
{
	if (error == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
		note_gap(consumer, partition);
	else if (is_unreadable(error))
	{
		note_failure(consumer, partition, error, reason);
		partition->is_stopped = true;
	}
	else if (needs_attention(error))
		note_failure(consumer, partition, error, reason);
}

void
cq_kafka_event_note_recovery(CqKafkaConsumer *consumer, CqKafkaPartition *partition)
{
	partition->has_failed = false;
	add_event(consumer, CQ_SOURCE_UP, partition, "");
}

/* librdkafka tells some errors of a partition to the handle, and names the partition in the text only. */
static CqKafkaPartition *
find_by_text(CqKafkaConsumer *consumer, const char *text)
{
	char		prefix[CQ_KAFKA_TEXT_LENGTH];

	for (int i = 0; i < consumer->npartitions; i++)
	{
		CqKafkaPartition *partition = &consumer->partitions[i];

		snprintf(prefix, sizeof(prefix), "%s [%d]: ", partition->topic, partition->partition);
		if (strncmp(text, prefix, strlen(prefix)) == 0)
			return partition;
	}
	return NULL;
}

/* Looks at what the callbacks noted. Raises ERROR in a statement that has nothing to go on with. */
void
cq_kafka_event_note_client(CqKafkaConsumer *consumer)
{
	CqKafkaNotes *notes = &consumer->client->notes;

	for (int i = 0; i < notes->ntroubles; i++)
	{
		CqKafkaPartition *partition = find_by_text(consumer, notes->troubles[i].text);

		if (partition != NULL && !partition->is_stopped)
			note_failure(consumer, partition, notes->troubles[i].error, notes->troubles[i].text);
	}
	notes->ntroubles = 0;
	if (consumer->is_bounded && consumer->nslices == 0 && (notes->is_down || notes->has_failed))
		cq_kafka_client_raise_down(consumer->client);
}

/* Asks where a partition with a gap begins now. Where no answer comes it is asked again later. */
static void
settle_gap(CqKafkaConsumer *consumer, CqKafkaPartition *partition)
{
	TimestampTz now = GetCurrentTimestamp();
	int64_t		begin;
	int64_t		end;
	char		text[200];
	CqSourceEvent *event;

	if (now - partition->gap_asked < GAP_RETRY_US)
		return;
	partition->gap_asked = now;
	if (!cq_kafka_extent_of_partition(consumer->client->rk, partition->topic, partition->partition, GAP_TIMEOUT_MS,
									  &begin, &end))
		return;
	partition->has_gap = false;
	if (partition->next < begin)
		snprintf(text, sizeof(text), "offset %lld is no longer there; the oldest is %lld",
				 (long long) partition->next, (long long) begin);
	else
		snprintf(text, sizeof(text), "offset %lld is past the end, %lld: the topic seems to have been made anew",
				 (long long) partition->next, (long long) end);
	event = add_event(consumer, CQ_SOURCE_GAP, partition, text);
	event->from = partition->next;
	event->to = begin;
}

static bool
partitions_were_added(Oid stream, int npartitions)
{
	KnownPartitions *known;
	bool		found;
	bool		were_added;

	if (known_partitions == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(Oid), .entrysize = sizeof(KnownPartitions)};

		known_partitions = hash_create("cq partitions of streams", 16, &control, HASH_ELEM | HASH_BLOBS);
	}
	known = hash_search(known_partitions, &stream, HASH_ENTER, &found);
	/* When first seen in this process they are news too: some may have come since the caller last asked. */
	were_added = !found || npartitions > known->npartitions;
	known->npartitions = npartitions;
	return were_added;
}

/* Turns what has changed since the last time into events. */
static void
gather_events(CqKafkaConsumer *consumer)
{
	const CqKafkaNotes *notes = &consumer->client->notes;

	if (notes->has_failed && !consumer->had_failed)
		add_event(consumer, CQ_SOURCE_FAILED, NULL, notes->failure);
	if (notes->is_down && !consumer->was_down)
		add_event(consumer, CQ_SOURCE_DOWN, NULL,
				  notes->last_error[0] != '\0' ? notes->last_error : "no broker can be reached");
	if (!notes->is_down && !notes->has_failed && (consumer->was_down || consumer->had_failed))
		add_event(consumer, CQ_SOURCE_UP, NULL, "");
	consumer->was_down = notes->is_down;
	consumer->had_failed = notes->has_failed;

	if (notes->npartitions != consumer->npartitions_seen)
	{
		consumer->npartitions_seen = notes->npartitions;
		if (partitions_were_added(consumer->stream, notes->npartitions))
			add_event(consumer, CQ_SOURCE_PARTITIONS, NULL, "");
	}
	/* One at a time, since each may have to wait. */
	for (int i = 0; i < consumer->npartitions; i++)
		if (consumer->partitions[i].has_gap)
		{
			settle_gap(consumer, &consumer->partitions[i]);
			if (consumer->events != NIL)
				break;
		}
}

/* See CqSourceRoutine.poll_event. Waits for a broker only to learn the extent of a gap: a second or two at most. */
bool
cq_kafka_event_poll(CqSource *source, CqSourceEvent *event)
{
	CqKafkaConsumer *consumer = (CqKafkaConsumer *) source;
	CqSourceEvent *first;

	if (consumer->events == NIL)
		gather_events(consumer);
	if (consumer->events == NIL)
		return false;
	first = linitial(consumer->events);
	*event = *first;
	event->text = pstrdup(first->text);
	consumer->events = list_delete_first(consumer->events);
	pfree(first->text);
	pfree(first);
	return true;
}
