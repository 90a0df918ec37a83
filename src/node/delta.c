/*
 * delta.c
 *		Rows with weights: see delta.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "node/delta.h"
#include "nodes/parsenodes.h"
#include "parser/parse_type.h"
#include "plan/tree.h"
#include "utils/builtins.h"

TupleDesc
cq_delta_columns(List *columns, bool only_grows)
{
	TupleDesc	row = CreateTemplateTupleDesc(list_length(columns) + !only_grows);
	ListCell   *cell;

	foreach(cell, columns)
	{
		ColumnDef  *column = lfirst_node(ColumnDef, cell);
		AttrNumber	attno = foreach_current_index(cell) + 1;
		Oid			type;
		int32		typmod;

		typenameTypeIdAndMod(NULL, column->typeName, &type, &typmod);
		TupleDescInitEntry(row, attno, column->colname, type, typmod, 0);
		if (OidIsValid(column->collOid))
			TupleDescInitEntryCollation(row, attno, column->collOid);
	}
	if (!only_grows)
		TupleDescInitEntry(row, row->natts, CQ_WEIGHT_COLUMN, INT4OID, -1, 0);
	return row;
}

CqDelta *
cq_delta_make(TupleDesc columns, bool only_grows)
{
	CqDelta    *delta = palloc0(sizeof(CqDelta));

	delta->columns = columns;
	delta->only_grows = only_grows;
	delta->natts = columns->natts - !only_grows;
	delta->rows = tuplestore_begin_heap(false, false, work_mem);
	delta->weighted = MakeSingleTupleTableSlot(columns, &TTSOpsVirtual);
	return delta;
}

void
cq_delta_free(CqDelta *delta)
{
	ExecDropSingleTupleTableSlot(delta->weighted);
	tuplestore_end(delta->rows);
	pfree(delta);
}

static void
count_row(CqDelta *delta, int32 weight)
{
	if (weight < 0 && delta->only_grows)
		elog(ERROR, "a row of a relation that only grows is gone");
	delta->nrows++;
	if (weight < 0)
		delta->has_less = true;
	else
		delta->has_more = true;
}

static void
add_once(CqDelta *delta, TupleTableSlot *row, int32 weight)
{
	TupleTableSlot *weighted = delta->weighted;

	CHECK_FOR_INTERRUPTS();
	slot_getsomeattrs(row, delta->natts);
	ExecClearTuple(weighted);
	memcpy(weighted->tts_values, row->tts_values, sizeof(Datum) * delta->natts);
	memcpy(weighted->tts_isnull, row->tts_isnull, sizeof(bool) * delta->natts);
	if (!delta->only_grows)
	{
		weighted->tts_values[delta->natts] = Int32GetDatum(weight);
		weighted->tts_isnull[delta->natts] = false;
	}
	count_row(delta, weight);
	tuplestore_puttupleslot(delta->rows, ExecStoreVirtualTuple(weighted));
}

void
cq_delta_add(CqDelta *delta, TupleTableSlot *row, int64 weight)
{
	while (weight != 0)
	{
		int32		part = Max(Min(weight, delta->only_grows ? 1 : PG_INT32_MAX), -PG_INT32_MAX);

		add_once(delta, row, part);
		weight -= part;
	}
}

void
cq_delta_add_whole(CqDelta *delta, TupleTableSlot *row)
{
	int32		weight = 1;
	bool		is_null = false;

	if (!delta->only_grows)
		weight = DatumGetInt32(slot_getattr(row, delta->natts + 1, &is_null));
	if (is_null)
		elog(ERROR, "a row of a delta has no weight");
	if (weight == 0)
		return;
	count_row(delta, weight);
	tuplestore_puttupleslot(delta->rows, row);
}

typedef struct DeltaReceiver
{
	DestReceiver pub;
	CqDelta    *delta;
	int32		weight;			/* of each row; 0: it is the last column */
} DeltaReceiver;

static void
startup(DestReceiver *self, int operation, TupleDesc typeinfo)
{
	DeltaReceiver *receiver = (DeltaReceiver *) self;
	CqDelta    *delta = receiver->delta;
	int			natts = receiver->weight == 0 ? delta->columns->natts : delta->natts;

	if (typeinfo->natts != natts)
		elog(ERROR, "a plan yields %d columns where %d are expected", typeinfo->natts, natts);
	for (int i = 0; i < natts; i++)
	{
		Form_pg_attribute is = TupleDescAttr(typeinfo, i);
		Form_pg_attribute expected = TupleDescAttr(delta->columns, i);

		if (is->atttypid != expected->atttypid)
			elog(ERROR, "a plan yields %s as column \"%s\", where %s is expected",
				 format_type_be(is->atttypid), NameStr(expected->attname),
				 format_type_be(expected->atttypid));
	}
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	DeltaReceiver *receiver = (DeltaReceiver *) self;

	if (receiver->weight != 0)
		cq_delta_add(receiver->delta, slot, receiver->weight);
	else
		cq_delta_add_whole(receiver->delta, slot);
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
cq_delta_receiver(CqDelta *delta, int32 weight)
{
	DeltaReceiver *receiver = palloc0(sizeof(DeltaReceiver));

	receiver->pub.receiveSlot = receive_row;
	receiver->pub.rStartup = startup;
	receiver->pub.rShutdown = shutdown_receiver;
	receiver->pub.rDestroy = destroy_receiver;
	receiver->pub.mydest = DestNone;
	receiver->delta = delta;
	receiver->weight = weight;
	return &receiver->pub;
}

TupleTableSlot *
cq_delta_slot(const CqDelta *delta)
{
	return MakeSingleTupleTableSlot(delta->columns, &TTSOpsMinimalTuple);
}

/* Queries have read pointers of their own. */
void
cq_delta_rewind(CqDelta *delta)
{
	tuplestore_select_read_pointer(delta->rows, 0);
	tuplestore_rescan(delta->rows);
}

bool
cq_delta_next(CqDelta *delta, TupleTableSlot *slot, int32 *weight)
{
	bool		is_null;

	CHECK_FOR_INTERRUPTS();
	if (!tuplestore_gettupleslot(delta->rows, true, false, slot))
		return false;
	*weight = delta->only_grows ? 1 : DatumGetInt32(slot_getattr(slot, delta->natts + 1, &is_null));
	return true;
}

void
cq_delta_register(CqDelta *delta, char *name, QueryEnvironment *environment)
{
	EphemeralNamedRelation relation = palloc0(sizeof(EphemeralNamedRelationData));

	relation->md.name = name;
	relation->md.reliddesc = InvalidOid;
	relation->md.tupdesc = delta->columns;
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	relation->md.enrtuples = (double) delta->nrows;
	relation->reldata = delta->rows;
	register_ENR(environment, relation);
}
