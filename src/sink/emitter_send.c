/*
 * emitter_send.c
 *		How an emitter gets from one place to the next: settling, handing over, sending. See
 *		emitter.h.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/stream.h"
#include "miscadmin.h"
#include "sink/emitter_parts.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define MAX_ROWS			10000	/* of one transaction */
#define MAX_BYTES			(8 * 1024 * 1024)
#define RENEW_MS			(6 * 3600 * 1000)	/* Kafka forgets an offset after a day, or seven */

/* ---- settling: what Kafka says against what the database knows ---- */

static bool
fail(CqEmitter *emitter, const char *detail, int64 kafka_id)
{
	cq_outbox_read_write_failure(&emitter->sink, detail, kafka_id);
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
	CqTransactionPlace place = cq_kafka_transaction_place(emitter->transaction);
	CqViewSink *sink = &emitter->sink;
	const char *group = cq_kafka_transaction_name(sink->epoch);
	int64		kafka_id = place.next_id - 1;

	if (!cq_outbox_read_lock_progress(sink))
		return false;
	cq_emitter_discard_rows(emitter);
	/* How old the offset is by Kafka's count is not known: it is renewed at once. */
	if (emitter->phase == EMITTER_CONNECTING)
		emitter->placed_at = 0;
	emitter->phase = EMITTER_IDLE;
	emitter->kafka_id = sink->sent_id;
	emitter->has_place = false;
	if (place.is_there && !place.is_ours)
		return fail(emitter, psprintf("The offset of consumer group \"%s\" was not written by this "
									  "sink.", group), -1);
	if (place.is_there && kafka_id > sink->sending_id)
		return fail(emitter, psprintf("Rows up to " INT64_FORMAT " are in Kafka, but no more "
																 "than " INT64_FORMAT
									  " were handed over by this database: it seems to have been "
									  "restored to an earlier point.",
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
		return fail(emitter, psprintf("Consumer group \"%s\" has no offset any more, and so %s. An "
									  "offset expires where nothing is sent and no emitter"
									  " runs for long, and goes with the topic.", group,
									  rows_in_doubt(sink)), -1);
	return fail(emitter, psprintf("The offset of consumer group \"%s\" is older than what is known "
								  "of it, and so %s.", group, rows_in_doubt(sink)), -1);
}

/* ---- IDLE → SENDING ---- */

/*
 * Before rows leave the database: at least 'on', or more where the server is set to more. What was
 * only written down about rows that are in Kafka may be lost.
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
 * The outbox is a table of the view's owner, who may write to the sink, but not to whatever topic
 * there is.
 */
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
					 errmsg("row " INT64_FORMAT " of the outbox is for topic \"%s\", which is not "
												"one of stream %s",
							rows->rows[i].message.offset, topic, stream->name)));
	}
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

	if (emitter->kafka_id > emitter->deleted_id)
		cq_outbox_read_delete(&sink, emitter->deleted_id, emitter->kafka_id);
	caller = MemoryContextSwitchTo(emitter->next_batch);
	cq_outbox_read(&sink, emitter->phase == EMITTER_SENDING ? emitter->rows.last_id :
				   emitter->kafka_id, MAX_ROWS, MAX_BYTES, next);
	next->read_at = GetCurrentTransactionStartTimestamp();
	MemoryContextSwitchTo(caller);
	check_topics(emitter, next);
	caller = MemoryContextSwitchTo(emitter->next_batch);
	for (uint64 i = 0; i < next->nrows && emitter->framing != NULL; i++)
		cq_framing_apply(emitter->framing, &next->rows[i].message);
	MemoryContextSwitchTo(caller);
	if (emitter->kafka_id == sink.sent_id && next->last_id == sink.sending_id && next->nrows == 0)
		return true;
	if (!cq_outbox_read_lock_progress(&sink))
		return false;
	sink.sent_id = emitter->kafka_id;
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
	cq_kafka_transaction_send(emitter->transaction, emitter->rows.rows, emitter->rows.nrows,
							  emitter->rows.last_id + 1);
	MemoryContextSwitchTo(caller);
	emitter->phase = EMITTER_SENDING;
	return true;
}

bool
cq_emitter_send_is_renewal_due(const CqEmitter *emitter)
{
	return !emitter->has_place || TimestampDifferenceExceeds(emitter->placed_at,
															 GetCurrentTimestamp(), RENEW_MS);
}

bool
cq_emitter_send_has_work(const CqEmitter *emitter)
{
	return emitter->next.nrows > 0 || emitter->kafka_id > emitter->sink.sent_id ||
		emitter->end_id > emitter->kafka_id;
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
	return emitter->phase != EMITTER_SENDING || !emitter->rows.has_more || fill_next(emitter);
}

bool
cq_emitter_send_place(CqEmitter *emitter)
{
	memset(&emitter->rows, 0, sizeof(CqOutboxRows));
	emitter->rows.last_id = emitter->kafka_id;
	return send_rows(emitter);
}

/* ---- SENDING → IDLE ---- */

void
cq_emitter_send_finish(CqEmitter *emitter)
{
	emitter->kafka_id = emitter->rows.last_id;
	emitter->has_place = true;
	emitter->placed_at = GetCurrentTimestamp();
	if (emitter->rows.nrows > 0)
		cq_sink_stats_sent(emitter->sink.view, emitter->rows.nrows, emitter->rows.nbytes);
	if (emitter->rows.nrows > 0 && !emitter->rows.has_more)
		cq_sink_stats_level(emitter->sink.view, emitter->rows.read_at);
	memset(&emitter->rows, 0, sizeof(CqOutboxRows));
	MemoryContextReset(emitter->batch);
	emitter->phase = EMITTER_IDLE;
	if (emitter->shown != CQ_SINK_RUNNING || emitter->failures > 0)
		cq_emitter_end_trouble(emitter);
}
