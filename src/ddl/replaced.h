/*
 * replaced.h
 *		What CREATE OR REPLACE CONTINUOUS VIEW does to the view that is there.
 */
#ifndef CQ_REPLACED_H
#define CQ_REPLACED_H

#include "postgres.h"

#include "catalog/view.h"
#include "ddl/view_options.h"
#include "plan/plan.h"

/*
 * Would the view be the same: its query, options and settings, and its state as it should be? row
 * has what the new one would be given.
 */
extern bool cq_replaced_is_same(const CqView *before, const CqView *row,
								const CqViewOptions *options,
								const CqViewPlan *plan, const Query *query);

/* Says that nothing was done. */
extern void cq_replaced_tell_same(const CqView *before);

/* Says what is lost, and what is sent again; before anything is dropped. */
extern void cq_replaced_tell_lost(const CqView *before, const CqView *row);

#endif							/* CQ_REPLACED_H */
