/*
 * session_index.c
 *		The indexes of a state that holds sessions.
 *
 * By the first one the stored sessions are found that a new one overlaps (state/session_merge.c).
 * By the second, where sessions are closed, those whose ends the watermark has passed
 * (exec/closing.c).
 */
#include "postgres.h"

#include "ddl/ddl.h"
#include "nodes/makefuncs.h"
#include "utils/fmgroids.h"

static IndexElem *
end_element(const CqViewPlan *plan)
{
	IndexElem  *element = makeNode(IndexElem);
	int			key = plan->session->key;
	Var		   *session = makeVar(1, key + 1, list_nth_node(ColumnDef, plan->columns,
															key)->typeName->typeOid, -1, InvalidOid,
								  0);

	element->expr = (Node *) makeFuncExpr(F_UPPER_ANYRANGE, plan->session->type,
										  list_make1(session), InvalidOid, InvalidOid,
										  COERCE_EXPLICIT_CALL);
	element->indexcolname = "upper";
	return element;
}

void
cq_session_index_create(Oid state, const CqViewPlan *plan)
{
	List	   *elements = NIL;

	for (int i = 0; i < list_length(plan->keys); i++)
	{
		if (i != plan->session->key)
			elements = lappend(elements,
							   cq_part_index_column(list_nth_node(ColumnDef, plan->columns,
																  i)->colname));
	}
	elements = lappend(elements, cq_part_index_column(list_nth_node(ColumnDef, plan->columns,
																	plan->session->key)->colname));
	cq_part_index_create(state, "sessions", elements, false);
	if (plan->closing.rtindex != 0)
		cq_part_index_create(state, "ends", list_make1(end_element(plan)), false);
}
