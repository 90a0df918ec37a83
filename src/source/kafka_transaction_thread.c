/*
 * kafka_transaction_thread.c
 *		The thread that waits for Kafka: connects a transactional producer, asks for its place,
 *		sends.
 *
 * Nothing of the server may be called here: no palloc, no ereport, no elog, no
 * CHECK_FOR_INTERRUPTS. What goes wrong is noted in the transaction, the first of it, since what
 * follows follows from that.
 *
 * What errors mean:
 *		retriable          the same call again
 *		requires abort abort; then ask for the place, which says whether anything was sent after all
 *		fatal, any other the producer is of no more use
 * An abort or a question that fails leaves unknown what was sent, so that is the end of the
 * producer as well: the next one's init_transactions waits until the brokers are done with this
 * one's transaction.
 */
#include "postgres.h"

#include <time.h>
#include <unistd.h>

#include "source/kafka_transaction_state.h"

#define SLICE_MS		500		/* how long a call that can be resumed waits, before the thread looks whether it is to stop */
#define PAUSE_MS		50		/* before something is tried again that failed at once */
#define REST_MS			8		/* between two transactions, at least */
#define ASK_MS			2000	/* for an answer about the place, before it is asked again */
#define PLACE_MS		10000	/* for the place to be taken into the transaction */
#define TROUBLE_SLICES	4		/* without an answer */

static int64
now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64) time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static bool
is_stopped(CqKafkaTransaction *transaction)
{
	bool		result;

	pthread_mutex_lock(&transaction->mutex);
	result = transaction->is_stopped;
	pthread_mutex_unlock(&transaction->mutex);
	return result;
}

/* Until the time is over or the thread is to stop. */
static void
pause_ms(CqKafkaTransaction *transaction, int ms)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += (long) ms * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&transaction->mutex);
	if (!transaction->is_stopped)
		(void) pthread_cond_timedwait(&transaction->changed, &transaction->mutex, &until);
	pthread_mutex_unlock(&transaction->mutex);
}

static void
set_trouble(CqKafkaTransaction *transaction, const char *text)
{
	pthread_mutex_lock(&transaction->mutex);
	strlcpy(transaction->trouble, text, sizeof(transaction->trouble));
	pthread_mutex_unlock(&transaction->mutex);
}

/* ---- errors ---- */

static bool
means_fenced(rd_kafka_resp_err_t error)
{
	return error == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH ||
		error == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
		error == RD_KAFKA_RESP_ERR__FENCED;
}

/* The first thing that goes wrong in a job is what is told. */
static void
note_error(CqKafkaTransaction *transaction, rd_kafka_resp_err_t error, const char *reason)
{
	if (transaction->error != RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	transaction->error = error;
	transaction->is_fenced = means_fenced(error);
	strlcpy(transaction->reason, reason, sizeof(transaction->reason));
}

/* An error of a transactional call, which goes with it. A fatal one has its cause in the handle. */
static void
take_error(CqKafkaTransaction *transaction, rd_kafka_error_t *error)
{
	char		cause[CQ_KAFKA_TEXT_LENGTH];
	rd_kafka_resp_err_t code = rd_kafka_fatal_error(transaction->client->rk, cause, sizeof(cause));

	if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
		note_error(transaction, code, cause);
	else
		note_error(transaction, rd_kafka_error_code(error), rd_kafka_error_string(error));
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR || !rd_kafka_error_txn_requires_abort(error))
		transaction->must_close = true;
	rd_kafka_error_destroy(error);
}

/* Runs within librdkafka's polling, on this thread. */
void
cq_kafka_transaction_thread_note_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message,
										  void *opaque)
{
	CqKafkaTransaction *transaction = ((CqKafkaClient *) rd_kafka_opaque(rk))->owner;
	const CqOutgoing *row = message->_private;
	char		text[CQ_KAFKA_TEXT_LENGTH];

	/*
	 * Those that were still waiting when the transaction was aborted, for another reason, say
	 * nothing.
	 */
	if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR ||
		message->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
		message->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
		return;
	snprintf(text, sizeof(text), "Kafka did not take row %lld for topic \"%s\": %s",
			 (long long) row->message.offset,
			 row->topic ? row->topic : transaction->topic, rd_kafka_err2str(message->err));
	note_error(transaction, message->err, text);
}

