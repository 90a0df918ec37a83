/*
 * plan.c
 *		Cuts a view's query at its aggregation: see plan.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "catalog/stream.h"
#include "common/compat.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "plan/check.h"
#include "plan/close_tree.h"
#include "plan/cut.h"
#include "plan/maintained.h"
#include "plan/plan.h"
#include "plan/row_key.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static bool
has_aggregation(const Query *query)
{
	return query->hasAggs || query->groupClause != NIL || query->groupingSets != NIL ||
		query->havingQual != NULL;
}

static void
add_column(CqViewPlan *plan, const char *name, Oid type, int32 typmod, Oid collation)
{
	plan->columns = lappend(plan->columns, makeColumnDef(name, type, typmod, collation));
}

static void
add_target(Query *query, Expr *expr, const char *name, Index sortgroupref)
{
	TargetEntry *entry = makeTargetEntry(expr, list_length(query->targetList) + 1, pstrdup(name),
										 false);

	entry->ressortgroupref = sortgroupref;
	query->targetList = lappend(query->targetList, entry);
}

/* Takes off what is evaluated when the view is read. */
static Query *
strip_upper(const Query *query)
{
	Query	   *maintain = copyObject(unconstify(Query *, query));

	maintain->havingQual = NULL;
	maintain->distinctClause = NIL;
	maintain->hasDistinctOn = false;
	maintain->sortClause = NIL;
	maintain->limitOffset = NULL;
	maintain->limitCount = NULL;
	maintain->windowClause = NIL;
	maintain->hasWindowFuncs = false;
	maintain->constraintDeps = NIL;
	return maintain;
}

/* GROUPING() over all keys: tells the rows of one grouping set from those of another. */
Expr *
cq_plan_int4(int32 value)
{
	return (Expr *) makeConst(INT4OID, -1, InvalidOid, sizeof(int32), Int32GetDatum(value), false,
							  true);
}

static Expr *
grouping_id(const CqViewPlan *plan)
{
	GroupingFunc *grouping = makeNode(GroupingFunc);
	ListCell   *cell;

	/* Of the empty set alone, for which the planner may not aggregate. */
	if (plan->keys == NIL)
		return cq_plan_int4(0);
	foreach(cell, plan->keys)
	{
		CqKey	   *key = lfirst(cell);

		grouping->args = lappend(grouping->args, copyObject(key->expr));
		grouping->refs = lappend_int(grouping->refs, key->clause->tleSortGroupRef);
	}
	grouping->location = -1;
	return (Expr *) grouping;
}

/*
 * Not by what the query says: some keys of the state stand for others, or for what is asked of them
 * in WHERE.
 */
static void
group_by_keys(const CqViewPlan *plan, Query *maintain)
{
	ListCell   *cell;

	maintain->groupClause = NIL;
	foreach(cell, plan->keys)
		maintain->groupClause = lappend(maintain->groupClause,
										copyObject(((CqKey *) lfirst(cell))->clause));
}

static char *
key_column(const CqViewPlan *plan, int n)
{
	const CqKey *key = list_nth(plan->keys, n);

	if (cq_pane_is_bound(plan, (Node *) key->expr, 0))
		return CQ_PANE_COLUMN;
	if (plan->sliding.time != NULL && n == list_length(plan->keys) - 1)
		return CQ_STEP_COLUMN;
	return psprintf("k%d", n + 1);
}

/*
 * Where all aggregates are like min and max, and of what turns out to be constant, the planner
 * would take a single row instead of aggregating all. Not where one of them has a filter.
 */
static Expr *
partial_target(const CqViewPlan *plan, int partial)
{
	Aggref	   *aggref = copyObject(((CqPartial *) list_nth(plan->partials, partial))->aggref);

	if (partial == 0 && plan->keys == NIL && aggref->aggfilter == NULL)
		aggref->aggfilter = (Expr *) makeBoolConst(true, false);
	return (Expr *) aggref;
}

static void
plan_aggregate(CqViewPlan *plan)
{
	Query	   *maintain = strip_upper(plan->query);
	ListCell   *cell;

	maintain->targetList = NIL;
	maintain->hasTargetSRFs = false;
	foreach(cell, plan->keys)
	{
		CqKey	   *key = lfirst(cell);
		char	   *name = key_column(plan, foreach_current_index(cell));

		add_target(maintain, copyObject(key->expr), name, key->clause->tleSortGroupRef);
		add_column(plan, name, exprType((Node *) key->expr), exprTypmod((Node *) key->expr),
				   exprCollation((Node *) key->expr));
	}
	if (plan->has_grouping_id)
	{
		add_target(maintain, grouping_id(plan), CQ_GROUPING_ID_COLUMN, 0);
		add_column(plan, CQ_GROUPING_ID_COLUMN, INT4OID, -1, InvalidOid);
	}
	foreach(cell, plan->partials)
	{
		CqPartial  *partial = lfirst(cell);
		bool		is_time = plan->time != NULL && lnext(plan->partials, cell) == NULL;
		const char *name = is_time ? plan->time_column : psprintf("s%d",
																  foreach_current_index(cell) + 1);

		add_target(maintain, partial_target(plan, foreach_current_index(cell)), name, 0);
		add_column(plan, name, partial->storedtype, -1, partial->collation);
	}
	maintain->hasAggs = plan->partials != NIL;
	if (plan->windows != NULL)
		cq_pane_maintain(plan, maintain);
	if (plan->windows != NULL || plan->sliding.time != NULL)
		group_by_keys(plan, maintain);
	if (plan->sliding.time != NULL)
		cq_sliding_maintain(plan, maintain);
	plan->maintain = maintain;
}

