/*
 * kafka_closer.c
 *		The threads that close: see kafka_closer.h.
 *
 * A thread for each of the remains, since one that hangs must not keep others. It calls nothing but
 * librdkafka and the C library, and takes no signal. Where the system gives no thread, the remains
 * wait for the next occasion.
 *
 * A thread that hangs keeps its memory and its descriptors until the process ends, which then
 * leaves by _exit: see close_at_exit in kafka_client.c.
 */
#include "postgres.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "source/kafka_closer.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

/* Guarded by the mutex. */
static CqKafkaRemains *running = NULL;	/* each by its thread */

/* The main thread's alone. */
static CqKafkaRemains *waiting = NULL;	/* for a thread */
static uint64 last_id = 0;

CqKafkaRemains *
cq_kafka_closer_prepare(rd_kafka_t *rk, int nstops, int nmessages, int ntopics)
{
	Size		size = MAXALIGN(sizeof(CqKafkaRemains)) + MAXALIGN(sizeof(CqKafkaStop) * nstops) +
		sizeof(void *) * ((Size) nmessages + ntopics);
	CqKafkaRemains *remains = calloc(1, size);
	char	   *room = (char *) remains;

	if (remains == NULL)
		return NULL;
	remains->rk = rk;
	remains->stops = (CqKafkaStop *) (room += MAXALIGN(sizeof(CqKafkaRemains)));
	remains->messages = (rd_kafka_message_t **) (room += MAXALIGN(sizeof(CqKafkaStop) * nstops));
	remains->topics = (rd_kafka_topic_t **) (room + sizeof(void *) * nmessages);
	return remains;
}

/* ---- the thread ---- */

static bool
others_use(const CqKafkaRemains *remains)
{
	for (const CqKafkaRemains *other = running; other != NULL; other = other->next)
		if (other != remains && other->rk == remains->rk)
			return true;
	return false;
}

static void
give_back(CqKafkaRemains *remains)
{
	for (int i = 0; i < remains->nstops; i++)
		(void) rd_kafka_consume_stop(remains->stops[i].topic, remains->stops[i].partition);
	for (int i = 0; i < remains->nmessages; i++)
		rd_kafka_message_destroy(remains->messages[i]);
	for (int i = 0; i < remains->ntopics; i++)
		rd_kafka_topic_destroy(remains->topics[i]);
	for (int i = 0; i < (int) lengthof(remains->queues); i++)
		if (remains->queues[i] != NULL)
			rd_kafka_queue_destroy(remains->queues[i]);
}

static void
remove_running(CqKafkaRemains *remains)
{
	CqKafkaRemains **link = &running;

	while (*link != remains)
		link = &(*link)->next;
	*link = remains->next;
}

static void *
close_remains(void *arg)
{
	CqKafkaRemains *remains = arg;

	give_back(remains);
	if (remains->is_end)
	{
		/* What other threads are giving back is of this client. */
		pthread_mutex_lock(&mutex);
		while (others_use(remains))
			pthread_cond_wait(&changed, &mutex);
		pthread_mutex_unlock(&mutex);
		rd_kafka_destroy_flags(remains->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	}
	pthread_mutex_lock(&mutex);
	remove_running(remains);
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
	free(remains);
	return NULL;
}

/* ---- handing over ---- */

/* False where the system has no thread to give. */
static bool
start_thread(CqKafkaRemains *remains)
{
	pthread_attr_t attributes;
	pthread_t	thread;
	sigset_t	all;
	sigset_t	before;
	bool		is_started;

	pthread_mutex_lock(&mutex);
	remains->next = running;
	running = remains;
	pthread_mutex_unlock(&mutex);

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	is_started = pthread_create(&thread, &attributes, close_remains, remains) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (is_started)
		return true;
	pthread_mutex_lock(&mutex);
	remove_running(remains);
	pthread_mutex_unlock(&mutex);
	return false;
}

/* What was handed over first goes first, for a client's end must not come before the rest of it. */
static void
start_waiting(void)
{
	while (waiting != NULL)
	{
		CqKafkaRemains *first = waiting;

		waiting = first->next;
		if (start_thread(first))
			continue;
		first->next = waiting;
		waiting = first;
		return;
	}
}

uint64
cq_kafka_closer_take(CqKafkaRemains *remains)
{
	CqKafkaRemains **end = &waiting;
	uint64		id = ++last_id;

	remains->id = id;
	remains->next = NULL;
	while (*end != NULL)
		end = &(*end)->next;
	*end = remains;
	start_waiting();
	return id;
}

/* ---- waiting ---- */

static bool
find(const CqKafkaRemains *list, uint64 id)
{
	for (; list != NULL; list = list->next)
		if (id == 0 || list->id == id)
			return true;
	return false;
}

/* id 0: all of them. */
static bool
await(uint64 id, int timeout_ms)
{
	struct timespec until;
	bool		is_there;

	start_waiting();
	if (find(waiting, id))
		return false;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += (long) (timeout_ms % 1000) * 1000000;
	until.tv_sec += timeout_ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&mutex);
	while ((is_there = find(running, id)) && timeout_ms > 0)
		if (pthread_cond_timedwait(&changed, &mutex, &until) != 0)
			timeout_ms = 0;
	pthread_mutex_unlock(&mutex);
	return !is_there;
}

bool
cq_kafka_closer_await(uint64 id, int timeout_ms)
{
	return await(id, timeout_ms);
}

bool
cq_kafka_closer_await_all(int timeout_ms)
{
	return await(0, timeout_ms);
}
