/*
 * supervisor.c
 *		The supervisor of one database: keeps cq.workers ingest workers running.
 *
 * It keeps a keeper running as well (keeper.c), and where there are sinks an emitter. It does
 * nothing that could take long, or wait for somebody: what has to be done is the keeper's.
 *
 * When the number of workers changes, all of them end before the new ones start, since each works
 * on the partitions that fall to it among so many. A worker that fails is started again after 1, 2,
 * 4 … 30 s; one that was told to end, at once.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "common/attempt.h"
#include "common/guc.h"
#include "common/version.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "stats/usage.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"
#include "worker/scale.h"
#include "worker/session.h"
#include "worker/shared.h"
#include "worker/slots.h"

#define NAP_MS				10000
#define RETRY_MS			5000	/* where there was no room for a process */
#define SETTLED_MS			60000	/* a worker that lived as long did not fail at the start */
#define LONGEST_BACKOFF_MS	30000

static CqDatabaseSlot *own;		/* this supervisor's */

static char own_name[NAMEDATALEN];	/* its database's */

/* Whether the extension is there, and whether library and catalog fit. */
static bool
has_extension(bool *is_usable)
{
	bool		found;

	StartTransactionCommand();
	found = OidIsValid(get_extension_oid("pg_cq", true));
	*is_usable = found && cq_version_matches();
	CommitTransactionCommand();
	return found;
}

/* Ends this process, after its workers. */
static void
leave(CqOutcome outcome)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), 5000);

	ConditionVariablePrepareToSleep(&cq_shared->changed);
	while (cq_shared_terminate(own->database, false) && GetCurrentTimestamp() < deadline)
		ConditionVariableTimedSleep(&cq_shared->changed, 100, PG_WAIT_EXTENSION);
	ConditionVariableCancelSleep();
	own->outcome = outcome;
	proc_exit(0);
}

static bool
is_held(void)
{
	bool		result;

	LWLockAcquire(cq_shared->lock, LW_SHARED);
	result = own->holds > 0;
	LWLockRelease(cq_shared->lock);
	return result;
}

/* ---- workers ---- */

/* Until the next call. */
static const char *
name_of(int number)
{
	static char name[BGW_MAXLEN];

	if (number == CQ_EMITTER_NUMBER)
		return "pg_cq emitter";
	if (number == CQ_KEEPER_NUMBER)
		return "pg_cq keeper";
	if (number >= CQ_POOL_STEP)
		snprintf(name, sizeof(name), "pg_cq worker %d of pool %s", CQ_WITHIN_POOL(number),
				 cq_shared->pools[CQ_POOL_OF(number)].name);
	else
		snprintf(name, sizeof(name), "pg_cq worker %d of %d", number, cq_workers);
	return name;
}

/* The slot of a worker of this database, or a free one for it, or NULL. With the lock held. */
static CqWorkerSlot *
find_worker(int number)
{
	CqWorkerSlot *free = NULL;

	for (int i = 0; i < cq_shared->nslots; i++)
	{
		CqWorkerSlot *slot = &cq_shared->workers[i];

		if (slot->database == own->database && slot->number == number)
			return slot;
		if (!OidIsValid(slot->database) && free == NULL)
			free = slot;
	}
	if (free != NULL)
	{
		uint32		generation = free->generation;

		memset(free, 0, sizeof(CqWorkerSlot));
		free->database = own->database;
		free->number = number;
		free->generation = generation;
		free->state = CQ_WORKER_STOPPED;
		free->left_as_told = true;
		if (number >= CQ_POOL_STEP)
			strlcpy(free->pool, cq_shared->pools[CQ_POOL_OF(number)].name, NAMEDATALEN);
	}
	return free;
}

/*
 * Asks workers that count on another number of workers to end, and frees the slots of those that
 * are not wanted any more. False while such a one is still there.
 */
static bool
clear_others(void)
{
	bool		is_clear = true;

	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < cq_shared->nslots; i++)
	{
		CqWorkerSlot *slot = &cq_shared->workers[i];

		if (slot->database != own->database || slot->total == cq_workers || slot->number < 1 ||
			slot->number >= CQ_POOL_STEP)
			continue;
		slot->generation++;
		if (slot->pid != 0)
		{
			kill(slot->pid, SIGTERM);
			is_clear = false;
		}
		else if (slot->number > cq_workers)
			slot->database = InvalidOid;
		else if (slot->state == CQ_WORKER_STARTING)
		{
			/* It will not attach. */
			slot->state = CQ_WORKER_STOPPED;
			slot->left_as_told = true;
		}
	}
	LWLockRelease(cq_shared->lock);
	return is_clear;
}

