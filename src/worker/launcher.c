/*
 * launcher.c
 *		The launcher: sees to it that each database with the extension has its supervisor.
 *
 * It is connected to no database, so it cannot see where the extension is: it starts a supervisor
 * everywhere once, which leaves where there is nothing to do. From then on it is told: CREATE
 * EXTENSION wants a supervisor when it commits.
 *
 *		a database is        what happens
 *		------------------   ------------------------------------------------------
 *		new, or wanted       a supervisor is started
 *		without extension    nothing, until it is wanted
 *		failed               a supervisor is started after 1, 2, 4 … 30 s
 *		held                 nothing, until the transaction that holds it has ended
 *		gone                 its slot is freed, its statistics are forgotten
 */
#include "postgres.h"

#include <signal.h>

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "common/guc.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "stats/reading.h"
#include "stats/shared_table.h"
#include "stats/sink_stats.h"
#include "stats/stats.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"
#include "worker/scale.h"
#include "worker/session.h"
#include "worker/shared.h"
#include "worker/slots.h"

#define NAP_MS				30000	/* between looks for databases that are new */
#define RETRY_MS			5000	/* where there was no room for a process */
#define SETTLED_MS			60000	/* a supervisor that lived as long did not fail at the start */
#define LONGEST_BACKOFF_MS	30000

/* What the launcher knows of a database, besides what its slot says. */
typedef struct Candidate
{
	Oid			database;		/* hash key */
	bool		is_there;		/* seen in the latest look */
	bool		has_nothing;	/* no extension, as far as is known */
	int			failures;		/* in a row */
	TimestampTz next_start;
	NameData	name;			/* the database's, as of the latest look */
} Candidate;

static HTAB *candidates;

static void
note_database(Oid database, const char *name)
{
	bool		found;
	Candidate  *candidate = hash_search(candidates, &database, HASH_ENTER, &found);

	if (!found)
	{
		memset(candidate, 0, sizeof(Candidate));
		candidate->database = database;
	}
	candidate->is_there = true;
	namestrcpy(&candidate->name, name);
}

/* Notes the databases that one can connect to; they are listed in CurrentMemoryContext. */
static List *
note_connectable_databases(void)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *databases = NIL;
	Relation	relation;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database row = (Form_pg_database) GETSTRUCT(tuple);

		/* A limit of -2 marks what a failed DROP DATABASE left. */
		if (row->datallowconn && !row->datistemplate && row->datconnlimit != -2)
		{
			MemoryContext transaction = MemoryContextSwitchTo(caller);

			databases = lappend_oid(databases, row->oid);
			MemoryContextSwitchTo(transaction);
			note_database(row->oid, NameStr(row->datname));
		}
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller);
	return databases;
}

/* Until they are seen again. */
static void
mark_all_gone(void)
{
	HASH_SEQ_STATUS scan;
	Candidate  *candidate;

	hash_seq_init(&scan, candidates);
	while ((candidate = hash_seq_search(&scan)) != NULL)
		candidate->is_there = false;
}

/* A supervisor has left: is it to come back, and when? With the lock held. */
static void
take_outcome(Candidate *candidate, CqDatabaseSlot *slot, TimestampTz now)
{
	int			backoff;

	slot->state = CQ_DATABASE_FREE;
	switch (slot->outcome)
	{
		case CQ_OUTCOME_NO_EXTENSION:
			candidate->has_nothing = true;
			candidate->failures = 0;
			break;
		case CQ_OUTCOME_TOLD:
			candidate->failures = 0;
			candidate->next_start = now;
			break;
		case CQ_OUTCOME_FAILED:
			backoff = Min(1000 << Min(candidate->failures, 10), LONGEST_BACKOFF_MS);
			candidate->failures++;
			candidate->next_start = TimestampTzPlusMilliseconds(now, backoff);
			break;
	}
}

/*
 * Reserves the database's slot for a supervisor, if one is due; else tells, in ms, when to look
 * again.
 */
static bool
reserve(Candidate *candidate, TimestampTz now, CqStart *start, long *delay)
{
	CqDatabaseSlot *slot;
	static bool is_told = false;
	bool		is_due = false;
	bool		lacks_slot = false;

	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	slot = cq_shared_find_database(candidate->database, false);
	if (slot != NULL && slot->state == CQ_DATABASE_LEFT)
		take_outcome(candidate, slot, now);
	if (slot != NULL && slot->is_wanted && slot->state == CQ_DATABASE_FREE)
	{
		slot->is_wanted = false;
		candidate->has_nothing = false;
		candidate->next_start = now;
	}
	if (slot != NULL && slot->state == CQ_DATABASE_RUNNING)
	{
		if (TimestampDifferenceExceeds(slot->state_since, now, SETTLED_MS))
			candidate->failures = 0;
	}
	else if (slot != NULL && slot->state == CQ_DATABASE_STARTING &&
			 !TimestampDifferenceExceeds(slot->state_since, now, CQ_START_TIMEOUT_MS))
		*delay = Min(*delay, CQ_START_TIMEOUT_MS);
	else if (candidate->has_nothing)
	{
		if (slot != NULL && slot->holds == 0)
			slot->database = InvalidOid;
	}
	else if (candidate->next_start > now)
		*delay = Min(*delay, TimestampDifferenceMilliseconds(now, candidate->next_start));
	else if (slot == NULL || slot->holds == 0)
	{
		is_due = (slot = cq_shared_find_database(candidate->database, true)) != NULL;
		lacks_slot = !is_due;
	}

	if (is_due)
	{
		slot->state = CQ_DATABASE_STARTING;
		slot->state_since = now;
		slot->generation++;
		*start = (CqStart) {candidate->database, slot - cq_shared->databases, slot->generation};
	}
	LWLockRelease(cq_shared->lock);
	if (lacks_slot && !is_told)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("no free slot for database \"%s\"", NameStr(candidate->name)),
				 errdetail("There are %d.", cq_shared->nslots),
				 errhint("Consider increasing max_worker_processes.")));
	is_told |= lacks_slot;
	return is_due;
}

