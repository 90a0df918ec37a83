/*
 * arima.c
 *		ARIMA(p,d,q)(P,D,Q): what it expects, how it goes on.
 *
 * Box, Jenkins, Reinsel: Time Series Analysis. Once it is fitted the differences are multiplied
 * into the autoregressive polynomial, so that a step is one recursion over the last values and the
 * last errors:
 *
 *		expect = intercept + sum of weight * value[-lag] + sum of weight * error[-lag]
 *
 * Values and errors that are missing, or lie before the first, count as expected and as 0. Of the
 * past no more is kept than the longest lag; it lies in arrays of twice that length, which are
 * moved to their beginning when they are full.
 */
#include "postgres.h"

#include <math.h>

#include "series/arima.h"
#include "series/numbers.h"

/* ---- polynomials ---- */

static void
add_lag(CqLags *lags, int lag, double weight)
{
	for (int i = 0; i < lags->count; i++)
		if (lags->lags[i] == lag)
		{
			lags->weights[i] += weight;
			return;
		}
	lags->lags[lags->count] = lag;
	lags->weights[lags->count++] = weight;
	lags->longest = Max(lags->longest, lag);
}

/* (1 - one)(1 - other) = 1 - into: all as weights of a recursion. */
void
cq_arima_multiply(CqLags *into, const CqLags *one, const CqLags *other)
{
	into->count = into->longest = 0;
	for (int i = 0; i < one->count; i++)
		add_lag(into, one->lags[i], one->weights[i]);
	for (int j = 0; j < other->count; j++)
		add_lag(into, other->lags[j], other->weights[j]);
	for (int i = 0; i < one->count; i++)
		for (int j = 0; j < other->count; j++)
			add_lag(into, one->lags[i] + other->lags[j], -one->weights[i] * other->weights[j]);
}

/* (1 - B)^d (1 - B^period)^D as weights of a recursion. */
void
cq_arima_differences(const CqModelForm *form, CqLags *lags)
{
	lags->count = lags->longest = 0;
	for (int i = 0; i < form->d + form->D; i++)
	{
		CqLags		before = *lags;
		CqLags		one = {.count = 1};

		one.longest = one.lags[0] = i < form->d ? 1 : form->period;
		one.weights[0] = 1;
		cq_arima_multiply(lags, &before, &one);
	}
}

static double
weigh(const CqLags *lags, const double *behind)
{
	double		sum = 0;

	for (int i = 0; i < lags->count; i++)
		sum += lags->weights[i] * behind[-lags->lags[i]];
	return sum;
}

/* ---- steps ---- */

/* Makes room for the past, which is all 0 then. The polynomials are there. */
void
cq_arima_begin(CqArima *arima)
{
	int			longest = Max(1, Max(arima->ar.longest, arima->ma.longest));

	arima->kept = longest;
	arima->room = 2 * longest + 64;
	arima->past = palloc0(arima->room * sizeof(double));
	arima->errors = palloc0(arima->room * sizeof(double));
}

static double
arima_expect(const CqModel *model)
{
	const CqArima *arima = (const CqArima *) model;

	return arima->intercept + weigh(&arima->ar, arima->past + arima->kept) +
		weigh(&arima->ma, arima->errors + arima->kept);
}

/* Goes a step on; what was expected. */
double
cq_arima_step(CqArima *arima, double value)
{
	double		expected = arima_expect(&arima->model);
	int			longest = Max(1, Max(arima->ar.longest, arima->ma.longest));

	if (arima->kept == arima->room)
	{
		memmove(arima->past, arima->past + arima->room - longest, longest * sizeof(double));
		memmove(arima->errors, arima->errors + arima->room - longest, longest * sizeof(double));
		arima->kept = longest;
	}
	arima->past[arima->kept] = isnan(value) ? expected : value;
	arima->errors[arima->kept++] = isnan(value) ? 0 : value - expected;
	return expected;
}

static void
arima_update(CqModel *model, double value)
{
	cq_arima_step((CqArima *) model, value);
}

/*
 * Deviations by the weights that an error has on the steps behind it: psi, chapter 5 of the book.
 */
static void
arima_predict(const CqModel *model, int steps, double *values, double *deviations)
{
	const CqArima *arima = (const CqArima *) model;
	int			longest = Max(1, Max(arima->ar.longest, arima->ma.longest));
	double	   *past = palloc((longest + steps) * sizeof(double));
	double	   *errors = palloc0((longest + steps) * sizeof(double));
	double	   *psi = palloc0((longest + steps + 1) * sizeof(double));
	double		variance = 0;

	memcpy(past, arima->past + arima->kept - longest, longest * sizeof(double));
	memcpy(errors, arima->errors + arima->kept - longest, longest * sizeof(double));
	psi[longest] = 1;
	for (int i = 0; i < arima->ma.count; i++)
		if (arima->ma.lags[i] < steps)
			psi[longest + arima->ma.lags[i]] += arima->ma.weights[i];
	for (int i = 0; i < steps; i++)
	{
		past[longest + i] = arima->intercept + weigh(&arima->ar, past + longest + i) +
			weigh(&arima->ma, errors + longest + i);
		values[i] = past[longest + i];
		if (i > 0)
			psi[longest + i] += weigh(&arima->ar, psi + longest + i);
		variance += cq_numbers_square(psi[longest + i]);
		deviations[i] = model->sigma * sqrt(variance);
	}
	pfree(past);
	pfree(errors);
	pfree(psi);
}

static void
describe_lags(const CqLags *lags, const char *name, StringInfo out)
{
	appendStringInfo(out, "\"%s\": {", name);
	for (int i = 0; i < lags->count; i++)
		appendStringInfo(out, "%s\"%d\": %.6g", i > 0 ? ", " : "", lags->lags[i], lags->weights[i]);
	appendStringInfoString(out, "}, ");
}

static void
arima_describe(const CqModel *model, StringInfo out)
{
	const CqArima *arima = (const CqArima *) model;

	describe_lags(&arima->ar, "weights_of_values", out);
	describe_lags(&arima->ma, "weights_of_errors", out);
	appendStringInfo(out, "\"constant\": %s", cq_numbers_as_json(arima->constant));
}

const CqModelRoutine cq_arima_routine = {
	.expect = arima_expect,
	.update = arima_update,
	.predict = arima_predict,
	.describe = arima_describe,
};
