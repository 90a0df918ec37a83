/*
 * lock.c
 *		A batch's locks on relations: see lock.h.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "common/compat.h"
#include "exec/lock.h"
#include "exec/view_exec.h"
#include "exec/view_lock.h"
#include "nodes/nodeFuncs.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* Others of the lane wait as well. */
#define PATIENCE_MS 200

/* What could not be had at once. */
static struct
{
	Oid			view;
	Oid			relid;			/* InvalidOid: nothing */
	LOCKMODE	mode;			/* NoLock: that of the view with this state */
} wanted;

/* It waits for locks as others do, with what it holds. */
static bool is_command = false;

void
cq_lock_as_command(bool begins)
{
	is_command = begins;
}

void
cq_lock_relation(Oid view, Oid relid, LOCKMODE mode)
{
	if (is_command)
		LockRelationOid(relid, mode);
	if (is_command || ConditionalLockRelationOid(relid, mode))
		return;
	wanted.view = view;
	wanted.relid = relid;
	wanted.mode = mode;
	ereport(ERROR,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 errmsg("could not obtain lock on relation with OID %u", relid)));
}

void
cq_lock_want_view(Oid view, Oid state)
{
	wanted.view = view;
	wanted.relid = state;
	wanted.mode = NoLock;
	ereport(ERROR,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 errmsg("could not obtain the lock of view with OID %u", view)));
}

bool
cq_lock_is_wanted(void)
{
	return OidIsValid(wanted.relid);
}

bool
cq_lock_await(void)
{
	Oid			relid = wanted.relid;
	int			timeout = LockTimeout;
	int		   *failures;
	int			before;

	if (!OidIsValid(relid))
		return false;
	failures = cq_view_exec_failures(wanted.view);
	before = *failures;
	wanted.relid = InvalidOid;
	*failures = Max(before, CQ_FAILURES_TOGETHER);	/* in vain, the view goes on by itself */
	StartTransactionCommand();
	LockTimeout = PATIENCE_MS;
	PG_TRY();
	{
		if (wanted.mode == NoLock)
			cq_view_lock_take(relid);
		else
			LockRelationOid(relid, wanted.mode);
	}
	PG_FINALLY();
	{
		LockTimeout = timeout;
	}
	PG_END_TRY();
	CommitTransactionCommand();
	*failures = before - 1;
	return true;
}

void
cq_lock_forget(void)
{
	wanted.relid = InvalidOid;
}

/* ---- queries ---- */

static bool
lock_walker(Node *node, void *view)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		cq_lock_query(*(Oid *) view, (Query *) node);
		return false;
	}
	return expression_tree_walker(node, lock_walker, view);
}

static void
lock_within_view(Oid view, Oid relid)
{
	Relation	relation = table_open(relid, NoLock);

	cq_lock_query(view, cq_compat_view_query(relation));
	table_close(relation, NoLock);
}

void
cq_lock_query(Oid view, Query *query)
{
	ListCell   *cell;

	foreach(cell, query->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		if (entry->rtekind != RTE_RELATION)
			continue;
		cq_lock_relation(view, entry->relid, entry->rellockmode);
		if (entry->relkind == RELKIND_VIEW)
			lock_within_view(view, entry->relid);
	}
	query_tree_walker(query, lock_walker, &view, 0);
}

bool
cq_lock_keep_view(Oid view)
{
	if (!ConditionalLockRelationOid(view, RowExclusiveLock))
		return false;
	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(view)))
		return true;
	cq_lock_let_view(view);
	return false;
}

void
cq_lock_let_view(Oid view)
{
	UnlockRelationOid(view, RowExclusiveLock);
}
