/*
 * late.h
 *		Rows that come too late: all windows that they lie in are closed.
 */
#ifndef CQ_LATE_H
#define CQ_LATE_H

#include "exec/exec.h"
#include "exec/view_exec.h"

/*
 * The late rows of a batch, but for those in skip: row numbers, palloc'd, or NULL; so it is where
 * none is by its time. In the batch's transaction; from here to its end no window of the view is
 * closed.
 */
extern Bitmapset *cq_late_find(CqViewExec *exec, const CqLane *lane, const CqBatch *batch,
							   const Bitmapset *skip);

/*
 * Keeps the late rows before end in _cq.late, at most cq.max_errors of them and of those kept
 * before; all are counted: how many.
 */
extern int64 cq_late_take(CqViewExec *exec, const CqLane *lane, const CqBatch *batch,
						  const Bitmapset *late, int end);

#endif							/* CQ_LATE_H */
