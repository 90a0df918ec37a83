/*
 * tree_time.c
 *		Which column of a node's tables tells when a row is of no use any more: see tree.h.
 *
 * A column is followed down through the node's queries, and those of the nodes below, to the event
 * time of a stream, or to a bound of windows over it.
 */
#include "postgres.h"

#include "catalog/stream.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "plan/anchor.h"
#include "plan/cut_level.h"
#include "plan/tree_session.h"
#include "plan/tree_time.h"
#include "plan/tree_versions.h"
#include "plan/window_call.h"
#include "utils/fmgroids.h"

typedef struct Search
{
	const CqViewPlan *plan;
	const CqNode *node;			/* whose inputs are meant */
} Search;

static bool follow(const Search *search, const Query *query, const Node *expr, CqTimeFound *found);
static bool follow_column(const Search *search, const Query *query, const Var *var,
						  CqTimeFound *found);

static int64
lead_of(const CqViewPlan *plan, Oid stream)
{
	ListCell   *cell;

	foreach(cell, plan->lags)
	{
		const CqStreamLag *lag = lfirst(cell);

		if (lag->stream == stream)
			return lag->lead;
	}
	return -1;
}

/* How many windows lie below those that are closed. */
static int
nwindows_below(const CqViewPlan *plan)
{
	int			nwindows = 0;
	ListCell   *cell;

	foreach(cell, plan->lags)
		nwindows = Max(nwindows, ((const CqStreamLag *) lfirst(cell))->nwindows);
	return nwindows;
}

/* What is one or the other. */
static bool
add_found(CqTimeFound *found, const CqTimeFound *other)
{
	found->nwindows = Max(found->nwindows, other->nwindows);
	found->lead = found->lead < 0 || other->lead < 0 ? -1 : Max(found->lead, other->lead);
	return found->kind == other->kind;
}

static bool
follow_operand(const Search *search, const Query *query, const Node *operand, AttrNumber column,
			   CqTimeFound *found)
{
	const SetOperationStmt *operation = (const SetOperationStmt *) operand;
	const Query *part;
	const TargetEntry *target;
	CqTimeFound other;

	if (IsA(operand, SetOperationStmt))
		return follow_operand(search, query, operation->larg, column, found) &&
			follow_operand(search, query, operation->rarg, column, &other) &&
			add_found(found, &other);
	part = rt_fetch(((const RangeTblRef *) operand)->rtindex, query->rtable)->subquery;
	target = get_tle_by_resno(part->targetList, column);
	return target != NULL && follow(search, part, (const Node *) target->expr, found);
}

static bool
follow_target(const Search *search, const Query *query, AttrNumber column, CqTimeFound *found)
{
	const TargetEntry *target;

	if (query->setOperations != NULL)
		return follow_operand(search, query, query->setOperations, column, found);
	target = get_tle_by_resno(query->targetList, column);
	return target != NULL && follow(search, query, (const Node *) target->expr, found);
}

bool
cq_tree_time_follow_input(const CqViewPlan *plan, const CqNode *node, int n, AttrNumber column,
						  CqTimeFound *found)
{
	Search		search = {plan, node};
	const CqNodeInput *input = list_nth(node->inputs, n - 1);

	return follow_target(&search, input->flow, column, found);
}

/*
 * A bound of windows that others are over is a time like that of a row, which lies before its end,
 * and no further behind its start than they are long.
 */
static bool
become_time(const RangeTblEntry *entry, AttrNumber bound, CqTimeFound *found)
{
	int64		size;

	if (!cq_anchor_window_size(entry, &size))
		return false;
	if (bound == CQ_WINDOW_START && found->lead >= 0)
		found->lead += size;
	return true;
}

/* A bound of the windows that are closed; of others the end will do as well. */
static bool
follow_windows(const Search *search, const Query *query, const RangeTblEntry *entry,
			   AttrNumber bound, CqTimeFound *found)
{
	CqWindowKind kind;
	const FuncExpr *call = cq_window_call(entry, &kind);
	CqViewPlan	other = {.shape = CQ_SHAPE_STORED};
	const CqWindowSteps *steps = &search->plan->closing;

	if (call == NULL || !follow(search, query, linitial(call->args), found) ||
		found->kind != CQ_TIME_OF_ROW)
		return false;
	if (++found->nwindows <= nwindows_below(search->plan))
		return become_time(entry, bound, found);
	found->kind = bound == CQ_WINDOW_END ? CQ_TIME_OF_END : CQ_TIME_OF_START;
	if (bound == CQ_WINDOW_END)
		return true;
	return steps->block == 1 && cq_close_take_windows(&other, entry, 0, 0) == NULL &&
		other.closing.last == steps->last && other.closing.block == steps->block &&
		other.closing.bound == steps->bound && equal(other.closing.step, steps->step) &&
		equal(other.closing.origin, steps->origin);
}

