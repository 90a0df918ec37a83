/*
 * emitter_connect.c
 *		The transport of an emitter, from RESTING to CONNECTING and back: see emitter.h.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/clock.h"
#include "common/compat.h"
#include "sink/emitter_parts.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define LONGEST_BACKOFF_MS	30000
#define REAP_MS				100
#define ASK_MS				50		/* before what was asked for is looked for */
#define REFUSED_MS			1000	/* the same where something is wrong */

/* Before one that did not end at once is followed by one that goes by the same name. */
#define STRAGGLER_MS		1000

/*
 * What a closed emitter leaves: a transport that still waits, and the rows that it has.
 */
typedef struct Remains
{
	CqTransport *transport;
	MemoryContext batch;
} Remains;

static List *remains = NIL;		/* of Remains *, in TopMemoryContext */
static uint32 fd_changes = 0;

/* ---- transports ---- */

MemoryContext
cq_emitter_new_batch(void)
{
	return AllocSetContextCreate(TopMemoryContext, "pg_cq outbox rows", ALLOCSET_DEFAULT_SIZES);
}

/* What was handed over is read again, from wherever it turns out that it was sent to. */
void
cq_emitter_discard_rows(CqEmitter *emitter)
{
	memset(&emitter->rows, 0, sizeof(CqOutboxRows));
	memset(&emitter->next, 0, sizeof(CqOutboxRows));
	MemoryContextReset(emitter->batch);
	MemoryContextReset(emitter->next_batch);
}

/* The rows go with it, if need be later: false. */
bool
cq_emitter_close_transport(CqEmitter *emitter)
{
	bool		is_closed = true;

	fd_changes += emitter->transport != NULL;
	if (emitter->transport != NULL && !cq_emitter_ask(emitter, close))
	{
		MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
		Remains    *left = palloc(sizeof(Remains));

		*left = (Remains) {emitter->transport, emitter->batch};
		remains = lappend(remains, left);
		MemoryContextSwitchTo(caller);
		emitter->batch = cq_emitter_new_batch();
		is_closed = false;
	}
	emitter->transport = NULL;
	emitter->has_place = false;
	cq_emitter_discard_rows(emitter);
	return is_closed;
}

long
cq_emitter_reap(long most)
{
	ListCell   *cell;

	foreach(cell, remains)
	{
		Remains    *left = lfirst(cell);

		if (!left->transport->methods->close(left->transport))
			continue;
		MemoryContextDelete(left->batch);
		pfree(left);
		remains = foreach_delete_current(remains, cell);
	}
	return remains != NIL ? Min(most, REAP_MS) : most;
}

uint32
cq_emitter_fd_changes(void)
{
	return fd_changes;
}

/* ---- what goes wrong ---- */

static void
show(CqEmitter *emitter, CqSinkState state, const char *message)
{
	emitter->shown = state;
	cq_sink_stats_state(emitter->sink.view, state, message);
}

/* Tells of a trouble, once for each that is another one. */
void
cq_emitter_tell_trouble(CqEmitter *emitter, int sqlstate, const char *message, const char *detail)
{
	bool		is_news = emitter->last_warning == NULL || strcmp(emitter->last_warning,
																  message) != 0;

	show(emitter, CQ_SINK_DOWN, message);
	if (!is_news)
		return;
	if (emitter->last_warning != NULL)
		pfree(emitter->last_warning);
	emitter->last_warning = MemoryContextStrdup(emitter->context, message);
	ereport(WARNING,
			(errcode(sqlstate),
			 errmsg("sink of view %s cannot be served, will try again: %s", emitter->name, message),
			 detail ? errdetail_internal("%s", detail) : 0));
}

void
cq_emitter_end_trouble(CqEmitter *emitter)
{
	emitter->failures = 0;
	show(emitter, CQ_SINK_RUNNING, NULL);
	if (emitter->last_warning == NULL)
		return;
	ereport(LOG, (errmsg("sink of view %s is served again", emitter->name)));
	pfree(emitter->last_warning);
	emitter->last_warning = NULL;
}

