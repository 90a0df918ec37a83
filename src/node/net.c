/*
 * net.c
 *		Brings equal rows together: see net.h.
 *
 * Rows are sorted by the hash of their key, a hash of their bytes, and the place where they are
 * stored; new ones, which have none, come first, so that their weight is known when the stored ones
 * come. Rows with equal hashes that are not the same after all are kept apart, in a list that is
 * never long.
 */
#include "postgres.h"

#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "node/image.h"
#include "node/net.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"
#include "utils/tuplesort.h"

/* What stands before the row's columns in what is sorted. */
enum
{
	KEY_HASH,
	IMAGE_HASH,
	PLACE,						/* 0: a new row */
	WEIGHT,
	NLEADING
};

/* A row that is not like another one, and what all new rows like it weigh. */
typedef struct NetRow
{
	TupleTableSlot *sorted;
	int64		weight;
} NetRow;

struct CqNet
{
	TupleDesc	columns;
	CqImages   *images;
	AttrNumber	hash;
	Tuplesortstate *sort;
	TupleDesc	sorted;			/* leading columns, and those of the row */
	TupleTableSlot *entering;
	TupleTableSlot *shown;		/* virtual: the row alone */
	MemoryContext context;
	MemoryContext scratch;		/* reset for each row: values that had to be read whole */
	List	   *rows;			/* of NetRow *: room for rows with equal hashes */
	int			nrows;			/* so many are there */
};

static TupleDesc
sorted_columns(TupleDesc columns)
{
	TupleDesc	sorted = CreateTemplateTupleDesc(NLEADING + columns->natts);

	TupleDescInitEntry(sorted, KEY_HASH + 1, "key", INT8OID, -1, 0);
	TupleDescInitEntry(sorted, IMAGE_HASH + 1, "image", INT8OID, -1, 0);
	TupleDescInitEntry(sorted, PLACE + 1, "place", INT8OID, -1, 0);
	TupleDescInitEntry(sorted, WEIGHT + 1, "weight", INT4OID, -1, 0);
	for (int i = 0; i < columns->natts; i++)
		TupleDescCopyEntry(sorted, NLEADING + i + 1, columns, i + 1);
	return sorted;
}

CqNet *
cq_net_make(TupleDesc columns, AttrNumber hash)
{
	static AttrNumber by[] = {KEY_HASH + 1, IMAGE_HASH + 1, PLACE + 1};
	static Oid	operators[] = {Int8LessOperator, Int8LessOperator, Int8LessOperator};
	static Oid	collations[] = {InvalidOid, InvalidOid, InvalidOid};
	static bool nulls_first[] = {false, false, false};
	CqNet	   *net = palloc0(sizeof(CqNet));

	net->columns = columns;
	net->images = cq_image_open(columns);
	net->hash = hash;
	net->sorted = sorted_columns(columns);
	net->sort = tuplesort_begin_heap(net->sorted, lengthof(by), by, operators, collations,
									 nulls_first, work_mem, NULL, TUPLESORT_NONE);
	net->entering = MakeSingleTupleTableSlot(net->sorted, &TTSOpsVirtual);
	net->shown = MakeSingleTupleTableSlot(columns, &TTSOpsVirtual);
	net->context = CurrentMemoryContext;
	net->scratch = AllocSetContextCreate(net->context, "pg_cq equal rows", ALLOCSET_SMALL_SIZES);
	return net;
}

void
cq_net_free(CqNet *net)
{
	ListCell   *cell;

	tuplesort_end(net->sort);
	foreach(cell, net->rows)
		ExecDropSingleTupleTableSlot(((NetRow *) lfirst(cell))->sorted);
	ExecDropSingleTupleTableSlot(net->entering);
	ExecDropSingleTupleTableSlot(net->shown);
	MemoryContextDelete(net->scratch);
	FreeTupleDesc(net->sorted);
	pfree(net);
}

