/*
 * node.h
 *		Rows of _cq.node: the nodes that a view is made of.
 */
#ifndef CQ_CATALOG_NODE_H
#define CQ_CATALOG_NODE_H

#include "postgres.h"

#include "nodes/pg_list.h"

typedef struct CqNodeRow
{
	int			number;			/* 0: the root */
	char	   *kind;
	char	   *rule;			/* or NULL */
	char	   *fingerprint;	/* or NULL */
} CqNodeRow;

/* A view's nodes (of CqNodeRow *), by number; palloc'd. */
extern List *cq_node_list(Oid view);

extern void cq_node_insert(Oid view, const CqNodeRow *node);

extern void cq_node_forget(Oid view);

#endif							/* CQ_CATALOG_NODE_H */
