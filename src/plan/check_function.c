/*
 * check_function.c
 *		Which functions may be called in a continuous view: see check_function.h.
 *
 * Decides, since a batch is computed at another moment and in another session than the next:
 * - Immutable functions may, volatile ones may not.
 * - Of the server's own stable functions those may that are listed here: they depend on settings
 *   that are pinned at CREATE, or on catalogs, which are looked up as tables are. All others ask
 *   for the moment, the session or the state of the server. So one that comes with a new version is
 *   refused until it is looked at.
 * - A stable function that users or extensions made may: who declares it so says that it depends on
 *   its arguments, on tables and on settings alone. Where its body can be seen (language SQL) that
 *   is checked by the same rules, also of immutable ones.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/functions.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "plan/check_function.h"
#include "plan/plan.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

/* Stable functions of the server that depend on pinned settings and on catalogs alone; in order. */
static const char *const repeatable[] = {
	"anyarray_out", "anycompatiblearray_out", "anycompatiblemultirange_in",
	"anycompatiblemultirange_out", "anycompatiblerange_in", "anycompatiblerange_out", "anyenum_out",
	"anymultirange_in", "anymultirange_out", "anyrange_in", "anyrange_out", "anytextcat",
		"array_in",
	"array_out", "array_to_json", "array_to_string", "cash_in", "cash_out", "concat", "concat_ws",
	"convert", "convert_from", "convert_to", "date", "date_add", "date_cmp_timestamptz",
	"date_eq_timestamptz", "date_ge_timestamptz", "date_gt_timestamptz", "date_in",
	"date_le_timestamptz", "date_lt_timestamptz", "date_ne_timestamptz", "date_out", "date_part",
	"date_subtract", "date_trunc", "domain_in", "enum_first", "enum_in", "enum_last", "enum_out",
	"enum_range", "extract", "format", "format_type", "generate_series", "get_current_ts_config",
	"getdatabaseencoding", "in_range", "interval_in", "interval_out", "interval_pl_timestamptz",
	"json_build_array", "json_build_object", "json_populate_record", "json_populate_recordset",
	"json_to_record", "json_to_recordset", "json_to_tsvector", "jsonb_build_array",
	"jsonb_build_object", "jsonb_populate_record", "jsonb_populate_record_valid",
	"jsonb_populate_recordset", "jsonb_to_record", "jsonb_to_recordset", "jsonb_to_tsvector",
	"length", "make_timestamptz", "money", "multirange_in", "multirange_out", "numeric", "overlaps",
	"pg_collation_for", "pg_input_error_info", "pg_input_is_valid", "pg_typeof",
	"phraseto_tsquery", "plainto_tsquery",
	"quote_literal", "quote_nullable", "range_in", "range_out", "record_in", "record_out",
		"regclass",
	"regclassin", "regclassout", "regcollationin", "regcollationout", "regconfigin", "regconfigout",
	"regdictionaryin", "regdictionaryout", "regnamespacein", "regnamespaceout", "regoperatorin",
	"regoperatorout", "regoperin", "regoperout", "regprocedurein", "regprocedureout", "regprocin",
	"regprocout", "regrolein", "regroleout", "regtypein", "regtypeout", "row_to_json", "textanycat",
	"time", "time_in", "timestamp", "timestamp_cmp_timestamptz", "timestamp_eq_timestamptz",
	"timestamp_ge_timestamptz", "timestamp_gt_timestamptz", "timestamp_in",
	"timestamp_le_timestamptz", "timestamp_lt_timestamptz", "timestamp_ne_timestamptz",
	"timestamp_out", "timestamptz", "timestamptz_cmp_date", "timestamptz_cmp_timestamp",
	"timestamptz_eq_date", "timestamptz_eq_timestamp", "timestamptz_ge_date",
	"timestamptz_ge_timestamp", "timestamptz_gt_date", "timestamptz_gt_timestamp", "timestamptz_in",
	"timestamptz_le_date", "timestamptz_le_timestamp", "timestamptz_lt_date",
	"timestamptz_lt_timestamp", "timestamptz_mi_interval", "timestamptz_ne_date",
	"timestamptz_ne_timestamp", "timestamptz_out", "timestamptz_pl_interval", "timetz", "timetz_in",
	"timezone", "to_char", "to_date", "to_json", "to_jsonb", "to_number", "to_regclass",
	"to_regcollation", "to_regnamespace", "to_regoper", "to_regoperator", "to_regproc",
	"to_regprocedure", "to_regrole", "to_regtype", "to_timestamp", "to_tsquery", "to_tsvector",
	"ts_debug", "ts_headline", "ts_match_tq", "ts_match_tt", "ts_parse", "ts_token_type",
	"websearch_to_tsquery", "xml", "xml_in", "xml_is_well_formed",
};

