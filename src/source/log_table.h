/*
 * log_table.h
 *		The table behind a stream that is kept in this database.
 */
#ifndef CQ_LOG_TABLE_H
#define CQ_LOG_TABLE_H

#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "executor/tuptable.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

/* Columns of a log table. */
typedef enum CqLogColumn
{
	CQ_LOG_OFFSET = 1,
	CQ_LOG_AT,
	CQ_LOG_KEY,
	CQ_LOG_HEADERS,
	CQ_LOG_VALUE
} CqLogColumn;

#define CQ_LOG_NCOLUMNS CQ_LOG_VALUE

typedef struct CqLogTable
{
	Oid			stream;
	Oid			relid;
	int64		begin;			/* rows before it have been removed */
} CqLogTable;

/* The table of a stream, or false where nothing has been written yet. */
extern bool cq_log_table_find(Oid stream, CqLogTable *table);

/* The table of a stream, made where there is none yet. */
extern void cq_log_table_ensure(Oid stream, CqLogTable *table);

/*
 * Opens the table or its primary key. Raises ERROR where the owner has altered it, so that rows can
 * be taken for what they should be.
 */
extern Relation cq_log_table_open(const CqLogTable *table, LOCKMODE mode);
extern Relation cq_log_table_open_index(Relation relation, LOCKMODE mode);

/* The offset that the next row gets: all that have been given are less. */
extern int64 cq_log_table_end(Oid relid);
extern Oid	cq_log_table_sequence(Oid relid);

/* Records that rows before begin have been removed. */
extern void cq_log_table_set_begin(Oid stream, int64 begin);

/*
 * Order of rows. Offsets are given and rows inserted under the insert lock, shared among writers.
 * Whoever takes it exclusively for a moment and then asks for the end knows that every offset below
 * it is in the table. Beyond that a writer holds, to the end of its transaction, the writer lock:
 * while nobody does, no row is in progress.
 */
typedef enum CqLogLock
{
	CQ_LOG_INSERT_LOCK = 3,		/* 1 and 2 are users' advisory locks */
	CQ_LOG_WRITER_LOCK = 4
} CqLogLock;

extern bool cq_log_table_lock(Oid relid, CqLogLock lock, LOCKMODE mode, bool wait);
extern void cq_log_table_unlock(Oid relid, CqLogLock lock, LOCKMODE mode);

/*
 * Rows of a log in order of offset, from a position up to the end as it was when the scan began. In
 * a statement those that its snapshot sees. Else those of ended transactions, up to the first that
 * belongs to one still in progress (or to this one): what the scan has passed can never change any
 * more.
 */
typedef struct CqLogScan
{
	Relation	table;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;		/* the row found */
	SnapshotData dirty;
	bool		is_dirty;
	bool		takes_own;		/* rows of this transaction do not stop it; set after begin */
	int64		position;		/* all rows before it have been passed */
	int64		end;
} CqLogScan;

extern void cq_log_scan_begin(CqLogScan *scan, const CqLogTable *table, int64 position,
							  bool in_statement);
extern bool cq_log_scan_next(CqLogScan *scan);
extern void cq_log_scan_end(CqLogScan *scan);

/*
 * Where such a scan, not in a statement, ends at the latest now: at the first row in progress, or
 * at the end.
 */
extern int64 cq_log_scan_stable_end(const CqLogTable *table);

#endif							/* CQ_LOG_TABLE_H */
