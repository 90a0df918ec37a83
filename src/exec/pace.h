/*
 * pace.h
 *		How many messages of a stream are decoded in time, where that is few.
 */
#ifndef CQ_PACE_H
#define CQ_PACE_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* So many at a time, at most; 0: any number. At 1, see what it is that takes so long. */
extern int	cq_pace_limit(Oid stream);

/* So many have taken longer than they may: fewer from now on. */
extern void cq_pace_slow_down(Oid stream, int nrows);

/* So many have been decoded since then: where that was quick there may be more. */
extern void cq_pace_note(Oid stream, int nrows, TimestampTz since);

/* Gives back what is kept of streams that are not read here any more. */
extern void cq_pace_sweep(void);

#endif							/* CQ_PACE_H */
