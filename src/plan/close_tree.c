/*
 * close_tree.c
 *		Closing windows of queries that keep what they read: see close_tree.h.
 *
 * A window can be closed by itself where the whole query falls apart by windows: each row of the
 * answer has the window that it is of, and is made of rows of streams that belong to it. So each
 * level of the query has an anchor, a column with a time by which all that happens there is told
 * apart: the event time of a stream, or a bound of its windows. A join needs anchors that are
 * equal, or times that are bound to one another (a.at BETWEEN b.at - x AND b.at + y); all above has
 * to group, or partition, by it.
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

#include "access/stratnum.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "catalog/stream.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "plan/check.h"
#include "plan/close_tree.h"
#include "plan/cut_level.h"
#include "plan/scope.h"
#include "plan/tree_time.h"
#include "plan/window_call.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

typedef enum AnchorKind
{
	ANCHOR_TIME,				/* an event time */
	ANCHOR_START,				/* a bound of windows over one */
	ANCHOR_END
} AnchorKind;

typedef struct Anchor
{
	Var		   *column;
	Var		   *other;			/* of a full join: COALESCE of both; else NULL */
	AnchorKind	kind;
	const RangeTblEntry *windows;	/* of bounds */
	const void *time;			/* whose: a time and the bounds of windows over it have the same */
	List	   *lags;			/* of CqStreamLag * */
} Anchor;

/* What FROM is made of: an item, or several that are joined. */
typedef struct Part
{
	Bitmapset  *members;		/* indexes of the range table */
	List	   *anchors;		/* of Anchor * */
	bool		reads_stream;
} Part;

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

/* ---- lags ---- */

static CqStreamLag *
find_lag(const List *lags, Oid stream)
{
	ListCell   *cell;

	foreach(cell, lags)
	{
		if (((CqStreamLag *) lfirst(cell))->stream == stream)
			return lfirst(cell);
	}
	return NULL;
}

/* Those of both; others are by so much longer. ahead: -1: without an end. */
static List *
merge_lags(const List *lags, const List *others, int64 more, int64 ahead)
{
	List	   *merged = NIL;
	ListCell   *cell;

	foreach(cell, lags)
	{
		CqStreamLag *copy = palloc(sizeof(CqStreamLag));

		*copy = *(CqStreamLag *) lfirst(cell);
		merged = lappend(merged, copy);
	}
	foreach(cell, others)
	{
		const CqStreamLag *other = lfirst(cell);
		CqStreamLag *lag = find_lag(merged, other->stream);

		if (lag == NULL)
		{
			lag = palloc(sizeof(CqStreamLag));
			*lag = *other;
			lag->lag = lag->lead = 0;
			merged = lappend(merged, lag);
		}
		lag->lag = Max(lag->lag, other->lag + Max(more, 0));
		lag->lead = lag->lead < 0 || other->lead < 0 || ahead < 0 ? -1 :
			Max(lag->lead, other->lead + ahead);
	}
	return merged;
}

/* ---- anchors ---- */

static bool
same_column(const Var *one, const Var *other)
{
	return one->varno == other->varno && one->varattno == other->varattno &&
		one->varlevelsup == other->varlevelsup;
}

static bool
is_anchor(const Anchor *anchor, const Node *expr)
{
	const CoalesceExpr *both = (const CoalesceExpr *) expr;

	if (anchor->other == NULL)
		return IsA(expr, Var) && same_column((const Var *) expr, anchor->column);
	return IsA(expr, CoalesceExpr) && list_length(both->args) == 2 &&
		IsA(linitial(both->args), Var) && IsA(lsecond(both->args), Var) &&
		same_column(linitial(both->args), anchor->column) &&
		same_column(lsecond(both->args), anchor->other);
}

static Anchor *
find_anchor(const List *anchors, const Node *expr)
{
	ListCell   *cell;

	foreach(cell, anchors)
	{
		if (is_anchor(lfirst(cell), expr))
			return lfirst(cell);
	}
	return NULL;
}

static Anchor *
make_time(Var *column, List *lags)
{
	Anchor	   *anchor = palloc0(sizeof(Anchor));

	anchor->column = column;
	anchor->kind = ANCHOR_TIME;
	anchor->time = anchor;
	anchor->lags = lags;
	return anchor;
}

/* The same with other lags. */
static Anchor *
with_lags(const Anchor *anchor, List *lags)
{
	Anchor	   *copy = palloc(sizeof(Anchor));

	*copy = *anchor;
	copy->lags = lags;
	return copy;
}

