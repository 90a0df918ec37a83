/*
 * kafka_producer.c
 *		Sends the rows of a transaction to Kafka when it commits.
 *
 *		INSERT ──► rows kept in memory ──► pre-commit: send, wait for every acknowledgement ──► commit
 *		                │                        │                                              │
 *		            ROLLBACK: dropped error: the transaction fails crash: see below
 *
 * Promises:
 * - A transaction that fails or is rolled back before pre-commit has sent nothing; rows of a
 *   subtransaction that is rolled back are dropped.
 * - One that commits has had each row acknowledged by all in-sync replicas, once and in order of
 *   insertion within a partition (idempotent producer).
 *
 * What is left open: Kafka and the server do not commit as one. If the server crashes between the
 * acknowledgements and its own commit record, if the commit fails after pre-commit (a serialization
 * failure), or if one row of several is refused or the wait is cancelled, then rows are in the
 * topic though the transaction is not in the database. The reverse does not happen: what committed
 * was acknowledged. Rows are held until commit, so memory bounds the size of one transaction.
 *
 * PREPARE TRANSACTION is refused, since what prepares and what commits are different processes.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "source/kafka.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* How long librdkafka waits before we look whether the commit was cancelled. */
#define STEP_MS 100

typedef struct Row
{
	SubTransactionId subtransaction;
	int32		partition;		/* -1: by key */
	char	   *topic;
	char	   *key;			/* NULL: none */
	size_t		key_length;
	char	   *value;			/* NULL: a tombstone */
	size_t		value_length;
	TimestampTz timestamp;		/* DT_NOBEGIN: when it is sent */
	CqKafkaHeader *headers;
	int			nheaders;
} Row;

/* What this transaction has for one stream. */
typedef struct Outgoing
{
	MemoryContext context;		/* a child of TopTransactionContext */
	CqSourceConfig config;
	Row		   *rows;
	int64		nrows;
	int64		capacity;
	CqKafkaClient *client;
	int64		nunacknowledged;
	rd_kafka_resp_err_t error;	/* of the first row refused */
	const Row  *refused;
	char		reason[CQ_KAFKA_TEXT_LENGTH];
} Outgoing;

typedef struct Sink
{
	CqSink		sink;
	Outgoing   *outgoing;
} Sink;

static List *outgoing_list = NIL;	/* of Outgoing *, in TopTransactionContext */

/* ---- collecting ---- */

static char *
copy_string(const char *string)
{
	return string ? pstrdup(string) : NULL;
}

static char *
copy_bytes(const char *bytes, size_t length)
{
	char	   *copy;

	if (bytes == NULL)
		return NULL;
	copy = MemoryContextAllocHuge(CurrentMemoryContext, length + 1);
	memcpy(copy, bytes, length);
	return copy;
}

