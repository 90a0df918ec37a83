/*
 * kafka_wakeup.c
 *		The pipe that wakes the process: see kafka_wakeup.h.
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/compat.h"
#include "miscadmin.h"
#include "source/kafka_wakeup.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

static int	ends[2] = {-1, -1};	/* to read from, to write to */
static WaitEventSet *wait_set = NULL;

static void
open_pipe(void)
{
	int			made[2];

	if (pipe(made) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create a pipe: %m")));
	for (int i = 0; i < 2; i++)
	{
		if (fcntl(made[i], F_SETFL, O_NONBLOCK) < 0 || fcntl(made[i], F_SETFD, FD_CLOEXEC) < 0)
		{
			int			code = errno;

			close(made[0]);
			close(made[1]);
			errno = code;
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not set up a pipe: %m")));
		}
	}
	ReserveExternalFD();
	ReserveExternalFD();
	ends[0] = made[0];
	ends[1] = made[1];
}

int
cq_kafka_wakeup_fd(void)
{
	if (ends[0] < 0)
		open_pipe();
	return ends[0];
}

void
cq_kafka_wakeup_clear(void)
{
	char		bytes[64];

	while (read(cq_kafka_wakeup_fd(), bytes, sizeof(bytes)) == sizeof(bytes))
		;
}

void
cq_kafka_wakeup_enable(rd_kafka_queue_t *queue)
{
	(void) cq_kafka_wakeup_fd();
	rd_kafka_queue_io_event_enable(queue, ends[1], "", 1);
}

void
cq_kafka_wakeup_signal(void)
{
	ssize_t		written;

	/* Where it is full the process is awake. */
	do
		written = write(ends[1], "", 1);
	while (written < 0 && errno == EINTR);
}

static void
make_wait_set(void)
{
	WaitEventSet *set = cq_compat_create_wait_event_set(TopMemoryContext, 3);

	AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(set, WL_SOCKET_READABLE, cq_kafka_wakeup_fd(), NULL, NULL);
	wait_set = set;
}

CqKafkaWakeup
cq_kafka_wakeup_wait(long timeout_ms)
{
	WaitEvent	event;

	if (wait_set == NULL)
		make_wait_set();
	if (WaitEventSetWait(wait_set, timeout_ms, &event, 1, PG_WAIT_EXTENSION) == 0)
		return CQ_KAFKA_WAKEUP_TIMEOUT;
	if (event.events & WL_LATCH_SET)
	{
		ResetLatch(MyLatch);
		return CQ_KAFKA_WAKEUP_LATCH;
	}
	cq_kafka_wakeup_clear();
	return CQ_KAFKA_WAKEUP_QUEUE;
}
