/*
 * meter.c
 *		What this process uses: see meter.h.
 */
#include "postgres.h"

#include <time.h>

#include "executor/instrument.h"
#include "stats/meter.h"

static int64
cpu_time(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now) != 0)
		elog(ERROR, "could not read the CPU time: %m");
	return (int64) now.tv_sec * 1000000000 + now.tv_nsec;
}

void
cq_meter_read(CqMeter *now)
{
	now->cpu_ns = cpu_time(CLOCK_THREAD_CPUTIME_ID);
	now->wal_bytes = (int64) pgWalUsage.wal_bytes;
}

CqMeter
cq_meter_since(const CqMeter *before)
{
	CqMeter		now;

	cq_meter_read(&now);
	return (CqMeter) {now.cpu_ns - before->cpu_ns, now.wal_bytes - before->wal_bytes};
}

CqMeter
cq_meter_total(void)
{
	return (CqMeter) {cpu_time(CLOCK_PROCESS_CPUTIME_ID), (int64) pgWalUsage.wal_bytes};
}

CqMeter
cq_meter_take(void)
{
	static CqMeter taken = {0, 0};	/* up to here */
	CqMeter		total = cq_meter_total();
	CqMeter		used = {total.cpu_ns - taken.cpu_ns, total.wal_bytes - taken.wal_bytes};

	taken = total;
	return used;
}
