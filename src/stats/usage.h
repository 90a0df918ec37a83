/*
 * usage.h
 *		What each view has used and not been charged for yet, in shared memory, until the keeper
 *		writes it down (_cq.write_usage).
 *
 * All that processes of a database use is somebody's, or nobody's (InvalidOid), so that the sum is
 * what the operating system says of them. It is kept over restarts; a crash loses what has not been
 * written down.
 */
#ifndef CQ_USAGE_H
#define CQ_USAGE_H

#include "postgres.h"

typedef struct CqUsage
{
	int64		cpu_ns;
	int64		rows;
	int64		bytes_in;
	int64		bytes_out;
	int64		wal_bytes;
} CqUsage;

extern void cq_usage_init(void);

extern void cq_usage_add(Oid view, const CqUsage *usage);

/* All that this process uses is charged from now on. */
extern void cq_usage_begin(void);

/*
 * What it has used since anybody was charged is this view's. Of other processes, which may do the
 * same work for somebody, nothing is charged.
 */
extern void cq_usage_charge(Oid view);

#endif							/* CQ_USAGE_H */
