/*
 * kept.c
 *		A table that a node keeps: see kept.h.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "common/compat.h"
#include "miscadmin.h"
#include "node/kept.h"
#include "state/writer.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* So many rows of a key wait for one whose place they take, or that takes theirs. */
#define MAX_WAITING 32

struct CqKept
{
	Relation	table;
	Relation	index;			/* over the hash */
	int			natts;
	TupleTableSlot *row;		/* to fetch into */
	CqWriter   *writer;			/* NULL: nothing has been written since the last flush */
	MemoryContext context;		/* of all this */
	MemoryContext scratch;		/* reset for each row: replacing one leaks where it is toasted */
	int64		hash;			/* of the key whose rows are changed: */
	int			ngone;			/* deleted, but there still */
	ItemPointerData gone[MAX_WAITING];
	int			nadded;			/* added, but not there yet; there are never both */
	TupleTableSlot *added[MAX_WAITING];
};

static void
check_columns(Relation table, TupleDesc expected)
{
	TupleDesc	columns = RelationGetDescr(table);
	bool		fits = columns->natts == expected->natts;

	for (int i = 0; fits && i < columns->natts; i++)
		fits = TupleDescAttr(columns, i)->atttypid == TupleDescAttr(expected, i)->atttypid;
	if (!fits)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" does not have the columns that the continuous view needs",
						RelationGetRelationName(table)),
				 errhint("CREATE OR REPLACE CONTINUOUS VIEW begins again.")));
}

static bool
is_over_hash(Relation index, AttrNumber hash)
{
	return index->rd_rel->relam == BTREE_AM_OID && index->rd_index->indisvalid &&
		index->rd_index->indkey.values[0] == hash && RelationGetIndexPredicate(index) == NIL;
}

static Relation
open_index(Relation table)
{
	ListCell   *cell;

	foreach(cell, RelationGetIndexList(table))
	{
		Relation	index = index_open(lfirst_oid(cell), RowExclusiveLock);

		if (is_over_hash(index, RelationGetNumberOfAttributes(table)))
			return index;
		index_close(index, RowExclusiveLock);
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" does not have the index over its keys that the continuous view "
					"needs", RelationGetRelationName(table)),
			 errhint("CREATE OR REPLACE CONTINUOUS VIEW begins again.")));
}

CqKept *
cq_kept_open(Oid table, TupleDesc columns)
{
	CqKept	   *kept = palloc0(sizeof(CqKept));

	kept->table = try_table_open(table, RowExclusiveLock);
	if (kept->table == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table %u of a continuous view is gone", table)));
	check_columns(kept->table, columns);
	kept->natts = columns->natts;
	kept->index = open_index(kept->table);
	kept->row = table_slot_create(kept->table, NULL);
	kept->context = CurrentMemoryContext;
	kept->scratch = AllocSetContextCreate(kept->context, "pg_cq kept row", ALLOCSET_SMALL_SIZES);
	return kept;
}

void
cq_kept_close(CqKept *kept)
{
	cq_kept_flush(kept);
	for (int i = 0; i < MAX_WAITING && kept->added[i] != NULL; i++)
		ExecDropSingleTupleTableSlot(kept->added[i]);
	ExecDropSingleTupleTableSlot(kept->row);
	index_close(kept->index, NoLock);
	table_close(kept->table, NoLock);
	MemoryContextDelete(kept->scratch);
	pfree(kept);
}

const char *
cq_kept_name(const CqKept *kept)
{
	return RelationGetRelationName(kept->table);
}

static CqWriter *
writer(CqKept *kept)
{
	MemoryContext caller = MemoryContextSwitchTo(kept->context);

	if (kept->writer == NULL)
		kept->writer = cq_writer_open(RelationGetRelid(kept->table), NULL, NULL);
	MemoryContextSwitchTo(caller);
	return kept->writer;
}

void
cq_kept_append(CqKept *kept, TupleTableSlot *row)
{
	TupleTableSlot *copy = cq_writer_next_slot(writer(kept));

	slot_getsomeattrs(row, kept->natts);
	memcpy(copy->tts_values, row->tts_values, sizeof(Datum) * kept->natts);
	memcpy(copy->tts_isnull, row->tts_isnull, sizeof(bool) * kept->natts);
	cq_writer_append(kept->writer, copy, 0);
}

static void
require_unchanged(bool is_unchanged)
{
	if (!is_unchanged)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("the state of a continuous view was changed meanwhile")));
}

