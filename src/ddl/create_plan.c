/*
 * create_plan.c
 *		What the options of a new continuous view make of its query: see create_plan.h.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/stream.h"
#include "common/owner.h"
#include "ddl/create_plan.h"
#include "ddl/ddl.h"
#include "ddl/output.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static bool
is_indexed(Relation relation, AttrNumber attno)
{
	ListCell   *cell;
	bool		found = false;

	foreach(cell, RelationGetIndexList(relation))
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		found |= index->rd_index->indkey.values[0] == attno &&
			RelationGetIndexPredicate(index) == NIL;
		index_close(index, NoLock);
	}
	return found;
}

/* The option retention needs to find what is old: see exec/expiry.c. */
static void
index_time(Oid table, const char *column)
{
	Relation	relation = table_open(table, ShareLock);
	bool		is_there = is_indexed(relation, get_attnum(table, column));

	table_close(relation, NoLock);
	if (!is_there)
		cq_part_index_create(table, "time", list_make1(cq_part_index_column(column)), false);
}

static void
check_late_options(const CqViewOptions *options, const CqPlanOptions *planned)
{
	bool		has_windows = options->emits_on_close || planned->expiry == CQ_EXPIRES_WINDOWS;

	if (has_windows && (options->emits_on_close || options->allowed_lateness < 0))
		return;
	if (options->allowed_lateness >= 0 || (options->says_late && !has_windows) ||
		(options->watermark_delay >= 0 && !planned->by_event_time))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the options watermark, allowed_lateness and late need emit = 'close'"),
				 errdetail("With emit = 'change' a row is counted however late it comes."),
				 planned->expiry != CQ_EXPIRES_NOTHING && planned->by_event_time ?
				 errhint("With retention by event time, watermark may be given, and for windows "
						 "late.") : 0));
}

static void
check_on_expire(const CqViewOptions *options, const CqPlanOptions *planned)
{
	if (!options->tells_expired)
		return;
	if (planned->expiry == CQ_EXPIRES_NOTHING)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("on_expire = 'delete' needs the option retention"),
				 errdetail("Without it no row of the view expires.")));
	if (!planned->tells_changes)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("on_expire = 'delete' needs one of the options sink, changes and notify"),
				 errdetail("It says what these are told of rows that expire. Continuous views that "
						   "read the view by its name follow in any case.")));
}

/* What is to expire: windows if there are any, where the user does not say otherwise. */
static void
choose_expiry(const CqViewOptions *options, const Query *query, const CqViewPlan *plan,
			  CqPlanOptions *planned)
{
	bool		wants = options->retention != NULL || options->says_retention_by ||
		options->amends_late;
	CqPlanOptions windows = *planned;
	CqViewPlan *with_windows;

	planned->by_event_time = options->by_event_time;
	if (!wants && (plan->tree != NULL || plan->shape != CQ_SHAPE_ROWS || options->emits_on_close ||
				   plan->sliding.time != NULL))
		return;
	if (options->emits_on_close)
	{
		planned->expiry = CQ_EXPIRES_RESULTS;
		planned->by_event_time = true;
		return;
	}
	planned->expiry = plan->shape == CQ_SHAPE_ROWS ? CQ_EXPIRES_ROWS : CQ_EXPIRES_GROUPS;
	if (plan->shape == CQ_SHAPE_ROWS || (options->says_retention_by && !options->by_event_time) ||
		(planned->event_time == InvalidAttrNumber && plan->tree == NULL) || plan->session != NULL)
		return;
	windows.expiry = CQ_EXPIRES_WINDOWS;
	windows.by_event_time = true;
	/* Rows go by their times where that is said. */
	if (cq_plan_view(query, &windows, &with_windows) == NULL &&
		(options->by_event_time || !with_windows->closing.is_by_row))
		*planned = windows;
}

void
cq_create_plan_check_drift(int64 max_drift, const List *streams)
{
	ListCell   *cell;

	if (max_drift < 0)
		return;
	if (streams == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the option max_drift needs streams"),
				 errdetail("The continuous view reads none.")));
	foreach(cell, streams)
	{
		Oid			stream = lfirst_oid(cell);

		if (cq_stream_get(stream, cq_owner_of_relation(stream))->event_time == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the option max_drift needs event times"),
					 errdetail("Stream \"%s\" has no option event_time.", get_rel_name(stream))));
	}
}

CqViewPlan *
cq_create_plan(const CqViewOptions *options, const Query *query, const char *query_string,
			   CqPlanOptions *planned)
{
	CqViewPlan *plan;
	ListCell   *cell;

	memset(planned, 0, sizeof(CqPlanOptions));
	planned->tells_changes = cq_output_tells_changes(options);
	planned->maintains_tables = options->maintains_tables;
	cq_reject_raise(cq_plan_view(query, planned, &plan), query_string);
	foreach(cell, plan->streams)
	{
		CqStream   *stream = cq_stream_get(lfirst_oid(cell), GetUserId());

		cq_stream_require_readable(stream);
		if (list_length(plan->streams) == 1)
			planned->event_time = stream->event_time;
	}
	planned->emits_on_close = options->emits_on_close;
	planned->amends_closed = options->amends_late;
	choose_expiry(options, query, plan, planned);
	check_late_options(options, planned);
	check_on_expire(options, planned);
	cq_create_plan_check_drift(options->max_drift, plan->streams);
	if (options->amends_late && !options->emits_on_close)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("late = 'amend' needs emit = 'close'"),
				 errdetail("With emit = 'change' a row is counted however late it comes.")));
	if (options->emits_on_close && options->says_retention_by && !options->by_event_time)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("retention_by = 'change' with emit = 'close' is not supported"),
				 errhint("Rows of closed windows do not change. They go by event time.")));
	cq_reject_raise(cq_plan_view(query, planned, &plan), query_string);
	return plan;
}

void
cq_create_plan_index_expiry(const CqView *row, const CqViewPlan *plan)
{
	CqTimeKind	kind;

	if (plan != NULL && plan->closing.column_is_range)
		cq_session_index_ends(row->state, plan->columns, plan->closing.column);
	else if (plan != NULL && (plan->closing.is_by_row || plan->closing.is_of_sessions))
		index_time(row->state, list_nth_node(ColumnDef, plan->columns,
											 plan->closing.column - 1)->colname);
	if (row->expiry == CQ_EXPIRES_ROWS && row->expires_by_event_time)
		index_time(row->state, CQ_EVENT_TIME_COLUMN);
	else if (row->expiry == CQ_EXPIRES_ROWS && row->retention != NULL)
		index_time(row->state, CQ_ROW_TIME_COLUMN);
	else if (row->expiry == CQ_EXPIRES_WINDOWS && plan != NULL)
	{
		int			column = cq_read_closing_column(plan, &kind);

		index_time(row->state, list_nth_node(ColumnDef, plan->columns, column)->colname);
	}
	else if (row->expiry == CQ_EXPIRES_RESULTS)
		index_time(row->result, CQ_END_COLUMN);
}
