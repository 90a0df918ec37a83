/*
 * scale.c
 *		How many workers a compute pool has, and which of them reads what: see scale.h.
 *
 * A worker is added where there has been too much to do for two seconds, and the last one goes
 * where the others have had enough time for all of it for ten: so a load that goes up and down
 * around either bound changes nothing. What is to do is measured in time, the share of it that
 * batches take and how long what waits would take, so that rows count by their cost. Time is that
 * of the real monotonic clock, which nobody sets.
 *
 * Partitions move one at a time: off a worker that is to go or does not run; else from the worker
 * with the most to do to the one with the least, where that makes the two more equal. A worker goes
 * when it has none left.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>
#include <signal.h>

#include "catalog/identity.h"
#include "catalog/pool.h"
#include "common/clock.h"
#include "common/guc.h"
#include "storage/latch.h"
#include "utils/timestamp.h"
#include "worker/map.h"
#include "worker/scale.h"
#include "worker/sleep.h"

#define LOOK_MS			500
#define SLEEP_LOOK_MS	200		/* while a pool sleeps: it is to be woken within a second */
#define OVER_US			(2 * USECS_PER_SEC)
#define UNDER_US		(10 * USECS_PER_SEC)
#define MOST_BUSY		0.8		/* of a worker's time: with more it has too much to do */
#define MOST_BACKLOG	1.0		/* seconds for each worker */
#define ENOUGH_BUSY		0.5		/* of their time, with which workers less one have enough */
#define LEAST_GAIN		0.2		/* of a worker's time: what a partition is not moved for */
#define REST_US			(5 * USECS_PER_SEC) /* for a partition that was moved */
#define ABSENCE_US		(3 * USECS_PER_SEC) /* of a worker, after which others do what it had */

/* ---- what the catalog says ---- */

/* A pool's slot, or a free one for it, or 0. With the lock held. */
static int
find_pool(Oid database, const char *name)
{
	int			free = 0;

	for (int i = 1; i < cq_shared->nslots; i++)
	{
		const CqPoolSlot *pool = &cq_shared->pools[i];

		if (pool->database == database && strcmp(pool->name, name) == 0)
			return i;
		if (!OidIsValid(pool->database) && free == 0)
			free = i;
	}
	if (free != 0)
	{
		memset(&cq_shared->pools[free], 0, sizeof(CqPoolSlot));
		cq_shared->pools[free].database = database;
		strlcpy(cq_shared->pools[free].name, name, NAMEDATALEN);
	}
	return free;
}

/* From now on it is to have another number of workers. */
static void
change_number(CqPoolSlot *pool, int wanted, const char *reason)
{
	CqPoolChange *change = &pool->changes[pool->nchanges++ % CQ_POOL_CHANGES];

	change->at = GetCurrentTimestamp();
	change->from = pool->wanted;
	change->to = wanted;
	strlcpy(change->reason, reason, CQ_POOL_REASON_LENGTH);
	pool->wanted = wanted;
	pool->over_since = pool->under_since = pool->idle_since = 0;
}

/* False where there is no room. With the lock held. */
static bool
take_pool(Oid database, const CqPool *pool)
{
	int			i = find_pool(database, pool->name);
	CqPoolSlot *slot = &cq_shared->pools[i];

	if (i == 0)
		return false;
	slot->is_there = true;
	slot->is_used = pool->is_used;
	slot->min_workers = pool->min_workers;
	slot->max_workers = pool->max_workers;
	slot->nice = pool->nice;
	return true;
}

void
cq_scale_load(Oid database)
{
	static bool is_told = false;
	List	   *pools = cq_identity_matches() ? cq_pool_list() : NIL;
	bool		is_full = false;
	ListCell   *cell;

	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	for (int i = 1; i < cq_shared->nslots; i++)
	{
		if (cq_shared->pools[i].database == database)
			cq_shared->pools[i].is_there = false;
	}
	foreach(cell, pools)
		is_full |= !take_pool(database, lfirst(cell));
	LWLockRelease(cq_shared->lock);
	if (is_full && !is_told)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("there are too many compute pools"),
				 errdetail("All databases together can have %d.", cq_shared->nslots - 1),
				 errhint("Consider increasing max_worker_processes.")));
	is_told = is_full;
}

void
cq_scale_wake(Oid database)
{
	for (int i = 1; i < cq_shared->nslots; i++)
	{
		CqPoolSlot *pool = &cq_shared->pools[i];

		if (pool->database == database)
			pool->has_news = pool->wanted == 0 && pool->is_used && cq_sleep_has_news(pool->name);
	}
}

/* ---- what workers say ---- */

