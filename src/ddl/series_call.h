/*
 * series_call.h
 *		Options of cq.forecast, cq.anomaly, cq.ewma and the like in a new view.
 */
#ifndef CQ_SERIES_CALL_H
#define CQ_SERIES_CALL_H

#include "postgres.h"

#include "nodes/parsenodes.h"

/*
 * Raises, with its place, where an option that is a constant is out of its limits: every row of the
 * view would be a bad one.
 */
extern void cq_series_call_check(const Query *query, const char *query_string);

#endif							/* CQ_SERIES_CALL_H */
