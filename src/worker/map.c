/*
 * map.c
 *		Which worker of a compute pool reads which partition: see map.h.
 *
 * All of it is guarded by the lock of cq_shared. Where there is no room for a partition it falls to
 * a worker by its hash.
 */
#include "postgres.h"

#include "common/clock.h"
#include "common/hashfn.h"
#include "storage/latch.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"
#include "worker/map.h"

#define MOST_PLACES		8192
#define PATIENCE_US		(3 * USECS_PER_SEC) /* with a worker that does not let go */
#define LEAST_WEIGHT	0.001	/* so that workers without work share partitions evenly */
#define MOST_BACKLOG	30		/* seconds: what waits longer weighs no more */

static HTAB *places = NULL;

Size
cq_map_size(void)
{
	return hash_estimate_size(MOST_PLACES, sizeof(CqPlace));
}

void
cq_map_startup(void)
{
	HASHCTL		control = {.keysize = sizeof(CqPlaceKey), .entrysize = sizeof(CqPlace)};

	places = ShmemInitHash("pg_cq partitions of pools", MOST_PLACES, MOST_PLACES, &control,
						   HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
}

static CqPlaceKey
key_of(const CqWorkerSlot *slot, Oid stream, const char *topic, int32 partition)
{
	CqPlaceKey	key;

	memset(&key, 0, sizeof(key));
	key.database = slot->database;
	key.stream = stream;
	key.pool = CQ_POOL_OF(slot->number);
	key.topic = hash_bytes((const unsigned char *) topic, strlen(topic));
	key.partition = partition;
	return key;
}

static CqWorkerSlot *
find_worker(Oid database, int number)
{
	for (int i = 0; i < cq_shared->nslots; i++)
	{
		CqWorkerSlot *slot = &cq_shared->workers[i];

		if (slot->database == database && slot->number == number)
			return slot;
	}
	return NULL;
}

static bool
runs(const CqWorkerSlot *slot)
{
	return slot != NULL && slot->process != NULL;
}

double
cq_map_weight(const CqPlace *place)
{
	return LEAST_WEIGHT + place->busy + Min(place->backlog, MOST_BACKLOG);
}

static void
tell_worker(Oid database, int number)
{
	CqWorkerSlot *slot = find_worker(database, number);

	if (slot == NULL)
		return;
	slot->map_changes++;
	if (slot->process != NULL)
		SetLatch(&slot->process->procLatch);
}

void
cq_map_visit(Oid database, int pool, void (*what) (CqPlace *place, void *context), void *context)
{
	HASH_SEQ_STATUS scan;
	CqPlace    *place;

	hash_seq_init(&scan, places);
	while ((place = hash_seq_search(&scan)) != NULL)
	{
		if (place->key.database == database && place->key.pool == pool)
			what(place, context);
	}
}

/* By number within the pool. */
static void
add_weight(CqPlace *place, void *weights)
{
	((double *) weights)[CQ_WITHIN_POOL(place->worker)] += cq_map_weight(place);
}

int
cq_map_least_loaded(Oid database, int pool)
{
	double		weights[CQ_POOL_STEP] = {0};
	int			best = 0;

	cq_map_visit(database, pool, add_weight, weights);
	for (int i = 1; i <= cq_shared->pools[pool].wanted; i++)
	{
		if (runs(find_worker(database, pool * CQ_POOL_STEP + i)) &&
			(best == 0 || weights[i] < weights[best]))
			best = i;
	}
	return best == 0 ? 0 : pool * CQ_POOL_STEP + best;
}

void
cq_map_move(CqPlace *place, int worker)
{
	int			before = place->worker;

	place->worker = worker;
	place->moved_at = cq_clock_real_monotonic();
	tell_worker(place->key.database, before);
	tell_worker(place->key.database, worker);
}

void
cq_map_begin_load(CqWorkerSlot *slot)
{
	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	slot->load_number++;
	LWLockRelease(cq_shared->lock);
}

/* May this worker, whose it is to be, begin with it? */
static bool
is_free(const CqPlace *place, const CqWorkerSlot *slot)
{
	return place->holder == 0 || place->holder == slot->number ||
		!runs(find_worker(slot->database, place->holder)) ||
		cq_clock_real_monotonic() - place->moved_at > PATIENCE_US;
}

/* With the lock held. */
static bool
take_place(CqPlace *place, bool is_new, CqWorkerSlot *slot)
{
	if (is_new)
	{
		memset((char *) place + sizeof(CqPlaceKey), 0, sizeof(CqPlace) - sizeof(CqPlaceKey));
		place->moved_at = cq_clock_real_monotonic();
		place->worker = cq_map_least_loaded(slot->database, place->key.pool);
		if (place->worker == 0)
			place->worker = slot->number;
		if (place->worker != slot->number)
			tell_worker(slot->database, place->worker);
	}
	if (place->worker != slot->number)
	{
		if (place->holder == slot->number)
		{
			place->holder = 0;
			tell_worker(slot->database, place->worker);
		}
		return false;
	}
	place->load_number = slot->load_number;
	if (!is_free(place, slot))
		return false;
	place->holder = slot->number;
	return true;
}

bool
cq_map_is_own(CqWorkerSlot *slot, Oid stream, const char *topic, int32 partition)
{
	CqPlaceKey	key = key_of(slot, stream, topic, partition);
	CqPlace    *place;
	bool		found;
	bool		is_own;

	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	place = hash_search(places, &key, HASH_ENTER_NULL, &found);
	if (place != NULL)
		is_own = take_place(place, !found, slot);
	else
		is_own = (key.topic + partition) % Max(cq_shared->pools[key.pool].wanted, 1) ==
			(uint32) CQ_WITHIN_POOL(slot->number) - 1;
	LWLockRelease(cq_shared->lock);
	return is_own;
}

static void
forget_if_gone(CqPlace *place, void *context)
{
	const CqWorkerSlot *slot = context;

	if (place->worker == slot->number && place->load_number != slot->load_number)
		hash_search(places, &place->key, HASH_REMOVE, NULL);
}

void
cq_map_end_load(CqWorkerSlot *slot)
{
	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	cq_map_visit(slot->database, CQ_POOL_OF(slot->number), forget_if_gone, slot);
	LWLockRelease(cq_shared->lock);
}

void
cq_map_tell(const CqWorkerSlot *slot, Oid stream, const char *topic, int32 partition, double busy,
			double backlog, int64 lag)
{
	CqPlaceKey	key = key_of(slot, stream, topic, partition);
	CqPlace    *place;

	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	place = hash_search(places, &key, HASH_FIND, NULL);
	if (place != NULL && place->holder == slot->number)
	{
		place->busy = (place->busy + busy) / 2;
		place->backlog = backlog;
		place->lag = lag;
	}
	LWLockRelease(cq_shared->lock);
}

static void
forget(CqPlace *place, void *context)
{
	hash_search(places, &place->key, HASH_REMOVE, NULL);
}

void
cq_map_forget(Oid database, int pool)
{
	cq_map_visit(database, pool, forget, NULL);
}
