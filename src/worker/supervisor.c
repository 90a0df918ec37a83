/*
 * supervisor.c
 *		The supervisor of one database: keeps cq.workers ingest workers running, and does what is due from time to time.
 *
 * Where there are sinks, it keeps an emitter running as well: a slot with the number 0.
 *
 * When the number of workers changes, all of them end before the new ones start, since each works on the partitions that fall
 * to it among so many. A worker that fails is started again after 1, 2, 4 … 30 s; one that was told to end, at once.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "catalog/identity.h"
#include "catalog/sink.h"
#include "commands/extension.h"
#include "common/attempt.h"
#include "common/guc.h"
#include "common/version.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"
#include "worker/session.h"
#include "worker/shared.h"
#include "worker/slots.h"

#define NAP_MS				10000
#define RETRY_MS			5000	/* where there was no room for a process */
#define SETTLED_MS			60000	/* a worker that lived as long did not fail at the start */
#define LONGEST_BACKOFF_MS	30000

/* Done in a transaction of its own, every so often, where the function is there; again at once while there is much to do. */
typedef struct Duty
{
	const char *function;		/* as a regprocedure; without arguments, or defaults for all of them */
	const char *statement;		/* that calls it; it returns how much it did */
	int64		much;
	int64		done;			/* the last time */
	int			interval_ms;
	bool		on_request;		/* also soon after a batch that asks for it */
	bool		needs_workers;	/* only while all of them read */
	TimestampTz next;
	char	   *last_warning;
} Duty;

static Duty duties[] = {
	{.function = "_cq.log_trim()", .statement = "SELECT _cq.log_trim()", .much = 100000, .interval_ms = 10000},
	{.function = "_cq.expire_rows(bigint,boolean)", .statement = "SELECT _cq.expire_rows(one_view => true)", .much = 1, .interval_ms = 10000, .needs_workers = true},
	{.function = "_cq.close_windows()", .statement = "SELECT _cq.close_windows()", .much = 1, .interval_ms = 1000, .on_request = true, .needs_workers = true},
	{.function = "_cq.emit_windows()", .statement = "SELECT _cq.emit_windows()", .much = 1, .interval_ms = 1000, .on_request = true},
	{.function = "_cq.unblock_views()", .statement = "SELECT _cq.unblock_views()", .much = PG_INT64_MAX, .interval_ms = 1000},
};

#define ON_REQUEST_MS	10		/* no sooner than this after the last time */
#define LATELY_MS		2000	/* a worker that is not busy looks each second */

static CqDatabaseSlot *own;		/* this supervisor's */
static int	failures[65];		/* of the emitter, and of each worker, in a row */
static TimestampTz next_start[65];	/* of the emitter, and of each worker */

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
	}
	return free;
}

/*
 * Asks workers that count on another number of workers to end, and frees the slots of those that are not wanted any more. False while
 * such a one is still there.
 */
static bool
clear_others(void)
{
	bool		is_clear = true;

	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < cq_shared->nslots; i++)
	{
		CqWorkerSlot *slot = &cq_shared->workers[i];

		if (slot->database != own->database || slot->total == cq_workers || slot->number == CQ_EMITTER_NUMBER)
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
	int			w = slot->number;

	slot->state = CQ_WORKER_RESTARTING;
	if (slot->left_as_told)
	{
		failures[w] = 0;
		next_start[w] = now;
		return;
	}
	failures[w] = TimestampDifferenceExceeds(slot->started_at, now, SETTLED_MS) ? 1 : failures[w] + 1;
	next_start[w] = TimestampTzPlusMilliseconds(now, Min(1000 << Min(failures[w] - 1, 10), LONGEST_BACKOFF_MS));
	slot->nrestarts++;
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
		is_due = next_start[number] <= now;
		if (!is_due)
			*delay = Min(*delay, TimestampDifferenceMilliseconds(now, next_start[number]));
	}
	if (is_due)
	{
		slot->total = cq_workers;
		slot->generation++;
		slot->state = CQ_WORKER_STARTING;
		slot->state_since = now;
		slot->left_as_told = false;
		slot->started_at = now;
		slot->last_round = 0;
		*start = (CqStart) {own->database, slot - cq_shared->workers, slot->generation};
		/* Should it never come. */
		next_start[number] = TimestampTzPlusMilliseconds(now, CQ_START_TIMEOUT_MS);
	}
	LWLockRelease(cq_shared->lock);
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

	if (number == CQ_EMITTER_NUMBER)
	{
		strlcpy(worker.bgw_name, "pg_cq emitter", BGW_MAXLEN);
		strlcpy(worker.bgw_type, "pg_cq emitter", BGW_MAXLEN);
		strlcpy(worker.bgw_function_name, "cq_emitter_main", BGW_MAXLEN);
	}
	else
	{
		snprintf(worker.bgw_name, BGW_MAXLEN, "pg_cq worker %d of %d", number, cq_workers);
		strlcpy(worker.bgw_type, "pg_cq worker", BGW_MAXLEN);
		strlcpy(worker.bgw_function_name, "cq_ingest_main", BGW_MAXLEN);
	}
	strlcpy(worker.bgw_library_name, "pg_cq", MAXPGPATH);
	memcpy(worker.bgw_extra, start, sizeof(CqStart));
	return RegisterDynamicBackgroundWorker(&worker, NULL);
}

