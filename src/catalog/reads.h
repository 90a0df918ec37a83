/*
 * reads.h
 *		Rows of _cq.reads and _cq.version: continuous views that others read by their names.
 *
 * A view that others read has a version, which each transaction that changes its rows makes one
 * more. A view that reads it has noted the version that it has seen: where that is the same, the
 * two are level, of one moment. Both are written by whoever has the view of the row for himself.
 */
#ifndef CQ_CATALOG_READS_H
#define CQ_CATALOG_READS_H

#include "postgres.h"

#include "nodes/pg_list.h"

/*
 * The continuous views (of OIDs, ascending) that a view reads by their names, and those that read
 * it.
 */
extern List *cq_reads_list(Oid view);
extern List *cq_reads_readers(Oid view);

/* All that it reads so, itself and through others: of OIDs, ascending. */
extern List *cq_reads_below(Oid view);

/*
 * How many views, one over the other, are below it at most, by names or by streams that one writes
 * and the other reads: whoever reads is higher than what it reads.
 */
extern int	cq_reads_level(Oid view);

/* It is level with none of them yet. */
extern void cq_reads_insert(Oid view, const List *named);

extern void cq_reads_forget(Oid view);

#endif							/* CQ_CATALOG_READS_H */
