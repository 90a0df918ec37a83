/*
 * lock.h
 *		A batch's locks on relations: taken without waiting.
 *
 * A batch locks what all of its views read and write, in an order that DROP SCHEMA and its like do
 * not know. So that the two never wait for each other, a batch does not wait while it holds
 * anything: it is rolled back, the one lock is waited for with nothing else held, and the batch is
 * done again.
 */
#ifndef CQ_LOCK_H
#define CQ_LOCK_H

#include "postgres.h"

#include "nodes/parsenodes.h"
#include "storage/lockdefs.h"

/*
 * Locks until the transaction's end. Raises ERROR (lock not available) where that would take
 * waiting, and remembers what was wanted, as a failure of the view.
 */
extern void cq_lock_relation(Oid view, Oid relid, LOCKMODE mode);

/*
 * All relations of a query, also within sub-selects and plain views, as the planner is to lock
 * them.
 */
extern void cq_lock_query(Oid view, Query *query);

/*
 * Keeps a view, and with it its parts, from being dropped, replaced, paused … until
 * cq_lock_let_view or the transaction's end. False, without waiting, where somebody is about to do
 * that, or has done it.
 */
extern bool cq_lock_keep_view(Oid view);
extern void cq_lock_let_view(Oid view);

/*
 * Raises ERROR in the same way for the lock of a view that is maintained by one transaction at a
 * time.
 */
extern void cq_lock_want_view(Oid view, Oid state);

/*
 * From now on, or no more: this is no batch but a command, which waits for locks like any other.
 */
extern void cq_lock_as_command(bool begins);

/* Is a lock remembered that is still to be waited for? */
extern bool cq_lock_is_wanted(void);

/*
 * After such an error, with no transaction open: waits a little until the lock could be had. True:
 * it was no failure, do it again. False: nothing is remembered. Raises ERROR, with the transaction
 * still open; the view is then not to hold up others any more.
 */
extern bool cq_lock_await(void);

/* Nobody is going to wait for it. */
extern void cq_lock_forget(void);

#endif							/* CQ_LOCK_H */