static void
plan_rows(CqViewPlan *plan)
{
	Query	   *maintain = strip_upper(plan->query);
	List	   *targets = maintain->targetList;
	ListCell   *cell;

	maintain->targetList = NIL;
	foreach(cell, targets)
	{
		TargetEntry *entry = lfirst(cell);

		if (entry->resjunk)
			continue;
		add_target(maintain, entry->expr, entry->resname, 0);
		add_column(plan, entry->resname, exprType((Node *) entry->expr),
				   exprTypmod((Node *) entry->expr),
				   exprCollation((Node *) entry->expr));
	}
	if (plan->sliding.time != NULL)
	{
		add_target(maintain, cq_sliding_step(plan), CQ_STEP_COLUMN, 0);
		add_column(plan, CQ_STEP_COLUMN, plan->sliding.type, -1, InvalidOid);
		cq_sliding_maintain(plan, maintain);
	}
	if (plan->time != NULL)
	{
		add_target(maintain, plan->time, plan->time_column, 0);
		add_column(plan, plan->time_column, exprType((Node *) plan->time), -1, InvalidOid);
	}
	add_column(plan, CQ_ROW_TIME_COLUMN, TIMESTAMPTZOID, -1, InvalidOid);
	plan->maintain = maintain;
}

/*
 * As the server does it to find out what is grouped: with USING, one column goes by several names.
 */
static void
flatten_join_columns(Query *query)
{
	query->targetList = (List *) cq_compat_flatten_join_columns(query, (Node *) query->targetList);
	query->havingQual = cq_compat_flatten_join_columns(query, query->havingQual);
}

/* Nothing of rows that have no type of their own can be stored. */
static CqReject *
check_columns(const CqViewPlan *plan)
{
	ListCell   *cell;

	foreach(cell, plan->columns)
	{
		Oid			type = lfirst_node(ColumnDef, cell)->typeName->typeOid;

		if (get_typtype(type) == TYPTYPE_PSEUDO)
			return cq_reject_hint(cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED,
											"a value of type %s cannot be kept by a continuous "
											"view",
											format_type_be(type)),
								  "Name the columns that are needed, or cast the row to a named "
								  "composite type.");
	}
	return NULL;
}

/* What is maintained of plan->query, whose driver is known. */
static CqReject *
plan_root(CqViewPlan *plan, const CqPlanOptions *options)
{
	CqReject   *reject;

	plan->shape = has_aggregation(plan->query) ? CQ_SHAPE_AGGREGATE : CQ_SHAPE_ROWS;
	if ((reject = cq_sliding_check(plan, options->emits_on_close)) != NULL ||
		(reject = cq_expiry_check(plan, options)) != NULL)
		return reject;
	if (options->emits_on_close && (reject = cq_close_check(plan)) != NULL)
		return reject;
	if (plan->shape == CQ_SHAPE_AGGREGATE)
		flatten_join_columns(plan->query);
	if ((options->emits_on_close || options->expiry == CQ_EXPIRES_WINDOWS) &&
		(reject = cq_close_find(plan, options->event_time)) != NULL)
		return reject;
	if (plan->shape == CQ_SHAPE_AGGREGATE)
	{
		plan->amends_closed = options->amends_closed;
		plan->tells_changes = (options->tells_changes && !options->emits_on_close) ||
			plan->amends_closed;
		if ((reject = cq_aggregate_collect(plan)) != NULL ||
			(reject = cq_session_plan_check(plan)) != NULL ||
			(reject = cq_changes_check(plan)) != NULL ||
			(reject = cq_expiry_collect(plan, options)) != NULL)
			return reject;
		plan_aggregate(plan);
	}
	else
	{
		if ((reject = cq_check_flat(plan->query, true)) != NULL ||
			(reject = cq_expiry_collect(plan, options)) != NULL)
			return reject;
		plan_rows(plan);
	}
	return check_columns(plan);
}

