/*
 * aggregate.c
 *		Collects the keys, aggregates and partial states of a query.
 *
 * An aggregate can be maintained when pg_aggregate gives it a combine function and, where its state
 * is internal, functions to serialize it. Aggregates that make the same state of the same input
 * (sum and avg of a bigint, say) share one.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parse_agg.h"
#include "parser/parse_oper.h"
#include "plan/plan.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static CqReject *
unsupported(const Aggref *aggref, const char *problem, const char *hint)
{
	CqReject   *reject = cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED,
								   "aggregate %s in a continuous view: %s",
								   get_func_name(aggref->aggfnoid), problem);

	cq_reject_at(reject, aggref->location);
	return hint ? cq_reject_hint(reject, "%s", hint) : reject;
}

Oid
cq_aggregate_state_type(void)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("state"),
						   ObjectIdGetDatum(get_namespace_oid("_cq", false)));
}

/* What does in their place: values with their counts tell all of them, but may be many. */
static const char *
ordered_set_hint(const Aggref *aggref)
{
	const char *name = get_func_name(aggref->aggfnoid);

	if (strcmp(name, "percentile_cont") == 0 || strcmp(name, "percentile_disc") == 0)
		return "Group by the argument as well, with count(*). The query that reads the view can "
			   "make percentiles of that. "
			"Of numbers the extension tdigest makes approximate ones in the view.";
	return "Group by the argument as well, with count(*). The query that reads the view can make "
		   "it of that.";
}

/* Takes over what pg_aggregate says; rejects what cannot be combined. */
static CqReject *
describe_partial(Aggref *aggref, CqPartial *partial)
{
	HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggref->aggfnoid));
	FormData_pg_aggregate form;
	Oid			argtypes[FUNC_MAX_ARGS];
	int			nargs;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for aggregate %u", aggref->aggfnoid);
	form = *(Form_pg_aggregate) GETSTRUCT(tuple);
	ReleaseSysCache(tuple);

	if (aggref->aggkind != AGGKIND_NORMAL)
		return unsupported(aggref, "ordered-set aggregates are not supported yet",
						   ordered_set_hint(aggref));
	if (aggref->aggdistinct != NIL)
		return unsupported(aggref, "DISTINCT is not supported yet",
						   "Group by the argument as well. The query that reads the view can "
						   "aggregate its rows, which are distinct. "
						   "The extension hll counts distinct values approximately.");
	if (aggref->aggorder != NIL)
		return unsupported(aggref, "ORDER BY is not supported yet",
						   "Leave it out where the order makes no difference. Else a view that "
						   "keeps the rows can be aggregated when it is read.");
	if (!OidIsValid(form.aggcombinefn))
		return unsupported(aggref, "it has no combine function, which is not supported yet",
						   "A view that keeps the rows can be aggregated when it is read. "
						   "For an aggregate of your own see COMBINEFUNC of CREATE AGGREGATE.");
	if (form.aggtranstype == INTERNALOID &&
		(!OidIsValid(form.aggserialfn) || !OidIsValid(form.aggdeserialfn) ||
		 !cq_compat_state_is_sendable(aggref)))
		return unsupported(aggref, "its state cannot be stored",
						   "See SERIALFUNC and DESERIALFUNC of CREATE AGGREGATE.");

	nargs = get_aggregate_argtypes(aggref, argtypes);
	partial->aggref = aggref;
	partial->transtype = resolve_aggregate_transtype(aggref->aggfnoid, form.aggtranstype, argtypes,
													 nargs);
	partial->storedtype = partial->transtype == INTERNALOID ? cq_aggregate_state_type() :
		partial->transtype;
	partial->collation = OidIsValid(aggref->inputcollid) &&
		type_is_collatable(partial->storedtype) ?
		aggref->inputcollid : get_typcollation(partial->storedtype);
	return NULL;
}

/* The functions and initial value that make a state, as pg_aggregate has them. */
typedef struct StateRecipe
{
	Oid			functions[4];
	char	   *initial;
} StateRecipe;

static StateRecipe
state_recipe(Oid aggregate)
{
	HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggregate));
	Form_pg_aggregate form = (Form_pg_aggregate) GETSTRUCT(tuple);
	StateRecipe recipe = {{form->aggtransfn, form->aggcombinefn, form->aggserialfn,
						   form->aggdeserialfn}, NULL};
	bool		isnull;
	Datum		initial = SysCacheGetAttr(AGGFNOID, tuple, Anum_pg_aggregate_agginitval, &isnull);

	if (!isnull)
		recipe.initial = TextDatumGetCString(initial);
	ReleaseSysCache(tuple);
	return recipe;
}

/* Do two aggregates make the same state of the same input? */
static bool
same_partial(const CqPartial *a, const CqPartial *b)
{
	StateRecipe recipe_a;
	StateRecipe recipe_b;

	if (a->transtype != b->transtype || a->aggref->inputcollid != b->aggref->inputcollid ||
		a->aggref->aggstar != b->aggref->aggstar ||
		!equal(a->aggref->args, b->aggref->args) || !equal(a->aggref->aggfilter,
														   b->aggref->aggfilter))
		return false;
	recipe_a = state_recipe(a->aggref->aggfnoid);
	recipe_b = state_recipe(b->aggref->aggfnoid);
	return memcmp(recipe_a.functions, recipe_b.functions, sizeof(recipe_a.functions)) == 0 &&
		(recipe_a.initial == NULL) == (recipe_b.initial == NULL) &&
		(recipe_a.initial == NULL || strcmp(recipe_a.initial, recipe_b.initial) == 0);
}

