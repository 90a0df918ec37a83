/*
 * kafka_transaction.c
 *		A transactional producer, as the server's process sees it: see kafka_transaction.h. What its
 *		thread does is in kafka_transaction_thread.c.
 *
 * The end of the process: a thread that waits for a broker cannot be interrupted, and a producer
 * must not be destroyed under it. Who is told to end gives the threads a moment; where one is still
 * waiting then, the process leaves without the cleaning up that libraries do in exit(), which is
 * only safe without threads. All that the server wants cleaned up has been by then.
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "common/clock.h"
#include "source/kafka_transaction_state.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define EXIT_PATIENCE_MS	200
#define TROUBLE_MS			1500	/* a job that takes longer is worth a word, if there is anything to say */
#define SILENCE_MS			5000	/* or else the word that there is not */

static dlist_head transactions = DLIST_STATIC_INIT(transactions);
static bool exit_is_watched = false;

/* ---- opening ---- */

static void
open_wakeup(CqKafkaTransaction *transaction)
{
	if (pipe(transaction->wakeup) < 0)
	{
		transaction->wakeup[0] = transaction->wakeup[1] = -1;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create a pipe: %m")));
	}
	for (int i = 0; i < 2; i++)
		if (fcntl(transaction->wakeup[i], F_SETFL, O_NONBLOCK) < 0 ||
			fcntl(transaction->wakeup[i], F_SETFD, FD_CLOEXEC) < 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not set up a pipe: %m")));
}

static void
release(void *arg)
{
	CqKafkaTransaction *transaction = arg;

	if (transaction->asker_conf != NULL)
		rd_kafka_conf_destroy(transaction->asker_conf);
	transaction->asker_conf = NULL;

	for (int i = 0; i < 2; i++)
	{
		if (transaction->wakeup[i] >= 0)
			close(transaction->wakeup[i]);
		transaction->wakeup[i] = -1;
	}
}

/*
 * Whatever stands in an open transaction is not the place yet: brokers are to say that it is not
 * known.
 */
static void
make_asker_conf(CqKafkaTransaction *transaction, const CqSourceConfig *config)
{
	char		reason[CQ_KAFKA_TEXT_LENGTH];

	transaction->asker_conf = cq_kafka_conf_build(config, CQ_KAFKA_INQUIRER, 0);
	if (rd_kafka_conf_set(transaction->asker_conf, "group.id", transaction->name, reason,
						  sizeof(reason)) != RD_KAFKA_CONF_OK ||
		rd_kafka_conf_set(transaction->asker_conf, "isolation.level", "read_committed", reason,
						  sizeof(reason)) != RD_KAFKA_CONF_OK)
		elog(ERROR, "could not set the group: %s", reason);
	cq_kafka_client_set_callbacks(transaction->client, transaction->asker_conf);
}

static rd_kafka_conf_t *
make_conf(CqKafkaTransaction *transaction, const CqSourceConfig *config)
{
	rd_kafka_conf_t *conf = cq_kafka_conf_build(config, CQ_KAFKA_EMITTER, 0);
	char		reason[CQ_KAFKA_TEXT_LENGTH];
	char		timeout[32];
	size_t		size = sizeof(timeout);

	rd_kafka_conf_set_dr_msg_cb(conf, cq_kafka_transaction_thread_note_delivery);
	if (rd_kafka_conf_set(conf, "transactional.id", transaction->name, reason,
						  sizeof(reason)) != RD_KAFKA_CONF_OK ||
		rd_kafka_conf_get(conf, "transaction.timeout.ms", timeout, &size) != RD_KAFKA_CONF_OK)
	{
		rd_kafka_conf_destroy(conf);
		elog(ERROR, "could not set the transactional id: %s", reason);
	}
	transaction->timeout_ms = atoi(timeout);
	return conf;
}

static void
start_thread(CqKafkaTransaction *transaction)
{
	sigset_t	all;
	sigset_t	before;
	int			code;

	pthread_mutex_init(&transaction->mutex, NULL);
	pthread_cond_init(&transaction->changed, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	code = pthread_create(&transaction->thread, NULL, cq_kafka_transaction_thread_run, transaction);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (code != 0)
	{
		errno = code;
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not start a thread: %m")));
	}
	transaction->has_thread = true;
}

static void
begin_job(CqKafkaTransaction *transaction, CqTransactionJob job, CqTransactionState state)
{
	transaction->state = state;
	transaction->job_began = cq_clock_real_monotonic();
	transaction->error = RD_KAFKA_RESP_ERR_NO_ERROR;
	transaction->is_fenced = false;
	transaction->reason[0] = '\0';
	pthread_mutex_lock(&transaction->mutex);
	transaction->job = job;
	pthread_cond_broadcast(&transaction->changed);
	pthread_mutex_unlock(&transaction->mutex);
}

static bool
is_at_rest(CqKafkaTransaction *transaction)
{
	bool		result;

	pthread_mutex_lock(&transaction->mutex);
	result = transaction->job == CQ_TRANSACTION_REST;
	pthread_mutex_unlock(&transaction->mutex);
	return result;
}

/* ---- closing ---- */

/* Rows that were not sent yet must not be. */
static CqKafkaRemains *
let_go(void *owner)
{
	CqKafkaTransaction *transaction = owner;

	(void) rd_kafka_purge(transaction->client->rk, RD_KAFKA_PURGE_F_QUEUE |
						  RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
	return NULL;
}

static void
ask_to_stop(CqKafkaTransaction *transaction)
{
	pthread_mutex_lock(&transaction->mutex);
	transaction->is_stopped = true;
	pthread_cond_broadcast(&transaction->changed);
	pthread_mutex_unlock(&transaction->mutex);
}

/* Of a thread at rest. */
static void
end_thread(CqKafkaTransaction *transaction)
{
	pthread_mutex_lock(&transaction->mutex);
	transaction->job = CQ_TRANSACTION_QUIT;
	pthread_cond_broadcast(&transaction->changed);
	pthread_mutex_unlock(&transaction->mutex);
	pthread_join(transaction->thread, NULL);
	pthread_mutex_destroy(&transaction->mutex);
	pthread_cond_destroy(&transaction->changed);
}

bool
cq_kafka_transaction_close(CqKafkaTransaction *transaction)
{
	ask_to_stop(transaction);
	if (!is_at_rest(transaction))
		return false;
	end_thread(transaction);
	dlist_delete(&transaction->node);
	cq_kafka_client_close(transaction->client);
	MemoryContextDelete(transaction->context);
	return true;
}

/* Runs before the closing of all clients, since it was registered after it. */
static void
close_at_exit(int code, Datum arg)
{
	dlist_mutable_iter iter;
	bool		are_closed = true;

	dlist_foreach_modify(iter, &transactions)
		ask_to_stop(dlist_container(CqKafkaTransaction, node, iter.cur));
	for (int waited = 0; waited <= EXIT_PATIENCE_MS; waited += 10)
	{
		are_closed = true;
		dlist_foreach_modify(iter, &transactions)
			are_closed &= cq_kafka_transaction_close(dlist_container(CqKafkaTransaction, node,
																	 iter.cur));
		if (are_closed)
			return;
		pg_usleep(10000);
	}
	_exit(code);
}

CqKafkaTransaction *
cq_kafka_transaction_open(const CqSourceConfig *config, int64 epoch)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "cq kafka transaction",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	CqKafkaTransaction *transaction = palloc0(sizeof(CqKafkaTransaction));
	MemoryContextCallback *callback = palloc(sizeof(MemoryContextCallback));

	transaction->context = context;
	transaction->topic = pstrdup(linitial(config->topics));
	transaction->name = cq_kafka_transaction_name(epoch);
	snprintf(transaction->epoch, sizeof(transaction->epoch), "%016llx", (unsigned long long) epoch);
	callback->func = release;
	callback->arg = transaction;
	transaction->wakeup[0] = transaction->wakeup[1] = -1;
	MemoryContextRegisterResetCallback(context, callback);
	open_wakeup(transaction);
	transaction->client = cq_kafka_client_open(config, CQ_KAFKA_EMITTER, context,
											   make_conf(transaction, config));
	transaction->client->owner = transaction;
	transaction->client->let_go = let_go;
	make_asker_conf(transaction, config);
	start_thread(transaction);
	if (!exit_is_watched)
	{
		on_proc_exit(close_at_exit, 0);
		exit_is_watched = true;
	}
	/* From here on it is closed by close, and nothing else. */
	dlist_push_tail(&transactions, &transaction->node);
	MemoryContextSetParent(context, TopMemoryContext);
	MemoryContextSwitchTo(caller);
	begin_job(transaction, CQ_TRANSACTION_CONNECT, CQ_TRANSACTION_CONNECTING);
	return transaction;
}

/* ---- looking ---- */

CqTransactionState
cq_kafka_transaction_state(CqKafkaTransaction *transaction)
{
	char		bytes[16];

	if (transaction->state != CQ_TRANSACTION_CONNECTING &&
		transaction->state != CQ_TRANSACTION_SENDING)
		return transaction->state;
	if (!is_at_rest(transaction))
		return transaction->state;
	while (read(transaction->wakeup[0], bytes, sizeof(bytes)) == sizeof(bytes))
		;
	cq_kafka_client_write_log(transaction->client);
	transaction->state = transaction->must_close ? CQ_TRANSACTION_FAILED : CQ_TRANSACTION_READY;
	return transaction->state;
}

CqTransactionPlace
cq_kafka_transaction_place(const CqKafkaTransaction *transaction)
{
	Assert(transaction->state == CQ_TRANSACTION_READY);
	return transaction->place;
}

CqTransactionError
cq_kafka_transaction_error(const CqKafkaTransaction *transaction)
{
	Assert(transaction->state == CQ_TRANSACTION_READY ||
		   transaction->state == CQ_TRANSACTION_FAILED);
	if (transaction->error == RD_KAFKA_RESP_ERR_NO_ERROR)
		return (CqTransactionError) {0, false, ""};
	return (CqTransactionError) {cq_kafka_client_sqlstate(transaction->error),
								 transaction->is_fenced, transaction->reason};
}

bool
cq_kafka_transaction_trouble(CqKafkaTransaction *transaction, char **text)
{
	char		trouble[CQ_KAFKA_TEXT_LENGTH];
	bool		is_busy;

	pthread_mutex_lock(&transaction->mutex);
	is_busy = transaction->job != CQ_TRANSACTION_REST;
	strlcpy(trouble, transaction->trouble, sizeof(trouble));
	pthread_mutex_unlock(&transaction->mutex);
	if (!is_busy || !TimestampDifferenceExceeds(transaction->job_began, cq_clock_real_monotonic(),
												TROUBLE_MS))
		return false;
	if (trouble[0] == '\0' && TimestampDifferenceExceeds(transaction->job_began,
														 cq_clock_real_monotonic(), SILENCE_MS))
		strlcpy(trouble, "the brokers do not answer", sizeof(trouble));
	if (trouble[0] == '\0')
		return false;
	*text = pstrdup(trouble);
	return true;
}

int
cq_kafka_transaction_fd(const CqKafkaTransaction *transaction)
{
	return transaction->wakeup[0];
}

void
cq_kafka_transaction_tend(CqKafkaTransaction *transaction)
{
	if (!is_at_rest(transaction))
		return;
	rd_kafka_poll(transaction->client->rk, 0);
	cq_kafka_client_write_log(transaction->client);
}

char *
cq_kafka_transaction_name(int64 epoch)
{
	return psprintf("pg_cq-%016llx", (unsigned long long) epoch);
}

/* ---- sending ---- */

void
cq_kafka_transaction_send(CqKafkaTransaction *transaction, const CqOutgoing *rows, int nrows,
						  int64 next_id)
{
	CqTransactionRow *prepared = palloc0(sizeof(CqTransactionRow) * Max(nrows, 1));

	Assert(transaction->state == CQ_TRANSACTION_READY);
	for (int i = 0; i < nrows; i++)
	{
		prepared[i].row = &rows[i];
		if (rows[i].has_headers)
			prepared[i].nheaders = cq_kafka_headers_parse(rows[i].headers, &prepared[i].headers);
	}
	transaction->rows = prepared;
	transaction->nrows = nrows;
	transaction->next_id = next_id;
	begin_job(transaction, CQ_TRANSACTION_SEND, CQ_TRANSACTION_SENDING);
}
