/*
 * kafka_event.c
 *		What a consumer has to say besides messages: which error means what, and to whom it is told.
 *
 *		librdkafka says                           a worker hears         a statement
 *		all brokers down                          DOWN, then UP          ERROR, if nothing came
 *		authentication failed, fatal error        FAILED, UP if it ends  ERROR, if nothing came
 *		topic unknown, not authorized             FAILED, UP if it ends  ERROR
 *		offset out of range                       GAP; partition stops   ERROR: see kafka_gap.c
 *		partition unknown                         MISSING; it stops      ERROR
 *		message unreadable                        FAILED; it stops       ERROR
 *		other errors of a partition               nothing: librdkafka tries again
 *
 * Each is told once, not as often as librdkafka repeats it.
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "common/clock.h"
#include "source/kafka_pool.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

/* topic.metadata.refresh.interval.ms, as it is by default here. */
#define DEFAULT_INTERVAL_MS	10000

#define SILENCE "the Kafka client hangs"

/*
 * How many partitions the topics of a stream had when last seen in this process: survives closing
 * and opening again.
 */
typedef struct KnownPartitions
{
	Oid			stream;
	int			npartitions;
} KnownPartitions;

static HTAB *known_partitions = NULL;

CqSourceEvent *
cq_kafka_event_add(CqKafkaConsumer *consumer, CqSourceEventKind kind,
				   const CqKafkaPartition *partition, const char *text)
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
 * After these librdkafka may go on behind something it could not read: the partition has to stop
 * for nothing to be lost.
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
note_failure(CqKafkaConsumer *consumer, CqKafkaPartition *partition, rd_kafka_resp_err_t error,
			 const char *reason)
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
	cq_kafka_event_add(consumer, CQ_SOURCE_FAILED, partition, reason);
}

/* What a person has to look at, though librdkafka goes on trying. */
static void
note_trouble(CqKafkaConsumer *consumer, CqKafkaPartition *partition, rd_kafka_resp_err_t error,
			 const char *reason)
{
	if (error != RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || consumer->is_bounded)
		note_failure(consumer, partition, error, reason);
	else if (!partition->is_stopped)
	{
		/* Its topic is there, it seems. */
		partition->is_missing = true;
		partition->has_failed = true;
	}
}

/* An error that came in a partition's place among its messages. */
void
cq_kafka_event_note_error(CqKafkaConsumer *consumer, CqKafkaPartition *partition,
						  rd_kafka_resp_err_t error, int64 offset, const char *reason)
{
	if (error == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
		note_gap(consumer, partition);
	else if (is_unreadable(error))
	{
		if (consumer->is_bounded)
			note_failure(consumer, partition, error, reason);
		partition->is_stopped = true;
		partition->bad = Max(offset, partition->next);
		partition->unreadable = MemoryContextStrdup(consumer->context, reason);
	}
	else if (needs_attention(error))
		note_trouble(consumer, partition, error, reason);
}

void
cq_kafka_event_note_recovery(CqKafkaConsumer *consumer, CqKafkaPartition *partition)
{
	partition->has_failed = false;
	cq_kafka_event_add(consumer, CQ_SOURCE_UP, partition, "");
}

/*
 * librdkafka tells some errors of a partition to the handle, and names the partition in the text
 * only.
 */
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

/* What statistics say of a topic; the name is not terminated. */
void
cq_kafka_event_note_topic(CqKafkaClient *client, const char *name, size_t length, int npartitions)
{
	dlist_iter	iter;

	dlist_foreach(iter, &client->readers)
	{
		CqKafkaConsumer *consumer = dlist_container(CqKafkaConsumer, node, iter.cur);

		for (int i = 0; i < consumer->ntopics; i++)
		{
			CqKafkaTopic *topic = &consumer->topics[i];

			if (strncmp(topic->name, name, length) == 0 && topic->name[length] == '\0')
				topic->nseen = npartitions;
		}
	}
}

/* Hands what was noted about partitions to those who read them: how much that was. */
static int
take_troubles(CqKafkaClient *client)
{
	CqKafkaNotes *notes = &client->notes;
	int			ntroubles = notes->ntroubles;
	dlist_iter	iter;

	notes->ntroubles = 0;
	if (ntroubles == 0)
		return 0;
	dlist_foreach(iter, &client->readers)
	{
		CqKafkaConsumer *consumer = dlist_container(CqKafkaConsumer, node, iter.cur);

		for (int i = 0; i < ntroubles; i++)
		{
			CqKafkaPartition *partition = find_by_text(consumer, notes->troubles[i].text);

			if (partition != NULL && !partition->is_stopped)
				note_trouble(consumer, partition, notes->troubles[i].error,
							 notes->troubles[i].text);
		}
	}
	return ntroubles;
}

/*
 * Looks at what the client has to say. Raises ERROR in a statement that has nothing to go on with.
 */
void
cq_kafka_event_note_client(CqKafkaConsumer *consumer)
{
	CqKafkaNotes *notes = &consumer->client->notes;

	do
		cq_kafka_client_poll(consumer->client);
	while (take_troubles(consumer->client) == CQ_KAFKA_TROUBLES);
	cq_kafka_pool_tend();
	if (consumer->is_bounded && cq_kafka_client_is_silent(consumer->client))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg("could not read from Kafka: %s", SILENCE)));
	if (consumer->is_bounded && consumer->nslices == 0 && (notes->is_down || notes->has_failed))
		cq_kafka_client_raise_down(consumer->client);
}