static uint64
hash_image(CqNet *net, const Datum *values, const bool *nulls)
{
	MemoryContext caller = MemoryContextSwitchTo(net->scratch);
	uint64		hash = 0;

	for (int i = 0; i < net->columns->natts; i++)
	{
		if (i + 1 == net->hash)
			continue;
		hash = hash_combine64(hash, nulls[i] ? 0 : cq_image_hash(net->images, i, values[i]));
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(net->scratch);
	return hash;
}

static int64
place_number(ItemPointer tid)
{
	return ((int64) ItemPointerGetBlockNumber(tid) << 16) + ItemPointerGetOffsetNumber(tid);
}

static void
add_row(CqNet *net, TupleTableSlot *row, int64 place, int32 weight)
{
	TupleTableSlot *entering = net->entering;
	int			natts = net->columns->natts;
	Datum		key = Int64GetDatum(0);

	slot_getsomeattrs(row, natts);
	if (net->hash != InvalidAttrNumber)
	{
		if (row->tts_isnull[net->hash - 1])
			elog(ERROR, "a row of a node has no hash of its key");
		key = row->tts_values[net->hash - 1];
	}
	ExecClearTuple(entering);
	entering->tts_values[KEY_HASH] = key;
	entering->tts_values[IMAGE_HASH] = UInt64GetDatum(hash_image(net, row->tts_values,
																 row->tts_isnull));
	entering->tts_values[PLACE] = Int64GetDatum(place);
	entering->tts_values[WEIGHT] = Int32GetDatum(weight);
	memset(entering->tts_isnull, false, sizeof(bool) * NLEADING);
	memcpy(entering->tts_values + NLEADING, row->tts_values, sizeof(Datum) * natts);
	memcpy(entering->tts_isnull + NLEADING, row->tts_isnull, sizeof(bool) * natts);
	tuplesort_puttupleslot(net->sort, ExecStoreVirtualTuple(entering));
}

void
cq_net_add(CqNet *net, TupleTableSlot *row, int32 weight)
{
	add_row(net, row, 0, weight);
}

void
cq_net_add_stored(CqNet *net, TupleTableSlot *row)
{
	add_row(net, row, place_number(&row->tts_tid), 0);
}

typedef struct NetReceiver
{
	DestReceiver pub;
	CqNet	   *net;
} NetReceiver;

static void
startup(DestReceiver *self, int operation, TupleDesc typeinfo)
{
	if (typeinfo->natts != ((NetReceiver *) self)->net->columns->natts)
		elog(ERROR, "a step yields %d columns where %d are expected", typeinfo->natts,
			 ((NetReceiver *) self)->net->columns->natts);
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	add_row(((NetReceiver *) self)->net, slot, 0, 1);
	return true;
}

static void
shutdown_receiver(DestReceiver *self)
{
}

static void
destroy_receiver(DestReceiver *self)
{
	pfree(self);
}

DestReceiver *
cq_net_receiver(CqNet *net)
{
	NetReceiver *receiver = palloc0(sizeof(NetReceiver));

	receiver->pub.receiveSlot = receive_row;
	receiver->pub.rStartup = startup;
	receiver->pub.rShutdown = shutdown_receiver;
	receiver->pub.rDestroy = destroy_receiver;
	receiver->pub.mydest = DestNone;
	receiver->net = net;
	return &receiver->pub;
}

static bool
has_same_hashes(TupleTableSlot *one, TupleTableSlot *other)
{
	return DatumGetInt64(one->tts_values[KEY_HASH]) == DatumGetInt64(other->tts_values[KEY_HASH]) &&
		DatumGetInt64(one->tts_values[IMAGE_HASH]) == DatumGetInt64(other->tts_values[IMAGE_HASH]);
}

static bool
is_same_row(CqNet *net, TupleTableSlot *one, TupleTableSlot *other)
{
	MemoryContext caller = MemoryContextSwitchTo(net->scratch);
	bool		is_same = true;

	for (int i = 0; is_same && i < net->columns->natts; i++)
	{
		int			at = NLEADING + i;

		if (one->tts_isnull[at] || other->tts_isnull[at])
			is_same = one->tts_isnull[at] == other->tts_isnull[at];
		else
			is_same = cq_image_same(net->images, i, one->tts_values[at], other->tts_values[at]);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(net->scratch);
	return is_same;
}

static NetRow *
add_different_row(CqNet *net, TupleTableSlot *sorted)
{
	NetRow	   *row;

	if (net->nrows == list_length(net->rows))
	{
		MemoryContext caller = MemoryContextSwitchTo(net->context);

		row = palloc(sizeof(NetRow));
		row->sorted = MakeSingleTupleTableSlot(net->sorted, &TTSOpsMinimalTuple);
		net->rows = lappend(net->rows, row);
		MemoryContextSwitchTo(caller);
	}
	row = list_nth(net->rows, net->nrows++);
	ExecCopySlot(row->sorted, sorted);
	slot_getallattrs(row->sorted);
	row->weight = 0;
	return row;
}

/* Among those with the same hashes; else it becomes one. */
static NetRow *
find_same_row(CqNet *net, TupleTableSlot *sorted)
{
	for (int i = 0; i < net->nrows; i++)
	{
		NetRow	   *row = list_nth(net->rows, i);

		if (is_same_row(net, row->sorted, sorted))
			return row;
	}
	return add_different_row(net, sorted);
}

static TupleTableSlot *
show_row(CqNet *net, TupleTableSlot *sorted)
{
	int			natts = net->columns->natts;

	ExecClearTuple(net->shown);
	memcpy(net->shown->tts_values, sorted->tts_values + NLEADING, sizeof(Datum) * natts);
	memcpy(net->shown->tts_isnull, sorted->tts_isnull + NLEADING, sizeof(bool) * natts);
	return ExecStoreVirtualTuple(net->shown);
}

static void
end_rows(CqNet *net, const CqNetWalk *walk)
{
	for (int i = 0; i < net->nrows; i++)
	{
		NetRow	   *row = list_nth(net->rows, i);

		walk->end(walk->context, show_row(net, row->sorted), row->weight);
		ExecClearTuple(row->sorted);
	}
	net->nrows = 0;
}

static void
walk_row(CqNet *net, const CqNetWalk *walk, TupleTableSlot *sorted)
{
	int64		place = DatumGetInt64(sorted->tts_values[PLACE]);
	NetRow	   *row;

	if (net->nrows > 0 && !has_same_hashes(((NetRow *) linitial(net->rows))->sorted, sorted))
		end_rows(net, walk);
	row = find_same_row(net, sorted);
	if (place == 0)
		row->weight += DatumGetInt32(sorted->tts_values[WEIGHT]);
	else
	{
		ItemPointerData tid;

		ItemPointerSet(&tid, (BlockNumber) (place >> 16), (OffsetNumber) (place & 0xffff));
		walk->stored(walk->context, show_row(net, sorted), &tid, &row->weight);
	}
}

void
cq_net_walk(CqNet *net, const CqNetWalk *walk)
{
	TupleTableSlot *sorted = MakeSingleTupleTableSlot(net->sorted, &TTSOpsMinimalTuple);

	tuplesort_performsort(net->sort);
	while (tuplesort_gettupleslot(net->sort, true, false, sorted, NULL))
	{
		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(sorted);
		walk_row(net, walk, sorted);
	}
	end_rows(net, walk);
	ExecDropSingleTupleTableSlot(sorted);
}
