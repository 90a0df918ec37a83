/*
 * scan.c
 *		Runs the foreign scan of a stream.
 *
 * In a worker a batch is bound to the stream, and the scan hands out its rows: virtual slots that
 * point into the batch's columns, nothing copied. This is the hot path of every continuous view, so
 * a row costs one comparison and a pair of loads and stores for each needed column. Else the scan
 * is bounded: it reads what is in the stream now.
 *
 * Rows that are to be passed over are rare. Instead of asking at each row, the scan knows the next
 * such row.
 */
#include "postgres.h"

#include "common/compat.h"
#include "executor/executor.h"
#include "stream/bounded.h"
#include "stream/reader.h"
#include "stream/scan.h"
#include "stream/scan_state.h"
#include "utils/rel.h"

/* Points the columns at the batch's arrays. */
static void
point_columns(CqScanState *scan, const CqBatch *batch)
{
	for (int i = 0; i < scan->ncolumns; i++)
	{
		CqScanColumn *column = &scan->columns[i];

		if (column->index >= batch->natts || batch->values[column->index] == NULL)
			elog(ERROR, "column %d of stream was not decoded", column->index + 1);
		column->values = batch->values[column->index];
		column->nulls = batch->nulls[column->index];
	}
}

/* Sets next_special to the first row from row on that is left out or bad. */
static void
find_special(CqScanState *scan, int row)
{
	int			left_out = bms_next_member(scan->left_out, row - 1);
	const CqBadCells *bad = scan->bad;

	scan->next_special = left_out >= 0 ? left_out : INT_MAX;
	if (bad == NULL)
		return;
	while (scan->next_bad < bad->ncells && bad->cells[scan->next_bad].row < row)
		scan->next_bad++;
	if (scan->next_bad < bad->ncells)
		scan->next_special = Min(scan->next_special, bad->cells[scan->next_bad].row);
}

/* Rows [first, end) of a batch come next. */
static void
begin_rows(CqScanState *scan, const CqBatch *batch, int first, int end)
{
	point_columns(scan, batch);
	scan->batch = batch;
	scan->row = first - 1;
	scan->end = end;
	scan->next_bad = 0;
	find_special(scan, first);
}

static void
begin_bound(CqScanState *scan, const CqBinding *binding)
{
	scan->bad = NULL;			/* those that matter to this plan are among skip */
	scan->left_out = binding->batch->absent != NULL ?
		bms_union(binding->skip, binding->batch->absent) : (Bitmapset *) binding->skip;
	begin_rows(scan, binding->batch, binding->first, binding->end);
}

/* The next batch of a bounded scan, which is opened when its first row is asked for. */
static bool
next_batch(CqScanState *scan, ForeignScanState *node)
{
	CqBatch    *batch;

	if (scan->is_bound)
		return false;
	if (scan->bounded == NULL)
	{
		CqRange		range;

		cq_pushdown_evaluate(scan->pushdown, node->ss.ps.ps_ExprContext, &range);
		scan->bounded = cq_bounded_open(scan->stream, &range, scan->needed);
	}
	batch = cq_bounded_next(scan->bounded);
	if (batch == NULL)
		return false;
	scan->bad = &batch->bad;
	scan->left_out = batch->absent;
	begin_rows(scan, batch, 0, batch->nrows);
	return true;
}

/* A special row is not handed out. A bad one may end the statement. */
static void
pass_over(CqScanState *scan)
{
	if (!bms_is_member(scan->row, scan->left_out))
		cq_bounded_take_bad(scan->bounded, scan->batch, &scan->bad->cells[scan->next_bad]);
	find_special(scan, scan->row + 1);
}

static bool
next_row(CqScanState *scan, ForeignScanState *node)
{
	for (;;)
	{
		scan->row++;
		if (unlikely(scan->row >= scan->end))
		{
			scan->row = scan->end;
			if (!next_batch(scan, node))
				return false;
		}
		else if (likely(scan->row < scan->next_special))
			return true;
		else
			pass_over(scan);
	}
}

/* Reads all there is. In the memory of the query. */
static void
find_latest(CqScanState *scan, ForeignScanState *node)
{
	scan->latest = cq_latest_begin(scan->stream, RelationGetDescr(node->ss.ss_currentRelation),
								   scan->needed);
	while (next_row(scan, node))
	{
		CHECK_FOR_INTERRUPTS();
		cq_latest_add(scan->latest, scan->batch, scan->row);
	}
	cq_latest_settle(scan->latest);
}

