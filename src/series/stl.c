/*
 * stl.c
 *		A series taken apart into trend, seasons and a remainder.
 *
 * Cleveland, Cleveland, McRae, Terpenning: "STL: A Seasonal-Trend Decomposition Procedure Based on
 * Loess" (1990), with the windows and degrees that R's stl() has by default, so that their results
 * are the same. Loess is computed at every tenth of its window, and is a line between.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "series/numbers.h"
#include "series/stl.h"

#define ROBUST_ROUNDS 15

typedef struct Loess
{
	int			window;			/* points, odd */
	int			degree;			/* 0 or 1 */
	int			jump;
} Loess;

/* ---- loess ---- */

/* Weights of the points left to right for a local fit at x, over weights of their own or NULL. */
static double
loess_at(const Loess *loess, const double *y, const double *weights, int count, double x,
		 int left, int right, double *scratch)
{
	double		reach = Max(x - left, right - x);
	double		sum = 0;
	double		value = 0;

	if (loess->window > count)
		reach += (loess->window - count) / 2;
	for (int j = left; j <= right; j++)
	{
		double		distance = fabs(j - x);

		CHECK_FOR_INTERRUPTS();
		scratch[j] = 0;
		if (distance > 0.999 * reach)
			continue;
		scratch[j] = distance <= 0.001 * reach ? 1 : pow(1 - pow(distance / reach, 3), 3);
		if (weights != NULL)
			scratch[j] *= weights[j];
		sum += scratch[j];
	}
	if (sum <= 0)
		return NAN;
	for (int j = left; j <= right; j++)
		scratch[j] /= sum;
	if (reach > 0 && loess->degree > 0)
	{
		double		mean = 0;
		double		spread = 0;

		for (int j = left; j <= right; j++)
			mean += scratch[j] * j;
		for (int j = left; j <= right; j++)
			spread += scratch[j] * cq_numbers_square(j - mean);
		if (sqrt(spread) > 0.001 * (count - 1))
			for (int j = left; j <= right; j++)
				scratch[j] *= (x - mean) / spread * (j - mean) + 1;
	}
	for (int j = left; j <= right; j++)
		if (scratch[j] != 0)
			value += scratch[j] * y[j];
	return value;
}

/* The window of points around position i. */
static void
find_window(const Loess *loess, int count, int i, int *left, int *right)
{
	*left = Max(0, Min(i - loess->window / 2, count - loess->window));
	*right = Min(count - 1, *left + loess->window - 1);
}

/*
 * NaN becomes what is on the line between what is known on both sides, or as the one side; it stays
 * where nothing is known at all.
 */
static void
fill(double *y, int count)
{
	int			known = -1;

	for (int i = 0; i < count; i++)
	{
		if (isnan(y[i]))
			continue;
		for (int j = known + 1; j < i; j++)
			y[j] = known < 0 ? y[i] : y[known] + (y[i] - y[known]) * (j - known) / (i - known);
		known = i;
	}
	for (int j = known + 1; j < count && known >= 0; j++)
		y[j] = y[known];
}

static void
smooth(const Loess *loess, const double *y, const double *weights, int count, double *smoothed,
	   double *scratch)
{
	int			jump = Max(1, Min(loess->jump, count - 1));
	int			before = 0;

	for (int i = 0;; i = Min(i + jump, count - 1))
	{
		int			left;
		int			right;

		CHECK_FOR_INTERRUPTS();
		find_window(loess, count, i, &left, &right);
		smoothed[i] = loess_at(loess, y, weights, count, i, left, right, scratch);
		if (isnan(smoothed[i]))
			smoothed[i] = y[i];
		for (int j = before + 1; j < i; j++)
			smoothed[j] = smoothed[before] +
				(smoothed[i] - smoothed[before]) * (j - before) / (i - before);
		before = i;
		if (i == count - 1)
			break;
	}
	fill(smoothed, count);
}

/* ---- the parts ---- */

/*
 * Each place of the period by itself, smoothed, and carried on by one period at both ends: count +
 * 2 period values.
 */
