/*
 * told.c
 *		What a transaction changes of a view's rows: see told.h.
 *
 * A view that tells its changes, or whose rows are only added or stored, has them at hand. Of one
 * whose rows are made of partial states when it is read it is known that they have changed, and
 * nothing more: its readers then compare what they know of it with what is there.
 */
#include "postgres.h"

#include "common/columns.h"
#include "exec/told.h"
#include "plan/tree.h"
#include "utils/rel.h"

typedef struct Collector
{
	CqChangeReceiver pub;
	CqDelta    *delta;
	CqChangeReceiver *next;		/* or NULL */
} Collector;

void
cq_told_collect(CqViewExec *exec)
{
	if (exec->plan->telling == CQ_TELLS_NOTHING)
		return;
	exec->told = cq_delta_make(cq_delta_columns(cq_columns_of_relation(exec->view), false),
							   false);
}

void
cq_told_begin(CqViewExec *exec)
{
	exec->told_now = exec->told != NULL ? cq_delta_make(exec->told->columns, false) : NULL;
}

static void
add_all(CqDelta *from, CqDelta *to)
{
	TupleTableSlot *slot = cq_delta_slot(from);
	int32		weight;

	cq_delta_rewind(from);
	while (cq_delta_next(from, slot, &weight))
		cq_delta_add(to, slot, weight);
	ExecDropSingleTupleTableSlot(slot);
}

void
cq_told_add(CqViewExec *exec, CqDelta *stored)
{
	if (exec->told_now == NULL)
		return;
	if (cq_told_is_known(exec))
		add_all(stored, exec->told_now);
	else
		exec->is_told_whole = true;
}

void
cq_told_keep(CqViewExec *exec)
{
	if (exec->told_now == NULL)
		return;
	add_all(exec->told_now, exec->told);
	cq_delta_free(exec->told_now);
	exec->told_now = NULL;
}

static void
collect_change(CqChangeReceiver *self, TupleTableSlot *before, TupleTableSlot *after)
{
	Collector  *collector = (Collector *) self;

	if (before != NULL)
		cq_delta_add(collector->delta, before, -1);
	if (after != NULL)
		cq_delta_add(collector->delta, after, 1);
	if (collector->next != NULL)
		collector->next->take(collector->next, before, after);
}

static void
finish_collecting(CqChangeReceiver *self)
{
	Collector  *collector = (Collector *) self;

	if (collector->next != NULL)
		collector->next->finish(collector->next);
}

bool
cq_told_is_known(const CqViewExec *exec)
{
	return exec->plan->telling != CQ_TELLS_CHANGE;
}

CqChangeReceiver *
cq_told_open(CqViewExec *exec, CqChangeReceiver *next)
{
	Collector  *collector;

	if (exec->told_now == NULL)
		return next;
	if (!cq_told_is_known(exec))
	{
		exec->is_told_whole = true;
		return next;
	}
	collector = palloc0(sizeof(Collector));
	collector->pub.take = collect_change;
	collector->pub.finish = finish_collecting;
	collector->delta = exec->told_now;
	collector->next = next;
	return &collector->pub;
}

bool
cq_told_is_any(const CqViewExec *exec)
{
	return exec->told != NULL && (exec->is_told_whole || exec->told->nrows > 0);
}

CqDelta *
cq_told_changes(const CqViewExec *exec)
{
	return exec->is_told_whole ? NULL : exec->told;
}
