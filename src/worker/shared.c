/*
 * shared.c
 *		Slots in shared memory: see shared.h.
 *
 * A process is detached on exit after it has left the list of running backends (the callback is
 * registered before that of the server's, and they run backwards), so that who waits for its slot
 * may count on the database being free of it.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "common/clock.h"
#include "common/wake.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "stats/usage.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/shmem.h"
#include "tcop/tcopprot.h"
#include "utils/timestamp.h"
#include "worker/map.h"
#include "worker/shared.h"
#include "worker/slots.h"

CqShared   *cq_shared = NULL;
int			cq_shared_start_delay = 0;
volatile bool cq_shared_is_busy = false;

/*
 * This process was told to end. The server's ProcDiePending is cleared before exit callbacks run.
 */
static volatile sig_atomic_t was_told = false;

static shmem_request_hook_type prev_shmem_request = NULL;
static shmem_startup_hook_type prev_shmem_startup = NULL;

/* As many as there can be processes, and some for databases that somebody wants for himself. */
static int
slots(void)
{
	return max_worker_processes + 16;
}

static Size
size(void)
{
	Size		size = MAXALIGN(sizeof(CqShared));

	size = add_size(size, MAXALIGN(mul_size(slots(), sizeof(CqDatabaseSlot))));
	size = add_size(size, MAXALIGN(mul_size(slots(), sizeof(CqWorkerSlot))));
	return add_size(size, mul_size(slots(), sizeof(CqPoolSlot)));
}

static void
request(void)
{
	if (prev_shmem_request)
		prev_shmem_request();
	RequestAddinShmemSpace(add_size(size(), cq_map_size()));
	RequestNamedLWLockTranche("pg_cq", 1);
}

/*
 * After a crash of any process the server makes its shared memory anew, in this same process.
 * Should it be a worker that brings the server down each time, this leaves a moment to connect and
 * set cq.enabled to off.
 */
static void
note_restart(void)
{
	static TimestampTz last = 0;
	static int	nrestarts = 0;	/* each soon after the one before */
	TimestampTz now = GetCurrentTimestamp();

	nrestarts = now - last < 5 * USECS_PER_SEC ? nrestarts + 1 : 0;
	cq_shared_start_delay = nrestarts < 3 ? 0 : 2000;
	last = now;
}

static void
startup(void)
{
	bool		found;

	if (prev_shmem_startup)
		prev_shmem_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	cq_shared = ShmemInitStruct("pg_cq", size(), &found);
	if (!found)
	{
		note_restart();
		memset(cq_shared, 0, size());
		cq_shared->lock = &GetNamedLWLockTranche("pg_cq")->lock;
		ConditionVariableInit(&cq_shared->changed);
		cq_shared->nslots = slots();
		cq_shared->databases = (CqDatabaseSlot *) ((char *) cq_shared + MAXALIGN(sizeof(CqShared)));
		cq_shared->workers = (CqWorkerSlot *) ((char *) cq_shared->databases +
											   MAXALIGN(slots() * sizeof(CqDatabaseSlot)));
		cq_shared->pools = (CqPoolSlot *) ((char *) cq_shared->workers +
										   MAXALIGN(slots() * sizeof(CqWorkerSlot)));
	}
	cq_map_startup();
	LWLockRelease(AddinShmemInitLock);
}

static void
wake(PGPROC *process)
{
	if (process != NULL)
		SetLatch(&process->procLatch);
}

/* At the end of somebody's transaction. The supervisor has pools that the catalog names. */
static void
wake_all(Oid database, bool has_catalog_changed)
{
	const CqDatabaseSlot *slot;

	cq_shared_wake_worker(database);
	if (cq_shared == NULL || !has_catalog_changed)
		return;
	LWLockAcquire(cq_shared->lock, LW_SHARED);
	slot = cq_shared_find_database(database, false);
	if (slot != NULL)
		wake(slot->process);
	LWLockRelease(cq_shared->lock);
}