/* The last process of this worker is no more: when may the next one start? With the lock held. */
static void
take_end(CqWorkerSlot *slot, TimestampTz now)
{
	slot->state = CQ_WORKER_RESTARTING;
	/* Also where it knows for what it had to end. */
	if (slot->left_as_told || OidIsValid(slot->watch.culprit))
	{
		slot->nrestarts += slot->left_as_told ? 0 : 1;
		slot->failures = 0;
		slot->next_start = now;
		return;
	}
	slot->failures = TimestampDifferenceExceeds(slot->started_at, now, SETTLED_MS) ? 1 :
		slot->failures + 1;
	slot->next_start = TimestampTzPlusMilliseconds(now, Min(1000 << Min(slot->failures - 1, 10),
															LONGEST_BACKOFF_MS));
	slot->nrestarts++;
}

/* Once for all that lack one at a time. */
static void
tell_of_slots(int number, bool has_one)
{
	static int	lacking = CQ_KEEPER_NUMBER - 1; /* the first that does; less: none */

	if (has_one && number == lacking)
		lacking = CQ_KEEPER_NUMBER - 1;
	if (has_one || lacking >= CQ_KEEPER_NUMBER)
		return;
	lacking = number;
	ereport(WARNING,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("no free slot for %s", name_of(number)),
			 errdetail("All databases together have %d, of which each worker, keeper and emitter "
					   "takes one.", cq_shared->nslots),
			 errhint("Consider increasing max_worker_processes, or decreasing cq.workers.")));
}

/* Reserves the slot of a worker whose start is due; else tells, in ms, when to look again. */
static bool
reserve(int number, TimestampTz now, CqStart *start, long *delay)
{
	CqWorkerSlot *slot;
	bool		is_due = false;

	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	slot = find_worker(number);
	if (slot != NULL && slot->process == NULL)
	{
		if (slot->state == CQ_WORKER_STOPPED)
			take_end(slot, now);
		is_due = slot->next_start <= now;
		if (!is_due)
			*delay = Min(*delay, TimestampDifferenceMilliseconds(now, slot->next_start));
	}
	if (is_due)
	{
		slot->total = number < CQ_POOL_STEP ? cq_workers :
			cq_shared->pools[CQ_POOL_OF(number)].wanted;
		slot->nice = number < CQ_POOL_STEP ? 0 : cq_shared->pools[CQ_POOL_OF(number)].nice;
		slot->generation++;
		slot->state = CQ_WORKER_STARTING;
		slot->state_since = now;
		slot->left_as_told = false;
		slot->started_at = now;
		*start = (CqStart) {own->database, slot - cq_shared->workers, slot->generation};
		/* Should it never come. */
		slot->next_start = TimestampTzPlusMilliseconds(now, CQ_START_TIMEOUT_MS);
	}
	LWLockRelease(cq_shared->lock);
	tell_of_slots(number, slot != NULL);
	return is_due;
}

static bool
start_worker(int number, const CqStart *start)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_notify_pid = MyProcPid,
	};

	strlcpy(worker.bgw_name, name_of(number), BGW_MAXLEN);
	strlcpy(worker.bgw_type, number >= 1 ? "pg_cq worker" : name_of(number), BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, number == CQ_EMITTER_NUMBER ? "cq_emit_main" :
			number == CQ_KEEPER_NUMBER ? "cq_keeper_main" : "cq_ingest_main", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "pg_cq", MAXPGPATH);
	memcpy(worker.bgw_extra, start, sizeof(CqStart));
	return RegisterDynamicBackgroundWorker(&worker, NULL);
}

static void
put_off(int number, const CqStart *start, TimestampTz now)
{
	static bool is_logged = false;

	cq_shared->workers[start->slot].next_start = TimestampTzPlusMilliseconds(now, RETRY_MS);
	cq_shared_set_state(&cq_shared->workers[start->slot], CQ_WORKER_NO_PROCESS);
	if (!is_logged)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("no free worker process for %s of database \"%s\"", name_of(number),
						own_name),
				 errhint("Consider increasing max_worker_processes.")));
	is_logged = true;
}

