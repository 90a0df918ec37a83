/*
 * part.h
 *		Rows of _cq.part: the relations that a view is made of.
 *
 * They go with the view, which they depend on (cq_adopt_part), and their rows with them.
 */
#ifndef CQ_CATALOG_PART_H
#define CQ_CATALOG_PART_H

#include "postgres.h"

#include "nodes/pg_list.h"

/* What a part is to its node: to the root … */
#define CQ_PART_DEFINITION "definition"	/* a view: the query as written */
#define CQ_PART_STATE	"state"		/* groups, or rows */
#define CQ_PART_RESULT	"result"	/* rows of closed windows */
#define CQ_PART_OUTBOX	"outbox"	/* what is still to be sent to a topic */
#define CQ_PART_CHANGES	"changes"	/* a stream of old and new rows */

/* … and to others. */
#define CQ_PART_INPUT	"input"		/* rows of the node's input of that number */
#define CQ_PART_OUTPUT	"output"	/* the node's own rows */
#define CQ_PART_EARLY	"early"		/* of a table: rows that are gone before they have come */

typedef struct CqPart
{
	Oid			relation;
	int			node;			/* 0: the root */
	char	   *role;
	int			number;			/* of several with that role, from 1 */
} CqPart;

/* A view's parts (of CqPart *), by node, role and number; palloc'd. */
extern List *cq_part_list(Oid view);

/* Has it parts of other nodes than the root? */
extern bool cq_part_has_nodes(Oid view);

extern void cq_part_insert(Oid view, const CqPart *part);

/* The rows alone: the relations stay. */
extern void cq_part_forget(Oid view);

#endif							/* CQ_CATALOG_PART_H */
