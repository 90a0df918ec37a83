/*
 * kafka_statistics.c
 *		What librdkafka's statistics say, read once from beginning to end.
 *
 * They are JSON, as librdkafka documents it, and tell of all that a client reads what librdkafka
 * knows already, so that nothing waits for a broker:
 *
 *		brokers.NAME	nodeid, state: whether it is connected
 *		topics.NAME.partitions.NUMBER	partition, leader, desired: whether it is being read
 *
 * Brokers come first. Callbacks run within librdkafka, so nothing here allocates from the server or
 * raises an error; what cannot be understood is left out.
 */
#include "postgres.h"

#include "common/clock.h"
#include "source/kafka_consumer.h"
#include "utils/timestamp.h"

#define DEEPEST 16				/* objects in objects; there are five */
#define NAMED 5					/* so far down names are kept */

typedef struct Text
{
	const char *start;			/* not terminated */
	size_t		length;
} Text;

typedef struct Statistics
{
	CqKafkaClient *client;
	const char *at;
	int			depth;			/* of the value at hand, 0 of the whole */
	Text		names[NAMED];	/* on the way to it */

	int32	   *connected;		/* numbers of brokers */
	int			nconnected;
	int			capacity;
	bool		is_complete;	/* there was memory for all of them */
	bool		is_connected;	/* with some broker */

	/* Of the broker, the topic, and the partition at hand. */
	int32		node;
	bool		is_up;
	int			npartitions;
	int32		partition;
	int32		leader;
	bool		is_read;
} Statistics;

/* ---- what it says ---- */

static bool
equals(Text text, const char *string)
{
	return strlen(string) == text.length && strncmp(text.start, string, text.length) == 0;
}

static bool
is_within(const Statistics *scan, int depth, const char *name)
{
	return scan->depth == depth && equals(scan->names[0], name);
}

static bool
is_partition(const Statistics *scan, int depth)
{
	return is_within(scan, depth, "topics") && equals(scan->names[2], "partitions");
}

static void
note_broker(Statistics *scan)
{
	if (!scan->is_up)
		return;
	scan->is_connected = true;
	if (scan->nconnected == scan->capacity)
	{
		int			capacity = Max(scan->capacity * 2, 16);
		int32	   *larger = realloc(scan->connected, sizeof(int32) * capacity);

		if (larger == NULL)
		{
			scan->is_complete = false;
			return;
		}
		scan->connected = larger;
		scan->capacity = capacity;
	}
	scan->connected[scan->nconnected++] = scan->node;
}

static bool
is_reached(const Statistics *scan, int32 node)
{
	for (int i = 0; i < scan->nconnected; i++)
		if (scan->connected[i] == node)
			return true;
	return !scan->is_complete;
}

static void
note_partition(Statistics *scan)
{
	/* -1 stands for messages without a partition. */
	if (scan->partition < 0)
		return;
	scan->npartitions++;
	if (scan->is_read && (scan->leader < 0 || !is_reached(scan, scan->leader)))
		cq_kafka_leader_note_away(scan->client, scan->names[1].start, scan->names[1].length,
								  scan->partition, scan->leader);
}

static void
begin_object(Statistics *scan)
{
	if (is_within(scan, 2, "brokers"))
	{
		scan->node = -1;
		scan->is_up = false;
	}
	else if (is_within(scan, 2, "topics"))
		scan->npartitions = 0;
	else if (is_partition(scan, 4))
	{
		scan->partition = scan->leader = -1;
		scan->is_read = false;
	}
}

static void
end_object(Statistics *scan)
{
	CqKafkaClient *client = scan->client;

	if (is_within(scan, 2, "brokers"))
		note_broker(scan);
	else if (is_partition(scan, 4))
		note_partition(scan);
	/* Without a broker the cache holds no more than what is being read. */
	else if (is_within(scan, 2, "topics") && scan->is_connected && client->note_topic != NULL)
		client->note_topic(client, scan->names[1].start, scan->names[1].length,
						   scan->npartitions);
}

