/*
 * table_change.c
 *		What triggers write of a table's changes, and reading it again: see table_change.h.
 *
 * A statement tells its rows when it ends, from the transition tables. Whoever applies the changes
 * of another server has no such statements: in sessions with session_replication_role = replica
 * each row is told by itself, by a trigger of its own. Each of the two does nothing where it is the
 * other's turn, however somebody has enabled them.
 *
 * It is done with the writer's rights, and asks for none: who may write to the table need not know
 * of views. No code of anybody's runs but the server's.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "source/log_write.h"
#include "stream/table_change.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"

#define MAX_ROWS		1000		/* that are appended at a time, */
#define MAX_BYTES		(4 * 1024 * 1024)	/* or about so much of them */

PG_FUNCTION_INFO_V1(cq_table_changed);

char *
cq_table_change_column(AttrNumber attno)
{
	return psprintf("c%d", attno);
}

/* ---- writing ---- */

typedef struct TableWriter
{
	Relation	stream;
	TupleDesc	columns;		/* its, of an anonymous type: whoever stores a row knows its type */
	AttrNumber *from;			/* by number of the stream's columns, from 0: the relation's, or 0 */
	CqSink	   *sink;			/* NULL: nothing has been written */
	CqOutgoing	rows[MAX_ROWS];
	int			nrows;
	Size		nbytes;
	MemoryContext context;		/* of the rows */
} TableWriter;

/* The column of relation, which is table or a part of it, that a column of the stream has. */
static AttrNumber
find_source(Form_pg_attribute column, Oid table, Relation relation)
{
	AttrNumber	attno = column->attisdropped || NameStr(column->attname)[0] != 'c' ? 0 :
		atoi(NameStr(column->attname) + 1);
	char	   *name;

	if (attno <= 0)
		return InvalidAttrNumber;
	if (RelationGetRelid(relation) != table)
	{
		name = get_attname(table, attno, true);
		attno = name == NULL ? 0 : get_attnum(RelationGetRelid(relation), name);
	}
	if (attno <= 0 || attno > RelationGetNumberOfAttributes(relation) ||
		TupleDescAttr(RelationGetDescr(relation), attno - 1)->atttypid != column->atttypid)
		return InvalidAttrNumber;
	return attno;
}

static TableWriter *
open_writer(Oid table, Oid stream, Relation relation)
{
	TableWriter *writer = palloc0(sizeof(TableWriter));
	TupleDesc	columns;

	writer->stream = table_open(stream, AccessShareLock);
	writer->columns = columns = CreateTupleDescCopy(RelationGetDescr(writer->stream));
	columns->tdtypeid = RECORDOID;
	columns->tdtypmod = -1;
	writer->from = palloc0(sizeof(AttrNumber) * columns->natts);
	for (int i = 0; relation != NULL && i < columns->natts; i++)
		writer->from[i] = find_source(TupleDescAttr(columns, i), table, relation);
	writer->context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq rows of a table",
											ALLOCSET_DEFAULT_SIZES);
	return writer;
}

static void
flush_writer(TableWriter *writer)
{
	CqSourceConfig config = {.stream = RelationGetRelid(writer->stream)};

	if (writer->nrows == 0)
		return;
	if (writer->sink == NULL)
		writer->sink = cq_log_write_open(&config);
	cq_log_write_append(writer->sink, writer->rows, writer->nrows);
	writer->nrows = 0;
	writer->nbytes = 0;
	MemoryContextReset(writer->context);
}

static void
close_writer(TableWriter *writer)
{
	flush_writer(writer);
	if (writer->sink != NULL)
		cq_log_write_close(writer->sink);
	table_close(writer->stream, NoLock);
	MemoryContextDelete(writer->context);
}

