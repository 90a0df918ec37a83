/*
 * wake.h
 *		Tells the workers of this database, when the current transaction ends, that there is
 *		something for them.
 *
 * Whoever appends to a stream kept in this database calls it, so that nobody has to look again and
 * again.
 */
#ifndef CQ_WAKE_H
#define CQ_WAKE_H

#include "postgres.h"

/*
 * Wakes them at commit, and at rollback, which rows of others may have waited for. Cheap: may be
 * called for each row.
 */
extern void cq_wake_at_end(void);

/*
 * At commit of the current transaction, the workers of this database load views and positions
 * again: their cache of _cq.view is invalidated, as that of any relation.
 */
extern void cq_wake_catalog_changed(void);

/*
 * How workers are woken: set by the room that has them, NULL where the module was not preloaded.
 * Must not raise.
 */
extern void (*cq_wake_workers) (Oid database, bool has_catalog_changed);

#endif							/* CQ_WAKE_H */
