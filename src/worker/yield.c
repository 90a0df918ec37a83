/*
 * yield.c
 *		Processes of ours give way to whoever waits for a relation that they have locked.
 *
 * A process that is at it for long says so (common/watch.h). Then the launcher, which is connected
 * to no database and runs nobody's code, looks into the server's table of locks, ten times a
 * second: as autovacuum does, that process gives way to others, but not to one of ours. Waits for
 * rows do not count: these end with the batch, and who writes to a sink's rows all the time must
 * not keep batches from ever ending.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/view.h"
#include "common/wake.h"
#include "exec/pace.h"
#include "miscadmin.h"
#include "stats/stats.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "worker/shared.h"

#define LOOK_MS		100
#define PATIENCE_MS	150			/* of who waits */

static void
wake_launcher(void)
{
	PGPROC	   *launcher = cq_shared->launcher;

	if (launcher != NULL)
		SetLatch(&launcher->procLatch);
}

void
cq_yield_watch(CqWorkerSlot *slot)
{
	cq_watch_init(&slot->watch, wake_launcher);
}

void
cq_yield_condemn(CqWorkerSlot *slot)
{
	static const char reason[] = "a function went on though it was canceled, when its time was "
								 "over or somebody waited; its process had to end";
	Oid			view = slot->watch.culprit;

	if (!OidIsValid(view))
		return;
	/* Of a stream: of how many messages it was tells its readers how many they may read. */
	if (slot->watch.culprit_rows > 0)
	{
		cq_pace_slow_down(view, slot->watch.culprit_rows);
		slot->watch.culprit = InvalidOid;
		return;
	}
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (ConditionalLockRelationOid(view, RowExclusiveLock))
	{
		cq_view_set_status(view, "failed", reason);
		cq_stats_view_error(view, reason);
		cq_wake_catalog_changed();
		slot->watch.culprit = InvalidOid;
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* The slot of one of our processes, or NULL. With the lock held. */
static CqWorkerSlot *
slot_of(int pid)
{
	for (int i = 0; i < cq_shared->nslots; i++)
	{
		if (cq_shared->workers[i].pid == pid && pid != 0)
			return &cq_shared->workers[i];
	}
	return NULL;
}

static bool
anyone_is_long(void)
{
	bool		result = false;

	LWLockAcquire(cq_shared->lock, LW_SHARED);
	for (int i = 0; i < cq_shared->nslots; i++)
		result |= cq_shared->workers[i].pid != 0 && cq_shared->workers[i].watch.is_long;
	LWLockRelease(cq_shared->lock);
	return result;
}

static bool
holds_against(const LockInstanceData *holder, const LockInstanceData *waiter)
{
	if (memcmp(&holder->locktag, &waiter->locktag, sizeof(LOCKTAG)) != 0)
		return false;
	for (LOCKMODE mode = 1; mode <= MaxLockMode; mode++)
	{
		if ((holder->holdMask & LOCKBIT_ON(mode)) &&
			DoLockModesConflict(mode, waiter->waitLockMode))
			return true;
	}
	return false;
}

static bool
is_impatient(const LockInstanceData *waiter)
{
	return waiter->waitLockMode != NoLock && waiter->locktag.locktag_type == LOCKTAG_RELATION &&
		waiter->waitStart != 0 &&
		TimestampDifferenceExceeds(waiter->waitStart, GetCurrentTimestamp(), PATIENCE_MS);
}

static void
ask_holders(const LockData *locks, const LockInstanceData *waiter)
{
	for (int i = 0; i < locks->nelements; i++)
	{
		CqWorkerSlot *slot = slot_of(locks->locks[i].pid);

		if (slot != NULL && slot->watch.is_long && holds_against(&locks->locks[i], waiter))
			slot->watch.must_yield = true;
	}
}

long
cq_yield_look(long most)
{
	MemoryContext context;
	MemoryContext caller;
	LockData   *locks;

	if (!anyone_is_long())
		return most;
	context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq locks", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	locks = GetLockStatusData();
	LWLockAcquire(cq_shared->lock, LW_SHARED);
	for (int i = 0; i < locks->nelements; i++)
	{
		if (is_impatient(&locks->locks[i]) && slot_of(locks->locks[i].pid) == NULL)
			ask_holders(locks, &locks->locks[i]);
	}
	LWLockRelease(cq_shared->lock);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return Min(most, LOOK_MS);
}