/* ---- connecting ---- */

/* Says what the brokers' silence may be about. */
static void
note_silence(CqKafkaTransaction *transaction, const char *reason, int nslices)
{
	const CqKafkaNotes *notes = &transaction->client->notes;

	if (notes->has_failed)
		set_trouble(transaction, notes->failure);
	else if (notes->is_down)
		set_trouble(transaction, notes->last_error[0] != '\0' ? notes->last_error :
					"no broker can be reached");
	else if (nslices >= TROUBLE_SLICES)
		set_trouble(transaction, reason);
}

/* For as long as it takes. */
static bool
init_transactions(CqKafkaTransaction *transaction)
{
	rd_kafka_t *rk = transaction->client->rk;

	for (int nslices = 1;; nslices++)
	{
		rd_kafka_error_t *error = rd_kafka_init_transactions(rk, SLICE_MS);

		rd_kafka_poll(rk, 0);
		if (error == NULL)
			return true;
		if (is_stopped(transaction) || !rd_kafka_error_is_retriable(error))
		{
			take_error(transaction, error);
			return false;
		}
		note_silence(transaction, rd_kafka_error_string(error), nslices);
		if (rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR__TIMED_OUT)
			pause_ms(transaction, PAUSE_MS);
		rd_kafka_error_destroy(error);
	}
}

/*
 * Is the topic there, and may it be written to? Else it would be asked in vain for its place, and
 * for as long as that may take, since brokers may not all have heard of a new topic yet.
 */
static bool
find_topic(CqKafkaTransaction *transaction)
{
	rd_kafka_t *rk = transaction->client->rk;
	rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, transaction->topic, NULL);
	const struct rd_kafka_metadata *metadata = NULL;
	rd_kafka_resp_err_t error;
	char		text[CQ_KAFKA_TEXT_LENGTH];

	if (topic == NULL)
	{
		note_error(transaction, rd_kafka_last_error(), "the topic's name is not valid");
		return false;
	}
	while ((error = rd_kafka_metadata(rk, 0, topic, &metadata,
									  SLICE_MS)) != RD_KAFKA_RESP_ERR_NO_ERROR &&
		   !is_stopped(transaction))
	{
		set_trouble(transaction, rd_kafka_err2str(error));
		pause_ms(transaction, PAUSE_MS);
	}
	rd_kafka_topic_destroy(topic);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
	{
		error = metadata->topic_cnt == 1 ? metadata->topics[0].err :
			RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
		rd_kafka_metadata_destroy(metadata);
	}
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE)
		return true;
	if (error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
		error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
		snprintf(text, sizeof(text), "Kafka topic \"%s\" does not exist", transaction->topic);
	else
		snprintf(text, sizeof(text), "Kafka topic \"%s\": %s", transaction->topic,
				 rd_kafka_err2str(error));
	note_error(transaction, error, text);
	return false;
}

/* ---- the place ---- */

/*
 * It is a consumer of the group that asks, for the group's coordinator has to be found anew when
 * that has moved: librdkafka does so for the group that the handle is of, and where a producer
 * asks, by way of ListConsumerGroupOffsets, it takes one for granted and crashes
 * (rd_kafka_handle_OffsetFetch, in 2.0 as in 2.14). The consumer never subscribes to anything, so
 * that the group has no members.
 */
static rd_kafka_t *
open_asker(CqKafkaTransaction *transaction)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_dup(transaction->asker_conf);
	char		reason[CQ_KAFKA_TEXT_LENGTH];
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));

	if (rk == NULL)
	{
		rd_kafka_conf_destroy(conf);
		note_error(transaction, rd_kafka_last_error(), reason);
		return NULL;
	}
	(void) rd_kafka_set_log_queue(rk, NULL);	/* NULL: the main queue */
	(void) rd_kafka_poll_set_consumer(rk);
	return rk;
}

