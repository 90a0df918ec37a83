/*
 * model.c
 *		Models of series by name.
 *
 * Names are those of the literature, without regard to case and blanks: ETS(M,Ad,M),
 * ARIMA(1,1,1)(0,1,1); ets and arima alone leave the form open, auto is ets; robust is the median
 * of the last values. Naive forecasts are ARIMA(0,1,0), seasonal ones ARIMA(0,0,0)(0,1,0).
 */
#include "postgres.h"

#include <math.h>

#include "series/arguments.h"
#include "series/arima.h"
#include "series/ets.h"
#include "series/median.h"
#include "series/model.h"

#define LONGEST_NAME 64			/* bytes; no model's is longer */

static void
unknown(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown model \"%s\"", cq_arguments_shorten(name)),
			 errhint("Models are auto, ets, arima, one form of them as ETS(M,Ad,M) or "
					 "ARIMA(1,1,1)(0,1,1), and robust.")));
}

static bool
parse_ets(const char *name, CqModelForm *form)
{
	char		error;
	char		trend;
	char		damped = 0;
	char		season;
	int			end = 0;

	if (sscanf(name, "%*3[eEtTsS](%c,%c,%c)%n", &error, &trend, &season, &end) != 3 || end == 0)
	{
		end = 0;
		if (sscanf(name, "%*3[eEtTsS](%c,%c%c,%c)%n", &error, &trend, &damped, &season, &end) != 4)
			return false;
	}
	if (end == 0 || name[end] != '\0')
		return false;
	error = pg_toupper(error);
	trend = pg_toupper(trend);
	season = pg_toupper(season);
	if (strchr("AM", error) == NULL || strchr("NA", trend) == NULL ||
		strchr("NAM", season) == NULL || (damped != 0 && (damped != 'd' || trend != 'A')) ||
		(error == 'A' && season == 'M'))
		return false;
	form->error = error == 'A' ? CQ_ETS_ADDITIVE : CQ_ETS_MULTIPLICATIVE;
	form->trend = trend == 'N' ? CQ_ETS_NONE : damped != 0 ? CQ_ETS_DAMPED : CQ_ETS_ADDITIVE;
	form->season = season == 'N' ? CQ_ETS_NONE :
		season == 'A' ? CQ_ETS_ADDITIVE : CQ_ETS_MULTIPLICATIVE;
	return true;
}

static bool
parse_arima(const char *name, CqModelForm *form)
{
	int			end = 0;
	int			found = sscanf(name, "%*5[aArRiImM](%4d,%4d,%4d)%n(%4d,%4d,%4d)%n", &form->p,
							   &form->d,
							   &form->q, &end, &form->P, &form->D, &form->Q, &end);

	if ((found != 3 && found != 6) || end == 0 || name[end] != '\0')
		return false;
	if (form->p < 0 || form->q < 0 || form->P < 0 || form->Q < 0 || form->d < 0 || form->D < 0 ||
		form->p > CQ_ARIMA_MAX_ORDER || form->q > CQ_ARIMA_MAX_ORDER ||
		form->P > CQ_ARIMA_MAX_SEASONAL || form->Q > CQ_ARIMA_MAX_SEASONAL ||
		form->d > CQ_ARIMA_MAX_DIFFERENCES || form->D > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("orders of model \"%s\" are out of range", cq_arguments_shorten(name)),
				 errdetail("p and q are at most %d, P and Q at most %d, d at most %d, D at most 1.",
						   CQ_ARIMA_MAX_ORDER, CQ_ARIMA_MAX_SEASONAL, CQ_ARIMA_MAX_DIFFERENCES)));
	form->has_constant = form->d + form->D <= 1;
	return true;
}

/* Without blanks; what is too long to be one is left as it is. */
static const char *
close_up(const char *name, char *into)
{
	int			length = 0;

	for (const char *c = name; *c != '\0'; c++)
	{
		if (length == LONGEST_NAME)
			return name;
		if (*c != ' ')
			into[length++] = *c;
	}
	into[length] = '\0';
	return into;
}

/* Fills the form but for its period. Raises where there is no such model. */
void
cq_model_parse(const char *given, CqModelForm *form)
{
	char		closed_up[LONGEST_NAME + 1];
	const char *name = close_up(given, closed_up);

	memset(form, 0, sizeof(CqModelForm));
	form->period = 1;
	if (pg_strcasecmp(name, "auto") == 0 || pg_strcasecmp(name, "ets") == 0 ||
		pg_strcasecmp(name, "arima") == 0)
	{
		form->family = pg_strcasecmp(name, "arima") == 0 ? CQ_MODEL_ARIMA : CQ_MODEL_ETS;
		form->is_open = true;
	}
	else if (pg_strcasecmp(name, "robust") == 0)
		form->family = CQ_MODEL_MEDIAN;
	else if (pg_strncasecmp(name, "ets(", 4) == 0 && parse_ets(name, form))
		form->family = CQ_MODEL_ETS;
	else if (pg_strncasecmp(name, "arima(", 6) == 0 && parse_arima(name, form))
		form->family = CQ_MODEL_ARIMA;
	else
		unknown(given);
}

static const char *
part_name(CqEtsPart part)
{
	switch (part)
	{
		case CQ_ETS_ADDITIVE:
			return "A";
		case CQ_ETS_DAMPED:
			return "Ad";
		case CQ_ETS_MULTIPLICATIVE:
			return "M";
		default:
			return "N";
	}
}

/* The name of a form that is not open, palloc'd. */
char *
cq_model_name(const CqModelForm *form)
{
	if (form->family == CQ_MODEL_MEDIAN)
		return pstrdup("robust");
	if (form->family == CQ_MODEL_ETS)
		return psprintf("ETS(%s,%s,%s)", part_name(form->error), part_name(form->trend),
						part_name(form->season));
	if (form->period > 1)
		return psprintf("ARIMA(%d,%d,%d)(%d,%d,%d)", form->p, form->d, form->q, form->P, form->D,
						form->Q);
	return psprintf("ARIMA(%d,%d,%d)", form->p, form->d, form->q);
}

/* Whether a model of this form is about seasons, so that it needs a period. */
bool
cq_model_has_season(const CqModelForm *form)
{
	return form->is_open || form->season != CQ_ETS_NONE || form->P + form->D + form->Q > 0;
}

/* Values below which it is of no use to try: two seasons, and ten. */
int
cq_model_least(const CqModelForm *form)
{
	int			least = form->period > 1 ? 2 * form->period : 0;

	return Max(10, least);
}

/*
 * The model fitted to these values, NaN where missing, having taken them all in. NULL: too few, or
 * not all greater than zero where the form multiplies. Leaves garbage in the current context.
 */
CqModel *
cq_model_fit(const CqModelForm *form, const double *values, int count)
{
	/* A model begins with a value. */
	while (form->family != CQ_MODEL_MEDIAN && count > 0 && isnan(values[0]))
	{
		values++;
		count--;
	}
	switch (form->family)
	{
		case CQ_MODEL_ETS:
			return cq_ets_fit(form, values, count);
		case CQ_MODEL_ARIMA:
			return cq_arima_fit(form, values, count);
		case CQ_MODEL_MEDIAN:
			return cq_median_fit(values, count);
	}
	return NULL;
}
