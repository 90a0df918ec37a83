/*
 * latest.c
 *		Streams whose rows change: see latest.h.
 *
 * A key has a row in each partition: messages of one partition have an order, those of different
 * ones have none. Producers send all messages of a key to the same partition.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "stream/envelope.h"
#include "stream/latest.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
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
	/* columns whose values are those of the message before; null: none */
	LACKS,
	NLEADING
};

/* Before it, the rows of a partition are gone. */
typedef struct Truncation
{
	int32		partition;
	int64		offset;
} Truncation;

struct CqLatest
{
	const CqStream *stream;
	TupleDesc	columns;		/* of the stream */
	int			natts;
	const Bitmapset *needed;
	List	   *truncations;	/* of Truncation * */
	Bitmapset  *partitions;		/* that rows have been in */
	TupleDesc	sorted;
	Tuplesortstate *sort;
	TupleTableSlot *entering;
	TupleTableSlot *leaving;
	struct varlena *key;		/* of the row that was looked at last; NULL: none */
	int32		partition;
	bool		is_ahead;		/* the row that comes next is there already, the first of its key */
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
	TupleDescInitEntry(sorted, LACKS + 1, "lacks", INT2ARRAYOID, -1, 0);
	for (int i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);

		TupleDescInitEntry(sorted, NLEADING + i + 1, NULL,
						   column->attisdropped ? INT4OID : column->atttypid, -1, 0);
	}
	return sorted;
}

CqLatest *
cq_latest_begin(const CqStream *stream, TupleDesc columns, const Bitmapset *needed)
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

	latest->stream = stream;
	latest->columns = columns;
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

/* The columns whose values a message leaves out (int2[]), or 0. */
static Datum
columns_lacking(const CqBatch *batch, int row)
{
	Datum	   *columns;
	int			ncolumns = 0;

	if (batch->lacking == NULL)
		return (Datum) 0;
	columns = palloc(sizeof(Datum) * batch->natts);
	for (int i = 0; i < batch->natts; i++)
	{
		if (bms_is_member(row, batch->lacking[i]))
			columns[ncolumns++] = Int16GetDatum(i + 1);
	}
	if (ncolumns == 0)
		return (Datum) 0;
	return PointerGetDatum(construct_array(columns, ncolumns, INT2OID, sizeof(int16), true,
										   TYPALIGN_SHORT));
}

static void
add_truncation(CqLatest *latest, int32 partition, int64 offset)
{
	MemoryContext caller = MemoryContextSwitchTo(latest->context);
	Truncation *truncation = palloc(sizeof(Truncation));

	truncation->partition = partition;
	truncation->offset = offset;
	latest->truncations = lappend(latest->truncations, truncation);
	MemoryContextSwitchTo(caller);
}

static void
note_partition(CqLatest *latest, int32 partition)
{
	MemoryContext caller;

	if (bms_is_member(partition, latest->partitions))
		return;
	caller = MemoryContextSwitchTo(latest->context);
	latest->partitions = bms_add_member(latest->partitions, partition);
	MemoryContextSwitchTo(caller);
}

static void
sort_row(CqLatest *latest, const CqBatch *batch, int row)
{
	const CqMessage *message = &batch->fetch.messages[row];
	TupleTableSlot *slot = latest->entering;
	uint32		length;
	const char *key = cq_envelope_key(batch, row, &length);
	int			attno = -1;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, sizeof(bool) * latest->sorted->natts);
	memset(slot->tts_isnull, false, sizeof(bool) * NLEADING);
	slot->tts_values[KEY] = PointerGetDatum(cstring_to_text_with_len(key, length));
	slot->tts_values[PARTITION] = Int32GetDatum(batch->fetch.slices[message->slice].partition);
	slot->tts_values[OFFSET] = Int64GetDatum(message->offset);
	slot->tts_values[IS_GONE] = BoolGetDatum(bms_is_member(row, batch->gone));
	slot->tts_values[LACKS] = columns_lacking(batch, row);
	slot->tts_isnull[LACKS] = slot->tts_values[LACKS] == (Datum) 0;
	while ((attno = bms_next_member(latest->needed, attno)) >= 0)
	{
		slot->tts_values[NLEADING + attno - 1] = batch->values[attno - 1][row];
		slot->tts_isnull[NLEADING + attno - 1] = batch->nulls[attno - 1][row];
	}
	ExecStoreVirtualTuple(slot);
}