/* An error after which it is to be asked again. */
static bool
is_passing(rd_kafka_resp_err_t error)
{
	switch (error)
	{
		case RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT:
		case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
		case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
		case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
		case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
		case RD_KAFKA_RESP_ERR__TRANSPORT:
		case RD_KAFKA_RESP_ERR__TIMED_OUT:
		case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
		case RD_KAFKA_RESP_ERR__WAIT_COORD:
			return true;
		default:
			return false;
	}
}

static void
take_place(CqKafkaTransaction *transaction, const rd_kafka_topic_partition_t *partition)
{
	CqTransactionPlace *place = &transaction->place;
	size_t		length = strlen(transaction->epoch);

	place->is_there = partition->offset >= 0;
	place->next_id = partition->offset;
	place->is_ours = partition->metadata_size >= length &&
		memcmp(partition->metadata, transaction->epoch, length) == 0;
}

static rd_kafka_resp_err_t
ask_once(CqKafkaTransaction *transaction, rd_kafka_t *rk)
{
	rd_kafka_topic_partition_list_t *partitions = rd_kafka_topic_partition_list_new(1);
	rd_kafka_resp_err_t error;

	rd_kafka_topic_partition_list_add(partitions, transaction->topic, 0);
	error = rd_kafka_committed(rk, partitions, ASK_MS);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
		error = partitions->elems[0].err;
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
		take_place(transaction, &partitions->elems[0]);
	rd_kafka_topic_partition_list_destroy(partitions);
	return error;
}

/* Why there is no coordinator is said apart: that the group is not for this user, for one thing. */
static rd_kafka_resp_err_t
hear_reason(rd_kafka_t *rk, rd_kafka_resp_err_t error, char *reason, size_t size)
{
	rd_kafka_message_t *message;

	strlcpy(reason, rd_kafka_err2str(error), size);
	while ((message = rd_kafka_consumer_poll(rk, 0)) != NULL)
	{
		if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		{
			error = message->err;
			strlcpy(reason, rd_kafka_message_errstr(message), size);
		}
		rd_kafka_message_destroy(message);
	}
	return error;
}

