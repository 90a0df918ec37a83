/*
 * http_loop.c
 *		Moves calls on: libcurl's sockets and timers behind one descriptor.
 *
 * libcurl says which sockets it waits for, and until when. They go into an epoll set, with a timer
 * that also knows when the next repetition is due; so the set's descriptor is readable whenever
 * there is something to do, and a process waits for that one beside whatever else it waits for.
 *
 * libcurl starts threads, to look up names. All signals are blocked around each of its functions
 * that may, so that none of them ever takes a signal that is meant for the process. Its callbacks
 * do nothing that may raise an error.
 */
#include "postgres.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/compat.h"
#include "http/http_private.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#define MOST_CONNECTIONS		16
#define MOST_CONNECTIONS_HOST	4
#define EVENTS_AT_ONCE			32

struct CqHttpPool
{
	CURLM	   *multi;
	int			set;			/* of epoll */
	int			timer;			/* one of its descriptors */
	int64		curl_due;		/* when libcurl wants to be called */
	int64		alarm;			/* when the caller wants to be woken */
	dlist_head	waiting;		/* calls between attempts */
	dlist_head	running;
};

static CqHttpPool *shared = NULL;	/* of calls without a pool */
static WaitEventSet *wait_set = NULL;	/* for it */

/* ---- libcurl's callbacks ---- */

static int
on_socket(CURL *easy, curl_socket_t socket, int what, void *arg, void *known)
{
	int			set = ((CqHttpPool *) arg)->set;
	struct epoll_event event;

	memset(&event, 0, sizeof(event));
	event.data.fd = socket;
	if (what == CURL_POLL_REMOVE)
	{
		(void) epoll_ctl(set, EPOLL_CTL_DEL, socket, NULL);
		return 0;
	}
	if (what & CURL_POLL_IN)
		event.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		event.events |= EPOLLOUT;
	/*
	 * A socket that was closed has left the set by itself, and its number may be another's by now.
	 */
	if (epoll_ctl(set, EPOLL_CTL_MOD, socket, &event) < 0 && errno == ENOENT)
		(void) epoll_ctl(set, EPOLL_CTL_ADD, socket, &event);
	return 0;
}

static int
on_timer(CURLM *handle, long timeout_ms, void *arg)
{
	((CqHttpPool *) arg)->curl_due = timeout_ms < 0 ? PG_INT64_MAX :
		cq_clock_real_monotonic() + timeout_ms * 1000;
	return 0;
}

/* ---- the descriptor ---- */

static void
check(CURLMcode code)
{
	if (code != CURLM_OK)
		ereport(ERROR,
				(errcode(code == CURLM_OUT_OF_MEMORY ? ERRCODE_OUT_OF_MEMORY : ERRCODE_FDW_ERROR),
				 errmsg("libcurl failed: %s", curl_multi_strerror(code))));
}

static void
open_descriptors(CqHttpPool *pool)
{
	struct epoll_event event;

	memset(&event, 0, sizeof(event));
	event.events = EPOLLIN;
	pool->set = epoll_create1(EPOLL_CLOEXEC);
	if (pool->set < 0)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not create an epoll set: %m")));
	ReserveExternalFD();
	pool->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (pool->timer < 0)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not create a timer: %m")));
	ReserveExternalFD();
	event.data.fd = pool->timer;
	if (epoll_ctl(pool->set, EPOLL_CTL_ADD, pool->timer, &event) < 0)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not watch a timer: %m")));
}

static void
open_multi(CqHttpPool *pool, int most, int most_of_host)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
		(pool->multi = curl_multi_init()) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Failed to initialize libcurl.")));
	check(curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, on_socket));
	check(curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool));
	check(curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, on_timer));
	check(curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool));
	check(curl_multi_setopt(pool->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long) most));
	check(curl_multi_setopt(pool->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long) most_of_host));
	check(curl_multi_setopt(pool->multi, CURLMOPT_MAXCONNECTS, (long) most));
}

