/*
 * node_count.h
 *		What is counted of a view's nodes while batches pass: see stats/node_stats.h.
 */
#ifndef CQ_NODE_COUNT_H
#define CQ_NODE_COUNT_H

#include "exec/view_exec.h"
#include "stats/node_stats.h"

/* A view that has just been planned: its counts, all 0. In CurrentMemoryContext. */
extern void cq_node_count_prepare(CqViewExec *exec);

/* Its way through a batch begins: what an attempt that failed has left is forgotten. */
extern void cq_node_count_begin(CqViewExec *exec);

/* Adds what its nodes have done in a run over some rows, and what its root has; NULL: nothing. */
extern void cq_node_count_add(CqViewExec *exec, const CqNodeCounts *root);

#endif							/* CQ_NODE_COUNT_H */
