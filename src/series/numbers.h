/*
 * numbers.h
 *		Small things over numbers that several models need.
 */
#ifndef CQ_SERIES_NUMBERS_H
#define CQ_SERIES_NUMBERS_H

/* Deviation of a normal distribution over its median absolute deviation. */
#define CQ_NUMBERS_MAD_TO_SIGMA 1.4826022185056018

/* What is greater has no square; neither NaN nor infinity is less than it. */
#define CQ_NUMBERS_GREATEST 1e150

static inline double
cq_numbers_square(double x)
{
	return x * x;
}

extern int	cq_numbers_compare(const void *a, const void *b);
extern double cq_numbers_median(const double *sorted, int count);
extern double cq_numbers_deviation(const double *sorted, int count, double median);
extern double cq_numbers_scale(double *numbers, int count);
extern const char *cq_numbers_as_json(double number);
extern double cq_numbers_normal_quantile(double probability);
extern double cq_numbers_chi_square_quantile(double probability, int degrees);

#endif
