/*
 * median.h
 *		The median of the last values as a model: what is usual, whatever some of them are.
 */
#ifndef CQ_SERIES_MEDIAN_H
#define CQ_SERIES_MEDIAN_H

#include "series/model.h"

extern CqModel *cq_median_make(const double *values, int window);
extern double cq_median_quantile(const CqModel *model, double part);
extern CqModel *cq_median_fit(const double *values, int count);

#endif
