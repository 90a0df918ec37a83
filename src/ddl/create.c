/*
 * create.c
 *		CREATE [OR REPLACE] CONTINUOUS VIEW.
 *
 * Makes, all owned by the view's owner:
 *		the view itself, in its schema: reads the state table (plan/read.c);
 *		the definition, a view in _cq: the query as it was written;
 *		the state, a table in _cq: keys and partial states, or rows.
 * The latter two depend on the view INTERNALly, so that the server drops them with it, refuses to
 * drop them alone, and says "view v depends on …" when somebody drops what the definition reads.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/event.h"
#include "catalog/follow.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "common/owner.h"
#include "common/part_name.h"
#include "catalog/part.h"
#include "catalog/pg_class.h"
#include "catalog/pg_tablespace.h"
#include "catalog/toasting.h"
#include "catalog/view.h"
#include "catalog/view_start.h"
#include "commands/defrem.h"
#include "commands/tablecmds.h"
#include "commands/tablespace.h"
#include "commands/view.h"
#include "common/compat.h"
#include "common/settings.h"
#include "ddl/create_nodes.h"
#include "ddl/create_plan.h"
#include "ddl/ddl.h"
#include "ddl/fingerprint.h"
#include "ddl/maintain.h"
#include "ddl/named.h"
#include "ddl/output.h"
#include "ddl/replaced.h"
#include "ddl/series_call.h"
#include "ddl/view_options.h"
#include "miscadmin.h"
#include "node/tree_run.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "plan/plan.h"
#include "plan/width.h"
#include "rewrite/rewriteHandler.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "worker/control.h"
#include "worker/slots.h"

/*
 * Once the name is found: with a schema's name, that only tells whether the view would be
 * temporary.
 */
static void
check_statement(const ViewStmt *stmt)
{
	if (stmt->view->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a continuous view cannot be temporary"),
				 errdetail("Its workers are other sessions, which do not see temporary "
						   "relations.")));
	if (stmt->withCheckOption != NO_CHECK_OPTION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("WITH CHECK OPTION is not supported on continuous views"),
				 errdetail("A continuous view is not updatable.")));
}

/* Renames the columns of query after CREATE VIEW v (a, b, …). */
static void
apply_aliases(Query *query, List *aliases)
{
	ListCell   *alias = list_head(aliases);
	ListCell   *cell;

	foreach(cell, query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);

		if (alias == NULL)
			return;
		if (entry->resjunk)
			continue;
		entry->resname = pstrdup(strVal(lfirst(alias)));
		alias = lnext(aliases, alias);
	}
	if (alias != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("CREATE VIEW specifies more column names than columns")));
}

/* So begin the names of what is stored of a view besides its columns. */
static void
check_names(const Query *query, const char *query_string)
{
	ListCell   *cell;

	foreach(cell, query->targetList)
	{
		const TargetEntry *entry = lfirst_node(TargetEntry, cell);
		CqReject   *reject;

		if (entry->resjunk || strncmp(entry->resname, CQ_OWN_COLUMNS, strlen(CQ_OWN_COLUMNS)) != 0)
			continue;
		reject = cq_reject(ERRCODE_RESERVED_NAME, "column name \"%s\" is reserved", entry->resname);
		cq_reject_hint(reject, "Names that begin with \"%s\" are for columns that a continuous "
							   "view "
					   "does not show. Give it another name with AS.", CQ_OWN_COLUMNS);
		cq_reject_raise(cq_reject_at(reject, exprLocation((Node *) entry->expr)), query_string);
	}
}

static Query *
analyze_query(const ViewStmt *stmt, const char *query_string, int location, int length)
{
	RawStmt    *raw = makeNode(RawStmt);
	Query	   *query;

	raw->stmt = copyObject(stmt->query);
	raw->stmt_location = location;
	raw->stmt_len = length;
	query = parse_analyze_fixedparams(raw, query_string, NULL, 0, NULL);
	if (query->utilityStmt != NULL && IsA(query->utilityStmt, CreateTableAsStmt))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("views must not contain SELECT INTO")));
	apply_aliases(query, stmt->aliases);
	check_names(query, query_string);
	return query;
}

