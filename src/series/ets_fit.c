/*
 * ets_fit.c
 *		Exponential smoothing: its parameters, and which form.
 *
 * As Hyndman and Khandakar, "Automatic time series forecasting: the forecast package for R"
 * (2008) do it: where the smoothing begins is guessed from the first values and then a parameter
 * like the others, all are found by maximum likelihood, and of the forms that may be, the one with
 * the least AICc is taken. Additive errors with multiplicative seasons are left out, as there.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "series/ets.h"
#include "series/numbers.h"
#include "series/optimize.h"

/*
 * Seasons of more steps begin as guessed, and so they do where there are so many of them that how
 * they began is forgotten.
 */
#define FREE_SEASONS 24
#define FORGOTTEN_SEASONS 20

#define MAX_PARAMETERS (6 + FREE_SEASONS)

/* Smallest and greatest of a smoothing parameter, as in the paper. */
static const double least_weight = 1e-4;
static const double greatest_weight = 0.9999;
static const double least_damping = 0.8;
static const double greatest_damping = 0.98;

/* One form, being fitted. */
typedef struct Fitting
{
	const double *values;
	int			count;
	CqEts	   *ets;			/* its seasons are written at each look */
	double	   *errors;			/* NULL, or where they are written */
	double	   *seasons;		/* where they begin, as guessed */
	double		scale;			/* deviation from a line, for bounds of level and slope */
	int			free_seasons;	/* how many of them are looked for */
} Fitting;

/* ---- where it begins ---- */

/* The mean of what is not missing in values[from, to), NaN if all is. */
static double
mean_of(const double *values, int from, int to)
{
	double		sum = 0;
	int			count = 0;

	for (int i = from; i < to; i++)
		if (!isnan(values[i]))
		{
			sum += values[i];
			count++;
		}
	return count == 0 ? NAN : sum / count;
}

/* What is not missing in a window of values that moves on. */
typedef struct Moving
{
	const double *values;
	int			length;
	int			from;			/* -1: nowhere yet */
	double		sum;
	int			count;
} Moving;

/* Counted anew once in a length, so that rounding does not add up. */
static double
moving_mean(Moving *moving, int from)
{
	if (moving->from >= 0 && from == moving->from + 1 && from % moving->length != 0)
	{
		double		old = moving->values[moving->from];
		double		new = moving->values[from + moving->length - 1];

		moving->sum += (isnan(new) ? 0 : new) - (isnan(old) ? 0 : old);
		moving->count += !isnan(new) - !isnan(old);
	}
	else if (from != moving->from)
	{
		moving->sum = 0;
		moving->count = 0;
		for (int i = from; i < from + moving->length; i++)
			if (!isnan(moving->values[i]))
			{
				moving->sum += moving->values[i];
				moving->count++;
			}
	}
	moving->from = from;
	return moving->count == 0 ? NAN : moving->sum / moving->count;
}

/* The line through values[0, count), by least squares: its height before the first, its slope. */
static void
line_of(const double *values, int count, double *height, double *slope)
{
	double		n = 0,
				sx = 0,
				sy = 0,
				sxx = 0,
				sxy = 0;

	for (int i = 0; i < count; i++)
		if (!isnan(values[i]))
		{
			double		x = i + 1;

			n++;
			sx += x;
			sy += values[i];
			sxx += x * x;
			sxy += x * values[i];
		}
	*slope = n * sxx - sx * sx > 0 ? (n * sxy - sx * sy) / (n * sxx - sx * sx) : 0;
	*height = n > 0 ? (sy - *slope * sx) / n : 0;
}

/*
 * Seasons by classical decomposition: what the values of each place of the period differ by from
 * the mean of the period around them, on average; made to add up to nothing, or to multiply to 1.
 */
