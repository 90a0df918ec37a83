/*
 * arima_fit.c
 *		ARIMA: its parameters, and which orders.
 *
 * Parameters by the least conditional sum of squares; the polynomials are kept stationary and
 * invertible by giving them as partial autocorrelations (Monahan, "A note on enforcing
 * stationarity in autoregressive-moving average models", 1984). Orders are found as Hyndman and
 * Khandakar, "Automatic time series forecasting: the forecast package for R" (2008) find them:
 * differences by the test of Kwiatkowski, Phillips, Schmidt and Shin (1992) and by the strength of
 * the seasons, the rest by going from some simple models to neighbours of a lower AICc.
 */
#include "postgres.h"

#include <math.h>

#include "series/arima.h"
#include "series/numbers.h"
#include "series/optimize.h"
#include "series/stl.h"

#define MAX_PARAMETERS (2 * (CQ_ARIMA_MAX_ORDER + CQ_ARIMA_MAX_SEASONAL) + 1)
#define MAX_ROUNDS 100			/* of the search for orders */

/* One form, being fitted to differenced values. */
typedef struct Fitting
{
	const CqModelForm *form;
	const double *values;		/* differenced; NaN where missing */
	double	   *centred;		/* less their mean */
	double	   *errors;
	int			count;
	int			burn;			/* steps that do not count: those before the longest lag */
	double		mean;
	double		spread;			/* of the values */
	/* Polynomials at the parameters looked at. */
	double		ar[CQ_ARIMA_MAX_ORDER];
	double		ma[CQ_ARIMA_MAX_ORDER];
	double		sar[CQ_ARIMA_MAX_SEASONAL];
	double		sma[CQ_ARIMA_MAX_SEASONAL];
} Fitting;

/* ---- polynomials ---- */

/* Partial autocorrelations in (-1, 1) to weights of a stationary recursion. */
static void
unfold(const double *partial, int order, double *weights)
{
	double		before[CQ_ARIMA_MAX_ORDER];

	for (int k = 0; k < order; k++)
	{
		memcpy(before, weights, k * sizeof(double));
		weights[k] = partial[k];
		for (int i = 0; i < k; i++)
			weights[i] = before[i] - partial[k] * before[k - 1 - i];
	}
}

static const double *
take_parameters(Fitting *fitting, const double *x)
{
	const CqModelForm *form = fitting->form;

	unfold(x, form->p, fitting->ar);
	x += form->p;
	unfold(x, form->q, fitting->ma);
	x += form->q;
	unfold(x, form->P, fitting->sar);
	x += form->P;
	unfold(x, form->Q, fitting->sma);
	return x + form->Q;
}

static void
list_lags(CqLags *lags, const double *weights, int order, int step)
{
	lags->count = order;
	lags->longest = order * step;
	for (int i = 0; i < order; i++)
	{
		lags->lags[i] = (i + 1) * step;
		lags->weights[i] = weights[i];
	}
}

/* (1 - regular)(1 - seasonal), of the values or of the errors. */
static void
list_product(CqLags *lags, const double *regular, int order, const double *seasonal,
			 int seasonal_order, int period)
{
	CqLags		one;
	CqLags		other;

	list_lags(&one, regular, order, 1);
	list_lags(&other, seasonal, seasonal_order, period);
	cq_arima_multiply(lags, &one, &other);
}

static void
list_all(const Fitting *fitting, CqLags *ar, CqLags *ma)
{
	const CqModelForm *form = fitting->form;

	list_product(ar, fitting->ar, form->p, fitting->sar, form->P, form->period);
	list_product(ma, fitting->ma, form->q, fitting->sma, form->Q, form->period);
	/* That of the errors is 1 + …: invertible for the same weights as the other is stationary. */
	for (int i = 0; i < ma->count; i++)
		ma->weights[i] = -ma->weights[i];
}

/* ---- the sum of squares ---- */

