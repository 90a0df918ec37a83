/*
 * emitter_send.c
 *		How an emitter gets from one place to the next: settling, handing over, sending. See
 *		emitter.h.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/clock.h"
#include "miscadmin.h"
#include "sink/emitter_parts.h"
#include "stats/usage.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define MAX_BYTES			(8 * 1024 * 1024)	/* that are handed over at once */
#define RENEW_MS			(6 * 3600 * 1000)	/* it may be forgotten after a day, or seven */

/* ---- settling: what the destination says against what the database knows ---- */

static bool
fail(CqEmitter *emitter, const char *detail, int64 arrived_id)
{
	cq_outbox_read_write_failure(&emitter->sink, detail, arrived_id);
	emitter->phase = EMITTER_STOPPED;
	ereport(WARNING,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("sink of view %s has failed", emitter->name),
			 errdetail_internal("%s", detail),
			 errhint("Call cq.resume_sink() to say whether rows that may have been sent are to be "
					 "sent again.")));
	return true;
}

static char *
rows_in_doubt(const CqViewSink *sink)
{
	return psprintf("it is not known whether rows " INT64_FORMAT " to " INT64_FORMAT " were sent",
					sink->sent_id + 1, sink->sending_id);
}

/* Within a transaction. False where the sink's row is not as it is known. */
bool
cq_emitter_send_settle(CqEmitter *emitter)
{
	CqTransportPlace place = cq_emitter_ask(emitter, place);
	CqTransportPlaceText text;
	CqViewSink *sink = &emitter->sink;
	int64		arrived_id = place.next_id - 1;

	if (!cq_outbox_read_lock_progress(sink))
		return false;
	cq_emitter_discard_rows(emitter);
	/* How old the place is by the destination's count is not known: it is renewed at once. */
	if (emitter->phase == EMITTER_CONNECTING)
		emitter->placed_at = 0;
	emitter->phase = EMITTER_IDLE;
	emitter->arrived_id = sink->sent_id;
	emitter->has_place = place.is_of_database;
	if (place.is_of_database)
		return true;
	text = cq_emitter_ask(emitter, place_text);
	if (place.is_there && !place.is_ours)
		return fail(emitter, psprintf("%s.", text.foreign), -1);
	if (place.is_there && arrived_id > sink->sending_id)
		return fail(emitter, psprintf("Rows up to " INT64_FORMAT " are in %s, but no more than "
									  INT64_FORMAT " were handed over by this database: it seems "
									  "to have been restored to an earlier point.",
									  arrived_id, text.destination, sink->sending_id), arrived_id);
	if (place.is_there && arrived_id >= sink->sent_id)
	{
		emitter->arrived_id = arrived_id;
		emitter->has_place = true;
		return true;
	}
	if (sink->sending_id == sink->sent_id)
		return true;
	if (!place.is_there)
		return fail(emitter, psprintf("%s, and so %s. %s", text.missing, rows_in_doubt(sink),
									  text.missing_because), -1);
	return fail(emitter, psprintf("%s, and so %s.", text.old, rows_in_doubt(sink)), -1);
}

/* ---- IDLE → SENDING ---- */

/*
 * Before rows leave the database: at least 'on', or more where the server is set to more. What was
 * only written down about rows that have arrived may be lost.
 */
static void
set_durability(bool hands_over)
{
	if (!hands_over || synchronous_commit < SYNCHRONOUS_COMMIT_ON)
		(void) set_config_option("synchronous_commit", hands_over ? "on" : "off", PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_LOCAL,
								 true, 0, false);
}

/*
 * Reads what is next, behind what is being sent if anything is. The table's lock comes before the
 * row's, as in DROP.
 */
static bool
hand_over(CqEmitter *emitter)
{
	CqViewSink	sink = emitter->sink;
	CqOutboxRows *next = &emitter->next;
	MemoryContext caller;

	if (emitter->arrived_id > emitter->deleted_id)
		cq_outbox_read_delete(&sink, emitter->deleted_id, emitter->arrived_id);
	caller = MemoryContextSwitchTo(emitter->next_batch);
	cq_outbox_read(&sink, emitter->phase == EMITTER_SENDING ? emitter->rows.last_id :
				   emitter->arrived_id, emitter->transport->max_rows, MAX_BYTES, next);
	next->read_at = GetCurrentTransactionStartTimestamp();
	MemoryContextSwitchTo(caller);
	cq_emitter_call(emitter, prepare, &sink, next, emitter->next_batch);
	if (emitter->arrived_id == sink.sent_id && next->last_id == sink.sending_id && next->nrows == 0)
		return true;
	if (!cq_outbox_read_lock_progress(&sink))
		return false;
	if (emitter->transport->methods->record != NULL)
		cq_emitter_call(emitter, record, &sink, emitter->arrived_id);
	sink.sent_id = emitter->arrived_id;
	sink.sending_id = next->last_id;
	cq_outbox_read_write_progress(&sink);
	set_durability(next->nrows > 0);
	return true;
}