/* The columns of a view that shows this query. */
static List *
view_columns(const Query *query)
{
	List	   *columns = NIL;
	ListCell   *cell;

	foreach(cell, query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);
		Node	   *expr = (Node *) entry->expr;

		if (entry->resjunk)
			continue;
		if (type_is_collatable(exprType(expr)) && !OidIsValid(exprCollation(expr)))
			ereport(ERROR,
					(errcode(ERRCODE_INDETERMINATE_COLLATION),
					 errmsg("could not determine which collation to use for view column \"%s\"",
							entry->resname),
					 errhint("Use the COLLATE clause to set the collation explicitly.")));
		columns = lappend(columns, makeColumnDef(entry->resname, exprType(expr), exprTypmod(expr),
												 exprCollation(expr)));
	}
	return columns;
}

/*
 * The table comes to lie where default_tablespace says: a right that is the user's to have, not the
 * schema owner's.
 */
static void
check_tablespace(void)
{
	Oid			tablespace = GetDefaultTablespace(RELPERSISTENCE_PERMANENT, false);
	AclResult	result;

	if (!OidIsValid(tablespace) || tablespace == MyDatabaseTableSpace)
		return;
	result = object_aclcheck(TableSpaceRelationId, tablespace, GetUserId(), ACL_CREATE);
	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_TABLESPACE, get_tablespace_name(tablespace));
}

/*
 * Rows of groups are updated in place, batch after batch: room for new versions on the page, and
 * early vacuum. Kept rows never change.
 */
static Oid
create_state(const CqViewPlan *plan, char *base, Oid owner, const char *query_string)
{
	List	   *options = NIL;
	Oid			state;

	if (plan->shape == CQ_SHAPE_AGGREGATE)
	{
		options = lappend(options, makeDefElem("fillfactor", (Node *) makeInteger(70), -1));
		options = lappend(options, makeDefElem("autovacuum_vacuum_scale_factor",
											   (Node *) makeFloat("0.1"), -1));
	}
	check_tablespace();
	state = cq_view_part_create(RELKIND_RELATION, base, "state", plan->columns, options, owner,
								query_string);
	NewRelationCreateToastTable(state, (Datum) 0);
	return state;
}

/* Closed windows' rows: written once, never changed. */
static Oid
create_result(const CqViewPlan *plan, Query *read, char *base, Oid owner, const char *query_string)
{
	List	   *columns = view_columns(read);
	Oid			result;

	if (plan->keeps_end)
		columns = lappend(columns, makeColumnDef(CQ_END_COLUMN, plan->closing.type, -1,
												 InvalidOid));
	result = cq_view_part_create(RELKIND_RELATION, base, "result", columns, NIL, owner,
								 query_string);
	NewRelationCreateToastTable(result, (Datum) 0);
	return result;
}

static Oid
create_definition(Query *query, char *base, Oid owner, const char *query_string)
{
	Oid			definition = cq_view_part_create(RELKIND_VIEW, base, "definition",
												 view_columns(query), NIL, owner,
											 query_string);

	StoreViewQuery(definition, query, false);
	CommandCounterIncrement();
	return definition;
}

static ObjectAddress
relation_address(Oid relid)
{
	ObjectAddress address;

	ObjectAddressSet(address, RelationRelationId, relid);
	return address;
}

static AlterTableCmd *
alter_command(AlterTableType subtype, Node *definition)
{
	AlterTableCmd *command = makeNode(AlterTableCmd);

	command->subtype = subtype;
	command->def = definition;
	return command;
}

/*
 * Gives an existing view the columns of the new query, which may only add some at the end, and the
 * new options.
 */
