/*
 * tree_versions.h
 *		Inputs of which the newest row before a time is asked for.
 */
#ifndef CQ_TREE_VERSIONS_H
#define CQ_TREE_VERSIONS_H

#include "plan/plan.h"

/*
 * What of a node's n-th input, from 1, is of use, where that is all that its step asks; else NULL.
 * Where its rows only grow.
 */
extern CqVersions *cq_tree_versions_find(const CqViewPlan *plan, const CqNode *node, int input);

#endif							/* CQ_TREE_VERSIONS_H */