void
cq_latest_add(CqLatest *latest, const CqBatch *batch, int row)
{
	const CqMessage *message = &batch->fetch.messages[row];
	int32		partition = batch->fetch.slices[message->slice].partition;
	MemoryContext caller;

	note_partition(latest, partition);
	if (bms_is_member(row, batch->truncating))
	{
		add_truncation(latest, partition, message->offset);
		return;
	}
	caller = MemoryContextSwitchTo(latest->scratch);
	sort_row(latest, batch, row);
	MemoryContextSwitchTo(caller);
	tuplesort_puttupleslot(latest->sort, latest->entering);
	MemoryContextReset(latest->scratch);
}

void
cq_latest_refuse_truncation(const char *stream)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("a truncate event in stream %s has no place among its rows", stream),
			 errdetail("They are in several partitions, which have no order between them."),
			 errhint("Events of a table that is truncated belong into a topic with one "
					 "partition.")));
}

void
cq_latest_settle(CqLatest *latest)
{
	if (latest->truncations != NIL && bms_num_members(latest->partitions) > 1)
		cq_latest_refuse_truncation(latest->stream->name);
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

static bool
is_truncated(const CqLatest *latest, TupleTableSlot *row)
{
	ListCell   *cell;

	foreach(cell, latest->truncations)
	{
		const Truncation *truncation = lfirst(cell);

		if (DatumGetInt32(row->tts_values[PARTITION]) == truncation->partition &&
			DatumGetInt64(row->tts_values[OFFSET]) < truncation->offset)
			return true;
	}
	return false;
}

static bool
next_row(CqLatest *latest)
{
	CHECK_FOR_INTERRUPTS();
	if (!tuplesort_gettupleslot(latest->sort, true, false, latest->leaving, NULL))
		return false;
	slot_getallattrs(latest->leaving);
	return true;
}

/* ---- values that are left out ---- */

static Bitmapset *
lacks_of(TupleTableSlot *row)
{
	Bitmapset  *lacks = NULL;
	Datum	   *columns;
	int			ncolumns;

	if (row->tts_isnull[LACKS])
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(row->tts_values[LACKS]), INT2OID, sizeof(int16), true,
					  TYPALIGN_SHORT, &columns, NULL, &ncolumns);
	for (int i = 0; i < ncolumns; i++)
		lacks = bms_add_member(lacks, DatumGetInt16(columns[i]));
	return lacks;
}

/* Takes a row's columns, so that they outlast it. */
static void
take_columns(CqLatest *latest, TupleTableSlot *row, const Bitmapset *columns, Datum *values,
			 bool *nulls)
{
	int			attno = -1;

	while ((attno = bms_next_member(columns, attno)) >= 0)
	{
		Form_pg_attribute column = TupleDescAttr(latest->columns, attno - 1);

		nulls[attno - 1] = row->tts_isnull[NLEADING + attno - 1];
		if (!nulls[attno - 1])
			values[attno - 1] = datumCopy(row->tts_values[NLEADING + attno - 1], column->attbyval,
										  column->attlen);
	}
}

static void
raise_unknown(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("field \"%s\" has not changed, and its value is not known", name),
			 errhint("A large value is in the message only where it has changed. With REPLICA "
					 "IDENTITY FULL the source has it in each message.")));
}

/*
 * From the messages before of the same key. False: they do not have all, and such rows are left
 * out.
 */
