/*
 * scale.h
 *		Compute pools, as the supervisor has them: how many workers each has, and which of them
 *		reads what.
 *
 * It looks at figures in shared memory that workers write, twice a second, and waits for nobody.
 */
#ifndef CQ_SCALE_H
#define CQ_SCALE_H

#include "worker/shared.h"

/* Takes over what the catalog says of pools. Within a transaction with a snapshot. */
extern void cq_scale_load(Oid database);

/* Sees which pools that sleep have something to do. The same, after that. */
extern void cq_scale_wake(Oid database);

/*
 * Looks at the pools, and changes what is due: the numbers of their workers, and one partition's
 * worker in each. Returns when to look again, in ms, at most most.
 */
extern long cq_scale_run(Oid database, long most);

/* Calls tend for the number of each worker that is to run. */
extern void cq_scale_visit(Oid database, void (*tend) (int number, long *delay), long *delay);

/* The database is no more. */
extern void cq_scale_forget(Oid database);

#endif							/* CQ_SCALE_H */
