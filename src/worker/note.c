/*
 * note.c
 *		What the keeper writes into cq.events: when views begin to wait or to fail, and are over it;
 *		when workers were started again; when the clock was set.
 *
 * It looks as anybody would, at what cq.views says. What was not so a look before is not told yet,
 * so that what passes within a second is no event. Nothing is written while nothing changes, and
 * nobody waits for it; the more views there are, the more rarely it looks.
 */
#include "postgres.h"

#include <math.h>
#include <time.h>

#include "access/xact.h"
#include "catalog/event.h"
#include "catalog/identity.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "common/clock.h"
#include "common/guc.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "worker/note.h"
#include "worker/shared.h"

#define INTERVAL_US	USECS_PER_SEC
#define LONGEST_US	(10 * USECS_PER_SEC)
#define SHARE		30			/* of a processor's time, this takes one part in so many */
#define KEY_LENGTH	128
#define CLOCK_STEP_S	5			/* of the clock, that is no mere adjustment */

/* A view, and what is known of it. States are its status and why, without what only counts. */
typedef struct Noted
{
	Oid			view;			/* hash key */
	uint64		look;			/* the last at which it was there */
	char		seen[KEY_LENGTH];	/* as of the last look; empty: all is well */
	char		told[KEY_LENGTH];	/* as of its last event */
} Noted;

/* A worker. */
typedef struct Known
{
	int			number;			/* hash key */
	int64		nrestarts;
} Known;

static HTAB *views = NULL;
static HTAB *workers = NULL;
static uint64 look = 0;

