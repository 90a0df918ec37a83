/*
 * clock.h
 *		Clocks: what time it is, as far as watermarks and what hangs on them ask for it, and how
 *		much time has passed. Tests set them by cq.clock.
 *
 * The wall clock may be set, forward and back. What is a matter of how long something takes asks
 * the monotonic one.
 */
#ifndef CQ_CLOCK_H
#define CQ_CLOCK_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* From _PG_init. */
extern void cq_clock_init(void);

/* The wall clock. */
extern TimestampTz cq_clock_now(void);

/* The same for all that one transaction reads: when it began, unless cq.clock is set. */
extern TimestampTz cq_clock_transaction(void);

/*
 * Microseconds since some moment, which is the same for all processes of the server until it is
 * started again. Goes with cq.clock where that is set; the other one does not.
 */
extern int64 cq_clock_monotonic(void);
extern int64 cq_clock_real_monotonic(void);

#endif							/* CQ_CLOCK_H */
