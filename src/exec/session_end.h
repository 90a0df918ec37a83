/*
 * session_end.h
 *		When the next session of a view may end.
 */
#ifndef CQ_SESSION_END_H
#define CQ_SESSION_END_H

#include "catalog/view.h"
#include "plan/plan.h"

/*
 * The first time at which a session may end from now on: of those that are stored, or of a row to
 * come, which is not before closed_through. (next: as for windows, which says nothing of them.)
 */
extern TimestampTz cq_session_end_next(const CqView *view, Oid owner, const CqViewPlan *plan,
									   TimestampTz closed_through, TimestampTz next);

#endif							/* CQ_SESSION_END_H */
