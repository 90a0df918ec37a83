/*
 * forecast.h
 *		Rows of a window as a series.
 */
#ifndef CQ_SERIES_FORECAST_H
#define CQ_SERIES_FORECAST_H

#include "series/track.h"
#include "windowapi.h"

extern bool cq_forecast_take_row(CqTrack *track, WindowObject window, const char *function,
								 double *value, bool add);

#endif
