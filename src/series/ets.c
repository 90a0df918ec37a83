/*
 * ets.c
 *		Exponential smoothing: what it expects, how it goes on.
 *
 * Hyndman, Koehler, Ord, Snyder: Forecasting with Exponential Smoothing (2008), chapter 2, with
 * their names ETS(error, trend, season). Simple smoothing is ETS(A,N,N), Holt's method ETS(A,A,N),
 * that of Holt and Winters ETS(A,A,A) or ETS(M,A,M). The recursions are written in terms of the
 * value, which makes them the same for additive and multiplicative errors:
 *
 *		base   = level + phi slope
 *		expect = base, base + season, or base * season
 *		level' = base + alpha (value without its season - base)
 *		slope' = phi slope + beta / alpha (level' - level - phi slope)
 *		season' = season + gamma (value without its base - season)
 *
 * A value that is missing is taken to be the one that was expected.
 */
#include "postgres.h"

#include <math.h>

#include "series/ets.h"
#include "series/numbers.h"

static double
base_of(const CqEts *ets)
{
	return ets->level + ets->phi * ets->slope;
}

double
cq_ets_expect(const CqEts *ets)
{
	double		base = base_of(ets);

	switch (ets->model.form.season)
	{
		case CQ_ETS_ADDITIVE:
			return base + ets->seasons[ets->place];
		case CQ_ETS_MULTIPLICATIVE:
			return base * ets->seasons[ets->place];
		default:
			return base;
	}
}

/* The value without its season, or without its base. */
static double
without(CqEtsPart season, double value, double other)
{
	switch (season)
	{
		case CQ_ETS_ADDITIVE:
			return value - other;
		case CQ_ETS_MULTIPLICATIVE:
			return other == 0 ? 0 : value / other;
		default:
			return value;
	}
}

/* Goes a step on; what was expected. */
double
cq_ets_step(CqEts *ets, double value)
{
	const CqModelForm *form = &ets->model.form;
	double		base = base_of(ets);
	double		expected = cq_ets_expect(ets);
	double		level = base;

	if (isnan(value))
		value = expected;
	if (form->season == CQ_ETS_NONE)
		level += ets->alpha * (value - base);
	else
	{
		double	   *season = &ets->seasons[ets->place];
		double		old = *season;

		level += ets->alpha * (without(form->season, value, old) - base);
		*season = old + ets->gamma * (without(form->season, value, base) - old);
		if (++ets->place == form->period)
			ets->place = 0;
	}
	if (form->trend != CQ_ETS_NONE)
	{
		double		slope = ets->phi * ets->slope;

		ets->slope = slope + ets->beta / ets->alpha * (level - ets->level - slope);
	}
	ets->level = level;
	return expected;
}

static double
ets_expect(const CqModel *model)
{
	return cq_ets_expect((const CqEts *) model);
}

static void
ets_update(CqModel *model, double value)
{
	cq_ets_step((CqEts *) model, value);
}

/*
 * What a change of 1 in the value of the step now does to the step that lies ahead of it (chapter
 * 6.4 of the book, c_j there), where errors are additive.
 */
static double
response(const CqEts *ets, int ahead, double damping)
{
	double		sum = ets->alpha;

	if (ets->model.form.trend != CQ_ETS_NONE)
		sum += ets->beta * damping;
	if (ets->model.form.season != CQ_ETS_NONE && ahead % ets->model.form.period == 0)
		sum += ets->gamma;
	return sum;
}

/*
 * Deviations are exact for additive errors and seasons. For others they are those of the model
 * that is linear around what is expected: an error counts in proportion to the expected value of
 * its step.
 */
static void
ets_predict(const CqModel *model, int steps, double *values, double *deviations)
{
	const CqEts *ets = (const CqEts *) model;
	const CqModelForm *form = &model->form;
	double		level = ets->level;
	double		damping = 0;	/* phi + phi² + … */
	double		power = 1;
	double		variance = 1;	/* in units of sigma² */

	for (int i = 0; i < steps; i++)
	{
		double		base;
		double		season = form->season == CQ_ETS_NONE ? 0 :
			ets->seasons[(ets->place + i) % form->period];

		power *= ets->phi;
		damping += power;
		base = level + damping * ets->slope;
		values[i] = form->season == CQ_ETS_MULTIPLICATIVE ? base * season : base + season;
		deviations[i] = model->sigma * sqrt(variance) *
			(form->error == CQ_ETS_MULTIPLICATIVE ? fabs(values[i]) : 1);
		variance += cq_numbers_square(response(ets, i + 1, damping));
	}
}

static void
ets_describe(const CqModel *model, StringInfo out)
{
	const CqEts *ets = (const CqEts *) model;

	appendStringInfo(out, "\"alpha\": %.6g, ", ets->alpha);
	if (model->form.trend != CQ_ETS_NONE)
		appendStringInfo(out, "\"beta\": %.6g, ", ets->beta);
	if (model->form.trend == CQ_ETS_DAMPED)
		appendStringInfo(out, "\"phi\": %.6g, ", ets->phi);
	if (model->form.season != CQ_ETS_NONE)
		appendStringInfo(out, "\"gamma\": %.6g, ", ets->gamma);
	appendStringInfo(out, "\"level\": %s", cq_numbers_as_json(ets->level));
	if (model->form.trend != CQ_ETS_NONE)
		appendStringInfo(out, ", \"slope\": %s", cq_numbers_as_json(ets->slope));
}

const CqModelRoutine cq_ets_routine = {
	.expect = ets_expect,
	.update = ets_update,
	.predict = ets_predict,
	.describe = ets_describe,
};
