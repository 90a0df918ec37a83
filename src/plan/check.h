/*
 * check.h
 *		What may stand in a continuous view.
 */
#ifndef CQ_CHECK_H
#define CQ_CHECK_H

#include "postgres.h"

#include "common/reject.h"
#include "nodes/parsenodes.h"

/*
 * Goes over all of a query that can be maintained or not: finds the one stream that it reads, where
 * rows of it may pass one by one, and no stream, moment or session anywhere else. The reason why
 * not, with its place, or NULL.
 */
extern CqReject *cq_check_query(const Query *query, Oid *stream);

/*
 * The same for a query that may be cut into nodes: streams, any number of them, and continuous
 * views may stand wherever a table may, but in functions and WITH RECURSIVE.
 */
extern CqReject *cq_check_tree(const Query *query, List **streams, List **views);

/*
 * Does a query let each row of the stream pass on its own, without aggregation, sorting out or
 * counting off? is_top: it is the view's own, not one below it. Else the reason, or NULL.
 */
extern CqReject *cq_check_flat(const Query *query, bool is_top);

/*
 * The place of the first node of a kind in the select list or HAVING; where there is none, that of
 * the list.
 */
extern int	cq_check_place(const Query *query, NodeTag tag);

#endif							/* CQ_CHECK_H */
