/*
 * explain_text.c
 *		A continuous view as lines of text: see explain_text.h.
 *
 * The lines follow the tree from the root down: of each node what it does, which rule maintains it,
 * what it reads for a batch, what it stores, and what bounds that; and of each of its inputs by
 * what, and where, it is kept.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/tableam.h"
#include "catalog/part.h"
#include "exec/explain_text.h"
#include "lib/stringinfo.h"
#include "optimizer/plancat.h"
#include "plan/describe.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define FEW_PAGES 32

#define CHILD "->  "
#define CHILD_DEPTH 6			/* of what is said of a child, below its parent */

void
cq_explain_text_add(CqExplain *explain, const char *format, ...)
{
	StringInfoData line;
	int			more;

	initStringInfo(&line);
	appendStringInfoSpaces(&line, explain->depth);
	do
	{
		va_list		args;

		va_start(args, format);
		more = appendStringInfoVA(&line, format, args);
		va_end(args);
		if (more > 0)
			enlargeStringInfo(&line, more);
	} while (more > 0);
	explain->lines = lappend(explain->lines, line.data);
}

static char *
join_texts(const List *texts)
{
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, texts)
		appendStringInfo(&text, "%s%s", foreach_current_index(cell) > 0 ? ", " : "",
						 (char *) lfirst(cell));
	return text.data;
}

/* ---- tables ---- */

static char *
pretty_size(PGFunction size, Oid relation)
{
	Datum		bytes = DirectFunctionCall1(size, ObjectIdGetDatum(relation));

	return TextDatumGetCString(DirectFunctionCall1(pg_size_pretty, bytes));
}

static int64
count_rows(Relation relation)
{
	TableScanDesc scan = table_beginscan(relation, GetActiveSnapshot(), 0, NULL);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	int64		nrows = 0;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		nrows++;
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	return nrows;
}

/* Few are counted; of many it is as the server counts them, or as the planner would think. */
static double
estimate_rows(Relation relation)
{
	int64		counted =
		DatumGetInt64(DirectFunctionCall1(pg_stat_get_live_tuples,
										  ObjectIdGetDatum(RelationGetRelid(relation))));
	BlockNumber pages;
	double		rows;
	double		visible;

	if (RelationGetNumberOfBlocks(relation) <= FEW_PAGES)
		return count_rows(relation);
	if (counted > 0)
		return counted;
	estimate_rel_size(relation, NULL, &pages, &rows, &visible);
	return rows;
}

/* Nobody is waited for: whoever has locked a part is about to change what would be said of it. */
static void
add_table(CqExplain *explain, const char *label, Oid relation)
{
	Relation	table;
	char	   *name;

	if (!ConditionalLockRelationOid(relation, AccessShareLock) ||
		(table = try_relation_open(relation, NoLock)) == NULL)
	{
		cq_explain_text_add(explain, "%s: a table that is being changed", label);
		return;
	}
	name = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(table)),
									  RelationGetRelationName(table));
	cq_explain_text_add(explain, "%s: %s (rows=%.0f size=%s indexes=%s)", label, name,
						estimate_rows(table), pretty_size(pg_table_size, relation),
						pretty_size(pg_indexes_size, relation));
	relation_close(table, AccessShareLock);
}

static void
add_part(CqExplain *explain, const char *label, int node, const char *role, int number)
{
	ListCell   *cell;

	foreach(cell, explain->parts)
	{
		const CqPart *part = lfirst(cell);

		if (part->node == node && part->number == number && strcmp(part->role, role) == 0)
			add_table(explain, label, part->relation);
	}
}

/* ---- counters ---- */

static void
add_counts(CqExplain *explain, int number)
{
	const CqNodeCounts *counts = &explain->counts[number];

	if (!explain->shows_counts)
		return;
	if (number >= CQ_COUNTED_NODES)
		cq_explain_text_add(explain, "Actual: not counted, the first %d nodes alone are",
							CQ_COUNTED_NODES - 1);
	else if (!explain->has_counts || counts->nbatches == 0)
		cq_explain_text_add(explain, "Actual: nothing yet");
	else
		cq_explain_text_add(explain, "Actual: batches=" INT64_FORMAT " rows in=" INT64_FORMAT
							" read=" INT64_FORMAT " out=" INT64_FORMAT " time=%.3f ms",
							counts->nbatches, counts->rows_in, counts->rows_read,
							counts->rows_out, counts->duration_us / 1000.0);
}

