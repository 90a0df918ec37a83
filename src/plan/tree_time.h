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
	int			nwindows;		/* of those that lie between, one over bounds of another */
} CqTimeFound;

/*
 * Finds by which columns rows are told that no open window needs: sets time, and versions, in the
 * tree.
 */
extern void cq_tree_time_find(const CqViewPlan *plan);

/* What a column of a node's n-th input is, or one of what it yields; false: no time. */
extern bool cq_tree_time_follow_input(const CqViewPlan *plan, const CqNode *node, int n,
									  AttrNumber column, CqTimeFound *found);
extern bool cq_tree_time_follow_node(const CqViewPlan *plan, int number, AttrNumber column,
									 CqTimeFound *found);

/* Leaves out what has no time, and is in no window: nothing would ever tell that it may go. */
extern void cq_tree_time_require(const CqViewPlan *plan);

/*
 * Of a time that has passed, can nothing be left, in what a node reads as in what it stores, and all
 * of later ones? Sets the times by which it is so: else the node might correct what has gone.
 */
extern bool cq_tree_time_goes(const CqViewPlan *plan, CqNode *node);

/* The condition that an expression is not null. */
extern Node *cq_tree_time_is_known(const Expr *time);

/*
 * Is an expression of a query in a node's step nothing but such a time? Lags of the plan's streams
 * are known.
 */
extern bool cq_tree_time_follow(const CqViewPlan *plan, const CqNode *node, const Query *query,
								const Node *expr, CqTimeFound *found);

#endif							/* CQ_TREE_TIME_H */