/* A bound of windows over a time. */
static Anchor *
make_bound(const Anchor *time, Var *column, AnchorKind kind, const RangeTblEntry *windows)
{
	Anchor	   *anchor = with_lags(time, time->lags);

	anchor->column = column;
	anchor->kind = kind;
	anchor->windows = windows;
	return anchor;
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
	*anchors = list_make1(make_time(makeVar(rtindex, stream->event_time, type, typmod, collation,
											0), list_make1(lag)));
	return NULL;
}

static CqReject *
anchors_of_subquery(const RangeTblEntry *entry, int rtindex, List **anchors)
{
	CqReject   *reject;
	ListCell   *cell;

	reject = anchors_of_query(entry->subquery, anchors);
	foreach(cell, *anchors)
		((Anchor *) lfirst(cell))->column->varno = rtindex;
	return reject;
}

/* LATERAL, and not by the word alone: its rows are asked for by each row around it. */
static bool
is_correlated(const RangeTblEntry *entry)
{
	return entry->lateral && contain_vars_of_level((Node *) entry->subquery, 1);
}

static CqReject *
anchors_of_entry(const Query *query, int rtindex, Part *part)
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

static bool
same_windows(const Anchor *one, const Anchor *other)
{
	CqWindowKind kind;
	CqWindowKind other_kind;
	FuncExpr   *call;
	FuncExpr   *other_call;

	if (one->kind != other->kind || one->kind == ANCHOR_TIME)
		return false;
	call = copyObject(cq_window_call(one->windows, &kind));
	other_call = copyObject(cq_window_call(other->windows, &other_kind));
	if (kind != other_kind || !cq_window_call_settle(call, true) ||
		!cq_window_call_settle(other_call, true) ||
		(kind == CQ_WINDOW_CUMULATE && one->kind == ANCHOR_START))
		return false;
	return call->funcid == other_call->funcid &&
		equal(list_copy_tail(call->args, 1), list_copy_tail(other_call->args, 1));
}

/* A column, and what is added to it: at least and at most, in microseconds. */
typedef struct Moment
{
	const Var  *column;
	int64		least;
	int64		most;
} Moment;

static bool
read_interval(const Node *node, bool is_zoned, int sign, Moment *moment)
{
	const Const *constant = (const Const *) eval_const_expressions(NULL,
																   unconstify(Node *, node));
	const Interval *interval;
	int64		short_day = is_zoned ? 23 * USECS_PER_HOUR : USECS_PER_DAY;
	int64		long_day = is_zoned ? 25 * USECS_PER_HOUR : USECS_PER_DAY;
	int64		least;
	int64		most;

	if (!IsA(constant, Const) || constant->constisnull || constant->consttype != INTERVALOID)
		return false;
	interval = DatumGetIntervalP(constant->constvalue);
	if (interval->month != 0 || abs(interval->day) > 100000 ||
		interval->time > PG_INT64_MAX / 4 || interval->time < PG_INT64_MIN / 4)
		return false;
	least = interval->day * (interval->day > 0 ? short_day : long_day) + interval->time;
	most = interval->day * (interval->day > 0 ? long_day : short_day) + interval->time;
	moment->least = sign > 0 ? least : -most;
	moment->most = sign > 0 ? most : -least;
	return true;
}

