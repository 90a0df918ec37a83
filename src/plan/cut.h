/*
 * cut.h
 *		Cuts a query through which rows do not pass one by one into nodes: see tree.h.
 */
#ifndef CQ_CUT_H
#define CQ_CUT_H

#include "postgres.h"

#include "common/reject.h"
#include "nodes/parsenodes.h"
#include "plan/tree.h"

/* A query through which the rows of one relation pass one by one: its driver. */
typedef struct CqCutFlow
{
	Query	   *query;			/* its last column is the weight, unless it only grows */
	Oid			stream;			/* the driver: a stream, … */
	int			node;			/* … or the changes of a node; else 0 */
	bool		only_grows;
} CqCutFlow;

typedef struct CqTree
{
	List	   *nodes;			/* of CqNode *, each after those that it reads */
	List	   *streams;		/* of Oid, each once */
	bool		is_stored;		/* the view shows what the last node stores; else: */
	CqCutFlow		root;			/* all of the query that is above the nodes */
} CqTree;

/*
 * Says of a query over one driver, which only adds rows, that a root of partial states can be made
 * of it, or why not.
 */
typedef CqReject *(*CqCutRoot) (const CqCutFlow *flow, void *context);

/*
 * Cuts a definition (after parse analysis, not rewritten; not changed) that cq_check_tree has
 * nothing against. streams: those that it reads. Everything is palloc'd in CurrentMemoryContext.
 * The reason why it cannot be cut, with its place, or NULL.
 */
extern CqReject *cq_cut(const Query *definition, List *streams, CqCutRoot try_root, void *context,
						CqTree **tree);

/* ---- cut_part.c ---- */

/* Are the tables that there are of the view's nodes those of the tree? NULL: it has no nodes. */
extern bool cq_cut_part_fits(const CqTree *tree, Oid view);

#endif							/* CQ_CUT_H */
