/*
 * keeper.c
 *		The keeper of one database: does what is due from time to time, so that neither tending
 *		processes nor ingest waits for it.
 *
 * It closes windows and makes their rows, deletes what is too old, lets blocked views go on, asks
 * how far streams reach that nobody reads, and tells the supervisor whether an emitter is needed.
 * Each of these is a transaction of its own. However long one takes, workers are started and ended
 * meanwhile by the supervisor.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/identity.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/sink.h"
#include "common/attempt.h"
#include "common/clock.h"
#include "common/version.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "stats/budget.h"
#include "stats/sink_stats.h"
#include "stats/stats.h"
#include "stats/usage.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"
#include "worker/extent.h"
#include "worker/note.h"
#include "worker/session.h"
#include "worker/shared.h"

#define NAP_MS			1000
#define ON_REQUEST_MS	10		/* no sooner than this after the last time */

/*
 * Done in a transaction of its own, every so often, where the function is there; again at once
 * while there is much to do.
 */
typedef struct Duty
{
	const char *function;		/* as a regprocedure; without arguments, or defaults for all */
	const char *statement;		/* that calls it; it returns how much it did */
	int64		much;
	int64		done;			/* the last time */
	int			interval_ms;
	bool		on_request;		/* also soon after a batch that asks for it */
	TimestampTz next;
	char	   *last_warning;
} Duty;

#define DUTY(name, arguments, call, many, milliseconds, requested) \
	{.function = "_cq." name "(" arguments ")", .statement = "SELECT _cq." name "(" call ")", \
		.much = many, .interval_ms = milliseconds, .on_request = requested}

static Duty duties[] = {
	DUTY("log_trim", "", "", 100000, 10000, false),
	DUTY("expire_rows", "bigint,boolean", "one_view => true", 1, 10000, false),
	DUTY("trim_errors", "", "", 10000, 10000, false),
	DUTY("advance_watermarks", "", "", 1, 1000, false),
	DUTY("close_windows", "", "", 1, 1000, true),
	DUTY("emit_windows", "", "", 1, 1000, true),
	DUTY("note_budgets", "", "", PG_INT64_MAX, 1000, false),
	DUTY("block_views", "", "", PG_INT64_MAX, 1000, false),
	DUTY("unblock_views", "", "", PG_INT64_MAX, 1000, false),
	DUTY("trim_events", "", "", PG_INT64_MAX, 10000, false),
	DUTY("write_usage", "", "", PG_INT64_MAX, 10000, false),
	DUTY("trim_usage", "", "", PG_INT64_MAX, 600000, false),
};

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
	if (SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1) != NULL &&
		cq_identity_matches() && SPI_execute(duty->statement, false, 1) == SPI_OK_SELECT)
		duty->done = DatumGetInt64(cq_query_column(0, 1, &isnull));
	SPI_finish();
	duty->next = cq_clock_real_monotonic();
	if (duty->done < duty->much)
		duty->next = TimestampTzPlusMilliseconds(duty->next, duty->interval_ms);
}

/* Runs something in a transaction of its own; what it fails with is logged when it is new. */
static void
run_apart(void (*run) (void *arg), void *arg, char **last_warning)
{
	ErrorData  *error;

	cq_shared_is_busy = true;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	error = cq_attempt(run, arg);
	if (error != NULL)
		cq_attempt_warn(error, last_warning);
	PopActiveSnapshot();
	CommitTransactionCommand();
	cq_shared_is_busy = false;
}

static void
do_duty(Duty *duty)
{
	/* Where it fails. */
	duty->next = TimestampTzPlusMilliseconds(cq_clock_real_monotonic(), duty->interval_ms);
	duty->done = 0;
	cq_usage_charge(InvalidOid);
	run_apart(run_duty, duty, &duty->last_warning);
	pgstat_report_stat(true);	/* what was deleted is autovacuum's to know */
	if (duty->done > 0)
	{
		ConditionVariableBroadcast(&cq_shared->changed);	/* somebody may wait for it */
		/* What was made of closed windows may have gone to an outbox. */
		cq_shared_request_emitting();
	}
}

/* What batches have asked for is due soon. */
static void
take_requests(void)
{
	static uint32 seen = 0;
	uint32		requests = cq_shared_closing_requests();
	TimestampTz soon = TimestampTzPlusMilliseconds(cq_clock_real_monotonic(), ON_REQUEST_MS);

	if (requests == seen)
		return;
	seen = requests;
	for (int i = 0; i < (int) lengthof(duties); i++)
	{
		if (duties[i].on_request)
			duties[i].next = Min(duties[i].next, soon);
	}
}

static long
do_duties(void)
{
	long		delay = NAP_MS;

	take_requests();
	for (int i = 0; i < (int) lengthof(duties); i++)
	{
		if (duties[i].next <= cq_clock_real_monotonic())
			do_duty(&duties[i]);
		delay = Min(delay, TimestampDifferenceMilliseconds(cq_clock_real_monotonic(),
														   duties[i].next));
	}
	return delay;
}

/*
 * In a database that is a copy nothing is sent. What was dropped gives back its room in statistics.
 */
static void
look_around(void *found)
{
	cq_stats_sweep();
	cq_sink_stats_sweep();
	*(bool *) found = cq_sink_any() && cq_identity_matches();
}

static void
ask_for_emitter(void)
{
	static char *last_warning = NULL;
	static TimestampTz next = 0;
	static uint32 seen = 0;
	uint32		requests = cq_shared_emitting_requests();
	bool		found = false;

	if (requests == seen && cq_clock_real_monotonic() < next)
		return;
	seen = requests;
	next = TimestampTzPlusMilliseconds(cq_clock_real_monotonic(), NAP_MS);
	run_apart(look_around, &found, &last_warning);
	cq_shared_want_emitter(found);
}

static bool
fits(void)
{
	bool		result;

	StartTransactionCommand();
	result = cq_version_matches();
	CommitTransactionCommand();
	return result;
}

void
cq_keeper_main(Datum arg)
{
	CqWorkerSlot *slot;
	CqStart		start;

	memcpy(&start, MyBgworkerEntry->bgw_extra, sizeof(CqStart));
	cq_session_watch_configuration();
	pqsignal(SIGTERM, cq_shared_on_sigterm);
	BackgroundWorkerUnblockSignals();
	slot = cq_shared_attach_worker(&start);
	if (slot == NULL)
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(start.database, InvalidOid, 0);
	cq_session_show();
	cq_session_apply_settings();
	cq_yield_watch(slot);

	for (;;)
	{
		long		delay;

		CHECK_FOR_INTERRUPTS();
		if (cq_session_reload())
			cq_session_apply_settings();
		/* The supervisor starts another one when library and catalog fit again. */
		if (ShutdownRequestPending || !fits())
			proc_exit(0);
		cq_shared_is_busy = true;
		cq_yield_condemn(slot);
		cq_shared_is_busy = false;
		ask_for_emitter();
		cq_budget_look(false);
		delay = do_duties();
		cq_note_run(run_apart);
		cq_extent_run(run_apart);
		cq_shared_measure(slot);
		pgstat_report_activity(STATE_IDLE, NULL);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, delay,
						 PG_WAIT_EXTENSION);
		pgstat_report_activity(STATE_RUNNING, NULL);
		ResetLatch(MyLatch);
	}
}
