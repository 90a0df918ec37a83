/*
 * pairs.c
 *		What a delta of a view's rows tells: see pairs.h.
 *
 * All of it is sorted by a hash of the keys, more than work_mem on disk, and gone over twice: for
 * what is gone, and for the rest. A key has one row before and one after; where it has more, since
 * it is none after all, each is told.
 */
#include "postgres.h"

#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "node/image.h"
#include "node/pairs.h"
#include "utils/memutils.h"
#include "utils/tuplesort.h"

/* What stands before the rows' own columns in what is sorted. */
enum
{
	KEY_HASH,
	WEIGHT,
	NLEADING
};

/* Rows of the keys with one hash. */
typedef struct Rows
{
	List	   *slots;			/* of TupleTableSlot *, kept for the next hash */
	int			nrows;
	TupleTableSlot *shown;		/* one of them, as a row of the view */
} Rows;

typedef struct Pairs
{
	const Bitmapset *key;
	int			natts;
	CqImages   *images;
	TupleDesc	sorted;
	Tuplesortstate *sort;
	Rows		gone;
	Rows		added;
	bool		tells_gone;		/* else the rest */
	CqChangeReceiver *receiver;
	MemoryContext context;
	MemoryContext scratch;
} Pairs;

static TupleDesc
sorted_columns(const CqDelta *delta)
{
	TupleDesc	sorted = CreateTemplateTupleDesc(NLEADING + delta->natts);

	TupleDescInitEntry(sorted, KEY_HASH + 1, "key_hash", INT8OID, -1, 0);
	TupleDescInitEntry(sorted, WEIGHT + 1, "weight", INT4OID, -1, 0);
	for (int i = 1; i <= delta->natts; i++)
		TupleDescCopyEntry(sorted, NLEADING + i, delta->columns, i);
	return sorted;
}

static TupleDesc
row_columns(const CqDelta *delta)
{
	TupleDesc	row = CreateTemplateTupleDesc(delta->natts);

	for (int i = 1; i <= delta->natts; i++)
		TupleDescCopyEntry(row, i, delta->columns, i);
	return row;
}

static int64
hash_key(const Pairs *pairs, TupleTableSlot *row)
{
	MemoryContext caller = MemoryContextSwitchTo(pairs->scratch);
	uint64		hash = 0;
	int			column = -1;

	while ((column = bms_next_member(pairs->key, column)) >= 0)
		hash = hash_combine64(hash, row->tts_isnull[column - 1] ? 0 :
							  cq_image_hash(pairs->images, column - 1,
											row->tts_values[column - 1]));
	MemoryContextSwitchTo(caller);
	MemoryContextReset(pairs->scratch);
	return (int64) hash;
}

static void
add_row(Pairs *pairs, TupleTableSlot *entering, TupleTableSlot *row, int32 weight)
{
	slot_getallattrs(row);
	ExecClearTuple(entering);
	entering->tts_values[KEY_HASH] = Int64GetDatum(hash_key(pairs, row));
	entering->tts_values[WEIGHT] = Int32GetDatum(weight);
	memset(entering->tts_isnull, false, sizeof(bool) * NLEADING);
	memcpy(entering->tts_values + NLEADING, row->tts_values, sizeof(Datum) * pairs->natts);
	memcpy(entering->tts_isnull + NLEADING, row->tts_isnull, sizeof(bool) * pairs->natts);
	tuplesort_puttupleslot(pairs->sort, ExecStoreVirtualTuple(entering));
}

static void
sort_rows(Pairs *pairs, CqDelta *delta)
{
	static AttrNumber by[] = {KEY_HASH + 1};
	static Oid	operators[] = {Int8LessOperator};
	static Oid	collations[] = {InvalidOid};
	static bool nulls_first[] = {false};
	TupleTableSlot *entering = MakeSingleTupleTableSlot(pairs->sorted, &TTSOpsVirtual);
	TupleTableSlot *row = cq_delta_slot(delta);
	int32		weight;

	pairs->sort = tuplesort_begin_heap(pairs->sorted, lengthof(by), by, operators, collations,
									   nulls_first, work_mem, NULL, TUPLESORT_RANDOMACCESS);
	cq_delta_rewind(delta);
	while (cq_delta_next(delta, row, &weight))
		add_row(pairs, entering, row, weight);
	ExecDropSingleTupleTableSlot(entering);
	ExecDropSingleTupleTableSlot(row);
	tuplesort_performsort(pairs->sort);
}

/* ---- rows with one hash ---- */

static void
keep_row(Pairs *pairs, Rows *rows, TupleTableSlot *sorted)
{
	TupleTableSlot *slot;

	if (rows->nrows == list_length(rows->slots))
	{
		MemoryContext caller = MemoryContextSwitchTo(pairs->context);

		rows->slots = lappend(rows->slots,
							  MakeSingleTupleTableSlot(pairs->sorted, &TTSOpsMinimalTuple));
		MemoryContextSwitchTo(caller);
	}
	slot = list_nth(rows->slots, rows->nrows++);
	ExecCopySlot(slot, sorted);
	slot_getallattrs(slot);
}

