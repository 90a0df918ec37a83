/*
 * emitter_producer.c
 *		The producer of an emitter, from RESTING to CONNECTING and back: see emitter.h.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/stream.h"
#include "commands/defrem.h"
#include "common/compat.h"
#include "common/owner.h"
#include "lib/stringinfo.h"
#include "sink/emitter_parts.h"
#include "stream/reader_state.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define LONGEST_BACKOFF_MS	30000
#define FENCED_MS			30000	/* before a producer that was fenced comes back, and fences in its turn */
#define REAP_MS				100
#define ASK_MS				50		/* before the registry's answer is looked for */
#define REFUSED_MS			1000	/* the same where something is wrong */
#define STRAGGLER_MS		1000	/* before a producer is followed by one that goes by the same name, if it does not end at once */

/*
 * What a closed emitter leaves: a thread that still waits for a broker, and the rows that it has.
 */
typedef struct Remains
{
	CqKafkaTransaction *transaction;
	MemoryContext batch;
} Remains;

static List *remains = NIL;		/* of Remains *, in TopMemoryContext */
static uint32 fd_changes = 0;

/* ---- producers ---- */

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
cq_emitter_close_producer(CqEmitter *emitter)
{
	bool		is_closed = true;

	fd_changes += emitter->transaction != NULL;
	if (emitter->transaction != NULL && !cq_kafka_transaction_close(emitter->transaction))
	{
		MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
		Remains    *left = palloc(sizeof(Remains));

		*left = (Remains) {emitter->transaction, emitter->batch};
		remains = lappend(remains, left);
		MemoryContextSwitchTo(caller);
		emitter->batch = cq_emitter_new_batch();
		is_closed = false;
	}
	emitter->transaction = NULL;
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

		if (!cq_kafka_transaction_close(left->transaction))
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
	emitter->due = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), Max(backoff, least_ms));
}

/* The producer's last job went wrong. Where it can go on it is kept. */
void
cq_emitter_put_off(CqEmitter *emitter)
{
	CqTransactionError error = cq_kafka_transaction_error(emitter->transaction);

	if (error.is_fenced)
		cq_emitter_tell_trouble(emitter, ERRCODE_OBJECT_IN_USE,
					 psprintf("another producer has taken over as \"%s\": %s",
							  cq_kafka_transaction_name(emitter->sink.epoch), error.message),
					 "Another server runs with the same data, such as a standby that was promoted. "
					 "Only one of them should go on.");
	else
		cq_emitter_tell_trouble(emitter, error.sqlstate, error.message, NULL);
	if (cq_kafka_transaction_state(emitter->transaction) == CQ_TRANSACTION_FAILED)
		(void) cq_emitter_close_producer(emitter);
	rest(emitter, error.is_fenced ? FENCED_MS : 0);
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
	(void) cq_emitter_close_producer(emitter);
	cq_emitter_tell_trouble(emitter, error->sqlerrcode, error->message, error->detail);
	rest(emitter, 0);
	return true;
}

/* ---- RESTING → CONNECTING ---- */

/* All that a producer is made of. */
static char *
describe_options(const CqStream *stream, const CqFraming *framing)
{
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, stream->topics)
		appendStringInfo(&text, "%s,", (char *) lfirst(cell));
	foreach(cell, stream->properties)
	{
		DefElem    *property = lfirst_node(DefElem, cell);

		appendStringInfo(&text, " %s=%s", property->defname,
						 quote_literal_cstr(defGetString(property)));
	}
	if (framing != NULL)
		appendStringInfo(&text, " %s", cq_framing_describe(framing));
	return text.data;
}

/* The stream, with the properties of the view's owner, who may or may not write to it. */
static CqStream *
open_stream(const CqEmitter *emitter)
{
	Oid			owner = cq_owner_of_relation(emitter->sink.view);
	CqStream   *stream;

	if (pg_class_aclcheck(emitter->sink.sink, owner, ACL_INSERT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FOREIGN_TABLE, get_rel_name(emitter->sink.sink));
	stream = cq_stream_get(emitter->sink.sink, owner);
	if (stream->kind != CQ_STREAM_KAFKA || stream->topics == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("stream %s has no topic of Kafka", stream->name)));
	return stream;
}

/*
 * Nothing is sent before the numbers of its schemas are known: they are asked for, and looked for
 * again.
 */
static bool
has_numbers(CqEmitter *emitter, const CqStream *stream)
{
	MemoryContext caller;
	const char *trouble = NULL;

	if (emitter->framing_context == NULL)
		emitter->framing_context = AllocSetContextCreate(emitter->context, "pg_cq framing",
														 ALLOCSET_SMALL_SIZES);
	MemoryContextReset(emitter->framing_context);
	caller = MemoryContextSwitchTo(emitter->framing_context);
	emitter->framing = cq_framing_make(stream);
	MemoryContextSwitchTo(caller);
	if (emitter->framing == NULL || cq_framing_is_known(emitter->framing, &trouble))
		return true;
	if (trouble != NULL)
		cq_emitter_tell_trouble(emitter, ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION, trouble, NULL);
	emitter->due = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), trouble != NULL ? REFUSED_MS :
											   ASK_MS);
	return false;
}

static bool
open_transaction(CqEmitter *emitter)
{
	CqStream   *stream = open_stream(emitter);
	CqSourceConfig config = cq_reader_config(stream, false);

	if (!has_numbers(emitter, stream))
		return true;
	if (emitter->options != NULL)
		pfree(emitter->options);
	emitter->options = MemoryContextStrdup(emitter->context,
										   describe_options(stream, emitter->framing));
	emitter->options_are_stale = false;
	emitter->transaction = cq_kafka_transaction_open(&config, emitter->sink.epoch);
	fd_changes++;
	return true;
}

bool
cq_emitter_connect(CqEmitter *emitter)
{
	if (emitter->shown != CQ_SINK_DOWN)
		show(emitter, CQ_SINK_CONNECTING, NULL);
	if (!cq_emitter_work(emitter, open_transaction))
		return false;
	if (emitter->transaction != NULL)
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
	CqStream   *stream = open_stream(emitter);

	emitter->options_are_stale = strcmp(describe_options(stream, cq_framing_make(stream)),
										emitter->options) != 0;
	return true;
}

/* False where the sink's row is not as it is known. */
bool
cq_emitter_follow_options(CqEmitter *emitter)
{
	if (!cq_emitter_work(emitter, check_options))
		return false;
	if (!emitter->options_are_stale || emitter->transaction == NULL)
		return true;
	emitter->due = cq_emitter_close_producer(emitter) ? 0 :
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(), STRAGGLER_MS);
	emitter->phase = EMITTER_RESTING;
	emitter->failures = 0;
	emitter->options_are_stale = false;
	return true;
}