/* ---- nodes ---- */

static const char *
rule_text(CqKeepRule rule)
{
	switch (rule)
	{
		case CQ_RULE_ADDITIVE:
			return "what a batch adds to an input is added to the answer";
		case CQ_RULE_LINEAR:
			return "what a batch adds to an input is joined with what is kept of the others";
		case CQ_RULE_DIFFERENCE:
			return "the query is run again for what a batch touches, and what differs is stored";
		case CQ_RULE_LATEST:
			return "a message takes the place of the one before it with the same key";
	}
	elog(ERROR, "unexpected rule %d", (int) rule);
}

static int
count_global(const CqNode *node)
{
	int			nglobal = 0;
	ListCell   *cell;

	foreach(cell, node->inputs)
		nglobal += ((CqNodeInput *) lfirst(cell))->is_global ? 1 : 0;
	return nglobal;
}

/* What has to be read for each batch, however few rows it has. */
static const char *
reads_text(const CqNode *node)
{
	int			nglobal = count_global(node);
	bool		is_whole = nglobal == list_length(node->inputs);

	switch (node->rule)
	{
		case CQ_RULE_ADDITIVE:
			return "nothing";
		case CQ_RULE_LINEAR:
			return is_whole ? "all rows of the other inputs, for each batch" :
				"of the other inputs, rows of the keys that a batch touches";
		case CQ_RULE_DIFFERENCE:
			return is_whole ? "all rows, for each batch" : nglobal > 0 ?
				"all rows of the keys that a batch touches; of inputs without a key all rows" :
				"all rows of the keys that a batch touches";
		case CQ_RULE_LATEST:
			return "the row of each key that a batch touches";
	}
	elog(ERROR, "unexpected rule %d", (int) node->rule);
}

/* Do rows go that no open window needs? */
static bool
is_bounded_by_time(const CqNode *node)
{
	ListCell   *cell;

	foreach(cell, cq_rule_keeps_inputs(node->rule) ? node->inputs : NIL)
	{
		if (((CqNodeInput *) lfirst(cell))->time.column != InvalidAttrNumber)
			return true;
	}
	return false;
}

static bool
has_versions(const CqNode *node)
{
	ListCell   *cell;

	foreach(cell, node->inputs)
	{
		if (((CqNodeInput *) lfirst(cell))->versions != NULL)
			return true;
	}
	return false;
}

static void
add_bound(CqExplain *explain, const CqNode *node)
{
	List	   *streams = cq_describe_unbounded(explain->plan->tree, node);

	if (node->rule == CQ_RULE_LATEST)
		cq_explain_text_add(explain, "Bounded by: the keys of the stream; a message without a "
							"value deletes its own");
	else if (streams != NIL)
		cq_explain_text_add(explain, "Bounded by: nothing, rows of %s stay",
							join_texts(streams));
	else if (has_versions(node))
		cq_explain_text_add(explain, "Bounded by: the newest row before the watermark, of each "
							"key; other rows go");
	else if (is_bounded_by_time(node))
		cq_explain_text_add(explain, "Bounded by: open windows, other rows go");
	else if (cq_rule_keeps_inputs(node->rule))
		cq_explain_text_add(explain, "Bounded by: its inputs, whose rows go again");
}

static void
add_kept(CqExplain *explain, const CqNode *node, const CqNodeInput *input, int number)
{
	const CqTree *tree = explain->plan->tree;
	char	   *filter = cq_describe_filter(tree, input);

	if (cq_rule_keeps_inputs(node->rule) && input->is_broadcast)
		cq_explain_text_add(explain, "Kept: for all keys, read whole for each batch; where it "
							"changes, it touches all");
	else if (cq_rule_keeps_inputs(node->rule) && input->is_global)
		cq_explain_text_add(explain, "Kept: without a key, read whole for each batch");
	else if (node->rule != CQ_RULE_ADDITIVE && explain->shows_query)
		cq_explain_text_add(explain, "%s: %s", cq_rule_keeps_inputs(node->rule) ? "Kept by" : "Key",
							join_texts(cq_describe_key(tree, input)));
	if (explain->shows_query && node->rule != CQ_RULE_LATEST)
		cq_explain_text_add(explain, "Columns: %s", join_texts(cq_describe_columns(tree, input)));
	if (explain->shows_query && filter != NULL)
		cq_explain_text_add(explain, "Filter: %s", filter);
	add_part(explain, "Table", node->number, CQ_PART_INPUT, number);
}

