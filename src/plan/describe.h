/*
 * describe.h
 *		What the nodes of a view are, in words: for EXPLAIN CONTINUOUS VIEW, and for messages.
 *
 * Names are those of the query as it was written, as far as it has any: columns of nodes go by the
 * columns that they are made of, sub-selects by their aliases. What cutting has put in between is
 * told by what it reads.
 */
#ifndef CQ_DESCRIBE_H
#define CQ_DESCRIBE_H

#include "postgres.h"

#include "plan/cut.h"

/* What a node does to its inputs: "Left Join", "Aggregate". */
extern const char *cq_describe_kind(const CqNode *node);

/* How a node's step calls an input: a name of the query's, or node_1. */
extern char *cq_describe_alias(const CqNodeInput *input);

/* An input for a message, in quotes: "orders", or what is made of "orders" and "payment". */
extern char *cq_describe_input(const CqTree *tree, const CqNodeInput *input);

/* Names in quotes, each once: "a", "b" and "c". */
extern char *cq_describe_names(const List *names);

/* Streams (of char *) of which a node, or with NULL any, keeps rows that never go. */
extern List *cq_describe_unbounded(const CqTree *tree, const CqNode *node);

/*
 * Inputs (of char *, as cq_describe_input gives them) that are read whole for each batch. Those of
 * one row are not meant.
 */
extern List *cq_describe_global(const CqTree *tree);

/* By what rows of an input are found, as columns or expressions (of char *). NIL: by nothing. */
extern List *cq_describe_key(const CqTree *tree, const CqNodeInput *input);

/* Which columns of an input are kept (of char *); the condition on its rows, or NULL. */
extern List *cq_describe_columns(const CqTree *tree, const CqNodeInput *input);
extern char *cq_describe_filter(const CqTree *tree, const CqNodeInput *input);

/* The step as a query over the inputs. */
extern char *cq_describe_step(const CqTree *tree, const CqNode *node);

/* What stands above the nodes, as a query over what they pass on, and an expression of it. */
extern char *cq_describe_query(const CqTree *tree, const Query *query);
extern char *cq_describe_expr(const CqTree *tree, const Query *query, const Node *expr);

#endif							/* CQ_DESCRIBE_H */
