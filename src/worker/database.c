/*
 * database.c
 *		What sessions ask of a database's workers: to come, and to leave for as long as a
 *		transaction takes.
 *
 * CREATE EXTENSION asks the launcher, when it commits, for a supervisor. Commands that want a
 * database for themselves ask all to leave:
 *
 *		hold the slot ─► terminate ─► wait until all are gone ─► … the command … ─► end of transaction: let go, wake the launcher
 *
 * While a slot is held nobody starts or attaches for its database. A hold ends with the transaction
 * that took it, however that ends, so that workers come back where the command failed, or did not
 * take the database away.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/clock.h"
#include "common/version.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"
#include "worker/shared.h"
#include "worker/slots.h"

#define STOP_TIMEOUT_MS	30000

PG_FUNCTION_INFO_V1(cq_start_workers);

/* OIDs of databases that this transaction holds, in TopMemoryContext */
static List *held = NIL;
static bool wants_supervisor = false;	/* at this transaction's commit */

static void
let_go(void)
{
	ListCell   *cell;

	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	foreach(cell, held)
	{
		CqDatabaseSlot *slot = cq_shared_find_database(lfirst_oid(cell), false);

		if (slot != NULL && slot->holds > 0)
			slot->holds--;
	}
	LWLockRelease(cq_shared->lock);
	list_free(held);
	held = NIL;
	cq_shared_wake_launcher();
}

static void
want_supervisor(void)
{
	CqDatabaseSlot *slot;

	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	slot = cq_shared_find_database(MyDatabaseId, true);
	if (slot != NULL)
		slot->is_wanted = true;
	if (slot != NULL && slot->process != NULL)
		SetLatch(&slot->process->procLatch);	/* it may wait for library and catalog to fit */
	LWLockRelease(cq_shared->lock);
	cq_shared_wake_launcher();
}

static void
at_end_of_transaction(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	if (held != NIL)
		let_go();
	if (wants_supervisor && event == XACT_EVENT_COMMIT)
		want_supervisor();
	wants_supervisor = false;
}

static void
register_callback(void)
{
	static bool is_registered = false;

	if (!is_registered)
		RegisterXactCallback(at_end_of_transaction, NULL);
	is_registered = true;
}

/* _cq.start_workers(): the last thing that the extension's scripts do. */
Datum
cq_start_workers(PG_FUNCTION_ARGS)
{
	cq_version_changed();
	if (cq_shared != NULL)
	{
		register_callback();
		wants_supervisor = true;
	}
	PG_RETURN_VOID();
}

static void
hold(Oid database)
{
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
	CqDatabaseSlot *slot;

	register_callback();
	held = lappend_oid(held, database);
	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	slot = cq_shared_find_database(database, true);
	if (slot != NULL)
	{
		slot->holds++;
		/* One that is just starting will not attach. */
		if (slot->state == CQ_DATABASE_STARTING)
		{
			slot->state = CQ_DATABASE_FREE;
			slot->generation++;
		}
	}
	LWLockRelease(cq_shared->lock);
	if (slot == NULL)
		held = list_delete_last(held);
	MemoryContextSwitchTo(caller);
}

void
cq_database_stop_workers(Oid database)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(cq_clock_real_monotonic(), STOP_TIMEOUT_MS);

	if (cq_shared == NULL)
		return;
	if (!list_member_oid(held, database))
		hold(database);
	ConditionVariablePrepareToSleep(&cq_shared->changed);
	while (cq_shared_terminate(database, true))
	{
		if (cq_clock_real_monotonic() > deadline)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("the workers of pg_cq did not leave the database")));
		ConditionVariableTimedSleep(&cq_shared->changed, 100, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
}
