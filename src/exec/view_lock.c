/*
 * view_lock.c
 *		The lock of a view whose batches must run one after another: see view_lock.h.
 *
 * Workers share out partitions, and rows of one group come from several of them. Where a batch adds to what it has read, two at a time would not
 * see each other's rows.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "exec/view_lock.h"
#include "storage/lmgr.h"
#include "storage/proc.h"

/* Object 0 is the table itself, 1 the closing of its windows. */
#define MAINTENANCE_LOCK	2

void
cq_view_lock_exclusive(Oid state)
{
	int			timeout = LockTimeout;

	LockTimeout = 0;
	PG_TRY();
	{
		LockDatabaseObject(RelationRelationId, state, MAINTENANCE_LOCK, ExclusiveLock);
	}
	PG_FINALLY();
	{
		LockTimeout = timeout;
	}
	PG_END_TRY();
}
