/*
 * histogram.h
 *		How often something took how long: in steps of powers of two, from a millisecond to an hour.
 */
#ifndef CQ_HISTOGRAM_H
#define CQ_HISTOGRAM_H

#include "postgres.h"

#include "port/pg_bitutils.h"

/* 1, 2, 4 … 2^22 ms (70 min); the last one: longer. */
#define CQ_HISTOGRAM_STEPS 24

typedef struct CqHistogram
{
	int64		counts[CQ_HISTOGRAM_STEPS];
} CqHistogram;

/* The step of what took so many microseconds. */
static inline int
cq_histogram_step(int64 us)
{
	if (us <= 1000)
		return 0;
	return Min(pg_leftmost_one_pos64((uint64) (us - 1) / 1000) + 1, CQ_HISTOGRAM_STEPS - 1);
}

/* What has taken no longer is counted up to this step; ms, infinity for the last one. */
extern double cq_histogram_bound(int step);

extern void cq_histogram_add(CqHistogram *histogram, const CqHistogram *more);

#endif							/* CQ_HISTOGRAM_H */
