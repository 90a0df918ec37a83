/*
 * ets.h
 *		Exponential smoothing in its state-space form.
 */
#ifndef CQ_SERIES_ETS_H
#define CQ_SERIES_ETS_H

#include "series/model.h"

/* A model and where it is; level, slope and seasons are the whole state. */
typedef struct CqEts
{
	CqModel		model;
	double		alpha;			/* of the level */
	double		beta;			/* of the slope */
	double		gamma;			/* of the seasons */
	double		phi;			/* of the damping; 1: none */
	double		level;
	double		slope;
	double	   *seasons;		/* a period of them, a ring */
	int			place;			/* of the next step in it */
} CqEts;

extern const CqModelRoutine cq_ets_routine;

extern double cq_ets_expect(const CqEts *ets);
extern double cq_ets_step(CqEts *ets, double value);
extern CqModel *cq_ets_fit(const CqModelForm *form, const double *values, int count);

#endif
