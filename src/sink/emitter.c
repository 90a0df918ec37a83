/*
 * emitter.c
 *		One sink, from its outbox to Kafka: see emitter.h.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/stream.h"
#include "commands/defrem.h"
#include "common/compat.h"
#include "common/owner.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "sink/emitter.h"
#include "sink/outbox_read.h"
#include "source/kafka_transaction.h"
#include "stats/sink_stats.h"
#include "stream/reader_state.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define MAX_ROWS			10000	/* of one transaction */
#define MAX_BYTES			(8 * 1024 * 1024)
#define LONGEST_BACKOFF_MS	30000
#define FENCED_MS			30000	/* before a producer that was fenced comes back, and fences in its turn */
#define RENEW_MS			(6 * 3600 * 1000)	/* Kafka forgets an offset after a day, or seven */
#define TEND_MS				10000	/* while nothing is sent */
#define LOOK_MS				1000	/* while Kafka does not answer */
#define REAP_MS				100
#define STRAGGLER_MS		1000	/* before a producer is followed by one that goes by the same name, if it does not end at once */

typedef enum EmitterPhase
{
	EMITTER_RESTING,
	EMITTER_CONNECTING,
	EMITTER_IDLE,
	EMITTER_SENDING,
	EMITTER_STOPPED
} EmitterPhase;

struct CqEmitter
{
	MemoryContext context;
	MemoryContext batch;		/* what is being sent */
	MemoryContext next_batch;	/* what was handed over to be sent next */
	MemoryContext scratch;		/* of one step */
	CqViewSink	sink;			/* its ids as the database has them */
	char	   *name;			/* of the view, for messages */
	EmitterPhase phase;
	CqKafkaTransaction *transaction;	/* NULL: none */
	CqOutboxRows rows;			/* being sent */
	CqOutboxRows next;			/* handed over; none where nrows is 0 */
	int64		kafka_id;		/* rows up to here are in Kafka */
	int64		deleted_id;		/* and rows up to here have been deleted, as far as is known */
	int64		end_id;			/* the last that there is, as far as is known */
	bool		has_place;		/* Kafka has one, and it is right */
	TimestampTz placed_at;
	TimestampTz tended_at;
	TimestampTz due;			/* where it rests */
	int			failures;		/* in a row */
	CqSinkState shown;			/* what cq.sinks says */
	char	   *last_warning;
	char	   *options;			/* that the producer was opened with, as one text */
	bool		options_are_stale;	/* may be */
};

/* What a closed emitter leaves: a thread that still waits for a broker, and the rows that it has. */
typedef struct Remains
{
	CqKafkaTransaction *transaction;
	MemoryContext batch;
} Remains;

static List *remains = NIL;		/* of Remains *, in TopMemoryContext */
static uint32 fd_changes = 0;

/* ---- producers ---- */

static MemoryContext
new_batch_context(void)
{
	return AllocSetContextCreate(TopMemoryContext, "pg_cq outbox rows", ALLOCSET_DEFAULT_SIZES);
}

/* What was handed over is read again, from wherever it turns out that it was sent to. */
static void
discard_rows(CqEmitter *emitter)
{
	memset(&emitter->rows, 0, sizeof(CqOutboxRows));
	memset(&emitter->next, 0, sizeof(CqOutboxRows));
	MemoryContextReset(emitter->batch);
	MemoryContextReset(emitter->next_batch);
}

/* The rows go with it, if need be later: false. */
static bool
close_transaction(CqEmitter *emitter)
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
		emitter->batch = new_batch_context();
		is_closed = false;
	}
	emitter->transaction = NULL;
	emitter->has_place = false;
	discard_rows(emitter);
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

/* ---- what goes wrong ---- */

static void
show(CqEmitter *emitter, CqSinkState state, const char *message)
{
	emitter->shown = state;
	cq_sink_stats_state(emitter->sink.view, state, message);
}

