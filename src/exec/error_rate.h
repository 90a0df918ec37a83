/*
 * error_rate.h
 *		The share of a view's rows that are dead letters: see error_rate.c.
 */
#ifndef CQ_ERROR_RATE_H
#define CQ_ERROR_RATE_H

#include "exec/view_exec.h"

/*
 * With so many rows, and so many bad ones among them, that the batch at hand has brought: why the
 * view has to stop, palloc'd, or NULL.
 */
extern char *cq_error_rate_judge(const CqViewExec *exec, int64 nrows, int64 nbad);

/* They have been committed. Where the view has stopped with them, it is counted anew. */
extern void cq_error_rate_note(Oid view, int64 nrows, int64 nbad, bool has_stopped);

#endif							/* CQ_ERROR_RATE_H */
