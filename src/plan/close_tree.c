/*
 * close_tree.c
 *		Closing windows of queries that keep what they read: see close_tree.h.
 *
 * A window can be closed by itself where the whole query falls apart by windows: each row of the
 * answer has the window that it is of, and is made of rows of streams that belong to it. So each
 * level of the query has an anchor, a column with a time by which all that happens there is told
 * apart: the event time of a stream, or a bound of its windows, or of windows over these. A join
 * needs anchors that are equal, or times that are bound to one another (a.at BETWEEN b.at - x AND
 * b.at + y); all above has to group, or partition, by it.
 *
 * Where the answer shows no windows, but the event times of its rows, these are closed one by one:
 * a row waits until nothing can come any more that it would be another one with, and is told once.
 * So outer joins within a time, and the version of a row that was valid at an event's time (a
 * correlated sub-select with b.at <= a.at, ORDER BY b.at DESC, LIMIT 1), wait for what they need.
 *
 * With each anchor goes how far it may lie behind the event time of a row of each stream. A window
 * is closed once all watermarks are that far beyond its end: whatever comes then has an anchor
 * behind it.
 */
#include "postgres.h"

#include "catalog/stream.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "plan/anchor.h"
#include "plan/check.h"
#include "plan/close_tree.h"
#include "plan/cut_level.h"
#include "plan/scope.h"
#include "plan/tree_session.h"
#include "plan/tree_time.h"
#include "plan/window_call.h"
#include "utils/lsyscache.h"

static CqReject *anchors_of_query(Query *query, List **anchors);
static CqReject *anchors_of_from(Query *query, List **anchors);
static CqReject *anchors_with_sublinks(Query *query, List **anchors);

static CqReject *
not_closable(const char *reason, int location, const char *hint)
{
	return cq_reject_hint(cq_reject_at(cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED,
												 "windows of this query cannot be closed one by "
												 "one: %s", reason), location), "%s", hint);
}

/* ---- what stands in FROM ---- */

static CqReject *
anchors_of_stream(const RangeTblEntry *entry, int rtindex, int location, List **anchors)
{
	const CqStream *stream = cq_stream_get(entry->relid, InvalidOid);
	CqStreamLag *lag = palloc0(sizeof(CqStreamLag));
	Oid			type;
	int32		typmod;
	Oid			collation;

	if (cq_mode_changes(stream->mode))
		return not_closable(stream->mode == CQ_MODE_UPSERT ?
							"rows of a stream change, whose mode is upsert" :
							"rows of a stream change, whose mode is debezium", location,
							"Leave the option out: what changes is corrected as it comes.");
	if (stream->event_time == InvalidAttrNumber)
		return not_closable("a stream has no event times", location,
							"Set the stream's option event_time to the column that has them.");
	lag->stream = entry->relid;
	lag->event_time = stream->event_time;
	get_atttypetypmodcoll(entry->relid, stream->event_time, &type, &typmod, &collation);
	*anchors = list_make1(cq_anchor_make(makeVar(rtindex, stream->event_time, type, typmod,
												 collation, 0), list_make1(lag)));
	return NULL;
}

static CqReject *
anchors_of_subquery(const RangeTblEntry *entry, int rtindex, List **anchors)
{
	CqReject   *reject;
	ListCell   *cell;

	reject = anchors_of_query(entry->subquery, anchors);
	foreach(cell, *anchors)
		((CqAnchor *) lfirst(cell))->column->varno = rtindex;
	return reject;
}

/* LATERAL, and not by the word alone: its rows are asked for by each row around it. */
static bool
is_correlated(const RangeTblEntry *entry)
{
	return entry->lateral && contain_vars_of_level((Node *) entry->subquery, 1);
}

static CqReject *
anchors_of_entry(const Query *query, int rtindex, CqAnchorPart *part)
{
	RangeTblEntry *entry = rt_fetch(rtindex, query->rtable);
	int			location = exprLocation((Node *) query->targetList);

	part->members = bms_make_singleton(rtindex);
	part->reads_stream = entry->rtekind == RTE_SUBQUERY ?
		cq_scope_reads_stream(NULL, (Node *) entry->subquery) && !is_correlated(entry) :
		cq_scope_is_stream(entry);
	if (!part->reads_stream)
		return NULL;
	return entry->rtekind == RTE_SUBQUERY ?
		anchors_of_subquery(entry, rtindex, &part->anchors) :
		anchors_of_stream(entry, rtindex, location, &part->anchors);
}

/* ---- joins ---- */

