/*
 * arima.h
 *		Autoregressive integrated moving averages, with seasons.
 */
#ifndef CQ_SERIES_ARIMA_H
#define CQ_SERIES_ARIMA_H

#include "series/model.h"

#define CQ_ARIMA_MAX_ORDER 5	/* p, q */
#define CQ_ARIMA_MAX_SEASONAL 2 /* P, Q */
#define CQ_ARIMA_MAX_DIFFERENCES 2	/* d; D is at most 1 */

/* Lags of (1 - AR)(1 - seasonal AR) times the differences, no two alike. */
#define CQ_ARIMA_MAX_LAGS 128

/* A polynomial of the backward shift, without its leading 1: the lags that have a weight. */
typedef struct CqLags
{
	int			count;
	int			longest;
	int			lags[CQ_ARIMA_MAX_LAGS];
	double		weights[CQ_ARIMA_MAX_LAGS];
} CqLags;

typedef struct CqArima
{
	CqModel		model;
	double		constant;		/* mean of the differenced values, or their drift */
	double		intercept;		/* of the recursion over the values as they are */
	CqLags		ar;				/* with the differences: over values */
	CqLags		ma;				/* over errors */
	double	   *past;			/* the last values, and behind them the last errors: see arima.c */
	double	   *errors;
	int			kept;			/* of each, before the next */
	int			room;
} CqArima;

extern const CqModelRoutine cq_arima_routine;

extern void cq_arima_differences(const CqModelForm *form, CqLags *lags);
extern void cq_arima_multiply(CqLags *into, const CqLags *one, const CqLags *other);
extern void cq_arima_begin(CqArima *arima);
extern double cq_arima_step(CqArima *arima, double value);
extern CqModel *cq_arima_fit(const CqModelForm *form, const double *values, int count);

#endif