/* Tells of a trouble, once for each that is another one. */
static void
tell_trouble(CqEmitter *emitter, int sqlstate, const char *message, const char *detail)
{
	bool		is_news = emitter->last_warning == NULL || strcmp(emitter->last_warning, message) != 0;

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

static void
end_trouble(CqEmitter *emitter)
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
static void
put_off_by_kafka(CqEmitter *emitter)
{
	CqTransactionError error = cq_kafka_transaction_error(emitter->transaction);

	if (error.is_fenced)
		tell_trouble(emitter, ERRCODE_OBJECT_IN_USE,
					 psprintf("another producer has taken over as \"%s\": %s", cq_kafka_transaction_name(emitter->sink.epoch), error.message),
					 "Another server runs with the same data, such as a standby that was promoted. Only one of them should go on.");
	else
		tell_trouble(emitter, error.sqlstate, error.message, NULL);
	if (cq_kafka_transaction_state(emitter->transaction) == CQ_TRANSACTION_FAILED)
		(void) close_transaction(emitter);
	rest(emitter, error.is_fenced ? FENCED_MS : 0);
}

typedef bool (*Work) (CqEmitter *emitter);

/*
 * Does some work in a transaction of the database. False where the sink's row is not as it is known, with nothing done. Where the work fails the
 * sink is put off.
 */
static bool
work_in_transaction(CqEmitter *emitter, Work work)
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
	(void) close_transaction(emitter);
	tell_trouble(emitter, error->sqlerrcode, error->message, error->detail);
	rest(emitter, 0);
	return true;
}

/* ---- RESTING → CONNECTING ---- */

/* All that a producer is made of. */
static char *
describe_options(const CqStream *stream)
{
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, stream->topics)
		appendStringInfo(&text, "%s,", (char *) lfirst(cell));
	foreach(cell, stream->properties)
	{
		DefElem    *property = lfirst_node(DefElem, cell);

		appendStringInfo(&text, " %s=%s", property->defname, quote_literal_cstr(defGetString(property)));
	}
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

static bool
open_transaction(CqEmitter *emitter)
{
	CqStream   *stream = open_stream(emitter);
	CqSourceConfig config = cq_reader_config(stream, false);

	if (emitter->options != NULL)
		pfree(emitter->options);
	emitter->options = MemoryContextStrdup(emitter->context, describe_options(stream));
	emitter->options_are_stale = false;
	emitter->transaction = cq_kafka_transaction_open(&config, emitter->sink.epoch);
	fd_changes++;
	return true;
}

static bool
start_connecting(CqEmitter *emitter)
{
	if (emitter->shown != CQ_SINK_DOWN)
		show(emitter, CQ_SINK_CONNECTING, NULL);
	if (!work_in_transaction(emitter, open_transaction))
		return false;
	if (emitter->transaction != NULL)
		emitter->phase = EMITTER_CONNECTING;
	return true;
}

/*
 * What invalidates an option's cache may also be a flood of messages about other things: connecting again for nothing would be a pity. A stream that is
 * no longer fit is an error.
 */
static bool
check_options(CqEmitter *emitter)
{
	emitter->options_are_stale = strcmp(describe_options(open_stream(emitter)), emitter->options) != 0;
	return true;
}

/* False where the sink's row is not as it is known. */
static bool
follow_options(CqEmitter *emitter)
{
	if (!work_in_transaction(emitter, check_options))
		return false;
	if (!emitter->options_are_stale || emitter->transaction == NULL)
		return true;
	emitter->due = close_transaction(emitter) ? 0 : TimestampTzPlusMilliseconds(GetCurrentTimestamp(), STRAGGLER_MS);
	emitter->phase = EMITTER_RESTING;
	emitter->failures = 0;
	emitter->options_are_stale = false;
	return true;
}

/* ---- settling: what Kafka says against what the database knows ---- */

static bool
fail(CqEmitter *emitter, const char *detail, int64 kafka_id)
{
	cq_outbox_write_failure(&emitter->sink, detail, kafka_id);
	emitter->phase = EMITTER_STOPPED;
	ereport(WARNING,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("sink of view %s has failed", emitter->name),
			 errdetail_internal("%s", detail),
			 errhint("Call cq.resume_sink() to say whether rows that may have been sent are to be sent again.")));
	return true;
}

static char *
rows_in_doubt(const CqViewSink *sink)
{
	return psprintf("it is not known whether rows " INT64_FORMAT " to " INT64_FORMAT " were sent", sink->sent_id + 1, sink->sending_id);
}