static void
guess_seasons(Fitting *fitting, bool multiplies)
{
	int			period = fitting->ets->model.form.period;
	int			before = period / 2;
	int		   *counts = palloc0(period * sizeof(int));
	Moving		moving = {.values = fitting->values, .length = period, .from = -1};
	double		total = 0;

	memset(fitting->seasons, 0, period * sizeof(double));
	for (int i = before; i + period - before <= fitting->count; i++)
	{
		/* Of an even period, half a step more on both sides, and half of these. */
		double		around;
		double		value = fitting->values[i];

		CHECK_FOR_INTERRUPTS();
		around = moving_mean(&moving, i - before);
		if (period % 2 == 0 && i + before < fitting->count)
			around = (around + moving_mean(&moving, i - before + 1)) / 2;
		if (isnan(around) || isnan(value) || (multiplies && around == 0))
			continue;
		fitting->seasons[i % period] += multiplies ? value / around : value - around;
		counts[i % period]++;
	}
	for (int i = 0; i < period; i++)
	{
		fitting->seasons[i] = counts[i] > 0 ? fitting->seasons[i] / counts[i] : multiplies;
		total += fitting->seasons[i];
	}
	for (int i = 0; i < period; i++)
		if (multiplies)
			fitting->seasons[i] = total > 0 ? Max(fitting->seasons[i] * period / total, 0.01) : 1;
		else
			fitting->seasons[i] -= total / period;
	pfree(counts);
}

static void
guess_level(Fitting *fitting, double *level, double *slope)
{
	CqEts	   *ets = fitting->ets;
	const CqModelForm *form = &ets->model.form;
	int			first = Min(fitting->count, Max(10, 2 * form->period));
	double	   *values = palloc(first * sizeof(double));
	double		squares = 0;
	int			used = 0;

	for (int i = 0; i < first; i++)
	{
		double		season = form->season == CQ_ETS_NONE ? 0 : fitting->seasons[i % form->period];

		values[i] = form->season == CQ_ETS_MULTIPLICATIVE ? fitting->values[i] / season :
			fitting->values[i] - season;
	}
	line_of(values, first, level, slope);
	for (int i = 0; i < first; i++)
		if (!isnan(values[i]))
		{
			squares += cq_numbers_square(values[i] - *level - *slope * (i + 1));
			used++;
		}
	fitting->scale = used > 0 ? sqrt(squares / used) : 0;
	if (form->trend == CQ_ETS_NONE)
	{
		*level = mean_of(values, 0, first);
		*slope = 0;
	}
	pfree(values);
}

/* ---- how likely the values are ---- */

/*
 * Puts the parameters into the model, which then stands before the first value; false: not
 * allowed.
 */
static bool
begin(Fitting *fitting, const double *x)
{
	CqEts	   *ets = fitting->ets;
	const CqModelForm *form = &ets->model.form;

	ets->alpha = *x++;
	ets->level = *x++;
	ets->beta = ets->gamma = ets->slope = 0;
	ets->phi = 1;
	ets->place = 0;
	if (form->trend != CQ_ETS_NONE)
	{
		ets->beta = ets->alpha * *x++;
		ets->slope = *x++;
	}
	if (form->trend == CQ_ETS_DAMPED)
		ets->phi = *x++;
	if (form->season == CQ_ETS_NONE)
		return true;
	ets->gamma = (1 - ets->alpha) * *x++;
	memcpy(ets->seasons, fitting->seasons, form->period * sizeof(double));
	if (fitting->free_seasons > 0)
	{
		/* The last is what the others leave. */
		double		last = form->season == CQ_ETS_MULTIPLICATIVE ? form->period : 0;

		for (int i = 0; i < fitting->free_seasons; i++)
		{
			ets->seasons[i] = x[i];
			last -= x[i];
		}
		if (form->season == CQ_ETS_MULTIPLICATIVE && last <= 0)
			return false;
		ets->seasons[form->period - 1] = last;
	}
	return true;
}

