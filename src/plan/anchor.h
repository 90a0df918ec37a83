/*
 * anchor.h
 *		Anchors: columns with times by which all that happens in a level of a query is told apart.
 *		What close_tree.c finds out about a query is made of them.
 */
#ifndef CQ_ANCHOR_H
#define CQ_ANCHOR_H

#include "postgres.h"

#include "plan/plan.h"

typedef enum CqAnchorKind
{
	CQ_ANCHOR_TIME,				/* an event time */
	CQ_ANCHOR_START,			/* a bound of windows over one */
	CQ_ANCHOR_END,
	CQ_ANCHOR_SESSION,			/* sessions of one */
	CQ_ANCHOR_SESSION_END		/* upper() of these */
} CqAnchorKind;

#define cq_anchor_is_of_session(anchor) ((anchor)->kind >= CQ_ANCHOR_SESSION)

typedef struct CqAnchor
{
	Var		   *column;
	Var		   *other;			/* of a full join: COALESCE of both; else NULL */
	const WindowFunc *call;		/* in place of the column, where sessions are made; else NULL */
	bool		is_upper;		/* it is upper() of the column */
	CqAnchorKind kind;
	const RangeTblEntry *windows;	/* of bounds */
	const void *time;			/* whose: a time and the bounds of windows over it have the same */
	List	   *lags;			/* of CqStreamLag * */
} CqAnchor;

/* What FROM is made of: an item, or several that are joined. */
typedef struct CqAnchorPart
{
	Bitmapset  *members;		/* indexes of the range table */
	List	   *anchors;		/* of CqAnchor * */
	bool		reads_stream;
} CqAnchorPart;

/* How far a time may lie behind another one, and before it (-1: without an end). */
typedef struct CqAnchorDistance
{
	const CqAnchor *other;
	int64		lag;			/* in microseconds */
	int64		lead;
} CqAnchorDistance;

extern bool cq_anchor_same_column(const Var *one, const Var *other);

/* Is the expression the anchor's column, or COALESCE of its two? */
extern bool cq_anchor_is(const CqAnchor *anchor, const Node *expr);

/* The one of the anchors (of CqAnchor *) that the expression is, or upper() of one; or NULL. */
extern CqAnchor *cq_anchor_find(const List *anchors, const Node *expr);

/* The first of the anchors that is a time, or NULL. */
extern CqAnchor *cq_anchor_time(const List *anchors);

/* An event time, with lags (of CqStreamLag *). */
extern CqAnchor *cq_anchor_make(Var *column, List *lags);

/* Sessions of a time. */
extern CqAnchor *cq_anchor_make_session(const CqAnchor *time, const WindowFunc *call);

/* A bound of windows over a time. */
extern CqAnchor *cq_anchor_make_bound(const CqAnchor *time, Var *column, CqAnchorKind kind,
									  const RangeTblEntry *windows);

/* The same with other lags. */
extern CqAnchor *cq_anchor_with_lags(const CqAnchor *anchor, List *lags);

/*
 * The lags of both; those of the others are longer by so many microseconds, and lie ahead by so
 * many at most (-1: without an end).
 */
extern List *cq_anchor_merge_lags(const List *lags, const List *others, int64 more, int64 ahead);

/* Are both the same bound of equal windows? */
extern bool cq_anchor_same_windows(const CqAnchor *one, const CqAnchor *other);

/* Those of the anchors that are among the expressions of clauses (of SortGroupClause *). */
extern List *cq_anchor_among(const List *anchors, const List *clauses, const Query *query);

/* ---- anchor_window.c ---- */

/*
 * The anchor as a time that such windows are over: it is one, or a bound of other windows. NULL: it
 * cannot be.
 */
extern const CqAnchor *cq_anchor_window_time(const CqAnchor *anchor, const RangeTblEntry *windows);

/* How long windows are at most, in microseconds. False: they might be altered. */
extern bool cq_anchor_window_size(const RangeTblEntry *windows, int64 *size);

/* ---- anchor_over.c ---- */

/*
 * Checks the window functions of a query. Where they are sessions of a time, anchors become these.
 */
extern CqReject *cq_anchor_over(Query *query, List **anchors);

/* ---- anchor_join.c ---- */

/*
 * The anchors of the rows that a join makes of two parts, by its conditions (of Expr *, all of
 * which hold). False: there are none.
 */
extern bool cq_anchor_join_parts(const CqAnchorPart *left, const CqAnchorPart *right, JoinType type,
								 const List *conditions, List **anchors);

/* How far a time lies from the first of the others (of CqAnchor *) that conditions say it of. */
extern bool cq_anchor_join_distance(const List *conditions, const CqAnchor *time,
									const List *others, CqAnchorDistance *distance);

/* All of the anchors that are of a time, with what rows at such a distance add to it. */
extern List *cq_anchor_join_at(const List *anchors, const CqAnchor *time,
							  const CqAnchorDistance *distance);

#endif							/* CQ_ANCHOR_H */
