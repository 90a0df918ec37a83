/*
 * create_nodes.h
 *		What is made for the nodes below a view's root.
 */
#ifndef CQ_CREATE_NODES_H
#define CQ_CREATE_NODES_H

#include "postgres.h"

#include "plan/cut.h"

typedef struct CqCreateNodes
{
	Oid			view;
	char	   *base;			/* the view's name: names of parts begin with it */
	Oid			owner;
	const Query *query;			/* of the view, as written */
	const List *settings;		/* of the view */
	const char *query_string;
} CqCreateNodes;

/*
 * Makes the tables of all nodes, as parts of the view, whose relation is there already, and their
 * rows in the catalog. The output of a node that the view shows is the view's state.
 */
extern void cq_create_nodes(const CqCreateNodes *create, const CqTree *tree);

/* Tells, in one NOTICE at most, what of them nothing bounds, and what each batch reads whole. */
extern void cq_create_nodes_tell_unbounded(const CqTree *tree);

/* The index by which rows are found by their keys. */
extern void cq_create_nodes_index(Oid table);

#endif							/* CQ_CREATE_NODES_H */