/* Rows of streams with another mode are only added. */
static CqReject *
check_only_added(Oid stream)
{
	const CqStream *described = cq_stream_get(stream, InvalidOid);

	if (!cq_mode_changes(described->mode))
		return NULL;
	return cq_reject_detail(cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED,
									  "rows of stream %s change: its mode is %s", described->name,
									  described->mode == CQ_MODE_UPSERT ? "upsert" : "debezium"),
							"Options that close windows, or have rows go, are for streams whose "
							"rows "
							"are only added.");
}

/*
 * Where rows of one stream pass one by one up to the root. *is_final: nodes would not help. What is
 * wrong, not only in the wrong place, is so with them, too, and so is all about cq.sliding.
 */
static CqReject *
plan_without_nodes(const Query *definition, const CqPlanOptions *options, CqViewPlan **result,
				   bool *is_final)
{
	CqViewPlan *plan = palloc0(sizeof(CqViewPlan));
	Query	   *rest;
	CqReject   *reject;

	plan->definition = definition;
	plan->query = cq_compat_flatten_group_entry(copyObject(unconstify(Query *, definition)));
	reject = cq_sliding_take(plan);
	*is_final = reject != NULL || plan->sliding.time != NULL;
	if (reject != NULL ||
		(reject = cq_session_plan_find(plan, &rest)) != NULL ||
		(reject = cq_check_query(rest, &plan->stream)) != NULL ||
		(reject = check_only_added(plan->stream)) != NULL ||
		(reject = plan_root(plan, options)) != NULL)
	{
		*is_final |= reject->sqlerrcode != ERRCODE_FEATURE_NOT_SUPPORTED;
		return reject;
	}
	plan->streams = list_make1_oid(plan->stream);
	*result = plan;
	return NULL;
}

/* ---- with nodes ---- */

typedef struct RootContext
{
	CqPlanOptions options;		/* but those that are about windows, or that nodes keep from it */
	bool		is_refused;		/* the last node's table is to have all that the view shows … */
	bool		takes_rows;		/* … but rows that are only added */
	CqViewPlan *plan;			/* the last that could be made */
} RootContext;

static CqReject *
try_root(const CqCutFlow *flow, void *context)
{
	RootContext *root = context;
	CqViewPlan *plan = palloc0(sizeof(CqViewPlan));
	CqReject   *reject;

	if (root->is_refused && !(root->takes_rows && !has_aggregation(flow->query)))
		return cq_reject_hint(cq_reject_at(cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED,
													 "windows of a view whose rows are only added "
													 "cannot be closed"),
										   exprLocation((Node *) flow->query->targetList)),
							  "Group by window_end.");
	plan->stream = flow->stream;
	plan->node = flow->node;
	plan->query = copyObject(flow->query);
	reject = plan_root(plan, &root->options);
	if (reject == NULL)
		root->plan = plan;
	return reject;
}

/* The view shows what the last node stores. */
static CqViewPlan *
plan_stored(const Query *definition, const CqTree *tree)
{
	CqViewPlan *plan = palloc0(sizeof(CqViewPlan));

	plan->shape = CQ_SHAPE_STORED;
	plan->columns = ((CqNode *) llast(tree->nodes))->columns;
	plan->has_row_key = cq_row_key_find(definition, &plan->row_key);
	return plan;
}

/* Windows that are closed, or expire, by what the last node stores. */
static CqReject *
plan_windows(CqViewPlan *plan, const CqPlanOptions *options)
{
	plan->keeps_end = options->expiry == CQ_EXPIRES_RESULTS;
	plan->hides_expired = options->expiry == CQ_EXPIRES_WINDOWS;
	if (options->amends_closed)
		return cq_reject_hint(cq_reject_at(cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED,
													 "late = 'amend' is for queries through which "
													 "rows of one stream pass one by one"),
										   exprLocation((Node *) plan->definition->targetList)),
							  "With a longer allowed_lateness windows are closed later.");
	return cq_close_tree_find(plan, options->emits_on_close);
}

/* Options that are about windows, which each query may have that falls apart by them. */
static bool
is_about_windows(const CqPlanOptions *options)
{
	return options->emits_on_close || options->expiry == CQ_EXPIRES_WINDOWS;
}

/*
 * Rows that are only added go by when they came; or by event time, and with them what is kept of
 * the streams, where that says how long it is of use.
 */
static CqReject *
plan_expiring_rows(CqViewPlan *plan, const CqPlanOptions *options)
{
	CqReject   *reject;

	if (!options->by_event_time)
		return NULL;
	reject = cq_close_tree_find_time(plan);
	if (reject != NULL)
		return reject;
	plan->columns = NIL;
	plan_rows(plan);
	return NULL;
}

/* Options that are about what other roots alone have: times to keep. */
static bool
wants_root(const CqPlanOptions *options, const CqViewPlan *plan)
{
	return (options->expiry == CQ_EXPIRES_GROUPS && plan->time == NULL) ||
		(options->expiry == CQ_EXPIRES_ROWS && plan->shape != CQ_SHAPE_ROWS);
}

