/*
 * change_buffer.c
 *		Keeps changes until a run is over: see change_buffer.h.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "state/change_buffer.h"
#include "utils/tuplestore.h"

/* What of a change there is. */
#define BEFORE	1
#define AFTER	2

typedef struct ChangeBuffer
{
	CqChangeReceiver pub;
	CqChangeReceiver *next;
	TupleDesc	row;
	MemoryContext context;		/* of the buffer */
	Tuplestorestate *rows;		/* before and after, as they are there; NULL: no change so far */
	StringInfoData parts;		/* a byte for each change */
} ChangeBuffer;

static void
keep(ChangeBuffer *buffer, TupleTableSlot *row)
{
	if (row != NULL)
		tuplestore_puttupleslot(buffer->rows, row);
}

static void
buffer_change(CqChangeReceiver *self, TupleTableSlot *before, TupleTableSlot *after)
{
	ChangeBuffer *buffer = (ChangeBuffer *) self;
	MemoryContext caller = MemoryContextSwitchTo(buffer->context);

	if (buffer->rows == NULL)
		buffer->rows = tuplestore_begin_heap(false, false, work_mem);
	keep(buffer, before);
	keep(buffer, after);
	appendStringInfoCharMacro(&buffer->parts, (before ? BEFORE : 0) | (after ? AFTER : 0));
	MemoryContextSwitchTo(caller);
}

static TupleTableSlot *
next_row(ChangeBuffer *buffer, TupleTableSlot *slot)
{
	if (!tuplestore_gettupleslot(buffer->rows, true, false, slot))
		elog(ERROR, "a change has been lost");
	slot_getallattrs(slot);
	return slot;
}

static void
finish_buffer(CqChangeReceiver *self)
{
	ChangeBuffer *buffer = (ChangeBuffer *) self;
	TupleTableSlot *before = MakeSingleTupleTableSlot(buffer->row, &TTSOpsMinimalTuple);
	TupleTableSlot *after = MakeSingleTupleTableSlot(buffer->row, &TTSOpsMinimalTuple);

	for (int i = 0; i < buffer->parts.len; i++)
	{
		char		parts = buffer->parts.data[i];
		TupleTableSlot *was = parts & BEFORE ? next_row(buffer, before) : NULL;

		CHECK_FOR_INTERRUPTS();
		buffer->next->take(buffer->next, was, parts & AFTER ? next_row(buffer, after) : NULL);
	}
	buffer->next->finish(buffer->next);
	ExecDropSingleTupleTableSlot(before);
	ExecDropSingleTupleTableSlot(after);
	if (buffer->rows != NULL)
		tuplestore_end(buffer->rows);
}

CqChangeReceiver *
cq_change_buffer_open(TupleDesc row, CqChangeReceiver *next)
{
	ChangeBuffer *buffer = palloc0(sizeof(ChangeBuffer));

	buffer->pub.take = buffer_change;
	buffer->pub.finish = finish_buffer;
	buffer->next = next;
	buffer->row = row;
	buffer->context = CurrentMemoryContext;
	initStringInfo(&buffer->parts);
	return &buffer->pub;
}