static double
squares(Fitting *fitting, double mean, int *used)
{
	CqLags		ar;
	CqLags		ma;
	double		sum = 0;

	list_all(fitting, &ar, &ma);
	*used = 0;
	for (int t = 0; t < fitting->count; t++)
	{
		double		value = fitting->values[t];
		double		expected = 0;

		for (int i = 0; i < ar.count && t > 0; i++)
			if (ar.lags[i] <= t)
				expected += ar.weights[i] * fitting->centred[t - ar.lags[i]];
		for (int i = 0; i < ma.count && t > 0; i++)
			if (ma.lags[i] <= t)
				expected += ma.weights[i] * fitting->errors[t - ma.lags[i]];
		fitting->centred[t] = isnan(value) ? expected : value - mean;
		fitting->errors[t] = t < fitting->burn ? 0 : fitting->centred[t] - expected;
		if (t >= fitting->burn && !isnan(value))
		{
			sum += cq_numbers_square(fitting->errors[t]);
			(*used)++;
		}
	}
	return sum;
}

static double
objective(const double *x, int count, void *context)
{
	Fitting    *fitting = context;
	const double *rest = take_parameters(fitting, x);
	int			used;
	double		sum = squares(fitting, fitting->form->has_constant ? *rest : 0, &used);

	return isfinite(sum) ? log(Max(sum, 1e-300)) : HUGE_VAL;
}

/* ---- one form ---- */

/* The differences of these values; returns how many there are. */
static int
difference(const double *values, int count, int lag, double *differences)
{
	for (int i = lag; i < count; i++)
		differences[i - lag] = values[i] - values[i - lag];
	return Max(0, count - lag);
}

static int
difference_all(const CqModelForm *form, const double *values, int count, double *into)
{
	memcpy(into, values, count * sizeof(double));
	for (int i = 0; i < form->D; i++)
		count = difference(into, count, form->period, into);
	for (int i = 0; i < form->d; i++)
		count = difference(into, count, 1, into);
	return count;
}

static void
measure(Fitting *fitting)
{
	int			used = 0;

	fitting->mean = fitting->spread = 0;
	for (int i = 0; i < fitting->count; i++)
		if (!isnan(fitting->values[i]))
		{
			fitting->mean += fitting->values[i];
			used++;
		}
	fitting->mean /= Max(1, used);
	for (int i = 0; i < fitting->count; i++)
		if (!isnan(fitting->values[i]))
			fitting->spread += cq_numbers_square(fitting->values[i] - fitting->mean);
	fitting->spread = sqrt(fitting->spread / Max(1, used));
}

/* The fitted polynomials over the values as they are, run over all of them. */
static CqArima *
make_model(Fitting *fitting, double constant, const double *values, int count)
{
	const CqModelForm *form = fitting->form;
	CqArima    *arima = palloc0(sizeof(CqArima));
	CqLags		differences;
	CqLags		ar;
	double		left = 1;

	list_all(fitting, &ar, &arima->ma);
	for (int i = 0; i < ar.count; i++)
		left -= ar.weights[i];
	arima->constant = constant;
	arima->intercept = constant * left;
	cq_arima_differences(form, &differences);
	cq_arima_multiply(&arima->ar, &differences, &ar);
	arima->model.routine = &cq_arima_routine;
	arima->model.form = *form;
	arima->model.fitted = count;
	cq_arima_begin(arima);
	/* The errors are those that were fitted; there are none where differences begin. */
	for (int i = 0; i < count; i++)
	{
		cq_arima_step(arima, values[i]);
		arima->errors[arima->kept - 1] = i < differences.longest ? 0 :
			fitting->errors[i - differences.longest];
	}
	return arima;
}

/* Whether a polynomial hardly forgets: as good as one difference more, or one too many. */
static bool
is_near_unit(const double *x, int orders)
{
	for (int i = 0; i < orders; i++)
		if (fabs(x[i]) > 0.97)
			return true;
	return false;
}

/* What a form that is tried leaves is as large as the series, and many are tried. */
static CqArima *
give_up(Fitting *fitting, double *differenced)
{
	pfree(differenced);
	if (fitting->centred != NULL)
		pfree(fitting->centred);
	if (fitting->errors != NULL)
		pfree(fitting->errors);
	return NULL;
}

/*
 * NULL: there are too few values, or is_choice and the polynomials are as good as those of another
 * form. burn: see Fitting; of differenced values.
 */
