/*
 * retention.c
 *		Deletes rows that are too old: see retention.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/name.h"
#include "common/owner.h"
#include "executor/spi.h"
#include "nodes/params.h"
#include "plan/tree.h"
#include "state/retention.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* Of a session it is when it ends. */
static const char *
time_expression(Oid table, const char *column)
{
	const char *name = quote_identifier(column);

	return type_is_range(get_atttype(table, get_attnum(table, column))) ?
		psprintf("pg_catalog.upper(%s)", name) : name;
}

/* The condition once more outside: a row that somebody has updated meanwhile is asked again. */
static char *
delete_statement(Oid table, const char *column, bool returns)
{
	char	   *name = cq_name_qualified(table);
	const char *time = time_expression(table, column);

	return psprintf("DELETE FROM %s WHERE %s OPERATOR(pg_catalog.<) $1 AND ctid "
					"OPERATOR(pg_catalog.=) ANY (ARRAY("
					"SELECT ctid FROM %s WHERE %s OPERATOR(pg_catalog.<) $1 LIMIT $2))%s",
					name, time, name, time, returns ? " RETURNING *" : "");
}

/* A time's, or that of the bounds of a range. The table is its owner's to alter. */
static Oid
type_of(Oid table, const char *column)
{
	Oid			type = get_atttype(table, get_attnum(table, column));

	if (type_is_range(type))
		type = get_range_subtype(type);
	if (type != TIMESTAMPTZOID && type != TIMESTAMPOID)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" does not have the columns that the continuous view needs",
						get_rel_name(table)),
				 errhint("CREATE OR REPLACE CONTINUOUS VIEW begins again.")));
	return type;
}

static ParamListInfo
make_params(const Oid *types, const Datum *args, int nargs)
{
	ParamListInfo params = makeParamList(nargs);

	for (int i = 0; i < nargs; i++)
	{
		params->params[i].value = args[i];
		params->params[i].isnull = false;
		params->params[i].pflags = PARAM_FLAG_CONST;
		params->params[i].ptype = types[i];
	}
	return params;
}

/*
 * How many rows a statement has found or changed; $1 is the horizon, $2 the most of them, $3 where
 * to begin. rows, or NULL, gets those that it returns.
 */
static uint64
execute_until(Oid table, const char *column, const char *statement, int expected,
			  TimestampTz horizon, int64 max_rows, TimestampTz from, DestReceiver *rows)
{
	Oid			time = type_of(table, column);
	Oid			types[] = {time, INT8OID, time};
	Datum		args[] = {TimestampTzGetDatum(horizon), Int64GetDatum(max_rows),
						  TimestampTzGetDatum(from)};
	SPIExecuteOptions options = {.dest = rows};
	CqActor		actor;
	uint64		nrows;

	cq_owner_begin_user(&actor, cq_owner_of_relation(table));
	SPI_connect();
	options.params = make_params(types, args, lengthof(types));
	if (SPI_execute_extended(statement, &options) != expected)
		elog(ERROR, "could not expire rows of %s", get_rel_name(table));
	nrows = SPI_processed;
	SPI_finish();
	cq_owner_end(&actor);
	return nrows;
}

int64
cq_retention_delete(Oid table, const char *column, TimestampTz horizon, int64 max_rows,
					DestReceiver *deleted)
{
	return (int64) execute_until(table, column, delete_statement(table, column, deleted != NULL),
								 deleted != NULL ? SPI_OK_DELETE_RETURNING : SPI_OK_DELETE,
								 horizon, max_rows, DT_NOBEGIN, deleted);
}

/* ROW(k1, k2), and a hash of it. */
static void
name_keys(const List *keys, char **row, char **hash)
{
	StringInfoData columns;
	ListCell   *cell;

	initStringInfo(&columns);
	*hash = "0";
	foreach(cell, keys)
	{
		const char *name = quote_identifier(lfirst(cell));

		appendStringInfo(&columns, "%s%s", foreach_current_index(cell) > 0 ? ", " : "", name);
		*hash = psprintf("_cq.key_hash(%s, %s)", name, *hash);
	}
	*row = psprintf("ROW(%s)", columns.data);
}

/*
 * Only keys are looked at of which a row came since the last time. Keys are equal by their images:
 * the hash keeps apart what no operator needs to know, in most cases.
 */
static char *
delete_versions_statement(Oid table, const char *column, const List *keys)
{
	char	   *name = cq_name_qualified(table);
	const char *time = quote_identifier(column);
	char	   *row;
	char	   *hash;

	name_keys(keys, &row, &hash);
	return psprintf("DELETE FROM %s WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY("
					"SELECT place FROM (SELECT ctid AS place, %s AS at, %s AS key, "
					"pg_catalog.first_value(%s) OVER w AS newest_at, "
					"pg_catalog.first_value(%s) OVER w AS newest_key FROM %s "
					"WHERE %s OPERATOR(pg_catalog.<) $1 AND " CQ_HASH_COLUMN
					" OPERATOR(pg_catalog.=) ANY (SELECT " CQ_HASH_COLUMN " FROM %s "
					"WHERE %s OPERATOR(pg_catalog.>=) $3 AND %s OPERATOR(pg_catalog.<) $1) "
					"WINDOW w AS (PARTITION BY " CQ_HASH_COLUMN ", %s ORDER BY %s DESC)) v "
					"WHERE at OPERATOR(pg_catalog.<) newest_at%s LIMIT $2))",
					name, time, row, time, row, name, time, name, time, time, hash, time,
					keys != NIL ? " AND key OPERATOR(pg_catalog.*=) newest_key" : "");
}

int64
cq_retention_delete_versions(Oid table, const char *column, const List *keys, TimestampTz from,
							 TimestampTz horizon, int64 max_rows)
{
	return (int64) execute_until(table, column, delete_versions_statement(table, column, keys),
								 SPI_OK_DELETE, horizon, max_rows, from, NULL);
}

void
cq_retention_delete_by(Oid table, const char *column, const char *statement, TimestampTz one,
					   TimestampTz other)
{
	Oid			time = type_of(table, column);
	Oid			types[] = {time, time};
	Datum		args[] = {TimestampTzGetDatum(one), TimestampTzGetDatum(other)};
	CqActor		actor;

	cq_owner_begin_user(&actor, cq_owner_of_relation(table));
	SPI_connect();
	if (SPI_execute_with_args(statement, lengthof(types), types, args, NULL, false,
							  0) != SPI_OK_DELETE)
		elog(ERROR, "could not delete rows of %s", get_rel_name(table));
	SPI_finish();
	cq_owner_end(&actor);
}

bool
cq_retention_is_due(Oid table, const char *column, TimestampTz horizon)
{
	char	   *statement = psprintf("SELECT FROM %s WHERE %s OPERATOR(pg_catalog.<) $1 LIMIT $2",
									 cq_name_qualified(table), time_expression(table, column));

	return execute_until(table, column, statement, SPI_OK_SELECT, horizon, 1, DT_NOBEGIN,
						 NULL) > 0;
}

TimestampTz
cq_retention_horizon(TimestampTz now, const Interval *retention)
{
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval,
												   TimestampTzGetDatum(now),
												   IntervalPGetDatum(retention)));
}