/* Runs over the values: -2 log likelihood, but for what is the same for all forms, and sigma. */
static double
deviance(Fitting *fitting, double *sigma)
{
	CqEts	   *ets = fitting->ets;
	bool		multiplies = ets->model.form.error == CQ_ETS_MULTIPLICATIVE;
	double		squares = 0;
	double		logs = 0;
	int			used = 0;

	for (int i = 0; i < fitting->count; i++)
	{
		double		value = fitting->values[i];
		double		expected = cq_ets_step(ets, value);
		double		error = value - expected;

		if (fitting->errors != NULL)
			fitting->errors[i] = multiplies ? error / expected : error;
		if (isnan(value))
			continue;
		if (multiplies)
		{
			if (expected <= 0)
				return HUGE_VAL;
			error /= expected;
			logs += log(expected);
		}
		squares += error * error;
		used++;
	}
	/* NaN, which compares with nothing. */
	if (!isfinite(squares) || !isfinite(logs))
		return HUGE_VAL;
	*sigma = sqrt(squares / Max(1, used));
	return used * log(Max(squares, 1e-300)) + 2 * logs;
}

static double
objective(const double *x, int count, void *context)
{
	Fitting    *fitting = context;
	double		sigma;

	return begin(fitting, x) ? deviance(fitting, &sigma) : HUGE_VAL;
}

/* ---- one form ---- */

/* Adds a parameter: where to begin, and its bounds. */
typedef struct Parameters
{
	int			count;
	double		x[MAX_PARAMETERS];
	double		lower[MAX_PARAMETERS];
	double		upper[MAX_PARAMETERS];
} Parameters;

static void
add_parameter(Parameters *parameters, double x, double lower, double upper)
{
	int			i = parameters->count++;

	parameters->x[i] = x;
	parameters->lower[i] = lower;
	parameters->upper[i] = upper;
}

static void
choose_parameters(Fitting *fitting, Parameters *parameters)
{
	const CqModelForm *form = &fitting->ets->model.form;
	double		level;
	double		slope;
	double		reach;

	guess_level(fitting, &level, &slope);
	reach = 4 * fitting->scale + 0.2 * fabs(level) + 4 * fabs(slope) + 1e-8;
	parameters->count = 0;
	add_parameter(parameters, form->season == CQ_ETS_NONE ? 0.3 : 0.2, least_weight,
				  greatest_weight);
	add_parameter(parameters, level, level - reach, level + reach);
	if (form->trend != CQ_ETS_NONE)
	{
		add_parameter(parameters, 0.1, least_weight, greatest_weight);
		add_parameter(parameters, slope, slope - reach / 4, slope + reach / 4);
	}
	if (form->trend == CQ_ETS_DAMPED)
		add_parameter(parameters, 0.95, least_damping, greatest_damping);
	if (form->season == CQ_ETS_NONE)
		return;
	add_parameter(parameters, 0.05, least_weight, greatest_weight);
	if (form->period <= FREE_SEASONS && fitting->count < FORGOTTEN_SEASONS * form->period)
		fitting->free_seasons = form->period - 1;
	for (int i = 0; i < fitting->free_seasons; i++)
		if (form->season == CQ_ETS_MULTIPLICATIVE)
			add_parameter(parameters, fitting->seasons[i], 0.01, form->period);
		else
		{
			double		far = 4 * fitting->scale + fabs(fitting->seasons[i]) + 1e-8;

			add_parameter(parameters, fitting->seasons[i], fitting->seasons[i] - far,
						  fitting->seasons[i] + far);
		}
}

static int
values_of(const double *values, int count)
{
	int			used = 0;

	for (int i = 0; i < count; i++)
		used += !isnan(values[i]);
	return used;
}

