/*
 * kafka_pool.c
 *		Clients that are shared: see kafka_pool.h.
 *
 *		join ──► a client with the same properties, and none of the reader's partitions? ──► use it
 *		         none ──► a new one
 *		leave ─► the last one? ──► the client is closed
 *		         else its partitions are stopped, by a thread (kafka_closer.h)
 *
 * A partition is started once in the life of a client. librdkafka would take it again after it was
 * stopped, but then some stayed silent for good: whoever reads it next has another client.
 *
 * A reader that leaves with a partition that had failed (there is no such partition any more) is
 * not taken apart: librdkafka then sometimes destroys what its threads still hold, and waits for
 * ever. The partition stays as it is, nobody else joins the client, and it goes with the client's
 * other readers.
 *
 * Questions have a client of their own, which is kept for a moment, since many come together: a
 * broker answers what comes through one connection in its order, and a reader's connection mostly
 * waits for messages.
 *
 * Queues: a partition's share of QUEUES_KB is settled when the client is made, so another one is
 * made when there are twice as many partitions. Then all queues together stay within a few times
 * that, and the first streams, which had large queues, keep them.
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "common/clock.h"
#include "lib/stringinfo.h"
#include "postmaster/bgworker.h"
#include "source/kafka_closer.h"
#include "source/kafka_pool.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* A partition that is or has been read by a client. */
typedef struct CqKafkaPlace
{
	char	   *topic;
	int32		partition;
} CqKafkaPlace;

#define ASKER_IDLE_MS 5000		/* after which one is closed */

static List *pool = NIL;		/* of CqKafkaClient * that read, in TopMemoryContext */
static List *askers = NIL;		/* of CqKafkaClient * of a worker, that ask; there too */

static CqKafkaRemains *let_go(void *owner);

/* ---- what can be shared ---- */

char *
cq_kafka_pool_key(const CqSourceConfig *config)
{
	StringInfoData key;
	ListCell   *cell;

	initStringInfo(&key);
	foreach(cell, config->properties)
	{
		DefElem    *property = lfirst(cell);

		appendStringInfo(&key, "%s=%s\n", cq_kafka_property_name(property->defname),
						 defGetString(property));
	}
	return key.data;
}

static CqKafkaPlace *
find_place(const CqKafkaClient *client, const CqPosition *position)
{
	ListCell   *cell;

	foreach(cell, client->places)
	{
		CqKafkaPlace *place = lfirst(cell);

		if (place->partition == position->partition && strcmp(place->topic, position->topic) == 0)
			return place;
	}
	return NULL;
}

/* Has none of these partitions been read by it? Started again, one may stay silent. */
static bool
has_room_for(CqKafkaClient *client, const CqPosition *positions, int npositions)
{
	for (int i = 0; i < npositions; i++)
		if (find_place(client, &positions[i]) != NULL)
			return false;
	return true;
}

/* Of all shared clients of this process. */
static int
count_partitions(void)
{
	int			n = 0;
	ListCell   *cell;

	foreach(cell, pool)
		n += ((CqKafkaClient *) lfirst(cell))->npartitions;
	return n;
}

static bool
is_usable(CqKafkaClient *client, const char *key)
{
	return !client->is_spoiled && !cq_kafka_client_is_silent(client) &&
		strcmp(client->key, key) == 0;
}

/* ---- joining ---- */

static CqKafkaClient *
open_client(const CqSourceConfig *config, const char *key, CqKafkaRole role, int npartitions)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "cq kafka client",
												  ALLOCSET_SMALL_SIZES);
	rd_kafka_conf_t *conf = cq_kafka_conf_build(config, role, npartitions);
	CqKafkaClient *client = cq_kafka_client_open(config, role, context, conf);

	client->key = MemoryContextStrdup(context, key);
	client->let_go = let_go;
	client->owner = client;
	client->capacity = npartitions;
	MemoryContextSetParent(context, TopMemoryContext);
	return client;
}

static CqKafkaClient *
find_client(const char *key, const CqPosition *positions, int npositions)
{
	int			total = count_partitions() + npositions;
	ListCell   *cell;

	foreach(cell, pool)
	{
		CqKafkaClient *client = lfirst(cell);

		if (is_usable(client, key) && total <= 2 * client->capacity &&
			has_room_for(client, positions, npositions))
			return client;
	}
	return NULL;
}

/* A statement's reader has small queues, and does not last: it shares with nobody. */
CqKafkaClient *
cq_kafka_pool_join(const CqSourceConfig *config, CqKafkaConsumer *reader,
				   const CqPosition *positions, int npositions)
{
	char	   *key = cq_kafka_pool_key(config);
	CqKafkaClient *client = config->bounded ? NULL : find_client(key, positions, npositions);
	MemoryContext caller;

	if (client == NULL)
	{
		client = open_client(config, key, CQ_KAFKA_READER,
							 config->bounded ? npositions : count_partitions() + npositions);
		client->is_spoiled = config->bounded;
		caller = MemoryContextSwitchTo(TopMemoryContext);
		pool = lappend(pool, client);
		MemoryContextSwitchTo(caller);
	}
	pfree(key);
	caller = MemoryContextSwitchTo(client->context);
	for (int i = 0; i < npositions; i++)
	{
		CqKafkaPlace *place = palloc0(sizeof(CqKafkaPlace));

		place->topic = pstrdup(positions[i].topic);
		place->partition = positions[i].partition;
		client->places = lappend(client->places, place);
	}
	MemoryContextSwitchTo(caller);
	client->npartitions += npositions;
	dlist_push_tail(&client->readers, &reader->node);
	client->nusers++;
	return client;
}