static void
replace_columns(Oid relid, List *columns, List *options)
{
	Relation	view = relation_open(relid, AccessExclusiveLock);
	TupleDesc	tupdesc = RelationGetDescr(view);
	List	   *commands = NIL;
	ListCell   *cell;

	if (list_length(columns) < tupdesc->natts)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("cannot drop columns from view")));
	foreach(cell, columns)
	{
		ColumnDef  *column = lfirst_node(ColumnDef, cell);
		int			i = foreach_current_index(cell);

		if (i < tupdesc->natts)
		{
			Form_pg_attribute att = TupleDescAttr(tupdesc, i);

			if (strcmp(NameStr(att->attname), column->colname) != 0 ||
				att->atttypid != column->typeName->typeOid ||
				att->atttypmod != column->typeName->typemod || att->attcollation != column->collOid)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
						 errmsg("cannot change name or type of view column \"%s\"",
								NameStr(att->attname)),
						 errhint("Drop the continuous view and create it again.")));
		}
		else
			commands = lappend(commands, alter_command(AT_AddColumnToView, (Node *) column));
	}
	relation_close(view, NoLock);
	commands = lappend(commands, alter_command(AT_ReplaceRelOptions, (Node *) options));
	AlterTableInternal(relid, commands, true);
	CommandCounterIncrement();
}

/* Those of the view that was there before; some have gone with its output. */
static void
drop_parts(const List *parts)
{
	ListCell   *cell;

	foreach(cell, parts)
	{
		Oid			relation = ((const CqPart *) lfirst(cell))->relation;

		if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation)))
			cq_view_part_drop(relation, true);
	}
}

/* They go with the view, and not before. */
static void
adopt_parts(Oid view)
{
	ListCell   *cell;

	CommandCounterIncrement();
	foreach(cell, cq_part_list(view))
		cq_adopt_part(((const CqPart *) lfirst(cell))->relation, view);
}

/*
 * The view that OR REPLACE replaces, or InvalidOid. It is locked before anything is read of it:
 * somebody else may be replacing it, too.
 */
static Oid
find_replaced(ViewStmt *stmt)
{
	Oid			existing;

	RangeVarGetAndCheckCreationNamespace(stmt->view, stmt->replace ? AccessExclusiveLock : NoLock,
										 &existing);
	if (!OidIsValid(existing) || !stmt->replace)
		return InvalidOid;
	if (!cq_view_is(existing))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a continuous view", stmt->view->relname),
				 errhint("Drop it first, or choose another name.")));
	cq_owner_require(existing);
	return existing;
}

static Oid
create_view(ViewStmt *stmt, Query *read, List *options, const char *query_string)
{
	CreateStmt *create = cq_view_part_statement(copyObject(stmt->view), view_columns(read),
												options);
	Oid			view = DefineRelation(create, RELKIND_VIEW, InvalidOid, NULL,
									  query_string).objectId;

	CommandCounterIncrement();
	StoreViewQuery(view, read, false);
	CommandCounterIncrement();
	return view;
}

static void
replace_view(Oid view, Query *read, List *options)
{
	replace_columns(view, view_columns(read), options);
	StoreViewQuery(view, read, true);
	CommandCounterIncrement();
}

static bool
check_permissions_below(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		cq_compat_check_permissions((Query *) node);
		return query_tree_walker((Query *) node, check_permissions_below, NULL, 0);
	}
	return expression_tree_walker(node, check_permissions_below, NULL);
}

/*
 * Can the owner run it? May they read all that is read, wherever it stands, with what views and
 * policies add; the executor would ask when the first batch comes, and of what a batch comes to
 * alone. And the planner finds what nobody can run: a constant that is an error, or grouping by
 * types of which one only hashes and one only sorts.
 */
static void
check_can_run(const Query *query, Oid owner, const char *query_string)
{
	Query	   *rewritten = copyObjectImpl(query);
	CqActor		actor;

	rewritten->canSetTag = true;
	cq_owner_begin_user(&actor, owner);
	AcquireRewriteLocks(rewritten, true, false);
	rewritten = linitial_node(Query, QueryRewrite(rewritten));
	(void) check_permissions_below((Node *) rewritten, NULL);
	(void) pg_plan_query(rewritten, query_string, CURSOR_OPT_PARALLEL_OK, NULL);
	cq_owner_end(&actor);
}