/* Of our own stable functions: windows. */
static const char *const windows[] = {"cumulate", "cumulate_pane", "hop", "hop_pane", "tumble",
									  "window_bound"};

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static bool
is_listed(const char *name, const char *const *names, size_t nnames)
{
	return bsearch(&name, names, nnames, sizeof(char *), compare_names) != NULL;
}

char *
cq_check_function_name(Oid function)
{
	return format_procedure(function);
}

/* ---- reasons ---- */

CqReject *
cq_check_function_moment(void)
{
	return cq_reject_hint(cq_reject(ERRCODE_INVALID_OBJECT_DEFINITION,
									"a continuous view must not depend on the moment at which it "
									"is computed"),
						  "Volatile functions, now() and the like give another answer each time. "
						  "Take the time from a column of the stream, or ask for it when reading "
						  "the view. "
						  "For the last while before now there is cq.sliding(ts, size, step).");
}

/* cq.predict and cq.evaluate wait for the network, and the answer is another one each time. */
static CqReject *
asks_a_model(void)
{
	return cq_reject_hint(cq_reject(ERRCODE_INVALID_OBJECT_DEFINITION,
									"a continuous view must not wait for a model's answer"),
						  "Make a continuous view with the option sink that names the model: it is "
						  "asked after the batch, and what it answers is a stream, which another "
						  "view can join.");
}

static CqReject *
depends_on_session(Oid function)
{
	return cq_reject_hint(cq_reject_detail(cq_reject(ERRCODE_INVALID_OBJECT_DEFINITION,
													 "a continuous view must not depend on the "
													 "session in which it is computed"),
										   "%s depends on the session or on the state of the "
										   "server.", cq_check_function_name(function)),
						  "Call it in the query that reads the view.");
}

static CqReject *
is_volatile(Oid function)
{
	return cq_reject_hint(cq_reject_detail(cq_check_function_moment(), "Function %s is volatile.",
										   cq_check_function_name(function)),
						  "If it gives the same for the same arguments, say so: ALTER FUNCTION %s "
						  "IMMUTABLE; "
						  "or STABLE, where it also depends on settings or reads tables.",
							  cq_check_function_name(function));
}

/* ---- functions ---- */

/*
 * Settings and catalogs do not tell what these give: the offset of a time of day is that of today.
 */
static bool
takes_offset_of_today(Oid function)
{
	Oid		   *types;
	int			ntypes;
	Oid			result = get_func_signature(function, &types, &ntypes);

	return result == TIMETZOID && function != F_TIMETZ_IN && (ntypes == 0 ||
															  types[ntypes - 1] != TIMESTAMPTZOID);
}

/* 'now' and the like are told from the text, where an input function is called by a cast. */
static bool
is_called_for_input(Oid function, const Node *call)
{
	Oid		   *types;
	int			ntypes;

	if (call == NULL || !IsA(call, FuncExpr))
		return false;
	(void) get_func_signature(function, &types, &ntypes);
	return ntypes > 0 && types[0] == CSTRINGOID;
}

static CqReject *
check_servers_function(Oid function, char volatility, const Node *call)
{
	switch (function)
	{
		case F_NOW:
		case F_TRANSACTION_TIMESTAMP:
		case F_STATEMENT_TIMESTAMP:
		case F_AGE_TIMESTAMP:
		case F_AGE_TIMESTAMPTZ:
			return cq_check_function_moment();
		default:
			break;
	}
	if (volatility == PROVOLATILE_VOLATILE || takes_offset_of_today(function))
		return cq_check_function_moment();
	if (!is_listed(get_func_name(function), repeatable, lengthof(repeatable)) ||
		is_called_for_input(function, call))
		return depends_on_session(function);
	return NULL;
}

/* One of this extension, by its schema. */
static bool
is_ours(Oid function)
{
	Oid			schema = get_func_namespace(function);

	return schema == get_namespace_oid("cq", true) || schema == get_namespace_oid("_cq", true);
}

