/*
 * writer.h
 *		Writes rows of one state table: appends in bulk, updates in place, keeps indexes.
 *
 * For one run of one plan, inside a (sub)transaction: opened before, flushed and closed after. On
 * error the transaction's abort cleans up.
 */
#ifndef CQ_WRITER_H
#define CQ_WRITER_H

#include "postgres.h"

#include "access/tableam.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"

typedef struct CqWriter CqWriter;

/* Called for each appended row once its place is known. */
typedef void (*CqAppendedCallback) (void *context, uint32 tag, ItemPointer tid);

/*
 * Opens the table for writing (RowExclusiveLock held to the end of the transaction). NULL where it
 * is gone. callback may be NULL. Lives in CurrentMemoryContext.
 */
extern CqWriter *cq_writer_open(Oid state, CqAppendedCallback callback, void *context);

extern Relation cq_writer_relation(const CqWriter *writer);

/*
 * A slot to fill (virtual contents, ExecStoreVirtualTuple not needed) and hand back to
 * cq_writer_append with a tag for the callback.
 */
extern TupleTableSlot *cq_writer_next_slot(CqWriter *writer);
extern void cq_writer_append(CqWriter *writer, TupleTableSlot *slot, uint32 tag);

/*
 * The live version of the row that is rooted at *tid, or NULL. The slot is valid until the next
 * fetch.
 */
extern TupleTableSlot *cq_writer_fetch(CqWriter *writer, ItemPointer tid);

/*
 * Replaces the row fetched last. False where somebody else has changed it meanwhile, or is about
 * to: append then. *root becomes the place by which it is found from now on.
 */
extern bool cq_writer_replace(CqWriter *writer, TupleTableSlot *slot, ItemPointer root);

/*
 * The same for rows found otherwise, whose live versions are at tid. Of those that this transaction
 * has written only what was written before the current command can be changed:
 * cq_writer_next_command begins another one.
 */
extern bool cq_writer_replace_at(CqWriter *writer, TupleTableSlot *slot, ItemPointer tid);
extern bool cq_writer_delete_at(CqWriter *writer, ItemPointer tid);
extern void cq_writer_next_command(CqWriter *writer);

/*
 * Deletes the row fetched last. False where somebody else has changed it meanwhile, or is about to.
 */
extern bool cq_writer_delete(CqWriter *writer);

/* Writes what is still buffered, closes. */
extern void cq_writer_close(CqWriter *writer);

#endif							/* CQ_WRITER_H */
