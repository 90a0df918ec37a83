/*
 * latest.h
 *		Streams whose rows change: which are there now, and what a message says of its key's row.
 */
#ifndef CQ_LATEST_H
#define CQ_LATEST_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "catalog/stream.h"
#include "storage/itemptr.h"
#include "stream/batch.h"

typedef struct CqLatest CqLatest;

/*
 * The newest row of each key and partition: all rows are added, in any order, and sorted, more than
 * work_mem on disk. In CurrentMemoryContext.
 */
extern CqLatest *cq_latest_begin(const CqStream *stream, TupleDesc columns,
								 const Bitmapset *needed);
extern void cq_latest_add(CqLatest *latest, const CqBatch *batch, int row);
extern void cq_latest_settle(CqLatest *latest);

/* Raises ERROR: rows of several partitions have no order with what is truncated. */
extern void cq_latest_refuse_truncation(const char *stream);

/* The next row, valid until the one after it; what is not needed is null. False: no more. */
extern bool cq_latest_next(CqLatest *latest, Datum *values, bool *nulls);
extern void cq_latest_end(CqLatest *latest);

/*
 * What a scan of a bound batch gives as ctid: which message it is. The functions _cq.message_… read
 * it, over the same scan.
 */
extern void cq_latest_place(int row, ItemPointer place);

#endif							/* CQ_LATEST_H */
