/*
 * optimize.h
 *		Finding the parameters of a model: the least value of a function within bounds.
 */
#ifndef CQ_SERIES_OPTIMIZE_H
#define CQ_SERIES_OPTIMIZE_H

/* What is minimized: of count numbers. It must not raise; NaN counts as worse than everything. */
typedef double (*CqObjective) (const double *x, int count, void *context);

extern double cq_optimize_minimize(CqObjective objective, void *context, int count, double *x,
								   const double *lower, const double *upper,
								   int max_evaluations);

#endif
