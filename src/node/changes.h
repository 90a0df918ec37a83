/*
 * changes.h
 *		The changes of a node's input: their net, their keys, and what they do to a table.
 *
 * Changes are deltas whose last column but for the weight is the hash of the key, where they are
 * written to a table or looked at by key.
 */
#ifndef CQ_CHANGES_H
#define CQ_CHANGES_H

#include "postgres.h"

#include "node/delta.h"
#include "node/kept.h"
#include "node/net.h"
#include "node/touched.h"

/* Adds to another delta what is left of changes once more and less are added up. */
extern void cq_changes_net(CqDelta *changes, TupleDesc columns, AttrNumber hash, CqDelta *to);

/* Of a row whose column natts it is. Raises ERROR where it is null. */
extern int64 cq_changes_hash(TupleTableSlot *row, AttrNumber natts);

extern void cq_changes_touch(CqDelta *changes, CqTouched *touched);

/* Rows with a weight of this sign, as often as it says, without it. In CurrentMemoryContext. */
extern CqDelta *cq_changes_part(CqDelta *changes, TupleDesc columns, int32 sign);

/* Writes net changes to the table that they are of. */
extern void cq_changes_write(CqDelta *changes, TupleDesc columns, CqKept *kept);

/* A CqKeptTake: adds rows of a table to a net. */
extern void cq_changes_take_stored(void *net, TupleTableSlot *row);

/* Adds a row to a table so many times. */
extern void cq_changes_add_rows(CqKept *kept, TupleTableSlot *row, int64 weight);

#endif							/* CQ_CHANGES_H */
