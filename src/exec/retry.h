/*
 * retry.h
 *		Dead letters of a view are put through again.
 */
#ifndef CQ_RETRY_H
#define CQ_RETRY_H

#include "catalog/view.h"
#include "common/compat.h"
#include "exec/exec.h"

typedef struct CqRetryCounts
{
	int64		npassed;
	int64		nfailed;		/* again: they stay, with the reason of now */
	int64		ncut;			/* kept in part: they stay */
	int64		ngone;			/* from the log: they stay */
} CqRetryCounts;

/*
 * Puts those of the dead letters ids (bigint[]) that are the view's through once more, as batches
 * that come from no place; those that pass are gone from _cq.error. Within a transaction that sees
 * what is committed at each statement, and that has locked the view against batches. Raises ERROR
 * where the view would have to stop.
 */
extern CqRetryCounts cq_retry_run(const CqView *view, Datum ids);

/* ---- for a view's way through such a batch ---- */

/* The row has failed again. */
extern void cq_retry_reject(CqLane *lane, int row, const CqReject *reject, const char *column);

/* The view would have to stop. reason may be NULL. */
pg_noreturn extern void cq_retry_raise(Oid view, const char *reason);

#endif							/* CQ_RETRY_H */
