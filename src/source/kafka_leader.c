/*
 * kafka_leader.c
 *		Which partitions cannot be read since their leader is away, though other brokers are there.
 *
 * librdkafka's statistics name the leader of each partition and the state of each broker, as far as
 * it knows without asking. What is away is noted anew with each of them: as a rule nothing. Callbacks
 * run within librdkafka, so nothing here allocates from the server or raises an error.
 */
#include "postgres.h"

#include "source/kafka.h"

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
note_away(CqKafkaNotes *notes, const char *topic, int32 partition, int32 leader)
{
	CqKafkaAway *away;

	if (notes->naway == CQ_KAFKA_AWAY)
		return;
	away = &notes->away[notes->naway++];
	strlcpy(away->topic, topic, Min(strcspn(topic, "\"") + 1, sizeof(away->topic)));
	away->partition = partition;
	away->leader = leader;
}

/* Takes note of what the statistics say, which librdkafka documents as JSON. */
void
cq_kafka_leader_note(CqKafkaNotes *notes, const char *json)
{
	static const char topic[] = "\"topic\":\"";
	static const char partition[] = "\"partition\":";
	static const char read[] = "\"desired\":true";
	const char *brokers = strstr(json, "\"brokers\":");
	const char *topics = strstr(json, "\"topics\":");
	const char *name = topics;

	notes->naway = 0;
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
				note_away(notes, name, number, leader);
		}
	}
}

bool
cq_kafka_leader_is_away(const CqKafkaNotes *notes, const char *topic, int32 partition, char *text,
						Size size)
{
	for (int i = 0; i < notes->naway; i++)
	{
		const CqKafkaAway *away = &notes->away[i];

		if (away->partition != partition || strcmp(away->topic, topic) != 0)
			continue;
		if (away->leader < 0)
			snprintf(text, size, "it has no leader");
		else
			snprintf(text, size, "its leader, broker %d, cannot be reached", away->leader);
		return true;
	}
	if (notes->naway < CQ_KAFKA_AWAY)
		return false;
	snprintf(text, size, "the leaders of many partitions cannot be reached");
	return true;
}
