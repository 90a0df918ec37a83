/*
 * read.c
 *		The query over the state table that gives a view's rows.
 *
 * It is the definition with its FROM replaced by the state table: each grouping expression becomes
 * the key's column, each aggregate becomes cq.finish(partial state, …), GROUPING() is computed from
 * the grouping id; all else above the aggregation (HAVING, DISTINCT, ORDER BY, OVER, LIMIT) stays
 * as it was written. Where panes are kept (pane.c) they are joined with their windows, and where
 * the last while before now is asked for (sliding.c), the steps that are in it are chosen.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_func.h"
#include "parser/parse_oper.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "plan/plan.h"
#include "plan/scope.h"
#include "rewrite/rewriteManip.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

typedef struct ReadContext
{
	const CqViewPlan *plan;
	Index		level;			/* of sub-selects below the query */
	bool		is_finished;	/* over results of the aggregates, not over partial states */
	CqReject   *reject;
} ReadContext;

#define STATE_RTINDEX	1
#define WINDOWS_RTINDEX	2

/* The n-th column (from 0) of the state table, seen from level. */
static Var *
state_var(const CqViewPlan *plan, int n, Index level)
{
	ColumnDef  *column = list_nth_node(ColumnDef, plan->columns, n);

	return makeVar(STATE_RTINDEX, n + 1, column->typeName->typeOid, column->typeName->typemod,
				   column->collOid, level);
}

static int
partial_column(const CqViewPlan *plan, int partial)
{
	return cq_plan_nkeys(plan) + partial;
}

static Oid
finish_aggregate(void)
{
	Oid			argtypes[] = {ANYOID, REGPROCEDUREOID, REGTYPEARRAYOID, ANYELEMENTOID};
	List	   *name = list_make2(makeString("cq"), makeString("finish"));

	return LookupFuncName(name, lengthof(argtypes), argtypes, false);
}

static Const *
input_types(const Aggref *aggref)
{
	int			ntypes = list_length(aggref->aggargtypes);
	Datum	   *types = palloc(sizeof(Datum) * Max(ntypes, 1));
	ListCell   *cell;

	foreach(cell, aggref->aggargtypes)
		types[foreach_current_index(cell)] = ObjectIdGetDatum(lfirst_oid(cell));
	return makeConst(REGTYPEARRAYOID, -1, InvalidOid, -1,
					 PointerGetDatum(construct_array(types, ntypes, REGTYPEOID, sizeof(Oid), true,
													 TYPALIGN_INT)),
					 false, false);
}

/* cq.finish(state, 'avg(bigint)'::regprocedure, '{bigint}'::regtype[], NULL::numeric) */
static Aggref *
finish_call(const CqViewPlan *plan, const CqAggregate *aggregate, Index level)
{
	Aggref	   *original = aggregate->aggref;
	Aggref	   *finish = makeNode(Aggref);
	Var		   *state = state_var(plan, partial_column(plan, aggregate->partial), level);
	Const	   *function = makeConst(REGPROCEDUREOID, -1, InvalidOid, sizeof(Oid),
									 ObjectIdGetDatum(original->aggfnoid), false, true);
	Const	   *result = makeNullConst(original->aggtype, -1, original->aggcollid);
	Expr	   *args[] = {(Expr *) state, (Expr *) function, (Expr *) input_types(original),
						  (Expr *) result};

	finish->aggfnoid = finish_aggregate();
	finish->aggtype = original->aggtype;
	finish->aggcollid = original->aggcollid;
	finish->inputcollid = OidIsValid(original->inputcollid) ? original->inputcollid :
		original->aggcollid;
	for (int i = 0; i < (int) lengthof(args); i++)
	{
		finish->aggargtypes = lappend_oid(finish->aggargtypes, exprType((Node *) args[i]));
		finish->args = lappend(finish->args, makeTargetEntry(args[i], i + 1, NULL, false));
	}
	finish->aggkind = AGGKIND_NORMAL;
	finish->agglevelsup = level;
	finish->aggsplit = AGGSPLIT_SIMPLE;
	finish->aggno = -1;
	finish->aggtransno = -1;
	finish->location = -1;
	return finish;
}

static Expr *
int4_call(Oid function, Expr *a, Expr *b)
{
	return (Expr *) makeFuncExpr(function, INT4OID, list_make2(a, b), InvalidOid, InvalidOid,
								 COERCE_EXPLICIT_CALL);
}

