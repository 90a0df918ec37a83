/*
 * width.h
 *		Does the state of a group fit on a page?
 */
#ifndef CQ_WIDTH_H
#define CQ_WIDTH_H

#include "postgres.h"

#include "plan/plan.h"

/*
 * The reason why no group's state can be stored, with the place of the aggregate that is one too
 * many; or NULL.
 */
extern CqReject *cq_width_check(const CqViewPlan *plan);

#endif							/* CQ_WIDTH_H */