static void
check_plans(const CqViewPlan *plan, const char *query_string)
{
	if (plan->shape == CQ_SHAPE_STORED)
		return;
	cq_reject_raise(cq_width_check(plan), query_string);
	(void) cq_partial_plan(plan, query_string);
}

/* The view's row, as far as it does not depend on what is made for it. */
static CqView *
plan_row(const CqViewOptions *options, const CqPlanOptions *planned, const CqViewPlan *plan)
{
	CqView	   *row = palloc0(sizeof(CqView));

	row->streams = list_copy(plan->streams);
	row->named = list_copy(plan->named);
	row->status = "running";
	row->pause_on_error = options->pause_on_error;
	row->max_error_rate = options->max_error_rate;
	row->pool = options->pool;
	row->max_drift = options->max_drift;
	row->start = options->start;
	row->retention = options->retention;
	row->expiry = planned->expiry;
	row->expires_by_event_time = planned->by_event_time;
	row->emits_on_close = options->emits_on_close;
	row->watermark_delay = options->watermark_delay;
	row->allowed_lateness = Max(options->allowed_lateness, 0);
	row->keeps_late = options->keeps_late;
	row->amends_late = options->amends_late;
	row->tells_expired = options->tells_expired;
	row->steps_kept = cq_sliding_kept(plan);
	row->settings = cq_settings_current();
	row->notify = options->notify;
	row->tells_changes = cq_output_tells_changes(options);
	return row;
}

static void
create_tree(const CqView *row, const CqViewPlan *plan, const Query *query, char *base, Oid owner,
			const char *query_string)
{
	CqCreateNodes create = {
		.view = row->view, .base = base, .owner = owner, .query = query, .settings = row->settings,
		.query_string = query_string
	};

	cq_create_nodes(&create, plan->tree);
	CommandCounterIncrement();
	cq_control_begin_nodes(row->view);
	cq_create_nodes_tell_unbounded(plan->tree);
}

ObjectAddress
cq_create_view(ViewStmt *stmt, const char *query_string, int stmt_location, int stmt_len,
			   ParamListInfo params, QueryEnvironment *query_env)
{
	CqViewOptions options;
	CqPlanOptions planned;
	CqViewPlan *plan;
	CqView	   *row;
	CqView	   *before = NULL;
	List	   *parts_before = NIL;
	Query	   *query;
	Query	   *read;
	Oid			replaced;
	Oid			owner;

	replaced = find_replaced(stmt);
	check_statement(stmt);
	cq_view_options_parse(&options, stmt->options, query_string);
	if (OidIsValid(replaced))
	{
		before = cq_view_get(replaced);
		parts_before = cq_part_list(replaced);
	}
	owner = before ? cq_owner_of_relation(replaced) : GetUserId();

	query = analyze_query(stmt, query_string, stmt_location, stmt_len);
	plan = cq_create_plan(&options, query, query_string, &planned);
	cq_series_call_check(query, query_string);
	check_can_run(query, owner, query_string);
	check_plans(plan, query_string);
	cq_named_lock(plan->named);
	cq_maintain_begin(plan, owner);

	row = plan_row(&options, &planned, plan);
	if (before)
		cq_named_check_replaced(replaced, row, query);
	cq_view_start_check(row->start, list_length(row->streams));
	if (before && cq_replaced_is_same(before, row, &options, plan, query))
	{
		cq_replaced_tell_same(before);
		return relation_address(replaced);
	}
	row->fingerprint = cq_fingerprint_root(row, plan, query);
	row->state = create_state(plan, stmt->view->relname, owner, query_string);
	if (plan->shape == CQ_SHAPE_STORED)
		cq_create_nodes_index(row->state);
	if (plan->tells_changes && plan->session == NULL)
		cq_output_index_groups(plan, row->state);
	if (plan->session != NULL)
		cq_session_index_create(row->state, plan);
	cq_reject_raise(cq_read_query(plan, row->state, &read), query_string);
	check_can_run(read, owner, query_string);
	if (options.emits_on_close)
	{
		row->result = create_result(plan, read, stmt->view->relname, owner, query_string);
		if (plan->amends_closed)
			cq_output_index_result(plan, row->result);
		read = cq_read_table(row->result);
	}
	cq_create_plan_index_expiry(row, plan);
	if (before)
		replace_view(replaced, read, options.server_options);
	row->view = before ? replaced : create_view(stmt, read, options.server_options, query_string);
	row->definition = create_definition(query, stmt->view->relname, owner, query_string);

	if (before)
	{
		row->sink = cq_output_find_sink(&options);
		cq_replaced_tell_lost(before, row);
		cq_output_drop(before);
	}
	row->query = cq_grammar_query_text(query_string, stmt_location, stmt_len);
	cq_output_make(row, plan, &options, owner, query_string);
	cq_named_check_circle(row);
	if (before)
	{
		/* In the order in which workers take them: the view's row, its cursors, its state. */
		cq_view_replace(row);
		cq_follow_forget(row->view);
		drop_parts(parts_before);
		cq_view_forget_closing(row->view);
	}
	else
	{
		cq_view_insert(row);
		cq_event_note(row->view, "created", NULL);
	}
	adopt_parts(row->view);
	cq_output_connect(row);
	CommandCounterIncrement();
	if (plan->tree != NULL)
		create_tree(row, plan, query, stmt->view->relname, owner, query_string);
	if (row->named != NIL)
		cq_control_begin_reading(row->view);
	if (before)
	{
		cq_control_push(row->view);
		cq_maintain_end_unused();
	}
	cq_wake_catalog_changed();
	return relation_address(row->view);
}

