/*
 * expiry.c
 *		What a state has besides, so that it can be told what in it is too old: the options
 *		retention and retention_by.
 *
 * Rows that are kept have the time at which they came in any case, and by event time one more
 * column. A group has one more partial state: the latest of its rows' times, so that writers and
 * compaction know nothing of it. Windows have their end among the keys (close.c), and so have the
 * rows of closed windows.
 *
 * Where the stream's event time is null, a row counts as of when it came: nothing is kept for ever.
 */
#include "postgres.h"

#include "catalog/pg_aggregate.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "plan/plan.h"
#include "utils/fmgroids.h"

static CqReject *
not_expiring(const char *reason, int location, const char *hint)
{
	return cq_reject_hint(cq_reject_at(cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED, "retention %s",
												 reason), location), "%s", hint);
}

CqReject *
cq_expiry_check(const CqViewPlan *plan, const CqPlanOptions *options)
{
	const Query *query = plan->query;

	if (options->expiry == CQ_EXPIRES_NOTHING)
		return NULL;
	if (plan->sliding.time != NULL)
		return not_expiring("with cq.sliding is not supported",
							exprLocation((Node *) plan->sliding.time),
							"What cq.sliding has left behind goes by itself.");
	if (options->by_event_time && options->event_time == InvalidAttrNumber)
		return not_expiring("by event time needs a stream with event times",
							exprLocation((Node *) query->targetList),
							"Set the stream's option event_time to the column that has them, or "
							"retention_by = 'change'.");
	if (plan->shape == CQ_SHAPE_ROWS)
		return NULL;
	if (query->groupingSets != NIL)
		return not_expiring("with grouping sets is not supported",
							exprLocation((Node *) query->groupingSets),
							"Create a view for each of them.");
	if (query->groupClause == NIL)
		return not_expiring("of a view without GROUP BY is not supported",
							exprLocation((Node *) query->targetList),
							"It has one row, which stays.");
	if (options->expiry == CQ_EXPIRES_GROUPS && list_length(query->groupClause) >= INDEX_MAX_KEYS)
		return not_expiring("of groups with so many columns is not supported",
							exprLocation((Node *) query->targetList),
							"Group by fewer columns.");
	return NULL;
}

/* The event time, or when the row came: at the beginning of the batch's transaction. */
static CqReject *
row_time(const CqViewPlan *plan, const CqPlanOptions *options, Expr **time)
{
	CoalesceExpr *coalesce;
	Var		   *event_time;

	*time = cq_sliding_ago(TIMESTAMPTZOID, 0);
	if (!options->by_event_time)
		return NULL;
	event_time = cq_close_event_time(plan, options->event_time);
	if (event_time == NULL)
		return not_expiring("by event time needs the stream's event time in FROM",
							exprLocation((Node *) plan->query->targetList),
							"A sub-select or view over the stream must have that column among its "
							"own; or set retention_by = 'change'.");
	coalesce = makeNode(CoalesceExpr);
	coalesce->coalescetype = event_time->vartype;
	coalesce->args = list_make2(event_time, cq_sliding_ago(event_time->vartype, 0));
	coalesce->location = -1;
	*time = (Expr *) coalesce;
	return NULL;
}

/* max(time) */
static Aggref *
latest(Expr *time)
{
	Aggref	   *aggref = makeNode(Aggref);
	Oid			type = exprType((Node *) time);

	aggref->aggfnoid = type == TIMESTAMPTZOID ? F_MAX_TIMESTAMPTZ : F_MAX_TIMESTAMP;
	aggref->aggtype = type;
	aggref->aggargtypes = list_make1_oid(type);
	aggref->args = list_make1(makeTargetEntry(time, 1, NULL, false));
	aggref->aggkind = AGGKIND_NORMAL;
	aggref->aggsplit = AGGSPLIT_SIMPLE;
	aggref->aggno = -1;
	aggref->aggtransno = -1;
	aggref->location = -1;
	return aggref;
}

CqReject *
cq_expiry_collect(CqViewPlan *plan, const CqPlanOptions *options)
{
	CqPartial  *partial;
	CqReject   *reject;
	Expr	   *time;

	plan->keeps_end = options->expiry == CQ_EXPIRES_RESULTS;
	plan->hides_expired = options->expiry == CQ_EXPIRES_WINDOWS;
	if (options->expiry != CQ_EXPIRES_GROUPS && !(options->expiry == CQ_EXPIRES_ROWS &&
												  options->by_event_time))
		return NULL;
	reject = row_time(plan, options, &time);
	if (reject != NULL)
		return reject;
	plan->time_column = options->by_event_time ? CQ_EVENT_TIME_COLUMN : CQ_ROW_TIME_COLUMN;
	plan->time = time;
	if (options->expiry == CQ_EXPIRES_ROWS)
		return NULL;
	partial = palloc0(sizeof(CqPartial));
	partial->aggref = latest(time);
	partial->transtype = partial->storedtype = partial->aggref->aggtype;
	plan->partials = lappend(plan->partials, partial);
	return NULL;
}
