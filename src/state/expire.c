/*
 * expire.c
 *		Deletes groups that have not changed for too long: see expire.h.
 *
 * A group goes as a whole or not at all: what is left of it would be taken for all of it. It may
 * have several rows, old and young ones, and somebody may be adding to it meanwhile.
 *
 *	 1. The table is gone over once. Of each row that is young the hash is noted in a bitmap, of
 *	 each that is old the hash and the place in a list, which
 *		is of bounded length: when it is full, only hashes of one half are noted from then on, and
 *		what was noted of the other is forgotten. So the list is complete for the hashes that are in
 *		it.
 *	 2. What has a hash in common with a young row is left out: its group, or, rarely, another.
 *	 (What is common in the bitmap alone differs the next time, for hashes
 *		are salted.)
 *	 3. Of each group that remains, all rows are deleted. Where one of them has changed since, is
 *	 locked, or has gone, those that were deleted are put
 *		back, as one row.
 *
 * A batch that has not committed may have appended a row of such a group, which nobody else sees.
 * Then the group begins anew with that row. One that comes back before it has been deleted goes on
 * where it was. Either is right of a group that was silent for so long.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "state/combiner.h"
#include "state/expire.h"
#include "state/writer.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#define BITMAP_BITS		(UINT32_C(1) << 26)	/* 8 MB: of ten million young rows, one hash in seven is taken for one of theirs */

typedef struct OldRow
{
	uint32		hash;
	ItemPointerData tid;
} OldRow;

typedef struct Search
{
	const CqGroupLayout *layout;
	TimestampTz horizon;
	uint32		salt;
	uint64	   *young;			/* bitmap */
	OldRow	   *old;
	int64		nold;
	int64		max_old;
	uint32		mask;			/* only hashes whose bits here are zero */
	MemoryContext row_context;	/* reset for each row */
} Search;

typedef struct Deletion
{
	CqGroupLayout *layout;
	TimestampTz horizon;
	CqWriter   *writer;
	MemoryContext group_context;	/* reset for each group */
	Node	   *aggcontext;
	TupleTableSlot *first;		/* of the group's rows, for its keys */
	/* of the rows deleted so far, with memory of its own; empty: none */
	TupleTableSlot *sum;
	TupleTableSlot *merged;		/* virtual */
	DestReceiver *deleted;		/* or NULL */
} Deletion;

/* ---- searching ---- */

static void
note_young(Search *search, uint32 hash)
{
	uint32		bit = hash % BITMAP_BITS;

	search->young[bit / 64] |= UINT64CONST(1) << (bit % 64);
}

static bool
is_young(const Search *search, uint32 hash)
{
	uint32		bit = hash % BITMAP_BITS;

	return (search->young[bit / 64] >> (bit % 64)) & 1;
}

/* The list is full: half of the hashes will do. */
static void
forget_half(Search *search)
{
	int64		nkept = 0;

	search->mask = search->mask << 1 | 1;
	for (int64 i = 0; i < search->nold; i++)
	{
		if ((search->old[i].hash & search->mask) == 0)
			search->old[nkept++] = search->old[i];
	}
	search->nold = nkept;
}

static void
note_old(Search *search, uint32 hash, ItemPointer tid)
{
	while (search->nold == search->max_old && (hash & search->mask) == 0 &&
		   search->mask != PG_UINT32_MAX)
		forget_half(search);
	if ((hash & search->mask) != 0 || search->nold == search->max_old)
		return;
	search->old[search->nold].hash = hash;
	search->old[search->nold].tid = *tid;
	search->nold++;
}

static void
note(Relation index, ItemPointer tid, Datum *values, bool *nulls, bool is_alive, void *state)
{
	Search	   *search = state;
	int			column = cq_group_nkeys(search->layout);
	MemoryContext caller = MemoryContextSwitchTo(search->row_context);
	uint32		hash = murmurhash32(cq_group_hash(search->layout, values, nulls) ^ search->salt);

	MemoryContextSwitchTo(caller);
	MemoryContextReset(search->row_context);
	if (!nulls[column] && DatumGetTimestampTz(values[column]) < search->horizon)
		note_old(search, hash, tid);
	else
		note_young(search, hash);
}

