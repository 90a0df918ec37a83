/*
 * node_cut.c
 *		Deletes what nodes need no more: see node_cut.h.
 */
#include "postgres.h"

#include "catalog/part.h"
#include "exec/node_cut.h"
#include "exec/session_cut.h"
#include "miscadmin.h"
#include "state/retention.h"

#define ROWS_AT_ONCE	100000

/* Of a table: what is before *horizon in the column goes. False: nothing of it ever does. */
static bool
find_horizon(const CqTimeColumn *time, CqWindowBound *bound, TimestampTz needed,
			 TimestampTz *horizon)
{
	if (time->column == InvalidAttrNumber)
		return false;
	*horizon = cq_window_bound_horizon(bound, time->kind, needed - time->lead);
	return true;
}

/* The input that a part is, or NULL. */
static const CqNodeInput *
input_of_part(const CqPart *part, const CqViewPlan *plan)
{
	const CqNode *node;

	if (part->node == 0 || strcmp(part->role, CQ_PART_INPUT) != 0)
		return NULL;
	node = list_nth(plan->tree->nodes, part->node - 1);
	return list_nth(node->inputs, part->number - 1);
}

static char *
column_name(const List *columns, AttrNumber column)
{
	return list_nth_node(ColumnDef, columns, column - 1)->colname;
}

/* Of versions, the last before the horizon stays. */
static void
cut_versions(const CqPart *part, const CqNodeInput *input, TimestampTz before, TimestampTz needed)
{
	const CqVersions *versions = input->versions;
	List	   *keys = NIL;
	ListCell   *cell;

	foreach(cell, versions->keys)
		keys = lappend(keys, column_name(input->columns, lfirst_int(cell)));
	if (!TIMESTAMP_NOT_FINITE(before))
		before -= versions->lead;
	while (cq_retention_delete_versions(part->relation,
										column_name(input->columns, versions->time), keys, before,
										needed - versions->lead, ROWS_AT_ONCE) == ROWS_AT_ONCE)
		CHECK_FOR_INTERRUPTS();
}

/* The column by which rows of a part are told, and its name; NULL: it is none of a node's. */
static const CqTimeColumn *
time_of_part(const CqPart *part, const CqViewPlan *plan, const char **name)
{
	const CqNode *node;
	const CqNodeInput *input = input_of_part(part, plan);
	const CqTimeColumn *time;

	if (part->node == 0)
		return NULL;
	node = list_nth(plan->tree->nodes, part->node - 1);
	time = input != NULL ? &input->time : &node->time;
	if (time->column != InvalidAttrNumber)
		*name = column_name(input != NULL ? input->columns : node->columns, time->column);
	return time;
}

bool
cq_node_cut_is_due(const CqView *view, const CqViewPlan *plan, CqWindowBound *bound,
				   TimestampTz needed)
{
	ListCell   *cell;

	foreach(cell, cq_part_list(view->view))
	{
		const CqPart *part = lfirst(cell);
		const char *name;
		const CqTimeColumn *time = time_of_part(part, plan, &name);
		TimestampTz horizon;

		if (time != NULL && find_horizon(time, bound, needed, &horizon) &&
			cq_retention_is_due(part->relation, name, horizon))
			return true;
	}
	return false;
}

void
cq_node_cut(const CqView *view, const CqViewPlan *plan, CqWindowBound *bound, TimestampTz before,
			TimestampTz needed)
{
	ListCell   *cell;

	foreach(cell, cq_part_list(view->view))
	{
		const CqPart *part = lfirst(cell);
		const CqNodeInput *input = input_of_part(part, plan);
		const char *name;
		const CqTimeColumn *time = time_of_part(part, plan, &name);
		TimestampTz horizon;

		if (input != NULL && input->versions != NULL)
			cut_versions(part, input, before, needed);
		if (input != NULL && input->sessions != NULL)
		{
			cq_session_cut(part->relation, input->sessions, name, needed);
			continue;
		}
		if (time == NULL || !find_horizon(time, bound, needed, &horizon))
			continue;
		while (cq_retention_delete(part->relation, name, horizon, ROWS_AT_ONCE,
								   NULL) == ROWS_AT_ONCE)
			CHECK_FOR_INTERRUPTS();
	}
}