static bool
read_moment(Node *node, Moment *moment)
{
	const OpExpr *sum = (const OpExpr *) node;
	Oid			function;

	memset(moment, 0, sizeof(Moment));
	if (IsA(node, Var))
	{
		moment->column = (const Var *) node;
		return true;
	}
	if (!IsA(node, OpExpr) || list_length(sum->args) != 2)
		return false;
	function = get_opcode(sum->opno);
	if (function == F_INTERVAL_PL_TIMESTAMPTZ || function == F_INTERVAL_PL_TIMESTAMP)
		sum = (const OpExpr *) makeFuncExpr(function, sum->opresulttype,
											list_make2(lsecond(sum->args), linitial(sum->args)),
											InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
	if (IsA(sum, FuncExpr))
	{
		const FuncExpr *turned = (const FuncExpr *) sum;

		if (!IsA(linitial(turned->args), Var))
			return false;
		moment->column = linitial(turned->args);
		return read_interval(lsecond(turned->args), turned->funcresulttype == TIMESTAMPTZOID, 1,
							 moment);
	}
	if (!IsA(linitial(sum->args), Var))
		return false;
	moment->column = linitial(sum->args);
	if (function == F_TIMESTAMPTZ_PL_INTERVAL || function == F_TIMESTAMP_PL_INTERVAL)
		return read_interval(lsecond(sum->args), sum->opresulttype == TIMESTAMPTZOID, 1, moment);
	if (function == F_TIMESTAMPTZ_MI_INTERVAL || function == F_TIMESTAMP_MI_INTERVAL)
		return read_interval(lsecond(sum->args), sum->opresulttype == TIMESTAMPTZOID, -1, moment);
	return false;
}

/* A condition that two times are so far apart at most: time >= other - lag. */
static bool
bounds(const OpExpr *condition, const Var *time, const Var *other, int64 *lag)
{
	Moment		left;
	Moment		right;
	int			strategy;

	if (!IsA(condition, OpExpr) || list_length(condition->args) != 2 ||
		!read_moment(linitial(condition->args), &left) ||
		!read_moment(lsecond(condition->args), &right))
		return false;
	strategy = get_op_opfamily_strategy(condition->opno,
										lookup_type_cache(exprType(linitial(condition->args)),
														  TYPECACHE_BTREE_OPFAMILY)->btree_opf);
	if (same_column(left.column, time) && same_column(right.column, other) &&
		(strategy == BTGreaterStrategyNumber || strategy == BTGreaterEqualStrategyNumber ||
		 strategy == BTEqualStrategyNumber))
	{
		*lag = left.most - right.least;
		return true;
	}
	if (same_column(right.column, time) && same_column(left.column, other) &&
		(strategy == BTLessStrategyNumber || strategy == BTLessEqualStrategyNumber ||
		 strategy == BTEqualStrategyNumber))
	{
		*lag = right.most - left.least;
		return true;
	}
	return false;
}

static Anchor *
time_of(const List *anchors)
{
	ListCell   *cell;

	foreach(cell, anchors)
	{
		if (((Anchor *) lfirst(cell))->kind == ANCHOR_TIME)
			return lfirst(cell);
	}
	return NULL;
}

/* By how much one time lies before another at most: the least of what conditions say. */
static bool
find_bound_of(const List *conditions, const Anchor *time, const Anchor *other, int64 *least)
{
	bool		is_found = false;
	ListCell   *cell;

	foreach(cell, conditions)
	{
		int64		lag;

		if (!bounds(lfirst(cell), time->column, other->column, &lag))
			continue;
		*least = is_found ? Min(*least, lag) : lag;
		is_found = true;
	}
	return is_found;
}

/* How far a time may lie behind another one, and before it (-1: without an end). */
typedef struct Distance
{
	const Anchor *other;
	int64		lag;
	int64		lead;
} Distance;

/* The first of the others that conditions say it of. */
static bool
find_distance(const List *conditions, const Anchor *time, const List *others, Distance *distance)
{
	ListCell   *cell;

	foreach(cell, others)
	{
		const Anchor *other = lfirst(cell);
		int64		lead;

		if (other->kind != ANCHOR_TIME || other->other != NULL ||
			!find_bound_of(conditions, time, other, &distance->lag))
			continue;
		distance->other = other;
		distance->lead = find_bound_of(conditions, other, time, &lead) ? Max(lead, 0) : -1;
		return true;
	}
	return false;
}

/* The same by way of another time of the same rows, where conditions do not say it of the time. */
static bool
find_distance_through(const List *conditions, const Anchor *time, const List *own,
					  const List *others, Distance *distance)
{
	ListCell   *cell;

	foreach(cell, own)
	{
		const Anchor *middle = lfirst(cell);
		int64		lag;
		int64		lead;

		if (middle == time || middle->kind != ANCHOR_TIME || middle->other != NULL ||
			!find_bound_of(conditions, time, middle, &lag) ||
			!find_distance(conditions, middle, others, distance))
			continue;
		distance->lag += lag;
		if (distance->lead < 0 || !find_bound_of(conditions, middle, time, &lead))
			distance->lead = -1;
		else
			distance->lead = Max(distance->lead + lead, 0);
		return true;
	}
	return false;
}

/* All that are of a time, with what rows at such a distance add to it. */
static List *
anchors_at(const List *anchors, const Anchor *time, const Distance *distance)
{
	List	   *lags = merge_lags(time->lags, distance->other->lags, distance->lag,
								  distance->lead);
	List	   *result = NIL;
	ListCell   *cell;

	foreach(cell, anchors)
	{
		if (((Anchor *) lfirst(cell))->time == time->time)
			result = lappend(result, with_lags(lfirst(cell), lags));
	}
	return result;
}

/* Those of a part whose times are bound to those of the other. */
static List *
bound_anchors(const List *anchors, const List *others, const List *conditions)
{
	List	   *result = NIL;
	ListCell   *cell;

	foreach(cell, anchors)
	{
		const Anchor *time = lfirst(cell);
		Distance	distance;

		if (time->kind == ANCHOR_TIME && time->other == NULL &&
			(find_distance(conditions, time, others, &distance) ||
			 find_distance_through(conditions, time, anchors, others, &distance)))
			result = list_concat(result, anchors_at(anchors, time, &distance));
	}
	return result;
}

/*
 * Of a full join, COALESCE of the times of both sides. A row of either side may be what keeps one
 * of the other from having no match.
 */
static List *
times_of_either(const Part *left, const Part *right, const List *conditions)
{
	Anchor	   *of_left = time_of(left->anchors);
	Anchor	   *of_right = time_of(right->anchors);
	Anchor	   *both;
	List	   *lags;
	int64		lag;
	int64		lead;

	if (of_left == NULL || of_right == NULL || of_left->other != NULL || of_right->other != NULL ||
		!find_bound_of(conditions, of_left, of_right, &lag) ||
		!find_bound_of(conditions, of_right, of_left, &lead))
		return NIL;
	lags = merge_lags(NIL, of_left->lags, lead, Max(lag, 0));
	both = make_time(of_left->column, merge_lags(lags, of_right->lags, lag, Max(lead, 0)));
	both->other = of_right->column;
	return list_make1(both);
}

static bool
is_equality_of(const OpExpr *condition, const Anchor *one, const Anchor *other)
{
	Node	   *left;
	Node	   *right;

	if (!IsA(condition, OpExpr) || list_length(condition->args) != 2 ||
		!op_mergejoinable(condition->opno, exprType(linitial(condition->args))))
		return false;
	left = linitial(condition->args);
	right = lsecond(condition->args);
	return (is_anchor(one, left) && is_anchor(other, right)) ||
		(is_anchor(one, right) && is_anchor(other, left));
}

/* A pair of anchors, one of each, that say the same window and are equal by some condition. */
static bool
find_equal_windows(const Part *one, const Part *other, const List *conditions,
				   Anchor **of_one, Anchor **of_other)
{
	ListCell   *cell;
	ListCell   *left;
	ListCell   *right;

	foreach(cell, conditions)
	{
		foreach(left, one->anchors)
		{
			foreach(right, other->anchors)
			{
				if (!is_equality_of(lfirst(cell), lfirst(left), lfirst(right)) ||
					!same_windows(lfirst(left), lfirst(right)))
					continue;
				*of_one = lfirst(left);
				*of_other = lfirst(right);
				return true;
			}
		}
	}
	return false;
}

/* The bounds among a part's anchors, of rows that may be made of the other's as well. */
static List *
windows_with(const Part *part, const Anchor *own, const Anchor *other)
{
	List	   *result = NIL;
	ListCell   *cell;

	foreach(cell, part->anchors)
	{
		const Anchor *anchor = lfirst(cell);

		if (anchor->kind != ANCHOR_TIME && anchor->windows == own->windows)
			result = lappend(result, with_lags(anchor, merge_lags(anchor->lags, other->lags, 0,
																  0)));
	}
	return result;
}

/* COALESCE of the bounds of both sides, as JOIN USING shows them. */
static List *
windows_of_either(const Part *left, const Part *right, const List *conditions)
{
	List	   *result = NIL;
	ListCell   *one;
	ListCell   *other;

	foreach(one, left->anchors)
	{
		foreach(other, right->anchors)
		{
			const Anchor *of_left = lfirst(one);
			const Anchor *of_right = lfirst(other);
			Anchor	   *both;

			if (!same_windows(of_left, of_right))
				continue;
			both = with_lags(of_left, merge_lags(of_left->lags, of_right->lags, 0, 0));
			both->other = of_right->column;
			result = lappend(result, both);
		}
	}
	return result;
}

static bool
join_parts(const Part *left, const Part *right, JoinType type, const List *conditions,
		   List **anchors)
{
	Anchor	   *of_left;
	Anchor	   *of_right;

	*anchors = NIL;
	if (find_equal_windows(left, right, conditions, &of_left, &of_right))
	{
		if (type == JOIN_FULL)
			*anchors = windows_of_either(left, right, conditions);
		if (type == JOIN_LEFT || type == JOIN_INNER)
			*anchors = windows_with(left, of_left, of_right);
		if (type == JOIN_RIGHT || type == JOIN_INNER)
			*anchors = list_concat(*anchors, windows_with(right, of_right, of_left));
	}
	else if (type == JOIN_FULL)
		*anchors = times_of_either(left, right, conditions);
	else
	{
		/* Of what has no match, the other side has no time. */
		if (type != JOIN_RIGHT)
			*anchors = bound_anchors(left->anchors, right->anchors, conditions);
		if (type != JOIN_LEFT)
			*anchors = list_concat(*anchors, bound_anchors(right->anchors, left->anchors,
														   conditions));
	}
	return *anchors != NIL;
}

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
take_item(const Query *query, Node *item, Part *part)
{
	JoinExpr   *join = (JoinExpr *) item;
	Part		left = {NULL};
	Part		right = {NULL};
	CqReject   *reject;

	if (IsA(item, RangeTblRef))
		return anchors_of_entry(query, ((RangeTblRef *) item)->rtindex, part);
	if ((reject = take_item(query, join->larg, &left)) != NULL ||
		(reject = take_item(query, join->rarg, &right)) != NULL)
		return reject;
	part->members = bms_union(left.members, right.members);
	part->reads_stream = left.reads_stream || right.reads_stream;
	if (left.reads_stream && right.reads_stream)
		return join_parts(&left, &right, join->jointype, cq_cut_split_conditions(join->quals),
						  &part->anchors) ? NULL :
			not_bound(query, join->quals);
	part->anchors = left.reads_stream ? left.anchors : right.anchors;
	return NULL;
}

/* Windows in FROM over the time of a part are that part's. */
static void
take_windows(const Query *query, Part *part)
{
	ListCell   *cell;

	foreach(cell, query->rtable)
	{
		const RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);
		int			rtindex = foreach_current_index(cell) + 1;
		CqWindowKind kind;
		FuncExpr   *call = cq_window_call(entry, &kind);
		Anchor	   *time = call != NULL ? find_anchor(part->anchors, linitial(call->args)) : NULL;
		Oid			type = call != NULL ? exprType(linitial(call->args)) : InvalidOid;

		if (time == NULL || time->kind != ANCHOR_TIME || !cq_window_call_is_inner(query, rtindex))
			continue;
		for (AttrNumber bound = CQ_WINDOW_START; bound <= CQ_WINDOW_END; bound++)
			part->anchors = lappend(part->anchors,
									make_bound(time, makeVar(rtindex, bound, type, -1, InvalidOid,
															 0),
											   bound == CQ_WINDOW_END ? ANCHOR_END : ANCHOR_START,
											   entry));
	}
}

