/*
 * changes.c
 *		The changes of a node's input: see changes.h.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "node/changes.h"

static void
add_net_row(void *delta, TupleTableSlot *row, int64 weight)
{
	cq_delta_add(delta, row, weight);
}

void
cq_changes_net(CqDelta *changes, TupleDesc columns, AttrNumber hash, CqDelta *to)
{
	CqNet	   *net = cq_net_make(columns, hash);
	CqNetWalk	walk = {.end = add_net_row, .context = to};
	TupleTableSlot *slot = cq_delta_slot(changes);
	int32		weight;

	cq_delta_rewind(changes);
	while (cq_delta_next(changes, slot, &weight))
		cq_net_add(net, slot, weight);
	ExecDropSingleTupleTableSlot(slot);
	cq_net_walk(net, &walk);
	cq_net_free(net);
}

int64
cq_changes_hash(TupleTableSlot *row, AttrNumber natts)
{
	bool		is_null;
	int64		hash = DatumGetInt64(slot_getattr(row, natts, &is_null));

	if (is_null)
		elog(ERROR, "a row of a node has no hash of its key");
	return hash;
}

void
cq_changes_touch(CqDelta *changes, CqTouched *touched)
{
	TupleTableSlot *slot = cq_delta_slot(changes);
	int32		weight;

	cq_delta_rewind(changes);
	while (cq_delta_next(changes, slot, &weight))
		cq_touched_add(touched, cq_changes_hash(slot, changes->natts));
	ExecDropSingleTupleTableSlot(slot);
}

CqDelta *
cq_changes_part(CqDelta *changes, TupleDesc columns, int32 sign)
{
	CqDelta    *part = cq_delta_make(columns, true);
	TupleTableSlot *slot = cq_delta_slot(changes);
	int32		weight;

	cq_delta_rewind(changes);
	while (cq_delta_next(changes, slot, &weight))
		cq_delta_add(part, slot, Max((int64) weight * sign, 0));
	ExecDropSingleTupleTableSlot(slot);
	return part;
}

void
cq_changes_take_stored(void *net, TupleTableSlot *row)
{
	cq_net_add_stored(net, row);
}

void
cq_changes_add_rows(CqKept *kept, TupleTableSlot *row, int64 weight)
{
	int64		key = cq_changes_hash(row, row->tts_tupleDescriptor->natts);

	for (int64 i = 0; i < weight; i++)
	{
		CHECK_FOR_INTERRUPTS();
		cq_kept_add(kept, key, row);
	}
}

static void
delete_stored(void *kept, TupleTableSlot *row, ItemPointer tid, int64 *weight)
{
	if (*weight >= 0)
		return;
	cq_kept_delete(kept, cq_changes_hash(row, row->tts_tupleDescriptor->natts), tid);
	(*weight)++;
}

static void
add_rest(void *kept, TupleTableSlot *row, int64 weight)
{
	if (weight < 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a row that is gone is not in table \"%s\"", cq_kept_name(kept)),
				 errhint("CREATE OR REPLACE CONTINUOUS VIEW begins again.")));
	cq_changes_add_rows(kept, row, weight);
}

/* Rows of negative weight each take a stored one like it with them. */
static void
change_rows(CqKept *kept, TupleDesc columns, CqDelta *changes)
{
	CqNet	   *net = cq_net_make(columns, columns->natts);
	CqNetWalk	walk = {.stored = delete_stored, .end = add_rest, .context = kept};
	CqTouched  *touched = cq_touched_make();
	TupleTableSlot *slot = cq_delta_slot(changes);
	int32		weight;

	cq_delta_rewind(changes);
	while (cq_delta_next(changes, slot, &weight))
	{
		cq_net_add(net, slot, weight);
		if (weight < 0)
			cq_touched_add(touched, cq_changes_hash(slot, columns->natts));
	}
	ExecDropSingleTupleTableSlot(slot);
	cq_kept_fetch(kept, touched, cq_changes_take_stored, net);
	cq_net_walk(net, &walk);
	cq_net_free(net);
	cq_touched_free(touched);
}

/* In the order in which they have come. */
static void
append_rows(CqKept *kept, CqDelta *changes)
{
	TupleTableSlot *slot = cq_delta_slot(changes);
	int32		weight;

	cq_delta_rewind(changes);
	while (cq_delta_next(changes, slot, &weight))
	{
		for (int32 i = 0; i < weight; i++)
			cq_kept_append(kept, slot);
	}
	ExecDropSingleTupleTableSlot(slot);
}

void
cq_changes_write(CqDelta *changes, TupleDesc columns, CqKept *kept)
{
	if (changes->has_less)
		change_rows(kept, columns, changes);
	else
		append_rows(kept, changes);
	cq_kept_flush(kept);
}
