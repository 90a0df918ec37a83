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

/*
 * As cq_view_exec_get, in a subtransaction. *reason: why it has to stop (then NULL is returned), or
 * NULL. waits: for relations that somebody has locked (lock.h); else NULL is returned. Raises ERROR
 * where the whole batch is to be done again.
 */
extern CqViewExec *cq_view_run_get(Oid view, Oid stream, bool waits, const char **reason);

/*
 * Applies to the view what those that it reads by their names have told (of CqToldView *), all of
 * it, in a subtransaction. False: it has failed, which is noted, or has not had the time. Raises
 * ERROR where all is to be done again.
 */
extern bool cq_view_run_told(CqViewExec *exec, const List *told);

/* The view stops just before a row, with cursors of its own. */
extern void cq_view_run_stop(const CqLane *lane, const CqBatch *batch, Oid view, int row,
							 const char *reason);

#endif							/* CQ_VIEW_RUN_H */