void
cq_shared_init(void)
{
	prev_shmem_request = shmem_request_hook;
	shmem_request_hook = request;
	prev_shmem_startup = shmem_startup_hook;
	shmem_startup_hook = startup;
	cq_wake_workers = wake_all;
}

void
cq_shared_require(void)
{
	if (cq_shared == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("continuous views are not maintained by this server"),
				 errdetail("There are no workers, because pg_cq was not loaded at server start."),
				 errhint("Add pg_cq to shared_preload_libraries and restart the server.")));
}

CqDatabaseSlot *
cq_shared_find_database(Oid database, bool create)
{
	CqDatabaseSlot *free = NULL;

	for (int i = 0; i < cq_shared->nslots; i++)
	{
		CqDatabaseSlot *slot = &cq_shared->databases[i];

		if (slot->database == database)
			return slot;
		if (!OidIsValid(slot->database) && free == NULL)
			free = slot;
	}
	if (!create || free == NULL)
		return NULL;
	{
		uint32		generation = free->generation;

		memset(free, 0, sizeof(CqDatabaseSlot));
		free->database = database;
		free->generation = generation;
	}
	return free;
}

/* The process of this database's keeper or emitter, or NULL. With the lock held. */
static PGPROC *
process_of(int number)
{
	for (int i = 0; i < cq_shared->nslots; i++)
	{
		const CqWorkerSlot *slot = &cq_shared->workers[i];

		if (slot->database == MyDatabaseId && slot->number == number)
			return slot->process;
	}
	return NULL;
}

void
cq_shared_request_closing(void)
{
	CqDatabaseSlot *database;

	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	database = cq_shared_find_database(MyDatabaseId, false);
	if (database != NULL)
		database->closing_requests++;
	wake(process_of(CQ_KEEPER_NUMBER));
	LWLockRelease(cq_shared->lock);
}

uint32
cq_shared_closing_requests(void)
{
	CqDatabaseSlot *database;
	uint32		requests;

	LWLockAcquire(cq_shared->lock, LW_SHARED);
	database = cq_shared_find_database(MyDatabaseId, false);
	requests = database != NULL ? database->closing_requests : 0;
	LWLockRelease(cq_shared->lock);
	return requests;
}

void
cq_shared_want_emitter(bool wants)
{
	CqDatabaseSlot *database;

	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	database = cq_shared_find_database(MyDatabaseId, false);
	if (database != NULL && database->wants_emitter != wants)
	{
		database->wants_emitter = wants;
		wake(database->process);
	}
	LWLockRelease(cq_shared->lock);
}

/* Where no emitter runs, the keeper sees to it that one does. */
void
cq_shared_request_emitting(void)
{
	CqDatabaseSlot *database;
	PGPROC	   *emitter;

	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	database = cq_shared_find_database(MyDatabaseId, false);
	if (database != NULL)
		database->emitting_requests++;
	emitter = process_of(CQ_EMITTER_NUMBER);
	wake(emitter != NULL ? emitter : process_of(CQ_KEEPER_NUMBER));
	LWLockRelease(cq_shared->lock);
}

uint32
cq_shared_emitting_requests(void)
{
	CqDatabaseSlot *database;
	uint32		requests;

	LWLockAcquire(cq_shared->lock, LW_SHARED);
	database = cq_shared_find_database(MyDatabaseId, false);
	requests = database != NULL ? database->emitting_requests : 0;
	LWLockRelease(cq_shared->lock);
	return requests;
}

void
cq_shared_wake_launcher(void)
{
	LWLockAcquire(cq_shared->lock, LW_SHARED);
	wake(cq_shared->launcher);
	LWLockRelease(cq_shared->lock);
}

/* ---- attaching and detaching ---- */

static void
detach_launcher(int code, Datum arg)
{
	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	cq_shared->launcher = NULL;
	LWLockRelease(cq_shared->lock);
}

void
cq_shared_attach_launcher(void)
{
	on_shmem_exit(detach_launcher, (Datum) 0);
	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	cq_shared->launcher = MyProc;
	LWLockRelease(cq_shared->lock);
}

