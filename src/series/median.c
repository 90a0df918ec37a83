/*
 * median.c
 *		The median of the last values as a model: what is usual, whatever some of them are.
 *
 * Expects the median of the window, with the median absolute deviation as its scale: up to half of
 * the values may be anything. The window is as long as what the model was fitted to. Its values
 * are kept sorted as well, so that a step moves some of an array, and no more is computed than two
 * searches.
 */
#include "postgres.h"

#include <math.h>

#include "series/median.h"
#include "series/numbers.h"

typedef struct Median
{
	CqModel		model;
	int			window;
	int			count;			/* of values in it, without those missing */
	double	   *ring;			/* NaN: missing */
	int			oldest;
	double	   *sorted;
} Median;

/* Where the value is, or belongs: the first that is not less. */
static int
find_place(const double *sorted, int count, double value)
{
	int			low = 0;
	int			high = count;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (sorted[middle] < value)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
remove_value(Median *median, double value)
{
	int			place = find_place(median->sorted, median->count, value);

	median->count--;
	memmove(median->sorted + place, median->sorted + place + 1,
			(median->count - place) * sizeof(double));
}

static void
insert_value(Median *median, double value)
{
	int			place = find_place(median->sorted, median->count, value);

	memmove(median->sorted + place + 1, median->sorted + place,
			(median->count - place) * sizeof(double));
	median->sorted[place] = value;
	median->count++;
}

static double
median_expect(const CqModel *model)
{
	const Median *median = (const Median *) model;

	return median->count == 0 ? NAN : cq_numbers_median(median->sorted, median->count);
}

static double
scale_of(const Median *median)
{
	return median->count == 0 ? NAN : CQ_NUMBERS_MAD_TO_SIGMA *
		cq_numbers_deviation(median->sorted, median->count, median_expect(&median->model));
}

static void
median_update(CqModel *model, double value)
{
	Median	   *median = (Median *) model;
	double	   *place = &median->ring[median->oldest];

	if (!isnan(*place))
		remove_value(median, *place);
	*place = value;
	median->oldest = (median->oldest + 1) % median->window;
	if (!isnan(value))
		insert_value(median, value);
	model->sigma = scale_of(median);
}

static void
median_predict(const CqModel *model, int steps, double *values, double *deviations)
{
	for (int i = 0; i < steps; i++)
	{
		values[i] = median_expect(model);
		deviations[i] = model->sigma;
	}
}

static void
median_describe(const CqModel *model, StringInfo out)
{
	appendStringInfo(out, "\"median\": %s, \"window\": %d",
					 cq_numbers_as_json(median_expect(model)),
					 ((const Median *) model)->window);
}

static const CqModelRoutine routine = {
	.expect = median_expect,
	.update = median_update,
	.predict = median_predict,
	.describe = median_describe,
};

/* The value in the window that part of them do not exceed; NaN where there is none. */
double
cq_median_quantile(const CqModel *model, double part)
{
	const Median *median = (const Median *) model;

	return median->count == 0 ? NAN : median->sorted[(int) (part * (median->count - 1) + 0.5)];
}

/* The model over a window of these values, NaN where missing, palloc'd. */
CqModel *
cq_median_make(const double *values, int window)
{
	Median	   *median = palloc0(sizeof(Median));

	median->model.routine = &routine;
	median->model.form.family = CQ_MODEL_MEDIAN;
	median->model.form.period = 1;
	median->model.fitted = median->window = window;
	median->ring = palloc(window * sizeof(double));
	median->sorted = palloc(window * sizeof(double));
	for (int i = 0; i < window; i++)
	{
		median->ring[i] = values[i];
		if (!isnan(values[i]))
			median->sorted[median->count++] = values[i];
	}
	qsort(median->sorted, median->count, sizeof(double), cq_numbers_compare);
	median->model.sigma = median->model.usual = scale_of(median);
	return &median->model;
}

/* As a model that is fitted. NULL: none of the values is there. */
CqModel *
cq_median_fit(const double *values, int count)
{
	for (int i = 0; i < count; i++)
		if (!isnan(values[i]))
			return cq_median_make(values, count);
	return NULL;
}
