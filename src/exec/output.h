/*
 * output.h
 *		Where the changes of a view go.
 */
#ifndef CQ_OUTPUT_H
#define CQ_OUTPUT_H

#include "postgres.h"

#include "catalog/view.h"
#include "plan/plan.h"
#include "state/change.h"

/* For one run, or NULL where nobody asks for them. In CurrentMemoryContext, as the view's owner. */
extern CqChangeReceiver *cq_output_open(const CqView *view, Oid owner, const CqViewPlan *plan);

/* Are its rows only added, and stay? */
extern bool cq_output_is_append_only(const CqView *view, const CqViewPlan *plan);

/* Do more rows wait to be sent than may? As somebody who may read the catalog. */
extern bool cq_output_is_full(const CqView *view);

#endif							/* CQ_OUTPUT_H */
