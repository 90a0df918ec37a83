/*
 * view_lock.h
 *		The two locks of a view besides those on relations: of who closes its windows, and of a view
 *		that only one worker at a time may maintain.
 */
#ifndef CQ_VIEW_LOCK_H
#define CQ_VIEW_LOCK_H

#include "postgres.h"

/*
 * For a batch: until the end of the transaction no windows of the view with that state are closed.
 * Waits for as long as it takes, as an emission may be under way.
 */
extern void cq_view_lock_windows(Oid state);

/* For who closes them: no batch of the view runs that has locked them. */
extern void cq_view_lock_close(Oid state);

/*
 * For a batch: the same as cq_view_lock_windows, and nobody else maintains the view. To be taken
 * before the snapshot that reads the state, and not within a subtransaction, whose rollback would
 * release it. Waits for as long as it takes.
 */
extern void cq_view_lock_exclusive(Oid state);

/* The same, for no longer than lock_timeout; without waiting: false where that is not possible. */
extern void cq_view_lock_take(Oid state);
extern bool cq_view_lock_try(Oid state);

#endif							/* CQ_VIEW_LOCK_H */
