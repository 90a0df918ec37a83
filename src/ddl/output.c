/*
 * output.c
 *		The options sink and notify at CREATE: see output.h.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/toasting.h"
#include "catalog/view_sink.h"
#include "commands/tablecmds.h"
#include "common/compat.h"
#include "ddl/ddl.h"
#include "ddl/output.h"
#include "nodes/makefuncs.h"
#include "sink/sink.h"
#include "state/group_index.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/varlena.h"

bool
cq_view_tells_changes(const CqViewOptions *options)
{
	return options->sink != NULL || options->notify != NULL;
}

static void
make_index(Oid table, List *columns, const char *label, bool is_unique)
{
	IndexStmt  *index = makeNode(IndexStmt);
	ListCell   *cell;

	foreach(cell, columns)
	{
		IndexElem  *element = makeNode(IndexElem);

		element->name = lfirst(cell);
		index->indexParams = lappend(index->indexParams, element);
	}
	index->accessMethod = "btree";
	index->unique = is_unique;
	index->idxname = ChooseRelationName(get_rel_name(table), NULL, label, get_rel_namespace(table), false);
	(void) cq_compat_define_index(table, index);
	CommandCounterIncrement();
}

void
cq_view_index_groups(const CqViewPlan *plan, Oid state)
{
	List	   *columns = NIL;

	cq_reject_raise(cq_group_index_check(plan), NULL);
	for (int i = 0; i < cq_plan_nkeys(plan); i++)
		columns = lappend(columns, list_nth_node(ColumnDef, plan->columns, i)->colname);
	if (columns != NIL)
		make_index(state, columns, "groups", false);
}

static Oid
find_sink(const char *name)
{
	return RangeVarGetRelid(makeRangeVarFromNameList(textToQualifiedNameList(cstring_to_text(name))), AccessShareLock, false);
}

static void
check_sink(const CqView *row, const CqViewPlan *plan, Oid owner)
{
	Relation	view = table_open(row->view, AccessShareLock);
	CqSinkTarget target = {
		.view = row->view, .owner = owner, .sink = row->sink, .row = RelationGetDescr(view),
		.is_append_only = row->emits_on_close || plan->shape == CQ_SHAPE_ROWS,
	};

	if (plan->shape == CQ_SHAPE_AGGREGATE)
	{
		CqReject   *reject = cq_changes_key(plan, &target.key);

		if (!target.is_append_only)
			cq_reject_raise(reject, NULL);
	}
	cq_sink_check(&target);
	table_close(view, NoLock);
}

/* Rows come at one end and go at the other, all the time. */
static Oid
create_outbox(char *base, Oid owner, const char *query_string)
{
	List	   *options = list_make1(makeDefElem("autovacuum_vacuum_scale_factor", (Node *) makeFloat("0.1"), -1));
	Oid			outbox = cq_view_create_part(RELKIND_RELATION, base, "outbox", cq_outbox_columns(), options, owner, query_string);

	NewRelationCreateToastTable(outbox, (Datum) 0);
	make_index(outbox, list_make1("id"), "ids", true);
	return outbox;
}

void
cq_view_make_output(CqView *row, const CqViewPlan *plan, const char *sink, Oid owner, const char *query_string)
{
	if (sink == NULL)
		return;
	row->sink = find_sink(sink);
	check_sink(row, plan, owner);
	if (cq_sink_kind(row->sink) == CQ_SINK_TOPIC)
		row->outbox = create_outbox(get_rel_name(row->view), owner, query_string);
}

void
cq_view_connect_output(const CqView *row)
{
	if (OidIsValid(row->sink))
		cq_adopt_sink(row->sink, row->view);
	if (!OidIsValid(row->outbox))
		return;
	cq_adopt_part(row->outbox, row->view);
	cq_view_sink_insert(row->view, row->sink, row->outbox);
}

void
cq_view_drop_output(const CqView *before)
{
	if (OidIsValid(before->sink))
		deleteDependencyRecordsForSpecific(RelationRelationId, before->view, DEPENDENCY_NORMAL, RelationRelationId, before->sink);
	if (!OidIsValid(before->outbox))
		return;
	cq_view_drop_part(before->outbox);
	cq_view_sink_forget(before->view);
}