/* Within a transaction. False where the sink's row is not as it is known. */
static bool
settle(CqEmitter *emitter)
{
	CqTransactionPlace place = cq_kafka_transaction_place(emitter->transaction);
	CqViewSink *sink = &emitter->sink;
	const char *group = cq_kafka_transaction_name(sink->epoch);
	int64		kafka_id = place.next_id - 1;

	if (!cq_outbox_lock_progress(sink))
		return false;
	discard_rows(emitter);
	/* How old the offset is by Kafka's count is not known: it is renewed at once. */
	if (emitter->phase == EMITTER_CONNECTING)
		emitter->placed_at = 0;
	emitter->phase = EMITTER_IDLE;
	emitter->kafka_id = sink->sent_id;
	emitter->has_place = false;
	if (place.is_there && !place.is_ours)
		return fail(emitter, psprintf("The offset of consumer group \"%s\" was not written by this sink.", group), -1);
	if (place.is_there && kafka_id > sink->sending_id)
		return fail(emitter, psprintf("Rows up to " INT64_FORMAT " are in Kafka, but no more than " INT64_FORMAT
									  " were handed over by this database: it seems to have been restored to an earlier point.",
									  kafka_id, sink->sending_id), kafka_id);
	if (place.is_there && kafka_id >= sink->sent_id)
	{
		emitter->kafka_id = kafka_id;
		emitter->has_place = true;
		return true;
	}
	if (sink->sending_id == sink->sent_id)
		return true;
	if (!place.is_there)
		return fail(emitter, psprintf("Consumer group \"%s\" has no offset any more, and so %s. An offset expires where nothing is sent and no emitter"
									  " runs for long, and goes with the topic.", group, rows_in_doubt(sink)), -1);
	return fail(emitter, psprintf("The offset of consumer group \"%s\" is older than what is known of it, and so %s.", group, rows_in_doubt(sink)), -1);
}

/* ---- IDLE → SENDING ---- */

/*
 * Before rows leave the database: at least 'on', or more where the server is set to more. What was only written down about rows that are in Kafka may
 * be lost.
 */
static void
set_durability(bool hands_over)
{
	if (!hands_over || synchronous_commit < SYNCHRONOUS_COMMIT_ON)
		(void) set_config_option("synchronous_commit", hands_over ? "on" : "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
								 true, 0, false);
}

/* The outbox is a table of the view's owner, who may write to the sink, but not to whatever topic there is. */
static void
check_topics(const CqEmitter *emitter, const CqOutboxRows *rows)
{
	const CqStream *stream = NULL;

	for (uint64 i = 0; i < rows->nrows; i++)
	{
		const char *topic = rows->rows[i].topic;
		ListCell   *cell;

		if (topic == NULL)
			continue;
		if (stream == NULL)
			stream = cq_stream_get(emitter->sink.sink, InvalidOid);
		foreach(cell, stream->topics)
		{
			if (strcmp(lfirst(cell), topic) == 0)
				break;
		}
		if (cell == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("row " INT64_FORMAT " of the outbox is for topic \"%s\", which is not one of stream %s",
							rows->rows[i].message.offset, topic, stream->name)));
	}
}

/*
 * Reads what is next, behind what is being sent if anything is. The table's lock comes before the row's, as in DROP.
 */
static bool
hand_over(CqEmitter *emitter)
{
	CqViewSink	sink = emitter->sink;
	CqOutboxRows *next = &emitter->next;
	MemoryContext caller;

	if (emitter->kafka_id > emitter->deleted_id)
		cq_outbox_delete(&sink, emitter->deleted_id, emitter->kafka_id);
	caller = MemoryContextSwitchTo(emitter->next_batch);
	cq_outbox_read(&sink, emitter->phase == EMITTER_SENDING ? emitter->rows.last_id : emitter->kafka_id, MAX_ROWS, MAX_BYTES, next);
	MemoryContextSwitchTo(caller);
	check_topics(emitter, next);
	if (emitter->kafka_id == sink.sent_id && next->last_id == sink.sending_id && next->nrows == 0)
		return true;
	if (!cq_outbox_lock_progress(&sink))
		return false;
	sink.sent_id = emitter->kafka_id;
	sink.sending_id = next->last_id;
	cq_outbox_write_progress(&sink);
	set_durability(next->nrows > 0);
	return true;
}

/* Hands over what is next, if there is any. False where the sink's row is not as it is known. */
static bool
fill_next(CqEmitter *emitter)
{
	EmitterPhase phase = emitter->phase;

	if (!work_in_transaction(emitter, hand_over) || emitter->phase != phase)
	{
		/* It was put off, or is not as it was: nothing was handed over. */
		memset(&emitter->next, 0, sizeof(CqOutboxRows));
		MemoryContextReset(emitter->next_batch);
		return emitter->phase != phase;
	}
	emitter->deleted_id = Max(emitter->deleted_id, emitter->kafka_id);
	emitter->sink.sent_id = emitter->kafka_id;
	emitter->sink.sending_id = emitter->next.last_id;
	if (emitter->next.nrows == 0)
	{
		/* There may be fewer than was said: somebody else has deleted some. */
		emitter->end_id = Min(emitter->end_id, emitter->next.last_id);
		MemoryContextReset(emitter->next_batch);
	}
	return true;
}

