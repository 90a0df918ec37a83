/*
 * pace.c
 *		How many messages of a stream are decoded in time: see pace.h.
 *
 * Input functions, domains' checks and generated columns may take as long as they like. Where a
 * batch has taken longer than cq.view_timeout, the stream is read in smaller ones, down to single
 * messages; and in larger ones again once those messages are done, and these quick. This is known
 * to one process alone, and only as long as it matters.
 */
#include "postgres.h"

#include "common/clock.h"
#include "common/guc.h"
#include "exec/pace.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define DIVISOR		100			/* so many times fewer after what took too long */
#define QUICK_US	50000
#define KEPT_US		(10 * 60 * USECS_PER_SEC)	/* since the stream was last decoded here */

typedef struct Pace
{
	Oid			stream;			/* hash key */
	int			limit;
	int			nsuspects;		/* the messages among which is what took too long, if it is one */
	TimestampTz noted_at;
} Pace;

static HTAB *paces = NULL;		/* NULL: none was needed so far */

static Pace *
find_pace(Oid stream)
{
	return paces != NULL ? hash_search(paces, &stream, HASH_FIND, NULL) : NULL;
}

int
cq_pace_limit(Oid stream)
{
	const Pace *pace = find_pace(stream);

	return pace != NULL ? pace->limit : 0;
}

void
cq_pace_slow_down(Oid stream, int nrows)
{
	Pace	   *pace;

	if (paces == NULL)
	{
		HASHCTL		control = {
			.keysize = sizeof(Oid), .entrysize = sizeof(Pace), .hcxt = TopMemoryContext
		};

		paces = hash_create("pg_cq paces", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	pace = hash_search(paces, &stream, HASH_ENTER, NULL);
	pace->limit = Max(nrows / DIVISOR, 1);
	pace->nsuspects = nrows;
	pace->noted_at = cq_clock_real_monotonic();
}

void
cq_pace_note(Oid stream, int nrows, TimestampTz since)
{
	Pace	   *pace = find_pace(stream);

	if (pace == NULL)
		return;
	pace->noted_at = cq_clock_real_monotonic();
	pace->nsuspects -= Min(nrows, pace->nsuspects);
	if (pace->nsuspects > 0 || nrows < pace->limit || pace->noted_at - since > QUICK_US)
		return;
	if (pace->limit <= cq_batch_rows / 2)
		pace->limit *= 2;
	else
		hash_search(paces, &stream, HASH_REMOVE, NULL);
}

void
cq_pace_sweep(void)
{
	HASH_SEQ_STATUS scan;
	Pace	   *pace;
	TimestampTz now = cq_clock_real_monotonic();

	if (paces == NULL)
		return;
	hash_seq_init(&scan, paces);
	while ((pace = hash_seq_search(&scan)) != NULL)
	{
		if (now - pace->noted_at > KEPT_US)
			hash_search(paces, &pace->stream, HASH_REMOVE, NULL);
	}
}