static bool
fill_row(CqLatest *latest, Bitmapset *lacks, Datum *values, bool *nulls)
{
	MemoryContext caller;

	MemoryContextReset(latest->scratch);
	caller = MemoryContextSwitchTo(latest->scratch);
	take_columns(latest, latest->leaving, latest->needed, values, nulls);
	while (!bms_is_empty(lacks))
	{
		Bitmapset  *known;

		if (!next_row(latest))
			break;
		if (is_newest(latest, latest->leaving))
		{
			latest->is_ahead = true;
			break;
		}
		if (DatumGetBool(latest->leaving->tts_values[IS_GONE]) ||
			is_truncated(latest, latest->leaving))
			break;
		known = bms_difference(lacks, lacks_of(latest->leaving));
		take_columns(latest, latest->leaving, known, values, nulls);
		lacks = bms_del_members(lacks, known);
	}
	MemoryContextSwitchTo(caller);
	if (!bms_is_empty(lacks) && !latest->stream->skip_bad_rows)
		raise_unknown(NameStr(TupleDescAttr(latest->columns, bms_next_member(lacks, -1) -
											1)->attname));
	return bms_is_empty(lacks);
}

bool
cq_latest_next(CqLatest *latest, Datum *values, bool *nulls)
{
	TupleTableSlot *row = latest->leaving;
	Bitmapset  *lacks;

	while (latest->is_ahead || next_row(latest))
	{
		bool		is_newest_of_key = latest->is_ahead || is_newest(latest, row);

		latest->is_ahead = false;
		if (!is_newest_of_key || DatumGetBool(row->tts_values[IS_GONE]) ||
			is_truncated(latest, row))
			continue;
		lacks = lacks_of(row);
		if (lacks == NULL)
		{
			memcpy(values, row->tts_values + NLEADING, sizeof(Datum) * latest->natts);
			memcpy(nulls, row->tts_isnull + NLEADING, sizeof(bool) * latest->natts);
			return true;
		}
		memset(nulls, true, sizeof(bool) * latest->natts);
		if (fill_row(latest, bms_intersect(lacks, latest->needed), values, nulls))
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

void
cq_latest_place(int row, ItemPointer place)
{
	ItemPointerSet(place, row, FirstOffsetNumber);
}

/* The batch that is bound, and which of its messages it is. */
static const CqBatch *
find_message(ItemPointer place, int *row)
{
	const CqBinding *binding = cq_batch_bound();
	BlockNumber number = ItemPointerGetBlockNumberNoCheck(place);

	if (binding == NULL || number < (BlockNumber) binding->first ||
		number >= (BlockNumber) binding->end)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no message of a batch is being read")));
	*row = number;
	return binding->batch;
}

PG_FUNCTION_INFO_V1(cq_message_partition);
PG_FUNCTION_INFO_V1(cq_message_is_gone);
PG_FUNCTION_INFO_V1(cq_message_key);
PG_FUNCTION_INFO_V1(cq_message_lacks);
PG_FUNCTION_INFO_V1(cq_unknown_value);

/* _cq.message_partition(place tid) */
Datum
cq_message_partition(PG_FUNCTION_ARGS)
{
	int			row;
	const CqBatch *batch = find_message((ItemPointer) PG_GETARG_POINTER(0), &row);

	PG_RETURN_INT32(batch->fetch.slices[batch->fetch.messages[row].slice].partition);
}

/* _cq.message_is_gone(place tid) */
Datum
cq_message_is_gone(PG_FUNCTION_ARGS)
{
	int			row;
	const CqBatch *batch = find_message((ItemPointer) PG_GETARG_POINTER(0), &row);

	PG_RETURN_BOOL(bms_is_member(row, batch->gone));
}

/* _cq.message_key(place tid) */
Datum
cq_message_key(PG_FUNCTION_ARGS)
{
	int			row;
	uint32		length;
	const CqBatch *batch = find_message((ItemPointer) PG_GETARG_POINTER(0), &row);
	const char *key = cq_envelope_key(batch, row, &length);

	if (key == NULL)
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(cstring_to_text_with_len(key, length));
}

/* _cq.message_lacks(place tid) */
Datum
cq_message_lacks(PG_FUNCTION_ARGS)
{
	int			row;
	const CqBatch *batch = find_message((ItemPointer) PG_GETARG_POINTER(0), &row);
	Datum		columns = columns_lacking(batch, row);

	if (columns == (Datum) 0)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(columns);
}

/* _cq.unknown_value(name text, type anyelement) */
Datum
cq_unknown_value(PG_FUNCTION_ARGS)
{
	raise_unknown(PG_ARGISNULL(0) ? "?" : text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_NULL();
}
