/*
 * kafka_thread.c
 *		The threads: see kafka_thread.h.
 *
 * A thread for each job, since one that hangs must not keep others. It takes no signal. One that
 * hangs keeps its memory and its descriptors until the process ends, which then leaves by _exit:
 * see close_at_exit in kafka_client.c.
 */
#include "postgres.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "source/kafka_thread.h"
#include "source/kafka_wakeup.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

/* Guarded by the mutex, as what jobs say of themselves. */
static CqKafkaJob *running = NULL;
static bool is_ending = false;

/* The main thread's alone. */
static CqKafkaJob *waiting = NULL;	/* for a thread */
static uint64 last_id = 0;

static void
remove_running(CqKafkaJob *job)
{
	CqKafkaJob **link = &running;

	while (*link != job)
		link = &(*link)->next;
	*link = job->next;
}

/* ---- the thread ---- */

static void *
run_job(void *arg)
{
	CqKafkaJob *job = arg;
	bool		wakes = job->wakes;
	bool		is_forgotten;

	job->run(job);
	pthread_mutex_lock(&mutex);
	remove_running(job);
	job->is_done = true;
	is_forgotten = job->is_forgotten;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
	/* Else it is the main thread's from here on. */
	if (is_forgotten)
		job->discard(job);
	else if (wakes)
		cq_kafka_wakeup_signal();
	return NULL;
}

bool
cq_kafka_thread_is_forgotten(CqKafkaJob *job)
{
	bool		result;

	pthread_mutex_lock(&mutex);
	result = job->is_forgotten || is_ending;
	pthread_mutex_unlock(&mutex);
	return result;
}

static bool
others_use(const CqKafkaJob *job)
{
	for (const CqKafkaJob *other = running; other != NULL; other = other->next)
		if (other != job && other->rk == job->rk)
			return true;
	return false;
}

void
cq_kafka_thread_await_others(CqKafkaJob *job)
{
	pthread_mutex_lock(&mutex);
	while (others_use(job))
		pthread_cond_wait(&changed, &mutex);
	pthread_mutex_unlock(&mutex);
}

/* ---- starting ---- */

bool
cq_kafka_thread_start(CqKafkaJob *job)
{
	pthread_attr_t attributes;
	pthread_t	thread;
	sigset_t	all;
	sigset_t	before;
	int			error;

	if (job->id == 0)
		job->id = ++last_id;
	pthread_mutex_lock(&mutex);
	job->next = running;
	running = job;
	pthread_mutex_unlock(&mutex);

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, &attributes, run_job, job);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (error == 0)
		return true;
	pthread_mutex_lock(&mutex);
	remove_running(job);
	pthread_mutex_unlock(&mutex);
	errno = error;
	return false;
}

static void
start_waiting(void)
{
	while (waiting != NULL)
	{
		CqKafkaJob *first = waiting;

		waiting = first->next;
		if (cq_kafka_thread_start(first))
			continue;
		first->next = waiting;
		waiting = first;
		return;
	}
}

uint64
cq_kafka_thread_hand_over(CqKafkaJob *job)
{
	CqKafkaJob **end = &waiting;
	uint64		id = job->id = ++last_id;

	job->is_forgotten = true;
	job->next = NULL;
	while (*end != NULL)
		end = &(*end)->next;
	*end = job;
	start_waiting();
	return id;
}

/* ---- what has become of it ---- */

bool
cq_kafka_thread_is_done(CqKafkaJob *job)
{
	bool		result;

	pthread_mutex_lock(&mutex);
	result = job->is_done;
	pthread_mutex_unlock(&mutex);
	return result;
}

void
cq_kafka_thread_forget(CqKafkaJob *job)
{
	bool		is_done;

	pthread_mutex_lock(&mutex);
	is_done = job->is_done;
	job->is_forgotten = true;
	pthread_mutex_unlock(&mutex);
	if (is_done)
		job->discard(job);
}

static bool
find(const CqKafkaJob *list, uint64 id)
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
cq_kafka_thread_await(uint64 id, int timeout_ms)
{
	return await(id, timeout_ms);
}

bool
cq_kafka_thread_end_all(int timeout_ms)
{
	pthread_mutex_lock(&mutex);
	is_ending = true;
	pthread_mutex_unlock(&mutex);
	return await(0, timeout_ms);
}
