/*
 * node_cut.h
 *		Deletes from the tables of a view's nodes what no window that is open needs.
 */
#ifndef CQ_NODE_CUT_H
#define CQ_NODE_CUT_H

#include "postgres.h"

#include "catalog/view.h"
#include "exec/window_bound.h"
#include "plan/plan.h"

/*
 * Rows that are to come belong to times from needed on, and did to times from before on when it was
 * cut last (DT_NOBEGIN: it has not been). bound is of the windows that are closed, or
 * expire; NULL where there are none. As who acts for the view, whose batches do not run until the
 * end of the transaction. Rows that are to come touch nothing of what goes.
 */
extern void cq_node_cut(const CqView *view, const CqViewPlan *plan, CqWindowBound *bound,
						TimestampTz before, TimestampTz needed);

/* Is there any such row? Its batches may run. */
extern bool cq_node_cut_is_due(const CqView *view, const CqViewPlan *plan, CqWindowBound *bound,
							   TimestampTz needed);

#endif							/* CQ_NODE_CUT_H */