static void
replace_row(CqKept *kept, TupleTableSlot *row, ItemPointer tid)
{
	CqWriter   *to = writer(kept);
	MemoryContext caller = MemoryContextSwitchTo(kept->scratch);

	require_unchanged(cq_writer_replace_at(to, row, tid));
	MemoryContextSwitchTo(caller);
	MemoryContextReset(kept->scratch);
}

/* Whatever waits has found nothing. */
static void
end_key(CqKept *kept)
{
	while (kept->ngone > 0)
		require_unchanged(cq_writer_delete_at(writer(kept), &kept->gone[--kept->ngone]));
	while (kept->nadded > 0)
	{
		cq_kept_append(kept, kept->added[--kept->nadded]);
		ExecClearTuple(kept->added[kept->nadded]);
	}
}

static void
begin_key(CqKept *kept, int64 hash)
{
	if (kept->hash != hash)
		end_key(kept);
	kept->hash = hash;
}

void
cq_kept_delete(CqKept *kept, int64 hash, ItemPointer tid)
{
	begin_key(kept, hash);
	if (kept->nadded > 0)
	{
		TupleTableSlot *row = kept->added[--kept->nadded];

		replace_row(kept, row, tid);
		ExecClearTuple(row);
	}
	else if (kept->ngone < MAX_WAITING)
		kept->gone[kept->ngone++] = *tid;
	else
		require_unchanged(cq_writer_delete_at(writer(kept), tid));
}

/* Of those that wait, a slot that stays for others. */
static TupleTableSlot *
waiting_slot(CqKept *kept, TupleDesc columns)
{
	TupleTableSlot **slot = &kept->added[kept->nadded++];
	MemoryContext caller = MemoryContextSwitchTo(kept->context);

	if (*slot == NULL)
		*slot = MakeSingleTupleTableSlot(columns, &TTSOpsVirtual);
	MemoryContextSwitchTo(caller);
	return *slot;
}

void
cq_kept_add(CqKept *kept, int64 hash, TupleTableSlot *row)
{
	begin_key(kept, hash);
	if (kept->ngone > 0)
		replace_row(kept, row, &kept->gone[--kept->ngone]);
	else if (kept->nadded < MAX_WAITING)
		ExecCopySlot(waiting_slot(kept, row->tts_tupleDescriptor), row);
	else
		cq_kept_append(kept, row);
}

void
cq_kept_flush(CqKept *kept)
{
	end_key(kept);
	if (kept->writer != NULL)
		cq_writer_close(kept->writer);
	kept->writer = NULL;
}

void
cq_kept_fetch_all(CqKept *kept, CqKeptTake take, void *context)
{
	TableScanDesc scan = table_beginscan_strat(kept->table, GetActiveSnapshot(), 0, NULL, true,
											   false);

	while (table_scan_getnextslot(scan, ForwardScanDirection, kept->row))
	{
		CHECK_FOR_INTERRUPTS();
		take(context, kept->row);
	}
	table_endscan(scan);
	ExecClearTuple(kept->row);
}

static void
fetch_hash(CqKept *kept, IndexScanDesc scan, int64 hash, CqKeptTake take, void *context)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(hash));
	index_rescan(scan, &key, 1, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, kept->row))
	{
		CHECK_FOR_INTERRUPTS();
		take(context, kept->row);
	}
}

void
cq_kept_fetch(CqKept *kept, CqTouched *touched, CqKeptTake take, void *context)
{
	IndexScanDesc scan;
	int64		hash;

	if (cq_touched_is_all(touched))
	{
		cq_kept_fetch_all(kept, take, context);
		return;
	}
	if (cq_touched_is_empty(touched))
		return;
	scan = cq_compat_index_beginscan(kept->table, kept->index, GetActiveSnapshot(), 1);
	cq_touched_rewind(touched);
	while (cq_touched_next(touched, &hash))
		fetch_hash(kept, scan, hash, take, context);
	index_endscan(scan);
	ExecClearTuple(kept->row);
}
