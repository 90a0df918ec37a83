/*
 * latest.c
 *		Streams with mode upsert: see latest.h.
 *
 * A key has a row in each partition: messages of one partition have an order, those of different
 * ones have none. Producers send all messages of a key to the same partition.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "stream/latest.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

/* What stands before the stream's columns in what is sorted. */
enum
{
	KEY,
	PARTITION,
	OFFSET,
	IS_GONE,
	NLEADING
};

struct CqLatest
{
	int			natts;			/* of the stream */
	const Bitmapset *needed;
	TupleDesc	sorted;
	Tuplesortstate *sort;
	TupleTableSlot *entering;
	TupleTableSlot *leaving;
	struct varlena *key;		/* of the row that was looked at last; NULL: none */
	int32		partition;
	MemoryContext context;
	MemoryContext scratch;
};

/* Columns that nobody needs are there as well, and null. */
static TupleDesc
sorted_columns(TupleDesc columns)
{
	TupleDesc	sorted = CreateTemplateTupleDesc(NLEADING + columns->natts);

	TupleDescInitEntry(sorted, KEY + 1, "key", BYTEAOID, -1, 0);
	TupleDescInitEntry(sorted, PARTITION + 1, "partition", INT4OID, -1, 0);
	TupleDescInitEntry(sorted, OFFSET + 1, "offset", INT8OID, -1, 0);
	TupleDescInitEntry(sorted, IS_GONE + 1, "is_gone", BOOLOID, -1, 0);
	for (int i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);

		TupleDescInitEntry(sorted, NLEADING + i + 1, NULL,
						   column->attisdropped ? INT4OID : column->atttypid, -1, 0);
	}
	return sorted;
}

CqLatest *
cq_latest_begin(TupleDesc columns, const Bitmapset *needed)
{
	static AttrNumber by[] = {KEY + 1, PARTITION + 1, OFFSET + 1};
	static bool nulls_first[] = {false, false, false};
	Oid			collations[] = {InvalidOid, InvalidOid, InvalidOid};
	Oid			operators[] = {
		lookup_type_cache(BYTEAOID, TYPECACHE_LT_OPR)->lt_opr,
		lookup_type_cache(INT4OID, TYPECACHE_LT_OPR)->lt_opr,
		lookup_type_cache(INT8OID, TYPECACHE_GT_OPR)->gt_opr
	};
	CqLatest   *latest = palloc0(sizeof(CqLatest));

	latest->natts = columns->natts;
	latest->needed = needed;
	latest->sorted = sorted_columns(columns);
	latest->sort = tuplesort_begin_heap(latest->sorted, lengthof(by), by, operators, collations,
										nulls_first, work_mem, NULL, TUPLESORT_NONE);
	latest->entering = MakeSingleTupleTableSlot(latest->sorted, &TTSOpsVirtual);
	latest->leaving = MakeSingleTupleTableSlot(latest->sorted, &TTSOpsMinimalTuple);
	latest->context = CurrentMemoryContext;
	latest->scratch = AllocSetContextCreate(CurrentMemoryContext, "pg_cq latest row",
											ALLOCSET_SMALL_SIZES);
	return latest;
}

void
cq_latest_add(CqLatest *latest, const CqBatch *batch, int row)
{
	const CqMessage *message = &batch->fetch.messages[row];
	TupleTableSlot *slot = latest->entering;
	MemoryContext caller = MemoryContextSwitchTo(latest->scratch);
	int			attno = -1;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, sizeof(bool) * latest->sorted->natts);
	memset(slot->tts_isnull, false, sizeof(bool) * NLEADING);
	slot->tts_values[KEY] =
		PointerGetDatum(cstring_to_text_with_len(message->key, message->key_length));
	slot->tts_values[PARTITION] = Int32GetDatum(batch->fetch.slices[message->slice].partition);
	slot->tts_values[OFFSET] = Int64GetDatum(message->offset);
	slot->tts_values[IS_GONE] = BoolGetDatum(bms_is_member(row, batch->gone));
	while ((attno = bms_next_member(latest->needed, attno)) >= 0)
	{
		slot->tts_values[NLEADING + attno - 1] = batch->values[attno - 1][row];
		slot->tts_isnull[NLEADING + attno - 1] = batch->nulls[attno - 1][row];
	}
	MemoryContextSwitchTo(caller);
	tuplesort_puttupleslot(latest->sort, ExecStoreVirtualTuple(slot));
	MemoryContextReset(latest->scratch);
}

void
cq_latest_settle(CqLatest *latest)
{
	tuplesort_performsort(latest->sort);
}

/* Is the row the first of its key and partition? Those that come then are older. */
static bool
is_newest(CqLatest *latest, TupleTableSlot *row)
{
	struct varlena *key = PG_DETOAST_DATUM_PACKED(row->tts_values[KEY]);
	int32		partition = DatumGetInt32(row->tts_values[PARTITION]);
	Size		length = VARSIZE_ANY_EXHDR(key);

	if (latest->key != NULL && latest->partition == partition &&
		VARSIZE_ANY_EXHDR(latest->key) == length &&
		memcmp(VARDATA_ANY(latest->key), VARDATA_ANY(key), length) == 0)
		return false;
	if (latest->key != NULL)
		pfree(latest->key);
	latest->key = MemoryContextAlloc(latest->context, VARSIZE_ANY(key));
	memcpy(latest->key, key, VARSIZE_ANY(key));
	latest->partition = partition;
	return true;
}

bool
cq_latest_next(CqLatest *latest, Datum *values, bool *nulls)
{
	TupleTableSlot *row = latest->leaving;

	while (tuplesort_gettupleslot(latest->sort, true, false, row, NULL))
	{
		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(row);
		if (!is_newest(latest, row) || DatumGetBool(row->tts_values[IS_GONE]))
			continue;
		memcpy(values, row->tts_values + NLEADING, sizeof(Datum) * latest->natts);
		memcpy(nulls, row->tts_isnull + NLEADING, sizeof(bool) * latest->natts);
		return true;
	}
	return false;
}

void
cq_latest_end(CqLatest *latest)
{
	tuplesort_end(latest->sort);
	ExecDropSingleTupleTableSlot(latest->entering);
	ExecDropSingleTupleTableSlot(latest->leaving);
	MemoryContextDelete(latest->scratch);
	if (latest->key != NULL)
		pfree(latest->key);
	pfree(latest);
}

/* ---- messages of a batch ---- */

#define ROW_IS_THERE FirstOffsetNumber
#define KEY_IS_GONE (FirstOffsetNumber + 1)

void
cq_latest_place(const CqBatch *batch, int row, ItemPointer place)
{
	ItemPointerSet(place, batch->fetch.slices[batch->fetch.messages[row].slice].partition,
				   bms_is_member(row, batch->gone) ? KEY_IS_GONE : ROW_IS_THERE);
}

PG_FUNCTION_INFO_V1(cq_message_partition);
PG_FUNCTION_INFO_V1(cq_message_is_gone);

/* _cq.message_partition(place tid) */
Datum
cq_message_partition(PG_FUNCTION_ARGS)
{
	ItemPointer place = (ItemPointer) PG_GETARG_POINTER(0);

	PG_RETURN_INT32((int32) ItemPointerGetBlockNumberNoCheck(place));
}

/* _cq.message_is_gone(place tid) */
Datum
cq_message_is_gone(PG_FUNCTION_ARGS)
{
	ItemPointer place = (ItemPointer) PG_GETARG_POINTER(0);

	PG_RETURN_BOOL(ItemPointerGetOffsetNumberNoCheck(place) == KEY_IS_GONE);
}