static bool
follow_store(const Search *search, const RangeTblEntry *entry, AttrNumber column,
			 CqTimeFound *found)
{
	int			n;

	if (sscanf(entry->enrname, "_cq_changes_%d", &n) == 1)
		return cq_tree_time_follow_node(search->plan, n, column, found);
	return sscanf(entry->enrname, "_cq_input_%d", &n) == 1 &&
		n <= list_length(search->node->inputs) &&
		cq_tree_time_follow_input(search->plan, search->node, n, column, found);
}

/* May columns of the entry be null where they are not in it? */
static bool
is_nullable(const Query *query, int rtindex)
{
	return !bms_is_empty(cq_cut_split_nulling(query, rtindex));
}

/* The one or the other of a full join. */
static bool
follow_either(const Search *search, const Query *query, const List *args, CqTimeFound *found)
{
	CqTimeFound other;
	ListCell   *cell;

	foreach(cell, args)
	{
		const Var  *var = lfirst(cell);

		if (!IsA(var, Var) || var->varlevelsup > 0 || !is_nullable(query, var->varno))
			return false;
	}
	return list_length(args) == 2 && follow_column(search, query, linitial(args), found) &&
		follow_column(search, query, lsecond(args), &other) && add_found(found, &other);
}

/* The end of a session. */
static bool
follow_upper(const Search *search, const Query *query, const Node *session, CqTimeFound *found)
{
	if (!follow(search, query, session, found) || found->kind != CQ_TIME_OF_SESSION)
		return false;
	found->kind = CQ_TIME_OF_SESSION_END;
	return true;
}

static bool
follow(const Search *search, const Query *query, const Node *expr, CqTimeFound *found)
{
	const Var  *var = (const Var *) expr;

	if (search->plan->closing.is_of_sessions && cq_tree_session_is_call(expr))
	{
		*found = (CqTimeFound) {CQ_TIME_OF_SESSION, 0, 0};
		return true;
	}
	if (IsA(expr, FuncExpr) && ((const FuncExpr *) expr)->funcid == F_UPPER_ANYRANGE)
		return follow_upper(search, query, linitial(((const FuncExpr *) expr)->args), found);
	if (IsA(expr, CoalesceExpr))
		return follow_either(search, query, ((const CoalesceExpr *) expr)->args, found);
	return IsA(expr, Var) && var->varlevelsup == 0 && !is_nullable(query, var->varno) &&
		follow_column(search, query, var, found);
}

static bool
follow_column(const Search *search, const Query *query, const Var *var, CqTimeFound *found)
{
	const RangeTblEntry *entry = rt_fetch(var->varno, query->rtable);

	check_stack_depth();
	if (var->varattno <= 0)
		return false;
	switch (entry->rtekind)
	{
		case RTE_RELATION:
			if (!cq_stream_is(entry->relid))
				return false;
			*found = (CqTimeFound) {CQ_TIME_OF_ROW, lead_of(search->plan, entry->relid), 0};
			return cq_stream_get(entry->relid, InvalidOid)->event_time == var->varattno;
		case RTE_SUBQUERY:
			return follow_target(search, entry->subquery, var->varattno, found);
		case RTE_FUNCTION:
			return follow_windows(search, query, entry, var->varattno, found);
		case RTE_NAMEDTUPLESTORE:
			return follow_store(search, entry, var->varattno, found);
		default:
			return false;
	}
}

bool
cq_tree_time_follow(const CqViewPlan *plan, const CqNode *node, const Query *query,
					const Node *expr, CqTimeFound *found)
{
	Search		search = {plan, node};

	return follow(&search, query, expr, found);
}

bool
cq_tree_time_follow_node(const CqViewPlan *plan, int number, AttrNumber column, CqTimeFound *found)
{
	const CqNode *node = list_nth(plan->tree->nodes, number - 1);
	Search		search = {plan, node};

	return follow_target(&search, node->step, column, found);
}

