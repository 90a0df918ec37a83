/*
 * output.c
 *		The options sink, notify and changes at CREATE: see output.h.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/sink.h"
#include "catalog/toasting.h"
#include "commands/tablecmds.h"
#include "common/owner.h"
#include "ddl/ddl.h"
#include "ddl/output.h"
#include "executor/spi.h"
#include "nodes/makefuncs.h"
#include "sink/sink.h"
#include "source/log_table.h"
#include "state/group_index.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/varlena.h"

bool
cq_output_tells_changes(const CqViewOptions *options)
{
	return options->sink != NULL || options->notify != NULL || options->changes != NULL;
}

void
cq_output_index_groups(const CqViewPlan *plan, Oid state)
{
	List	   *columns = NIL;

	cq_reject_raise(cq_group_index_check(plan), NULL);
	for (int i = 0; i < cq_plan_nkeys(plan); i++)
		columns = lappend(columns, cq_part_index_column(list_nth_node(ColumnDef, plan->columns,
																	  i)->colname));
	if (columns != NIL)
		cq_part_index_create(state, "groups", columns, false);
}

void
cq_output_index_result(const CqViewPlan *plan, Oid result)
{
	List	   *columns = NIL;
	Bitmapset  *key;
	int			column = -1;

	cq_reject_raise(cq_changes_key(plan, &key), NULL);
	while ((column = bms_next_member(key, column)) >= 0)
		columns = lappend(columns, cq_part_index_column(get_attname(result, column, false)));
	cq_part_index_create(result, "groups", columns, false);
}

Oid
cq_output_find_sink(const CqViewOptions *options)
{
	List	   *name;

	if (options->sink == NULL)
		return InvalidOid;
	name = textToQualifiedNameList(cstring_to_text(options->sink));
	return RangeVarGetRelid(makeRangeVarFromNameList(name), AccessShareLock, false);
}

static void
check_sink(const CqView *row, const CqViewPlan *plan, Oid owner, const char *query_string)
{
	Relation	view = table_open(row->view, AccessShareLock);
	CqSinkTarget target = {
		.view = row->view, .owner = owner, .sink = row->sink, .row = RelationGetDescr(view),
		.is_append_only = cq_changes_only_add(plan, row->emits_on_close) && !row->tells_expired,
		.tells_expired = row->tells_expired, .query_text = query_string,
	};

	target.no_key = cq_changes_key(plan, &target.key);
	cq_sink_check(&target);
	table_close(view, NoLock);
}

/* Rows come at one end and go at the other, all the time. */
static Oid
create_outbox(char *base, Oid owner, const char *query_string)
{
	List	   *options = list_make1(makeDefElem("autovacuum_vacuum_scale_factor",
												 (Node *) makeFloat("0.1"), -1));
	Oid			outbox = cq_view_part_create(RELKIND_RELATION, base, "outbox", cq_outbox_columns(),
											 options, owner, query_string);

	NewRelationCreateToastTable(outbox, (Datum) 0);
	cq_part_index_create(outbox, "ids", list_make1(cq_part_index_column("id")), true);
	return outbox;
}

static void
make_sink(CqView *row, const CqViewPlan *plan, const CqViewOptions *options, Oid owner,
		  const char *query_string)
{
	row->sink = cq_output_find_sink(options);
	check_sink(row, plan, owner, query_string);
	if (cq_sink_kind(row->sink) == CQ_SINK_OUTBOX)
		row->outbox = create_outbox(get_rel_name(row->view), owner, query_string);
}

/* A stream of the view's changes, as the view's owner would make it. */
static void
make_changes(CqView *row, const char *name, Oid owner)
{
	char	   *schema = get_namespace_name(get_rel_namespace(row->view));
	char	   *view = quote_qualified_identifier(schema, get_rel_name(row->view));
	char	   *stream = quote_qualified_identifier(schema, name);
	CqLogTable	log;
	CqActor		actor;

	cq_owner_begin_user(&actor, owner);
	cq_query_command(psprintf("CREATE FOREIGN TABLE %s (old %s, new %s) SERVER cq_log", stream,
							  view, view));
	cq_owner_end(&actor);
	row->changes = get_relname_relid(name, get_rel_namespace(row->view));
	cq_log_table_ensure(row->changes, &log);
}

void
cq_output_make(CqView *row, const CqViewPlan *plan, const CqViewOptions *options, Oid owner,
			   const char *query_string)
{
	if (options->sink != NULL)
		make_sink(row, plan, options, owner, query_string);
	if (options->changes != NULL)
		make_changes(row, options->changes, owner);
}

void
cq_output_connect(const CqView *row)
{
	if (OidIsValid(row->sink))
		cq_adopt_sink(row->sink, row->view);
	if (OidIsValid(row->outbox))
		cq_sink_insert(row->view, row->sink, row->outbox);
}

void
cq_output_drop(const CqView *before)
{
	if (OidIsValid(before->sink))
		deleteDependencyRecordsForSpecific(RelationRelationId, before->view, DEPENDENCY_NORMAL,
										   RelationRelationId, before->sink);
	if (OidIsValid(before->changes))
		cq_view_part_drop(before->changes, false);
	if (!OidIsValid(before->outbox))
		return;
	cq_view_part_drop(before->outbox, true);
	cq_sink_forget(before->view);
}
