/*
 * distance.c
 *		How far a point is from the middle of the last ones, by a robust covariance.
 *
 * Mahalanobis' distance from the orthogonalized estimate of Maronna and Zamar, "Robust estimates
 * of location and dispersion for high-dimensional datasets" (2002), after Gnanadesikan and
 * Kettenring: covariances of pairs by the median absolute deviations of sum and difference, made
 * consistent along the eigenvectors, then the usual mean and covariance of the points that lie
 * within. Up to half of the points may be anything. The estimate is made anew each time an eighth
 * of the window has come.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "series/detector.h"
#include "series/matrix.h"
#include "series/numbers.h"

#define WITHIN 0.9				/* of usual points count for the final estimate */
#define LEAST_POINTS 10			/* for each number of a point */

typedef struct Distance
{
	CqDetector	base;
	double	   *points;			/* a ring */
	int			count;
	int			next;
	int			since;			/* points since the estimate */
	bool		is_known;
	double	   *centre;
	double	   *factor;
	double	   *scratch;		/* of as many numbers as there are points, or in a matrix */
} Distance;

/* Median and scale of numbers, which are put in order. */
static void
locate(double *numbers, int count, double *median, double *scale)
{
	qsort(numbers, count, sizeof(double), cq_numbers_compare);
	*median = cq_numbers_median(numbers, count);
	*scale = CQ_NUMBERS_MAD_TO_SIGMA * cq_numbers_deviation(numbers, count, *median);
	/* More than half are the same: what the others are is all that there is. */
	if (*scale == 0)
	{
		for (int i = 0; i < count; i++)
			*scale += fabs(numbers[i] - *median);
		*scale *= sqrt(M_PI / 2) / count;
	}
}

/* Of the weighted sum of two columns. */
static double
scale_of_sum(Distance *distance, const double *points, int i, int j, double a, double b)
{
	int			size = distance->base.size;
	double		median;
	double		scale;

	CHECK_FOR_INTERRUPTS();
	for (int k = 0; k < distance->count; k++)
		distance->scratch[k] = a * points[k * size + i] + b * points[k * size + j];
	locate(distance->scratch, distance->count, &median, &scale);
	return scale;
}

/*
 * Correlations by pairs, of columns whose scales are given; a scale of 0 correlates with nothing.
 */
static void
correlate(Distance *distance, const double *scales, double *matrix)
{
	int			size = distance->base.size;

	for (int i = 0; i < size; i++)
	{
		matrix[i * size + i] = 1;
		for (int j = 0; j < i; j++)
		{
			double		correlation = 0;

			if (scales[i] > 0 && scales[j] > 0)
			{
				double		plus = scale_of_sum(distance, distance->points, i, j, 1 / scales[i],
												1 / scales[j]);
				double		minus = scale_of_sum(distance, distance->points, i, j, 1 / scales[i],
												 -1 / scales[j]);
				double		sum = plus * plus + minus * minus;

				correlation = sum > 0 ? (plus * plus - minus * minus) / sum : 0;
			}
			matrix[i * size + j] = matrix[j * size + i] = correlation;
		}
	}
}

/* Mean and covariance of the points that lie within the bound of a first estimate. */
static void
refine(Distance *distance, double bound)
{
	int			size = distance->base.size;
	double	   *mean = palloc0(size * sizeof(double));
	double	   *matrix = palloc0(size * size * sizeof(double));
	double	   *apart = palloc(size * sizeof(double));
	bool	   *is_within = palloc(distance->count * sizeof(bool));
	int			used = 0;

	for (int k = 0; k < distance->count; k++)
	{
		const double *point = distance->points + k * size;

		for (int i = 0; i < size; i++)
			apart[i] = point[i] - distance->centre[i];
		is_within[k] = cq_matrix_distance(distance->factor, apart, size,
										  distance->scratch) <= bound;
		used += is_within[k];
		for (int i = 0; i < size && is_within[k]; i++)
			mean[i] += point[i];
	}
	for (int i = 0; i < size; i++)
		mean[i] /= Max(1, used);
	for (int k = 0; k < distance->count; k++)
		for (int i = 0; i < size && is_within[k]; i++)
			for (int j = 0; j <= i; j++)
				matrix[i * size + j] += (distance->points[k * size + i] - mean[i]) *
					(distance->points[k * size + j] - mean[j]) / Max(1, used - 1);
	if (used > 2 * size && cq_matrix_factor(matrix, size))
	{
		memcpy(distance->centre, mean, size * sizeof(double));
		memcpy(distance->factor, matrix, size * size * sizeof(double));
	}
	pfree(mean);
	pfree(matrix);
	pfree(apart);
	pfree(is_within);
}

