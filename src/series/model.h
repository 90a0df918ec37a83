/*
 * model.h
 *		What all models of a series promise, and how they are named.
 *
 * A series is values at equal steps; NaN is a value that is missing. A model is fitted to a
 * series, then takes in one value after the other, and tells the values to come at any moment.
 * All is palloc'd in the context that was current when it was made.
 */
#ifndef CQ_SERIES_MODEL_H
#define CQ_SERIES_MODEL_H

#include "lib/stringinfo.h"

#define CQ_MODEL_MAX_SEASON 10000	/* steps */

typedef enum CqModelFamily
{
	CQ_MODEL_ETS,
	CQ_MODEL_ARIMA,
	CQ_MODEL_MEDIAN,
} CqModelFamily;

/* A part of an ETS model. */
typedef enum CqEtsPart
{
	CQ_ETS_NONE,
	CQ_ETS_ADDITIVE,
	CQ_ETS_DAMPED,				/* a trend only */
	CQ_ETS_MULTIPLICATIVE,		/* not a trend */
} CqEtsPart;

/* Which model; where it is open, all that may be are tried, and the one of the least AICc taken. */
typedef struct CqModelForm
{
	CqModelFamily family;
	bool		is_open;
	/* ETS(error, trend, season) */
	CqEtsPart	error;
	CqEtsPart	trend;
	CqEtsPart	season;
	/* ARIMA(p,d,q)(P,D,Q), all by order; with a mean, or a drift where d + D is 1 */
	int			p,
				d,
				q,
				P,
				D,
				Q;
	bool		has_constant;
	int			period;			/* steps of a season; 1: there is none */
} CqModelForm;

typedef struct CqModel CqModel;

typedef struct CqModelRoutine
{
	/* What the next value will be if nothing unforeseen comes. */
	double		(*expect) (const CqModel *model);
	/* The next value: moves the model a step. NaN: there was none. */
	void		(*update) (CqModel *model, double value);
	/* The next steps: their expected values and standard deviations. */
	void		(*predict) (const CqModel *model, int steps, double *values, double *deviations);
	/* Appends a JSON object's members: parameters by name. */
	void		(*describe) (const CqModel *model, StringInfo out);
} CqModelRoutine;

struct CqModel
{
	const CqModelRoutine *routine;
	CqModelForm form;
	double		sigma;			/* standard deviation of its errors */
	double		usual;			/* of most of its errors: their median absolute deviation, as one */
	double		aicc;			/* Akaike's criterion, corrected for short series */
	int			fitted;			/* values it was fitted to */
};

extern void cq_model_parse(const char *name, CqModelForm *form);
extern char *cq_model_name(const CqModelForm *form);
extern CqModel *cq_model_fit(const CqModelForm *form, const double *values, int count);
extern bool cq_model_has_season(const CqModelForm *form);
extern int	cq_model_least(const CqModelForm *form);

#endif
