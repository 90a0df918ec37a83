/*
 * limit.h
 *		May a continuous view go on? The one place that says no for now: what it sends is not taken,
 *		or it has used up a budget. It is blocked then, until _cq.unblock_views finds that it may.
 */
#ifndef CQ_LIMIT_H
#define CQ_LIMIT_H

#include "catalog/view.h"

/* Why it may not; NULL: it may. Good until the next look at budgets. */
extern const char *cq_limit_reached(const CqView *view);

#endif							/* CQ_LIMIT_H */
