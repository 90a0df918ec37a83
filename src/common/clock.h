/*
 * clock.h
 *		The wall clock, as far as watermarks and what hangs on them ask for it: tests set it by cq.clock.
 */
#ifndef CQ_CLOCK_H
#define CQ_CLOCK_H

#include "postgres.h"

#include "datatype/timestamp.h"

extern TimestampTz cq_clock_now(void);

/* The same for all that one transaction reads: when it began, unless cq.clock is set. */
extern TimestampTz cq_clock_transaction(void);

#endif							/* CQ_CLOCK_H */
