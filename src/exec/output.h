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

/*
 * The same for rows of closed windows, which late ones change (late = 'amend'), with the end of the
 * window in the last column: they go to the table of these rows first.
 */
extern CqChangeReceiver *cq_output_open_amended(const CqView *view, Oid owner,
												const CqViewPlan *plan);

/* The tables and streams that its batches write to besides the state: of OIDs. */
extern List *cq_output_relations(const CqView *view);

/* Adds the streams in this database that the view writes to. */
extern List *cq_output_add_streams(List *streams, const CqView *view);

/*
 * Why the view's output takes no more for the moment, or NULL. As somebody who may read the
 * catalog.
 */
extern const char *cq_output_full(const CqView *view);

#endif							/* CQ_OUTPUT_H */
