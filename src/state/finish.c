/*
 * finish.c
 *		cq.finish(state, aggregate, argument types, result): an aggregate that combines the partial
 *		states of another one, and finishes them.
 *
 * Views are made of it. It takes
 *		state "any" what the state table holds: the aggregate's transition type, or bytea where that
 *		is internal aggregate regprocedure which aggregate, a constant types regtype[] its actual
 *		argument types, a constant result anyelement a null of its result type
 * and gives that result. With no input at all it gives what the aggregate gives for no rows (0 for
 * a count).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/execnodes.h"
#include "state/combiner.h"
#include "state/finish_check.h"
#include "utils/array.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(cq_finish_trans);
PG_FUNCTION_INFO_V1(cq_finish_final);

typedef struct FinishState
{
	CqCombiner *combiner;
	Datum		state;
	bool		is_null;
} FinishState;

static CqCombiner *
make_combiner(Oid aggregate, Datum types, Oid state, Oid result, Oid collation)
{
	CqCombiner *combiner = palloc(sizeof(CqCombiner));
	Datum	   *elements;
	bool	   *nulls;
	int			nargs;
	Oid			argtypes[FUNC_MAX_ARGS];

	deconstruct_array(DatumGetArrayTypeP(types), REGTYPEOID, sizeof(Oid), true, TYPALIGN_INT,
					  &elements, &nulls, &nargs);
	if (nargs >= FUNC_MAX_ARGS) /* the state is one more */
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_ARGUMENTS),
				 errmsg("cannot pass more than %d arguments to an aggregate", FUNC_MAX_ARGS - 1)));
	for (int i = 0; i < nargs; i++)
		argtypes[i] = nulls[i] ? InvalidOid : DatumGetObjectId(elements[i]);
	cq_finish_check(aggregate, argtypes, nargs, state, result);
	cq_combiner_init(combiner, aggregate, argtypes, nargs, result, collation);
	return combiner;
}

static FinishState *
make_state(CqCombiner *combiner, MemoryContext owner)
{
	FinishState *state = MemoryContextAlloc(owner, sizeof(FinishState));
	MemoryContext caller = MemoryContextSwitchTo(owner);

	state->combiner = combiner;
	state->is_null = combiner->initial_is_null;
	state->state = state->is_null ? (Datum) 0 :
		datumCopy(combiner->initial, combiner->typbyval, combiner->typlen);
	MemoryContextSwitchTo(caller);
	return state;
}

/* The aggregate is the same for all groups of a query: looked up once, kept with the function. */
static CqCombiner *
combiner_of_call(FunctionCallInfo fcinfo)
{
	FmgrInfo   *function = fcinfo->flinfo;
	MemoryContext caller;

	if (function->fn_extra != NULL)
		return function->fn_extra;
	if (PG_ARGISNULL(2) || PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the aggregate and its argument types must not be null")));
	caller = MemoryContextSwitchTo(function->fn_mcxt);
	function->fn_extra = make_combiner(PG_GETARG_OID(2), PG_GETARG_DATUM(3),
									   get_fn_expr_argtype(function, 1),
									   get_fn_expr_argtype(function, 4), PG_GET_COLLATION());
	MemoryContextSwitchTo(caller);
	return function->fn_extra;
}

/* Combines a stored partial state into state, which owns its value in owner, as in nodeAgg.c. */
static void
fold(FinishState *state, Node *aggcontext, MemoryContext owner, Datum stored, bool stored_is_null)
{
	CqCombiner *combiner = state->combiner;
	Datum		other = cq_combiner_load(combiner, aggcontext, stored, &stored_is_null);
	bool		is_null;
	Datum		value = cq_combiner_combine(combiner, aggcontext, state->state, state->is_null,
											other, stored_is_null,
											&is_null);

	if (!combiner->typbyval && (state->is_null ||
								DatumGetPointer(value) != DatumGetPointer(state->state)))
	{
		MemoryContext caller = MemoryContextSwitchTo(owner);

		if (!is_null)
			value = datumCopy(value, false, combiner->typlen);
		MemoryContextSwitchTo(caller);
		if (!state->is_null)
			pfree(DatumGetPointer(state->state));
	}
	state->state = value;
	state->is_null = is_null;
}

Datum
cq_finish_trans(PG_FUNCTION_ARGS)
{
	MemoryContext owner;
	FinishState *state;

	if (!AggCheckCallContext(fcinfo, &owner))
		elog(ERROR, "cq_finish_trans called outside of an aggregation");
	state = PG_ARGISNULL(0) ? make_state(combiner_of_call(fcinfo), owner) :
		(FinishState *) PG_GETARG_POINTER(0);
	fold(state, fcinfo->context, owner, PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1),
		 PG_ARGISNULL(1));
	PG_RETURN_POINTER(state);
}

/* No row came by: the aggregate stands in the call's constants only. */
static FinishState *
state_without_input(FunctionCallInfo fcinfo, MemoryContext owner)
{
	Aggref	   *aggref = AggGetAggref(fcinfo);
	Node	   *aggregate = aggref ? (Node *) lsecond_node(TargetEntry, aggref->args)->expr : NULL;
	Node	   *types = aggref ? (Node *) lthird_node(TargetEntry, aggref->args)->expr : NULL;

	if (aggregate == NULL || !IsA(aggregate, Const) || !IsA(types, Const) ||
		((Const *) aggregate)->constisnull || ((Const *) types)->constisnull)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the aggregate and its argument types must be constants")));
	return make_state(make_combiner(DatumGetObjectId(((Const *) aggregate)->constvalue),
									((Const *) types)->constvalue,
									linitial_oid(aggref->aggargtypes), aggref->aggtype,
									PG_GET_COLLATION()), owner);
}

Datum
cq_finish_final(PG_FUNCTION_ARGS)
{
	MemoryContext owner;
	FinishState *state;
	bool		is_null;
	Datum		result;

	if (!AggCheckCallContext(fcinfo, &owner))
		elog(ERROR, "cq_finish_final called outside of an aggregation");
	state = PG_ARGISNULL(0) ? state_without_input(fcinfo, owner) :
		(FinishState *) PG_GETARG_POINTER(0);
	is_null = state->is_null;
	result = cq_combiner_finish(state->combiner, fcinfo->context, state->state, &is_null);
	if (is_null)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}
