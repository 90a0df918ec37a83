/*
 * view_run.h
 *		One view's way through one batch.
 */
#ifndef CQ_VIEW_RUN_H
#define CQ_VIEW_RUN_H

#include "exec/exec.h"
#include "exec/view_exec.h"

/*
 * Applies the batch to the view, in subtransactions. True where the view has seen all of it; else
 * it has left the lane, with cursors of its own just before the first row that it has not seen.
 * Raises ERROR where the whole batch is to be done again.
 */
extern bool cq_view_run(CqLane *lane, CqBatch *batch, CqViewExec *exec);

/* Is it maintained by one batch after the other, over all workers? */
extern bool cq_view_run_is_exclusive(const CqViewExec *exec);

/* The view stops just before a row, with cursors of its own. */
extern void cq_view_run_stop(const CqLane *lane, const CqBatch *batch, Oid view, int row,
							 const char *reason);

/* After the commit: counts what views have done since. Or forgets it, after a rollback. */
extern void cq_view_run_count(void);
extern void cq_view_run_forget(void);

#endif							/* CQ_VIEW_RUN_H */
