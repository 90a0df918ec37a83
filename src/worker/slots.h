/*
 * slots.h
 *		What the rest of the extension tells the workers.
 */
#ifndef CQ_SLOTS_H
#define CQ_SLOTS_H

#include "postgres.h"

/* At commit of the current transaction, the workers of this database load views and positions again. */
extern void cq_catalog_changed(void);

#endif							/* CQ_SLOTS_H */
