/*
 * expired_told.c
 *		Tells where the changes of a view go that rows have expired: see expired_told.h.
 *
 * A row of the view is made of what is deleted, in the transaction that deletes it: of a group by
 * the expressions that told it before; all else is stored as the view shows it.
 */
#include "postgres.h"

#include "access/table.h"
#include "exec/expired_told.h"
#include "exec/output.h"
#include "exec/view_plan.h"
#include "state/combiner.h"
#include "state/group_row.h"
#include "utils/memutils.h"
#include "utils/rel.h"

typedef struct ExpiredTold
{
	DestReceiver pub;
	CqChangeReceiver *changes;
	CqGroupRow *group_row;		/* NULL: what is deleted begins with the view's columns */
	TupleTableSlot *row;		/* virtual: these */
	MemoryContext context;		/* of a row */
	Node	   *aggcontext;
} ExpiredTold;

static TupleTableSlot *
make_row(ExpiredTold *told, TupleTableSlot *deleted)
{
	int			natts = told->row->tts_tupleDescriptor->natts;

	if (told->group_row != NULL)
		return cq_group_row_make(told->group_row, told->aggcontext, deleted, CQ_GROUP_ROW_BEFORE);
	ExecClearTuple(told->row);
	memcpy(told->row->tts_values, deleted->tts_values, sizeof(Datum) * natts);
	memcpy(told->row->tts_isnull, deleted->tts_isnull, sizeof(bool) * natts);
	return ExecStoreVirtualTuple(told->row);
}

static bool
tell_deleted(TupleTableSlot *deleted, DestReceiver *self)
{
	ExpiredTold *told = (ExpiredTold *) self;
	MemoryContext caller = MemoryContextSwitchTo(told->context);
	TupleTableSlot *row;

	slot_getallattrs(deleted);
	row = make_row(told, deleted);
	if (row != NULL)
		told->changes->take(told->changes, row, NULL);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(told->context);
	return true;
}

/* The table is its owner's to alter. Of groups the state has been looked at. */
static void
start_telling(DestReceiver *self, int operation, TupleDesc typeinfo)
{
	const ExpiredTold *told = (ExpiredTold *) self;
	TupleDesc	columns = told->row->tts_tupleDescriptor;
	bool		fits = told->group_row != NULL || typeinfo->natts >= columns->natts;

	for (int i = 0; fits && told->group_row == NULL && i < columns->natts; i++)
		fits = TupleDescAttr(typeinfo, i)->atttypid == TupleDescAttr(columns, i)->atttypid;
	if (!fits)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a table does not have the columns that the continuous view needs"),
				 errhint("CREATE OR REPLACE CONTINUOUS VIEW begins again.")));
}

static void
stop_telling(DestReceiver *self)
{
}

static ExpiredTold *
open_told(const CqView *view, Oid owner, const CqViewPlan *plan)
{
	CqChangeReceiver *changes = view->tells_expired ? cq_output_open(view, owner, plan) : NULL;
	ExpiredTold *told;
	Relation	shown;

	if (changes == NULL)
		return NULL;
	told = palloc0(sizeof(ExpiredTold));
	told->pub.receiveSlot = tell_deleted;
	told->pub.rStartup = start_telling;
	told->pub.rShutdown = told->pub.rDestroy = stop_telling;
	told->pub.mydest = DestNone;
	told->changes = changes;
	shown = table_open(view->view, AccessShareLock);
	told->row = MakeSingleTupleTableSlot(CreateTupleDescCopy(RelationGetDescr(shown)),
										 &TTSOpsVirtual);
	table_close(shown, NoLock);
	told->context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq expired row",
										  ALLOCSET_SMALL_SIZES);
	told->aggcontext = cq_combiner_context(told->context);
	return told;
}

DestReceiver *
cq_expired_told_open(const CqView *view, Oid owner, const CqViewPlan *plan)
{
	return (DestReceiver *) open_told(view, owner, plan);
}

DestReceiver *
cq_expired_told_open_groups(const CqView *view, Oid owner, const CqViewPlan *plan)
{
	ExpiredTold *told = open_told(view, owner, plan);

	if (told == NULL)
		return NULL;
	cq_view_plan_check_state(view, plan);
	told->group_row = cq_group_row_open(plan);
	return &told->pub;
}

void
cq_expired_told_close(DestReceiver *self)
{
	ExpiredTold *told = (ExpiredTold *) self;

	if (told == NULL)
		return;
	told->changes->finish(told->changes);
	if (told->group_row != NULL)
		cq_group_row_close(told->group_row);
	ExecDropSingleTupleTableSlot(told->row);
	MemoryContextDelete(told->context);
}
