/*
 * kafka_pool.c
 *		Clients that are shared: see kafka_pool.h.
 *
 *		join ──► a client with the same properties, and none of the reader's partitions? ──► use it
 *		         none ──► a new one
 *		leave ─► the last one? ──► the client is closed
 *		         else its partitions are stopped, by a thread (kafka_closer.h); until that is done
 *		they count as being read
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
#include "lib/stringinfo.h"
#include "postmaster/bgworker.h"
#include "source/kafka_closer.h"
#include "source/kafka_pool.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* How long to wait for a partition that another reader is just leaving. */
#define LEAVING_MS 200

typedef struct CqKafkaPlace
{
	char	   *topic;
	int32		partition;
	CqKafkaConsumer *reader;	/* NULL: it has left */
	uint64		closing;		/* then: the remains that it has left */
} CqKafkaPlace;

#define ASKER_IDLE_MS 5000		/* after which it is closed */

static List *pool = NIL;		/* of CqKafkaClient * that read, in TopMemoryContext */
static CqKafkaClient *asker = NULL; /* of a worker, that asks */
static TimestampTz asked_at;

static CqKafkaRemains *let_go(void *owner);

/* ---- what can be shared ---- */

static char *
make_key(const CqSourceConfig *config)
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

static void
forget_place(CqKafkaClient *client, CqKafkaPlace *place)
{
	client->places = list_delete_ptr(client->places, place);
	pfree(place->topic);
	pfree(place);
}

/* Is none of these partitions being read? One that does not stop spoils the client. */
static bool
has_room_for(CqKafkaClient *client, const CqPosition *positions, int npositions)
{
	for (int i = 0; i < npositions; i++)
	{
		CqKafkaPlace *place = find_place(client, &positions[i]);

		if (place == NULL)
			continue;
		if (place->reader != NULL)
			return false;
		if (!cq_kafka_closer_await(place->closing, LEAVING_MS))
		{
			client->is_spoiled = true;
			return false;
		}
		forget_place(client, place);
	}
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
	char	   *key = make_key(config);
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
		place->reader = reader;
		client->places = lappend(client->places, place);
	}
	MemoryContextSwitchTo(caller);
	client->npartitions += npositions;
	dlist_push_tail(&client->readers, &reader->node);
	client->nusers++;
	return client;
}

/* ---- asking ---- */

static void
drop_asker(void)
{
	CqKafkaClient *client = asker;

	asker = NULL;
	cq_kafka_pool_leave(client, NULL);
}

CqKafkaClient *
cq_kafka_pool_borrow(const CqSourceConfig *config)
{
	char	   *key;

	if (MyBgworkerEntry == NULL)
		return NULL;
	cq_kafka_pool_tend();
	key = make_key(config);
	if (asker != NULL && (asker->is_spoiled || strcmp(asker->key, key) != 0))
		drop_asker();
	if (asker == NULL)
	{
		asker = open_client(config, key, CQ_KAFKA_INQUIRER, 0);
		asker->nusers = 1;		/* who keeps it */
	}
	pfree(key);
	cq_kafka_client_rename(asker, config->stream_name);
	asker->notes.is_down = false;
	asker->nusers++;
	asked_at = GetCurrentTimestamp();
	return asker;
}

void
cq_kafka_pool_tend(void)
{
	if (asker != NULL && asker->nusers == 1 &&
		TimestampDifferenceExceeds(asked_at, GetCurrentTimestamp(), ASKER_IDLE_MS))
		drop_asker();
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

/* A partition that has failed keeps its place, and is given to nobody: the client is spoiled. */
static void
leave_places(CqKafkaClient *client, CqKafkaConsumer *reader, uint64 closing)
{
	ListCell   *cell;

	foreach(cell, client->places)
	{
		CqKafkaPlace *place = lfirst(cell);

		if (place->reader != reader)
			continue;
		place->reader = NULL;
		place->closing = closing;
	}
	client->npartitions -= reader->npartitions;
}

void
cq_kafka_pool_leave(CqKafkaClient *client, CqKafkaConsumer *reader)
{
	bool		is_last = --client->nusers == 0;

	/* At the process's end clients go first. */
	if (client->rk == NULL)
		return;
	if (reader != NULL)
		leave_places(client, reader, take_apart(client, reader, is_last));
	if (!is_last)
		return;
	pool = list_delete_ptr(pool, client);
	MemoryContextDelete(client->context);
}
