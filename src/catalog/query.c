/*
 * query.c
 *		Statements over the catalog: see query.h.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/snapmgr.h"

void
cq_query_execute(const char *statement, int expected, int nargs, Oid *types, Datum *args,
				 const char *nulls)
{
	int			code = SPI_execute_with_args(statement, nargs, types, args, nulls, false, 0);

	if (code != expected)
		elog(ERROR, "could not run \"%s\": %s", statement, SPI_result_code_string(code));
}

void
cq_query_command(const char *command)
{
	SPI_connect();
	cq_query_execute(command, SPI_OK_UTILITY, 0, NULL, NULL, NULL);
	SPI_finish();
	CommandCounterIncrement();
}

void
cq_query_look(const char *statement, int nargs, Oid *types, Datum *args)
{
	int			code;

	PushActiveSnapshot(GetLatestSnapshot());
	code = SPI_execute_with_args(statement, nargs, types, args, NULL, true, 0);
	PopActiveSnapshot();
	if (code != SPI_OK_SELECT)
		elog(ERROR, "could not run \"%s\": %s", statement, SPI_result_code_string(code));
}

SPIPlanPtr
cq_query_prepare(const char *statement, int nargs, Oid *types)
{
	SPIPlanPtr	plan = SPI_prepare(statement, nargs, types);

	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", statement, SPI_result_code_string(SPI_result));
	return plan;
}

void
cq_query_keep(SPIPlanPtr *plan, const char *statement, int nargs, Oid *types)
{
	SPIPlanPtr	prepared;

	if (*plan != NULL)
		return;
	prepared = cq_query_prepare(statement, nargs, types);
	if (SPI_keepplan(prepared) != 0)
		elog(ERROR, "could not keep the plan of \"%s\"", statement);
	*plan = prepared;
}

void
cq_query_run(SPIPlanPtr *plan, const char *statement, int nargs, Oid *types, Datum *args,
			 int expected)
{
	cq_query_keep(plan, statement, nargs, types);
	if (SPI_execute_plan(*plan, args, NULL, false, 0) != expected)
		elog(ERROR, "could not run \"%s\": %s", statement, SPI_result_code_string(SPI_result));
}

Datum
cq_query_oids(const List *oids)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(list_length(oids), 1));
	ListCell   *cell;

	foreach(cell, oids)
		elements[foreach_current_index(cell)] = ObjectIdGetDatum(lfirst_oid(cell));
	return PointerGetDatum(construct_array(elements, list_length(oids), OIDOID, sizeof(Oid), true,
										   TYPALIGN_INT));
}

Datum
cq_query_column(uint64 row, int number, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number, isnull);
}

List *
cq_query_take_oids(MemoryContext context, int number)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	List	   *oids = NIL;

	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		is_null;

		oids = lappend_oid(oids, DatumGetObjectId(cq_query_column(i, number, &is_null)));
	}
	MemoryContextSwitchTo(caller);
	return oids;
}
