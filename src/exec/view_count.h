/*
 * view_count.h
 *		What is counted of views once a transaction has been committed: one that is rolled back for
 *		another view's sake is done again.
 */
#ifndef CQ_VIEW_COUNT_H
#define CQ_VIEW_COUNT_H

#include "postgres.h"

#include "exec/view_exec.h"
#include "stats/stats.h"
#include "stream/batch.h"

/* What has been done for a view, and by it alone; it has stopped with it. */
extern void cq_view_count_note(const CqViewExec *exec, const CqBatchStats *stats,
							   bool has_stopped);

/*
 * After the commit. What else has been used since the last one is charged to them in equal parts.
 * batch: of which it came, or NULL.
 */
extern void cq_view_count_commit(const CqBatch *batch);

/* After a rollback. */
extern void cq_view_count_forget(void);

#endif							/* CQ_VIEW_COUNT_H */