static CqReject *
not_bound(const Query *query, const void *quals)
{
	int			location = exprLocation(quals);

	return not_closable("nothing says how far apart in time the rows are that it joins",
						location >= 0 ? location : exprLocation((Node *) query->targetList),
						"Join windows by window_end (or window_start), or event times: "
						"a.at BETWEEN b.at - interval '1 min' AND b.at + interval '1 min'.");
}

static CqReject *
take_item(const Query *query, Node *item, CqAnchorPart *part)
{
	JoinExpr   *join = (JoinExpr *) item;
	CqAnchorPart left = {NULL};
	CqAnchorPart right = {NULL};
	CqReject   *reject;

	if (IsA(item, RangeTblRef))
		return anchors_of_entry(query, ((RangeTblRef *) item)->rtindex, part);
	if ((reject = take_item(query, join->larg, &left)) != NULL ||
		(reject = take_item(query, join->rarg, &right)) != NULL)
		return reject;
	part->members = bms_union(left.members, right.members);
	part->reads_stream = left.reads_stream || right.reads_stream;
	if (left.reads_stream && right.reads_stream)
		return cq_anchor_join_parts(&left, &right, join->jointype,
									cq_cut_split_conditions(join->quals), &part->anchors) ?
			NULL : not_bound(query, join->quals);
	part->anchors = left.reads_stream ? left.anchors : right.anchors;
	return NULL;
}

/* Windows in FROM over the time of a part, or over bounds of its windows, are that part's. */
static void
take_windows(const Query *query, CqAnchorPart *part)
{
	ListCell   *cell;

	foreach(cell, query->rtable)
	{
		const RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);
		int			rtindex = foreach_current_index(cell) + 1;
		CqWindowKind kind;
		FuncExpr   *call = cq_window_call(entry, &kind);
		const CqAnchor *time = call != NULL ?
			cq_anchor_find(part->anchors, linitial(call->args)) : NULL;
		Oid			type = call != NULL ? exprType(linitial(call->args)) : InvalidOid;

		if (time == NULL || !cq_window_call_is_inner(query, rtindex) ||
			(time = cq_anchor_window_time(time, entry)) == NULL)
			continue;
		for (AttrNumber bound = CQ_WINDOW_START; bound <= CQ_WINDOW_END; bound++)
		{
			Var		   *column = makeVar(rtindex, bound, type, -1, InvalidOid, 0);

			part->anchors = lappend(part->anchors,
									cq_anchor_make_bound(time, column, bound == CQ_WINDOW_END ?
														 CQ_ANCHOR_END : CQ_ANCHOR_START, entry));
		}
	}
}

/* One that can be joined with what has been, or NULL. */
static CqAnchorPart *
next_part(const CqAnchorPart *joined, const List *parts, const List *conditions, List **anchors)
{
	ListCell   *cell;

	foreach(cell, parts)
	{
		if (cq_anchor_join_parts(joined, lfirst(cell), JOIN_INNER, conditions, anchors))
			return lfirst(cell);
	}
	return NULL;
}

/* ---- sub-selects that are correlated ---- */

/* Those whose rows' times are bound to the time of a row around them, in their WHERE. */
static List *
anchors_with(const List *anchors, const List *inner, const List *conditions)
{
	ListCell   *cell;

	foreach(cell, anchors)
	{
		CqAnchor	outer = *(const CqAnchor *) lfirst(cell);
		CqAnchorDistance distance;

		if (outer.kind != CQ_ANCHOR_TIME || outer.other != NULL)
			continue;
		outer.column = copyObject(outer.column);
		outer.column->varlevelsup = 1;
		if (cq_anchor_join_distance(conditions, &outer, inner, &distance))
			return cq_anchor_join_at(anchors, &outer, &distance);
	}
	return NIL;
}

/*
 * What a sub-select gives for a row is settled when no more rows can come that its WHERE lets in,
 * whatever it makes of them.
 */
static CqReject *
take_correlated(Query *inner, int location, List **anchors)
{
	List	   *own;
	CqReject   *reject;

	if (inner->setOperations != NULL)
		return not_closable("a sub-select over a stream is a set operation, and correlated",
							location, "Write a sub-select for each part of it.");
	if ((reject = anchors_of_from(inner, &own)) != NULL ||
		(reject = anchors_with_sublinks(inner, &own)) != NULL)
		return reject;
	*anchors = anchors_with(*anchors, own, cq_cut_split_conditions(inner->jointree->quals));
	if (*anchors == NIL)
		return not_closable("nothing says up to which time it needs the rows of a sub-select",
							location,
							"Compare the event times in its WHERE: "
							"(SELECT … FROM b WHERE b.at <= a.at ORDER BY b.at DESC LIMIT 1).");
	return NULL;
}

