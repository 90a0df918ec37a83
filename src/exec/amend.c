/*
 * amend.c
 *		Views with late = 'amend': see amend.h.
 *
 * The state of such a view is kept when its windows are emitted, until retention has it go. A batch tells what it changes in windows that are closed; what it
 * changes in others is told when they are emitted. Both hold the closing lock, so that a window is one or the other for all of a batch.
 */
#include "postgres.h"

#include "access/table.h"
#include "exec/amend.h"
#include "exec/output.h"
#include "sink/sink.h"
#include "state/change_buffer.h"
#include "utils/rel.h"

typedef struct Amendment
{
	CqChangeReceiver pub;
	CqChangeReceiver *result;
	CqChangeReceiver *output;	/* or NULL */
} Amendment;

static void
take(CqChangeReceiver *self, TupleTableSlot *before, TupleTableSlot *after)
{
	Amendment  *amendment = (Amendment *) self;

	amendment->result->take(amendment->result, before, after);
	if (amendment->output != NULL)
		amendment->output->take(amendment->output, before, after);
}

static void
finish(CqChangeReceiver *self)
{
	Amendment  *amendment = (Amendment *) self;

	amendment->result->finish(amendment->result);
	if (amendment->output != NULL)
		amendment->output->finish(amendment->output);
}

static CqChangeReceiver *
open_result(const CqView *view, Oid owner, const CqViewPlan *plan)
{
	CqSinkTarget *target = palloc0(sizeof(CqSinkTarget));
	Relation	result = table_open(view->result, RowExclusiveLock);

	target->view = view->view;
	target->owner = owner;
	target->sink = view->result;
	target->row = CreateTupleDescCopy(RelationGetDescr(result));
	table_close(result, NoLock);
	cq_reject_raise(cq_changes_key(plan, &target->key), NULL);
	return cq_change_buffer_open(target->row, cq_sink_open(target));
}

CqChangeReceiver *
cq_amend_open(const CqView *view, Oid owner, const CqViewPlan *plan)
{
	Amendment  *amendment = palloc0(sizeof(Amendment));

	amendment->pub.take = take;
	amendment->pub.finish = finish;
	amendment->result = open_result(view, owner, plan);
	amendment->output = cq_output_open(view, owner, plan);
	return &amendment->pub;
}
