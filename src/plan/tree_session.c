/*
 * tree_session.c
 *		Where sessions are closed: by what rows of nodes are told that are of closed ones: see
 *		tree_session.h.
 *
 *		streams ─► joins, … ─► [rows] ─ OVER ─► [rows, session] ─► groups, … ─► what the view shows
 *		        by event time        │ by the session that each row is of
 *
 * A session goes on for as long as rows come, so that no time says when a row of it is of no use. So
 * the rows that sessions are made of are deleted when their session is closed, and above it all that
 * shows that session: what is left is what the step makes of what is left. No row that is to come
 * touches a closed session.
 *
 * Below, rows are deleted by their time. There nothing may go that has an effect on sessions which
 * are open: a node that stores what it passes on would tell of the difference. Of a time that lies
 * before the watermark it must have nothing left, neither of what it reads nor of what it stores;
 * and of later ones all.
 */
#include "postgres.h"

#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "plan/tree_session.h"
#include "plan/tree_time.h"
#include "rewrite/rewriteManip.h"

bool
cq_tree_session_is_call(const Node *expr)
{
	return IsA(expr, WindowFunc) && cq_session_plan_is_call((const WindowFunc *) expr);
}

/* ---- where they are made ---- */

/* Finds the query in a step that makes sessions. */
static bool
find_maker(Node *node, Query **maker)
{
	if (node == NULL)
		return false;
	if (!IsA(node, Query))
		return expression_tree_walker(node, find_maker, maker);
	if (cq_session_plan_call((Query *) node) == NULL)
		return query_tree_walker((Query *) node, find_maker, maker, 0);
	*maker = (Query *) node;
	return true;
}

/* Where the definition makes them; or at its select list, where a view does. */
static int
place_of_sessions(const CqViewPlan *plan)
{
	Query	   *maker = NULL;

	(void) find_maker((Node *) unconstify(Query *, plan->definition), &maker);
	return maker != NULL ? cq_session_plan_call(maker)->location :
		exprLocation((Node *) plan->definition->targetList);
}

static CqReject *
not_closable(const CqViewPlan *plan, const char *reason, const char *hint)
{
	CqReject   *reject = cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED,
								   "sessions of this query cannot be closed one by one: %s",
								   reason);

	return cq_reject_hint(cq_reject_at(reject, place_of_sessions(plan)), "%s", hint);
}

static Query *
maker_of(const CqNode *node)
{
	Query	   *maker = NULL;

	(void) find_maker((Node *) node->step, &maker);
	return maker;
}

static List *
partition_of(const Query *maker, const WindowFunc *call)
{
	const WindowClause *window = list_nth_node(WindowClause, maker->windowClause,
											   (int) call->winref - 1);
	List	   *partition = NIL;
	ListCell   *cell;

	foreach(cell, window->partitionClause)
		partition = lappend(partition, copyObject(get_sortgroupclause_expr(lfirst(cell),
																		   maker->targetList)));
	return partition;
}

/* All of what is FROM there is the node's one input. */
static bool
is_of_input(const CqNode *node, const Query *maker, int *rtindex)
{
	const FromExpr *from = maker->jointree;
	const RangeTblEntry *entry;

	if (list_length(node->inputs) != 1 || list_length(from->fromlist) != 1 ||
		from->quals != NULL || !IsA(linitial(from->fromlist), RangeTblRef))
		return false;
	*rtindex = ((const RangeTblRef *) linitial(from->fromlist))->rtindex;
	entry = rt_fetch(*rtindex, maker->rtable);
	return entry->rtekind == RTE_NAMEDTUPLESTORE &&
		strcmp(entry->enrname, cq_tree_input_name(1)) == 0;
}

