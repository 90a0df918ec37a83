/*
 * change_buffer.h
 *		Keeps changes until a run is over: for receivers that run statements of their own, which
 *		must not come between those of the run.
 */
#ifndef CQ_CHANGE_BUFFER_H
#define CQ_CHANGE_BUFFER_H

#include "state/change.h"

/*
 * Passes everything on to next at finish. The changes are rows of this type; more than work_mem go
 * to disk. In CurrentMemoryContext.
 */
extern CqChangeReceiver *cq_change_buffer_open(TupleDesc row, CqChangeReceiver *next);

#endif							/* CQ_CHANGE_BUFFER_H */
