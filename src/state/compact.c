/*
 * compact.c
 *		Compaction of a state table: see compact.h.
 *
 * Rows are noted with the hash of their keys, as many as memory allows for: where the table is
 * larger, it is gone over slice by slice of the hashes. Sorted, rows of one group are neighbours.
 * Of those all but the last are deleted, and the last, which the writer is most likely to remember,
 * is replaced by their combination.
 *
 * Notes are hints, for the table changes between steps: rows are fetched, and compared, when their
 * turn comes. A row that somebody else is at stays as it is.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "optimizer/plancat.h"
#include "portability/instr_time.h"
#include "state/combiner.h"
#include "state/compact.h"
#include "state/writer.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#define MAX_NOTES	(1024 * 1024)
#define SCAN_BLOCKS 64			/* between two looks at the clock */
#define NOTES_EXPECTED (MAX_NOTES / 4 * 3)	/* in a slice: estimates err */

typedef struct Note
{
	uint32		hash;
	ItemPointerData tid;
} Note;

struct CqCompaction
{
	MemoryContext context;
	uint32		nslices;
	uint32		slice;			/* this one's rows are noted */
	BlockNumber next_block;
	BlockNumber nblocks;		/* at the beginning */
	bool		is_noted;		/* all of the slice, and sorted */
	Note	   *notes;
	int			nnotes;
	int			next;			/* note */
	int64		nrows;
	int64		nmerged;
};

/* What a step merges with. */
typedef struct Merger
{
	CqGroupLayout *layout;
	CqWriter   *writer;
	MemoryContext group_context;	/* reset for each group */
	Node	   *aggcontext;
	/* of the rows deleted so far, with memory of its own; empty: none */
	TupleTableSlot *sum;
	TupleTableSlot *merged;		/* virtual */
} Merger;

CqCompaction *
cq_compact_begin(MemoryContext parent, Relation state)
{
	MemoryContext context = AllocSetContextCreate(parent, "pg_cq compaction", ALLOCSET_SMALL_SIZES);
	CqCompaction *compaction = MemoryContextAllocZero(context, sizeof(CqCompaction));
	BlockNumber npages;
	double		nrows;
	double		visible;

	estimate_rel_size(state, NULL, &npages, &nrows, &visible);
	compaction->context = context;
	compaction->nslices = 1 + (uint32) (nrows / NOTES_EXPECTED);
	compaction->nblocks = RelationGetNumberOfBlocks(state);
	compaction->notes = MemoryContextAlloc(context, sizeof(Note) * MAX_NOTES);
	return compaction;
}

void
cq_compact_end(CqCompaction *compaction)
{
	MemoryContextDelete(compaction->context);
}

int64
cq_compact_nrows(const CqCompaction *compaction)
{
	return compaction->nrows;
}

int64
cq_compact_nmerged(const CqCompaction *compaction)
{
	return compaction->nmerged;
}

/* ---- noting ---- */

static void
note(void *context, uint32 hash, ItemPointer tid)
{
	CqCompaction *compaction = context;

	compaction->nrows += compaction->slice == 0;
	if (hash % compaction->nslices != compaction->slice || compaction->nnotes == MAX_NOTES)
		return;
	compaction->notes[compaction->nnotes].hash = hash;
	compaction->notes[compaction->nnotes].tid = *tid;
	compaction->nnotes++;
}

static int
compare_notes(const void *a, const void *b)
{
	const Note *one = a;
	const Note *other = b;

	if (one->hash != other->hash)
		return one->hash < other->hash ? -1 : 1;
	return ItemPointerCompare(unconstify(ItemPointerData *, &one->tid),
							  unconstify(ItemPointerData *, &other->tid));
}

static void
scan_some(CqCompaction *compaction, Relation state, const CqGroupLayout *layout)
{
	BlockNumber nblocks = Min(SCAN_BLOCKS, compaction->nblocks - compaction->next_block);

	if (nblocks > 0)
		cq_group_scan(state, layout, compaction->next_block, nblocks, note, compaction);
	compaction->next_block += nblocks;
	if (compaction->next_block < compaction->nblocks)
		return;
	qsort(compaction->notes, compaction->nnotes, sizeof(Note), compare_notes);
	compaction->is_noted = true;
}

/* False: there is none. */
static bool
begin_slice(CqCompaction *compaction)
{
	if (compaction->slice + 1 == compaction->nslices)
		return false;
	compaction->slice++;
	compaction->next_block = 0;
	compaction->nnotes = compaction->next = 0;
	compaction->is_noted = false;
	return true;
}

/* ---- merging ---- */

