/*
 * drift.h
 *		Views that wait in one stream, or partition, for another one: the option max_drift.
 */
#ifndef CQ_DRIFT_H
#define CQ_DRIFT_H

#include "postgres.h"

#include "nodes/pg_list.h"

/* A view that does not move this cursor for now. */
typedef struct CqHold
{
	int64		cursor_id;
	Oid			view;
} CqHold;

/* All there are, as of now, where some view heeds it: of CqHold *. Within SPI. In context. */
extern List *cq_drift_find(bool heed_drift, MemoryContext context);

/* Those of the views (of Oid) that do not move the cursor. */
extern List *cq_drift_held(const List *holds, int64 cursor_id, const List *views);

#endif							/* CQ_DRIFT_H */