static CqReject *
anchors_with_laterals(Query *query, List **anchors)
{
	int			location = exprLocation((Node *) query->targetList);
	CqReject   *reject = NULL;
	ListCell   *cell;

	foreach(cell, query->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		if (reject == NULL && entry->rtekind == RTE_SUBQUERY && is_correlated(entry) &&
			cq_scope_reads_stream(NULL, (Node *) entry->subquery))
			reject = take_correlated(entry->subquery, location, anchors);
	}
	return reject;
}

static CqReject *
anchors_of_from(Query *query, List **anchors)
{
	List	   *conditions;
	List	   *parts = NIL;
	CqAnchorPart *joined;
	ListCell   *cell;

	cq_cut_split_flatten_joins(query);
	conditions = cq_cut_split_conditions(query->jointree->quals);
	foreach(cell, query->jointree->fromlist)
	{
		CqAnchorPart *part = palloc0(sizeof(CqAnchorPart));
		CqReject   *reject = take_item(query, lfirst(cell), part);

		if (reject != NULL)
			return reject;
		take_windows(query, part);
		if (part->reads_stream)
			parts = lappend(parts, part);
	}
	if (parts == NIL)
		return not_closable("a part of it reads no stream",
							exprLocation((Node *) query->targetList),
							"Name a stream in FROM.");
	joined = linitial(parts);
	parts = list_delete_first(parts);
	while (parts != NIL)
	{
		List	   *both;
		CqAnchorPart *part = next_part(joined, parts, conditions, &both);

		if (part == NULL)
			return not_bound(query, query->jointree->quals);
		joined->anchors = both;
		parts = list_delete_ptr(parts, part);
		take_windows(query, joined);
	}
	*anchors = joined->anchors;
	return anchors_with_laterals(query, anchors);
}

/* ---- what is above ---- */

/* Collects sub-selects over streams in expressions, not those within them. */
static bool
find_sublinks(Node *node, List **links)
{
	SubLink    *link = (SubLink *) node;

	if (node == NULL || IsA(node, Query))
		return false;
	if (!IsA(node, SubLink) || !cq_scope_reads_stream(NULL, link->subselect))
		return expression_tree_walker(node, find_sublinks, links);
	*links = lappend(*links, link);
	return find_sublinks(link->testexpr, links);
}

static CqReject *
anchors_with_sublinks(Query *query, List **anchors)
{
	List	   *links = NIL;
	CqReject   *reject = NULL;
	ListCell   *cell;

	(void) find_sublinks((Node *) query->targetList, &links);
	(void) find_sublinks((Node *) query->jointree, &links);
	(void) find_sublinks(query->havingQual, &links);
	foreach(cell, links)
	{
		const SubLink *link = lfirst_node(SubLink, cell);

		if (reject != NULL)
			break;
		if (contain_vars_of_level(link->subselect, 1))
			reject = take_correlated(castNode(Query, link->subselect), link->location, anchors);
		else
			reject = not_closable("a sub-select over a stream is in an expression", link->location,
								  "Join it by the window.");
	}
	return reject;
}

static CqReject *
check_above(Query *query, List **anchors)
{
	int			location = exprLocation((Node *) query->targetList);
	CqReject   *reject;

	if (query->limitCount != NULL || query->limitOffset != NULL)
		return not_closable("LIMIT is of all of them",
							exprLocation(query->limitCount ? query->limitCount :
										 query->limitOffset),
							"Number the rows of a window: row_number() OVER "
							"(PARTITION BY window_end ORDER BY …).");
	if (query->groupingSets != NIL)
		return not_closable("it has grouping sets", exprLocation((Node *) query->groupingSets),
							"Create a view for each of them.");
	if (query->groupClause != NIL || query->hasAggs || query->havingQual != NULL)
		*anchors = cq_anchor_among(*anchors, query->groupClause, query);
	if (*anchors == NIL)
		return not_closable("it is not grouped by windows of event time", location,
							"Group by window_start or window_end of cq.tumble, cq.hop or "
							"cq.cumulate over the column that the stream's option event_time "
							"names, or over a bound of such windows. In a join it must not lie "
							"any time behind that of the other rows: "
							"a.at >= b.at - interval '1 min'.");
	if ((reject = cq_anchor_over(query, anchors)) != NULL)
		return reject;
	if (query->hasDistinctOn && cq_anchor_among(*anchors, query->distinctClause, query) == NIL)
		return not_closable("DISTINCT ON looks beyond them", location,
							"Add window_end to DISTINCT ON.");
	return NULL;
}