static int
key_of_reference(const CqViewPlan *plan, Index reference)
{
	ListCell   *cell;

	foreach(cell, plan->keys)
	{
		if (((CqKey *) lfirst(cell))->clause->tleSortGroupRef == reference)
			return foreach_current_index(cell);
	}
	elog(ERROR, "grouping reference %u not found", reference);
}

/* GROUPING(…): its bits picked out of the grouping id, whose highest bit is the first key's. */
static Expr *
grouping_bits(const CqViewPlan *plan, const GroupingFunc *grouping, Index level)
{
	int			nkeys = list_length(plan->keys);
	int			narguments = list_length(grouping->refs);
	Expr	   *bits = NULL;
	ListCell   *cell;

	if (!plan->has_grouping_id)
		return cq_plan_int4(0);
	foreach(cell, grouping->refs)
	{
		int			from = nkeys - 1 - key_of_reference(plan, lfirst_int(cell));
		int			to = narguments - 1 - foreach_current_index(cell);
		Expr	   *bit = int4_call(F_INT4AND,
									int4_call(F_INT4SHR, (Expr *) state_var(plan, nkeys, level),
											  cq_plan_int4(from)),
									cq_plan_int4(1));

		bit = int4_call(F_INT4SHL, bit, cq_plan_int4(to));
		bits = bits ? int4_call(F_INT4OR, bits, bit) : bit;
	}
	return bits;
}

static Node *
find_key(ReadContext *context, Node *node)
{
	ListCell   *cell;

	foreach(cell, context->plan->keys)
	{
		Node	   *expr = (Node *) ((CqKey *) lfirst(cell))->expr;

		if (((CqKey *) lfirst(cell))->is_constant)
			continue;

		if (context->level > 0)
		{
			expr = copyObject(expr);
			IncrementVarSublevelsUp(expr, context->level, 0);
		}
		if (equal(expr, node))
			return (Node *) state_var(context->plan, foreach_current_index(cell), context->level);
	}
	return NULL;
}

static Node *
window_bound(const Var *bound)
{
	return (Node *) makeVar(WINDOWS_RTINDEX, bound->varattno, bound->vartype, bound->vartypmod,
							bound->varcollid,
							bound->varlevelsup);
}

static Node *
find_aggregate(ReadContext *context, Aggref *aggref)
{
	ListCell   *cell;

	foreach(cell, context->plan->aggregates)
	{
		CqAggregate *aggregate = lfirst(cell);

		if (!equal(aggregate->aggref, aggref))
			continue;
		if (context->is_finished)
			return (Node *) makeVar(STATE_RTINDEX, cq_plan_nkeys(context->plan) +
									foreach_current_index(cell) + 1, aggref->aggtype, -1,
									aggref->aggcollid, context->level);
		return (Node *) finish_call(context->plan, aggregate, context->level);
	}
	elog(ERROR, "aggregate %u was not collected", aggref->aggfnoid);
}

/*
 * The entry of a grouped constant, which no other place that has it too is: null in grouping sets
 * without it.
 */
static TargetEntry *
constant_entry(const CqViewPlan *plan, const TargetEntry *entry)
{
	ListCell   *cell;

	foreach(cell, entry->ressortgroupref > 0 ? plan->keys : NIL)
	{
		const CqKey *key = lfirst(cell);

		if (key->is_constant && key->clause->tleSortGroupRef == entry->ressortgroupref)
		{
			TargetEntry *copy = flatCopyTargetEntry(unconstify(TargetEntry *, entry));

			copy->expr = (Expr *) state_var(plan, foreach_current_index(cell), 0);
			return copy;
		}
	}
	return NULL;
}

