/*
 * expired_told.h
 *		Tells where the changes of a view go that rows have expired: the option on_expire.
 */
#ifndef CQ_EXPIRED_TOLD_H
#define CQ_EXPIRED_TOLD_H

#include "postgres.h"

#include "catalog/view.h"
#include "plan/plan.h"
#include "tcop/dest.h"

/*
 * Takes rows of the view's table that have been deleted, and tells those of the view that are gone
 * with them; or NULL, where that is not asked for. In CurrentMemoryContext, as who acts for the
 * view.
 */
extern DestReceiver *cq_expired_told_open(const CqView *view, Oid owner, const CqViewPlan *plan);

/* The same of the state of groups. */
extern DestReceiver *cq_expired_told_open_groups(const CqView *view, Oid owner,
												 const CqViewPlan *plan);

/* There are no more. told may be NULL. */
extern void cq_expired_told_close(DestReceiver *told);

#endif							/* CQ_EXPIRED_TOLD_H */
