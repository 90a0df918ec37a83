/*
 * batch.c
 *		The batch that is bound to foreign scans: see batch.h.
 */
#include "postgres.h"

#include "nodes/plannodes.h"
#include "parser/parsetree.h"
#include "stream/reader_state.h"
#include "stream/scan.h"
#include "utils/lsyscache.h"

static CqBinding binding;		/* while is_bound */
static bool is_bound = false;
static bool is_in_part = false;
/* the stream that a function has tried to read within the part */
static Oid	misread = InvalidOid;

static int
compare_cells(const void *left, const void *right)
{
	const CqBadCell *a = left;
	const CqBadCell *b = right;

	if (a->row != b->row)
		return a->row < b->row ? -1 : 1;
	return (a->attno > b->attno) - (a->attno < b->attno);
}

void
cq_batch_reject(CqBatch *batch, int row, AttrNumber attno, CqReject *reject)
{
	MemoryContext caller = MemoryContextSwitchTo(batch->context);

	cq_bad_cells_add(&batch->bad, row, attno, reject);
	for (int i = 0; i < batch->natts; i++)
	{
		if (bms_is_member(i + 1, batch->decoded) &&
			bms_is_member(attno, batch->reader->generated[i].inputs))
			cq_bad_cells_add(&batch->bad, row, i + 1, reject);
	}
	MemoryContextSwitchTo(caller);
}

void
cq_batch_sort_rejects(CqBatch *batch)
{
	if (batch->bad.ncells > 1)
		qsort(batch->bad.cells, batch->bad.ncells, sizeof(CqBadCell), compare_cells);
}

void
cq_batch_bind(const CqBinding *bound)
{
	Assert(!is_bound);
	binding = *bound;
	is_bound = true;
}

void
cq_batch_unbind(void)
{
	is_bound = false;
}

const CqBinding *
cq_batch_bound(void)
{
	return is_bound ? &binding : NULL;
}

const CqBinding *
cq_batch_binding(Oid stream)
{
	return is_bound && binding.stream == stream ? &binding : NULL;
}

static void
raise_misread(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("stream \"%s\" cannot be read by a function while a continuous view is "
					"maintained", get_rel_name(misread)),
			 errdetail("The function might see those of its rows alone that the view is just being "
					   "given."),
			 errhint("Call the function in the query that reads the view.")));
}

void
cq_batch_require_own(Oid stream, const PlannedStmt *plan)
{
	if (!is_in_part || (is_bound && binding.stream == stream && binding.plan == plan))
		return;
	misread = stream;
	raise_misread();
}

void
cq_batch_begin_part(void)
{
	is_in_part = true;
	misread = InvalidOid;
}

void
cq_batch_end_part(void)
{
	if (OidIsValid(misread))
		raise_misread();
	is_in_part = false;
}

void
cq_batch_abandon_part(void)
{
	is_bound = is_in_part = false;
}

static Bitmapset *find_needed(Plan *plan, List *rtable, Oid stream, Bitmapset *needed);

static Bitmapset *
find_needed_in_list(List *plans, List *rtable, Oid stream, Bitmapset *needed)
{
	ListCell   *cell;

	foreach(cell, plans)
		needed = find_needed(lfirst(cell), rtable, stream, needed);
	return needed;
}

/* Adds what the scans of stream in a plan need. */
static Bitmapset *
find_needed(Plan *plan, List *rtable, Oid stream, Bitmapset *needed)
{
	if (plan == NULL)
		return needed;
	switch (nodeTag(plan))
	{
		case T_ForeignScan:
			{
				ForeignScan *scan = (ForeignScan *) plan;

				if (scan->scan.scanrelid > 0 && rt_fetch(scan->scan.scanrelid,
														 rtable)->relid == stream)
					needed = bms_add_members(needed, cq_scan_plan_needed_columns(scan));
				break;
			}
		case T_Append:
			needed = find_needed_in_list(((Append *) plan)->appendplans, rtable, stream, needed);
			break;
		case T_MergeAppend:
			needed = find_needed_in_list(((MergeAppend *) plan)->mergeplans, rtable, stream,
										 needed);
			break;
		case T_CustomScan:
			needed = find_needed_in_list(((CustomScan *) plan)->custom_plans, rtable, stream,
										 needed);
			break;
		case T_SubqueryScan:
			needed = find_needed(((SubqueryScan *) plan)->subplan, rtable, stream, needed);
			break;
		default:
			break;
	}
	needed = find_needed(plan->lefttree, rtable, stream, needed);
	return find_needed(plan->righttree, rtable, stream, needed);
}

Bitmapset *
cq_batch_needed_columns(PlannedStmt *plan, Oid stream)
{
	Bitmapset  *needed = find_needed(plan->planTree, plan->rtable, stream, NULL);

	return find_needed_in_list(plan->subplans, plan->rtable, stream, needed);
}