static void
smooth_seasons(const Loess *loess, const double *y, const double *weights, int count, int period,
			   double *seasons, double *scratch)
{
	int			most = (count - 1) / period + 1;
	double	   *values = palloc(most * sizeof(double));
	double	   *own = palloc(most * sizeof(double));
	double	   *smoothed = palloc(most * sizeof(double));

	for (int place = 0; place < period; place++)
	{
		int			n = (count - 1 - place) / period + 1;
		int			left;
		int			right;
		double		end;

		for (int i = 0; i < n; i++)
		{
			values[i] = y[place + i * period];
			own[i] = weights == NULL ? 1 : weights[place + i * period];
		}
		smooth(loess, values, own, n, smoothed, scratch);
		find_window(loess, n, 0, &left, &right);
		end = loess_at(loess, values, own, n, -1, left, right, scratch);
		seasons[place] = isnan(end) ? smoothed[0] : end;
		for (int i = 0; i < n; i++)
			seasons[place + (i + 1) * period] = smoothed[i];
		find_window(loess, n, n - 1, &left, &right);
		end = loess_at(loess, values, own, n, n, left, right, scratch);
		seasons[place + (n + 1) * period] = isnan(end) ? smoothed[n - 1] : end;
	}
	/* Places of which there is no value. */
	fill(seasons, count + 2 * period);
	pfree(values);
	pfree(own);
	pfree(smoothed);
}

/* Means of so many values each; returns how many means there are. */
static int
average(const double *y, int count, int length, double *means)
{
	double		sum = 0;

	for (int i = 0; i < count; i++)
	{
		sum += y[i];
		if (i >= length)
			sum -= y[i - length];
		if (i >= length - 1)
			means[i - length + 1] = sum / length;
	}
	return count - length + 1;
}

/* Weights by how far a value is from trend and season, in six medians. */
static void
weigh(const double *values, int count, const double *trend, const double *seasonal,
	  double *weights, double *scratch)
{
	int			used = 0;
	double		far;

	for (int i = 0; i < count; i++)
		if (!isnan(values[i]))
			scratch[used++] = fabs(values[i] - trend[i] - seasonal[i]);
	qsort(scratch, used, sizeof(double), cq_numbers_compare);
	far = used == 0 ? 0 : 3 * (scratch[used / 2] + scratch[used - used / 2 - 1]);
	for (int i = 0; i < count; i++)
	{
		double		distance = isnan(values[i]) ? far : fabs(values[i] - trend[i] - seasonal[i]);

		if (isnan(values[i]) || distance > 0.999 * far)
			weights[i] = far > 0 || isnan(values[i]) ? 0 : 1;
		else
			weights[i] = distance <= 0.001 * far ? 1 :
				cq_numbers_square(1 - cq_numbers_square(distance / far));
	}
}

/* The same season in each period: the mean of each place. */
static void
make_periodic(double *seasonal, int count, int period)
{
	for (int place = 0; place < period && place < count; place++)
	{
		double		sum = 0;
		int			n = 0;

		for (int i = place; i < count; i += period, n++)
			sum += seasonal[i];
		for (int i = place; i < count; i += period)
			seasonal[i] = sum / n;
	}
}

/*
 * Makes what is too far from all values NaN: the trend where none is in the window around it, a
 * season where its place has none there, or in no period where seasons do not change.
 */
static void
forget(const double *values, int count, const Loess *loess, int step, double *part)
{
	int			place;

	for (place = 0; place < step && place < count; place++)
	{
		int			n = (count - 1 - place) / step + 1;
		int			last = -1;	/* value before; -1: none */
		int			next = 0;	/* value from here on; n: none */

		for (int i = 0; i < n; i++)
		{
			int			left;
			int			right;

			while (next < n && (next < i || isnan(values[place + next * step])))
				next++;
			if (next == i)
				last = i;
			find_window(loess, n, i, &left, &right);
			if ((last < 0 || last < left) && next > right)
				part[place + i * step] = NAN;
		}
	}
}