/* By the columns that show them. */
static List *
show_anchors(const Query *query, const List *anchors)
{
	List	   *shown = NIL;
	ListCell   *cell;

	foreach(cell, query->targetList)
	{
		const TargetEntry *target = lfirst_node(TargetEntry, cell);
		CqAnchor   *anchor = target->resjunk ? NULL :
			cq_anchor_find(anchors, (const Node *) target->expr);

		if (anchor == NULL)
			continue;
		anchor = cq_anchor_with_lags(anchor, anchor->lags);
		anchor->other = NULL;
		anchor->call = NULL;
		anchor->is_upper = false;
		anchor->column = makeVar(1, target->resno, exprType((Node *) target->expr), -1, InvalidOid,
								 0);
		shown = lappend(shown, anchor);
	}
	return shown;
}

static CqReject *
anchors_of_operand(Node *operand, Query *query, List **anchors)
{
	SetOperationStmt *operation = (SetOperationStmt *) operand;
	List	   *left;
	List	   *right;
	CqReject   *reject;
	ListCell   *cell;

	*anchors = NIL;
	if (IsA(operand, RangeTblRef))
		return anchors_of_query(rt_fetch(((RangeTblRef *) operand)->rtindex,
										 query->rtable)->subquery, anchors);
	if ((reject = anchors_of_operand(operation->larg, query, &left)) != NULL ||
		(reject = anchors_of_operand(operation->rarg, query, &right)) != NULL)
		return reject;
	foreach(cell, left)
	{
		const CqAnchor *anchor = lfirst(cell);
		const CqAnchor *other = cq_anchor_find(right, (const Node *) anchor->column);

		if (other != NULL && anchor->kind == other->kind &&
			(anchor->kind == CQ_ANCHOR_TIME || cq_anchor_same_windows(anchor, other)))
		{
			List	   *lags = cq_anchor_merge_lags(anchor->lags, other->lags, 0, 0);

			*anchors = lappend(*anchors, cq_anchor_with_lags(anchor, lags));
		}
	}
	return NULL;
}

/* Of CqAnchor *, over columns of the select list, as of the first entry of a range table. */
static CqReject *
anchors_of_query(Query *query, List **anchors)
{
	int			location = exprLocation((Node *) query->targetList);
	CqReject   *reject;

	check_stack_depth();
	*anchors = NIL;
	if (query->setOperations != NULL)
		reject = query->limitCount != NULL || query->limitOffset != NULL ?
			check_above(query, anchors) : anchors_of_operand(query->setOperations, query, anchors);
	else if ((reject = anchors_of_from(query, anchors)) == NULL &&
			 (reject = anchors_with_sublinks(query, anchors)) == NULL &&
			 (reject = check_above(query, anchors)) == NULL)
		*anchors = show_anchors(query, *anchors);
	if (reject == NULL && *anchors == NIL)
		return not_closable("a part of it does not show of which window a row is", location,
							"Add window_end, or the event time, to the select list.");
	return reject;
}

static const CqAnchor *
find_bound(const List *anchors)
{
	const CqAnchor *found = NULL;
	ListCell   *cell;

	foreach(cell, anchors)
	{
		const CqAnchor *anchor = lfirst(cell);
		CqWindowKind kind;

		if (anchor->kind == CQ_ANCHOR_TIME)
			continue;
		if (cq_anchor_is_of_session(anchor))
			return anchor;
		(void) cq_window_call(anchor->windows, &kind);
		if (anchor->kind == CQ_ANCHOR_END)
			return anchor;
		if (kind != CQ_WINDOW_CUMULATE)
			found = anchor;
	}
	return found;
}

static CqReject *
anchors_of_view(const CqViewPlan *plan, List **anchors)
{
	Query	   *query = copyObject(unconstify(Query *, plan->definition));

	cq_cut_leaf_inline(query);
	return anchors_of_query(query, anchors);
}

static CqReject *
set_lags(CqViewPlan *plan, const CqAnchor *anchor)
{
	ListCell   *cell;

	plan->lags = anchor->lags;
	foreach(cell, plan->lags)
		plan->longest_lag = Max(plan->longest_lag, ((CqStreamLag *) lfirst(cell))->lag);
	if (plan->tree != NULL)
		cq_tree_time_find(plan);
	return plan->closing.is_of_sessions ? cq_tree_session_find(plan) : NULL;
}

