/*
 * node_cut.c
 *		Deletes what nodes need no more: see node_cut.h.
 */
#include "postgres.h"

#include "catalog/part.h"
#include "exec/node_cut.h"
#include "miscadmin.h"
#include "state/retention.h"

#define ROWS_AT_ONCE	100000

static void
cut_table(Oid table, const List *columns, const CqTimeColumn *time, CqWindowBound *bound,
		  TimestampTz needed)
{
	TimestampTz horizon = needed - time->lead;

	if (time->column == InvalidAttrNumber)
		return;
	if (time->kind == CQ_TIME_OF_END)
		horizon++;
	else if (time->kind == CQ_TIME_OF_START)
		horizon = cq_window_bound_first_needed(bound, cq_window_bound_before(bound, horizon));
	while (cq_retention_delete(table, list_nth_node(ColumnDef, columns, time->column - 1)->colname,
							   horizon, ROWS_AT_ONCE) == ROWS_AT_ONCE)
		CHECK_FOR_INTERRUPTS();
}

void
cq_node_cut(const CqView *view, const CqViewPlan *plan, CqWindowBound *bound, TimestampTz needed)
{
	ListCell   *cell;

	foreach(cell, plan->tree != NULL ? cq_part_list(view->view) : NIL)
	{
		const CqPart *part = lfirst(cell);
		const CqNode *node = part->node > 0 ? list_nth(plan->tree->nodes, part->node - 1) : NULL;

		if (node != NULL && strcmp(part->role, CQ_PART_INPUT) == 0)
		{
			const CqNodeInput *input = list_nth(node->inputs, part->number - 1);

			cut_table(part->relation, input->columns, &input->time, bound, needed);
		}
		else if (node != NULL)
			cut_table(part->relation, node->columns, &node->time, bound, needed);
	}
}
