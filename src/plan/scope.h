/*
 * scope.h
 *		A query within others, as its references to CTEs see it.
 */
#ifndef CQ_SCOPE_H
#define CQ_SCOPE_H

#include "postgres.h"

#include "nodes/parsenodes.h"

typedef struct CqScope
{
	const Query *query;
	const struct CqScope *outer;	/* the query that this one is a part of, or NULL */
} CqScope;

/*
 * The CTE that an entry of the scope's range table refers to, and the scope that it is defined in;
 * NULL where that is not among the scopes, and where a CTE refers to itself.
 */
extern CommonTableExpr *cq_scope_cte(const CqScope *scope, const RangeTblEntry *entry,
									 const CqScope **home);

/*
 * Does anything below a node of the scope's query (or of none: NULL) scan a stream, or a continuous
 * view, whose rows come and go as those of a stream: through sub-selects, views, CTEs, parents, in
 * whatever expression? What functions read is not looked at.
 */
extern bool cq_scope_reads_stream(const CqScope *scope, Node *node);

/* Does a query, or a view that it reads, name rows of this relation as values, as count(r) does? */
extern bool cq_scope_names_row(const Query *query, Oid relation);

/* A continuous view, or a table whose changes count: read as a stream of its changes would be. */
extern bool cq_scope_is_view(const RangeTblEntry *entry);

/* A relation that is a stream, or whose scan would scan one as its child. */
extern bool cq_scope_is_stream(const RangeTblEntry *entry);

#endif							/* CQ_SCOPE_H */