static Outgoing *
new_outgoing(const CqSourceConfig *config)
{
	MemoryContext context = AllocSetContextCreate(TopTransactionContext, "cq kafka outgoing",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Outgoing   *outgoing = palloc0(sizeof(Outgoing));
	ListCell   *cell;

	outgoing->context = context;
	outgoing->config.stream = config->stream;
	outgoing->config.stream_name = copy_string(config->stream_name);
	foreach(cell, config->topics)
		outgoing->config.topics = lappend(outgoing->config.topics, pstrdup(lfirst(cell)));
	outgoing->config.properties = copyObject(config->properties);

	MemoryContextSwitchTo(TopTransactionContext);
	outgoing_list = lappend(outgoing_list, outgoing);
	MemoryContextSwitchTo(old);
	return outgoing;
}

/*
 * See CqSourceRoutine.sink_open. Statements of one transaction share what goes out, if they send as
 * the same user.
 */
CqSink *
cq_kafka_producer_open(const CqSourceConfig *config)
{
	Sink	   *sink = palloc0(sizeof(Sink));
	ListCell   *cell;

	sink->sink.routine = &cq_kafka_source;
	foreach(cell, outgoing_list)
	{
		Outgoing   *outgoing = lfirst(cell);

		if (outgoing->config.stream == config->stream && equal(outgoing->config.properties,
															   config->properties))
			sink->outgoing = outgoing;
	}
	if (sink->outgoing == NULL)
	{
		/* A bad property is the statement's error, not the commit's. */
		rd_kafka_conf_destroy(cq_kafka_conf_build(config, CQ_KAFKA_WRITER, 0));
		sink->outgoing = new_outgoing(config);
	}
	return &sink->sink;
}

static Row *
next_row(Outgoing *outgoing)
{
	if (outgoing->nrows == outgoing->capacity)
	{
		outgoing->capacity = Max(outgoing->capacity * 2, 64);
		if (outgoing->rows == NULL)
			outgoing->rows = MemoryContextAllocHuge(outgoing->context,
													sizeof(Row) * outgoing->capacity);
		else
			outgoing->rows = repalloc_huge(outgoing->rows, sizeof(Row) * outgoing->capacity);
	}
	return &outgoing->rows[outgoing->nrows];
}

static void
check_outgoing(const Outgoing *outgoing, const CqOutgoing *row)
{
	if (row->topic == NULL && list_length(outgoing->config.topics) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("stream %s has more than one topic, and the row does not say which to send "
						"it to",
						outgoing->config.stream_name),
				 errhint("Give the foreign table a column with the option metadata 'topic', and "
						 "set it.")));
	if (row->partition < -1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid Kafka partition %d", row->partition)));
}

static void
append_row(Outgoing *outgoing, const CqOutgoing *from)
{
	const CqMessage *message = &from->message;
	Row		   *row = next_row(outgoing);

	check_outgoing(outgoing, from);
	memset(row, 0, sizeof(*row));
	row->subtransaction = GetCurrentSubTransactionId();
	row->topic = from->topic ? pstrdup(from->topic) : linitial(outgoing->config.topics);
	row->partition = from->partition;
	row->timestamp = message->timestamp;
	row->key = copy_bytes(message->key, message->key_length);
	row->key_length = message->key_length;
	row->value = copy_bytes(message->value, message->value_length);
	row->value_length = message->value_length;
	if (from->has_headers)
		row->nheaders = cq_kafka_headers_parse(from->headers, &row->headers);
	outgoing->nrows++;
}

/* See CqSourceRoutine.sink_append. */
void
cq_kafka_producer_append(CqSink *sink, CqOutgoing *rows, int nrows)
{
	Outgoing   *outgoing = ((Sink *) sink)->outgoing;
	MemoryContext old = MemoryContextSwitchTo(outgoing->context);

	for (int i = 0; i < nrows; i++)
	{
		append_row(outgoing, &rows[i]);
		rows[i].message.offset = -1;	/* known when it is acknowledged */
	}
	MemoryContextSwitchTo(old);
}

/* See CqSourceRoutine.sink_close: from here on the rows are the transaction's. */
void
cq_kafka_producer_close(CqSink *sink)
{
	pfree(sink);
}

/* ---- sending ---- */

/* Runs within rd_kafka_poll: takes note, no more. */
static void
note_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	CqKafkaClient *client = rd_kafka_opaque(rk);
	Outgoing   *outgoing = client->owner;

	outgoing->nunacknowledged--;
	if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR || outgoing->refused != NULL)
		return;
	outgoing->error = message->err;
	outgoing->refused = message->_private;
	strlcpy(outgoing->reason, rd_kafka_err2str(message->err), sizeof(outgoing->reason));
}

pg_noreturn static void raise_refused(const Outgoing *outgoing);

static void
raise_refused(const Outgoing *outgoing)
{
	const CqKafkaNotes *notes = &outgoing->client->notes;
	const char *why = notes->has_failed ? notes->failure : notes->last_error;

	ereport(ERROR,
			(errcode(cq_kafka_client_sqlstate(outgoing->error)),
			 errmsg("Kafka did not take a row for topic \"%s\": %s", outgoing->refused->topic,
					outgoing->reason),
			 why[0] == '\0' ? 0 : errdetail("%s.", why)));
}

/*
 * Lets librdkafka deliver for a moment. Raises ERROR when a row was refused or the statement is
 * cancelled.
 */
static void
serve(Outgoing *outgoing)
{
	rd_kafka_poll(outgoing->client->rk, STEP_MS);
	cq_kafka_client_write_log(outgoing->client);
	CHECK_FOR_INTERRUPTS();
	if (outgoing->refused != NULL)
		raise_refused(outgoing);
}

static rd_kafka_headers_t *
make_headers(const Row *row)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(row->nheaders);

	for (int i = 0; i < row->nheaders; i++)
	{
		const CqKafkaHeader *header = &row->headers[i];

		(void) rd_kafka_header_add(headers, header->key, -1, header->value, header->value ?
								   (ssize_t) header->length : 0);
	}
	return headers;
}

/*
 * Hands one row to librdkafka, which copies it: its threads may be at it still when the transaction
 * has failed and is gone.
 */