static void
close_pool(CqHttpPool *pool)
{
	sigset_t	all;
	sigset_t	before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	curl_multi_cleanup(pool->multi);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (pool->timer >= 0)
	{
		close(pool->timer);
		ReleaseExternalFD();
	}
	if (pool->set >= 0)
	{
		close(pool->set);
		ReleaseExternalFD();
	}
	pfree(pool);
}

static CqHttpPool *
make_pool(int most, int most_of_host)
{
	CqHttpPool *pool = MemoryContextAllocZero(TopMemoryContext, sizeof(CqHttpPool));

	pool->set = pool->timer = -1;
	pool->curl_due = pool->alarm = PG_INT64_MAX;
	dlist_init(&pool->waiting);
	dlist_init(&pool->running);
	PG_TRY();
	{
		open_descriptors(pool);
		open_multi(pool, most, most_of_host);
	}
	PG_CATCH();
	{
		close_pool(pool);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return pool;
}

CqHttpPool *
cq_http_loop_open(void)
{
	if (shared == NULL)
		shared = make_pool(MOST_CONNECTIONS, MOST_CONNECTIONS_HOST);
	return shared;
}

CqHttpPool *
cq_http_pool_create(int nconnections)
{
	return make_pool(nconnections, nconnections);
}

void
cq_http_pool_end(CqHttpPool *pool)
{
	Assert(dlist_is_empty(&pool->waiting) && dlist_is_empty(&pool->running));
	close_pool(pool);
}

int
cq_http_pool_fd(const CqHttpPool *pool)
{
	return pool->set;
}

int
cq_http_fd(void)
{
	return shared == NULL ? -1 : shared->set;
}

/* The timer, to the first of what libcurl and repetitions wait for. */
static void
set_timer(CqHttpPool *pool)
{
	bool		is_at_rest = dlist_is_empty(&pool->waiting) && dlist_is_empty(&pool->running);
	/* What libcurl would do about connections that are kept can wait for the next request. */
	int64		due = is_at_rest ? pool->alarm : Min(pool->curl_due, pool->alarm);
	int64		left;
	struct itimerspec spec = {0};
	dlist_iter	iter;

	dlist_foreach(iter, &pool->waiting)
		due = Min(due, dlist_container(CqHttpCall, node, iter.cur)->due);
	if (due < PG_INT64_MAX)
	{
		left = Max(due - cq_clock_real_monotonic(), 1);
		spec.it_value.tv_sec = left / USECS_PER_SEC;
		spec.it_value.tv_nsec = left % USECS_PER_SEC * 1000;
	}
	if (timerfd_settime(pool->timer, 0, &spec, NULL) < 0)
		elog(ERROR, "could not set a timer: %m");
}

/* ---- moving on ---- */

/* With all signals blocked. */
static void
begin_attempt(CqHttpPool *pool, CqHttpCall *call)
{
	cq_http_call_prepare(call);
	if (curl_multi_add_handle(pool->multi, call->easy) != CURLM_OK)
	{
		call->has_no_memory = true;
		if (cq_http_call_ended(call, CURLE_OUT_OF_MEMORY))
			dlist_push_tail(&pool->waiting, &call->node);
		return;
	}
	call->is_running = true;
	dlist_push_tail(&pool->running, &call->node);
}

static void
begin_due_attempts(CqHttpPool *pool)
{
	int64		now = cq_clock_real_monotonic();
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &pool->waiting)
	{
		CqHttpCall *call = dlist_container(CqHttpCall, node, iter.cur);

		if (call->due > now)
			continue;
		dlist_delete(&call->node);
		begin_attempt(pool, call);
	}
}