static void
create_tables(void)
{
	HASHCTL		of_views = {
		.keysize = sizeof(Oid), .entrysize = sizeof(Noted), .hcxt = TopMemoryContext
	};
	HASHCTL		of_workers = {
		.keysize = sizeof(int), .entrysize = sizeof(Known), .hcxt = TopMemoryContext
	};

	views = hash_create("pg_cq noted views", 64, &of_views, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	workers = hash_create("pg_cq noted workers", 16, &of_workers,
						  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Of a state that is worth an event; digits, such as of how long it is, are left out. */
static void
make_key(char *key, const char *status, const char *detail)
{
	int			n = 0;

	for (const char *c = status; *c != '\0' && n < KEY_LENGTH - 2; c++)
		key[n++] = *c;
	key[n++] = ' ';
	for (const char *c = detail; c != NULL && *c != '\0' && n < KEY_LENGTH - 1; c++)
	{
		if (*c < '0' || *c > '9')
			key[n++] = *c;
	}
	key[n] = '\0';
}

static bool
is_trouble(const char *status)
{
	return strcmp(status, "waiting") == 0 || strcmp(status, "failing") == 0;
}

/* What people do to views, and what stops them, their rows' triggers write down. */
static bool
is_well(const char *status)
{
	return strcmp(status, "running") == 0 || strcmp(status, "catching up") == 0;
}

static void
note_view(Oid view, const char *status, const char *detail)
{
	char		key[KEY_LENGTH] = "";
	bool		found;
	Noted	   *noted = hash_search(views, &view, HASH_ENTER, &found);

	if (!found)
		noted->seen[0] = noted->told[0] = '\0';
	noted->look = look;
	if (is_trouble(status))
		make_key(key, status, detail);
	if (strcmp(key, noted->seen) == 0 && strcmp(key, noted->told) != 0)
	{
		if (is_trouble(status) || is_well(status))
			cq_event_note(view, status, detail);
		strlcpy(noted->told, key, KEY_LENGTH);
	}
	strlcpy(noted->seen, key, KEY_LENGTH);
}

static void
forget_dropped(void)
{
	HASH_SEQ_STATUS scan;
	Noted	   *noted;

	hash_seq_init(&scan, views);
	while ((noted = hash_seq_search(&scan)) != NULL)
	{
		if (noted->look != look)
			hash_search(views, &noted->view, HASH_REMOVE, NULL);
	}
}

/* A column of what the last statement returned, as text; NULL for null. */
static char *
text_at(uint64 row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

static void
note_views(void)
{
	static SPIPlanPtr plan = NULL;

	cq_query_run(&plan, "SELECT view::pg_catalog.oid, status, status_detail FROM cq.views", 0, NULL,
				 NULL, SPI_OK_SELECT);
	look++;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		Oid			view = DatumGetObjectId(cq_query_column(i, 1, &isnull));

		note_view(view, text_at(i, 2), text_at(i, 3));
	}
	forget_dropped();
}

/* The first time it tells that there are any: so one sees when the server was started. */
static void
note_workers(bool is_first)
{
	static SPIPlanPtr plan = NULL;

	cq_query_run(&plan, "SELECT worker, restarts, pg_catalog.format('worker %s of %s%s', worker, "
				 "workers, ': ' || last_error) FROM _cq.worker_status()", 0, NULL, NULL,
				 SPI_OK_SELECT);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		int			number = DatumGetInt32(cq_query_column(i, 1, &isnull));
		int64		nrestarts = DatumGetInt64(cq_query_column(i, 2, &isnull));
		bool		found;
		Known	   *known = hash_search(workers, &number, HASH_ENTER, &found);

		if (found && nrestarts > known->nrestarts)
			cq_event_note(InvalidOid, "worker restarted", text_at(i, 3));
		known->nrestarts = nrestarts;
	}
	if (is_first)
		cq_event_note(InvalidOid, "workers started", psprintf("cq.workers = %d", cq_workers));
}

/* A pool's next change that has not been told, if there is one. */
static bool
take_change(int i, CqPoolChange *change, char *pool)
{
	CqPoolSlot *slot = &cq_shared->pools[i];
	bool		found;

	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	found = slot->database == MyDatabaseId && slot->ntold != slot->nchanges;
	if (found)
	{
		if (slot->nchanges - slot->ntold > CQ_POOL_CHANGES)
			slot->ntold = slot->nchanges - CQ_POOL_CHANGES;
		*change = slot->changes[slot->ntold++ % CQ_POOL_CHANGES];
		strlcpy(pool, slot->name, NAMEDATALEN);
	}
	LWLockRelease(cq_shared->lock);
	return found;
}

static void
note_pools(void)
{
	CqPoolChange change;
	char		pool[NAMEDATALEN];

	for (int i = 1; i < cq_shared->nslots; i++)
	{
		while (take_change(i, &change, pool))
			cq_event_note(InvalidOid, change.to > change.from ? "worker added" : "worker ended",
						  psprintf("pool %s, from %d to %d: %s", pool, change.from, change.to,
								   change.reason));
	}
}

/*
 * Watermarks, windows and retention go by the wall clock, so that whoever looks for what has gone
 * wrong with them should know that it has jumped. (So it seems where the machine was suspended.)
 */
static void
note_clock(bool is_first)
{
	static int64 last = 0;
	int64		offset = cq_clock_now() - cq_clock_monotonic();
	int64		seconds = llrint((double) (offset - last) / USECS_PER_SEC);

	if (!is_first && llabs(seconds) >= CLOCK_STEP_S)
	{
		char	   *text = psprintf("the clock has gone %s by %lld s",
									seconds > 0 ? "forward" : "back", llabs(seconds));

		ereport(LOG, (errmsg_internal("%s", text)));
		cq_event_note(InvalidOid, "clock", text);
	}
	last = offset;
}

static void
note(void *arg)
{
	bool		is_first = views == NULL;

	if (!cq_identity_matches())
		return;
	if (is_first)
		create_tables();
	SPI_connect();
	note_clock(is_first);
	note_workers(is_first);
	note_pools();
	note_views();
	SPI_finish();
}

/* Of this process, in microseconds. */
static int64
busy_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return time.tv_sec * USECS_PER_SEC + time.tv_nsec / 1000;
}

void
cq_note_run(void (*run_apart) (void (*run) (void *arg), void *arg, char **last_warning))
{
	static char *last_warning = NULL;
	static int64 next = 0;
	int64		now = cq_clock_real_monotonic();
	int64		busy;

	if (now < next)
		return;
	busy = busy_us();
	run_apart(note, NULL, &last_warning);
	busy = busy_us() - busy;
	next = now + Max(INTERVAL_US, Min(busy * SHARE, LONGEST_US));
}