static TupleTableSlot *
show_row(const Pairs *pairs, const Rows *rows, int n)
{
	TupleTableSlot *slot = list_nth(rows->slots, n);

	ExecClearTuple(rows->shown);
	memcpy(rows->shown->tts_values, slot->tts_values + NLEADING, sizeof(Datum) * pairs->natts);
	memcpy(rows->shown->tts_isnull, slot->tts_isnull + NLEADING, sizeof(bool) * pairs->natts);
	return ExecStoreVirtualTuple(rows->shown);
}

static bool
has_same_key(const Pairs *pairs, TupleTableSlot *one, TupleTableSlot *other)
{
	MemoryContext caller = MemoryContextSwitchTo(pairs->scratch);
	bool		is_same = true;
	int			column = -1;

	while (is_same && (column = bms_next_member(pairs->key, column)) >= 0)
	{
		int			i = column - 1;

		if (one->tts_isnull[i] || other->tts_isnull[i])
			is_same = one->tts_isnull[i] == other->tts_isnull[i];
		else
			is_same = cq_image_same(pairs->images, i, one->tts_values[i], other->tts_values[i]);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(pairs->scratch);
	return is_same;
}

/* One that is gone and has no partner yet, or -1. */
static int
find_partner(const Pairs *pairs, TupleTableSlot *added, const Bitmapset *taken)
{
	for (int i = 0; i < pairs->gone.nrows; i++)
	{
		if (!bms_is_member(i, taken) && has_same_key(pairs, show_row(pairs, &pairs->gone, i),
													 added))
			return i;
	}
	return -1;
}

static void
end_rows(Pairs *pairs)
{
	CqChangeReceiver *receiver = pairs->receiver;
	Bitmapset  *taken = NULL;

	for (int i = 0; i < pairs->added.nrows; i++)
	{
		TupleTableSlot *added = show_row(pairs, &pairs->added, i);
		int			partner = find_partner(pairs, added, taken);

		if (partner >= 0)
			taken = bms_add_member(taken, partner);
		if (!pairs->tells_gone)
			receiver->take(receiver,
						   partner >= 0 ? show_row(pairs, &pairs->gone, partner) : NULL, added);
	}
	for (int i = 0; i < pairs->gone.nrows && pairs->tells_gone; i++)
	{
		if (!bms_is_member(i, taken))
			receiver->take(receiver, show_row(pairs, &pairs->gone, i), NULL);
	}
	bms_free(taken);
	pairs->gone.nrows = pairs->added.nrows = 0;
}

/* ---- all rows ---- */

static void
tell_rows(Pairs *pairs, bool tells_gone)
{
	TupleTableSlot *sorted = MakeSingleTupleTableSlot(pairs->sorted, &TTSOpsMinimalTuple);
	int64		last = 0;

	pairs->tells_gone = tells_gone;
	while (tuplesort_gettupleslot(pairs->sort, true, false, sorted, NULL))
	{
		int64		hash;
		int32		weight;

		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(sorted);
		hash = DatumGetInt64(sorted->tts_values[KEY_HASH]);
		weight = DatumGetInt32(sorted->tts_values[WEIGHT]);
		if (hash != last)
			end_rows(pairs);
		last = hash;
		for (int i = 0; i < abs(weight); i++)
			keep_row(pairs, weight < 0 ? &pairs->gone : &pairs->added, sorted);
	}
	end_rows(pairs);
	ExecDropSingleTupleTableSlot(sorted);
}

static void
tell_by_key(CqDelta *delta, const Bitmapset *key, CqChangeReceiver *receiver)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "pg_cq pairs", ALLOCSET_DEFAULT_SIZES);
	TupleDesc	row;
	Pairs		pairs = {.key = key, .natts = delta->natts, .receiver = receiver};

	MemoryContextSwitchTo(context);
	row = row_columns(delta);
	pairs.images = cq_image_open(row);
	pairs.sorted = sorted_columns(delta);
	pairs.gone.shown = MakeSingleTupleTableSlot(row, &TTSOpsVirtual);
	pairs.added.shown = MakeSingleTupleTableSlot(row, &TTSOpsVirtual);
	pairs.context = context;
	pairs.scratch = AllocSetContextCreate(context, "pg_cq keys", ALLOCSET_SMALL_SIZES);
	sort_rows(&pairs, delta);
	MemoryContextSwitchTo(caller);
	tell_rows(&pairs, true);
	tuplesort_rescan(pairs.sort);
	tell_rows(&pairs, false);
	tuplesort_end(pairs.sort);
	MemoryContextDelete(context);
}

/* Those of one sign, as they come. */
static void
tell_part(CqDelta *delta, bool tells_gone, CqChangeReceiver *receiver)
{
	TupleTableSlot *row = cq_delta_slot(delta);
	int32		weight;

	cq_delta_rewind(delta);
	while (cq_delta_next(delta, row, &weight))
	{
		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(row);
		for (int i = 0; (weight < 0) == tells_gone && i < abs(weight); i++)
			receiver->take(receiver, tells_gone ? row : NULL, tells_gone ? NULL : row);
	}
	ExecDropSingleTupleTableSlot(row);
}

void
cq_pairs_tell(CqDelta *delta, const Bitmapset *key, bool has_key, CqChangeReceiver *receiver)
{
	if (has_key && delta->has_more && delta->has_less)
	{
		tell_by_key(delta, key, receiver);
		return;
	}
	if (delta->has_less)
		tell_part(delta, true, receiver);
	if (delta->has_more)
		tell_part(delta, false, receiver);
}