static void
note_scalar(Statistics *scan, Text value)
{
	Text		name = scan->depth > 0 && scan->depth <= NAMED ? scan->names[scan->depth - 1] :
		(Text) {"", 0};

	if (is_within(scan, 3, "brokers"))
	{
		if (equals(name, "nodeid"))
			scan->node = atoi(value.start);
		else if (equals(name, "state"))
			scan->is_up = equals(value, "UP");
	}
	else if (is_partition(scan, 5))
	{
		if (equals(name, "partition"))
			scan->partition = atoi(value.start);
		else if (equals(name, "leader"))
			scan->leader = atoi(value.start);
		else if (equals(name, "desired"))
			scan->is_read = equals(value, "true");
	}
}

/* ---- reading JSON ---- */

static bool scan_value(Statistics *scan);

static bool
skip(Statistics *scan, char wanted)
{
	scan->at += strspn(scan->at, " \t\r\n");
	if (*scan->at != wanted)
		return false;
	scan->at++;
	return true;
}

/* What is between the quotes, as it stands there. */
static bool
scan_string(Statistics *scan, Text *text)
{
	if (!skip(scan, '"'))
		return false;
	text->start = scan->at;
	for (; *scan->at != '"'; scan->at++)
	{
		if (*scan->at == '\\')
			scan->at++;
		if (*scan->at == '\0')
			return false;
	}
	text->length = scan->at++ - text->start;
	return true;
}

static bool
scan_member(Statistics *scan)
{
	Text		name;

	if (!scan_string(scan, &name) || !skip(scan, ':'))
		return false;
	if (scan->depth <= NAMED)
		scan->names[scan->depth - 1] = name;
	return scan_value(scan);
}

static bool
scan_object(Statistics *scan)
{
	if (scan->depth >= DEEPEST)
		return false;
	begin_object(scan);
	scan->depth++;
	if (!skip(scan, '}'))
	{
		do
			if (!scan_member(scan))
				return false;
		while (skip(scan, ','));
		if (!skip(scan, '}'))
			return false;
	}
	scan->depth--;
	end_object(scan);
	return true;
}

/* What is in there has no name. */
static bool
scan_array(Statistics *scan)
{
	if (scan->depth >= DEEPEST)
		return false;
	if (scan->depth++ < NAMED)
		scan->names[scan->depth - 1] = (Text) {"", 0};
	if (!skip(scan, ']'))
	{
		do
			if (!scan_value(scan))
				return false;
		while (skip(scan, ','));
		if (!skip(scan, ']'))
			return false;
	}
	scan->depth--;
	return true;
}

static bool
scan_value(Statistics *scan)
{
	Text		value;

	if (skip(scan, '{'))
		return scan_object(scan);
	if (skip(scan, '['))
		return scan_array(scan);
	if (*scan->at == '"')
	{
		if (!scan_string(scan, &value))
			return false;
	}
	else
	{
		value.start = scan->at;
		value.length = strcspn(scan->at, ",}] \t\r\n");
		scan->at += value.length;
		if (value.length == 0)
			return false;
	}
	note_scalar(scan, value);
	return true;
}

/*
 * The callback. Before the brokers there is the client's id, which a user may have given quotes
 * that librdkafka leaves as they are.
 */
int
cq_kafka_statistics_note(rd_kafka_t *rk, char *json, size_t length, void *opaque)
{
	CqKafkaClient *client = opaque;
	Statistics	scan = {.client = client, .depth = 1, .is_complete = true};

	client->heard_at = cq_clock_real_monotonic();
	cq_kafka_leader_forget_away(client);
	scan.at = strstr(json, "\"brokers\":");
	while (scan.at != NULL && scan_member(&scan) && skip(&scan, ','))
		;
	free(scan.connected);
	if (scan.is_connected)
	{
		client->notes.is_down = false;
		client->notes.has_failed = false;
	}
	return 0;
}
