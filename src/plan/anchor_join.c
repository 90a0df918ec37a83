/*
 * anchor_join.c
 *		How anchors of what is joined lie to one another: equal windows, or times that conditions
 *		bind to one another. See close_tree.c.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "plan/anchor.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

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
	if (cq_anchor_same_column(left.column, time) && cq_anchor_same_column(right.column, other) &&
		(strategy == BTGreaterStrategyNumber || strategy == BTGreaterEqualStrategyNumber ||
		 strategy == BTEqualStrategyNumber))
	{
		*lag = left.most - right.least;
		return true;
	}
	if (cq_anchor_same_column(right.column, time) && cq_anchor_same_column(left.column, other) &&
		(strategy == BTLessStrategyNumber || strategy == BTLessEqualStrategyNumber ||
		 strategy == BTEqualStrategyNumber))
	{
		*lag = right.most - left.least;
		return true;
	}
	return false;
}

/* By how much one time lies before another at most: the least of what conditions say. */
static bool
find_bound_of(const List *conditions, const CqAnchor *time, const CqAnchor *other, int64 *least)
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

/* The first of the others that conditions say it of. */
bool
cq_anchor_join_distance(const List *conditions, const CqAnchor *time, const List *others,
						CqAnchorDistance *distance)
{
	ListCell   *cell;

	foreach(cell, others)
	{
		const CqAnchor *other = lfirst(cell);
		int64		lead;

		if (other->kind != CQ_ANCHOR_TIME || other->other != NULL ||
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
find_distance_through(const List *conditions, const CqAnchor *time, const List *own,
					  const List *others, CqAnchorDistance *distance)
{
	ListCell   *cell;

	foreach(cell, own)
	{
		const CqAnchor *middle = lfirst(cell);
		int64		lag;
		int64		lead;

		if (middle == time || middle->kind != CQ_ANCHOR_TIME || middle->other != NULL ||
			!find_bound_of(conditions, time, middle, &lag) ||
			!cq_anchor_join_distance(conditions, middle, others, distance))
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
List *
cq_anchor_join_at(const List *anchors, const CqAnchor *time, const CqAnchorDistance *distance)
{
	List	   *lags = cq_anchor_merge_lags(time->lags, distance->other->lags, distance->lag,
											distance->lead);
	List	   *result = NIL;
	ListCell   *cell;

	foreach(cell, anchors)
	{
		if (((CqAnchor *) lfirst(cell))->time == time->time)
			result = lappend(result, cq_anchor_with_lags(lfirst(cell), lags));
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
		const CqAnchor *time = lfirst(cell);
		CqAnchorDistance distance;

		if (time->kind == CQ_ANCHOR_TIME && time->other == NULL &&
			(cq_anchor_join_distance(conditions, time, others, &distance) ||
			 find_distance_through(conditions, time, anchors, others, &distance)))
			result = list_concat(result, cq_anchor_join_at(anchors, time, &distance));
	}
	return result;
}

/*
 * Of a full join, COALESCE of the times of both sides. A row of either side may be what keeps one
 * of the other from having no match.
 */
static List *
times_of_either(const CqAnchorPart *left, const CqAnchorPart *right, const List *conditions)
{
	CqAnchor   *of_left = cq_anchor_time(left->anchors);
	CqAnchor   *of_right = cq_anchor_time(right->anchors);
	CqAnchor   *both;
	List	   *lags;
	int64		lag;
	int64		lead;

	if (of_left == NULL || of_right == NULL || of_left->other != NULL || of_right->other != NULL ||
		!find_bound_of(conditions, of_left, of_right, &lag) ||
		!find_bound_of(conditions, of_right, of_left, &lead))
		return NIL;
	lags = cq_anchor_merge_lags(NIL, of_left->lags, lead, Max(lag, 0));
	lags = cq_anchor_merge_lags(lags, of_right->lags, lag, Max(lead, 0));
	both = cq_anchor_make(of_left->column, lags);
	both->other = of_right->column;
	return list_make1(both);
}

static bool
is_equality_of(const OpExpr *condition, const CqAnchor *one, const CqAnchor *other)
{
	Node	   *left;
	Node	   *right;

	if (!IsA(condition, OpExpr) || list_length(condition->args) != 2 ||
		!op_mergejoinable(condition->opno, exprType(linitial(condition->args))))
		return false;
	left = linitial(condition->args);
	right = lsecond(condition->args);
	return (cq_anchor_is(one, left) && cq_anchor_is(other, right)) ||
		(cq_anchor_is(one, right) && cq_anchor_is(other, left));
}

/* A pair of anchors, one of each, that say the same window and are equal by some condition. */
static bool
find_equal_windows(const CqAnchorPart *one, const CqAnchorPart *other, const List *conditions,
				   CqAnchor **of_one, CqAnchor **of_other)
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
					!cq_anchor_same_windows(lfirst(left), lfirst(right)))
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
windows_with(const CqAnchorPart *part, const CqAnchor *own, const CqAnchor *other)
{
	List	   *result = NIL;
	ListCell   *cell;

	foreach(cell, part->anchors)
	{
		const CqAnchor *anchor = lfirst(cell);

		if (anchor->kind != CQ_ANCHOR_TIME && anchor->windows == own->windows)
			result = lappend(result,
							 cq_anchor_with_lags(anchor, cq_anchor_merge_lags(anchor->lags,
																			  other->lags, 0, 0)));
	}
	return result;
}

/* COALESCE of the bounds of both sides, as JOIN USING shows them. */
static List *
windows_of_either(const CqAnchorPart *left, const CqAnchorPart *right, const List *conditions)
{
	List	   *result = NIL;
	ListCell   *one;
	ListCell   *other;

	foreach(one, left->anchors)
	{
		foreach(other, right->anchors)
		{
			const CqAnchor *of_left = lfirst(one);
			const CqAnchor *of_right = lfirst(other);
			CqAnchor   *both;

			if (!cq_anchor_same_windows(of_left, of_right))
				continue;
			both = cq_anchor_with_lags(of_left, cq_anchor_merge_lags(of_left->lags,
																	 of_right->lags, 0, 0));
			both->other = of_right->column;
			result = lappend(result, both);
		}
	}
	return result;
}

bool
cq_anchor_join_parts(const CqAnchorPart *left, const CqAnchorPart *right, JoinType type,
					 const List *conditions, List **anchors)
{
	CqAnchor   *of_left;
	CqAnchor   *of_right;

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