static void
tend_worker(int number, long *delay)
{
	TimestampTz now = GetCurrentTimestamp();
	CqStart		start;

	if (reserve(number, now, &start, delay) && !start_worker(number, &start))
	{
		put_off(number, &start, now);
		*delay = Min(*delay, RETRY_MS);
	}
}

static void
load_pools(void *arg)
{
	cq_scale_load(own->database);
}

static void
wake_pools(void *arg)
{
	cq_scale_wake(own->database);
}

/* Those of compute pools: how many there are depends on what there is to do. */
static long
tend_pools(void)
{
	static char *last_warning = NULL;
	static char *last_warning_of_wake = NULL;
	long		delay = NAP_MS;
	ErrorData  *error;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	error = cq_attempt(load_pools, NULL);
	if (error != NULL)
		cq_attempt_warn(error, &last_warning);
	else if ((error = cq_attempt(wake_pools, NULL)) != NULL)
		cq_attempt_warn(error, &last_warning_of_wake);
	PopActiveSnapshot();
	CommitTransactionCommand();
	delay = cq_scale_run(own->database, delay);
	cq_scale_visit(own->database, tend_worker, &delay);
	return delay;
}

/* Starts what is due. Returns when to look again, in ms. */
static long
tend_workers(void)
{
	long		delay = NAP_MS;

	if (!clear_others())
		return 1000;			/* woken before, when the last one has left */
	for (int number = 1; number <= cq_workers; number++)
		tend_worker(number, &delay);
	return delay;
}

/* ---- keeper and emitter ---- */

static bool
runs(int number)
{
	bool		result = false;

	LWLockAcquire(cq_shared->lock, LW_SHARED);
	for (int i = 0; i < cq_shared->nslots; i++)
	{
		const CqWorkerSlot *slot = &cq_shared->workers[i];

		result |= slot->database == own->database && slot->number == number &&
			slot->process != NULL;
	}
	LWLockRelease(cq_shared->lock);
	return result;
}

static bool
is_wanted(int number)
{
	bool		result;

	LWLockAcquire(cq_shared->lock, LW_SHARED);
	result = number == CQ_KEEPER_NUMBER || own->wants_emitter;
	LWLockRelease(cq_shared->lock);
	return result;
}

/* The keeper, and the emitter where there is something to emit; one that finds nothing ends. */
static long
tend_others(void)
{
	long		delay = NAP_MS;

	for (int number = CQ_KEEPER_NUMBER; number <= CQ_EMITTER_NUMBER; number++)
	{
		if (is_wanted(number) && !runs(number))
			tend_worker(number, &delay);
	}
	return delay;
}

/*
 * The keeper first: where there is no room for all processes, it is workers that lack one, of which
 * cq.workers tells.
 */
static long
tend_all(void)
{
	long		delay = tend_others();

	delay = Min(delay, tend_pools());
	return Min(delay, tend_workers());
}

void
cq_supervisor_main(Datum arg)
{
	CqStart		start;

	memcpy(&start, MyBgworkerEntry->bgw_extra, sizeof(CqStart));
	cq_session_watch_configuration();
	pqsignal(SIGTERM, cq_shared_on_sigterm);
	BackgroundWorkerUnblockSignals();
	own = cq_shared_attach_supervisor(&start);
	if (own == NULL)
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(start.database, InvalidOid, 0);
	pgstat_report_appname(MyBgworkerEntry->bgw_name);
	cq_session_apply_settings();
	StartTransactionCommand();
	strlcpy(own_name, get_database_name(own->database), NAMEDATALEN);
	CommitTransactionCommand();

	for (;;)
	{
		long		delay;
		bool		is_usable;

		CHECK_FOR_INTERRUPTS();
		if (cq_session_reload())
			cq_session_apply_settings();
		if (ShutdownRequestPending || !cq_enabled || is_held())
			leave(CQ_OUTCOME_TOLD);
		if (!has_extension(&is_usable))
			leave(CQ_OUTCOME_NO_EXTENSION);
		delay = is_usable ? tend_all() : NAP_MS;	/* workers see it by themselves, and leave */
		cq_usage_charge(InvalidOid);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, delay,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}