static Node *
over_state(Node *node, ReadContext *context)
{
	Node	   *key;
	TargetEntry *entry;

	if (node == NULL || context->reject != NULL)
		return node;
	if (IsA(node, TargetEntry) && context->level == 0 &&
		(entry = constant_entry(context->plan, (TargetEntry *) node)) != NULL)
		return (Node *) entry;
	if (IsA(node, Aggref) && ((Aggref *) node)->agglevelsup == context->level)
		return find_aggregate(context, (Aggref *) node);
	if (IsA(node, GroupingFunc) && ((GroupingFunc *) node)->agglevelsup == context->level)
		return (Node *) grouping_bits(context->plan, (GroupingFunc *) node, context->level);
	if (cq_pane_is_bound(context->plan, node, context->level))
		return window_bound((Var *) node);
	if ((key = find_key(context, node)) != NULL)
		return key;
	if (IsA(node, Var) && ((Var *) node)->varlevelsup == context->level)
	{
		context->reject = cq_reject_hint(cq_reject_at(cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED,
																"a column that is neither grouped "
																"nor aggregated is not supported "
																"in a continuous view"),
													  ((Var *) node)->location),
										 "Add it to GROUP BY.");
		return node;
	}
	if (IsA(node, Query))
	{
		Query	   *query;

		context->level++;
		query = query_tree_mutator((Query *) node, over_state, context, 0);
		context->level--;
		return (Node *) query;
	}
	return expression_tree_mutator(node, over_state, context);
}

/* An empty SELECT over the state table. */
static Query *
query_over(Oid state)
{
	Query	   *query = makeNode(Query);
	ParseState *pstate = make_parsestate(NULL);
	Relation	relation = table_open(state, AccessShareLock);
	ParseNamespaceItem *item = addRangeTableEntryForRelation(pstate, relation, AccessShareLock,
															 NULL, false, true);
	RangeTblRef *reference = makeNode(RangeTblRef);

	query->commandType = CMD_SELECT;
	query->canSetTag = true;
	reference->rtindex = item->p_rtindex;
	query->jointree = makeFromExpr(list_make1(reference), NULL);
	cq_compat_require_select(pstate, query, item->p_rtindex,
							 RelationGetNumberOfAttributes(relation));
	table_close(relation, NoLock);
	free_parsestate(pstate);
	return query;
}

static int
pane_column(const CqViewPlan *plan)
{
	int			n = 0;

	while (!cq_pane_is_bound(plan, (Node *) ((CqKey *) list_nth(plan->keys, n))->expr, 0))
		n++;
	return n;
}

/* Joins the panes with their windows. */
static void
join_windows(const CqViewPlan *plan, Query *read)
{
	RangeTblRef *reference = makeNode(RangeTblRef);

	read->rtable = lappend(read->rtable,
						   cq_pane_windows(plan, state_var(plan, pane_column(plan), 0)));
	reference->rtindex = list_length(read->rtable);
	Assert(reference->rtindex == WINDOWS_RTINDEX);
	read->jointree->fromlist = lappend(read->jointree->fromlist, reference);
}

/* Adds the grouping id to GROUP BY, as a column that is not shown. */
static void
group_by_id(const CqViewPlan *plan, Query *read)
{
	TargetEntry *entry = makeTargetEntry((Expr *) state_var(plan, list_length(plan->keys), 0),
										 list_length(read->targetList) + 1,
										 pstrdup(CQ_GROUPING_ID_COLUMN), true);
	SortGroupClause *clause = makeNode(SortGroupClause);
	Index		reference = 0;
	ListCell   *cell;

	foreach(cell, read->targetList)
		reference = Max(reference, lfirst_node(TargetEntry, cell)->ressortgroupref);
	entry->ressortgroupref = reference + 1;
	clause->tleSortGroupRef = reference + 1;
	get_sort_group_operators(INT4OID, true, true, false, &clause->sortop, &clause->eqop, NULL,
							 &clause->hashable);
	read->targetList = lappend(read->targetList, entry);
	read->groupClause = lappend(read->groupClause, clause);
}

/*
 * CTEs that read the stream are part of what is maintained; others may still be used by sub-selects
 * above.
 */
static List *
upper_ctes(const Query *query)
{
	CqScope		scope = {query, NULL};
	List	   *ctes = NIL;
	ListCell   *cell;

	foreach(cell, query->cteList)
	{
		CommonTableExpr *cte = lfirst_node(CommonTableExpr, cell);

		if (!cq_scope_reads_stream(&scope, cte->ctequery))
			ctes = lappend(ctes, copyObject(cte));
	}
	return ctes;
}