static CqArima *
fit_form(const CqModelForm *form, const double *values, int count, int burn, bool is_choice)
{
	Fitting		fitting = {.form = form};
	double		x[MAX_PARAMETERS];
	double		lower[MAX_PARAMETERS];
	double		upper[MAX_PARAMETERS];
	int			orders = form->p + form->q + form->P + form->Q;
	int			parameters = orders + form->has_constant;
	double	   *differenced = palloc(count * sizeof(double));
	double		constant;
	double		sum;
	int			used;
	CqArima    *arima;

	fitting.count = difference_all(form, values, count, differenced);
	fitting.values = differenced;
	fitting.burn = Min(burn, fitting.count);
	if (fitting.count - fitting.burn < parameters + 3)
		return give_up(&fitting, differenced);
	fitting.centred = palloc(count * sizeof(double));
	fitting.errors = palloc(count * sizeof(double));
	measure(&fitting);
	for (int i = 0; i < orders; i++)
	{
		x[i] = 0.1;
		lower[i] = -0.99;
		upper[i] = 0.99;
	}
	if (form->has_constant)
	{
		x[orders] = fitting.mean;
		lower[orders] = fitting.mean - 2 * fitting.spread - 1e-12;
		upper[orders] = fitting.mean + 2 * fitting.spread + 1e-12;
	}
	cq_optimize_minimize(objective, &fitting, parameters, x, lower, upper, 60 + 60 * parameters);
	if (is_choice && is_near_unit(x, orders))
		return give_up(&fitting, differenced);
	take_parameters(&fitting, x);
	constant = form->has_constant ? x[orders] : 0;
	sum = squares(&fitting, constant, &used);
	if (used < parameters + 3 || !isfinite(sum))
		return give_up(&fitting, differenced);
	arima = make_model(&fitting, constant, values, count);
	for (int i = 0; i < fitting.count; i++)
		if (isnan(differenced[i]))
			fitting.errors[i] = NAN;
	arima->model.usual = cq_numbers_scale(fitting.errors + fitting.burn,
										  fitting.count - fitting.burn);
	pfree(fitting.centred);
	pfree(fitting.errors);
	pfree(differenced);
	parameters++;				/* sigma */
	arima->model.sigma = sqrt(sum / Max(1, used - parameters + 1));
	arima->model.aicc = used * log(Max(sum, 1e-300) / used) + 2.0 * parameters +
		2.0 * parameters * (parameters + 1) / Max(1, used - parameters - 1);
	return arima;
}

/* ---- how often to difference ---- */

/* Whether the values wander: the KPSS test of a level, at 5 %. */
static bool
wanders(const double *values, int count)
{
	double	   *centred = palloc(count * sizeof(double));
	double		mean = 0;
	double		sum = 0;
	double		sums = 0;
	double		variance = 0;
	int			used = 0;
	int			lags;
	double		statistic;

	for (int i = 0; i < count; i++)
		if (!isnan(values[i]))
		{
			centred[used++] = values[i];
			mean += values[i];
		}
	mean /= Max(1, used);
	for (int i = 0; i < used; i++)
	{
		centred[i] -= mean;
		sum += centred[i];
		sums += sum * sum;
		variance += cq_numbers_square(centred[i]);
	}
	lags = (int) (4 * pow(used / 100.0, 0.25));
	for (int lag = 1; lag <= lags; lag++)
	{
		double		covariance = 0;

		for (int i = lag; i < used; i++)
			covariance += centred[i] * centred[i - lag];
		variance += 2 * (1 - lag / (lags + 1.0)) * covariance;
	}
	pfree(centred);
	statistic = variance > 0 ? sums / ((double) used * variance) : 0;
	return statistic > 0.463;
}

static void
choose_differences(CqModelForm *form, const double *values, int count)
{
	double	   *differenced = palloc(count * sizeof(double));
	int			left = count;

	form->d = form->D = 0;
	memcpy(differenced, values, count * sizeof(double));
	if (form->period > 1 && count >= 2 * form->period + 5 &&
		cq_stl_strength(values, count, form->period) > 0.64)
	{
		form->D = 1;
		left = difference(differenced, left, form->period, differenced);
	}
	while (form->d < CQ_ARIMA_MAX_DIFFERENCES - form->D && left > 10 && wanders(differenced, left))
	{
		form->d++;
		left = difference(differenced, left, 1, differenced);
	}
	pfree(differenced);
}

