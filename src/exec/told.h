/*
 * told.h
 *		What a transaction changes of a view's rows, for the views that read it by its name.
 *
 * It is collected run by run, each in a subtransaction of its own: what is rolled back was not
 * told.
 */
#ifndef CQ_TOLD_H
#define CQ_TOLD_H

#include "exec/view_exec.h"
#include "state/change.h"

/*
 * From now on, to the end of the transaction, in CurrentMemoryContext. Not in a subtransaction. Of
 * a view of which a batch tells nothing, nothing is collected.
 */
extern void cq_told_collect(CqViewExec *exec);

/* A run begins; has succeeded. Where it has failed nothing is to be done. */
extern void cq_told_begin(CqViewExec *exec);
extern void cq_told_keep(CqViewExec *exec);

/* What has become stored in the run under way, of a view that shows what a node stores. */
extern void cq_told_add(CqViewExec *exec, CqDelta *stored);

/*
 * A receiver that collects changes, if they are asked for, and passes them on to next, if there is
 * one.
 */
extern CqChangeReceiver *cq_told_open(CqViewExec *exec, CqChangeReceiver *next);

/* Is it known, batch by batch, which of the view's rows change? */
extern bool cq_told_is_known(const CqViewExec *exec);

/* Has anything of the view's rows changed in this transaction? */
extern bool cq_told_is_any(const CqViewExec *exec);

/* What has, or NULL: that is not known. */
extern CqDelta *cq_told_changes(const CqViewExec *exec);

#endif							/* CQ_TOLD_H */