/* Leaves the sink alone for a while. */
static void
rest(CqEmitter *emitter, int least_ms)
{
	int			backoff = Min(1000 << Min(emitter->failures, 10), LONGEST_BACKOFF_MS);

	emitter->failures++;
	emitter->phase = EMITTER_RESTING;
	emitter->due = TimestampTzPlusMilliseconds(cq_clock_real_monotonic(), Max(backoff, least_ms));
}

/* The transport's last job went wrong. Where it can go on it is kept. */
void
cq_emitter_put_off(CqEmitter *emitter)
{
	CqTransportError error = cq_emitter_ask(emitter, error);
	int			pause_ms = error.pause_ms;

	cq_emitter_tell_trouble(emitter, error.sqlstate, error.message, error.detail);
	if (cq_emitter_ask(emitter, state) == CQ_TRANSPORT_FAILED)
		(void) cq_emitter_close_transport(emitter);
	rest(emitter, pause_ms);
}

/*
 * Does some work in a transaction of the database. False where the sink's row is not as it is
 * known, with nothing done. Where the work fails the sink is put off.
 */
bool
cq_emitter_work(CqEmitter *emitter, CqEmitterWork work)
{
	ErrorData  *volatile error = NULL;
	volatile bool is_known = true;

	PG_TRY();
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		is_known = work(emitter);
		PopActiveSnapshot();
		if (is_known)
			CommitTransactionCommand();
		else
			AbortCurrentTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(emitter->scratch);
		error = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(emitter->scratch);
	if (error == NULL)
		return is_known;
	(void) cq_emitter_close_transport(emitter);
	cq_emitter_tell_trouble(emitter, error->sqlerrcode, error->message, error->detail);
	rest(emitter, 0);
	return true;
}

/* ---- RESTING → CONNECTING ---- */

static bool
open_transport(CqEmitter *emitter)
{
	const CqTransportMethods *methods = cq_transport_methods(&emitter->sink);
	char	   *options = methods->describe(&emitter->sink);
	const char *trouble = NULL;
	CqTransport *transport = methods->open(&emitter->sink, &trouble);

	if (transport == NULL)
	{
		if (trouble != NULL)
			cq_emitter_tell_trouble(emitter, ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION, trouble,
									NULL);
		emitter->due = TimestampTzPlusMilliseconds(cq_clock_real_monotonic(), trouble != NULL ?
												   REFUSED_MS : ASK_MS);
		return true;
	}
	emitter->transport = transport;
	fd_changes++;
	if (emitter->options != NULL)
		pfree(emitter->options);
	emitter->options = MemoryContextStrdup(emitter->context, options);
	emitter->options_are_stale = false;
	return true;
}

bool
cq_emitter_connect(CqEmitter *emitter)
{
	if (emitter->shown != CQ_SINK_DOWN)
		show(emitter, CQ_SINK_CONNECTING, NULL);
	if (!cq_emitter_work(emitter, open_transport))
		return false;
	if (emitter->transport != NULL)
		emitter->phase = EMITTER_CONNECTING;
	return true;
}

/*
 * What invalidates an option's cache may also be a flood of messages about other things: connecting
 * again for nothing would be a pity. A stream that is no longer fit is an error.
 */
static bool
check_options(CqEmitter *emitter)
{
	char	   *options = emitter->transport->methods->describe(&emitter->sink);

	emitter->options_are_stale = strcmp(options, emitter->options) != 0;
	return true;
}

/* False where the sink's row is not as it is known. */
bool
cq_emitter_follow_options(CqEmitter *emitter)
{
	if (!cq_emitter_work(emitter, check_options))
		return false;
	if (!emitter->options_are_stale || emitter->transport == NULL)
		return true;
	emitter->due = cq_emitter_close_transport(emitter) ? 0 :
		TimestampTzPlusMilliseconds(cq_clock_real_monotonic(), STRAGGLER_MS);
	emitter->phase = EMITTER_RESTING;
	emitter->failures = 0;
	emitter->options_are_stale = false;
	return true;
}
