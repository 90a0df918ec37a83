/*
 * view_plan.c
 *		Plans a continuous view: see view_plan.h.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/stream.h"
#include "common/owner.h"
#include "exec/view_plan.h"
#include "utils/rel.h"

bool
cq_view_plan_has_windows(const CqView *view)
{
	return view->emits_on_close || view->expiry == CQ_EXPIRES_WINDOWS;
}

CqReject *
cq_view_plan(const CqView *view, const Query *definition, CqViewPlan **plan)
{
	CqPlanOptions options = {
		.emits_on_close = view->emits_on_close, .expiry = view->expiry,
		.by_event_time = view->expires_by_event_time,
		.tells_changes = view->tells_changes, .amends_closed = view->amends_late,
		.maintains_tables = view->maintains_tables
	};

	/* Of several streams, the plan itself asks for what there is. */
	if ((cq_view_plan_has_windows(view) || view->expires_by_event_time) &&
		list_length(view->streams) == 1)
	{
		Oid			stream = cq_view_only_stream(view);

		options.event_time = cq_stream_get(stream, cq_owner_of_relation(stream))->event_time;
	}
	return cq_plan_view(definition, &options, plan);
}

static bool
is_pane(const char *column)
{
	return strcmp(column, CQ_PANE_COLUMN) == 0;
}

static void
check_nodes(const CqView *view, const CqViewPlan *plan)
{
	if (!cq_cut_part_fits(plan->tree, view->view))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("what the continuous view keeps is not what its query needs"),
				 errdetail("A view or function that it reads by has been altered."),
				 errhint("CREATE OR REPLACE CONTINUOUS VIEW begins again.")));
}

void
cq_view_plan_check_state(const CqView *view, const CqViewPlan *plan)
{
	Relation	state = table_open(view->state, AccessShareLock);
	TupleDesc	descriptor = RelationGetDescr(state);
	bool		fits = descriptor->natts == list_length(plan->columns);
	ListCell   *cell;

	foreach(cell, plan->columns)
	{
		ColumnDef  *column = lfirst_node(ColumnDef, cell);
		Form_pg_attribute found = fits ? TupleDescAttr(descriptor, foreach_current_index(cell)) :
			NULL;

		fits = fits && found->atttypid == column->typeName->typeOid &&
			is_pane(NameStr(found->attname)) == is_pane(column->colname);
	}
	if (!fits)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" does not have the columns that the continuous view needs",
						RelationGetRelationName(state)),
				 errdetail("The table, the view's definition or an aggregate has been altered."),
				 errhint("CREATE OR REPLACE CONTINUOUS VIEW begins again.")));
	table_close(state, NoLock);
	check_nodes(view, plan);
}