void
cq_create_alter_options(Oid view, List *changes, bool reset, const char *query_string)
{
	CqView	   *row = cq_view_get(view);
	CqViewOptions options;

	if (row == NULL)
		elog(ERROR, "relation %u is not a continuous view", view);
	options.pause_on_error = row->pause_on_error;
	options.max_error_rate = row->max_error_rate;
	options.pool = row->pool;
	options.max_drift = row->max_drift;
	options.start = row->start;
	options.retention = row->retention;
	cq_view_options_change(&options, changes, reset, query_string);
	if (options.retention != NULL && row->expiry == CQ_EXPIRES_NOTHING)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the option \"retention\" of this continuous view cannot be changed"),
				 errdetail("What it has stored does not tell what is too old, since it was created "
						   "without that option."),
				 errhint("CREATE OR REPLACE CONTINUOUS VIEW begins again with new options.")));
	row->pause_on_error = options.pause_on_error;
	row->max_error_rate = options.max_error_rate;
	cq_create_plan_check_drift(options.max_drift, row->streams);
	row->max_drift = options.max_drift;
	row->retention = options.retention;
	row->pool = options.pool;
	cq_create_plan_index_expiry(row, NULL);
	cq_view_set_options(row);
	cq_wake_catalog_changed();
}

char *
cq_create_state_column(Oid view, const char *column)
{
	Relation	relation = table_open(view, AccessShareLock);
	CqView	   *row = cq_view_get(view);
	Query	   *query = cq_compat_flatten_group_entry(cq_compat_view_query(relation));
	AttrNumber	attno = get_attnum(view, column);

	table_close(relation, NoLock);
	for (;;)					/* down through sub-selects */
	{
		TargetEntry *entry = get_tle_by_resno(query->targetList, attno);
		RangeTblEntry *source;

		if (entry == NULL || !IsA(entry->expr, Var) || ((Var *) entry->expr)->varlevelsup > 0)
			return NULL;
		source = rt_fetch(((Var *) entry->expr)->varno, query->rtable);
		attno = ((Var *) entry->expr)->varattno;
		if (source->rtekind == RTE_RELATION)
			return source->relid == cq_view_table(row) ? get_attname(source->relid, attno, false) :
				NULL;
		if (source->rtekind != RTE_SUBQUERY)
			return NULL;
		query = source->subquery;
	}
}
