/*
 * transport_kafka.c
 *		Rows to a topic, exactly once: a transactional producer (source/kafka_transaction.h) as an
 *		emitter's transport. The place is kept by Kafka.
 */
#include "postgres.h"

#include "catalog/stream.h"
#include "common/owner.h"
#include "lib/stringinfo.h"
#include "sink/framing.h"
#include "sink/sink.h"
#include "sink/transport.h"
#include "source/kafka_transaction.h"
#include "stream/reader_state.h"
#include "utils/memutils.h"

#define MAX_ROWS	10000		/* of one transaction */
#define FENCED_MS	30000		/* before one that was fenced comes back, and fences in its turn */

typedef struct KafkaTransport
{
	CqTransport pub;
	MemoryContext context;
	CqKafkaTransaction *transaction;
	/* of the stream as the producer knows it; NULL: there is nothing to put in */
	CqFraming  *framing;
	const char *name;			/* transactional id and group */
} KafkaTransport;

#define transaction_of(transport) (((const KafkaTransport *) (transport))->transaction)

/* ---- opening ---- */

/* The stream, as dead letters are written: as bytes, to a topic of theirs. */
static CqStream *
open_error_stream(const CqViewSink *sink)
{
	CqStream   *stream = cq_stream_get(sink->sink, cq_owner_of_relation(sink->sink));

	if (stream->error_topic == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("stream %s has no option \"error_topic\" any more", stream->name)));
	stream->topics = list_make1(stream->error_topic);
	stream->is_framed = false;
	return stream;
}

/* The stream, with the properties of the view's owner, who may or may not write to it. */
static CqStream *
open_stream(const CqViewSink *sink)
{
	Oid			owner = cq_owner_of_relation(sink->view);
	CqStream   *stream;

	if (cq_sink_is_of_errors(sink))
		return open_error_stream(sink);
	cq_sink_require_insert(sink->sink, owner);
	stream = cq_stream_get(sink->sink, owner);
	if (stream->kind != CQ_STREAM_KAFKA || stream->topics == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("stream %s has no topic of Kafka", stream->name)));
	return stream;
}

static char *
describe_kafka(const CqViewSink *sink)
{
	const CqStream *stream = open_stream(sink);
	const CqFraming *framing = cq_framing_make(stream);
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, stream->topics)
		appendStringInfo(&text, "%s,", (char *) lfirst(cell));
	cq_transport_describe(&text, stream->properties);
	if (framing != NULL)
		appendStringInfo(&text, " %s", cq_framing_describe(framing));
	return text.data;
}

/*
 * Nothing is sent before the numbers of its schemas are known: they are asked for, and looked for
 * again.
 */
static CqTransport *
open_kafka(const CqViewSink *sink, const char **trouble)
{
	CqStream   *stream = open_stream(sink);
	CqSourceConfig config = cq_reader_config(stream, false);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq kafka transport",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	KafkaTransport *kafka = palloc0(sizeof(KafkaTransport));

	kafka->pub.methods = &cq_transport_kafka;
	kafka->pub.max_rows = MAX_ROWS;
	kafka->context = context;
	kafka->framing = cq_framing_make(stream);
	kafka->name = cq_kafka_transaction_name(sink->epoch);
	MemoryContextSwitchTo(caller);
	if (kafka->framing != NULL && !cq_framing_is_known(kafka->framing, trouble))
	{
		MemoryContextDelete(context);
		return NULL;
	}
	kafka->transaction = cq_kafka_transaction_open(&config, sink->epoch);
	MemoryContextSetParent(context, TopMemoryContext);
	return &kafka->pub;
}

static bool
close_kafka(CqTransport *transport)
{
	KafkaTransport *kafka = (KafkaTransport *) transport;

	if (!cq_kafka_transaction_close(kafka->transaction))
		return false;
	MemoryContextDelete(kafka->context);
	return true;
}

/* ---- looking ---- */

