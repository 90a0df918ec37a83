/*
 * root.c
 *		What comes to the root of a view, and how: what maintains it need not ask which of the
 *		options, and parts of a query, that comes from.
 */
#include "postgres.h"

#include "plan/plan.h"

static CqRootKind
root_of_groups(const CqViewPlan *plan)
{
	if (plan->session != NULL)
		return plan->tells_changes ? CQ_ROOT_TOLD_SESSIONS : CQ_ROOT_SESSIONS;
	if (plan->amends_closed)
		return CQ_ROOT_AMENDED_GROUPS;
	return plan->tells_changes ? CQ_ROOT_TOLD_GROUPS : CQ_ROOT_GROUPS;
}

static CqRootKind
root_of(const CqViewPlan *plan)
{
	switch (plan->shape)
	{
		case CQ_SHAPE_ROWS:
			return CQ_ROOT_ROWS;
		case CQ_SHAPE_AGGREGATE:
			return root_of_groups(plan);
		case CQ_SHAPE_STORED:
			break;
	}
	return CQ_ROOT_STORED;
}

static CqTelling
telling_of(const CqViewPlan *plan, const CqPlanOptions *options)
{
	if (options->emits_on_close && !plan->amends_closed)
		return CQ_TELLS_NOTHING;
	if (plan->shape == CQ_SHAPE_AGGREGATE)
		return plan->tells_changes ? CQ_TELLS_ROWS : CQ_TELLS_CHANGE;
	/* Where some of it has expired, not all of what is stored is shown. */
	return plan->hides_expired ? CQ_TELLS_CHANGE : CQ_TELLS_ROWS;
}

static CqEnding
ending_of(const CqViewPlan *plan, const CqPlanOptions *options)
{
	if (!options->emits_on_close)
		return OidIsValid(plan->closing.bound) ? CQ_ENDS_EXPIRED : CQ_ENDS_EXPIRED_AT_ONCE;
	if (plan->amends_closed)
		return CQ_ENDS_AMENDED;
	return plan->closing.last > 1 || plan->session != NULL || plan->closing.is_of_sessions ?
		CQ_ENDS_EMITTED_AT_ONCE : CQ_ENDS_EMITTED;
}

void
cq_root_set(CqViewPlan *plan, const CqPlanOptions *options)
{
	plan->root = root_of(plan);
	plan->driver = plan->node > 0 ? CQ_DRIVEN_BY_NODE : CQ_DRIVEN_BY_STREAM;
	plan->telling = telling_of(plan, options);
	plan->ending = ending_of(plan, options);
	plan->is_exclusive = plan->session != NULL || plan->tells_changes || plan->tree != NULL ||
		(options->tells_changes && !options->emits_on_close);
}