/* False where there is no room for a process. */
static bool
start_supervisor(const CqStart *start)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_notify_pid = MyProcPid,
	};

	snprintf(worker.bgw_name, BGW_MAXLEN, "pg_cq supervisor of database %u", start->database);
	strlcpy(worker.bgw_type, "pg_cq supervisor", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "pg_cq", MAXPGPATH);
	strlcpy(worker.bgw_function_name, "cq_supervisor_main", BGW_MAXLEN);
	memcpy(worker.bgw_extra, start, sizeof(CqStart));
	return RegisterDynamicBackgroundWorker(&worker, NULL);
}

static void
put_off(Candidate *candidate, TimestampTz now)
{
	static bool is_logged = false;
	CqDatabaseSlot *slot;

	candidate->next_start = TimestampTzPlusMilliseconds(now, RETRY_MS);
	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	slot = cq_shared_find_database(candidate->database, false);
	if (slot != NULL)
	{
		slot->state = CQ_DATABASE_FREE;
		slot->lacks_process = true;
	}
	LWLockRelease(cq_shared->lock);
	if (!is_logged)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("no free worker process for the continuous views of database \"%s\"",
						NameStr(candidate->name)),
				 errhint("Consider increasing max_worker_processes.")));
	is_logged = true;
}

static void
forget_database(Candidate *candidate)
{
	CqDatabaseSlot *slot;
	bool		is_free;

	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	slot = cq_shared_find_database(candidate->database, false);
	is_free = slot == NULL || (slot->process == NULL && slot->holds == 0);
	if (slot != NULL && is_free)
		slot->database = InvalidOid;
	LWLockRelease(cq_shared->lock);
	if (!is_free)
		return;
	cq_stats_forget_database(candidate->database);
	cq_sink_stats_forget(candidate->database, InvalidOid);
	cq_reading_forget_database(candidate->database);
	cq_scale_forget(candidate->database);
	hash_search(candidates, &candidate->database, HASH_REMOVE, NULL);
}

static void
react_to_signals(void)
{
	CHECK_FOR_INTERRUPTS();
	(void) cq_session_reload();
	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	cq_shared->is_off = !cq_enabled;
	LWLockRelease(cq_shared->lock);
}

/* Starts what is due. Returns when to look again, in ms. */
static long
look_after_databases(void)
{
	static bool is_first_look_done = false;
	List	   *databases;
	HASH_SEQ_STATUS scan;
	Candidate  *candidate;
	long		delay = NAP_MS;

	mark_all_gone();
	databases = note_connectable_databases();
	if (!is_first_look_done)
		cq_shared_table_forget_others(databases);
	is_first_look_done = true;
	list_free(databases);
	hash_seq_init(&scan, candidates);
	while ((candidate = hash_seq_search(&scan)) != NULL)
	{
		TimestampTz now = GetCurrentTimestamp();
		CqStart		start;

		if (!candidate->is_there)
			forget_database(candidate);
		else if (cq_enabled && reserve(candidate, now, &start, &delay) && !start_supervisor(&start))
		{
			put_off(candidate, now);
			delay = Min(delay, RETRY_MS);
		}
	}
	return delay;
}

void
cq_launcher_main(Datum arg)
{
	HASHCTL		control = {.keysize = sizeof(Oid), .entrysize = sizeof(Candidate)};

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	cq_shared_attach_launcher();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	pgstat_report_appname(MyBgworkerEntry->bgw_name);
	candidates = hash_create("pg_cq databases", 64, &control, HASH_ELEM | HASH_BLOBS);

	if (cq_shared_start_delay > 0)
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 cq_shared_start_delay, PG_WAIT_EXTENSION);
	while (!ShutdownRequestPending)
	{
		long		delay;

		react_to_signals();
		delay = cq_yield_look(look_after_databases());
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, delay,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
	/*
	 * Not 0, after which it would not be started again: the server asks us only once it stops
	 * itself.
	 */
	proc_exit(1);
}

void
cq_launcher_init(void)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = 5,
	};

	if (!process_shared_preload_libraries_in_progress)
		return;
	cq_shared_init();
	strlcpy(worker.bgw_name, "pg_cq launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "pg_cq launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "pg_cq", MAXPGPATH);
	strlcpy(worker.bgw_function_name, "cq_launcher_main", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}
