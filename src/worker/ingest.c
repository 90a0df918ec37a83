/*
 * ingest.c
 *		The ingest worker: reads its partitions of all streams, batch by batch, until it is told to
 *		end.
 *
 * It waits for a latch (somebody appended to a stream in the database, or changed the catalog) and
 * for its readers' file descriptors, never in a loop. A batch begins not before cq.linger after the
 * one before began: that bounds the number of commits, while the first message after a silence is
 * taken at once, and a batch that takes longer than that anyway, because there is a backlog, is
 * followed by the next one immediately.
 *
 * An error that comes out of here ends the process; the supervisor starts another one. Nothing is
 * lost by that.
 */
#include "postgres.h"

#include <sys/resource.h>

#include "access/xact.h"
#include "common/clock.h"
#include "common/compat.h"
#include "common/guc.h"
#include "common/version.h"
#include "http/http.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "stats/budget.h"
#include "stats/reading.h"
#include "stats/usage.h"
#include "storage/ipc.h"
#include "utils/backend_status.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"
#include "worker/ingest.h"
#include "worker/session.h"

#define LONGEST_WAIT_MS	1000

/* ---- waiting ---- */

static void
make_wait_set(CqIngest *ingest)
{
	List	   *added = NIL;
	ListCell   *cell;

	ingest->wait_set = cq_compat_create_wait_event_set(TopMemoryContext,
													   4 + list_length(ingest->lanes));
	AddWaitEventToSet(ingest->wait_set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(ingest->wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	foreach(cell, ingest->lanes)
	{
		CqReader   *reader = ((CqIngestLane *) lfirst(cell))->lane->reader;
		int			fd = reader != NULL ? cq_reader_wakeup_fd(reader) : -1;

		/* Readers may share it. */
		if (fd < 0 || list_member_int(added, fd))
			continue;
		AddWaitEventToSet(ingest->wait_set, WL_SOCKET_READABLE, fd, NULL, reader);
		added = lappend_int(added, fd);
	}
	if (cq_load_asks(ingest) && !list_member_int(added, cq_kafka_extent_wakeup_fd()))
		AddWaitEventToSet(ingest->wait_set, WL_SOCKET_READABLE, cq_kafka_extent_wakeup_fd(), NULL,
						  NULL);
	list_free(added);
	if (cq_http_fd() >= 0)
		AddWaitEventToSet(ingest->wait_set, WL_SOCKET_READABLE, cq_http_fd(), NULL, NULL);
}

/* Until there is something to read, or to do. */
static void
wait_for_work(CqIngest *ingest)
{
	long		timeout = cq_load_delay(ingest, LONGEST_WAIT_MS);
	WaitEvent	events[16];
	int			nevents;

	if (ingest->wait_set == NULL)
		make_wait_set(ingest);
	pgstat_report_activity(STATE_IDLE, NULL);
	nevents = WaitEventSetWait(ingest->wait_set, timeout, events, lengthof(events),
							   PG_WAIT_EXTENSION);
	pgstat_report_activity(STATE_RUNNING, NULL);
	for (int i = 0; i < nevents; i++)
	{
		if (events[i].events & WL_LATCH_SET)
			ResetLatch(MyLatch);
		else if ((events[i].events & WL_SOCKET_READABLE) && events[i].fd == cq_http_fd())
			cq_http_advance();
		else if ((events[i].events & WL_SOCKET_READABLE) && events[i].user_data != NULL)
			cq_reader_wakeup_clear(events[i].user_data);
		else if (events[i].events & WL_SOCKET_READABLE)
			cq_kafka_extent_wakeup_clear();
	}
}

/*
 * Until cq.linger has passed since a round began. Whatever sets the latch meanwhile is seen in the
 * next round.
 */
static void
linger(TimestampTz began)
{
	for (;;)
	{
		long		left = cq_linger - (long) ((cq_clock_real_monotonic() - began) / 1000);

		if (left <= 0 || ShutdownRequestPending)
			return;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, left,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* ---- the loop ---- */

static void
react_to_signals(void)
{
	if (ShutdownRequestPending)
		proc_exit(0);
	if (cq_session_reload())
		cq_session_apply_settings();
}

/* Takes note of what others have changed: at the start of a transaction, as everywhere. */
static void
hear_of_changes(CqIngest *ingest)
{
	CqDatabaseSlot *database;
	bool		fits;

	StartTransactionCommand();
	fits = cq_version_matches();
	CommitTransactionCommand();
	if (!fits)
		proc_exit(0);			/* the supervisor starts another one when they do again */
	MemoryContextSwitchTo(ingest->context);
	LWLockAcquire(cq_shared->lock, LW_SHARED);
	database = cq_shared_find_database(MyDatabaseId, false);
	if (database != NULL && database->settle_requests != ingest->settle_requests)
	{
		ingest->settle_requests = database->settle_requests;
		ingest->settles_all = ingest->lanes_are_stale = true;
	}
	if (ingest->slot->map_changes != ingest->map_changes)
	{
		ingest->map_changes = ingest->slot->map_changes;
		ingest->lanes_are_stale = true;
	}
	LWLockRelease(cq_shared->lock);
	if (cq_load_is_due(ingest))
		ingest->lanes_are_stale = true;
}

static void
show_rest(CqIngest *ingest)
{
	CqWorkerState state = CQ_WORKER_IDLE;
	ListCell   *cell;

	foreach(cell, ingest->lanes)
	{
		if (((CqIngestLane *) lfirst(cell))->is_down)
			state = CQ_WORKER_DOWN;
	}
	if (ingest->slot->state != CQ_WORKER_COPY)
		cq_shared_set_state(ingest->slot, state);
}

/* One round. False where there was nothing to do. */
static bool
work(CqIngest *ingest)
{
	int64		began = cq_clock_real_monotonic();
	bool		has_changed;
	bool		had_something;

	cq_shared_is_busy = true;
	CHECK_FOR_INTERRUPTS();
	hear_of_changes(ingest);
	cq_yield_condemn(ingest->slot);
	MemoryContextSwitchTo(ingest->context);
	cq_load_heed_drift(ingest);
	has_changed = ingest->lanes_are_stale;
	if (has_changed)
		cq_load_lanes(ingest);
	cq_load_settle(ingest);
	cq_budget_look(has_changed);
	had_something = cq_level_run(ingest, has_changed);
	had_something |= cq_turn_run(ingest);
	cq_event_take(ingest);
	cq_look_tell(ingest, began);
	cq_look_tell_busy(ingest);
	if (had_something)
		cq_shared_set_state(ingest->slot, CQ_WORKER_RUNNING);
	pgstat_report_stat(false);
	cq_shared_is_busy = false;
	return had_something || ingest->lanes_are_stale;
}

static void
run_rounds(CqIngest *ingest)
{
	for (;;)
	{
		TimestampTz began = cq_clock_real_monotonic();

		cq_shared_hear(ingest->slot);
		cq_shared_measure(ingest->slot);
		react_to_signals();
		if (work(ingest))
			linger(began);
		else
		{
			cq_usage_charge(InvalidOid);
			show_rest(ingest);
			if (!ShutdownRequestPending)
				wait_for_work(ingest);
		}
	}
}

/* What threads it starts are as nice. It cannot be undone: with another number the process ends. */
static void
be_nice(int nice)
{
	if (nice > 0 && setpriority(PRIO_PROCESS, 0, nice) != 0)
		ereport(LOG,
				(errmsg("could not set the priority of a worker: %m")));
}

void
cq_ingest_main(Datum arg)
{
	CqIngest   *ingest = MemoryContextAllocZero(TopMemoryContext, sizeof(CqIngest));
	CqStart		start;

	memcpy(&start, MyBgworkerEntry->bgw_extra, sizeof(CqStart));
	cq_session_watch_configuration();
	pqsignal(SIGTERM, cq_shared_on_sigterm);
	BackgroundWorkerUnblockSignals();
	ingest->slot = cq_shared_attach_worker(&start);
	if (ingest->slot == NULL)
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(start.database, InvalidOid, 0);
	cq_session_show();
	cq_session_apply_settings();
	cq_yield_watch(ingest->slot);

	ingest->worker = ingest->slot->number - 1;
	ingest->nworkers = ingest->slot->total;
	ingest->told_at = cq_clock_real_monotonic();
	cq_reading_forget_worker(ingest->slot->number, ingest->slot->number < CQ_POOL_STEP ?
							 ingest->slot->total + 1 : CQ_POOL_STEP, CQ_POOL_STEP);
	be_nice(ingest->slot->nice);
	ingest->context = AllocSetContextCreate(TopMemoryContext, "pg_cq lanes", ALLOCSET_SMALL_SIZES);
	ingest->readers = AllocSetContextCreate(TopMemoryContext, "pg_cq readers",
											ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(ingest->context);
	ingest->lanes_are_stale = ingest->settles_all = true;
	cq_load_watch(ingest);
	MemoryContextSwitchTo(ingest->context);

	PG_TRY();
	{
		run_rounds(ingest);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(TopMemoryContext);
		error = CopyErrorData();
		cq_shared_set_error(ingest->slot, error->message);
		PG_RE_THROW();
	}
	PG_END_TRY();
}
