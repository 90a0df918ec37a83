/*
 * histogram.c
 *		How often something took how long: see histogram.h.
 */
#include "postgres.h"

#include <math.h>

#include "stats/histogram.h"
#include "utils/float.h"

double
cq_histogram_bound(int step)
{
	return step < CQ_HISTOGRAM_STEPS - 1 ? ldexp(1, step) : get_float8_infinity();
}

void
cq_histogram_add(CqHistogram *histogram, const CqHistogram *more)
{
	for (int i = 0; i < CQ_HISTOGRAM_STEPS; i++)
		histogram->counts[i] += more->counts[i];
}
