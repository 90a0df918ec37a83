/*
 * anchor.c
 *		Columns with times by which all that happens in a level of a query is told apart: see
 *		close_tree.c.
 */
#include "postgres.h"

#include "optimizer/optimizer.h"
#include "plan/anchor.h"
#include "plan/window_call.h"
#include "utils/fmgroids.h"

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
List *
cq_anchor_merge_lags(const List *lags, const List *others, int64 more, int64 ahead)
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
		lag->nwindows = Max(lag->nwindows, other->nwindows);
	}
	return merged;
}

/* ---- anchors ---- */

bool
cq_anchor_same_column(const Var *one, const Var *other)
{
	return one->varno == other->varno && one->varattno == other->varattno &&
		one->varlevelsup == other->varlevelsup;
}

/* The argument of upper(), or NULL. */
static const Node *
argument_of_upper(const Node *expr)
{
	const FuncExpr *call = (const FuncExpr *) expr;

	return IsA(expr, FuncExpr) && call->funcid == F_UPPER_ANYRANGE ? linitial(call->args) : NULL;
}

bool
cq_anchor_is(const CqAnchor *anchor, const Node *expr)
{
	const CoalesceExpr *both = (const CoalesceExpr *) expr;

	if (anchor->is_upper)
	{
		CqAnchor	session = *anchor;

		session.is_upper = false;
		expr = argument_of_upper(expr);
		return expr != NULL && cq_anchor_is(&session, expr);
	}
	if (anchor->call != NULL)
		return equal(expr, anchor->call);
	if (anchor->other == NULL)
		return IsA(expr, Var) && cq_anchor_same_column((const Var *) expr, anchor->column);
	return IsA(expr, CoalesceExpr) && list_length(both->args) == 2 &&
		IsA(linitial(both->args), Var) && IsA(lsecond(both->args), Var) &&
		cq_anchor_same_column(linitial(both->args), anchor->column) &&
		cq_anchor_same_column(lsecond(both->args), anchor->other);
}

static CqAnchor *
make_session_end(const CqAnchor *session)
{
	CqAnchor   *end = cq_anchor_with_lags(session, session->lags);

	end->kind = CQ_ANCHOR_SESSION_END;
	end->is_upper = true;
	return end;
}

CqAnchor *
cq_anchor_find(const List *anchors, const Node *expr)
{
	const Node *session = argument_of_upper(expr);
	ListCell   *cell;

	foreach(cell, anchors)
	{
		const CqAnchor *anchor = lfirst(cell);

		if (cq_anchor_is(anchor, expr))
			return lfirst(cell);
		if (session != NULL && anchor->kind == CQ_ANCHOR_SESSION && cq_anchor_is(anchor, session))
			return make_session_end(anchor);
	}
	return NULL;
}

CqAnchor *
cq_anchor_make(Var *column, List *lags)
{
	CqAnchor   *anchor = palloc0(sizeof(CqAnchor));

	anchor->column = column;
	anchor->kind = CQ_ANCHOR_TIME;
	anchor->time = anchor;
	anchor->lags = lags;
	return anchor;
}

/* The same with other lags. */
CqAnchor *
cq_anchor_with_lags(const CqAnchor *anchor, List *lags)
{
	CqAnchor   *copy = palloc(sizeof(CqAnchor));

	*copy = *anchor;
	copy->lags = lags;
	return copy;
}

CqAnchor *
cq_anchor_make_session(const CqAnchor *time, const WindowFunc *call)
{
	CqAnchor   *anchor = cq_anchor_with_lags(time, time->lags);

	anchor->kind = CQ_ANCHOR_SESSION;
	anchor->column = anchor->other = NULL;
	anchor->call = call;
	return anchor;
}

/* A bound of windows over a time. */
CqAnchor *
cq_anchor_make_bound(const CqAnchor *time, Var *column, CqAnchorKind kind,
					 const RangeTblEntry *windows)
{
	CqAnchor   *anchor = cq_anchor_with_lags(time, time->lags);

	anchor->column = column;
	anchor->kind = kind;
	anchor->windows = windows;
	return anchor;
}

bool
cq_anchor_same_windows(const CqAnchor *one, const CqAnchor *other)
{
	CqWindowKind kind;
	CqWindowKind other_kind;
	FuncExpr   *call;
	FuncExpr   *other_call;

	if (one->kind != other->kind || one->kind == CQ_ANCHOR_TIME)
		return false;
	/* Of equal ones the ends are equal, wherever they come from. */
	if (cq_anchor_is_of_session(one))
		return true;
	call = copyObject(cq_window_call(one->windows, &kind));
	other_call = copyObject(cq_window_call(other->windows, &other_kind));
	if (kind != other_kind || !cq_window_call_settle(call, true) ||
		!cq_window_call_settle(other_call, true) ||
		(kind == CQ_WINDOW_CUMULATE && one->kind == CQ_ANCHOR_START))
		return false;
	return call->funcid == other_call->funcid &&
		equal(list_copy_tail(call->args, 1), list_copy_tail(other_call->args, 1));
}

CqAnchor *
cq_anchor_time(const List *anchors)
{
	ListCell   *cell;

	foreach(cell, anchors)
	{
		if (((CqAnchor *) lfirst(cell))->kind == CQ_ANCHOR_TIME)
			return lfirst(cell);
	}
	return NULL;
}

List *
cq_anchor_among(const List *anchors, const List *clauses, const Query *query)
{
	List	   *result = NIL;
	ListCell   *cell;

	foreach(cell, clauses)
	{
		Node	   *expr = get_sortgroupclause_expr(lfirst(cell), query->targetList);
		CqAnchor   *anchor = cq_anchor_find(anchors, expr);

		if (anchor != NULL)
			result = lappend(result, anchor);
	}
	return result;
}