static CqReject *
read_aggregate(const CqViewPlan *plan, Oid state, Query **result)
{
	ReadContext context = {.plan = plan};
	Query	   *query = plan->query;
	Query	   *read = query_over(state);

	if (plan->windows != NULL)
		join_windows(plan, read);
	if (plan->sliding.time != NULL)
		read->jointree->quals = cq_sliding_condition(plan,
													 state_var(plan, list_length(plan->keys) - 1,
															   0));
	read->targetList = (List *) over_state((Node *) copyObject(query->targetList), &context);
	read->havingQual = over_state(copyObject(query->havingQual), &context);
	if (context.reject != NULL)
		return context.reject;
	read->groupClause = copyObject(query->groupClause);
	if (plan->has_grouping_id)
		group_by_id(plan, read);
	read->cteList = query->hasSubLinks ? upper_ctes(query) : NIL;
	read->windowClause = copyObject(query->windowClause);
	read->distinctClause = copyObject(query->distinctClause);
	read->sortClause = copyObject(query->sortClause);
	read->limitOffset = copyObject(query->limitOffset);
	read->limitCount = copyObject(query->limitCount);
	read->limitOption = query->limitOption;
	read->hasAggs = plan->aggregates != NIL;
	read->hasWindowFuncs = query->hasWindowFuncs;
	read->hasTargetSRFs = query->hasTargetSRFs;
	read->hasSubLinks = query->hasSubLinks;
	read->hasDistinctOn = query->hasDistinctOn;
	*result = read;
	return NULL;
}

CqReject *
cq_read_group(const CqViewPlan *plan, List **targets, Node **having)
{
	ReadContext context = {.plan = plan, .is_finished = true};
	ListCell   *cell;

	*targets = NIL;
	foreach(cell, plan->query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);

		if (!entry->resjunk)
			*targets = lappend(*targets, over_state((Node *) copyObject(entry), &context));
	}
	if (plan->amends_closed)	/* as in the table of closed windows' rows */
		*targets = lappend(*targets,
						   makeTargetEntry((Expr *) over_state((Node *) cq_close_end(plan),
															   &context), list_length(*targets) + 1,
										   pstrdup(CQ_END_COLUMN), false));
	*having = over_state(copyObject(plan->query->havingQual), &context);
	return context.reject;
}

/*
 * SELECT all columns FROM (query): so that the server does not take the view for one that can be
 * updated through to the state. The planner pulls it up again.
 */
static Query *
select_from(Query *inner)
{
	Query	   *outer = makeNode(Query);
	ParseState *pstate = make_parsestate(NULL);
	ParseNamespaceItem *item = addRangeTableEntryForSubquery(pstate, inner, makeAlias("kept", NIL),
															 false, true);
	RangeTblRef *reference = makeNode(RangeTblRef);
	ListCell   *cell;

	outer->commandType = CMD_SELECT;
	outer->canSetTag = true;
	outer->rtable = pstate->p_rtable;
	reference->rtindex = item->p_rtindex;
	outer->jointree = makeFromExpr(list_make1(reference), NULL);
	foreach(cell, inner->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);
		Node	   *expr = (Node *) entry->expr;
		Var		   *var = makeVar(item->p_rtindex, entry->resno, exprType(expr), exprTypmod(expr),
								  exprCollation(expr), 0);

		TargetEntry *copy = makeTargetEntry((Expr *) var, entry->resno, pstrdup(entry->resname),
											false);

		copy->ressortgroupref = entry->ressortgroupref;
		outer->targetList = lappend(outer->targetList, copy);
	}
	free_parsestate(pstate);
	return outer;
}

/* (SELECT _cq.expired_through(state)): what the owner of the catalog sees, once a query. */
static Expr *
expired_through(const CqViewPlan *plan, Oid state)
{
	Oid			argtypes[] = {REGCLASSOID};
	const char *name = plan->closing.type == TIMESTAMPTZOID ? "expired_through" :
		"expired_through_utc";
	Oid			function = LookupFuncName(list_make2(makeString("_cq"), makeString(pstrdup(name))),
										  lengthof(argtypes), argtypes, false);
	Const	   *argument = makeConst(REGCLASSOID, -1, InvalidOid, sizeof(Oid),
									 ObjectIdGetDatum(state), false, true);
	FuncExpr   *call = makeFuncExpr(function, plan->closing.type, list_make1(argument), InvalidOid,
									InvalidOid, COERCE_EXPLICIT_CALL);
	Query	   *query = makeNode(Query);
	SubLink    *link = makeNode(SubLink);

	query->commandType = CMD_SELECT;
	query->canSetTag = true;
	query->jointree = makeFromExpr(NIL, NULL);
	query->targetList = list_make1(makeTargetEntry((Expr *) call, 1, pstrdup(name), false));
	link->subLinkType = EXPR_SUBLINK;
	link->subselect = (Node *) query;
	link->location = -1;
	return (Expr *) link;
}