/* With the lock held. */
static void
free_workers(Oid database)
{
	for (int i = 0; i < cq_shared->nslots; i++)
	{
		CqWorkerSlot *slot = &cq_shared->workers[i];

		if (slot->database == database && slot->process == NULL)
			slot->database = InvalidOid;
	}
}

/*
 * Workers do not outlive their supervisor: the next one starts its own. Slots of those that are
 * still there are freed when they end.
 */
static void
detach_supervisor(int code, Datum arg)
{
	CqDatabaseSlot *slot = (CqDatabaseSlot *) DatumGetPointer(arg);

	cq_shared_terminate(slot->database, false);
	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	free_workers(slot->database);
	slot->process = NULL;
	slot->pid = 0;
	if (was_told)
		slot->outcome = CQ_OUTCOME_TOLD;
	slot->state = CQ_DATABASE_LEFT;
	slot->state_since = GetCurrentTimestamp();
	wake(cq_shared->launcher);
	LWLockRelease(cq_shared->lock);
	ConditionVariableBroadcast(&cq_shared->changed);
}

CqDatabaseSlot *
cq_shared_attach_supervisor(const CqStart *start)
{
	CqDatabaseSlot *slot = &cq_shared->databases[start->slot];
	bool		is_wanted;

	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	is_wanted = slot->database == start->database && slot->generation == start->generation &&
		slot->state == CQ_DATABASE_STARTING && slot->holds == 0;
	if (is_wanted)
	{
		slot->process = MyProc;
		slot->pid = MyProcPid;
		slot->state = CQ_DATABASE_RUNNING;
		slot->state_since = GetCurrentTimestamp();
		slot->outcome = CQ_OUTCOME_FAILED;
		slot->lacks_process = false;
	}
	LWLockRelease(cq_shared->lock);
	if (!is_wanted)
		return NULL;
	on_shmem_exit(detach_supervisor, PointerGetDatum(slot));
	cq_usage_begin();
	return slot;
}

static void
detach_worker(int code, Datum arg)
{
	CqWorkerSlot *slot = (CqWorkerSlot *) DatumGetPointer(arg);
	CqDatabaseSlot *database;

	cq_shared_measure(slot);
	cq_usage_charge(InvalidOid);
	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	slot->process = NULL;
	slot->pid = 0;
	slot->left_as_told = code == 0 || was_told;
	slot->state = CQ_WORKER_STOPPED;
	slot->state_since = GetCurrentTimestamp();
	database = cq_shared_find_database(slot->database, false);
	if (database != NULL && database->process != NULL)
		wake(database->process);
	else
		slot->database = InvalidOid;
	LWLockRelease(cq_shared->lock);
	ConditionVariableBroadcast(&cq_shared->changed);
}

static void
count_commit(XactEvent event, void *arg)
{
	CqWorkerSlot *slot = arg;

	if (event == XACT_EVENT_COMMIT && TransactionIdIsValid(GetTopTransactionIdIfAny()))
		slot->ncommits++;
}

CqWorkerSlot *
cq_shared_attach_worker(const CqStart *start)
{
	CqWorkerSlot *slot = &cq_shared->workers[start->slot];
	CqDatabaseSlot *database;
	bool		is_wanted;

	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	database = cq_shared_find_database(start->database, false);
	is_wanted = slot->database == start->database && slot->generation == start->generation &&
		database != NULL && database->process != NULL && database->holds == 0;
	if (is_wanted)
	{
		slot->process = MyProc;
		slot->pid = MyProcPid;
		slot->started_at = GetCurrentTimestamp();
		slot->heard_at = cq_clock_real_monotonic();
		slot->state = CQ_WORKER_LOADING;
		slot->state_since = slot->started_at;
		slot->used_before = slot->used;
	}
	LWLockRelease(cq_shared->lock);
	if (!is_wanted)
		return NULL;
	on_shmem_exit(detach_worker, PointerGetDatum(slot));
	RegisterXactCallback(count_commit, slot);
	cq_usage_begin();
	return slot;
}

/* ---- asking others ---- */