static int
find_partial(CqViewPlan *plan, CqPartial *partial)
{
	ListCell   *cell;

	foreach(cell, plan->partials)
	{
		if (same_partial(lfirst(cell), partial))
			return foreach_current_index(cell);
	}
	plan->partials = lappend(plan->partials, partial);
	return list_length(plan->partials) - 1;
}

typedef struct CollectContext
{
	CqViewPlan *plan;
	CqReject   *reject;
	Index		level;			/* of sub-selects below the query */
} CollectContext;

static CqReject *
collect_aggregate(CqViewPlan *plan, Aggref *aggref)
{
	CqAggregate *aggregate;
	CqPartial  *partial = palloc0(sizeof(CqPartial));
	CqReject   *reject;
	ListCell   *cell;

	foreach(cell, plan->aggregates)
	{
		if (equal(((CqAggregate *) lfirst(cell))->aggref, aggref))
			return NULL;
	}
	reject = describe_partial(aggref, partial);
	if (reject != NULL)
		return reject;
	aggregate = palloc0(sizeof(CqAggregate));
	aggregate->aggref = aggref;
	aggregate->partial = find_partial(plan, partial);
	plan->aggregates = lappend(plan->aggregates, aggregate);
	return NULL;
}

static bool
collect_aggregates(Node *node, CollectContext *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Aggref) && ((Aggref *) node)->agglevelsup == context->level)
	{
		if (context->level > 0)
			context->reject = unsupported((Aggref *) node,
										  "a sub-select over the outer query's aggregate is not "
										  "supported", NULL);
		else
			context->reject = collect_aggregate(context->plan, (Aggref *) node);
		return context->reject != NULL;
	}
	if (IsA(node, Query))
	{
		bool		stop;

		context->level++;
		stop = query_tree_walker((Query *) node, collect_aggregates, context, 0);
		context->level--;
		return stop;
	}
	return expression_tree_walker(node, collect_aggregates, context);
}

/* The same set twice would give its rows twice, which the grouping id cannot tell apart. */
static CqReject *
check_grouping_sets(const Query *query)
{
	List	   *sets = expand_grouping_sets(query->groupingSets, query->groupDistinct, -1);
	ListCell   *outer;
	ListCell   *inner;

	foreach(outer, sets)
	{
		for_each_from(inner, sets, foreach_current_index(outer) + 1)
		{
			if (list_difference_int(lfirst(outer), lfirst(inner)) == NIL &&
				list_difference_int(lfirst(inner), lfirst(outer)) == NIL)
				return cq_reject_hint(cq_reject_at(cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED,
															 "the same grouping set twice is not "
															 "supported in a continuous view"),
												   exprLocation((Node *) query->groupingSets)),
									  "GROUP BY DISTINCT removes the repetition.");
		}
	}
	if (list_length(query->groupClause) > 31)
		return cq_reject_hint(cq_reject_at(cq_reject(ERRCODE_TOO_MANY_ARGUMENTS,
													 "grouping sets over more than 31 columns are "
													 "not supported"),
										   exprLocation((Node *) query->groupingSets)),
							  "Create several views.");
	return NULL;
}

/* One that the query does not group by. */
static CqKey *
step_key(const CqViewPlan *plan)
{
	CqKey	   *key = palloc0(sizeof(CqKey));
	ListCell   *cell;

	key->expr = cq_sliding_step(plan);
	key->clause = makeNode(SortGroupClause);
	foreach(cell, plan->query->targetList)
		key->clause->tleSortGroupRef = Max(key->clause->tleSortGroupRef,
										   lfirst_node(TargetEntry, cell)->ressortgroupref);
	key->clause->tleSortGroupRef++;
	get_sort_group_operators(plan->sliding.type, true, true, false, &key->clause->sortop,
							 &key->clause->eqop, NULL,
							 &key->clause->hashable);
	return key;
}

static CqReject *
collect_keys(CqViewPlan *plan)
{
	bool		has_pane = false;
	ListCell   *cell;

	foreach(cell, plan->query->groupClause)
	{
		CqKey	   *key = palloc0(sizeof(CqKey));

		key->clause = lfirst_node(SortGroupClause, cell);
		key->expr = get_sortgroupclause_tle(key->clause, plan->query->targetList)->expr;
		if (expression_returns_set((Node *) key->expr))
			return cq_reject_hint(cq_reject_at(cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED,
														 "grouping by a set-returning function is "
														 "not supported"),
											   exprLocation((Node *) key->expr)),
								  "Call the function in FROM.");
		if (cq_pane_is_bound(plan, (Node *) key->expr, 0))
		{
			if (has_pane)
				continue;
			has_pane = true;
			key->expr = cq_pane_start(key->expr);
		}
		key->is_constant = plan->query->groupingSets != NIL &&
			cq_compat_is_shown_constant((Node *) key->expr);
		plan->keys = lappend(plan->keys, key);
	}
	if (plan->sliding.time != NULL)
		plan->keys = lappend(plan->keys, step_key(plan));
	return NULL;
}

CqReject *
cq_aggregate_collect(CqViewPlan *plan)
{
	CollectContext context = {plan, NULL, 0};
	CqReject   *reject;

	if (!plan->tells_changes)	/* what happens to a pane happens to several groups */
		cq_pane_find(plan);
	reject = collect_keys(plan);
	if (reject != NULL)
		return reject;
	if (plan->query->groupingSets != NIL)
	{
		reject = check_grouping_sets(plan->query);
		if (reject != NULL)
			return reject;
		plan->has_grouping_id = true;
	}
	if (collect_aggregates((Node *) plan->query->targetList, &context) ||
		collect_aggregates(plan->query->havingQual, &context))
		return context.reject;
	return NULL;
}
