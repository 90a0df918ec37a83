/*
 * emit.c
 *		The emitter process: serves all sinks of its database, each in its turn, until there are
 *		none or it is told to end.
 *
 * A step of a sink (sink/emitter.h) is a short transaction of the database, or nothing; Kafka is
 * waited for by threads, which wake this process when they are done. So sinks do not hold up one
 * another: one whose broker is away costs a look a second. The process waits for its latch (batches
 * set it when they have put rows into an outbox, and commands that change the catalog do), for
 * those threads, and for what is due. Once a second it looks at the outboxes by itself, for rows of
 * which nobody told.
 *
 * An error that comes out of here ends the process; the supervisor starts another one. Nothing is
 * lost by that, nor sent twice.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/identity.h"
#include "catalog/namespace.h"
#include "common/clock.h"
#include "common/compat.h"
#include "common/version.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "sink/emitter.h"
#include "sink/outbox_read.h"
#include "stats/budget.h"
#include "stats/sink_stats.h"
#include "stats/usage.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/backend_status.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"
#include "worker/session.h"
#include "worker/shared.h"

#define LONGEST_WAIT_MS	1000

PG_FUNCTION_INFO_V1(cq_wake_emitter);

static CqWorkerSlot *own;		/* this process's */
static List *emitters = NIL;	/* of CqEmitter *, in TopMemoryContext */
static Oid	catalog;			/* _cq.view: invalidated when anything about views changes */
static bool sinks_are_stale = true;
static bool options_are_stale = false;
static uint32 requests_seen = 0;
static TimestampTz looked_at = 0;	/* at the outboxes */
static WaitEventSet *wait_set = NULL;	/* NULL: to be made anew */
static uint32 wait_changes = 0; /* as of when it was made */

/* ---- noticing changes ---- */

static bool
concerns_sinks(Oid relid)
{
	ListCell   *cell;

	foreach(cell, emitters)
	{
		const CqViewSink *sink = cq_emitter_sink(lfirst(cell));

		if (relid == sink->sink || relid == sink->view)
			return true;
	}
	return false;
}

static void
on_relation_change(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == catalog)
		sinks_are_stale = true;
	if (relid == InvalidOid || concerns_sinks(relid))
		options_are_stale = true;
}

static void
on_server_change(Datum arg, int cache, uint32 hash)
{
	options_are_stale = true;
}

static void
watch(void)
{
	Oid			schema;

	CacheRegisterRelcacheCallback(on_relation_change, (Datum) 0);
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, on_server_change, (Datum) 0);
	CacheRegisterSyscacheCallback(USERMAPPINGOID, on_server_change, (Datum) 0);
	StartTransactionCommand();
	schema = get_namespace_oid("_cq", true);
	catalog = OidIsValid(schema) ? get_relname_relid("view", schema) : InvalidOid;
	CommitTransactionCommand();
}

/* ---- which sinks there are ---- */

/*
 * The emitter of a row, taken from a list; a new one where there is none, or it serves what the row
 * no longer says.
 */
static CqEmitter *
emitter_for(const CqViewSink *sink, List **before)
{
	ListCell   *cell;

	foreach(cell, *before)
	{
		CqEmitter  *emitter = lfirst(cell);

		if (!cq_emitter_matches(emitter, sink))
			continue;
		*before = foreach_delete_current(*before, cell);
		return emitter;
	}
	return cq_emitter_create(sink);
}

static bool
serves(Oid view)
{
	ListCell   *cell;

	foreach(cell, emitters)
	{
		if (cq_emitter_sink(lfirst(cell))->view == view)
			return true;
	}
	return false;
}

/* Within a transaction. */
static void
load_sinks(void)
{
	List	   *sinks = cq_identity_matches() ? cq_sink_list() : NIL;
	List	   *before = emitters;
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
	ListCell   *cell;

	emitters = NIL;
	foreach(cell, sinks)
		emitters = lappend(emitters, emitter_for(lfirst(cell), &before));
	/*
	 * Before those that are new connect, which they do in their first step: they may go by the same
	 * names.
	 */
	foreach(cell, before)
	{
		Oid			view = cq_emitter_sink(lfirst(cell))->view;

		cq_emitter_close(lfirst(cell));
		if (!serves(view))
			cq_sink_stats_forget(MyDatabaseId, view);
	}
	list_free(before);
	MemoryContextSwitchTo(caller);
}

/* Takes note of what others have changed: at the start of a transaction, as everywhere. */
static void
hear_of_changes(void)
{
	ListCell   *cell;

	StartTransactionCommand();
	if (!cq_version_matches())
		proc_exit(0);			/* the supervisor starts another one when they fit */
	if (sinks_are_stale)
	{
		sinks_are_stale = false;
		load_sinks();
		looked_at = 0;
	}
	CommitTransactionCommand();
	MemoryContextSwitchTo(TopMemoryContext);
	if (!options_are_stale)
		return;
	options_are_stale = false;
	foreach(cell, emitters)
		cq_emitter_note_options(lfirst(cell));
}

/* ---- which outboxes have rows ---- */

