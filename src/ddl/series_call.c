/*
 * series_call.c
 *		Options of cq.forecast, cq.anomaly, cq.ewma and the like in a new view: see series_call.h.
 *
 * Who says what they may be are the functions themselves: so each is called once, over a single row
 * of no interest, with the options that the query has as constants.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_type.h"
#include "common/attempt.h"
#include "common/reject.h"
#include "ddl/series_call.h"
#include "executor/spi.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#define FIRST_OPTION 2			/* behind the value and its time */

typedef struct Trial
{
	const char *statement;
	int			noptions;
	Oid			types[FUNC_MAX_ARGS];
	Datum		values[FUNC_MAX_ARGS];
	char		nulls[FUNC_MAX_ARGS];
} Trial;

static void
run_trial(void *arg)
{
	Trial	   *trial = arg;

	SPI_connect();
	if (SPI_execute_with_args(trial->statement, trial->noptions, trial->types, trial->values,
							  trial->nulls, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not run \"%s\"", trial->statement);
	SPI_finish();
}

/* The arguments in their order, with those that are left out. */
static List *
all_arguments(Oid function, List *arguments, Oid result)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	List	   *all;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	all = expand_function_arguments(arguments, false, result, tuple);
	ReleaseSysCache(tuple);
	return all;
}

/* False where an option is not known before there are rows. */
static bool
take_options(Trial *trial, const List *arguments)
{
	for (int i = FIRST_OPTION; i < list_length(arguments); i++)
	{
		Node	   *argument = copyObject(list_nth(arguments, i));
		Const	   *option = (Const *) eval_const_expressions(NULL, argument);

		if (!IsA(option, Const))
			return false;
		trial->types[trial->noptions] = option->consttype;
		trial->values[trial->noptions] = option->constvalue;
		trial->nulls[trial->noptions++] = option->constisnull ? 'n' : ' ';
	}
	return trial->noptions > 0;
}

static char *
make_statement(Oid function, const List *arguments, bool is_window)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "SELECT cq.%s('%s'::%s, timestamptz '2000-01-01 00:00:00+00'",
					 quote_identifier(get_func_name(function)),
					 exprType(linitial(arguments)) == FLOAT8OID ? "0" : "{0}",
					 format_type_be_qualified(exprType(linitial(arguments))));
	for (int i = FIRST_OPTION; i < list_length(arguments); i++)
		appendStringInfo(&text, ", $%d", i - FIRST_OPTION + 1);
	appendStringInfo(&text, ")%s", is_window ? " OVER ()" : "");
	return text.data;
}

static bool
is_of_series(Oid function, const List *arguments)
{
	return get_func_namespace(function) == get_namespace_oid("cq", true) &&
		list_length(arguments) > FIRST_OPTION &&
		exprType(lsecond(arguments)) == TIMESTAMPTZOID &&
		(exprType(linitial(arguments)) == FLOAT8OID ||
		 exprType(linitial(arguments)) == FLOAT8ARRAYOID);
}

static void
check_call(Oid function, List *arguments, Node *call, const char *query_string)
{
	Trial		trial = {.noptions = 0};
	ErrorData  *error;
	CqReject   *reject;

	if (get_func_namespace(function) != get_namespace_oid("cq", true))
		return;
	arguments = all_arguments(function, arguments, exprType(call));
	if (!is_of_series(function, arguments) || !take_options(&trial, arguments))
		return;
	trial.statement = make_statement(function, arguments, IsA(call, WindowFunc));
	error = cq_attempt(run_trial, &trial);
	if (error == NULL)
		return;
	reject = cq_reject(error->sqlerrcode, "%s", error->message);
	if (error->detail != NULL)
		cq_reject_detail(reject, "%s", error->detail);
	if (error->hint != NULL)
		cq_reject_hint(reject, "%s", error->hint);
	cq_reject_raise(cq_reject_at(reject, exprLocation(call)), query_string);
}

static bool
walk(Node *node, const char *query_string)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, walk, (void *) query_string, 0);
	if (IsA(node, WindowFunc))
		check_call(((WindowFunc *) node)->winfnoid, ((WindowFunc *) node)->args, node,
				   query_string);
	else if (IsA(node, Aggref) && ((Aggref *) node)->aggkind == AGGKIND_NORMAL)
	{
		List	   *arguments = NIL;
		ListCell   *cell;

		foreach(cell, ((Aggref *) node)->args)
		{
			if (!lfirst_node(TargetEntry, cell)->resjunk)
				arguments = lappend(arguments, lfirst_node(TargetEntry, cell)->expr);
		}
		check_call(((Aggref *) node)->aggfnoid, arguments, node, query_string);
	}
	return expression_tree_walker(node, walk, (void *) query_string);
}

void
cq_series_call_check(const Query *query, const char *query_string)
{
	(void) walk((Node *) query, query_string);
}
