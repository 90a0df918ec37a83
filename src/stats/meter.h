/*
 * meter.h
 *		What this process uses: CPU time and WAL; and what of it is somebody's own.
 *
 *		──┬────────┬─ view a ─┬─ view b ─┬────── commit		what is not their own of what lies between
 *		  └ taken  └── own ───┴── own ───┘       └ taken		two of these, views have used together
 *
 * Own is what the main thread does between two readings. Threads of librdkafka and libcurl work
 * for all that is read, and are in what is taken alone.
 */
#ifndef CQ_METER_H
#define CQ_METER_H

#include "postgres.h"

typedef struct CqMeter
{
	int64		cpu_ns;
	int64		wal_bytes;
} CqMeter;

/* Of the main thread. */
extern void cq_meter_read(CqMeter *now);

/* What has been used since then. */
extern CqMeter cq_meter_since(const CqMeter *before);

/* What the process has used, all threads, since it began. */
extern CqMeter cq_meter_total(void);

/* The same since this was last called. */
extern CqMeter cq_meter_take(void);

#endif							/* CQ_METER_H */