static void
note_end(Oid view, int64 end_id, void *arg)
{
	ListCell   *cell;

	foreach(cell, emitters)
	{
		if (cq_emitter_sink(lfirst(cell))->view == view)
			cq_emitter_note_end(lfirst(cell), end_id);
	}
}

static bool
anyone_is_idle(void)
{
	ListCell   *cell;

	foreach(cell, emitters)
	{
		if (cq_emitter_is_idle(lfirst(cell)))
			return true;
	}
	return false;
}

static bool
all_are_idle(void)
{
	ListCell   *cell;

	foreach(cell, emitters)
	{
		if (!cq_emitter_is_idle(lfirst(cell)))
			return false;
	}
	return true;
}

/* One query for all sinks, where somebody has told of rows, or has not for a while. */
static void
look_at_outboxes(void)
{
	uint32		requests = cq_shared_emitting_requests();
	TimestampTz now = cq_clock_real_monotonic();

	if (!anyone_is_idle())
		return;
	if (requests == requests_seen && !TimestampDifferenceExceeds(looked_at, now, LONGEST_WAIT_MS))
		return;
	requests_seen = requests;
	looked_at = now;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	cq_outbox_read_ends(note_end, NULL);
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(TopMemoryContext);
}

/* ---- waiting ---- */

static void
make_wait_set(void)
{
	ListCell   *cell;

	if (wait_set != NULL)
		FreeWaitEventSet(wait_set);
	wait_set = cq_compat_create_wait_event_set(TopMemoryContext, 2 + list_length(emitters));
	wait_changes = cq_emitter_fd_changes();
	AddWaitEventToSet(wait_set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	foreach(cell, emitters)
	{
		int			fd = cq_emitter_fd(lfirst(cell));

		if (fd >= 0)
			AddWaitEventToSet(wait_set, WL_SOCKET_READABLE, fd, NULL, NULL);
	}
}

static void
wait_for_work(void)
{
	long		timeout = cq_emitter_reap(LONGEST_WAIT_MS);
	WaitEvent	event;
	ListCell   *cell;

	foreach(cell, emitters)
		timeout = cq_emitter_delay(lfirst(cell), timeout);
	if (wait_set == NULL || wait_changes != cq_emitter_fd_changes())
		make_wait_set();
	pgstat_report_activity(STATE_IDLE, NULL);
	if (WaitEventSetWait(wait_set, Max(timeout, 0), &event, 1, PG_WAIT_EXTENSION) > 0 &&
		(event.events & WL_LATCH_SET))
		ResetLatch(MyLatch);
	pgstat_report_activity(STATE_RUNNING, NULL);
}

/* ---- the loop ---- */

static void
react_to_signals(void)
{
	if (ShutdownRequestPending)
		proc_exit(0);
	if (cq_session_reload())
		cq_session_apply_emitter_settings();
}

/* A round: what can be done now. */
static void
work(void)
{
	ListCell   *cell;

	cq_shared_is_busy = true;
	CHECK_FOR_INTERRUPTS();
	hear_of_changes();
	cq_budget_look(false);
	look_at_outboxes();
	foreach(cell, emitters)
	{
		CHECK_FOR_INTERRUPTS();
		if (!cq_emitter_step(lfirst(cell)))
			sinks_are_stale = true;
		MemoryContextSwitchTo(TopMemoryContext);
	}
	pgstat_report_stat(false);
	cq_shared_set_state(own, CQ_WORKER_RUNNING);
	cq_shared_is_busy = false;
}

/*
 * _cq.wake_emitter(): what a batch does after its commit, for who has put rows into an outbox by
 * other means.
 */
Datum
cq_wake_emitter(PG_FUNCTION_ARGS)
{
	if (cq_shared != NULL)
		cq_shared_request_emitting();
	PG_RETURN_VOID();
}

void
cq_emit_main(Datum arg)
{
	CqStart		start;

	memcpy(&start, MyBgworkerEntry->bgw_extra, sizeof(CqStart));
	cq_session_watch_configuration();
	pqsignal(SIGTERM, cq_shared_on_sigterm);
	pqsignal(SIGINT, SIG_IGN);	/* it would end the wait for a synchronous standby */
	BackgroundWorkerUnblockSignals();
	own = cq_shared_attach_worker(&start);
	if (own == NULL)
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(start.database, InvalidOid, 0);
	cq_session_show();
	cq_session_apply_emitter_settings();
	MemoryContextSwitchTo(TopMemoryContext);
	watch();
	MemoryContextSwitchTo(TopMemoryContext);
	for (;;)
	{
		bool		was_idle = all_are_idle();

		react_to_signals();
		work();
		cq_shared_measure(own);
		if (was_idle && all_are_idle())
			cq_usage_charge(InvalidOid);	/* else it is of what is being sent */
		if (emitters == NIL && !sinks_are_stale)
		{
			cq_shared_want_emitter(false);	/* the keeper looks whether there are sinks again */
			proc_exit(0);
		}
		if (!sinks_are_stale && !options_are_stale && !ShutdownRequestPending)
			wait_for_work();
	}
}
