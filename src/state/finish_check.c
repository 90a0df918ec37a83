/*
 * finish_check.c
 *		Whether a call of cq.finish is one that the server may run: see finish_check.h.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "miscadmin.h"
#include "parser/parse_agg.h"
#include "parser/parse_coerce.h"
#include "plan/plan.h"
#include "state/finish_check.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

static void
check_aggregate(Form_pg_aggregate form, Oid aggregate)
{
	if (form->aggkind != AGGKIND_NORMAL || !OidIsValid(form->aggcombinefn))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("aggregate %s has no partial states that could be combined",
						format_procedure(aggregate))));
	if (form->aggtranstype == INTERNALOID && !(OidIsValid(form->aggserialfn) &&
											   OidIsValid(form->aggdeserialfn)))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("aggregate %s has no partial states that could be stored",
						format_procedure(aggregate))));
}

static void
check_execute(Oid function, Oid role, ObjectType kind)
{
	AclResult	result;

	if (!OidIsValid(function))
		return;
	result = object_aclcheck(ProcedureRelationId, function, role, ACL_EXECUTE);
	if (result != ACLCHECK_OK)
		aclcheck_error(result, kind, get_func_name(function));
}

/*
 * As nodeAgg.c: the user must be allowed to use the aggregate, and its owner to use what it is made
 * of.
 */
static void
check_privileges(Form_pg_aggregate form, Oid aggregate, Oid owner)
{
	check_execute(aggregate, GetUserId(), OBJECT_AGGREGATE);
	check_execute(form->aggcombinefn, owner, OBJECT_FUNCTION);
	check_execute(form->aggserialfn, owner, OBJECT_FUNCTION);
	check_execute(form->aggdeserialfn, owner, OBJECT_FUNCTION);
	check_execute(form->aggfinalfn, owner, OBJECT_FUNCTION);
}

pg_noreturn static void
refuse(Oid aggregate, const char *what, Oid type)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("aggregate %s has not %s type %s", format_procedure(aggregate), what,
					format_type_extended(type, -1, FORMAT_TYPE_ALLOW_INVALID))));
}

/*
 * Actual argument types as the parser would have them after coercion; gives the result's type for
 * them.
 */
static Oid
check_arguments(Form_pg_proc proc, Oid aggregate, const Oid *argtypes, int nargs)
{
	Oid			declared[FUNC_MAX_ARGS];

	if (nargs < proc->pronargs || (nargs > proc->pronargs && proc->provariadic != ANYOID))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("aggregate %s does not take %d arguments", format_procedure(aggregate),
						nargs)));
	for (int i = 0; i < nargs; i++)
	{
		declared[i] = i < proc->pronargs ? proc->proargtypes.values[i] : ANYOID;
		if (!OidIsValid(argtypes[i]) || !IsBinaryCoercible(argtypes[i], declared[i]))
			refuse(aggregate, "an argument of", argtypes[i]);
	}
	return enforce_generic_type_consistency(argtypes, declared, nargs, proc->prorettype, false);
}

void
cq_finish_check(Oid aggregate, const Oid *argtypes, int nargs, Oid state, Oid result)
{
	HeapTuple	aggregate_tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggregate));
	HeapTuple	function_tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(aggregate));
	Form_pg_aggregate form;
	Form_pg_proc proc;
	Oid			transtype;

	if (!HeapTupleIsValid(aggregate_tuple) || !HeapTupleIsValid(function_tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("%s is not an aggregate function", format_procedure(aggregate))));
	form = (Form_pg_aggregate) GETSTRUCT(aggregate_tuple);
	proc = (Form_pg_proc) GETSTRUCT(function_tuple);

	check_aggregate(form, aggregate);
	check_privileges(form, aggregate, proc->proowner);
	if (check_arguments(proc, aggregate, argtypes, nargs) != result)
		refuse(aggregate, "a result of", result);
	transtype = resolve_aggregate_transtype(aggregate, form->aggtranstype,
											unconstify(Oid *, argtypes), nargs);
	if (!IsBinaryCoercible(state, transtype == INTERNALOID ? cq_aggregate_state_type() : transtype))
		refuse(aggregate, "a state of", state);
	ReleaseSysCache(function_tuple);
	ReleaseSysCache(aggregate_tuple);
}