/* A row of the stream; row: of the relation, or NULL. In the rows' context. */
static HeapTupleHeader
form_row(const TableWriter *writer, TupleTableSlot *row, int32 weight)
{
	TupleDesc	columns = writer->columns;
	Datum	   *values = palloc0(sizeof(Datum) * columns->natts);
	bool	   *nulls = palloc(sizeof(bool) * columns->natts);
	HeapTuple	tuple;
	HeapTupleHeader formed;

	memset(nulls, true, sizeof(bool) * columns->natts);
	values[0] = Int32GetDatum(weight);
	nulls[0] = false;
	for (int i = 1; row != NULL && i < columns->natts; i++)
	{
		if (writer->from[i] != InvalidAttrNumber)
			values[i] = slot_getattr(row, writer->from[i], &nulls[i]);
	}
	tuple = heap_form_tuple(columns, values, nulls);
	formed = DatumGetHeapTupleHeader(heap_copy_tuple_as_datum(tuple, columns));
	/* Of rows that are not told in the end, there may be any number before the context is reset. */
	heap_freetuple(tuple);
	pfree(values);
	pfree(nulls);
	return formed;
}

/* But for the weight, which both begin with. */
static bool
is_same_row(const HeapTupleHeaderData *one, const HeapTupleHeaderData *other)
{
	Size		length = HeapTupleHeaderGetDatumLength(one);
	Size		begin = offsetof(HeapTupleHeaderData, t_bits);
	Size		behind = one->t_hoff + sizeof(int32);

	return length == HeapTupleHeaderGetDatumLength(other) && one->t_hoff == other->t_hoff &&
		memcmp((const char *) one + begin, (const char *) other + begin,
			   one->t_hoff - begin) == 0 &&
		memcmp((const char *) one + behind, (const char *) other + behind, length - behind) == 0;
}

static void
add_row(TableWriter *writer, HeapTupleHeader row)
{
	CqOutgoing *to = &writer->rows[writer->nrows++];

	memset(to, 0, sizeof(CqOutgoing));
	to->partition = -1;
	to->message.offset = -1;
	to->message.timestamp = DT_NOBEGIN;
	to->message.value = (const char *) row;
	to->message.value_length = HeapTupleHeaderGetDatumLength(row);
	writer->nbytes += to->message.value_length;
}

/* A row that was, one that is; either may be NULL. What no view sees the difference of is not told. */
static void
tell_rows(TableWriter *writer, TupleTableSlot *old, TupleTableSlot *new)
{
	MemoryContext caller;
	HeapTupleHeader before;
	HeapTupleHeader after;

	if (writer->nrows > MAX_ROWS - 2 || writer->nbytes > MAX_BYTES)
		flush_writer(writer);
	caller = MemoryContextSwitchTo(writer->context);
	before = old != NULL ? form_row(writer, old, -1) : NULL;
	after = new != NULL ? form_row(writer, new, 1) : NULL;
	MemoryContextSwitchTo(caller);
	if (before != NULL && after != NULL && is_same_row(before, after))
	{
		pfree(before);
		pfree(after);
		return;
	}
	if (before != NULL)
		add_row(writer, before);
	if (after != NULL)
		add_row(writer, after);
}

static bool
next_row(Tuplestorestate *rows, TupleTableSlot *slot)
{
	return rows != NULL && tuplestore_gettupleslot(rows, true, false, slot);
}

/* Of an UPDATE the n-th row of one was the n-th row of the other. */
static void
tell_transition(TableWriter *writer, const TriggerData *trigger)
{
	TupleDesc	columns = RelationGetDescr(trigger->tg_relation);
	TupleTableSlot *old = MakeSingleTupleTableSlot(columns, &TTSOpsMinimalTuple);
	TupleTableSlot *new = MakeSingleTupleTableSlot(columns, &TTSOpsMinimalTuple);

	for (;;)
	{
		bool		has_old = next_row(trigger->tg_oldtable, old);
		bool		has_new = next_row(trigger->tg_newtable, new);

		if (!has_old && !has_new)
			break;
		CHECK_FOR_INTERRUPTS();
		tell_rows(writer, has_old ? old : NULL, has_new ? new : NULL);
	}
	ExecDropSingleTupleTableSlot(old);
	ExecDropSingleTupleTableSlot(new);
}

static void
tell_one(TableWriter *writer, const TriggerData *trigger)
{
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		tell_rows(writer, NULL, trigger->tg_trigslot);
	else if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		tell_rows(writer, trigger->tg_trigslot, NULL);
	else
		tell_rows(writer, trigger->tg_trigslot, trigger->tg_newslot);
}