/* The end of a window is the first choice: a row of a group has nothing else. */
static void
take_column(CqTimeColumn *time, AttrNumber column, const CqTimeFound *found)
{
	if (found->lead < 0 || (time->column != InvalidAttrNumber && time->kind <= found->kind))
		return;
	*time = (CqTimeColumn) {column, found->kind, found->lead};
}

static void
find_of_node(const CqViewPlan *plan, CqNode *node)
{
	CqTimeFound found;
	ListCell   *cell;

	foreach(cell, node->inputs)
	{
		CqNodeInput *input = lfirst(cell);

		for (AttrNumber column = 1; column < list_length(input->columns); column++)
		{
			if (cq_tree_time_follow_input(plan, node, foreach_current_index(cell) + 1, column,
										  &found))
				take_column(&input->time, column, &found);
		}
		if (input->only_grows && input->time.column == InvalidAttrNumber)
			input->versions = cq_tree_versions_find(plan, node, foreach_current_index(cell) + 1);
	}
	for (AttrNumber column = 1; column < list_length(node->columns); column++)
	{
		if (cq_tree_time_follow_node(plan, node->number, column, &found))
			take_column(&node->time, column, &found);
	}
}

void
cq_tree_time_find(const CqViewPlan *plan)
{
	ListCell   *cell;

	foreach(cell, plan->tree->nodes)
		find_of_node(plan, lfirst(cell));
}

/* The one column whose rows are of use for their own time alone; false: there are several. */
static bool
find_own_time(const CqViewPlan *plan, const CqNode *node, int input, int ncolumns,
			  AttrNumber *column)
{
	CqTimeFound found;

	*column = InvalidAttrNumber;
	for (AttrNumber n = 1; n < ncolumns; n++)
	{
		if (!(input > 0 ? cq_tree_time_follow_input(plan, node, input, n, &found) :
			  cq_tree_time_follow_node(plan, node->number, n, &found)) ||
			found.kind != CQ_TIME_OF_ROW || found.lead != 0)
			continue;
		if (*column != InvalidAttrNumber)
			return false;
		*column = n;
	}
	return true;
}

bool
cq_tree_time_goes(const CqViewPlan *plan, CqNode *node)
{
	bool		is_found = false;
	AttrNumber	column;
	ListCell   *cell;

	if (!cq_rule_stores(node->rule))
		return true;
	foreach(cell, node->inputs)
	{
		CqNodeInput *input = lfirst(cell);

		if (!find_own_time(plan, node, foreach_current_index(cell) + 1,
						   list_length(input->columns), &column))
			return false;
		if (column == InvalidAttrNumber)
			continue;
		is_found = true;
		input->time = (CqTimeColumn) {column, CQ_TIME_OF_ROW, 0};
	}
	if (!is_found || !find_own_time(plan, node, 0, list_length(node->columns), &column) ||
		column == InvalidAttrNumber)
		return false;
	node->time = (CqTimeColumn) {column, CQ_TIME_OF_ROW, 0};
	return true;
}

Node *
cq_tree_time_is_known(const Expr *time)
{
	NullTest   *test = makeNode(NullTest);

	test->arg = copyObject(unconstify(Expr *, time));
	test->nulltesttype = IS_NOT_NULL;
	test->location = -1;
	return (Node *) test;
}

static void
require_in_input(CqNodeInput *input)
{
	AttrNumber	column = input->versions != NULL ? input->versions->time : input->time.column;
	FromExpr   *from = input->flow->jointree;
	const TargetEntry *target;

	if (!OidIsValid(input->stream) || column == InvalidAttrNumber ||
		(input->versions == NULL && input->time.kind != CQ_TIME_OF_ROW &&
		 input->time.kind != CQ_TIME_IN_SESSION))
		return;
	target = get_tle_by_resno(input->flow->targetList, column);
	from->quals = make_and_qual(from->quals, cq_tree_time_is_known(target->expr));
}

void
cq_tree_time_require(const CqViewPlan *plan)
{
	ListCell   *node;
	ListCell   *cell;

	foreach(node, plan->tree->nodes)
	{
		foreach(cell, ((CqNode *) lfirst(node))->inputs)
			require_in_input(lfirst(cell));
	}
}
