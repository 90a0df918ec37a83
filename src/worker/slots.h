/*
 * slots.h
 *		What the rest of the extension tells the workers.
 *
 * Nothing happens where the module was not preloaded: then there are no workers.
 */
#ifndef CQ_SLOTS_H
#define CQ_SLOTS_H

#include "postgres.h"

#include "common/wake.h"

/* Shared memory, the launcher; from _PG_init. */
extern void cq_launcher_init(void);

/* Wakes the workers of a database now. Does not raise. */
extern void cq_shared_wake_worker(Oid database);

/*
 * Asks whoever of us is connected to a database to leave it, and waits until they have. They come
 * back when the current transaction has ended, if the database and the extension are still there.
 * Raises ERROR if they do not leave.
 */
extern void cq_database_stop_workers(Oid database);

#endif							/* CQ_SLOTS_H */
