/*
 * apart.h
 *		Views that are maintained by one batch at a time, and take long for it, hold nobody up: they
 *		go on apart.
 */
#ifndef CQ_APART_H
#define CQ_APART_H

#include "exec/exec.h"
#include "exec/view_exec.h"

/*
 * A batch of so many messages has taken the time since then for these views, which are maintained
 * by one batch at a time, with all that follows them.
 */
extern void cq_apart_note(const List *execs, int nrows, TimestampTz since);

/*
 * Those of the views that take long leave the lane, in which there are others, before the batch,
 * and are taken out of the list. Gives what is left of it. Within the batch's transaction.
 */
extern List *cq_apart_leave(const CqLane *lane, const CqFetch *fetch, List *execs);

/*
 * Locks the views of a lane, which go on apart, as far as no other worker is at one of them; else
 * false: the batch is for later. Within its transaction, before it is fetched: of a stream whose
 * cursors no other batch moves within its own (chain.c).
 */
extern bool cq_apart_lock(const CqLane *lane);

#endif							/* CQ_APART_H */