/* A look at a pool, by number of worker within it. */
typedef struct Look
{
	int			pool;
	CqWorkerSlot *workers[CQ_POOL_STEP];	/* NULL: there is none */
	double		weights[CQ_POOL_STEP];
	int			nplaces[CQ_POOL_STEP];	/* that it is to read, or still reads */
	bool		moves;			/* a partition is on its way */
	int64		now;
	/* of a search for a partition */
	int			from;
	double		ideal;			/* its weight */
	double		most;
	CqPlace    *best;
} Look;

static void
add_place(CqPlace *place, void *context)
{
	Look	   *look = context;
	CqPoolSlot *pool = &cq_shared->pools[look->pool];
	int			worker = CQ_WITHIN_POOL(place->worker);

	pool->nplaces++;
	pool->busy += place->busy;
	pool->backlog += place->backlog;
	pool->lag += place->lag;
	look->weights[worker] += cq_map_weight(place);
	look->nplaces[worker]++;
	if (place->holder == 0 || place->holder == place->worker)
		return;
	look->nplaces[CQ_WITHIN_POOL(place->holder)]++;
	look->moves |= look->now - place->moved_at < ABSENCE_US;
}

static Look
look_at(int number)
{
	CqPoolSlot *pool = &cq_shared->pools[number];
	Look		look = {.pool = number, .now = cq_clock_real_monotonic()};

	for (int i = 0; i < cq_shared->nslots; i++)
	{
		CqWorkerSlot *slot = &cq_shared->workers[i];

		if (slot->database == pool->database && slot->number > 0 &&
			CQ_POOL_OF(slot->number) == number)
			look.workers[CQ_WITHIN_POOL(slot->number)] = slot;
	}
	pool->nplaces = 0;
	pool->busy = pool->backlog = 0;
	pool->lag = 0;
	cq_map_visit(pool->database, number, add_place, &look);
	return look;
}

/* ---- how many ---- */

/* Since when it has been so; 0: it is not so. */
static bool
lasts(int64 *since, bool is_so, int64 now, int64 how_long)
{
	if (!is_so)
		*since = 0;
	else if (*since == 0)
		*since = now;
	return is_so && now - *since >= how_long;
}

static bool
all_run(const Look *look, int wanted)
{
	for (int i = 1; i <= wanted; i++)
	{
		if (look->workers[i] == NULL || look->workers[i]->process == NULL)
			return false;
	}
	return true;
}

/* Since the last look. */
static bool
has_had_nothing(CqPoolSlot *pool, const Look *look)
{
	int64		nrows = 0;
	bool		had_none;

	for (int i = 1; i < CQ_POOL_STEP; i++)
	{
		if (look->workers[i] != NULL)
			nrows += look->workers[i]->rows;
	}
	had_none = nrows == pool->nrows;
	pool->nrows = nrows;
	return had_none && pool->lag == 0 && look->workers[1] != NULL &&
		look->workers[1]->state == CQ_WORKER_IDLE;
}

static void
choose_number(CqPoolSlot *pool, const Look *look)
{
	int			n = pool->wanted;
	int			least = pool->is_there ? pool->min_workers : 0;
	int			most = pool->is_there ? pool->max_workers : 0;
	bool		is_over = pool->busy > MOST_BUSY * n || pool->backlog > MOST_BACKLOG * n;
	char		reason[CQ_POOL_REASON_LENGTH];
	bool		is_idle = has_had_nothing(pool, look);
	bool		is_under = n > 1 && pool->busy < ENOUGH_BUSY * (n - 1) &&
		pool->backlog < MOST_BACKLOG * (n - 1) / 2;

	if (n < least)
		change_number(pool, least, "its minimum");
	else if (n > most)
		change_number(pool, most, pool->is_there ? "its maximum" : "the pool is gone");
	else if (lasts(&pool->over_since, is_over, look->now, OVER_US))
	{
		snprintf(reason, sizeof(reason), "%.1f s of work for each worker wait, of whose time %.0f "
				 "%% is taken", pool->backlog / Max(n, 1), 100 * pool->busy / Max(n, 1));
		if (n < most && n < pool->nplaces && all_run(look, n))
			change_number(pool, n + 1, reason);
	}
	else if (lasts(&pool->under_since, is_under, look->now, UNDER_US))
	{
		snprintf(reason, sizeof(reason), "%.0f %% of a worker's time is taken", 100 * pool->busy);
		if (n > Max(least, 1))
			change_number(pool, n - 1, reason);
	}
	else if (n == 0 && pool->is_used && pool->has_news)
		change_number(pool, 1, "messages wait");
	else if (lasts(&pool->idle_since, n == 1 && least == 0 && (is_idle || !pool->is_used),
				   look->now, pool->is_used ? cq_pool_idle_timeout * USECS_PER_SEC : 0))
		change_number(pool, 0, pool->is_used ? "nothing has come" : "no view runs");
}

/* ---- what moves ---- */