static CqReject *
take_maker(const CqViewPlan *plan, CqNode *node, Query *maker)
{
	CqNodeInput *input = linitial(node->inputs);
	CqInputSessions *sessions = palloc0(sizeof(CqInputSessions));
	CqSession	session = {0};
	CqReject   *reject;
	const Var  *time;
	int			rtindex;

	if (!is_of_input(node, maker, &rtindex))
		return not_closable(plan, "they are made of several relations",
							"Join them in a sub-select.");
	reject = cq_session_plan_read(maker, NIL, &session);
	if (reject != NULL)
		return reject;
	time = linitial(session.call->args);
	if (!IsA(time, Var))
		return not_closable(plan, "their time is an expression",
							"Give it a name in a sub-select below.");
	sessions->call = copyObject(session.call);
	sessions->partition = partition_of(maker, session.call);
	sessions->gap = session.gap;
	ChangeVarNodes((Node *) sessions->call, rtindex, 1, 0);
	ChangeVarNodes((Node *) sessions->partition, rtindex, 1, 0);
	input->sessions = sessions;
	input->versions = NULL;
	input->time = (CqTimeColumn) {time->varattno, CQ_TIME_IN_SESSION, 0};
	return NULL;
}

/* ---- above ---- */

/* A column that shows the session, or when it ends. */
static bool
find_session_column(const CqViewPlan *plan, const CqNode *node, int input, int ncolumns,
					CqTimeColumn *time)
{
	CqTimeFound found;

	*time = (CqTimeColumn) {InvalidAttrNumber, CQ_TIME_OF_ROW, 0};
	for (AttrNumber column = 1; column < ncolumns; column++)
	{
		if ((input > 0 ? cq_tree_time_follow_input(plan, node, input, column, &found) :
			 cq_tree_time_follow_node(plan, node->number, column, &found)) &&
			cq_time_is_of_session(found.kind) &&
			(time->column == InvalidAttrNumber || found.kind < time->kind))
			*time = (CqTimeColumn) {column, found.kind, 0};
	}
	return time->column != InvalidAttrNumber;
}

static bool
take_inputs_above(const CqViewPlan *plan, CqNode *node)
{
	ListCell   *cell;

	foreach(cell, cq_rule_keeps_inputs(node->rule) ? node->inputs : NIL)
	{
		CqNodeInput *input = lfirst(cell);

		if (!find_session_column(plan, node, foreach_current_index(cell) + 1,
								 list_length(input->columns), &input->time))
			return false;
		input->versions = NULL;
	}
	return true;
}

static CqReject *
take_above(const CqViewPlan *plan, CqNode *node, Query *maker)
{
	CqReject   *reject = maker != NULL ? take_maker(plan, node, maker) : NULL;

	if (reject != NULL)
		return reject;
	if ((maker != NULL || take_inputs_above(plan, node)) &&
		(!cq_rule_stores(node->rule) ||
		 find_session_column(plan, node, 0, list_length(node->columns), &node->time)))
		return NULL;
	return not_closable(plan, "a part of it does not show of which session a row is",
						"Add the session, or upper() of it, to each select list.");
}

/* ---- the whole ---- */

static bool
reads_any_of(const CqNode *node, const Bitmapset *numbers)
{
	ListCell   *cell;

	foreach(cell, node->inputs)
	{
		if (bms_is_member(((const CqNodeInput *) lfirst(cell))->node, numbers))
			return true;
	}
	return false;
}

CqReject *
cq_tree_session_find(const CqViewPlan *plan)
{
	Bitmapset  *above = NULL;	/* numbers of nodes in which sessions are */
	CqReject   *reject = NULL;
	ListCell   *cell;

	foreach(cell, plan->tree != NULL ? plan->tree->nodes : NIL)
	{
		CqNode	   *node = lfirst(cell);
		Query	   *maker = maker_of(node);

		if (reject != NULL)
			break;
		if (maker != NULL || reads_any_of(node, above))
		{
			above = bms_add_member(above, node->number);
			reject = take_above(plan, node, maker);
		}
		else if (!cq_tree_time_goes(plan, node))
			reject = not_closable(plan, "what they are made of is corrected when a part of it "
								  "comes later",
								  "Make them of rows that are only added, inner joins among them, "
								  "or of ones that are told by one event time.");
	}
	if (reject == NULL && above == NULL)
		reject = not_closable(plan, "none are made", "Group by a session of event time.");
	return reject;
}