/* Rows that are of no window are closed one by one, as the watermark passes their times. */
static void
take_times(CqViewPlan *plan, const CqAnchor *anchor)
{
	plan->closing.is_by_row = true;
	plan->closing.type = exprType((Node *) anchor->column);
}

/* They are closed up to the watermark, wherever they end. */
static void
take_sessions(CqViewPlan *plan, const CqAnchor *anchor)
{
	Oid			type = exprType((Node *) anchor->column);

	plan->closing.is_of_sessions = true;
	plan->closing.column_is_range = anchor->kind == CQ_ANCHOR_SESSION;
	plan->closing.type = plan->closing.column_is_range ? get_range_subtype(type) : type;
}

/*
 * Rows that go by their times, and are not emitted, are told as they change: nothing may make one
 * anew that has gone.
 */
static CqReject *
check_times(const CqViewPlan *plan)
{
	ListCell   *cell;

	foreach(cell, plan->tree != NULL ? plan->tree->nodes : NIL)
	{
		if (!cq_tree_time_goes(plan, lfirst(cell)))
			return not_closable("a part of it is not told by one event time",
								exprLocation((Node *) plan->definition->targetList),
								"With emit = 'close' rows of closed windows have a retention.");
	}
	return NULL;
}

/* Rows without a time are of no window, and are never told. */
static void
leave_out_timeless(CqViewPlan *plan)
{
	if (plan->tree != NULL)
		cq_tree_time_require(plan);
	if (plan->shape == CQ_SHAPE_ROWS)
	{
		FromExpr   *from = plan->maintain->jointree;
		const TargetEntry *time = get_tle_by_resno(plan->maintain->targetList,
												   plan->closing.column);

		from->quals = make_and_qual(from->quals, cq_tree_time_is_known(time->expr));
	}
}

CqReject *
cq_close_tree_find(CqViewPlan *plan, bool is_emitted)
{
	const CqAnchor *anchor;
	List	   *anchors;
	CqReject   *reject = anchors_of_view(plan, &anchors);

	if (reject != NULL)
		return reject;
	anchor = find_bound(anchors);
	if (anchor == NULL)
		anchor = cq_anchor_time(anchors);
	if (anchor == NULL)
		return not_closable("it does not show of which window a row is",
							exprLocation((Node *) plan->definition->targetList),
							"Add window_end to the select list.");
	plan->closing.column = anchor->column->varattno;
	plan->closing.column_is_start = anchor->kind == CQ_ANCHOR_START;
	if (anchor->kind == CQ_ANCHOR_TIME)
		take_times(plan, anchor);
	else if (cq_anchor_is_of_session(anchor))
		take_sessions(plan, anchor);
	else
		reject = cq_close_take_windows(plan, anchor->windows, 0, InvalidAttrNumber);
	if (reject != NULL || (reject = set_lags(plan, anchor)) != NULL)
		return reject;
	if (plan->closing.is_by_row && !is_emitted && (reject = check_times(plan)) != NULL)
		return reject;
	leave_out_timeless(plan);
	return NULL;
}

/* A row without a time counts as of when it came. */
static Expr *
time_of_row(Expr *time)
{
	CoalesceExpr *coalesce = makeNode(CoalesceExpr);

	coalesce->coalescetype = exprType((Node *) time);
	coalesce->args = list_make2(copyObject(time), cq_sliding_ago(coalesce->coalescetype, 0));
	coalesce->location = -1;
	return (Expr *) coalesce;
}

CqReject *
cq_close_tree_find_time(CqViewPlan *plan)
{
	const CqAnchor *anchor;
	List	   *anchors;
	CqReject   *reject = anchors_of_view(plan, &anchors);

	if (reject == NULL && cq_anchor_time(anchors) == NULL)
		reject = not_closable("", exprLocation((Node *) plan->definition->targetList),
							  "Add the event time of a stream to the select list; of streams that "
							  "are joined, one that does not lie any time behind that of the "
							  "other rows: a.at >= b.at - interval '1 min'.");
	if (reject != NULL)
	{
		reject->message = "retention by event time needs the time of a row, and how far apart the "
			"times are of rows that are joined";
		return reject;
	}
	anchor = cq_anchor_time(anchors);
	plan->time = time_of_row(get_tle_by_resno(plan->query->targetList,
											  anchor->column->varattno)->expr);
	plan->time_column = CQ_EVENT_TIME_COLUMN;
	return set_lags(plan, anchor);
}