/* ---- which orders ---- */

/* The search for orders: what has been tried, and the best. */
typedef struct Choice
{
	const double *values;
	int			count;
	int			burn;
	CqArima    *best;
	CqModelForm tried[MAX_ROUNDS];
	int			tries;
} Choice;

/* Differences and period are the same for all. */
static bool
is_same(const CqModelForm *one, const CqModelForm *other)
{
	return one->p == other->p && one->q == other->q && one->P == other->P && one->Q == other->Q &&
		one->has_constant == other->has_constant;
}

static void
try_form(Choice *choice, CqModelForm form)
{
	CqArima    *arima;

	if (form.p < 0 || form.q < 0 || form.P < 0 || form.Q < 0 || form.p > CQ_ARIMA_MAX_ORDER ||
		form.q > CQ_ARIMA_MAX_ORDER || form.P > CQ_ARIMA_MAX_SEASONAL ||
		form.Q > CQ_ARIMA_MAX_SEASONAL || choice->tries == MAX_ROUNDS ||
		(form.period == 1 && form.P + form.Q > 0) || (form.has_constant && form.d + form.D > 1))
		return;
	form.is_open = false;
	for (int i = 0; i < choice->tries; i++)
		if (is_same(&choice->tried[i], &form))
			return;
	choice->tried[choice->tries++] = form;
	arima = fit_form(&form, choice->values, choice->count, choice->burn, true);
	if (arima != NULL && (choice->best == NULL || arima->model.aicc < choice->best->model.aicc))
		choice->best = arima;
}

static void
try_orders(Choice *choice, const CqModelForm *form, int p, int q, int P, int Q)
{
	CqModelForm one = *form;

	one.p = p;
	one.q = q;
	one.P = form->period > 1 ? P : 0;
	one.Q = form->period > 1 ? Q : 0;
	try_form(choice, one);
}

static void
try_neighbours(Choice *choice)
{
	static const int moves[][4] = {
		{1, 0, 0, 0}, {-1, 0, 0, 0}, {0, 1, 0, 0}, {0, -1, 0, 0}, {1, 1, 0, 0}, {-1, -1, 0, 0},
		{0, 0, 1, 0}, {0, 0, -1, 0}, {0, 0, 0, 1}, {0, 0, 0, -1}, {0, 0, 1, 1}, {0, 0, -1, -1},
	};
	CqModelForm form = choice->best->model.form;
	CqModelForm other = form;

	for (int i = 0; i < (int) lengthof(moves); i++)
		try_orders(choice, &form, form.p + moves[i][0], form.q + moves[i][1], form.P + moves[i][2],
				   form.Q + moves[i][3]);
	other.has_constant = !form.has_constant;
	try_form(choice, other);
}

/*
 * The model of this form, or of the best orders where the form is open, that fits the values,
 * having taken them all in. NULL: they are too few.
 */
CqModel *
cq_arima_fit(const CqModelForm *form, const double *values, int count)
{
	Choice		choice = {.values = values, .count = count};
	CqModelForm base = *form;
	CqArima    *before;

	if (!form->is_open)
	{
		int			burn = Max(form->p + form->P * form->period, 0);
		CqArima    *arima = fit_form(form, values, count, burn, false);

		return arima == NULL ? NULL : &arima->model;
	}
	choose_differences(&base, values, count);
	base.has_constant = base.d + base.D <= 1;
	/* All are compared over the same steps. */
	choice.burn = Min(count / 4, base.period > 1 ? base.period : 2);
	try_orders(&choice, &base, 2, 2, 1, 1);
	try_orders(&choice, &base, 0, 0, 0, 0);
	try_orders(&choice, &base, 1, 0, 1, 0);
	try_orders(&choice, &base, 0, 1, 0, 1);
	do
	{
		before = choice.best;
		if (before != NULL)
			try_neighbours(&choice);
	} while (choice.best != before && choice.tries < MAX_ROUNDS);
	return choice.best == NULL ? NULL : &choice.best->model;
}
