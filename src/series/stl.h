/*
 * stl.h
 *		A series taken apart into trend, seasons and a remainder.
 */
#ifndef CQ_SERIES_STL_H
#define CQ_SERIES_STL_H

extern void cq_stl_decompose(const double *values, int count, int period, int seasonal_window,
							 bool is_robust, double *trend, double *seasonal);
extern double cq_stl_strength(const double *values, int count, int period);

#endif