/* ---- asking ---- */

static bool
is_idle(const CqKafkaClient *asker, TimestampTz now)
{
	return asker->nusers == 1 &&
		(asker->is_spoiled || TimestampDifferenceExceeds(asker->asked_at, now, ASKER_IDLE_MS));
}

void
cq_kafka_pool_tend(void)
{
	TimestampTz now;
	ListCell   *cell;

	if (askers == NIL)
		return;
	now = cq_clock_real_monotonic();
	foreach(cell, askers)
	{
		CqKafkaClient *asker = lfirst(cell);

		if (!is_idle(asker, now))
			continue;
		askers = foreach_delete_current(askers, cell);
		cq_kafka_pool_leave(asker, NULL);
	}
}

static CqKafkaClient *
find_asker(const char *key)
{
	ListCell   *cell;

	foreach(cell, askers)
	{
		CqKafkaClient *asker = lfirst(cell);

		if (!asker->is_spoiled && strcmp(asker->key, key) == 0)
			return asker;
	}
	return NULL;
}

CqKafkaClient *
cq_kafka_pool_borrow(const CqSourceConfig *config)
{
	CqKafkaClient *asker;
	char	   *key;

	if (MyBgworkerEntry == NULL)
		return NULL;
	cq_kafka_pool_tend();
	key = cq_kafka_pool_key(config);
	asker = find_asker(key);
	if (asker == NULL)
	{
		MemoryContext caller;

		asker = open_client(config, key, CQ_KAFKA_INQUIRER, 0);
		asker->nusers = 1;		/* who keeps it */
		caller = MemoryContextSwitchTo(TopMemoryContext);
		askers = lappend(askers, asker);
		MemoryContextSwitchTo(caller);
	}
	pfree(key);
	cq_kafka_client_rename(asker, config->stream_name);
	asker->notes.is_down = false;
	asker->nusers++;
	asker->asked_at = cq_clock_real_monotonic();
	return asker;
}

/* ---- leaving ---- */

static bool
has_failed(const CqKafkaTopic *topic)
{
	/* Opening it may itself have failed: there are no partitions then. */
	for (int i = 0; topic->partitions != NULL && i < topic->npartitions; i++)
		if (topic->partitions[i] != NULL && topic->partitions[i]->has_failed)
			return true;
	return false;
}

/* Partitions of a topic are stopped only where the client goes on: they end with it. */
static void
take_topic_apart(CqKafkaClient *client, CqKafkaTopic *topic, bool is_end, CqKafkaRemains *remains)
{
	if (!is_end && has_failed(topic))
	{
		client->is_spoiled = true;
		client->leftovers = lappend(client->leftovers, topic->handle);
		return;
	}
	for (int i = 0; !is_end && topic->partitions != NULL && i < topic->npartitions; i++)
		if (topic->partitions[i] != NULL && topic->partitions[i]->is_started)
			remains->stops[remains->nstops++] = (CqKafkaStop) {topic->handle, i};
	remains->topics[remains->ntopics++] = topic->handle;
}

/*
 * Hands over all that a reader has; the id of that. Where there is no memory for it, nobody can use
 * the client any more.
 */
static uint64
take_apart(CqKafkaClient *client, CqKafkaConsumer *reader, bool is_end)
{
	int			nmessages = reader->nmessages + reader->chunk_end - reader->chunk_next;
	CqKafkaRemains *remains = cq_kafka_closer_prepare(client->rk, reader->npartitions, nmessages,
													  reader->ntopics);
	MemoryContext caller;

	dlist_delete(&reader->node);
	if (remains == NULL)
	{
		client->is_spoiled = true;
		return 0;
	}
	caller = MemoryContextSwitchTo(client->context);
	for (int i = 0; i < reader->nmessages; i++)
		remains->messages[remains->nmessages++] = reader->messages[i].origin;
	while (reader->chunk_next < reader->chunk_end)
		remains->messages[remains->nmessages++] = reader->chunk[reader->chunk_next++];
	for (int i = 0; i < reader->ntopics; i++)
		take_topic_apart(client, &reader->topics[i], is_end, remains);
	remains->queues[0] = reader->queue;
	MemoryContextSwitchTo(caller);
	return cq_kafka_closer_take(remains);
}

static CqKafkaRemains *
let_go(void *owner)
{
	CqKafkaClient *client = owner;
	CqKafkaRemains *remains;
	ListCell   *cell;

	/* At the process's end there are readers still. */
	while (!dlist_is_empty(&client->readers))
		(void) take_apart(client, dlist_head_element(CqKafkaConsumer, node, &client->readers),
						  true);
	remains = cq_kafka_closer_prepare(client->rk, 0, 0, list_length(client->leftovers));
	foreach(cell, client->leftovers)
		if (remains != NULL)
			remains->topics[remains->ntopics++] = lfirst(cell);
	return remains;
}

void
cq_kafka_pool_leave(CqKafkaClient *client, CqKafkaConsumer *reader)
{
	bool		is_last = --client->nusers == 0;

	/* At the process's end clients go first. */
	if (client->rk == NULL)
		return;
	if (reader != NULL)
	{
		(void) take_apart(client, reader, is_last);
		client->npartitions -= reader->npartitions;
	}
	if (!is_last)
		return;
	pool = list_delete_ptr(pool, client);
	MemoryContextDelete(client->context);
}