/* For as long as it takes. False where the place cannot be known, or the thread is to stop. */
static bool
ask(CqKafkaTransaction *transaction)
{
	rd_kafka_t *rk = open_asker(transaction);
	rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR__FAIL;
	char		reason[CQ_KAFKA_TEXT_LENGTH];

	if (rk == NULL)
		return false;
	for (int nslices = 1; !is_stopped(transaction); nslices++)
	{
		error = ask_once(transaction, rk);
		if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
			break;
		error = hear_reason(rk, error, reason, sizeof(reason));
		if (!is_passing(error))
		{
			note_error(transaction, error, reason);
			break;
		}
		note_silence(transaction, reason, nslices);
		pause_ms(transaction, PAUSE_MS);
	}
	rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	return error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void
connect_producer(CqKafkaTransaction *transaction)
{
	if (!init_transactions(transaction) || !find_topic(transaction) || !ask(transaction))
		transaction->must_close = true;
}

/* ---- sending ---- */

static rd_kafka_headers_t *
make_headers(const CqTransactionRow *row)
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

/* Hands one row to librdkafka, which borrows its bytes. NULL, or why not. */
static rd_kafka_error_t *
enqueue(CqKafkaTransaction *transaction, const CqTransactionRow *row)
{
	const CqOutgoing *outgoing = row->row;
	const CqMessage *message = &outgoing->message;
	rd_kafka_headers_t *headers = NULL;
	rd_kafka_error_t *error;
	rd_kafka_vu_t fields[8];
	int			nfields = 0;

	fields[nfields].vtype = RD_KAFKA_VTYPE_TOPIC;
	fields[nfields++].u.cstr = outgoing->topic ? outgoing->topic : transaction->topic;
	fields[nfields].vtype = RD_KAFKA_VTYPE_PARTITION;
	fields[nfields++].u.i32 = outgoing->partition < 0 ? RD_KAFKA_PARTITION_UA : outgoing->partition;
	fields[nfields].vtype = RD_KAFKA_VTYPE_VALUE;
	fields[nfields].u.mem.ptr = (void *) message->value;
	fields[nfields++].u.mem.size = message->value_length;
	fields[nfields].vtype = RD_KAFKA_VTYPE_KEY;
	fields[nfields].u.mem.ptr = (void *) message->key;
	fields[nfields++].u.mem.size = message->key_length;
	/* librdkafka's threads may be at it still when the producer has been closed. */
	fields[nfields].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
	fields[nfields++].u.i = RD_KAFKA_MSG_F_COPY;
	fields[nfields].vtype = RD_KAFKA_VTYPE_OPAQUE;
	fields[nfields++].u.ptr = (void *) outgoing;
	if (!TIMESTAMP_NOT_FINITE(message->timestamp))
	{
		fields[nfields].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
		fields[nfields++].u.i64 = cq_kafka_time_to_ms(message->timestamp);
	}
	if (row->nheaders > 0)
	{
		headers = make_headers(row);
		fields[nfields].vtype = RD_KAFKA_VTYPE_HEADERS;
		fields[nfields++].u.headers = headers;
	}
	error = rd_kafka_produceva(transaction->client->rk, fields, nfields);
	if (error != NULL && headers != NULL)
		rd_kafka_headers_destroy(headers);	/* they stay ours */
	return error;
}

/* False where one is refused, or has been meanwhile. */
static bool
enqueue_all(CqKafkaTransaction *transaction)
{
	for (int i = 0; i < transaction->nrows; i++)
	{
		const CqOutgoing *row = transaction->rows[i].row;
		char		text[CQ_KAFKA_TEXT_LENGTH];
		rd_kafka_error_t *error;

		while ((error = enqueue(transaction, &transaction->rows[i])) != NULL &&
			   rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__QUEUE_FULL &&
			   !is_stopped(transaction) && transaction->error == RD_KAFKA_RESP_ERR_NO_ERROR)
		{
			rd_kafka_error_destroy(error);
			rd_kafka_poll(transaction->client->rk, 10);
		}
		if (error == NULL)
			continue;
		snprintf(text, sizeof(text), "row %lld for topic \"%s\" could not be sent: %s",
				 (long long) row->message.offset,
				 row->topic ? row->topic : transaction->topic, rd_kafka_error_string(error));
		note_error(transaction, rd_kafka_error_code(error), text);
		rd_kafka_error_destroy(error);
		return false;
	}
	return transaction->error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static bool
send_place(CqKafkaTransaction *transaction)
{
	rd_kafka_topic_partition_list_t *places = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_t *place =
		rd_kafka_topic_partition_list_add(places, transaction->topic, 0);
	rd_kafka_consumer_group_metadata_t *group =
		rd_kafka_consumer_group_metadata_new(transaction->name);
	rd_kafka_error_t *error;

	place->offset = transaction->next_id;
	place->metadata = strdup(transaction->epoch);	/* the list frees it */
	place->metadata_size = place->metadata != NULL ? strlen(transaction->epoch) : 0;
	for (int attempt = 1;; attempt++)
	{
		error = rd_kafka_send_offsets_to_transaction(transaction->client->rk, places, group,
													 PLACE_MS);
		if (error == NULL || !rd_kafka_error_is_retriable(error) || attempt == 3 ||
			is_stopped(transaction) ||
			transaction->error != RD_KAFKA_RESP_ERR_NO_ERROR)
			break;
		rd_kafka_error_destroy(error);
		pause_ms(transaction, PAUSE_MS);
	}
	rd_kafka_consumer_group_metadata_destroy(group);
	rd_kafka_topic_partition_list_destroy(places);
	if (error == NULL)
		return true;
	/*
	 * Nothing has been committed, so that giving up after three attempts is no more than a reason
	 * to abort.
	 */
	if (rd_kafka_error_is_retriable(error))
	{
		note_error(transaction, rd_kafka_error_code(error), rd_kafka_error_string(error));
		rd_kafka_error_destroy(error);
	}
	else
		take_error(transaction, error);
	return false;
}

/*
 * For as long as it takes: it goes on in the background, and where it stands is not for us to
 * guess.
 */
static bool end_transaction(CqKafkaTransaction *transaction,
							rd_kafka_error_t *(*end) (rd_kafka_t *rk, int timeout_ms))
{
	rd_kafka_error_t *error;

	while ((error = end(transaction->client->rk, -1)) != NULL)
	{
		if (is_stopped(transaction) || !rd_kafka_error_is_retriable(error))
		{
			take_error(transaction, error);
			return false;
		}
		set_trouble(transaction, rd_kafka_error_string(error));
		rd_kafka_error_destroy(error);
		pause_ms(transaction, PAUSE_MS);
	}
	return true;
}

/*
 * The broker answers that a transaction is committed before it is done with it, and refuses to
 * begin the next one until it is: librdkafka then waits for 20 ms. To wait a little by ourselves,
 * while more rows come together, halves the time of a transaction under load.
 */
static void
rest(CqKafkaTransaction *transaction)
{
	int64		since = now_ms() - transaction->committed_at;

	if (since < REST_MS)
		pause_ms(transaction, (int) (REST_MS - since));
}

/* Brokers end a transaction that takes too long in the same way in which they fence a producer. */
static void
tell_timeout(CqKafkaTransaction *transaction, int64 began)
{
	if (!transaction->is_fenced || now_ms() - began < transaction->timeout_ms)
		return;
	transaction->is_fenced = false;
	strlcpy(transaction->reason, "the transaction took longer than transaction.timeout.ms, and was "
								 "ended by the brokers",
			sizeof(transaction->reason));
}

static void
send_rows(CqKafkaTransaction *transaction)
{
	rd_kafka_error_t *error;
	int64		began;

	rest(transaction);
	began = now_ms();
	error = rd_kafka_begin_transaction(transaction->client->rk);
	if (error != NULL)
	{
		take_error(transaction, error);
		transaction->must_close = true;
		return;
	}
	if (enqueue_all(transaction) && !is_stopped(transaction) && send_place(transaction) &&
		!is_stopped(transaction) &&
		end_transaction(transaction, rd_kafka_commit_transaction))
	{
		transaction->place = (CqTransactionPlace) {true, true, transaction->next_id};
		transaction->committed_at = now_ms();
		return;
	}
	if (!transaction->must_close &&
		(!end_transaction(transaction, rd_kafka_abort_transaction) || !ask(transaction)))
		transaction->must_close = true;
	tell_timeout(transaction, began);
}

/* ---- the thread ---- */

static CqTransactionJob
await_job(CqKafkaTransaction *transaction)
{
	CqTransactionJob job;

	pthread_mutex_lock(&transaction->mutex);
	while (transaction->job == CQ_TRANSACTION_REST)
		pthread_cond_wait(&transaction->changed, &transaction->mutex);
	job = transaction->job;
	pthread_mutex_unlock(&transaction->mutex);
	return job;
}

static void
end_job(CqKafkaTransaction *transaction)
{
	pthread_mutex_lock(&transaction->mutex);
	transaction->trouble[0] = '\0';
	transaction->job = CQ_TRANSACTION_REST;
	/*
	 * Before anybody can see that it is at rest, who then empties the pipe. A full one wakes as
	 * well.
	 */
	if (write(transaction->wakeup[1], "", 1) < 0)
		transaction->trouble[0] = '\0';
	pthread_mutex_unlock(&transaction->mutex);
}

void *
cq_kafka_transaction_thread_run(void *arg)
{
	CqKafkaTransaction *transaction = arg;

	for (;;)
	{
		switch (await_job(transaction))
		{
			case CQ_TRANSACTION_CONNECT:
				connect_producer(transaction);
				break;
			case CQ_TRANSACTION_SEND:
				send_rows(transaction);
				break;
			case CQ_TRANSACTION_QUIT:
			case CQ_TRANSACTION_REST:
				return NULL;
		}
		rd_kafka_poll(transaction->client->rk, 0);
		end_job(transaction);
	}
}
