/*
 * log_scan.c
 *		Reads a log in order of offset, and never past a row that may still come: see log_table.h.
 *
 * A worker's position is all that it keeps of what it has read, so a row that becomes visible below
 * the position is lost. Writers commit in any order. So the reader sees, as with SnapshotDirty,
 * rows of transactions in progress too, and stops at the first:
 *
 *		offset    10         11         12         13       | end
 *		writer    committed  aborted    running    committed
 *		reader    takes      passes     stops here
 *
 * This needs every offset below the end to be in the table already, or never to come; that is what
 * the insert lock is for.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "common/compat.h"
#include "miscadmin.h"
#include "source/log_table.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* The end, once no writer is between taking an offset and inserting the row. */
static int64
settled_end(Oid relid)
{
	int64		end;

	cq_log_table_lock(relid, CQ_LOG_INSERT_LOCK, ExclusiveLock, true);
	end = cq_log_table_end(relid);
	cq_log_table_unlock(relid, CQ_LOG_INSERT_LOCK, ExclusiveLock);
	return end;
}

void
cq_log_scan_begin(CqLogScan *scan, const CqLogTable *table, int64 position, bool in_statement)
{
	ScanKeyData key;
	Snapshot	snapshot;

	scan->is_dirty = !in_statement;
	scan->takes_own = false;
	scan->position = position;
	scan->end = in_statement ? cq_log_table_end(table->relid) : settled_end(table->relid);
	scan->table = cq_log_table_open(table, AccessShareLock);
	scan->index = cq_log_table_open_index(scan->table, AccessShareLock);
	scan->slot = table_slot_create(scan->table, NULL);
	InitDirtySnapshot(scan->dirty);
	snapshot = in_statement ? GetActiveSnapshot() : &scan->dirty;
	scan->scan = cq_compat_index_beginscan(scan->table, scan->index, snapshot, 1);
	ScanKeyInit(&key, CQ_LOG_OFFSET, BTGreaterEqualStrategyNumber, F_INT8GE,
				Int64GetDatum(position));
	index_rescan(scan->scan, &key, 1, NULL, 0);
}

/*
 * The transaction that inserted the row in the slot is running: another's, or this one, unless its
 * rows count as well.
 */
static bool
is_in_progress(const CqLogScan *scan)
{
	bool		is_null;
	TransactionId inserter;

	if (TransactionIdIsValid(scan->dirty.xmin))
		return true;
	inserter = DatumGetTransactionId(slot_getsysattr(scan->slot, MinTransactionIdAttributeNumber,
													 &is_null));
	return !scan->takes_own && TransactionIdIsCurrentTransactionId(inserter);
}

bool
cq_log_scan_next(CqLogScan *scan)
{
	int64		offset;
	bool		is_null;

	if (!index_getnext_slot(scan->scan, ForwardScanDirection, scan->slot))
	{
		scan->position = Max(scan->position, scan->end);
		return false;
	}
	offset = DatumGetInt64(slot_getattr(scan->slot, CQ_LOG_OFFSET, &is_null));
	if (offset >= scan->end)
	{
		scan->position = Max(scan->position, scan->end);
		return false;
	}
	if (scan->is_dirty && is_in_progress(scan))
	{
		scan->position = offset;
		return false;
	}
	scan->position = offset + 1;
	return true;
}

void
cq_log_scan_end(CqLogScan *scan)
{
	index_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	index_close(scan->index, AccessShareLock);
	table_close(scan->table, AccessShareLock);
}

/*
 * The end on a standby: behind the last row that has arrived. Its sequence is ahead, since the
 * primary writes that to the WAL for many numbers at a time.
 */
static int64
arrived_end(const CqLogTable *table)
{
	Relation	relation = cq_log_table_open(table, AccessShareLock);
	Relation	index = cq_log_table_open_index(relation, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	SysScanDesc scan = systable_beginscan_ordered(relation, index, snapshot, 0, NULL);
	HeapTuple	tuple = systable_getnext_ordered(scan, BackwardScanDirection);
	int64		end = table->begin;
	bool		is_null;

	if (HeapTupleIsValid(tuple))
		end = DatumGetInt64(heap_getattr(tuple, CQ_LOG_OFFSET, RelationGetDescr(relation),
										 &is_null)) + 1;
	systable_endscan_ordered(scan);
	UnregisterSnapshot(snapshot);
	index_close(index, AccessShareLock);
	table_close(relation, AccessShareLock);
	return end;
}

int64
cq_log_scan_stable_end(const CqLogTable *table)
{
	CqLogScan	scan;

	if (RecoveryInProgress())
		return arrived_end(table);
	/* As a rule nobody is writing, which is soon found out. */
	if (!TransactionIdIsValid(GetTopTransactionIdIfAny()) &&
		cq_log_table_lock(table->relid, CQ_LOG_WRITER_LOCK, ExclusiveLock, false))
	{
		int64		end = cq_log_table_end(table->relid);

		cq_log_table_unlock(table->relid, CQ_LOG_WRITER_LOCK, ExclusiveLock);
		return end;
	}
	cq_log_scan_begin(&scan, table, table->begin, false);
	while (cq_log_scan_next(&scan))
		CHECK_FOR_INTERRUPTS();
	cq_log_scan_end(&scan);
	return scan.position;
}