/* As if to build an index over the keys and the time: that gives where a row is rooted. */
static void
scan(Search *search, Relation state)
{
	IndexInfo  *columns = makeNode(IndexInfo);
	int			nkeys = cq_group_nkeys(search->layout);

	columns->ii_NumIndexAttrs = columns->ii_NumIndexKeyAttrs = nkeys + 1;
	for (int i = 0; i < nkeys; i++)
		columns->ii_IndexAttrNumbers[i] = i + 1;
	columns->ii_IndexAttrNumbers[nkeys] = cq_group_ncolumns(search->layout);
	columns->ii_Concurrent = true;	/* what a snapshot sees, and no lock */
	search->row_context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq expiry scan",
												ALLOCSET_SMALL_SIZES);
	table_index_build_range_scan(state, NULL, columns, false, false, false, 0, InvalidBlockNumber,
								 note, search, NULL);
	MemoryContextDelete(search->row_context);
}

static int
compare_rows(const void *a, const void *b)
{
	const OldRow *one = a;
	const OldRow *other = b;

	if (one->hash != other->hash)
		return one->hash < other->hash ? -1 : 1;
	return ItemPointerCompare(unconstify(ItemPointerData *, &one->tid),
							  unconstify(ItemPointerData *, &other->tid));
}

/* ---- deleting ---- */

static void
open_deletion(Deletion *deletion, Oid state, CqGroupLayout *layout, TimestampTz horizon)
{
	TupleDesc	descriptor;

	deletion->layout = layout;
	deletion->horizon = horizon;
	deletion->writer = cq_writer_open(state, NULL, NULL);
	if (deletion->writer == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("state table %u of a continuous view is gone", state)));
	descriptor = RelationGetDescr(cq_writer_relation(deletion->writer));
	deletion->group_context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq group",
													ALLOCSET_DEFAULT_SIZES);
	deletion->aggcontext = cq_combiner_context(deletion->group_context);
	deletion->first = MakeSingleTupleTableSlot(descriptor, &TTSOpsVirtual);
	deletion->sum = MakeSingleTupleTableSlot(descriptor, &TTSOpsVirtual);
	deletion->merged = MakeSingleTupleTableSlot(descriptor, &TTSOpsVirtual);
}

static void
close_deletion(Deletion *deletion)
{
	ExecDropSingleTupleTableSlot(deletion->first);
	ExecDropSingleTupleTableSlot(deletion->sum);
	ExecDropSingleTupleTableSlot(deletion->merged);
	cq_writer_close(deletion->writer);
	MemoryContextDelete(deletion->group_context);
}

static TupleTableSlot *
fetch(Deletion *deletion, OldRow *row)
{
	TupleTableSlot *slot = cq_writer_fetch(deletion->writer, &row->tid);

	if (slot != NULL)
		slot_getallattrs(slot);
	return slot;
}

/*
 * Brings the rows of the first one's group to the front, and tells how many there are. 0: one of
 * the rows has gone, or is old no more. (That several groups have a hash in common is rare.)
 */
static int
gather_group(Deletion *deletion, OldRow *rows, int nrows)
{
	int			column = cq_group_ncolumns(deletion->layout) - 1;
	int			ngathered = 0;

	for (int i = 0; i < nrows; i++)
	{
		TupleTableSlot *slot = fetch(deletion, &rows[i]);

		if (slot == NULL || slot->tts_isnull[column] ||
			DatumGetTimestampTz(slot->tts_values[column]) >= deletion->horizon)
			return 0;
		if (i == 0 && nrows > 1)
			ExecCopySlot(deletion->first, slot);
		if (i == 0 || cq_group_same_keys(deletion->layout, slot, deletion->first))
		{
			OldRow		row = rows[i];

			rows[i] = rows[ngathered];
			rows[ngathered++] = row;
		}
	}
	return ngathered;
}