static int
next_odd(double x)
{
	int			whole = (int) ceil(x);

	return whole % 2 == 0 ? whole + 1 : whole;
}

static Loess
make_loess(int window, int degree)
{
	Loess		loess = {.window = window, .degree = degree, .jump = (window + 9) / 10};

	return loess;
}

/*
 * Writes count numbers into trend and seasonal each. A period has at least 2 steps, and there are
 * at least two of them, and one value. seasonal_window: seasons over which one changes, odd, at
 * least 7; 0: seasons do not change. is_robust: values far from their neighbours count less. NaN:
 * missing, and not known since no value is near.
 */
void
cq_stl_decompose(const double *values, int count, int period, int seasonal_window, bool is_robust,
				 double *trend, double *seasonal)
{
	int			window = seasonal_window == 0 ? 10 * count + 1 : seasonal_window;
	Loess		of_seasons = make_loess(window, 0);
	Loess		of_trend = make_loess(next_odd(1.5 * period / (1 - 1.5 / window)), 1);
	Loess		of_rest = make_loess(next_odd(period), 1);
	int			longer = count + 2 * period;
	double	   *work = palloc(longer * sizeof(double));
	double	   *seasons = palloc(longer * sizeof(double));
	double	   *means = palloc(longer * sizeof(double));
	double	   *scratch = palloc(longer * sizeof(double));
	double	   *weights = palloc(count * sizeof(double));
	int			rounds = is_robust ? ROBUST_ROUNDS + 1 : 1;

	memset(trend, 0, count * sizeof(double));
	for (int i = 0; i < count; i++)
		weights[i] = !isnan(values[i]);
	for (int round = 0; round < rounds; round++)
	{
		for (int inner = 0; inner < (is_robust ? 1 : 2); inner++)
		{
			int			n;

			for (int i = 0; i < count; i++)
				work[i] = values[i] - trend[i];
			smooth_seasons(&of_seasons, work, weights, count, period, seasons, scratch);
			n = average(seasons, longer, period, work);
			n = average(work, n, period, means);
			n = average(means, n, 3, work);
			Assert(n == count);
			smooth(&of_rest, work, NULL, count, means, scratch);
			for (int i = 0; i < count; i++)
			{
				seasonal[i] = seasons[period + i] - means[i];
				work[i] = values[i] - seasonal[i];
			}
			smooth(&of_trend, work, weights, count, trend, scratch);
		}
		if (round + 1 < rounds)
			weigh(values, count, trend, seasonal, weights, scratch);
	}
	if (seasonal_window == 0)
		make_periodic(seasonal, count, period);
	forget(values, count, &of_trend, 1, trend);
	forget(values, count, &of_seasons, period, seasonal);
	pfree(work);
	pfree(seasons);
	pfree(means);
	pfree(scratch);
	pfree(weights);
}

/*
 * How strong the seasons are, 0 to 1: the part that they have of what is not trend (Wang, Smith,
 * Hyndman: "Characteristic-based clustering for time series data", 2006).
 */
double
cq_stl_strength(const double *values, int count, int period)
{
	double	   *trend = palloc(count * sizeof(double));
	double	   *seasonal = palloc(count * sizeof(double));
	double		sums[2] = {0};
	double		squares[2] = {0};
	double		variances[2];
	int			used = 0;

	cq_stl_decompose(values, count, period, 11, false, trend, seasonal);
	for (int i = 0; i < count; i++)
	{
		double		parts[2] = {values[i] - trend[i] - seasonal[i], values[i] - trend[i]};

		if (isnan(values[i]))
			continue;
		used++;
		for (int part = 0; part < 2; part++)
		{
			sums[part] += parts[part];
			squares[part] += cq_numbers_square(parts[part]);
		}
	}
	for (int part = 0; part < 2; part++)
		variances[part] = used == 0 ? 0 :
			squares[part] / used - cq_numbers_square(sums[part] / used);
	pfree(trend);
	pfree(seasonal);
	return variances[1] <= 0 ? 0 : Max(0, 1 - Max(0, variances[0]) / variances[1]);
}
