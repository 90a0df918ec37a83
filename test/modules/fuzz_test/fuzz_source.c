/*
 * fuzz_source.c
 *		A source that hands out messages which a test has made, in place of Kafka.
 */
#include "postgres.h"

#include "fuzz_test.h"

static CqMessage *next_messages;
static int	nnext;
static CqSlice slice = {.topic = "fuzz", .partition = 0};

void
fuzz_source_set(CqMessage *messages, int nmessages)
{
	next_messages = messages;
	nnext = nmessages;
}

static CqSource *
open_source(const CqSourceConfig *config, const CqPosition *positions, int npositions)
{
	CqSource   *source = palloc0(sizeof(CqSource));

	source->routine = &cq_kafka_source;
	return source;
}

static bool
fetch(CqSource *source, CqFetch *fetched, int max_messages, Size max_bytes, int timeout_ms)
{
	memset(fetched, 0, sizeof(CqFetch));
	fetched->messages = next_messages;
	fetched->nmessages = nnext;
	fetched->slices = &slice;
	fetched->nslices = 1;
	return nnext > 0;
}

static void
release(CqSource *source, CqFetch *fetched)
{
	memset(fetched, 0, sizeof(CqFetch));
}

static bool
headers(CqSource *source, const CqMessage *message, Datum *headers)
{
	return false;
}

const CqSourceRoutine cq_kafka_source = {
	.name = "cq_kafka",
	.open = open_source,
	.fetch = fetch,
	.release = release,
	.headers = headers,
};

void
cq_kafka_source_init(void)
{
}
