/*
 * early.h
 *		Rows of a table that are said to be gone before it is said that they have come.
 *
 * A statement tells its changes when it ends. What a function or trigger that it calls changes of
 * the same table is told before, and may be of rows that the statement itself has made. Both are in
 * one transaction, but not always in one batch.
 */
#ifndef CQ_EARLY_H
#define CQ_EARLY_H

#include "postgres.h"

#include "node/delta.h"
#include "node/kept.h"

/*
 * What of the net changes of a kept table counts now. Rows that are gone, and not there, are put
 * into the table early, with the same columns; rows that come take those away again. With the
 * snapshot of the current command. Gives changes itself where all of it counts, else a delta in
 * CurrentMemoryContext; what was written is seen by the next command.
 */
extern CqDelta *cq_early_settle(CqDelta *changes, CqKept *kept, Oid early, TupleDesc columns);

/* Adds those rows, each once more, to a delta: so that with what is kept less, all is nothing. */
extern void cq_early_add(Oid early, TupleDesc columns, CqDelta *delta);

#endif							/* CQ_EARLY_H */
