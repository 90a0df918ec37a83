/*
 * kafka_leader.c
 *		Which partitions cannot be read since their leader is away, though other brokers are there.
 *
 * librdkafka's statistics name the leader of each partition and the state of each broker, as far as
 * it knows without asking. They are of all that a client reads: what they say of a partition is
 * noted where it is read, anew with each of them. Callbacks run within librdkafka, so nothing here
 * allocates from the server or raises an error.
 */
#include "postgres.h"

#include "source/kafka_consumer.h"

/* The number behind a name, from there on; -1 where there is none. */
static int32
number_after(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at != NULL ? atoi(at + strlen(name)) : -1;
}

/* Is the broker with that number connected? topics: where the brokers end. */
static bool
is_up(const char *brokers, const char *topics, int32 number)
{
	static const char node[] = "\"nodeid\":";
	static const char state[] = "\"state\":";

	for (const char *at = brokers; (at = strstr(at, node)) != NULL && at < topics;)
	{
		const char *found;

		at += strlen(node);
		if (atoi(at) != number)
			continue;
		found = strstr(at, state);
		return found != NULL && strncmp(found + strlen(state), "\"UP\"", 4) == 0;
	}
	return false;
}

static void
forget_away(CqKafkaClient *client)
{
	dlist_iter	iter;

	dlist_foreach(iter, &client->readers)
	{
		CqKafkaConsumer *consumer = dlist_container(CqKafkaConsumer, node, iter.cur);

		for (int i = 0; i < consumer->npartitions; i++)
			consumer->partitions[i].is_away = false;
	}
}

/* The name is not terminated. */
static void
note_away(CqKafkaClient *client, const char *name, size_t length, int32 partition, int32 leader)
{
	dlist_iter	iter;

	dlist_foreach(iter, &client->readers)
	{
		CqKafkaConsumer *consumer = dlist_container(CqKafkaConsumer, node, iter.cur);

		for (int i = 0; i < consumer->ntopics; i++)
		{
			CqKafkaTopic *topic = &consumer->topics[i];

			if (partition >= topic->npartitions || topic->partitions[partition] == NULL ||
				strncmp(topic->name, name, length) != 0 || topic->name[length] != '\0')
				continue;
			topic->partitions[partition]->is_away = true;
			topic->partitions[partition]->leader = leader;
		}
	}
}

/* Takes note of what the statistics say, which librdkafka documents as JSON. */
void
cq_kafka_leader_note(CqKafkaClient *client, const char *json)
{
	static const char topic[] = "\"topic\":\"";
	static const char partition[] = "\"partition\":";
	static const char read[] = "\"desired\":true";
	const char *brokers = strstr(json, "\"brokers\":");
	const char *topics = strstr(json, "\"topics\":");
	const char *name = topics;

	forget_away(client);
	if (brokers == NULL || topics == NULL)
		return;
	while ((name = strstr(name, topic)) != NULL)
	{
		const char *next;

		name += strlen(topic);
		next = strstr(name, topic);
		for (const char *at = name; (at = strstr(at, partition)) != NULL && (next == NULL || at < next);)
		{
			int32		number = atoi(at += strlen(partition));
			int32		leader = number_after(at, "\"leader\":");
			const char *end = strstr(at, partition);
			const char *is_read = strstr(at, read);

			if (number >= 0 && is_read != NULL && (end == NULL || is_read < end) &&
				(leader < 0 || !is_up(brokers, topics, leader)))
				note_away(client, name, strcspn(name, "\""), number, leader);
		}
	}
}

/* Why a partition that is away cannot be read. */
void
cq_kafka_leader_name(const CqKafkaPartition *partition, char *text, Size size)
{
	if (partition->leader < 0)
		snprintf(text, size, "it has no leader");
	else
		snprintf(text, size, "its leader, broker %d, cannot be reached", partition->leader);
}
