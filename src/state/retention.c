/*
 * retention.c
 *		Deletes rows that are too old: see retention.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/name.h"
#include "common/owner.h"
#include "executor/spi.h"
#include "state/retention.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* The condition once more outside: a row that somebody has updated meanwhile is asked again. */
static char *
delete_statement(Oid table, const char *column)
{
	char	   *name = cq_name_qualified(table);
	const char *time = quote_identifier(column);

	return psprintf("DELETE FROM %s WHERE %s OPERATOR(pg_catalog.<) $1 AND ctid "
					"OPERATOR(pg_catalog.=) ANY (ARRAY("
					"SELECT ctid FROM %s WHERE %s OPERATOR(pg_catalog.<) $1 LIMIT $2))",
					name, time, name, time);
}

/* The table is its owner's to alter. */
static Oid
type_of(Oid table, const char *column)
{
	Oid			type = get_atttype(table, get_attnum(table, column));

	if (type != TIMESTAMPTZOID && type != TIMESTAMPOID)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" does not have the columns that the continuous view needs",
						get_rel_name(table)),
				 errhint("CREATE OR REPLACE CONTINUOUS VIEW begins again.")));
	return type;
}

/* How many rows a statement has found or changed; $1 is the horizon, $2 the most of them. */
static uint64
execute(Oid table, const char *column, const char *statement, int expected, TimestampTz horizon,
		int64 max_rows)
{
	Oid			types[] = {type_of(table, column), INT8OID};
	Datum		args[] = {TimestampTzGetDatum(horizon), Int64GetDatum(max_rows)};
	CqActor		actor;
	uint64		nrows;

	cq_owner_begin_user(&actor, cq_owner_of_relation(table));
	SPI_connect();
	if (SPI_execute_with_args(statement, lengthof(types), types, args, NULL, false, 0) != expected)
		elog(ERROR, "could not expire rows of %s", get_rel_name(table));
	nrows = SPI_processed;
	SPI_finish();
	cq_owner_end(&actor);
	return nrows;
}

int64
cq_retention_delete(Oid table, const char *column, TimestampTz horizon, int64 max_rows)
{
	return (int64) execute(table, column, delete_statement(table, column), SPI_OK_DELETE, horizon,
						   max_rows);
}

bool
cq_retention_is_due(Oid table, const char *column, TimestampTz horizon)
{
	char	   *statement = psprintf("SELECT FROM %s WHERE %s OPERATOR(pg_catalog.<) $1 LIMIT $2",
									 cq_name_qualified(table), quote_identifier(column));

	return execute(table, column, statement, SPI_OK_SELECT, horizon, 1) > 0;
}

TimestampTz
cq_retention_horizon(TimestampTz now, const Interval *retention)
{
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval,
												   TimestampTzGetDatum(now),
												   IntervalPGetDatum(retention)));
}
