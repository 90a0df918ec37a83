/*
 * combiner.c
 *		Combines and finishes the partial states of one aggregate: see combiner.h.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_type.h"
#include "nodes/execnodes.h"
#include "parser/parse_agg.h"
#include "state/combiner.h"
#include "state/state_type.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static void
init_final(CqCombiner *combiner, Form_pg_aggregate form, Oid transtype, Oid *argtypes, int nargs,
		   Oid result)
{
	Expr	   *expr;
	Oid			inputs[FUNC_MAX_ARGS];

	combiner->has_final = OidIsValid(form->aggfinalfn);
	if (!combiner->has_final)
		return;
	combiner->nfinal_args = form->aggfinalextra ? nargs + 1 : 1;
	memcpy(inputs, argtypes, sizeof(Oid) * nargs);
	build_aggregate_finalfn_expr(inputs, combiner->nfinal_args, transtype, result,
								 combiner->collation,
								 form->aggfinalfn, &expr);
	fmgr_info(form->aggfinalfn, &combiner->final);
	fmgr_info_set_expr((Node *) expr, &combiner->final);
}

static void
init_initial(CqCombiner *combiner, HeapTuple tuple, Oid transtype)
{
	Datum		value = SysCacheGetAttr(AGGFNOID, tuple, Anum_pg_aggregate_agginitval,
										&combiner->initial_is_null);
	Oid			input;
	Oid			ioparam;

	if (combiner->initial_is_null)
		return;
	getTypeInputInfo(transtype, &input, &ioparam);
	combiner->initial = OidInputFunctionCall(input, TextDatumGetCString(value), ioparam, -1);
}

void
cq_combiner_init(CqCombiner *combiner, Oid aggregate, Oid *argtypes, int nargs, Oid result,
				 Oid collation)
{
	HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggregate));
	Form_pg_aggregate form;
	Oid			transtype;
	Expr	   *expr;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("%u is not an aggregate function", aggregate)));
	form = (Form_pg_aggregate) GETSTRUCT(tuple);
	if (!OidIsValid(form->aggcombinefn))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("aggregate %s has no combine function", get_func_name(aggregate))));

	memset(combiner, 0, sizeof(CqCombiner));
	combiner->collation = collation;
	transtype = resolve_aggregate_transtype(aggregate, form->aggtranstype, argtypes, nargs);
	combiner->is_internal = transtype == INTERNALOID;
	get_typlenbyval(transtype, &combiner->typlen, &combiner->typbyval);

	build_aggregate_transfn_expr(&transtype, 1, 0, false, transtype, collation, form->aggcombinefn,
								 InvalidOid,
								 &expr, NULL);
	fmgr_info(form->aggcombinefn, &combiner->combine);
	fmgr_info_set_expr((Node *) expr, &combiner->combine);
	if (combiner->is_internal)
	{
		combiner->kind = cq_state_type_kind(form->aggdeserialfn, argtypes, nargs);
		build_aggregate_serialfn_expr(form->aggserialfn, &expr);
		fmgr_info(form->aggserialfn, &combiner->serial);
		fmgr_info_set_expr((Node *) expr, &combiner->serial);
		build_aggregate_deserialfn_expr(form->aggdeserialfn, &expr);
		fmgr_info(form->aggdeserialfn, &combiner->deserial);
		fmgr_info_set_expr((Node *) expr, &combiner->deserial);
	}
	init_final(combiner, form, transtype, argtypes, nargs, result);
	init_initial(combiner, tuple, transtype);
	ReleaseSysCache(tuple);
}

static Datum
call(FmgrInfo *function, Oid collation, Node *aggcontext, int nargs, NullableDatum *args,
	 bool *is_null)
{
	LOCAL_FCINFO(fcinfo, FUNC_MAX_ARGS);
	Datum		result;

	InitFunctionCallInfoData(*fcinfo, function, nargs, collation, aggcontext, NULL);
	memcpy(fcinfo->args, args, sizeof(NullableDatum) * nargs);
	result = FunctionCallInvoke(fcinfo);
	*is_null = fcinfo->isnull;
	return result;
}

Datum
cq_combiner_load(CqCombiner *combiner, Node *aggcontext, Datum stored, bool *is_null)
{
	/* The second one is the dummy of type internal, as nodeAgg.c passes it to a strict function. */
	NullableDatum args[] = {{stored, false}, {(Datum) 0, false}};

	if (*is_null)
		return (Datum) 0;
	if (combiner->is_internal)
	{
		args[0].value = cq_state_unpack(combiner->kind, stored);
		return call(&combiner->deserial, InvalidOid, aggcontext, lengthof(args), args, is_null);
	}
	return datumCopy(stored, combiner->typbyval, combiner->typlen);
}

Datum
cq_combiner_combine(CqCombiner *combiner, Node *aggcontext, Datum state, bool state_is_null,
					Datum other, bool other_is_null, bool *is_null)
{
	NullableDatum args[] = {{state, state_is_null}, {other, other_is_null}};

	if (combiner->combine.fn_strict && (state_is_null || other_is_null))
	{
		/*
		 * A state without input so far takes the other one; one that became null from a real
		 * initial value stays so.
		 */
		bool		take_other = state_is_null && combiner->initial_is_null;

		*is_null = take_other ? other_is_null : state_is_null;
		return take_other ? other : state;
	}
	return call(&combiner->combine, combiner->collation, aggcontext, lengthof(args), args, is_null);
}

Datum
cq_combiner_pack(const CqCombiner *combiner, Datum partial, bool is_null)
{
	return combiner->is_internal && !is_null ? cq_state_pack(combiner->kind, partial) : partial;
}

Datum
cq_combiner_store(CqCombiner *combiner, Node *aggcontext, Datum state, bool *is_null)
{
	NullableDatum arg = {state, *is_null};

	if (combiner->is_internal && !*is_null)
		state = call(&combiner->serial, InvalidOid, aggcontext, 1, &arg, is_null);
	return cq_combiner_pack(combiner, state, *is_null);
}

Datum
cq_combiner_finish(CqCombiner *combiner, Node *aggcontext, Datum state, bool *is_null)
{
	NullableDatum args[FUNC_MAX_ARGS];
	bool		any_null = *is_null || combiner->nfinal_args > 1;

	if (!combiner->has_final)
		return state;
	if (combiner->final.fn_strict && any_null)
	{
		*is_null = true;
		return (Datum) 0;
	}
	args[0].value = state;
	args[0].isnull = *is_null;
	for (int i = 1; i < combiner->nfinal_args; i++)
	{
		args[i].value = (Datum) 0;
		args[i].isnull = true;
	}
	return call(&combiner->final, combiner->collation, aggcontext, combiner->nfinal_args, args,
				is_null);
}

Node *
cq_combiner_context(MemoryContext owner)
{
	AggState   *aggstate = makeNode(AggState);
	ExprContext *econtext = makeNode(ExprContext);

	econtext->ecxt_per_tuple_memory = econtext->ecxt_per_query_memory = owner;
	aggstate->curaggcontext = aggstate->tmpcontext = econtext;
	return (Node *) aggstate;
}
