/*
 * check_flat.c
 *		Queries through which rows pass one by one: what must not stand in them. See check.h.
 */
#include "postgres.h"

#include "nodes/nodeFuncs.h"
#include "plan/check.h"

static CqReject *
check_limit(const Query *query, bool is_top)
{
	int			location = exprLocation(query->limitCount ? query->limitCount : query->limitOffset);

	return cq_reject_unsupported(location, "LIMIT over a stream is not supported yet",
								 is_top ? "Put the LIMIT into the query that reads the view." :
								 "A continuous view can keep the rows. The LIMIT is then for the "
								 "query that reads it.");
}

static CqReject *
check_distinct(const Query *query, bool is_top)
{
	int			start = exprLocation((Node *) query->targetList);

	if (query->hasDistinctOn)
		return cq_reject_unsupported(start,
									 "DISTINCT ON over a stream is not supported yet",
									 "A continuous view can keep the rows. DISTINCT ON is then "
									 "for the query that reads it.");
	return cq_reject_unsupported(start, "DISTINCT over a stream is not supported yet",
								 is_top ? "GROUP BY all columns of the view does the same." :
								 "A continuous view of the sub-select with GROUP BY all of its "
								 "columns does the same. Read that in an ordinary query.");
}

CqReject *
cq_check_flat(const Query *query, bool is_top)
{
	int			start = exprLocation((Node *) query->targetList);

	if (query->commandType != CMD_SELECT)
		return cq_reject_unsupported(start, "a data-modifying statement in a continuous view is "
											"not supported", NULL);
	if (query->setOperations != NULL)
		return cq_reject_unsupported(start, "UNION, INTERSECT and EXCEPT over a stream are not "
											"supported yet",
									 "One foreign table may read several topics of a server: "
									 "OPTIONS (topic 'a,b'). Else create a continuous view of "
									 "each part, and put them together in an ordinary view.");
	if (query->hasAggs || query->groupClause != NIL || query->groupingSets != NIL ||
		query->havingQual != NULL)
		return cq_reject_unsupported(cq_check_place(query, T_Aggref),
									 "an aggregation of a stream below another query is not "
									 "supported yet",
									 "Create a continuous view of the aggregation. The query "
									 "around it can read that as an ordinary view, or, as a "
									 "continuous one, the stream that its option changes makes.");
	if (query->hasWindowFuncs)
		return cq_reject_unsupported(cq_check_place(query, T_WindowFunc),
									 "window functions over a stream are not supported yet",
									 "Over the result of the view's GROUP BY they are, and in "
									 "the query that reads a view of the rows.");
	if (query->distinctClause != NIL)
		return check_distinct(query, is_top);
	if (query->limitCount != NULL || query->limitOffset != NULL)
		return check_limit(query, is_top);
	if (query->rowMarks != NIL)
		return cq_reject_unsupported(start, "FOR UPDATE and FOR SHARE in a continuous view are "
											"not supported", "Leave it out.");
	return NULL;
}