/* Does some topic have more partitions than are read of it? */
static bool
lacks_partitions(const CqKafkaConsumer *consumer)
{
	for (int i = 0; i < consumer->ntopics; i++)
	{
		const CqKafkaTopic *topic = &consumer->topics[i];
		int			nread = 0;

		for (int j = 0; j < topic->npartitions; j++)
			nread += topic->partitions[j] != NULL;
		if (topic->nseen > nread)
			return true;
	}
	return false;
}

static bool
partitions_were_added(const CqKafkaConsumer *consumer, int npartitions)
{
	Oid			stream = consumer->stream;
	KnownPartitions *known;
	bool		found;
	bool		were_added;

	if (known_partitions == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(Oid), .entrysize = sizeof(KnownPartitions)};

		known_partitions = hash_create("cq partitions of streams", 16, &control,
									   HASH_ELEM | HASH_BLOBS);
	}
	/*
	 * Where all are read nobody has to ask for them, which would take long while a leader is away.
	 */
	if (!lacks_partitions(consumer))
	{
		hash_search(known_partitions, &stream, HASH_REMOVE, NULL);
		return false;
	}
	known = hash_search(known_partitions, &stream, HASH_ENTER, &found);
	/*
	 * When first seen in this process they are news too: some may have come since the caller last
	 * asked.
	 */
	were_added = !found || npartitions > known->npartitions;
	known->npartitions = npartitions;
	return were_added;
}

/* The partitions that the topics have, as far as is known; -1 nothing is known yet. */
static int
count_seen(const CqKafkaConsumer *consumer)
{
	int			nseen = -1;

	for (int i = 0; i < consumer->ntopics; i++)
		if (consumer->topics[i].nseen >= 0)
			nseen = Max(nseen, 0) + consumer->topics[i].nseen;
	return nseen;
}

/* How often somebody is to look whether more topics match: as the library looks for partitions. */
static int64
find_topic_interval(const CqSourceConfig *config)
{
	int64		milliseconds = DEFAULT_INTERVAL_MS;
	ListCell   *cell;

	foreach(cell, config->properties)
	{
		DefElem    *property = lfirst_node(DefElem, cell);

		if (strcmp(property->defname, "topic.metadata.refresh.interval.ms") == 0)
			milliseconds = strtol(defGetString(property), NULL, 10);
	}
	return (milliseconds > 0 ? milliseconds : DEFAULT_INTERVAL_MS) * 1000;
}

/* More of them may match the pattern: whoever settles partitions finds out. */
static void
look_for_topics(CqKafkaConsumer *consumer)
{
	TimestampTz now;

	if (!consumer->has_pattern || consumer->is_bounded)
		return;
	if (consumer->topic_interval == 0)
		consumer->topic_interval = find_topic_interval(&consumer->config);
	now = cq_clock_real_monotonic();
	if (now - consumer->topics_looked_at < consumer->topic_interval)
		return;
	consumer->topics_looked_at = now;
	cq_kafka_event_add(consumer, CQ_SOURCE_PARTITIONS, NULL, "");
}

/* Turns what has changed since the last time into events. */
static void
gather_events(CqKafkaConsumer *consumer)
{
	const CqKafkaNotes *notes = &consumer->client->notes;
	char		lack[CQ_KAFKA_TEXT_LENGTH];
	int			nseen = count_seen(consumer);

	if (notes->has_failed && !consumer->had_failed)
		cq_kafka_event_add(consumer, CQ_SOURCE_FAILED, NULL, notes->failure);
	if (notes->is_down && !consumer->was_down)
	{
		/* Then it is not the brokers' fault. */
		if (!cq_kafka_client_lacks_descriptors(lack, sizeof(lack)))
			strlcpy(lack, notes->last_error[0] != '\0' ? notes->last_error :
					"no broker can be reached", sizeof(lack));
		cq_kafka_event_add(consumer, CQ_SOURCE_DOWN, NULL, lack);
	}
	if (cq_kafka_client_is_silent(consumer->client) && !consumer->was_silent)
	{
		consumer->was_silent = true;
		cq_kafka_event_add(consumer, CQ_SOURCE_FAILED, NULL, SILENCE);
	}
	if (!notes->is_down && !notes->has_failed && (consumer->was_down || consumer->had_failed))
		cq_kafka_event_add(consumer, CQ_SOURCE_UP, NULL, "");
	consumer->was_down = notes->is_down;
	consumer->had_failed = notes->has_failed;

	if (nseen != consumer->npartitions_seen)
	{
		consumer->npartitions_seen = nseen;
		if (partitions_were_added(consumer, nseen))
			cq_kafka_event_add(consumer, CQ_SOURCE_PARTITIONS, NULL, "");
	}
	look_for_topics(consumer);
	cq_kafka_gap_settle(consumer);
}

/* See CqSourceRoutine.poll_event. Waits for nobody. */
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
