/*
 * create_plan.h
 *		What the options of a new continuous view make of its query: which windows are closed, what
 *		is to expire, and by which time.
 */
#ifndef CQ_CREATE_PLAN_H
#define CQ_CREATE_PLAN_H

#include "catalog/view.h"
#include "ddl/view_options.h"
#include "plan/plan.h"

/*
 * Plans the query with what the options add to it, which planned is to say. Raises ERROR for what
 * cannot be, or does not go together.
 */
extern CqViewPlan *cq_create_plan(const CqViewOptions *options, const Query *query,
								  const char *query_string, CqPlanOptions *planned);

/*
 * Indexes the time by which the option retention finds what is too old. Groups are looked for in
 * all of the table. plan is NULL where the view is not new, and windows have been seen to.
 */
extern void cq_create_plan_index_expiry(const CqView *row, const CqViewPlan *plan);

/* The option max_drift (-1: none) compares event times of streams: raises ERROR without. */
extern void cq_create_plan_check_drift(int64 max_drift, const List *streams);

#endif							/* CQ_CREATE_PLAN_H */