void
cq_table_change_mark(Oid stream)
{
	TableWriter *writer = open_writer(InvalidOid, stream, NULL);
	MemoryContext caller = MemoryContextSwitchTo(writer->context);

	add_row(writer, form_row(writer, NULL, 0));
	MemoryContextSwitchTo(caller);
	close_writer(writer);
}

/* _cq.table_changed(stream, table) */
Datum
cq_table_changed(PG_FUNCTION_ARGS)
{
	const TriggerData *trigger = (TriggerData *) fcinfo->context;
	bool		is_replica = SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA;
	TableWriter *writer;
	Oid			stream;

	if (!CALLED_AS_TRIGGER(fcinfo) || !trigger->tg_trigger->tgisinternal ||
		trigger->tg_trigger->tgnargs != 2)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called as a trigger", "_cq.table_changed")));
	stream = atooid(trigger->tg_trigger->tgargs[0]);
	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
	{
		cq_table_change_mark(stream);
		return PointerGetDatum(NULL);
	}
	if ((TRIGGER_FIRED_FOR_ROW(trigger->tg_event) != 0) != is_replica)
		return PointerGetDatum(NULL);
	writer = open_writer(atooid(trigger->tg_trigger->tgargs[1]), stream, trigger->tg_relation);
	if (is_replica)
		tell_one(writer, trigger);
	else
		tell_transition(writer, trigger);
	close_writer(writer);
	return PointerGetDatum(NULL);
}

/* ---- reading ---- */

bool
cq_table_change_begin(CqTableChanges *changes, Oid table, Oid stream, int64 offset,
					  bool in_statement)
{
	Relation	relation;

	if (!cq_log_table_find(stream, &changes->log))
		return false;
	relation = table_open(table, NoLock);
	changes->columns = lookup_rowtype_tupdesc(get_rel_type_id(stream), -1);
	changes->natts = RelationGetNumberOfAttributes(relation);
	changes->from = palloc0(sizeof(AttrNumber) * changes->natts);
	changes->values = palloc(sizeof(Datum) * changes->columns->natts);
	changes->nulls = palloc(sizeof(bool) * changes->columns->natts);
	for (int i = 1; i < changes->columns->natts; i++)
	{
		AttrNumber	attno = find_source(TupleDescAttr(changes->columns, i), table, relation);

		if (attno != InvalidAttrNumber)
			changes->from[attno - 1] = i + 1;
	}
	table_close(relation, NoLock);
	changes->row = AllocSetContextCreate(CurrentMemoryContext, "pg_cq row of a table",
										 ALLOCSET_DEFAULT_SIZES);
	cq_log_scan_begin(&changes->scan, &changes->log, offset, in_statement);
	return true;
}

bool
cq_table_change_next(CqTableChanges *changes, Datum *values, bool *nulls, int32 *weight)
{
	HeapTupleData tuple;
	MemoryContext caller;
	bool		is_null;

	if (!cq_log_scan_next(&changes->scan))	/* it keeps what it allocates */
		return false;
	MemoryContextReset(changes->row);
	caller = MemoryContextSwitchTo(changes->row);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = (HeapTupleHeader)
		PG_DETOAST_DATUM_COPY(slot_getattr(changes->scan.slot, CQ_LOG_VALUE, &is_null));
	tuple.t_len = HeapTupleHeaderGetDatumLength(tuple.t_data);
	MemoryContextSwitchTo(caller);
	heap_deform_tuple(&tuple, changes->columns, changes->values, changes->nulls);
	*weight = DatumGetInt32(changes->values[0]);
	for (int i = 0; i < changes->natts; i++)
	{
		AttrNumber	from = changes->from[i];

		nulls[i] = from == InvalidAttrNumber || changes->nulls[from - 1];
		values[i] = nulls[i] ? (Datum) 0 : changes->values[from - 1];
	}
	return true;
}

void
cq_table_change_end(CqTableChanges *changes)
{
	cq_log_scan_end(&changes->scan);
	MemoryContextDelete(changes->row);
	ReleaseTupleDesc(changes->columns);
}
