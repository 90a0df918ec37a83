/*
 * amend.h
 *		Views with late = 'amend': rows that come late change what was emitted.
 */
#ifndef CQ_AMEND_H
#define CQ_AMEND_H

#include "catalog/view.h"
#include "plan/plan.h"
#include "state/change.h"

/*
 * Takes the changes of closed windows' rows, with the end of the window in the last column, to the table of these rows, and to wherever the view's
 * changes go. For one run, in CurrentMemoryContext, as the view's owner.
 */
extern CqChangeReceiver *cq_amend_open(const CqView *view, Oid owner, const CqViewPlan *plan);

#endif							/* CQ_AMEND_H */
