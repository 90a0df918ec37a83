/*
 * close_tree.h
 *		Closing windows of queries that keep what they read: how rows of their streams lie to
 *		windows.
 */
#ifndef CQ_CLOSE_TREE_H
#define CQ_CLOSE_TREE_H

#include "postgres.h"

#include "plan/plan.h"

/*
 * Finds, of a plan whose last node or rows are shown, the column that says in which window a row is,
 * or at which time, and for each stream how far a row's window may lie behind its time: sets
 * closing and lags. is_emitted: what is closed is told then; else it goes. The reason why windows
 * cannot be closed one by one, with its place, or NULL.
 */
extern CqReject *cq_close_tree_find(CqViewPlan *plan, bool is_emitted);

/*
 * The same of a plan whose rows are only added, for the time of a row: sets time and lags.
 */
extern CqReject *cq_close_tree_find_time(CqViewPlan *plan);

#endif							/* CQ_CLOSE_TREE_H */
