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

void
cq_session_index_ends(Oid table, const List *columns, AttrNumber column)
{
	IndexElem  *element = makeNode(IndexElem);
	Var		   *session = makeVar(1, column, list_nth_node(ColumnDef, columns,
														   column - 1)->typeName->typeOid, -1,
								  InvalidOid, 0);

	element->expr = (Node *) cq_close_upper((Expr *) session);
	element->indexcolname = "upper";
	cq_part_index_create(table, "ends", list_make1(element), false);
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
		cq_session_index_ends(state, plan->columns, plan->session->key + 1);
}