/* Hands over what is next, if there is any. False where the sink's row is not as it is known. */
static bool
fill_next(CqEmitter *emitter)
{
	EmitterPhase phase = emitter->phase;

	if (!cq_emitter_work(emitter, hand_over) || emitter->phase != phase)
	{
		/* It was put off, or is not as it was: nothing was handed over. */
		memset(&emitter->next, 0, sizeof(CqOutboxRows));
		MemoryContextReset(emitter->next_batch);
		return emitter->phase != phase;
	}
	emitter->deleted_id = Max(emitter->deleted_id, emitter->arrived_id);
	emitter->sink.sent_id = emitter->arrived_id;
	emitter->sink.sending_id = emitter->next.last_id;
	if (emitter->next.nrows == 0)
	{
		if (emitter->next.held_because != NULL)
			cq_emitter_tell_trouble(emitter, ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
									emitter->next.held_because, NULL);
		/* There may be fewer than was said: somebody else has deleted some. */
		emitter->end_id = Min(emitter->end_id, emitter->next.last_id);
		MemoryContextReset(emitter->next_batch);
	}
	return true;
}

/*
 * Headers that are none come out here, after the commit: nothing was sent then, and it is tried
 * again.
 */
static bool
send_rows(CqEmitter *emitter)
{
	MemoryContext caller = MemoryContextSwitchTo(emitter->batch);

	/* The commit may have given up waiting for standbys because this process is to end. */
	CHECK_FOR_INTERRUPTS();
	cq_emitter_call(emitter, send, &emitter->rows, emitter->rows.last_id + 1);
	MemoryContextSwitchTo(caller);
	emitter->phase = EMITTER_SENDING;
	return true;
}

bool
cq_emitter_send_is_renewal_due(const CqEmitter *emitter)
{
	return !emitter->has_place || TimestampDifferenceExceeds(emitter->placed_at,
															 cq_clock_real_monotonic(), RENEW_MS);
}

bool
cq_emitter_send_has_work(const CqEmitter *emitter)
{
	return emitter->next.nrows > 0 || emitter->arrived_id > emitter->sink.sent_id ||
		emitter->end_id > emitter->arrived_id;
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

/*
 * Sends what is next, if there is any; under a backlog prepares what comes after it. False where
 * the sink's row is not as it is known.
 */
bool
cq_emitter_send_next(CqEmitter *emitter)
{
	if (emitter->next.nrows == 0 && !fill_next(emitter))
		return false;
	if (emitter->phase != EMITTER_IDLE || emitter->next.nrows == 0)
		return true;
	take_next(emitter);
	if (!cq_emitter_work(emitter, send_rows))
		return false;
	return emitter->phase != EMITTER_SENDING || !emitter->rows.has_more ||
		emitter->transport->is_one_by_one || fill_next(emitter);
}

bool
cq_emitter_send_place(CqEmitter *emitter)
{
	memset(&emitter->rows, 0, sizeof(CqOutboxRows));
	emitter->rows.last_id = emitter->arrived_id;
	return send_rows(emitter);
}

/* ---- SENDING → IDLE ---- */

static void
note_sent(const CqEmitter *emitter)
{
	CqUsage		usage = {.bytes_out = emitter->rows.nbytes};

	cq_sink_stats_sent(emitter->sink.view, emitter->rows.nrows, emitter->rows.nbytes);
	cq_usage_add(emitter->sink.view, &usage);
	cq_usage_charge(emitter->sink.view);
}

void
cq_emitter_send_finish(CqEmitter *emitter)
{
	emitter->arrived_id = emitter->rows.last_id;
	emitter->has_place = true;
	emitter->placed_at = cq_clock_real_monotonic();
	if (emitter->rows.nrows > 0)
		note_sent(emitter);
	if (emitter->rows.nrows > 0 && !emitter->rows.has_more)
		cq_sink_stats_level(emitter->sink.view, emitter->rows.read_at);
	memset(&emitter->rows, 0, sizeof(CqOutboxRows));
	MemoryContextReset(emitter->batch);
	emitter->phase = EMITTER_IDLE;
	if (emitter->shown != CQ_SINK_RUNNING || emitter->failures > 0)
		cq_emitter_end_trouble(emitter);
}
