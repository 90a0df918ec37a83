/*
 * changes.c
 *		Views whose changes somebody asks for: which row was there before, and which is there now.
 *
 * A batch tells which groups it has touched. Where each row of the view is made of one group and of
 * nothing else, the row before comes of the group's state before, and the row after of its state
 * after. So whatever looks at several groups at once is refused here. Windows that overlap are kept
 * each by itself, not in panes.
 */
#include "postgres.h"

#include "nodes/nodeFuncs.h"
#include "rewrite/rewriteManip.h"
#include "plan/check.h"
#include "plan/plan.h"
#include "plan/window_call.h"

static CqReject *
unsupported(const char *what, int location)
{
	return cq_reject_hint(cq_reject_at(cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED,
												 "changes of a continuous view with %s are not "
												 "supported", what), location),
						  "They are told for each group by itself. Do it in the query that reads "
						  "the view, or where the changes go to.");
}

CqReject *
cq_changes_check(const CqViewPlan *plan)
{
	const Query *query = plan->query;
	Bitmapset  *key;

	if (!plan->tells_changes)
		return NULL;
	if (plan->sliding.time != NULL)
		return unsupported("cq.sliding", exprLocation((Node *) plan->sliding.time));
	if (query->limitCount != NULL || query->limitOffset != NULL)
		return unsupported("LIMIT or OFFSET", exprLocation(query->limitCount ? query->limitCount :
														   query->limitOffset));
	if (query->hasWindowFuncs)
		return unsupported("window functions (OVER)", cq_check_place(query, T_WindowFunc));
	if (query->distinctClause != NIL)
		return unsupported("DISTINCT", exprLocation((Node *) query->targetList));
	if (query->hasTargetSRFs)
		return unsupported("functions that return sets", exprLocation((Node *) query->targetList));
	if (query->hasSubLinks && (checkExprHasSubLink((Node *) query->targetList) ||
							   checkExprHasSubLink(query->havingQual)))
		return unsupported("sub-selects over its groups", cq_check_place(query, T_SubLink));
	if (plan->amends_closed && plan->session != NULL)
		return cq_reject_hint(cq_reject_at(cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED,
													 "late = 'amend' of sessions is not supported"),
										   plan->session->call->location),
							  "With a longer allowed_lateness they are closed later.");
	return plan->amends_closed ? cq_changes_key(plan, &key) : NULL;
}

/* The visible column of the view that shows the expression, or 0. */
static int
column_of(const Query *query, const Node *expr)
{
	ListCell   *cell;

	foreach(cell, query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);

		if (!entry->resjunk && equal(entry->expr, expr))
			return entry->resno;
	}
	return 0;
}

/* Of a window one bound tells the other, but of one that cumulates the end alone. */
static int
column_of_other_bound(const Query *query, const Node *expr)
{
	const Var  *var = (const Var *) expr;
	CqWindowKind kind;
	Var		   *other;

	if (!IsA(var, Var) || var->varlevelsup > 0 || var->varno > list_length(query->rtable) ||
		cq_window_call(list_nth(query->rtable, var->varno - 1), &kind) == NULL ||
		(kind == CQ_WINDOW_CUMULATE && var->varattno == CQ_WINDOW_END))
		return 0;
	other = copyObject(unconstify(Var *, var));
	other->varattno = var->varattno == CQ_WINDOW_END ? CQ_WINDOW_START : CQ_WINDOW_END;
	other->varattnosyn = other->varattno;
	return column_of(query, (const Node *) other);
}

static CqReject *
no_key(const CqViewPlan *plan)
{
	const char *what = plan->shape == CQ_SHAPE_ROWS ? "rows of the view are only added" :
		"nothing in the query says by which columns its rows are told apart";

	return cq_reject_hint(cq_reject_at(cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED, "%s", what),
									   exprLocation((Node *) plan->definition->targetList)),
						  "Show in the view the columns of GROUP BY, DISTINCT or the partition of "
						  "a "
						  "row_number(), or the key of the stream that they come from. Or give the "
						  "sink a column with the option metadata 'key', or the mode debezium.");
}

CqReject *
cq_changes_key(const CqViewPlan *plan, Bitmapset **columns)
{
	ListCell   *cell;

	*columns = NULL;
	if (plan->shape == CQ_SHAPE_STORED)
		*columns = plan->row_key;
	if (plan->shape != CQ_SHAPE_AGGREGATE)
		return plan->has_row_key ? NULL : no_key(plan);
	foreach(cell, plan->keys)
	{
		Node	   *expr = (Node *) ((CqKey *) lfirst(cell))->expr;
		int			column = column_of(plan->query, expr);

		if (column == 0)
			column = column_of_other_bound(plan->query, expr);
		if (column == 0)
		{
			*columns = NULL;
			return cq_reject_hint(cq_reject_at(cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED,
														 "the view does not show a column that it "
														 "is grouped by"),
											   exprLocation(expr)),
								  "Those are what tells one of its rows from another. Add it to "
								  "the select list.");
		}
		*columns = bms_add_member(*columns, column);
	}
	if (plan->has_grouping_id)
	{
		*columns = NULL;
		return unsupported("grouping sets to a sink of rows by key",
						   exprLocation((Node *) plan->query->groupingSets));
	}
	return NULL;
}

bool
cq_changes_only_add(const CqViewPlan *plan, bool emits_on_close)
{
	return plan->shape == CQ_SHAPE_ROWS || (emits_on_close && !plan->amends_closed);
}