static void add_node(CqExplain *explain, int number, const CqNode *reader, int input);

static const char *
kind_of_source(const CqNodeInput *input)
{
	if (input == NULL || !OidIsValid(input->view))
		return "Stream";
	return input->is_table ? "Table" : "Continuous View";
}

static void
add_stream(CqExplain *explain, Oid stream, const CqNode *reader, int number)
{
	const CqNodeInput *input = reader != NULL ? list_nth(reader->inputs, number - 1) : NULL;
	char	   *name = get_rel_name(stream);
	const char *alias = input != NULL && explain->shows_query ? cq_describe_alias(input) : name;

	cq_explain_text_add(explain, CHILD "%s %s%s%s", kind_of_source(input), quote_identifier(name),
						strcmp(alias, name) != 0 ? " " : "",
						strcmp(alias, name) != 0 ? quote_identifier(alias) : "");
	explain->depth += CHILD_DEPTH;
	if (input != NULL)
		add_kept(explain, reader, input, number);
	explain->depth -= CHILD_DEPTH;
}

static void
add_inputs(CqExplain *explain, const CqNode *node)
{
	ListCell   *cell;

	foreach(cell, node->inputs)
	{
		const CqNodeInput *input = lfirst(cell);
		int			number = foreach_current_index(cell) + 1;

		if (input->node == 0)
			add_stream(explain, OidIsValid(input->view) ? input->view : input->stream, node,
					   number);
		else
			add_node(explain, input->node, node, number);
	}
}

static void
describe_node(CqExplain *explain, const CqNode *node)
{
	if (explain->shows_query && node->rule != CQ_RULE_LATEST)
		cq_explain_text_add(explain, "Query: %s", cq_describe_step(explain->plan->tree, node));
	cq_explain_text_add(explain, "Maintained: %s", rule_text(node->rule));
	cq_explain_text_add(explain, "Reads: %s", reads_text(node));
	add_part(explain, "Output", node->number, CQ_PART_OUTPUT, 1);
	add_bound(explain, node);
	add_counts(explain, node->number);
	add_inputs(explain, node);
}

/* reader: the node that it is an input of, by that number; NULL: the root. */
static void
add_node(CqExplain *explain, int number, const CqNode *reader, int input)
{
	const CqNode *node = list_nth(explain->plan->tree->nodes, number - 1);
	const CqNodeInput *kept = reader != NULL ? list_nth(reader->inputs, input - 1) : NULL;
	char	   *unnamed = psprintf("node_%d", number);
	const char *alias = kept != NULL && explain->shows_query ? cq_describe_alias(kept) : unnamed;
	bool		is_shown = bms_is_member(number, explain->shown);

	cq_explain_text_add(explain, CHILD "Node %d: %s%s%s%s", number, cq_describe_kind(node),
						strcmp(alias, unnamed) != 0 ? " " : "",
						strcmp(alias, unnamed) != 0 ? quote_identifier(alias) : "",
						is_shown ? " (see above)" : "");
	explain->depth += CHILD_DEPTH;
	explain->shown = bms_add_member(explain->shown, number);
	if (kept != NULL)
		add_kept(explain, reader, kept, input);
	if (!is_shown)
		describe_node(explain, node);
	explain->depth -= CHILD_DEPTH;
}

/* ---- the root ---- */

static const char *
root_text(const CqExplain *explain)
{
	const CqViewPlan *plan = explain->plan;

	if (plan->shape == CQ_SHAPE_ROWS)
		return "rows, as they come";
	if (plan->session != NULL)
		return "sessions, united as rows come";
	if (plan->windows != NULL)
		return "partial states of panes, put together to windows when they are read";
	if (plan->tells_changes)
		return "a state of each group, changed in place";
	return "partial states of groups, combined when they are read";
}

