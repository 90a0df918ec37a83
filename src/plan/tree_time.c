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
#include "nodes/nodeFuncs.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "plan/plan.h"
#include "plan/window_call.h"

typedef struct Search
{
	const CqViewPlan *plan;
	const CqNode *node;			/* whose inputs are meant */
} Search;

/* What a value turned out to be. */
typedef struct Found
{
	CqTimeKind	kind;
	Oid			stream;
} Found;

static bool follow(const Search *search, const Query *query, const Node *expr, Found *found);
static bool follow_node(const CqViewPlan *plan, int number, AttrNumber column, Found *found);

static bool
follow_operand(const Search *search, const Query *query, const Node *operand, AttrNumber column,
			   Found *found)
{
	const SetOperationStmt *operation = (const SetOperationStmt *) operand;
	const Query *part;
	const TargetEntry *target;
	Found		other;

	if (IsA(operand, SetOperationStmt))
		return follow_operand(search, query, operation->larg, column, found) &&
			follow_operand(search, query, operation->rarg, column, &other) &&
			found->kind == other.kind;
	part = rt_fetch(((const RangeTblRef *) operand)->rtindex, query->rtable)->subquery;
	target = get_tle_by_resno(part->targetList, column);
	return target != NULL && follow(search, part, (const Node *) target->expr, found);
}

static bool
follow_target(const Search *search, const Query *query, AttrNumber column, Found *found)
{
	const TargetEntry *target;

	if (query->setOperations != NULL)
		return follow_operand(search, query, query->setOperations, column, found);
	target = get_tle_by_resno(query->targetList, column);
	return target != NULL && follow(search, query, (const Node *) target->expr, found);
}

static bool
follow_input(const CqViewPlan *plan, const CqNode *node, int n, AttrNumber column, Found *found)
{
	Search		search = {plan, node};
	const CqNodeInput *input = list_nth(node->inputs, n - 1);

	return follow_target(&search, input->flow, column, found);
}

/* A bound of the windows that are closed; of others the end will do as well. */
static bool
follow_windows(const Search *search, const Query *query, const RangeTblEntry *entry,
			   AttrNumber bound, Found *found)
{
	CqWindowKind kind;
	const FuncExpr *call = cq_window_call(entry, &kind);
	CqViewPlan	other = {.shape = CQ_SHAPE_STORED};
	const CqWindowSteps *steps = &search->plan->closing;

	if (call == NULL || !follow(search, query, linitial(call->args), found) ||
		found->kind != CQ_TIME_OF_ROW)
		return false;
	found->kind = bound == CQ_WINDOW_END ? CQ_TIME_OF_END : CQ_TIME_OF_START;
	if (bound == CQ_WINDOW_END)
		return true;
	return steps->block == 1 && cq_close_take_windows(&other, entry, 0, 0) == NULL &&
		other.closing.last == steps->last && other.closing.block == steps->block &&
		other.closing.bound == steps->bound && equal(other.closing.step, steps->step) &&
		equal(other.closing.origin, steps->origin);
}

static bool
follow_store(const Search *search, const RangeTblEntry *entry, AttrNumber column, Found *found)
{
	int			n;

	if (sscanf(entry->enrname, "_cq_changes_%d", &n) == 1)
		return follow_node(search->plan, n, column, found);
	return sscanf(entry->enrname, "_cq_input_%d", &n) == 1 &&
		n <= list_length(search->node->inputs) &&
		follow_input(search->plan, search->node, n, column, found);
}

static bool
follow_all(const Search *search, const Query *query, const List *args, Found *found)
{
	ListCell   *cell;

	foreach(cell, args)
	{
		Found		other;

		if (!follow(search, query, lfirst(cell), &other) ||
			(foreach_current_index(cell) > 0 && other.kind != found->kind))
			return false;
		*found = other;
	}
	return args != NIL;
}

static bool
follow(const Search *search, const Query *query, const Node *expr, Found *found)
{
	const Var  *var = (const Var *) expr;
	const RangeTblEntry *entry;

	check_stack_depth();
	if (IsA(expr, CoalesceExpr))
		return follow_all(search, query, ((const CoalesceExpr *) expr)->args, found);
	if (!IsA(expr, Var) || var->varlevelsup > 0 || var->varattno <= 0)
		return false;
	entry = rt_fetch(var->varno, query->rtable);
	switch (entry->rtekind)
	{
		case RTE_RELATION:
			if (!cq_stream_is(entry->relid))
				return false;
			*found = (Found) {CQ_TIME_OF_ROW, entry->relid};
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

static bool
follow_node(const CqViewPlan *plan, int number, AttrNumber column, Found *found)
{
	const CqNode *node = list_nth(plan->tree->nodes, number - 1);
	Search		search = {plan, node};

	return follow_target(&search, node->step, column, found);
}

/* So long after its time is a row of use, at most; -1: that is not known. */
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

/* The end of a window is the first choice: a row of a group has nothing else. */
static void
take_column(const CqViewPlan *plan, CqTimeColumn *time, AttrNumber column, const Found *found)
{
	int64		lead = lead_of(plan, found->stream);

	if (lead < 0 || (time->column != InvalidAttrNumber && time->kind <= found->kind))
		return;
	*time = (CqTimeColumn) {column, found->kind, lead};
}

static void
find_of_node(const CqViewPlan *plan, CqNode *node)
{
	Found		found;
	ListCell   *cell;

	foreach(cell, node->inputs)
	{
		CqNodeInput *input = lfirst(cell);

		for (AttrNumber column = 1; column < list_length(input->columns); column++)
		{
			if (follow_input(plan, node, foreach_current_index(cell) + 1, column, &found))
				take_column(plan, &input->time, column, &found);
		}
	}
	for (AttrNumber column = 1; column < list_length(node->columns); column++)
	{
		if (follow_node(plan, node->number, column, &found))
			take_column(plan, &node->time, column, &found);
	}
}

void
cq_tree_time_find(const CqViewPlan *plan)
{
	ListCell   *cell;

	foreach(cell, plan->tree->nodes)
		find_of_node(plan, lfirst(cell));
}
