/*
 * season.h
 *		Whether a series has seasons, and how long they are.
 */
#ifndef CQ_SERIES_SEASON_H
#define CQ_SERIES_SEASON_H

extern int	cq_season_find(const double *values, int count);

#endif