static rd_kafka_resp_err_t
enqueue(Outgoing *outgoing, const Row *row)
{
	rd_kafka_vu_t fields[9];
	int			nfields = 0;
	rd_kafka_headers_t *headers = NULL;
	rd_kafka_error_t *error;
	rd_kafka_resp_err_t code;

	fields[nfields].vtype = RD_KAFKA_VTYPE_TOPIC;
	fields[nfields++].u.cstr = row->topic;
	fields[nfields].vtype = RD_KAFKA_VTYPE_PARTITION;
	fields[nfields++].u.i32 = row->partition < 0 ? RD_KAFKA_PARTITION_UA : row->partition;
	fields[nfields].vtype = RD_KAFKA_VTYPE_VALUE;
	fields[nfields].u.mem.ptr = row->value;
	fields[nfields++].u.mem.size = row->value_length;
	fields[nfields].vtype = RD_KAFKA_VTYPE_KEY;
	fields[nfields].u.mem.ptr = row->key;
	fields[nfields++].u.mem.size = row->key_length;
	fields[nfields].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
	fields[nfields++].u.i = RD_KAFKA_MSG_F_COPY;
	fields[nfields].vtype = RD_KAFKA_VTYPE_OPAQUE;
	fields[nfields++].u.ptr = (void *) row;
	if (!TIMESTAMP_NOT_FINITE(row->timestamp))
	{
		fields[nfields].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
		fields[nfields++].u.i64 = cq_kafka_time_to_ms(row->timestamp);
	}
	if (row->nheaders > 0)
	{
		headers = make_headers(row);
		fields[nfields].vtype = RD_KAFKA_VTYPE_HEADERS;
		fields[nfields++].u.headers = headers;
	}
	error = rd_kafka_produceva(outgoing->client->rk, fields, nfields);
	if (error == NULL)
	{
		outgoing->nunacknowledged++;
		return RD_KAFKA_RESP_ERR_NO_ERROR;
	}

	/* The headers stay ours. */
	if (headers != NULL)
		rd_kafka_headers_destroy(headers);
	code = rd_kafka_error_code(error);
	strlcpy(outgoing->reason, rd_kafka_error_string(error), sizeof(outgoing->reason));
	rd_kafka_error_destroy(error);
	return code;
}

static void
send_row(Outgoing *outgoing, const Row *row)
{
	rd_kafka_resp_err_t error;

	while ((error = enqueue(outgoing, row)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
		serve(outgoing);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	outgoing->error = error;
	outgoing->refused = row;
	raise_refused(outgoing);
}

/* What was not sent yet must not be after an error. */
static CqKafkaRemains *
let_go(void *owner)
{
	Outgoing   *outgoing = owner;

	if (outgoing->nunacknowledged > 0)
		(void) rd_kafka_purge(outgoing->client->rk, RD_KAFKA_PURGE_F_QUEUE |
							  RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
	return NULL;
}

/* Each row is acknowledged or refused within message.timeout.ms, so this ends. */
static void
send_all(Outgoing *outgoing)
{
	rd_kafka_conf_t *conf;

	if (outgoing->nrows == 0)
		return;
	conf = cq_kafka_conf_build(&outgoing->config, CQ_KAFKA_WRITER, 0);
	rd_kafka_conf_set_dr_msg_cb(conf, note_delivery);
	outgoing->client = cq_kafka_client_open(&outgoing->config, CQ_KAFKA_WRITER,
											AllocSetContextCreate(outgoing->context,
																  "cq kafka producer",
																  ALLOCSET_SMALL_SIZES),
											conf);
	outgoing->client->owner = outgoing;
	outgoing->client->let_go = let_go;
	for (int64 i = 0; i < outgoing->nrows; i++)
	{
		send_row(outgoing, &outgoing->rows[i]);
		if (i % 1000 == 999)
			CHECK_FOR_INTERRUPTS();
	}
	while (outgoing->nunacknowledged > 0)
		serve(outgoing);
	cq_kafka_client_close(outgoing->client);
}

/* ---- with the transaction ---- */

static bool
has_rows(void)
{
	ListCell   *cell;

	foreach(cell, outgoing_list)
		if (((Outgoing *) lfirst(cell))->nrows > 0)
			return true;
	return false;
}

static void
at_transaction_event(XactEvent event, void *arg)
{
	ListCell   *cell;

	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			foreach(cell, outgoing_list)
				send_all(lfirst(cell));
			break;
		case XACT_EVENT_PRE_PREPARE:
			if (has_rows())
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("cannot PREPARE a transaction that has inserted into a Kafka "
								"stream")));
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			/* The memory goes with TopTransactionContext, and handles with it. */
			outgoing_list = NIL;
			break;
		default:
			break;
	}
}

/* Subtransactions nest, so the rows of one and of those within it stand last. */
static void
at_subtransaction_event(SubXactEvent event, SubTransactionId my_subtransaction,
						SubTransactionId parent, void *arg)
{
	ListCell   *cell;

	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	foreach(cell, outgoing_list)
	{
		Outgoing   *outgoing = lfirst(cell);

		while (outgoing->nrows > 0 && outgoing->rows[outgoing->nrows -
													 1].subtransaction >= my_subtransaction)
			outgoing->nrows--;
	}
}

void
cq_kafka_producer_init(void)
{
	RegisterXactCallback(at_transaction_event, NULL);
	RegisterSubXactCallback(at_subtransaction_event, NULL);
}
