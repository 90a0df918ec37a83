/*
 * window_call.h
 *		Calls of cq.tumble, cq.hop and cq.cumulate in a query.
 */
#ifndef CQ_WINDOW_CALL_H
#define CQ_WINDOW_CALL_H

#include "postgres.h"

#include "common/reject.h"
#include "nodes/parsenodes.h"
#include "nodes/primnodes.h"

/* The columns that they return. */
#define CQ_WINDOW_START	1
#define CQ_WINDOW_END	2

/*
 * The arguments: the time, the step (slide, or of cq.tumble the size), of the other two the size,
 * the origin.
 */
#define CQ_WINDOW_STEP	1
#define CQ_WINDOW_SIZE	2

typedef enum CqWindowKind
{
	CQ_WINDOW_TUMBLE,
	CQ_WINDOW_HOP,
	CQ_WINDOW_CUMULATE
} CqWindowKind;

/* The call that an entry of the range table consists of, or NULL. */
extern FuncExpr *cq_window_call(const RangeTblEntry *entry, CqWindowKind *kind);

/*
 * Why a call of cq.tumble, cq.hop, cq.cumulate or cq.sliding has impossible windows, as far as its
 * sizes are constants; or NULL, also for any other function.
 */
extern CqReject *cq_window_call_check(const FuncExpr *call);

/*
 * Makes the arguments but the time constants, the origin included, those left out added. False
 * where they are none, or might be altered. Steps of days and months of a timestamptz go by the
 * calendar of the TimeZone: false there unless with_calendar is set. Changes call.
 */
extern bool cq_window_call_settle(FuncExpr *call, bool with_calendar);

/* Does it call functions that users made, and so may change? */
extern bool cq_window_call_is_alterable(Node *node);

/* _cq.window_bound for times of a type: see window/window.c. */
extern Oid	cq_window_call_bound_function(Oid type);

/* Is an expression, seen from level, a bound of the windows? */
extern bool cq_window_call_is_bound(const Node *node, int rtindex, Index level);

/* Are the windows part of FROM so that a row without a window is left out, not kept with nulls? */
extern bool cq_window_call_is_inner(const Query *query, int rtindex);

#endif							/* CQ_WINDOW_CALL_H */