static TupleTableSlot *
iterate_latest(CqScanState *scan, ForeignScanState *node)
{
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;

	if (scan->latest == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(node->ss.ps.state->es_query_cxt);

		find_latest(scan, node);
		MemoryContextSwitchTo(caller);
	}
	ExecClearTuple(slot);
	if (cq_latest_next(scan->latest, slot->tts_values, slot->tts_isnull))
		ExecStoreVirtualTuple(slot);
	return slot;
}

static TupleTableSlot *
iterate_scan(ForeignScanState *node)
{
	CqScanState *scan = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	MemoryContext caller;
	bool		has_row;

	if (unlikely(scan->is_changing && !scan->is_bound))
		return iterate_latest(scan, node);
	ExecClearTuple(slot);
	if (unlikely(scan->row + 1 >= scan->end))
	{
		/* What a bounded scan opens must outlive the row. */
		caller = MemoryContextSwitchTo(node->ss.ps.state->es_query_cxt);
		has_row = next_row(scan, node);
		MemoryContextSwitchTo(caller);
	}
	else
		has_row = next_row(scan, node);
	if (!has_row)
		return slot;
	for (int i = 0; i < scan->ncolumns; i++)
	{
		const CqScanColumn *column = &scan->columns[i];

		slot->tts_values[column->index] = column->values[scan->row];
		slot->tts_isnull[column->index] = column->nulls[scan->row];
	}
	ExecStoreVirtualTuple(slot);
	if (unlikely(scan->is_changing))
		cq_latest_place(scan->row, &slot->tts_tid);
	return slot;
}

/* Columns nobody needs are null in each row; set once. */
static void
prepare_columns(CqScanState *scan, TupleTableSlot *slot)
{
	int			attno = -1;

	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts);
	scan->columns = palloc0(sizeof(CqScanColumn) * Max(bms_num_members(scan->needed), 1));
	while ((attno = bms_next_member(scan->needed, attno)) >= 0)
		scan->columns[scan->ncolumns++].index = attno - 1;
}

static void
begin_scan(ForeignScanState *node, int eflags)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	CqScanState *scan = palloc0(sizeof(CqScanState));
	Oid			relid = RelationGetRelid(node->ss.ss_currentRelation);
	const CqBinding *binding;

	node->fdw_state = scan;
	scan->needed = cq_scan_plan_needed_columns(plan);
	prepare_columns(scan, node->ss.ss_ScanTupleSlot);
	scan->row = -1;
	cq_batch_require_own(relid, node->ss.ps.state->es_plannedstmt);
	binding = cq_batch_binding(relid);
	scan->is_bound = binding != NULL;
	if (scan->is_bound)
	{
		begin_bound(scan, binding);
		scan->is_changing = cq_mode_changes(cq_reader_stream(binding->batch->reader)->mode);
	}
	else
	{
		scan->stream = cq_stream_get(relid, cq_compat_scan_user(node));
		scan->is_changing = cq_mode_changes(scan->stream->mode);
		scan->pushdown = cq_pushdown_open(scan->stream, plan->scan.scanrelid, plan->fdw_exprs,
										  &node->ss.ps);
	}
}

static void
rescan(ForeignScanState *node)
{
	CqScanState *scan = node->fdw_state;

	if (scan->is_bound)
		begin_bound(scan, cq_batch_binding(RelationGetRelid(node->ss.ss_currentRelation)));
	else
	{
		if (scan->bounded != NULL)
			cq_bounded_close(scan->bounded);
		scan->bounded = NULL;
		if (scan->latest != NULL)
			cq_latest_end(scan->latest);
		scan->latest = NULL;
		scan->row = -1;
		scan->end = 0;
	}
}

static void
end_scan(ForeignScanState *node)
{
	CqScanState *scan = node->fdw_state;

	if (scan == NULL)
		return;
	if (scan->bounded != NULL)
		cq_bounded_close(scan->bounded);
	if (scan->latest != NULL)
		cq_latest_end(scan->latest);
}

void
cq_scan_init(FdwRoutine *routine)
{
	routine->BeginForeignScan = begin_scan;
	routine->IterateForeignScan = iterate_scan;
	routine->ReScanForeignScan = rescan;
	routine->EndForeignScan = end_scan;
}