/*
 * Groups may go by when they changed, whatever their rows are made of, as long as these are only
 * added: nothing is taken from a group that has gone.
 */
static CqExpiry
expiry_of_root(const CqPlanOptions *options)
{
	return options->expiry == CQ_EXPIRES_GROUPS && !options->by_event_time ? CQ_EXPIRES_GROUPS :
		CQ_EXPIRES_NOTHING;
}

/* Nothing says how late rows of other views are, nor are they theirs to delete. */
static CqReject *
check_options_over_views(const Query *definition, const CqPlanOptions *options)
{
	const char *what = options->maintains_tables ? "tables = 'maintained'" :
		"a continuous view over a continuous view";
	const char *hint = options->maintains_tables ?
		"Leave that option out, and tables are looked up as of the batch; or close windows and have "
		"rows go in a view of the streams alone, and join tables in one that reads it by its name." :
		"Put the query of the view in the place of its name; or close windows, and have rows go, in "
		"the view that is read.";
	CqReject   *reject;

	if (!is_about_windows(options) && !options->amends_closed &&
		options->expiry == CQ_EXPIRES_NOTHING)
		return NULL;
	reject = cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED,
					   "%s is not supported with options that close windows or have rows go", what);
	reject = cq_reject_detail(cq_reject_at(reject,
										   exprLocation((Node *) definition->targetList)),
							  "What is read changes at any time: so would rows that are closed, or "
							  "have gone.");
	return cq_reject_hint(reject, "%s", hint);
}

static CqReject *
plan_with_nodes(const Query *definition, const CqPlanOptions *options, CqViewPlan **result)
{
	RootContext context = {
		.options.tells_changes = options->tells_changes,
		.options.expiry = expiry_of_root(options), .is_refused = is_about_windows(options),
		.takes_rows = options->emits_on_close
	};
	List	   *streams;
	List	   *named;
	CqTree	   *tree;
	CqReject   *reject = cq_check_tree(definition, &streams, &named);

	if (reject == NULL && named != NIL)
		reject = check_options_over_views(definition, options);
	if (reject != NULL ||
		(reject = cq_cut(definition, streams, try_root, &context, &tree)) != NULL)
		return reject;
	*result = tree->is_stored ? plan_stored(definition, tree) : context.plan;
	(*result)->tree = tree->nodes != NIL ? tree : NULL;
	(*result)->streams = streams;
	(*result)->named = named;
	(*result)->definition = definition;
	if (is_about_windows(options))
		return plan_windows(*result, options);
	if (options->expiry == CQ_EXPIRES_ROWS && (*result)->shape == CQ_SHAPE_ROWS)
		return plan_expiring_rows(*result, options);
	return NULL;
}

/* With the reason why rows do not pass one by one, where they would have to. */
static CqReject *
needs_root(const CqReject *reject)
{
	CqReject   *result = cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED,
								   "retention of groups, and of rows that change, is for queries "
								   "through which rows of a stream pass one by one");

	result = cq_reject_detail(cq_reject_at(result, reject->location), "Not so here: %s.",
							  reject->message);
	return cq_reject_hint(result, "Windows of cq.tumble, cq.hop or cq.cumulate over event times go "
						  "with all that is kept for them: group by window_end. With "
						  "retention_by = 'event_time' so do rows that show their event time.");
}

/* One way or the other. */
static CqReject *
plan_best(const Query *definition, const CqPlanOptions *options, CqViewPlan **result)
{
	bool		is_final;
	CqReject   *reject = plan_without_nodes(definition, options, result, &is_final);
	CqReject   *in_nodes;

	if (reject == NULL || is_final)
		return reject;
	in_nodes = plan_with_nodes(definition, options, result);
	if (in_nodes == NULL && !wants_root(options, *result))
		return NULL;
	/* Were it not for these, nodes would not be needed: then that is what is to be said. */
	if ((is_about_windows(options) || options->expiry != CQ_EXPIRES_NOTHING) &&
		plan_without_nodes(definition, &(CqPlanOptions) {0}, result, &is_final) == NULL)
		return reject;
	return in_nodes != NULL ? in_nodes : needs_root(reject);
}

CqReject *
cq_plan_view(const Query *definition, const CqPlanOptions *options, CqViewPlan **result)
{
	CqReject   *reject;

	if (options->maintains_tables)
		definition = cq_maintained_mark(definition);
	reject = plan_best(definition, options, result);
	if (reject == NULL)
		cq_root_set(*result, options);
	return reject;
}

int
cq_plan_nkeys(const CqViewPlan *plan)
{
	return list_length(plan->keys) + (plan->has_grouping_id ? 1 : 0);
}
