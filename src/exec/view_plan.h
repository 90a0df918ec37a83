/*
 * view_plan.h
 *		Plans a continuous view from its definition and its row in the catalog.
 */
#ifndef CQ_VIEW_PLAN_H
#define CQ_VIEW_PLAN_H

#include "catalog/view.h"
#include "plan/plan.h"

/* As cq_plan_view, as who acts for the view. */
extern CqReject *cq_view_plan(const CqView *view, const Query *definition, CqViewPlan **plan);

/* Are there windows that are closed, or expire? */
extern bool cq_view_plan_has_windows(const CqView *view);

/*
 * Raises ERROR where the state table does not have the columns that the plan yields, which are
 * written without asking what they are. The table and the definition are the owner's to alter, and
 * an aggregate may have been replaced.
 */
extern void cq_view_plan_check_state(const CqView *view, const CqViewPlan *plan);

#endif							/* CQ_VIEW_PLAN_H */
