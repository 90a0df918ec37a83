/*
 * view_lock.h
 *		The lock of a view whose batches must run one after another.
 */
#ifndef CQ_VIEW_LOCK_H
#define CQ_VIEW_LOCK_H

#include "postgres.h"

/*
 * To the end of the transaction nobody else maintains the view with that state. Waits as long as it takes, for another worker's batch. To be taken
 * before the snapshot that reads the state; a batch takes those of its views in the order of their oids.
 */
extern void cq_view_lock_exclusive(Oid state);

#endif							/* CQ_VIEW_LOCK_H */
