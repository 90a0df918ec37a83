/*
 * view_lock.c
 *		The locks of a view: see view_lock.h.
 *
 * Batches hold its closing lock shared, and whoever decides which of its windows are closed takes
 * it alone.
 *
 * Workers that maintain a view's state side by side do not see one another's rows before they
 * commit. Where what is to be done with a row depends on what is stored already, not only adds to
 * it, a match would be lost for good. So such views are maintained by one transaction after the
 * other. Whoever takes that lock takes the closing lock first, of any view: one without windows has
 * nobody who would close them.
 *
 * The locks are on no table, so that vacuum and readers have nothing to do with them. A batch takes
 * them after its relations. All who take several do so by level (whoever reads what another view
 * writes or shows is on a higher one) and oid, so that two of them do not wait for each other in a
 * circle; what comes up against that order (views further down a chain) is taken where it is free,
 * or else waited for with nothing held (lock.h), as are locks on relations. Whoever closes windows
 * holds the locks of one view, and of those above. What remains is the catalog's row of a view that
 * fails in two workers at once: the server detects that, and a batch is done again.
 *
 * How long it takes is up to the batch of another worker, which is no fault of this view's:
 * lock_timeout does not count.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "exec/view_lock.h"
#include "storage/lmgr.h"
#include "storage/proc.h"

#define CLOSING_LOCK 1
#define VIEW_LOCK	2

static void
share_windows(Oid state)
{
	LockDatabaseObject(RelationRelationId, state, CLOSING_LOCK, ShareLock);
}

void
cq_view_lock_close(Oid state)
{
	LockDatabaseObject(RelationRelationId, state, CLOSING_LOCK, ExclusiveLock);
}

void
cq_view_lock_take(Oid state)
{
	share_windows(state);
	LockDatabaseObject(RelationRelationId, state, VIEW_LOCK, ExclusiveLock);
}

bool
cq_view_lock_try(Oid state)
{
	return ConditionalLockDatabaseObject(RelationRelationId, state, CLOSING_LOCK, ShareLock) &&
		ConditionalLockDatabaseObject(RelationRelationId, state, VIEW_LOCK, ExclusiveLock);
}

static void
lock_for_long(Oid state, void (*lock) (Oid state))
{
	int			timeout = LockTimeout;

	LockTimeout = 0;
	PG_TRY();
	{
		lock(state);
	}
	PG_FINALLY();
	{
		LockTimeout = timeout;
	}
	PG_END_TRY();
}

void
cq_view_lock_windows(Oid state)
{
	lock_for_long(state, share_windows);
}

void
cq_view_lock_exclusive(Oid state)
{
	lock_for_long(state, cq_view_lock_take);
}