/* NULL: there are too few values for this form, or it cannot hold them. */
static CqEts *
fit_form(const CqModelForm *form, const double *values, int count)
{
	CqEts	   *ets = palloc0(sizeof(CqEts));
	Fitting		fitting = {.values = values, .count = count, .ets = ets};
	Parameters	parameters;
	int			numbers;
	int			used = values_of(values, count);
	double		least;

	ets->model.routine = &cq_ets_routine;
	ets->model.form = *form;
	ets->model.fitted = count;
	if (form->season != CQ_ETS_NONE)
	{
		ets->seasons = palloc0(form->period * sizeof(double));
		fitting.seasons = palloc0(form->period * sizeof(double));
		guess_seasons(&fitting, form->season == CQ_ETS_MULTIPLICATIVE);
	}
	choose_parameters(&fitting, &parameters);
	/* Seasons count as parameters though they be guessed; and so does sigma. */
	numbers = parameters.count + 1 +
		(form->season == CQ_ETS_NONE ? 0 : form->period - 1 - fitting.free_seasons);
	if (used <= numbers + 1)
		return NULL;
	cq_optimize_minimize(objective, &fitting, parameters.count, parameters.x, parameters.lower,
						 parameters.upper, 100 + 60 * parameters.count);
	if (!begin(&fitting, parameters.x))
		return NULL;
	fitting.errors = palloc(count * sizeof(double));
	least = deviance(&fitting, &ets->model.sigma);
	ets->model.usual = cq_numbers_scale(fitting.errors, count);
	pfree(fitting.errors);
	if (!isfinite(least))
		return NULL;
	ets->model.aicc = least + 2.0 * numbers +
		2.0 * numbers * (numbers + 1) / (used - numbers - 1);
	/* As an unbiased estimate. */
	ets->model.sigma *= sqrt((double) used / Max(1, used - parameters.count));
	return ets;
}

/* ---- all forms ---- */

static bool
is_allowed(const CqModelForm *form, bool is_positive)
{
	if (form->season == CQ_ETS_MULTIPLICATIVE && form->error != CQ_ETS_MULTIPLICATIVE)
		return false;
	return is_positive || form->error == CQ_ETS_ADDITIVE;
}

/*
 * The model of this form, or of the best one where the form is open, that fits the values, having
 * taken them all in. NULL: they are too few, or (multiplicative) not all greater than zero.
 */
CqModel *
cq_ets_fit(const CqModelForm *form, const double *values, int count)
{
	static const CqEtsPart trends[] = {CQ_ETS_NONE, CQ_ETS_ADDITIVE, CQ_ETS_DAMPED};
	static const CqEtsPart seasons[] = {CQ_ETS_NONE, CQ_ETS_ADDITIVE, CQ_ETS_MULTIPLICATIVE};
	static const CqEtsPart errors[] = {CQ_ETS_ADDITIVE, CQ_ETS_MULTIPLICATIVE};
	CqEts	   *best = NULL;
	bool		is_positive = true;

	for (int i = 0; i < count; i++)
		is_positive &= !(values[i] <= 0);
	if (!form->is_open)
	{
		bool		multiplies = form->error == CQ_ETS_MULTIPLICATIVE ||
			form->season == CQ_ETS_MULTIPLICATIVE;

		best = multiplies && !is_positive ? NULL : fit_form(form, values, count);
		return best == NULL ? NULL : &best->model;
	}
	for (int s = 0; s < (form->period > 1 ? (int) lengthof(seasons) : 1); s++)
		for (int t = 0; t < (int) lengthof(trends); t++)
			for (int e = 0; e < (int) lengthof(errors); e++)
			{
				CqModelForm one = *form;
				CqEts	   *ets;

				one.is_open = false;
				one.season = seasons[s];
				one.trend = trends[t];
				one.error = errors[e];
				if (!is_allowed(&one, is_positive))
					continue;
				ets = fit_form(&one, values, count);
				if (ets != NULL && (best == NULL || ets->model.aicc < best->model.aicc))
					best = ets;
			}
	return best == NULL ? NULL : &best->model;
}