/* Headers that are none come out here, after the commit: nothing was sent then, and it is tried again. */
static bool
send_rows(CqEmitter *emitter)
{
	MemoryContext caller = MemoryContextSwitchTo(emitter->batch);

	/* The commit may have given up waiting for standbys because this process is to end. */
	CHECK_FOR_INTERRUPTS();
	cq_kafka_transaction_send(emitter->transaction, emitter->rows.rows, emitter->rows.nrows, emitter->rows.last_id + 1);
	MemoryContextSwitchTo(caller);
	emitter->phase = EMITTER_SENDING;
	return true;
}

static bool
is_renewal_due(const CqEmitter *emitter)
{
	return !emitter->has_place || TimestampDifferenceExceeds(emitter->placed_at, GetCurrentTimestamp(), RENEW_MS);
}

static bool
has_work(const CqEmitter *emitter)
{
	return emitter->next.nrows > 0 || emitter->kafka_id > emitter->sink.sent_id || emitter->end_id > emitter->kafka_id;
}

/* What was handed over is what is being sent. */
static void
take_next(CqEmitter *emitter)
{
	MemoryContext batch = emitter->batch;

	emitter->batch = emitter->next_batch;
	emitter->next_batch = batch;
	emitter->rows = emitter->next;
	memset(&emitter->next, 0, sizeof(CqOutboxRows));
}

/* Sends what is next, if there is any; under a backlog prepares what comes after it. False where the sink's row is not as it is known. */
static bool
start_sending(CqEmitter *emitter)
{
	if (emitter->next.nrows == 0 && !fill_next(emitter))
		return false;
	if (emitter->phase != EMITTER_IDLE || emitter->next.nrows == 0)
		return true;
	take_next(emitter);
	if (!work_in_transaction(emitter, send_rows))
		return false;
	return emitter->phase != EMITTER_SENDING || !emitter->rows.has_more || fill_next(emitter);
}

static bool
start_placing(CqEmitter *emitter)
{
	memset(&emitter->rows, 0, sizeof(CqOutboxRows));
	emitter->rows.last_id = emitter->kafka_id;
	return send_rows(emitter);
}

/* ---- SENDING → IDLE ---- */

static void
finish_sending(CqEmitter *emitter)
{
	emitter->kafka_id = emitter->rows.last_id;
	emitter->has_place = true;
	emitter->placed_at = GetCurrentTimestamp();
	if (emitter->rows.nrows > 0)
		cq_sink_stats_sent(emitter->sink.view, emitter->rows.nrows, emitter->rows.nbytes);
	memset(&emitter->rows, 0, sizeof(CqOutboxRows));
	MemoryContextReset(emitter->batch);
	emitter->phase = EMITTER_IDLE;
	if (emitter->shown != CQ_SINK_RUNNING || emitter->failures > 0)
		end_trouble(emitter);
}

/* ---- the steps ---- */

static void
tell_silence(CqEmitter *emitter)
{
	char	   *trouble;

	if (!cq_kafka_transaction_trouble(emitter->transaction, &trouble))
		return;
	tell_trouble(emitter, ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION, trouble, NULL);
}

/*
 * The thread has had something to do. True where it is done, and there is something to do for us. is_known is set where the sink's row is not
 * as it is known.
 */
static bool
look_at_thread(CqEmitter *emitter, bool *is_known)
{
	CqTransactionState state = cq_kafka_transaction_state(emitter->transaction);
	bool		went_well;

	if (state == CQ_TRANSACTION_CONNECTING || state == CQ_TRANSACTION_SENDING)
	{
		tell_silence(emitter);
		return false;
	}
	went_well = state == CQ_TRANSACTION_READY && cq_kafka_transaction_error(emitter->transaction).sqlstate == 0;
	if (went_well && emitter->phase == EMITTER_SENDING)
	{
		finish_sending(emitter);
		return true;
	}
	if (state == CQ_TRANSACTION_READY)
		*is_known = work_in_transaction(emitter, settle);
	if (state == CQ_TRANSACTION_FAILED || (!went_well && emitter->phase == EMITTER_IDLE))
		put_off_by_kafka(emitter);
	else if (emitter->phase == EMITTER_IDLE && emitter->has_place && !has_work(emitter))
		end_trouble(emitter);
	else if (emitter->phase == EMITTER_STOPPED)
		(void) close_transaction(emitter);
	return *is_known && emitter->phase == EMITTER_IDLE;
}

