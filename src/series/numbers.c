/*
 * numbers.c
 *		Small things over numbers that several models need.
 */
#include "postgres.h"

#include <math.h>

#include "series/numbers.h"

/* For qsort, of numbers that are not NaN. */
int
cq_numbers_compare(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return x < y ? -1 : x > y;
}

/* Of at least one. */
double
cq_numbers_median(const double *sorted, int count)
{
	return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
}

/*
 * The smallest distance from the median that rank of the sorted numbers have: those within lie
 * together, so it is looked for by halving how many of them lie below.
 */
static double
distance_of_rank(const double *sorted, int count, double median, int rank)
{
	int			low = 0;
	int			high = count - rank;

	/* The window of rank numbers whose further end is nearest. */
	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (median - sorted[middle] > sorted[middle + rank] - median)
			low = middle + 1;
		else
			high = middle;
	}
	return Max(median - sorted[low], sorted[low + rank - 1] - median);
}

/* The median of the distances from the median, of at least one number. */
double
cq_numbers_deviation(const double *sorted, int count, double median)
{
	return (distance_of_rank(sorted, count, median, (count - 1) / 2 + 1) +
			distance_of_rank(sorted, count, median, count / 2 + 1)) / 2;
}

/*
 * The standard deviation that most of the numbers are in line with, around zero; puts them in
 * order. NaN is left out; 0 where there are none.
 */
double
cq_numbers_scale(double *numbers, int count)
{
	int			used = 0;

	for (int i = 0; i < count; i++)
		if (!isnan(numbers[i]))
			numbers[used++] = fabs(numbers[i]);
	qsort(numbers, used, sizeof(double), cq_numbers_compare);
	return used == 0 ? 0 : CQ_NUMBERS_MAD_TO_SIGMA * cq_numbers_median(numbers, used);
}

/* For JSON, which knows neither NaN nor infinity: null. */
const char *
cq_numbers_as_json(double number)
{
	return isfinite(number) ? psprintf("%.10g", number) : "null";
}

/* Of the standard normal distribution, by Newton's method over erfc; probability in (0, 1). */
double
cq_numbers_normal_quantile(double probability)
{
	double		x = 0;

	for (int i = 0; i < 60; i++)
	{
		double		error = 0.5 * erfc(-x * M_SQRT1_2) - probability;
		double		density = exp(-x * x / 2) / sqrt(2 * M_PI);
		double		step = Max(-1, Min(1, error / Max(density, 1e-300)));

		x -= step;
		if (fabs(step) < 1e-14)
			break;
	}
	return x;
}

/* Wilson and Hilferty (1931): the cube root is nearly normal. Within 1 % from two degrees on. */
double
cq_numbers_chi_square_quantile(double probability, int degrees)
{
	double		part = 2.0 / (9 * degrees);

	/* Of one degree it is the square of a normal one. */
	if (degrees == 1)
		return cq_numbers_square(cq_numbers_normal_quantile((1 + probability) / 2));
	return degrees * pow(1 - part + cq_numbers_normal_quantile(probability) * sqrt(part), 3);
}