static CqTransportState
state_of_kafka(CqTransport *transport)
{
	switch (cq_kafka_transaction_state(transaction_of(transport)))
	{
		case CQ_TRANSACTION_CONNECTING:
			return CQ_TRANSPORT_CONNECTING;
		case CQ_TRANSACTION_READY:
			return CQ_TRANSPORT_READY;
		case CQ_TRANSACTION_SENDING:
			return CQ_TRANSPORT_SENDING;
		case CQ_TRANSACTION_FAILED:
			break;
	}
	return CQ_TRANSPORT_FAILED;
}

static CqTransportPlace
place_in_kafka(const CqTransport *transport)
{
	CqTransactionPlace place = cq_kafka_transaction_place(transaction_of(transport));

	return (CqTransportPlace) {place.is_there, place.is_ours, place.next_id, false};
}

static CqTransportPlaceText
place_text_of_kafka(const CqTransport *transport)
{
	const char *group = ((const KafkaTransport *) transport)->name;

	return (CqTransportPlaceText) {
		.destination = "Kafka",
		.foreign = psprintf("The offset of consumer group \"%s\" was not written by this sink",
							group),
		.missing = psprintf("Consumer group \"%s\" has no offset any more", group),
		.missing_because = "An offset expires where nothing is sent and no emitter runs for long, "
						   "and goes with the topic.",
		.old = psprintf("The offset of consumer group \"%s\" is older than what is known of it",
						group),
	};
}

static CqTransportError
error_of_kafka(const CqTransport *transport)
{
	CqTransactionError error = cq_kafka_transaction_error(transaction_of(transport));

	if (!error.is_fenced)
		return (CqTransportError) {error.sqlstate, error.message, NULL, 0};
	return (CqTransportError) {
		.sqlstate = ERRCODE_OBJECT_IN_USE,
		.message = psprintf("another producer has taken over as \"%s\": %s",
							((const KafkaTransport *) transport)->name, error.message),
		.detail = "Another server runs with the same data, such as a standby that was promoted. "
				  "Only one of them should go on.",
		.pause_ms = FENCED_MS,
	};
}

static bool
trouble_of_kafka(CqTransport *transport, char **text)
{
	return cq_kafka_transaction_trouble(transaction_of(transport), text);
}

static int
fd_of_kafka(const CqTransport *transport)
{
	return cq_kafka_transaction_fd(transaction_of(transport));
}

static void
tend_kafka(CqTransport *transport)
{
	cq_kafka_transaction_tend(transaction_of(transport));
}

/* ---- sending ---- */

/*
 * The outbox is a table of the view's owner, who may write to the sink, but not to whatever topic
 * there is.
 */
static void
check_topics(const CqViewSink *sink, const CqOutboxRows *rows)
{
	const CqStream *stream = NULL;	/* looked for once a row says its topic */

	for (uint64 i = 0; i < rows->nrows; i++)
	{
		const char *topic = rows->rows[i].topic;
		ListCell   *cell;

		if (topic == NULL)
			continue;
		if (stream == NULL)
			stream = open_stream(sink);
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

static void
prepare_for_kafka(CqTransport *transport, const CqViewSink *sink, CqOutboxRows *rows,
				  MemoryContext context)
{
	const CqFraming *framing = ((KafkaTransport *) transport)->framing;
	MemoryContext caller;

	check_topics(sink, rows);
	caller = MemoryContextSwitchTo(context);
	for (uint64 i = 0; i < rows->nrows && framing != NULL; i++)
		cq_framing_apply(framing, &rows->rows[i].message);
	MemoryContextSwitchTo(caller);
}

static void
send_to_kafka(CqTransport *transport, const CqOutboxRows *rows, int64 next_id)
{
	cq_kafka_transaction_send(transaction_of(transport), rows->rows, rows->nrows, next_id);
}

const CqTransportMethods cq_transport_kafka = {
	.describe = describe_kafka,
	.open = open_kafka,
	.prepare = prepare_for_kafka,
	.state = state_of_kafka,
	.place = place_in_kafka,
	.place_text = place_text_of_kafka,
	.error = error_of_kafka,
	.trouble = trouble_of_kafka,
	.send = send_to_kafka,
	.fd = fd_of_kafka,
	.tend = tend_kafka,
	.close = close_kafka,
};