static char *
group_key_text(const CqViewPlan *plan)
{
	List	   *texts = NIL;
	ListCell   *cell;

	foreach(cell, plan->keys)
	{
		/* The last one is the step in which a row lies. */
		if (plan->sliding.time == NULL || lnext(plan->keys, cell) != NULL)
			texts = lappend(texts, cq_describe_expr(plan->tree, plan->query,
													(Node *) ((CqKey *) lfirst(cell))->expr));
	}
	return join_texts(texts);
}

/* What retention deletes, and when. */
static char *
retention_text(const CqView *row, const CqViewPlan *plan)
{
	char	   *age = DatumGetCString(DirectFunctionCall1(interval_out,
														  IntervalPGetDatum(row->retention)));

	switch (row->expiry)
	{
		case CQ_EXPIRES_ROWS:
			return psprintf("retention: rows go %s after they %s", age,
							row->expires_by_event_time ? "happened" : "came");
		case CQ_EXPIRES_GROUPS:
			return psprintf("retention: groups go %s after their last %s", age,
							row->expires_by_event_time ? "row happened" : "change");
		case CQ_EXPIRES_WINDOWS:
			return psprintf(plan->closing.is_by_row ? "retention: rows go %s after they happened" :
							"retention: windows go %s after their end", age);
		case CQ_EXPIRES_RESULTS:
			return psprintf("retention: rows of closed windows go %s after their end", age);
		case CQ_EXPIRES_NOTHING:
			break;
	}
	return NULL;
}

static const char *
bound_text(const CqExplain *explain)
{
	const CqViewPlan *plan = explain->plan;
	const CqView *row = explain->row;

	if (row->retention != NULL && row->expiry != CQ_EXPIRES_NOTHING)
		return retention_text(row, plan);
	if (row->emits_on_close && plan->closing.is_by_row)
		return "the watermark, rows that it has passed are told and stay";
	if (row->emits_on_close)
		return "open windows; rows of closed ones stay";
	if (row->steps_kept >= 0)
		return "the window before now, steps that have left it go";
	if (plan->shape == CQ_SHAPE_ROWS)
		return "nothing, each row stays";
	return plan->keys == NIL ? "there is one group" : "nothing, there is a state for each group";
}

static void
add_tables(CqExplain *explain)
{
	add_part(explain, "State", 0, CQ_PART_STATE, 1);
	add_part(explain, "Closed Windows", 0, CQ_PART_RESULT, 1);
}

static void
add_root(CqExplain *explain)
{
	const CqViewPlan *plan = explain->plan;

	cq_explain_text_add(explain, "Root: %s", root_text(explain));
	if (explain->shows_query)
		cq_explain_text_add(explain, "Query: %s", cq_describe_query(plan->tree, plan->query));
	if (explain->shows_query && list_length(plan->keys) > (plan->sliding.time != NULL ? 1 : 0))
		cq_explain_text_add(explain, "Group Key: %s", group_key_text(plan));
	add_tables(explain);
	cq_explain_text_add(explain, "Bounded by: %s", bound_text(explain));
	add_counts(explain, 0);
}

void
cq_explain_text_write(CqExplain *explain)
{
	const CqViewPlan *plan = explain->plan;

	explain->depth = 2;
	cq_explain_text_add(explain, "Workers: %s", plan->is_exclusive ?
						"one batch after the other" : "any number, side by side");
	if (plan->shape == CQ_SHAPE_STORED)
	{
		cq_explain_text_add(explain, "Root: what Node %d stores", list_length(plan->tree->nodes));
		add_tables(explain);
		if (explain->row->expiry != CQ_EXPIRES_NOTHING || explain->row->emits_on_close)
			cq_explain_text_add(explain, "Bounded by: %s", bound_text(explain));
	}
	else
		add_root(explain);
	add_part(explain, "Outbox", 0, CQ_PART_OUTBOX, 1);
	if (explain->shows_counts && explain->has_counts)
		cq_explain_text_add(explain, "Counted Since: %s", timestamptz_to_str(explain->since));
	if (plan->shape == CQ_SHAPE_STORED)
		add_node(explain, list_length(plan->tree->nodes), NULL, 0);
	else if (plan->node > 0)
		add_node(explain, plan->node, NULL, 0);
	else
		add_stream(explain, plan->stream, NULL, 0);
}