static void
take_results(CqHttpPool *pool)
{
	CURLMsg    *message;
	int			nleft;

	while ((message = curl_multi_info_read(pool->multi, &nleft)) != NULL)
	{
		CURL	   *easy = message->easy_handle;
		CURLcode	code = message->data.result;
		CqHttpCall *call = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		(void) curl_easy_getinfo(easy, CURLINFO_PRIVATE, &call);
		(void) curl_multi_remove_handle(pool->multi, easy);	/* the message is gone with it */
		call->is_running = false;
		dlist_delete(&call->node);
		if (cq_http_call_ended(call, code))
			dlist_push_tail(&pool->waiting, &call->node);
	}
}

static void
move_sockets(CqHttpPool *pool)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int			nevents = epoll_wait(pool->set, events, lengthof(events), 0);
	int			nrunning;

	for (int i = 0; i < nevents; i++)
	{
		int			what = 0;

		if (events[i].data.fd == pool->timer)
			continue;
		if (events[i].events & EPOLLIN)
			what |= CURL_CSELECT_IN;
		if (events[i].events & EPOLLOUT)
			what |= CURL_CSELECT_OUT;
		if (events[i].events & (EPOLLERR | EPOLLHUP))
			what |= CURL_CSELECT_ERR;
		(void) curl_multi_socket_action(pool->multi, events[i].data.fd, what, &nrunning);
	}
	if (pool->curl_due <= cq_clock_real_monotonic())
	{
		pool->curl_due = PG_INT64_MAX;
		(void) curl_multi_socket_action(pool->multi, CURL_SOCKET_TIMEOUT, 0, &nrunning);
	}
}

void
cq_http_pool_advance(CqHttpPool *pool)
{
	sigset_t	all;
	sigset_t	before;

	pool->alarm = PG_INT64_MAX;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	begin_due_attempts(pool);
	move_sockets(pool);
	take_results(pool);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	set_timer(pool);
}

void
cq_http_pool_set_alarm(CqHttpPool *pool, int64 due)
{
	pool->alarm = due;
	set_timer(pool);
}

void
cq_http_advance(void)
{
	if (shared == NULL || (dlist_is_empty(&shared->waiting) && dlist_is_empty(&shared->running) &&
						   shared->curl_due == PG_INT64_MAX))
		return;
	cq_http_pool_advance(shared);
}

void
cq_http_loop_add(CqHttpCall *call)
{
	dlist_push_tail(&call->pool->waiting, &call->node);
	cq_http_pool_advance(call->pool);
}

void
cq_http_loop_remove(CqHttpCall *call)
{
	if (call->is_done)
		return;
	if (call->is_running)
		(void) curl_multi_remove_handle(call->pool->multi, call->easy);
	call->is_running = false;
	dlist_delete(&call->node);
	call->is_done = true;
}

static WaitEventSet *
get_wait_set(void)
{
	if (wait_set == NULL)
	{
		wait_set = cq_compat_create_wait_event_set(TopMemoryContext, 3);
		AddWaitEventToSet(wait_set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
		AddWaitEventToSet(wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
		AddWaitEventToSet(wait_set, WL_SOCKET_READABLE, shared->set, NULL, NULL);
	}
	return wait_set;
}

void
cq_http_wait_any(int timeout_ms)
{
	WaitEvent	event;

	cq_http_loop_open();
	if (WaitEventSetWait(get_wait_set(), Max(timeout_ms, 1), &event, 1, PG_WAIT_EXTENSION) > 0 &&
		(event.events & WL_LATCH_SET))
		ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	cq_http_advance();
}

bool
cq_http_wait(const CqHttpCall *call, int timeout_ms)
{
	int64		deadline = cq_clock_real_monotonic() + (int64) timeout_ms * 1000;

	CHECK_FOR_INTERRUPTS();
	cq_http_advance();
	while (!call->is_done)
	{
		int64		left = (deadline - cq_clock_real_monotonic()) / 1000;

		if (left <= 0)
			return false;
		cq_http_wait_any((int) left);
	}
	return true;
}
