/*
 * ending.h
 *		What becomes of the windows of a view that are closed: they are emitted, at once or later,
 *		are amended, or have expired. Of which kind they are says the plan (CqEnding).
 */
#ifndef CQ_ENDING_H
#define CQ_ENDING_H

#include "postgres.h"

#include "catalog/view.h"
#include "exec/closing_marks.h"
#include "plan/plan.h"

/* A view whose windows end, with what it is made of locked. */
typedef struct CqEndingView
{
	CqView	   *view;
	Oid			owner;
	CqViewPlan *plan;
	bool		is_emitting;	/* its own query is running */
} CqEndingView;

typedef struct CqEndingRoutines
{
	bool		is_at_once;		/* in the transaction that decides that they are closed */
	bool		is_seen_before; /* readers do not wait for it: what is closed is another thing */

	/* Of windows that end after from and not after to. False: some of it is still to be done. */
	bool		(*end) (CqEndingView *ending, TimestampTz from, TimestampTz to);

	/* What has been closed for long. watermark: less all that windows are waited for. */
	void		(*expire) (CqEndingView *ending, TimestampTz watermark, CqClosingMarks *marks);

	/* Rows of windows that end up to there come too late. */
	TimestampTz (*late_through) (const CqClosingMarks *marks);
} CqEndingRoutines;

extern const CqEndingRoutines *cq_ending_of(const CqViewPlan *plan);

/*
 * The last bound of its windows that is not after the watermark, and the first that is: under the
 * view's TimeZone.
 */
extern void cq_ending_find_bounds(const CqEndingView *ending, TimestampTz watermark,
								  TimestampTz *before, TimestampTz *after);

#endif							/* CQ_ENDING_H */