static void
open_merger(Merger *merger, Oid state, CqGroupLayout *layout)
{
	TupleDesc	descriptor;

	merger->layout = layout;
	merger->writer = cq_writer_open(state, NULL, NULL);
	if (merger->writer == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("state table %u of a continuous view is gone", state)));
	descriptor = RelationGetDescr(cq_writer_relation(merger->writer));
	merger->group_context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq group",
												  ALLOCSET_DEFAULT_SIZES);
	merger->aggcontext = cq_combiner_context(merger->group_context);
	merger->sum = MakeSingleTupleTableSlot(descriptor, &TTSOpsVirtual);
	merger->merged = MakeSingleTupleTableSlot(descriptor, &TTSOpsVirtual);
}

static void
close_merger(Merger *merger)
{
	ExecDropSingleTupleTableSlot(merger->sum);
	ExecDropSingleTupleTableSlot(merger->merged);
	cq_writer_close(merger->writer);
	MemoryContextDelete(merger->group_context);
}

static TupleTableSlot *
fetch(Merger *merger, Note *note)
{
	TupleTableSlot *row = cq_writer_fetch(merger->writer, &note->tid);

	if (row == NULL)
		return NULL;
	slot_getallattrs(row);
	return TupIsNull(merger->sum) || cq_group_same_keys(merger->layout, row, merger->sum) ? row :
		NULL;
}

/* Takes a row out of the table and into the sum. */
static bool
take_note(Merger *merger, Note *note)
{
	TupleTableSlot *row = fetch(merger, note);

	if (row == NULL || !cq_writer_delete(merger->writer))
		return false;
	if (TupIsNull(merger->sum))
		ExecCopySlot(merger->sum, row);
	else
	{
		cq_group_combine(merger->layout, merger->aggcontext, merger->sum, row, merger->merged);
		ExecMaterializeSlot(merger->merged);
		ExecCopySlot(merger->sum, merger->merged);
	}
	return true;
}

static void
append_sum(Merger *merger)
{
	TupleTableSlot *slot = cq_writer_next_slot(merger->writer);
	int			ncolumns = cq_group_ncolumns(merger->layout);

	memcpy(slot->tts_values, merger->sum->tts_values, sizeof(Datum) * ncolumns);
	memcpy(slot->tts_isnull, merger->sum->tts_isnull, sizeof(bool) * ncolumns);
	cq_writer_append(merger->writer, slot, 0);
}

/* Rows of one hash, from first to before end. How many are gone. */
static int
merge_notes(Merger *merger, Note *notes, int first, int end)
{
	MemoryContext caller = MemoryContextSwitchTo(merger->group_context);
	ItemPointerData root = notes[end - 1].tid;
	int			ntaken = 0;

	ExecClearTuple(merger->sum);
	for (int i = first; i < end - 1; i++)
		ntaken += take_note(merger, &notes[i]);
	if (ntaken > 0)
	{
		TupleTableSlot *row = fetch(merger, &notes[end - 1]);

		if (row != NULL)
			cq_group_combine(merger->layout, merger->aggcontext, row, merger->sum, merger->merged);
		if (row == NULL || !cq_writer_replace(merger->writer, merger->merged, &root))
		{
			append_sum(merger);
			ntaken--;
		}
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(merger->group_context);
	return ntaken;
}

/* The next group with more than one row, or the end of the notes. */
static void
merge_next(CqCompaction *compaction, Merger *merger)
{
	Note	   *notes = compaction->notes;

	while (compaction->next < compaction->nnotes)
	{
		int			first = compaction->next;
		int			end = first + 1;

		while (end < compaction->nnotes && notes[end].hash == notes[first].hash)
			end++;
		compaction->next = end;
		if (end > first + 1)
		{
			compaction->nmerged += merge_notes(merger, notes, first, end);
			return;
		}
	}
}

static bool
is_over(instr_time start, int64 budget_us)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return (int64) INSTR_TIME_GET_MICROSEC(now) >= budget_us;
}

bool
cq_compact_step(CqCompaction *compaction, Oid state, CqGroupLayout *layout, int64 budget_us)
{
	Merger		merger;
	bool		is_done = false;
	instr_time	start;

	INSTR_TIME_SET_CURRENT(start);
	open_merger(&merger, state, layout);
	do
	{
		CHECK_FOR_INTERRUPTS();
		if (!compaction->is_noted)
			scan_some(compaction, cq_writer_relation(merger.writer), layout);
		else if (compaction->next < compaction->nnotes)
			merge_next(compaction, &merger);
		else
			is_done = !begin_slice(compaction);
	} while (!is_done && !is_over(start, budget_us));
	close_merger(&merger);
	return !is_done;
}
