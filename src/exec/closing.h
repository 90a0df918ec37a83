/*
 * closing.h
 *		Closes windows, which are emitted then or have expired: see closing.c.
 */
#ifndef CQ_CLOSING_H
#define CQ_CLOSING_H

#include "postgres.h"

/*
 * Has all been emitted that the watermark allows, and does nobody see what has expired? True of
 * views that close no windows. As a user who may read the catalog.
 */
extern bool cq_closing_is_done(Oid view);

#endif							/* CQ_CLOSING_H */
