/*
 * season.c
 *		Whether a series has seasons, and how long they are.
 *
 * By autocorrelation: a period is the lag of the first peak that is nearly as high as the highest
 * one, of the values less a line through them, or of their changes where that does not show it. No
 * more than the last values are looked at, and no lag is longer than a third of these, so that it
 * takes a bounded time.
 */
#include "postgres.h"

#include <math.h>

#include "series/numbers.h"
#include "series/season.h"

#define LOOKED_AT 1000			/* values */
#define LEAST_PEAK 0.3

/* Values less the line through them; NaN, and what is missing, become 0. Returns their variance. */
static double
level_out(const double *values, int count, double *levelled)
{
	double		n = 0,
				sx = 0,
				sy = 0,
				sxx = 0,
				sxy = 0;
	double		slope;
	double		variance = 0;

	for (int i = 0; i < count; i++)
		if (!isnan(values[i]))
		{
			n++;
			sx += i;
			sy += values[i];
			sxx += (double) i * i;
			sxy += i * values[i];
		}
	slope = n * sxx - sx * sx > 0 ? (n * sxy - sx * sy) / (n * sxx - sx * sx) : 0;
	for (int i = 0; i < count; i++)
	{
		levelled[i] = isnan(values[i]) ? 0 : values[i] - (sy + slope * (n * i - sx)) / n;
		variance += cq_numbers_square(levelled[i]);
	}
	return variance;
}

/* 1: none. correlations has room for a third of the values, and one more. */
static int
find_peak(const double *levelled, int count, double variance, double *correlations)
{
	int			longest = count / 3;
	double		highest = 0;
	bool		has_fallen = false;

	for (int lag = 1; lag <= longest; lag++)
	{
		double		sum = 0;

		for (int i = lag; i < count; i++)
			sum += levelled[i] * levelled[i - lag];
		/* As of a full overlap, else long lags look weak. */
		correlations[lag] = sum / variance * count / (count - lag);
	}
	for (int lag = 2; lag < longest; lag++)
	{
		has_fallen |= correlations[lag] < correlations[lag - 1];
		if (has_fallen && correlations[lag] >= correlations[lag - 1] &&
			correlations[lag] >= correlations[lag + 1])
			highest = Max(highest, correlations[lag]);
	}
	if (highest < Max(LEAST_PEAK, 2 / sqrt(count)))
		return 1;
	has_fallen = false;
	for (int lag = 2; lag < longest; lag++)
	{
		has_fallen |= correlations[lag] < correlations[lag - 1];
		if (has_fallen && correlations[lag] >= correlations[lag - 1] &&
			correlations[lag] >= correlations[lag + 1] && correlations[lag] >= 0.85 * highest)
			return lag;
	}
	return 1;
}

/* Steps of a season, 1 where none is found; NaN: missing. */
int
cq_season_find(const double *values, int count)
{
	int			looked = Min(count, LOOKED_AT);
	double	   *levelled = palloc(looked * sizeof(double));
	double	   *correlations = palloc((looked / 3 + 2) * sizeof(double));
	double		variance;
	int			period = 1;

	values += count - looked;
	if (looked >= 12)
	{
		variance = level_out(values, looked, levelled);
		if (variance > 0)
			period = find_peak(levelled, looked, variance, correlations);
	}
	if (looked >= 12 && period == 1)
	{
		double	   *changes = palloc(looked * sizeof(double));

		for (int i = 1; i < looked; i++)
			changes[i - 1] = values[i] - values[i - 1];
		variance = level_out(changes, looked - 1, levelled);
		if (variance > 0)
			period = find_peak(levelled, looked - 1, variance, correlations);
		pfree(changes);
	}
	pfree(levelled);
	pfree(correlations);
	return period;
}
