/*
 * kafka_kept.c
 *		Messages of Kafka that somebody has kept, as a source: they are fetched once, all together.
 */
#include "postgres.h"

#include "source/kafka.h"
#include "source/kafka_kept.h"

typedef struct KeptSource
{
	CqSource	base;
	CqKeptMessage *kept;
	int			nkept;
	bool		is_fetched;
} KeptSource;

CqSource *
cq_kafka_kept_open(CqKeptMessage *messages, int nmessages)
{
	KeptSource *source = palloc0(sizeof(KeptSource));

	source->base.routine = &cq_kafka_kept_source;
	source->kept = messages;
	source->nkept = nmessages;
	return &source->base;
}

/* Of messages of one partition those come one after the other. */
static int32
slice_of(CqFetch *fetch, const CqKeptMessage *kept)
{
	CqSlice    *last = fetch->nslices > 0 ? &fetch->slices[fetch->nslices - 1] : NULL;

	if (last == NULL || last->partition != kept->partition || strcmp(last->topic, kept->topic) != 0)
	{
		last = &fetch->slices[fetch->nslices++];
		*last = (CqSlice) {.topic = kept->topic, .partition = kept->partition,
						   .from = kept->message.offset, .end = -1};
	}
	last->next = kept->message.offset + 1;
	last->nmessages++;
	last->nbytes += kept->message.key_length + kept->message.value_length;
	return fetch->nslices - 1;
}

static bool
kept_fetch(CqSource *base, CqFetch *fetch, int max_messages, Size max_bytes, int timeout_ms)
{
	KeptSource *source = (KeptSource *) base;

	if (source->is_fetched || source->nkept == 0)
		return false;
	source->is_fetched = true;
	memset(fetch, 0, sizeof(CqFetch));
	fetch->messages = palloc(sizeof(CqMessage) * source->nkept);
	fetch->slices = palloc(sizeof(CqSlice) * source->nkept);
	for (int i = 0; i < source->nkept; i++)
	{
		CqMessage  *message = &fetch->messages[fetch->nmessages++];

		*message = source->kept[i].message;
		message->slice = slice_of(fetch, &source->kept[i]);
		message->origin = &source->kept[i];
	}
	return true;
}

static void
kept_release(CqSource *base, CqFetch *fetch)
{
	pfree(fetch->messages);
	pfree(fetch->slices);
}

static bool
kept_headers(CqSource *base, const CqMessage *message, Datum *headers)
{
	const CqKeptMessage *kept = message->origin;

	*headers = kept->headers;
	return kept->has_headers;
}

static bool
kept_header(const CqMessage *message, const char *name, const char **bytes, size_t *length)
{
	const CqKeptMessage *kept = message->origin;
	CqKafkaHeader *headers;
	int			nheaders = kept->has_headers ? cq_kafka_headers_parse(kept->headers, &headers) : 0;

	for (int i = 0; i < nheaders; i++)
	{
		if (strcmp(headers[i].key, name) != 0)
			continue;
		*bytes = headers[i].value;
		*length = headers[i].length;
		return headers[i].value != NULL;
	}
	return false;
}

static void
kept_close(CqSource *base)
{
	pfree(base);
}

const CqSourceRoutine cq_kafka_kept_source = {
	.name = "kept",
	.fetch_in_transaction = true,
	.fetch = kept_fetch,
	.release = kept_release,
	.headers = kept_headers,
	.header = kept_header,
	.close = kept_close,
};
