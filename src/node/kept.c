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
#include "utils/rel.h"
#include "utils/snapmgr.h"

struct CqKept
{
	Relation	table;
	Relation	index;			/* over the hash */
	int			natts;
	TupleTableSlot *row;		/* to fetch into */
	CqWriter   *writer;			/* NULL: nothing has been written since the last flush */
	MemoryContext context;		/* of all this */
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
	return kept;
}

void
cq_kept_close(CqKept *kept)
{
	cq_kept_flush(kept);
	ExecDropSingleTupleTableSlot(kept->row);
	index_close(kept->index, NoLock);
	table_close(kept->table, NoLock);
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

void
cq_kept_delete(CqKept *kept, ItemPointer tid)
{
	if (!cq_writer_delete_at(writer(kept), tid))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("the state of a continuous view was changed meanwhile")));
}

void
cq_kept_flush(CqKept *kept)
{
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
