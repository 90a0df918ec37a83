/*
 * tree_time.h
 *		Which columns of nodes are times: of streams' rows, or of windows over them.
 */
#ifndef CQ_TREE_TIME_H
#define CQ_TREE_TIME_H

#include "plan/plan.h"

/* What a value turned out to be. */
typedef struct CqTimeFound
{
	CqTimeKind	kind;
	int64		lead;			/* so long after it a row is of use, at most; -1: it is not known */
} CqTimeFound;

/*
 * Finds by which columns rows are told that no open window needs: sets time, and versions, in the
 * tree.
 */
extern void cq_tree_time_find(const CqViewPlan *plan);

/* Leaves out what has no time, and is in no window: nothing would ever tell that it may go. */
extern void cq_tree_time_require(const CqViewPlan *plan);

/* The condition that an expression is not null. */
extern Node *cq_tree_time_is_known(const Expr *time);

/*
 * Is an expression of a query in a node's step nothing but such a time? Lags of the plan's streams
 * are known.
 */
extern bool cq_tree_time_follow(const CqViewPlan *plan, const CqNode *node, const Query *query,
								const Node *expr, CqTimeFound *found);

#endif							/* CQ_TREE_TIME_H */