/* Takes a row out of the table and into the sum. */
static bool
take_old_row(Deletion *deletion, OldRow *row, bool is_only)
{
	TupleTableSlot *slot = fetch(deletion, row);

	if (slot == NULL || !cq_writer_delete(deletion->writer))
		return false;
	if (is_only && deletion->deleted != NULL)
		deletion->deleted->receiveSlot(slot, deletion->deleted);
	if (is_only)
		return true;
	if (TupIsNull(deletion->sum))
		ExecCopySlot(deletion->sum, slot);
	else
	{
		cq_group_combine(deletion->layout, deletion->aggcontext, deletion->sum, slot,
						 deletion->merged);
		ExecMaterializeSlot(deletion->merged);
		ExecCopySlot(deletion->sum, deletion->merged);
	}
	return true;
}

static void
put_back(Deletion *deletion)
{
	TupleTableSlot *slot;
	int			ncolumns = cq_group_ncolumns(deletion->layout);

	if (TupIsNull(deletion->sum))
		return;
	slot = cq_writer_next_slot(deletion->writer);
	memcpy(slot->tts_values, deletion->sum->tts_values, sizeof(Datum) * ncolumns);
	memcpy(slot->tts_isnull, deletion->sum->tts_isnull, sizeof(bool) * ncolumns);
	cq_writer_append(deletion->writer, slot, 0);
}

/* How many rows went: all of them, or none. */
static int
delete_group(Deletion *deletion, OldRow *rows, int nrows)
{
	ExecClearTuple(deletion->sum);
	for (int i = 0; i < nrows; i++)
	{
		if (!take_old_row(deletion, &rows[i], nrows == 1))
		{
			put_back(deletion);
			return 0;
		}
	}
	if (!TupIsNull(deletion->sum) && deletion->deleted != NULL)
		deletion->deleted->receiveSlot(deletion->sum, deletion->deleted);
	return nrows;
}

/* Rows with one hash. */
static int
delete_rows(Deletion *deletion, OldRow *rows, int nrows)
{
	MemoryContext caller = MemoryContextSwitchTo(deletion->group_context);
	int			ndeleted = 0;
	int			ngroup;

	for (; nrows > 0 && (ngroup = gather_group(deletion, rows, nrows)) > 0; rows += ngroup,
		 nrows -= ngroup)
		ndeleted += delete_group(deletion, rows, ngroup);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(deletion->group_context);
	return ndeleted;
}

static int64
delete_groups(const Search *search, Oid state, CqGroupLayout *layout, DestReceiver *deleted)
{
	Deletion	deletion = {.deleted = deleted};
	int64		ndeleted = 0;
	int64		end;

	open_deletion(&deletion, state, layout, search->horizon);
	for (int64 first = 0; first < search->nold; first = end)
	{
		CHECK_FOR_INTERRUPTS();
		for (end = first + 1; end < search->nold &&
			 search->old[end].hash == search->old[first].hash; end++)
			;
		if (!is_young(search, search->old[first].hash))
			ndeleted += delete_rows(&deletion, &search->old[first], (int) (end - first));
	}
	close_deletion(&deletion);
	return ndeleted;
}

int64
cq_expire_groups(Oid state, CqGroupLayout *layout, TimestampTz horizon, int64 max_rows, uint32 salt,
				 DestReceiver *deleted)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq expiry",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	Search		search = {.layout = layout, .horizon = horizon, .salt = salt,
						  .max_old = Max(max_rows, 1)};
	Relation	relation = table_open(state, RowExclusiveLock);
	int64		ndeleted;

	search.young = palloc0(BITMAP_BITS / 8);
	search.old = MemoryContextAllocHuge(context, sizeof(OldRow) * search.max_old);
	scan(&search, relation);
	qsort(search.old, search.nold, sizeof(OldRow), compare_rows);
	ndeleted = delete_groups(&search, state, layout, deleted);
	table_close(relation, NoLock);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return ndeleted;
}
