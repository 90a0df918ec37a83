/*
 * tree_session.h
 *		Where sessions are closed: by what rows of nodes are told that are of closed ones.
 */
#ifndef CQ_TREE_SESSION_H
#define CQ_TREE_SESSION_H

#include "postgres.h"

#include "plan/plan.h"

/* Is an expression a call of cq.session? */
extern bool cq_tree_session_is_call(const Node *expr);

/*
 * Sets time, and sessions, in the tree, where cq_tree_time_find has set what is below sessions. The
 * reason why they cannot be closed, or NULL.
 */
extern CqReject *cq_tree_session_find(const CqViewPlan *plan);

#endif							/* CQ_TREE_SESSION_H */