/*
 * The first estimate: along the eigenvectors of the correlations, medians and scales of the points
 * are taken, and put together again.
 */
static bool
estimate(Distance *distance)
{
	int			size = distance->base.size;
	double	   *medians = palloc(size * sizeof(double));
	double	   *scales = palloc(size * sizeof(double));
	double	   *matrix = palloc(size * size * sizeof(double));
	double	   *vectors = palloc(size * size * sizeof(double));
	double	   *centre = palloc0(size * sizeof(double));
	bool		is_done;

	for (int i = 0; i < size; i++)
	{
		for (int k = 0; k < distance->count; k++)
			distance->scratch[k] = distance->points[k * size + i];
		locate(distance->scratch, distance->count, &medians[i], &scales[i]);
	}
	correlate(distance, scales, matrix);
	cq_matrix_eigen(matrix, size, vectors);
	memset(matrix, 0, size * size * sizeof(double));
	for (int e = 0; e < size; e++)
	{
		double		median;
		double		scale;

		for (int k = 0; k < distance->count; k++)
		{
			distance->scratch[k] = 0;
			for (int i = 0; i < size; i++)
				if (scales[i] > 0)
					distance->scratch[k] += vectors[i * size + e] / scales[i] *
						(distance->points[k * size + i] - medians[i]);
		}
		locate(distance->scratch, distance->count, &median, &scale);
		for (int i = 0; i < size; i++)
		{
			centre[i] += scales[i] * vectors[i * size + e] * median;
			for (int j = 0; j <= i; j++)
				matrix[i * size + j] += scales[i] * vectors[i * size + e] *
					scales[j] * vectors[j * size + e] * scale * scale;
		}
	}
	is_done = cq_matrix_factor(matrix, size);
	for (int i = 0; i < size; i++)
		distance->centre[i] = centre[i] + medians[i];
	memcpy(distance->factor, matrix, size * size * sizeof(double));
	pfree(medians);
	pfree(scales);
	pfree(matrix);
	pfree(vectors);
	pfree(centre);
	return is_done;
}

static double
distance_score(CqDetector *detector, const double *point)
{
	Distance   *distance = (Distance *) detector;
	double		apart[CQ_DETECTOR_MAX_SIZE];

	if (!distance->is_known)
		return NAN;
	for (int i = 0; i < detector->size; i++)
		apart[i] = point[i] - distance->centre[i];
	return cq_matrix_distance(distance->factor, apart, detector->size, distance->scratch);
}

static double
distance_bound(const CqDetector *detector, double level)
{
	return sqrt(cq_numbers_chi_square_quantile(level, detector->size));
}

static void
distance_learn(CqDetector *detector, const double *point, double score)
{
	Distance   *distance = (Distance *) detector;
	int			size = detector->size;

	memcpy(distance->points + distance->next * size, point, size * sizeof(double));
	distance->next = (distance->next + 1) % detector->window;
	distance->count = Min(distance->count + 1, detector->window);
	distance->since++;
	if (distance->count < LEAST_POINTS * size ||
		(distance->is_known && distance->since < Max(1, distance->count / 8)))
		return;
	distance->since = 0;
	distance->is_known = estimate(distance);
	if (distance->is_known)
		refine(distance, distance_bound(detector, WITHIN));
}

static const CqDetectorRoutine routine = {
	.score = distance_score,
	.learn = distance_learn,
	.bound = distance_bound,
};

/* palloc'd, for points of so many numbers. */
CqDetector *
cq_distance_make(int size, int window)
{
	Distance   *distance = palloc0(sizeof(Distance));

	distance->base.routine = &routine;
	distance->base.size = size;
	distance->base.window = Max(window, 2 * LEAST_POINTS * size);
	distance->points = palloc(distance->base.window * size * sizeof(double));
	distance->scratch = palloc(Max(distance->base.window, size * size) * sizeof(double));
	distance->centre = palloc0(size * sizeof(double));
	distance->factor = palloc0(size * size * sizeof(double));
	return &distance->base;
}
