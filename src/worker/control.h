/*
 * control.h
 *		What commands have done by who maintains views.
 */
#ifndef CQ_CONTROL_H
#define CQ_CONTROL_H

#include "catalog/view.h"

/*
 * Raises ERROR where it is no continuous view, or not the current user's. Locks it against batches,
 * DROP, ALTER and one another, but not against readers.
 */
extern CqView *cq_control_own_view(Oid relid);

/*
 * Raises ERROR where a function or trigger of a view calls this: what the process has at hand of
 * views would go.
 */
extern void cq_control_require_session(const char *function);

/*
 * Has the nodes of a view that was just made, and whose row is there, store and tell what they make
 * of nothing, such as a count(*) of 0.
 */
extern void cq_control_begin_nodes(Oid view);

/*
 * Has a new view take all rows of those that it reads by their names; raises ERROR where it cannot.
 */
extern void cq_control_begin_reading(Oid view);

/* Has views that read this one by its name follow what a command has made of its rows. */
extern void cq_control_push(Oid view);

#endif							/* CQ_CONTROL_H */