static Var *
stored_bound(const CqViewPlan *plan)
{
	return state_var(plan, plan->closing.column - 1, 0);
}

/* The end of the window that a row of the state is of. */
static Expr *
end_of_window(const CqViewPlan *plan)
{
	ReadContext context = {.plan = plan};

	if (plan->shape == CQ_SHAPE_AGGREGATE)
		return (Expr *) over_state((Node *) cq_close_end(plan), &context);
	if (plan->closing.column_is_range)
		return cq_close_upper((Expr *) stored_bound(plan));
	return plan->closing.column_is_start ? cq_close_last_end(plan, (Expr *) stored_bound(plan)) :
		(Expr *) stored_bound(plan);
}

/* Windows that have expired are not shown, whether or not they are still there. */
static void
hide_expired(const CqViewPlan *plan, Oid state, Query *read)
{
	Node	   *end = (Node *) end_of_window(plan);
	ParseState *pstate = make_parsestate(NULL);

	read->jointree->quals = (Node *) make_op(pstate, list_make2(makeString("pg_catalog"),
																makeString(plan->closing.is_by_row ?
																		   ">=" : ">")), end,
											 (Node *) expired_through(plan, state), NULL, -1);
	read->hasSubLinks = true;
	free_parsestate(pstate);
}

/* Does ORDER BY say which rows there are, and not only how they are shown? */
static bool
is_sorted_below(const Query *definition)
{
	return definition->limitCount != NULL || definition->limitOffset != NULL ||
		definition->hasDistinctOn;
}

/* Does the query's own ORDER BY need the entry, and not only some OVER or DISTINCT? */
static bool
is_sorted_by(const Query *query, const TargetEntry *entry)
{
	ListCell   *cell;

	foreach(cell, query->sortClause)
	{
		if (lfirst_node(SortGroupClause, cell)->tleSortGroupRef == entry->ressortgroupref)
			return true;
	}
	return false;
}

/* The rows of the state as the view has them; is_sorted: in the view's own order. */
static CqReject *
select_rows(const CqViewPlan *plan, Oid state, Query **result, bool *is_sorted)
{
	Query	   *read = query_over(state);
	ListCell   *cell;
	int			column = 0;

	*is_sorted = true;
	foreach(cell, plan->definition->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);
		TargetEntry *copy;

		if (entry->resjunk && !is_sorted_by(plan->definition, entry))
			continue;
		if (entry->resjunk && is_sorted_below(plan->definition))
		{
			*is_sorted = false;
			continue;
		}
		if (entry->resjunk)
			return cq_reject_hint(cq_reject_at(cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED,
														 "ORDER BY in a continuous view over "
														 "columns that it does not show is not "
														 "supported"),
											   exprLocation((Node *) entry->expr)),
								  "Order by columns of the view, or in the query that reads it.");
		copy = makeTargetEntry((Expr *) state_var(plan, column, 0), column + 1,
							   pstrdup(entry->resname), false);
		copy->ressortgroupref = entry->ressortgroupref;
		read->targetList = lappend(read->targetList, copy);
		column++;
	}
	if (plan->sliding.time != NULL)
		read->jointree->quals = cq_sliding_condition(plan, state_var(plan, column, 0));
	*result = read;
	return NULL;
}

static CqReject *
read_rows(const CqViewPlan *plan, Oid state, Query **result)
{
	Query	   *read;
	bool		is_sorted;
	CqReject   *reject = select_rows(plan, state, &read, &is_sorted);

	if (reject != NULL)
		return reject;
	if (plan->hides_expired)
		hide_expired(plan, state, read);
	*result = select_from(read);
	if (is_sorted)
		(*result)->sortClause = copyObject(plan->definition->sortClause);
	return NULL;
}