bool
cq_shared_terminate(Oid database, bool with_supervisor)
{
	bool		found = false;

	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < cq_shared->nslots; i++)
	{
		CqWorkerSlot *slot = &cq_shared->workers[i];

		if (slot->database != database)
			continue;
		slot->generation++;		/* one that is just starting is not wanted either */
		if (slot->pid != 0 && kill(slot->pid, SIGTERM) == 0)
			found = true;
	}
	if (with_supervisor)
	{
		CqDatabaseSlot *slot = cq_shared_find_database(database, false);

		if (slot != NULL && slot->pid != 0 && kill(slot->pid, SIGTERM) == 0)
			found = true;
	}
	LWLockRelease(cq_shared->lock);
	return found;
}

void
cq_shared_wake_worker(Oid database)
{
	if (cq_shared == NULL)
		return;
	LWLockAcquire(cq_shared->lock, LW_SHARED);
	for (int i = 0; i < cq_shared->nslots; i++)
	{
		if (cq_shared->workers[i].database == database)
			wake(cq_shared->workers[i].process);
	}
	LWLockRelease(cq_shared->lock);
}

void
cq_shared_on_sigterm(SIGNAL_ARGS)
{
	was_told = true;
	if (cq_shared_is_busy)
		die(postgres_signal_arg);
	else
		SignalHandlerForShutdownRequest(postgres_signal_arg);
}

/* ---- of a worker, about itself ---- */

void
cq_shared_hear(CqWorkerSlot *slot)
{
	slot->heard_at = cq_clock_real_monotonic();
}

void
cq_shared_measure(CqWorkerSlot *slot)
{
	CqMeter		total = cq_meter_total();

	slot->used.cpu_ns = slot->used_before.cpu_ns + total.cpu_ns;
	slot->used.wal_bytes = slot->used_before.wal_bytes + total.wal_bytes;
}

void
cq_shared_set_state(CqWorkerSlot *slot, CqWorkerState state)
{
	if (slot->state == state)
		return;
	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	slot->state = state;
	slot->state_since = GetCurrentTimestamp();
	LWLockRelease(cq_shared->lock);
}

/* One batch more, and tells whoever waits for it. */
void
cq_shared_count(CqWorkerSlot *slot, int64 rows, int64 bytes)
{
	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	slot->rows += rows;
	slot->bytes += bytes;
	slot->nbatches++;
	slot->last_batch_time = GetCurrentTimestamp();
	LWLockRelease(cq_shared->lock);
	ConditionVariableBroadcast(&cq_shared->changed);
}

void
cq_shared_set_error(CqWorkerSlot *slot, const char *message)
{
	int			length = pg_mbcliplen(message, strlen(message), CQ_SLOT_ERROR_LENGTH - 1);

	LWLockAcquire(cq_shared->lock, LW_EXCLUSIVE);
	memcpy(slot->last_error, message, length);
	slot->last_error[length] = '\0';
	slot->last_error_time = GetCurrentTimestamp();
	LWLockRelease(cq_shared->lock);
}

char *
cq_shared_worker_name(const CqWorkerSlot *slot)
{
	if (slot->pool[0] != '\0')
		return psprintf("worker %d of pool %s", CQ_WITHIN_POOL(slot->number), slot->pool);
	return psprintf("worker %d of %d", slot->number, slot->total);
}

const char *
cq_shared_state_name(CqWorkerState state)
{
	switch (state)
	{
		case CQ_WORKER_STARTING:
			return "starting";
		case CQ_WORKER_LOADING:
			return "loading";
		case CQ_WORKER_RUNNING:
			return "running";
		case CQ_WORKER_IDLE:
			return "idle";
		case CQ_WORKER_DOWN:
			return "waiting for broker";
		case CQ_WORKER_COPY:
			return "restored";
		case CQ_WORKER_STOPPED:
			return "stopped";
		case CQ_WORKER_RESTARTING:
			return "restarting";
		case CQ_WORKER_NO_PROCESS:
			return "no free worker process";
	}
	elog(ERROR, "unexpected state %d", state);
}
