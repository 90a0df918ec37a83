/*
 * early.c
 *		Rows that are gone before they have come: see early.h.
 *
 * With them, what is kept of a table is always what the table was, less what its log still has: a
 * row has either kept ones, or early ones, or neither.
 */
#include "postgres.h"

#include "access/table.h"
#include "node/changes.h"
#include "node/early.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

typedef struct Settling
{
	CqKept	   *early;
	CqDelta    *rest;			/* what counts */
} Settling;

/* As a rule there are none, and never have been. */
static bool
may_have_rows(Oid table)
{
	Relation	relation = table_open(table, AccessShareLock);
	bool		may = RelationGetNumberOfBlocks(relation) > 0;

	table_close(relation, NoLock);
	return may;
}

/* The changes, and the stored rows of the keys of those with this sign. */
static CqNet *
net_with_stored(CqDelta *changes, CqKept *stored, TupleDesc columns, int32 sign)
{
	CqNet	   *net = cq_net_make(columns, columns->natts);
	CqTouched  *touched = cq_touched_make();
	TupleTableSlot *slot = cq_delta_slot(changes);
	int32		weight;

	cq_delta_rewind(changes);
	while (cq_delta_next(changes, slot, &weight))
	{
		cq_net_add(net, slot, weight);
		if (weight * sign > 0)
			cq_touched_add(touched, cq_changes_hash(slot, columns->natts));
	}
	ExecDropSingleTupleTableSlot(slot);
	cq_kept_fetch(stored, touched, cq_changes_take_stored, net);
	cq_touched_free(touched);
	return net;
}

static void
take_early(void *context, TupleTableSlot *row, ItemPointer tid, int64 *weight)
{
	Settling   *settling = context;

	if (*weight <= 0)
		return;
	cq_kept_delete(settling->early, cq_changes_hash(row, row->tts_tupleDescriptor->natts), tid);
	(*weight)--;
}

static void
add_rest(void *context, TupleTableSlot *row, int64 weight)
{
	cq_delta_add(((Settling *) context)->rest, row, weight);
}

/* A row that is there goes. */
static void
take_kept(void *context, TupleTableSlot *row, ItemPointer tid, int64 *weight)
{
	if (*weight >= 0)
		return;
	cq_delta_add(((Settling *) context)->rest, row, -1);
	(*weight)++;
}

static void
add_rest_or_early(void *context, TupleTableSlot *row, int64 weight)
{
	Settling   *settling = context;

	if (weight >= 0)
		cq_delta_add(settling->rest, row, weight);
	else
		cq_changes_add_rows(settling->early, row, -weight);
}

/* Gives changes itself, or what is left of it, in a delta of its own. */
static CqDelta *
pass(CqDelta *changes, CqKept *stored, TupleDesc columns, int32 sign, Settling *settling,
	 const CqNetWalk *walk)
{
	CqNet	   *net = net_with_stored(changes, stored, columns, sign);

	settling->rest = cq_delta_make(changes->columns, changes->only_grows);
	cq_net_walk(net, walk);
	cq_net_free(net);
	cq_kept_flush(settling->early);
	return settling->rest;
}

CqDelta *
cq_early_settle(CqDelta *changes, CqKept *kept, Oid early, TupleDesc columns)
{
	Settling	settling;
	CqNetWalk	coming = {.stored = take_early, .end = add_rest, .context = &settling};
	CqNetWalk	going = {.stored = take_kept, .end = add_rest_or_early, .context = &settling};
	CqDelta    *between = changes;
	CqDelta    *rest;

	if (!changes->has_less && !may_have_rows(early))
		return changes;
	settling.early = cq_kept_open(early, columns);
	if (changes->has_more && may_have_rows(early))
		between = pass(changes, settling.early, columns, 1, &settling, &coming);
	rest = between->has_less ? pass(between, kept, columns, -1, &settling, &going) : between;
	if (between != changes && between != rest)
		cq_delta_free(between);
	cq_kept_close(settling.early);
	return rest;
}

static void
take_more(void *delta, TupleTableSlot *row)
{
	cq_delta_add(delta, row, 1);
}

void
cq_early_add(Oid early, TupleDesc columns, CqDelta *delta)
{
	CqKept	   *kept = cq_kept_open(early, columns);

	cq_kept_fetch_all(kept, take_more, delta);
	cq_kept_close(kept);
}
