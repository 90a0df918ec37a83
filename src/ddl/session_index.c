/*
 * session_index.c
 *		The indexes of a state that holds sessions.
 *
 * By the first one the stored sessions are found that a new one overlaps (state/session_merge.c). By the second, where sessions are closed, those
 * whose ends the watermark has passed (exec/closing.c).
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/defrem.h"
#include "common/compat.h"
#include "ddl/ddl.h"
#include "nodes/makefuncs.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

static void
create_index(Oid state, const char *label, List *elements)
{
	IndexStmt  *index = makeNode(IndexStmt);

	index->accessMethod = "btree";
	index->indexParams = elements;
	index->idxname = ChooseRelationName(get_rel_name(state), NULL, label, get_rel_namespace(state), false);
	(void) cq_compat_define_index(state, index);
	CommandCounterIncrement();
}

static IndexElem *
column_element(const ColumnDef *column)
{
	IndexElem  *element = makeNode(IndexElem);

	element->name = column->colname;
	return element;
}

static IndexElem *
end_element(const CqViewPlan *plan)
{
	IndexElem  *element = makeNode(IndexElem);
	int			key = plan->session->key;
	Var		   *session = makeVar(1, key + 1, list_nth_node(ColumnDef, plan->columns, key)->typeName->typeOid, -1, InvalidOid, 0);

	element->expr = (Node *) makeFuncExpr(F_UPPER_ANYRANGE, plan->session->type, list_make1(session), InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
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
			elements = lappend(elements, column_element(list_nth_node(ColumnDef, plan->columns, i)));
	}
	elements = lappend(elements, column_element(list_nth_node(ColumnDef, plan->columns, plan->session->key)));
	create_index(state, "sessions", elements);
	if (plan->closing.rtindex != 0)
		create_index(state, "ends", list_make1(end_element(plan)));
}
