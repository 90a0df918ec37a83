/*
 * kept.h
 *		A table that a node keeps: rows, as often as they are there, found by the hash of their key.
 *
 * Within one (sub)transaction, by one process at a time. What is written is seen once
 * cq_kept_flush was called and another command has begun, with a snapshot that sees that.
 */
#ifndef CQ_KEPT_H
#define CQ_KEPT_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "node/touched.h"
#include "storage/itemptr.h"

typedef struct CqKept CqKept;

/*
 * columns are what the table has to have, the last one being the hash. RowExclusiveLock to the end
 * of the transaction. Raises ERROR where the table is gone, or not as it should be. In
 * CurrentMemoryContext.
 */
extern CqKept *cq_kept_open(Oid table, TupleDesc columns);
extern void cq_kept_close(CqKept *kept);
extern const char *cq_kept_name(const CqKept *kept);

/* Appends the first columns of row, copied. */
extern void cq_kept_append(CqKept *kept, TupleTableSlot *row);

/*
 * Deletes a row, which an earlier command has written; adds one, copied. Called key by key: what is
 * added takes the place of what is deleted of the same key, which needs no new index entry.
 */
extern void cq_kept_delete(CqKept *kept, int64 hash, ItemPointer tid);
extern void cq_kept_add(CqKept *kept, int64 hash, TupleTableSlot *row);

extern void cq_kept_flush(CqKept *kept);

/*
 * Gets each row that the active snapshot sees, in a slot of the table; those of touched keys in the
 * order of their hashes.
 */
typedef void (*CqKeptTake) (void *context, TupleTableSlot *row);
extern void cq_kept_fetch(CqKept *kept, CqTouched *touched, CqKeptTake take, void *context);
extern void cq_kept_fetch_all(CqKept *kept, CqKeptTake take, void *context);

#endif							/* CQ_KEPT_H */
