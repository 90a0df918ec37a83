/*
 * decoding.h
 *		A batch's values, as each of the views is to see them.
 */
#ifndef CQ_DECODING_H
#define CQ_DECODING_H

#include "postgres.h"

#include "exec/exec.h"
#include "exec/view_exec.h"

/*
 * Decodes the batch for views (of CqViewExec *), with the rights of the stream's owner: what does
 * not depend on settings, and what does under those of the first view for which it matters.
 */
extern void cq_decoding_run(CqLane *lane, CqBatch *batch, const List *execs);

/* The batch as one of those views is to see it. */
extern CqBatch *cq_decoding_of_view(const CqLane *lane, CqBatch *batch, const CqViewExec *exec);

#endif							/* CQ_DECODING_H */