/* One that can be joined with what has been, or NULL. */
static Part *
next_part(const Part *joined, const List *parts, const List *conditions, List **anchors)
{
	ListCell   *cell;

	foreach(cell, parts)
	{
		if (join_parts(joined, lfirst(cell), JOIN_INNER, conditions, anchors))
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
		Anchor		outer = *(const Anchor *) lfirst(cell);
		Distance	distance;

		if (outer.kind != ANCHOR_TIME || outer.other != NULL)
			continue;
		outer.column = copyObject(outer.column);
		outer.column->varlevelsup = 1;
		if (find_distance(conditions, &outer, inner, &distance))
			return anchors_at(anchors, &outer, &distance);
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
	Part	   *joined;
	ListCell   *cell;

	cq_cut_split_flatten_joins(query);
	conditions = cq_cut_split_conditions(query->jointree->quals);
	foreach(cell, query->jointree->fromlist)
	{
		Part	   *part = palloc0(sizeof(Part));
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
		Part	   *part = next_part(joined, parts, conditions, &both);

		if (part == NULL)
			return not_bound(query, query->jointree->quals);
		joined->anchors = both;
		parts = list_delete_ptr(parts, part);
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

/* Those among the clauses' expressions. */
static List *
anchors_among(const List *anchors, const List *clauses, const Query *query)
{
	List	   *result = NIL;
	ListCell   *cell;

	foreach(cell, clauses)
	{
		Anchor	   *anchor = find_anchor(anchors,
										 get_sortgroupclause_expr(lfirst(cell), query->targetList));

		if (anchor != NULL)
			result = lappend(result, anchor);
	}
	return result;
}

static CqReject *
check_above(const Query *query, List **anchors)
{
	int			location = exprLocation((Node *) query->targetList);
	ListCell   *cell;

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
		*anchors = anchors_among(*anchors, query->groupClause, query);
	if (*anchors == NIL)
		return not_closable("it is not grouped by windows of event time", location,
							"Group by window_start or window_end of cq.tumble, cq.hop or "
							"cq.cumulate over the column that the stream's option event_time "
							"names. In a join it must not lie any time behind that of the other "
							"rows: a.at >= b.at - interval '1 min'.");
	foreach(cell, query->windowClause)
	{
		const WindowClause *window = lfirst_node(WindowClause, cell);

		if (anchors_among(*anchors, window->partitionClause, query) == NIL)
			return not_closable("a window function (OVER) looks beyond them",
								cq_check_place(query, T_WindowFunc),
								"Add window_end to its PARTITION BY, or do it in the query that "
								"reads the view.");
	}
	if (query->hasDistinctOn && anchors_among(*anchors, query->distinctClause, query) == NIL)
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
		Anchor	   *anchor = target->resjunk ? NULL :
			find_anchor(anchors, (const Node *) target->expr);

		if (anchor == NULL)
			continue;
		anchor = with_lags(anchor, anchor->lags);
		anchor->other = NULL;
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
		const Anchor *anchor = lfirst(cell);
		const Anchor *other = find_anchor(right, (const Node *) anchor->column);

		if (other != NULL && anchor->kind == other->kind &&
			(anchor->kind == ANCHOR_TIME || same_windows(anchor, other)))
			*anchors = lappend(*anchors, with_lags(anchor, merge_lags(anchor->lags, other->lags, 0,
																  0)));
	}
	return NULL;
}

/* Of Anchor *, over columns of the select list, as of the first entry of a range table. */
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

static const Anchor *
find_bound(const List *anchors)
{
	const Anchor *found = NULL;
	ListCell   *cell;

	foreach(cell, anchors)
	{
		const Anchor *anchor = lfirst(cell);
		CqWindowKind kind;

		if (anchor->kind == ANCHOR_TIME)
			continue;
		(void) cq_window_call(anchor->windows, &kind);
		if (anchor->kind == ANCHOR_END)
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

static void
set_lags(CqViewPlan *plan, const Anchor *anchor)
{
	ListCell   *cell;

	plan->lags = anchor->lags;
	foreach(cell, plan->lags)
		plan->longest_lag = Max(plan->longest_lag, ((CqStreamLag *) lfirst(cell))->lag);
	if (plan->tree != NULL)
		cq_tree_time_find(plan);
}

/* Rows that are of no window are closed one by one, as the watermark passes their times. */
static void
take_times(CqViewPlan *plan, const Anchor *anchor)
{
	plan->closing.is_by_row = true;
	plan->closing.type = exprType((Node *) anchor->column);
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
cq_close_tree_find(CqViewPlan *plan, bool takes_rows)
{
	const Anchor *anchor;
	List	   *anchors;
	CqReject   *reject = anchors_of_view(plan, &anchors);

	if (reject != NULL)
		return reject;
	anchor = find_bound(anchors);
	if (anchor == NULL && takes_rows)
		anchor = time_of(anchors);
	if (anchor == NULL)
		return not_closable("it does not show of which window a row is",
							exprLocation((Node *) plan->definition->targetList),
							"Add window_end to the select list.");
	plan->closing.column = anchor->column->varattno;
	plan->closing.column_is_start = anchor->kind == ANCHOR_START;
	if (anchor->kind == ANCHOR_TIME)
		take_times(plan, anchor);
	else if ((reject = cq_close_take_windows(plan, anchor->windows, 0, InvalidAttrNumber)) != NULL)
		return reject;
	set_lags(plan, anchor);
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
	const Anchor *anchor;
	List	   *anchors;
	CqReject   *reject = anchors_of_view(plan, &anchors);

	if (reject == NULL && time_of(anchors) == NULL)
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
	anchor = time_of(anchors);
	plan->time = time_of_row(get_tle_by_resno(plan->query->targetList,
											  anchor->column->varattno)->expr);
	plan->time_column = CQ_EVENT_TIME_COLUMN;
	set_lags(plan, anchor);
	return NULL;
}