static void
put_off(int number, const CqStart *start, TimestampTz now)
{
	static bool is_logged = false;

	next_start[number] = TimestampTzPlusMilliseconds(now, RETRY_MS);
	cq_shared_set_state(&cq_shared->workers[start->slot], CQ_WORKER_NO_PROCESS);
	if (!is_logged)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 number == CQ_EMITTER_NUMBER ? errmsg("no free worker process for the emitter") :
				 errmsg("no free worker process for worker %d of %d", number, cq_workers),
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

/* ---- the emitter ---- */

static bool
emitter_runs(void)
{
	bool		result = false;

	LWLockAcquire(cq_shared->lock, LW_SHARED);
	for (int i = 0; i < cq_shared->nslots; i++)
	{
		const CqWorkerSlot *slot = &cq_shared->workers[i];

		result |= slot->database == own->database && slot->number == CQ_EMITTER_NUMBER && slot->process != NULL;
	}
	LWLockRelease(cq_shared->lock);
	return result;
}

/* In a database that is a copy nothing is sent. */
static bool
has_sinks(void)
{
	bool		result;

	StartTransactionCommand();
	result = cq_sink_any() && cq_identity_matches();
	CommitTransactionCommand();
	return result;
}

/* Starts the emitter where there is something to emit; one that finds nothing ends by itself. */
static long
tend_emitter(void)
{
	long		delay = NAP_MS;

	if (!emitter_runs() && has_sinks())
		tend_worker(CQ_EMITTER_NUMBER, &delay);
	return delay;
}

/* ---- duties ---- */

/* Calls the function where the extension has it. */
static void
run_duty(void *arg)
{
	static const char is_there[] = "SELECT pg_catalog.to_regprocedure($1)";
	Duty	   *duty = arg;
	Oid			types[] = {TEXTOID};
	Datum		args[] = {CStringGetTextDatum(duty->function)};
	bool		isnull;

	SPI_connect();
	if (SPI_execute_with_args(is_there, 1, types, args, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look for %s", duty->function);
	if (SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1) != NULL && cq_identity_matches() &&
		SPI_execute(duty->statement, false, 1) == SPI_OK_SELECT)
		duty->done = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	duty->next = GetCurrentTimestamp();
	if (duty->done < duty->much)
		duty->next = TimestampTzPlusMilliseconds(duty->next, duty->interval_ms);
}

static void
do_duty(Duty *duty)
{
	ErrorData  *error;

	/* Where it fails. */
	duty->next = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), duty->interval_ms);
	duty->done = 0;
	cq_shared_is_busy = true;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	error = cq_attempt(run_duty, duty);
	if (error != NULL)
		cq_attempt_warn(error, &duty->last_warning);
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_stat(true);	/* what was deleted is autovacuum's to know */
	if (duty->done > 0)
	{
		ConditionVariableBroadcast(&cq_shared->changed);	/* somebody may wait for it */
		cq_shared_request_emitting();	/* what was made of closed windows may have gone to an outbox */
	}
	cq_shared_is_busy = false;
}

/* What batches have asked for is due soon. */
static void
take_requests(void)
{
	static uint32 seen = 0;
	uint32		requests;
	TimestampTz soon = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ON_REQUEST_MS);

	LWLockAcquire(cq_shared->lock, LW_SHARED);
	requests = own->closing_requests;
	LWLockRelease(cq_shared->lock);
	if (requests == seen)
		return;
	seen = requests;
	for (int i = 0; i < (int) lengthof(duties); i++)
	{
		if (duties[i].on_request)
			duties[i].next = Min(duties[i].next, soon);
	}
}

/*
 * Has each worker looked lately what there is? What is unread because a worker is busy, or away, must not be taken for a silence of the stream, in
 * which windows close.
 */
static bool
workers_read(void)
{
	TimestampTz lately = GetCurrentTimestamp() - LATELY_MS * INT64CONST(1000);
	int			nreading = 0;

	LWLockAcquire(cq_shared->lock, LW_SHARED);
	for (int i = 0; i < cq_shared->nslots; i++)
	{
		const CqWorkerSlot *slot = &cq_shared->workers[i];

		if (slot->database == own->database && slot->process != NULL && slot->number != CQ_EMITTER_NUMBER &&
			slot->last_round >= lately)
			nreading++;
	}
	LWLockRelease(cq_shared->lock);
	return nreading >= cq_workers;
}

static long
do_duties(void)
{
	long		delay = NAP_MS;

	take_requests();

	for (int i = 0; i < (int) lengthof(duties); i++)
	{
		if (duties[i].next <= GetCurrentTimestamp() && duties[i].needs_workers && !workers_read())
			duties[i].next = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), RETRY_MS / 10);
		if (duties[i].next <= GetCurrentTimestamp())
			do_duty(&duties[i]);
		delay = Min(delay, TimestampDifferenceMilliseconds(GetCurrentTimestamp(), duties[i].next));
	}
	return delay;
}

static long
tend_all(void)
{
	long		delay = tend_workers();

	delay = Min(delay, tend_emitter());
	return Min(delay, do_duties());
}

void
cq_supervisor_main(Datum arg)
{
	CqStart		start;

	memcpy(&start, MyBgworkerEntry->bgw_extra, sizeof(CqStart));
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, cq_shared_on_sigterm);
	BackgroundWorkerUnblockSignals();
	own = cq_shared_attach_supervisor(&start);
	if (own == NULL)
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(start.database, InvalidOid, 0);
	pgstat_report_appname(MyBgworkerEntry->bgw_name);
	cq_session_apply_settings();

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
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, delay, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}