static void
tend(CqEmitter *emitter)
{
	TimestampTz now = GetCurrentTimestamp();

	if (!TimestampDifferenceExceeds(emitter->tended_at, now, TEND_MS))
		return;
	emitter->tended_at = now;
	cq_kafka_transaction_tend(emitter->transaction);
}

bool
cq_emitter_step(CqEmitter *emitter)
{
	bool		is_known = true;

	MemoryContextReset(emitter->scratch);
	MemoryContextSwitchTo(emitter->scratch);
	if (emitter->options_are_stale && emitter->transaction != NULL && !follow_options(emitter))
		return false;
	if (emitter->phase == EMITTER_RESTING && emitter->due <= GetCurrentTimestamp())
	{
		if (emitter->transaction == NULL)
			is_known = start_connecting(emitter);
		else
			emitter->phase = EMITTER_IDLE;
	}
	if ((emitter->phase == EMITTER_CONNECTING || emitter->phase == EMITTER_SENDING) && !look_at_thread(emitter, &is_known))
		return is_known;
	if (emitter->phase != EMITTER_IDLE || !is_known)
		return is_known;
	if (is_renewal_due(emitter))
		return start_placing(emitter);
	if (has_work(emitter))
		return start_sending(emitter);
	tend(emitter);
	return true;
}

long
cq_emitter_delay(const CqEmitter *emitter, long most)
{
	switch (emitter->phase)
	{
		case EMITTER_RESTING:
			return Min(most, TimestampDifferenceMilliseconds(GetCurrentTimestamp(), emitter->due));
		case EMITTER_CONNECTING:
		case EMITTER_SENDING:
			return Min(most, LOOK_MS);
		case EMITTER_IDLE:
			return Min(most, TEND_MS);
		case EMITTER_STOPPED:
			return most;
	}
	return most;
}

int
cq_emitter_fd(const CqEmitter *emitter)
{
	return emitter->transaction != NULL ? cq_kafka_transaction_fd(emitter->transaction) : -1;
}

uint32
cq_emitter_fd_changes(void)
{
	return fd_changes;
}

bool
cq_emitter_is_idle(const CqEmitter *emitter)
{
	return emitter->phase == EMITTER_IDLE;
}

void
cq_emitter_note_end(CqEmitter *emitter, int64 end_id)
{
	emitter->end_id = end_id;
}

/* ---- coming and going ---- */

CqEmitter *
cq_emitter_create(const CqViewSink *sink)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "pg_cq emitter", ALLOCSET_SMALL_SIZES);
	CqEmitter  *emitter = MemoryContextAllocZero(context, sizeof(CqEmitter));
	const char *name = get_rel_name(sink->view);

	emitter->context = context;
	emitter->batch = new_batch_context();
	emitter->next_batch = new_batch_context();
	emitter->scratch = AllocSetContextCreate(context, "pg_cq emitter step", ALLOCSET_SMALL_SIZES);
	emitter->sink = *sink;
	emitter->name = MemoryContextStrdup(context, name == NULL ? "?" :
										quote_qualified_identifier(get_namespace_name(get_rel_namespace(sink->view)), name));
	emitter->deleted_id = PG_INT64_MIN;
	emitter->phase = sink->has_failed ? EMITTER_STOPPED : EMITTER_RESTING;
	return emitter;
}

void
cq_emitter_close(CqEmitter *emitter)
{
	(void) close_transaction(emitter);
	MemoryContextDelete(emitter->batch);
	MemoryContextDelete(emitter->next_batch);
	MemoryContextDelete(emitter->context);
}

/* A new epoch is a new sink. */
bool
cq_emitter_matches(CqEmitter *emitter, const CqViewSink *sink)
{
	return emitter->sink.view == sink->view && emitter->sink.sink == sink->sink && emitter->sink.outbox == sink->outbox &&
		emitter->sink.epoch == sink->epoch && (emitter->phase == EMITTER_STOPPED) == sink->has_failed;
}

const CqViewSink *
cq_emitter_sink(const CqEmitter *emitter)
{
	return &emitter->sink;
}

/* One that has no producer, because something is wrong, tries at once. */
void
cq_emitter_note_options(CqEmitter *emitter)
{
	emitter->options_are_stale = true;
	if (emitter->phase == EMITTER_RESTING && emitter->transaction == NULL)
		emitter->due = 0;
}