/* What is stored, in no order. */
static CqReject *
read_stored(const CqViewPlan *plan, Oid state, Query **result)
{
	bool		is_sorted;
	CqReject   *reject = select_rows(plan, state, result, &is_sorted);
	ListCell   *cell;

	if (reject != NULL)
		return reject;
	foreach(cell, (*result)->targetList)
		lfirst_node(TargetEntry, cell)->ressortgroupref = 0;
	return NULL;
}

static void
sort_by(Query *query, TargetEntry *target)
{
	SortGroupClause *clause = makeNode(SortGroupClause);

	get_sort_group_operators(exprType((Node *) target->expr), true, true, false, &clause->sortop,
							 &clause->eqop, NULL, &clause->hashable);
	clause->tleSortGroupRef = target->ressortgroupref = 1;
	query->sortClause = list_make1(clause);
}

CqReject *
cq_read_closed(const CqViewPlan *plan, Oid state, Query **result)
{
	CqReject   *reject = plan->shape == CQ_SHAPE_AGGREGATE ? read_aggregate(plan, state, result) :
		read_stored(plan, state, result);
	Expr	   *end;

	if (reject != NULL)
		return reject;
	end = end_of_window(plan);
	if (plan->closing.is_by_row)
		sort_by(*result, list_nth_node(TargetEntry, (*result)->targetList,
									   plan->closing.column - 1));
	if (plan->keeps_end)
		(*result)->targetList = lappend((*result)->targetList,
										makeTargetEntry(copyObject(end),
														list_length((*result)->targetList) + 1,
														pstrdup(CQ_END_COLUMN), false));
	(*result)->jointree->quals =
		(Node *) make_ands_explicit(list_make2(cq_close_condition(plan, end, true, 1),
											   cq_close_condition(plan, copyObject(end), false,
																  2)));
	return NULL;
}

int
cq_read_closing_column(const CqViewPlan *plan, CqTimeKind *kind)
{
	ReadContext context = {.plan = plan};

	if (plan->shape != CQ_SHAPE_AGGREGATE)
	{
		*kind = plan->closing.column_is_start ? CQ_TIME_OF_START :
			plan->closing.is_by_row ? CQ_TIME_OF_ROW : CQ_TIME_OF_END;
		return plan->closing.column - 1;
	}
	if (plan->windows != NULL && plan->windows_rtindex == plan->closing.rtindex)
	{
		*kind = CQ_TIME_OF_START;
		return pane_column(plan);
	}
	*kind = CQ_TIME_OF_END;
	return ((Var *) over_state((Node *) cq_close_end(plan), &context))->varattno - 1;
}

Query *
cq_read_delete_closed(const CqViewPlan *plan, Oid state)
{
	Query	   *query = query_over(state);
	Expr	   *end;

	if (plan->windows != NULL && plan->windows_rtindex == plan->closing.rtindex)
		end = cq_close_last_end(plan, (Expr *) state_var(plan, pane_column(plan), 0));
	else
		end = end_of_window(plan);
	query->commandType = CMD_DELETE;
	query->resultRelation = STATE_RTINDEX;
	query->jointree->quals = cq_close_condition(plan, end, false, 1);
	cq_compat_require_delete(query, STATE_RTINDEX);
	return query;
}

Query *
cq_read_table(Oid table)
{
	Query	   *query = query_over(table);
	Relation	relation = table_open(table, NoLock);
	TupleDesc	descriptor = RelationGetDescr(relation);

	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);
		Var		   *var;

		if (strcmp(NameStr(attribute->attname), CQ_END_COLUMN) == 0)
			continue;
		var = makeVar(STATE_RTINDEX, i + 1, attribute->atttypid, attribute->atttypmod,
					  attribute->attcollation, 0);

		query->targetList = lappend(query->targetList,
									makeTargetEntry((Expr *) var, i + 1,
													pstrdup(NameStr(attribute->attname)), false));
	}
	table_close(relation, NoLock);
	return select_from(query);
}

CqReject *
cq_read_query(const CqViewPlan *plan, Oid state, Query **read)
{
	CqReject   *reject;

	if (plan->shape != CQ_SHAPE_AGGREGATE)
		return read_rows(plan, state, read);
	reject = read_aggregate(plan, state, read);
	if (reject == NULL && plan->hides_expired)
		hide_expired(plan, state, *read);
	return reject;
}