CqReject *
cq_check_function(Oid function, const Node *call)
{
	char		volatility = func_volatile(function);

	if (get_func_prokind(function) == PROKIND_AGGREGATE || volatility == PROVOLATILE_IMMUTABLE)
		return NULL;
	if (function < FirstNormalObjectId)
		return check_servers_function(function, volatility, call);
	if (cq_sliding_is_call(function))
		return cq_reject_hint(cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED,
										"cq.sliding is not supported here"),
							  "It may be one of the conditions that WHERE of the continuous view "
							  "itself combines by AND, once.");
	if (cq_sliding_is_clock(function))
		return cq_check_function_moment();
	if (is_ours(function) && (strcmp(get_func_name(function), "predict") == 0 ||
							  strcmp(get_func_name(function), "evaluate") == 0))
		return asks_a_model();
	if (is_ours(function))
		return is_listed(get_func_name(function), windows, lengthof(windows)) ? NULL :
			depends_on_session(function);
	return volatility == PROVOLATILE_VOLATILE ? is_volatile(function) : NULL;
}

List *
cq_check_function_parts(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(function));
	Form_pg_aggregate form;
	List	   *parts = NIL;

	if (!HeapTupleIsValid(tuple))
		return NIL;
	form = (Form_pg_aggregate) GETSTRUCT(tuple);
	if (function >= FirstNormalObjectId)
		parts = list_make5_oid(form->aggtransfn, form->aggfinalfn, form->aggcombinefn,
							   form->aggserialfn, form->aggdeserialfn);
	ReleaseSysCache(tuple);
	return list_delete_oid(parts, InvalidOid);
}

CqReject *
cq_check_function_sql_value(const SQLValueFunction *value)
{
	switch (value->op)
	{
		case SVFOP_CURRENT_ROLE:
		case SVFOP_CURRENT_USER:
		case SVFOP_USER:
		case SVFOP_SESSION_USER:
		case SVFOP_CURRENT_CATALOG:
		case SVFOP_CURRENT_SCHEMA:
			return cq_reject_hint(cq_reject(ERRCODE_INVALID_OBJECT_DEFINITION,
											"a continuous view must not depend on the session in "
											"which it is computed"),
								  "Ask for it in the query that reads the view.");
		default:
			return cq_check_function_moment();
	}
}

/* ---- bodies ---- */

/* A place in the body is none in the statement. */
static void
body_error(void *name)
{
	int			position = geterrposition();

	if (position > 0)
		errposition(0);
	errcontext("SQL function \"%s\"", (char *) name);
}

static List *
parse_body(HeapTuple tuple, const char *source, Node *call)
{
	Form_pg_proc form = (Form_pg_proc) GETSTRUCT(tuple);
	Oid			collation = call != NULL ? exprInputCollation(call) : InvalidOid;
	SQLFunctionParseInfoPtr info = prepare_sql_fn_parse_info(tuple, call, collation);
	ErrorContextCallback context = {error_context_stack, body_error, NameStr(form->proname)};
	List	   *queries = NIL;
	ListCell   *cell;

	error_context_stack = &context;
	foreach(cell, pg_parse_query(source))
	{
		Query	   *query = parse_analyze_withcb(lfirst_node(RawStmt, cell), source,
												 (ParserSetupHook) sql_fn_parser_setup, info, NULL);

		if (query->commandType != CMD_UTILITY)
			queries = lappend(queries, query);
	}
	error_context_stack = context.previous;
	return queries;
}

/* Are the types of its arguments known without a call? */
static bool
is_polymorphic(HeapTuple tuple)
{
	Form_pg_proc form = (Form_pg_proc) GETSTRUCT(tuple);

	for (int i = 0; i < form->pronargs; i++)
	{
		if (IsPolymorphicType(form->proargtypes.values[i]))
			return true;
	}
	return false;
}

/* BEGIN ATOMIC … END: a query, or a list in a list. */
static List *
stored_body(Node *body)
{
	return IsA(body, List) ? linitial_node(List, castNode(List, body)) : list_make1(body);
}

List *
cq_check_function_body(Oid function, Node *call)
{
	HeapTuple	tuple;
	Form_pg_proc form;
	List	   *queries = NIL;
	Datum		body;
	bool		isnull;

	if (function < FirstNormalObjectId || is_ours(function))
		return NIL;
	if (call != NULL && !IsA(call, FuncExpr))
		call = NULL;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	form = (Form_pg_proc) GETSTRUCT(tuple);
	if (form->prolang == SQLlanguageId && form->prokind == PROKIND_FUNCTION)
	{
		body = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosqlbody, &isnull);
		if (!isnull)
			queries = stored_body(stringToNode(TextDatumGetCString(body)));
		/* With settings of its own, its text means something else than it would here. */
		else if (heap_attisnull(tuple, Anum_pg_proc_proconfig, NULL) &&
				 (call != NULL || !is_polymorphic(tuple)))
		{
			body = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);
			queries = parse_body(tuple, TextDatumGetCString(body), call);
		}
	}
	ReleaseSysCache(tuple);
	return queries;
}
