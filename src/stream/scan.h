/*
 * scan.h
 *		The foreign scan of a stream, shared by both wrappers.
 */
#ifndef CQ_SCAN_H
#define CQ_SCAN_H

#include "foreign/fdwapi.h"
#include "nodes/plannodes.h"
#include "stream/batch.h"

/* Sets the callbacks for scanning. */
extern void cq_scan_init(FdwRoutine *routine);
extern void cq_scan_plan_init(FdwRoutine *routine);
extern void cq_explain_init(FdwRoutine *routine);

/* The attributes that a planned scan needs decoded. */
extern Bitmapset *cq_scan_plan_needed_columns(const ForeignScan *plan);

/* The batch bound to stream, or NULL. */
extern const CqBinding *cq_batch_binding(Oid stream);

/*
 * Raises where a view's part of a batch is run, and the scan is not its own, but that of a function
 * which it calls.
 */
extern void cq_batch_require_own(Oid stream, const PlannedStmt *plan);

#endif							/* CQ_SCAN_H */