static bool
serves(const Look *look, int worker)
{
	const CqWorkerSlot *slot = look->workers[worker];

	if (worker > cq_shared->pools[look->pool].wanted || slot == NULL)
		return false;
	return slot->process != NULL ||
		!TimestampDifferenceExceeds(slot->state_since, GetCurrentTimestamp(), ABSENCE_US / 1000);
}

static void
try_place(CqPlace *place, void *context)
{
	Look	   *look = context;
	double		weight = cq_map_weight(place);

	if (CQ_WITHIN_POOL(place->worker) == look->from && weight <= look->most &&
		(look->best == NULL || fabs(weight - look->ideal) <
		 fabs(cq_map_weight(look->best) - look->ideal)))
		look->best = place;
}

/* A partition of a worker, no heavier than most. */
static CqPlace *
find_place(Look *look, int from, double ideal, double most)
{
	look->from = from;
	look->ideal = ideal;
	look->most = most;
	look->best = NULL;
	cq_map_visit(cq_shared->pools[look->pool].database, look->pool, try_place, look);
	return look->best;
}

static void
move_one(Look *look)
{
	const CqPoolSlot *pool = &cq_shared->pools[look->pool];
	int			least = CQ_WITHIN_POOL(cq_map_least_loaded(pool->database, look->pool));
	int			most = least;
	double		difference;
	CqPlace    *place = NULL;

	if (least == 0 || look->moves)
		return;
	for (int i = 1; i < CQ_POOL_STEP && place == NULL; i++)
	{
		if (look->nplaces[i] > 0 && !serves(look, i))
			place = find_place(look, i, 0, DBL_MAX);
		else if (look->weights[i] > look->weights[most])
			most = i;
	}
	difference = look->weights[most] - look->weights[least];
	if (place == NULL && look->nplaces[most] > 1 &&
		(difference > LEAST_GAIN || look->nplaces[least] == 0))
	{
		place = find_place(look, most, difference / 2, difference * 0.9);
		if (place != NULL && look->now - place->moved_at < REST_US && look->nplaces[least] > 0)
			place = NULL;
	}
	if (place != NULL)
		cq_map_move(place, look->pool * CQ_POOL_STEP + least);
}

/* ---- who goes ---- */

/* Those that are not wanted any more and have nothing left; and those that are to begin anew. */
static void
end_workers(const Look *look)
{
	const CqPoolSlot *pool = &cq_shared->pools[look->pool];

	for (int i = 1; i < CQ_POOL_STEP; i++)
	{
		CqWorkerSlot *slot = look->workers[i];

		if (slot == NULL)
			continue;
		slot->total = pool->wanted;
		if (i > pool->wanted && slot->pid == 0 && slot->state != CQ_WORKER_STARTING)
			slot->database = InvalidOid;
		else if (i > pool->wanted && (look->nplaces[i] == 0 || pool->wanted == 0))
		{
			slot->generation++;
			if (slot->pid != 0)
				kill(slot->pid, SIGTERM);
			else
				slot->database = InvalidOid;
		}
		else if (slot->pid != 0 && slot->nice != pool->nice)
			kill(slot->pid, SIGTERM);
	}
}

static bool
has_workers(const Look *look)
{
	for (int i = 1; i < CQ_POOL_STEP; i++)
	{
		if (look->workers[i] != NULL)
			return true;
	}
	return false;
}

long
cq_scale_run(Oid database, long most)
{
	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	for (int i = 1; i < cq_shared->nslots; i++)
	{
		CqPoolSlot *pool = &cq_shared->pools[i];
		Look		look;

		if (pool->database != database)
			continue;
		most = Min(most, pool->wanted == 0 && pool->is_used ? SLEEP_LOOK_MS : LOOK_MS);
		look = look_at(i);
		choose_number(pool, &look);
		move_one(&look);
		end_workers(&look);
		if (pool->wanted == 0 && !has_workers(&look))
			cq_map_forget(database, i);
		if (!pool->is_there && !has_workers(&look))
			pool->database = InvalidOid;
	}
	LWLockRelease(cq_shared->lock);
	return most;
}

void
cq_scale_forget(Oid database)
{
	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	for (int i = 1; i < cq_shared->nslots; i++)
	{
		if (cq_shared->pools[i].database != database)
			continue;
		cq_map_forget(database, i);
		cq_shared->pools[i].database = InvalidOid;
	}
	LWLockRelease(cq_shared->lock);
}

void
cq_scale_visit(Oid database, void (*tend) (int number, long *delay), long *delay)
{
	for (int i = 1; i < cq_shared->nslots; i++)
	{
		const CqPoolSlot *pool = &cq_shared->pools[i];

		for (int k = 1; pool->database == database && k <= pool->wanted; k++)
			tend(i * CQ_POOL_STEP + k, delay);
	}
}
