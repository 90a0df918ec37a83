/*
 * functions.c
 *		Functions in SQL over streams: how far they reach, and the retention of those kept in this
 *		database.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "common/attempt.h"
#include "common/version.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "source/log.h"
#include "source/log_table.h"
#include "storage/lmgr.h"
#include "stream/reader.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#define EXTENTS_TIMEOUT_MS 30000
#define TRIM_ROWS 500000

PG_FUNCTION_INFO_V1(cq_stream_extents_sql);
PG_FUNCTION_INFO_V1(cq_make_logs);
PG_FUNCTION_INFO_V1(cq_log_trim_sql);
PG_FUNCTION_INFO_V1(cq_log_trim_all_sql);

/* _cq.stream_extents(stream regclass): one row for each partition. */
Datum
cq_stream_extents_sql(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	List	   *extents;
	ListCell   *cell;

	cq_version_require();
	InitMaterializedSRF(fcinfo, 0);
	(void) cq_reader_extents(PG_GETARG_OID(0), GetUserId(), NULL, EXTENTS_TIMEOUT_MS, &extents);
	foreach(cell, extents)
	{
		CqExtent   *extent = lfirst(cell);
		Datum		values[] = {
			CStringGetTextDatum(extent->topic),
			Int32GetDatum(extent->partition),
			Int64GetDatum(extent->begin),
			Int64GetDatum(extent->end)
		};
		bool		nulls[lengthof(values)] = {false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * The least offset at which a continuous view still has to read, or the greatest number there is.
 */
static int64
least_cursor(Oid stream)
{
	Oid			types[] = {REGCLASSOID};
	Datum		arguments[] = {ObjectIdGetDatum(stream)};
	bool		is_null;
	Datum		least;

	SPI_connect();
	SPI_execute_with_args("SELECT pg_catalog.min(next_offset) FROM _cq.cursor"
						  " WHERE stream OPERATOR(pg_catalog.=) $1::pg_catalog.oid", 1, types,
						  arguments, NULL, true, 0);
	least = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
	SPI_finish();
	return is_null ? PG_INT64_MAX : DatumGetInt64(least);
}

static int64
trim(Oid relid)
{
	CqStream   *stream = cq_stream_get(relid, InvalidOid);

	if (stream->kind != CQ_STREAM_LOG || stream->retention == 0)
		return 0;
	return cq_log_write_trim(relid, GetCurrentTimestamp() - stream->retention, least_cursor(relid),
							 TRIM_ROWS);
}

/*
 * _cq.log_trim(stream regclass): removes rows that are older than the stream's option retention,
 * but none that a view still has to read; so many at a time at most, so that a long backlog is no
 * long transaction. Returns how many.
 */
Datum
cq_log_trim_sql(PG_FUNCTION_ARGS)
{
	cq_version_require();
	PG_RETURN_INT64(trim(PG_GETARG_OID(0)));
}

typedef struct Trim
{
	Oid			stream;
	Oid			log;			/* its table */
	int64		nremoved;
} Trim;

/*
 * It waits for nobody: with locks on the streams before, it would be in the way of who drops them
 * all. A stream that is locked, or gone, has its turn the next time.
 */
static void
trim_one(void *arg)
{
	Trim	   *one = arg;

	if (ConditionalLockRelationOid(one->stream, AccessShareLock) &&
		ConditionalLockRelationOid(one->log, ShareUpdateExclusiveLock) &&
		SearchSysCacheExists1(RELOID, ObjectIdGetDatum(one->stream)))
		one->nremoved = trim(one->stream);
}

/* _cq.log_trim(): that of all streams. What is wrong with one is not the others' concern. */
Datum
cq_log_trim_all_sql(PG_FUNCTION_ARGS)
{
	static char *last_warning = NULL;
	int64		nremoved = 0;
	SPITupleTable *streams;
	uint64		nstreams;

	cq_version_require();
	SPI_connect();
	if (SPI_execute("SELECT stream, log FROM _cq.log", true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read _cq.log");
	streams = SPI_tuptable;
	nstreams = SPI_processed;
	for (uint64 i = 0; i < nstreams; i++)
	{
		bool		is_null;
		Trim		one = {
			.stream = DatumGetObjectId(SPI_getbinval(streams->vals[i], streams->tupdesc, 1,
													 &is_null)),
			.log = DatumGetObjectId(SPI_getbinval(streams->vals[i], streams->tupdesc, 2, &is_null))
		};
		ErrorData  *error = cq_attempt(trim_one, &one);

		if (error != NULL)
			cq_attempt_warn(error, &last_warning);
		nremoved += error == NULL ? one.nremoved : 0;
	}
	SPI_finish();
	PG_RETURN_INT64(nremoved);
}

/*
 * _cq.make_logs(): for streams of a version that made them with the first row. In the script that
 * updates from it: what is made here is no member of the extension.
 */
Datum
cq_make_logs(PG_FUNCTION_ARGS)
{
	static const char without[] =
		"SELECT t.ftrelid FROM pg_catalog.pg_foreign_table t"
		" JOIN pg_catalog.pg_foreign_server s ON s.oid = t.ftserver"
		" JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw"
		" WHERE w.fdwname = 'cq_log' AND NOT EXISTS (SELECT FROM _cq.log l WHERE l.stream = "
		"t.ftrelid)";
	bool		is_script = creating_extension;
	SPITupleTable *streams;
	uint64		nstreams;

	cq_version_require();
	SPI_connect();
	if (SPI_execute(without, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look for streams");
	streams = SPI_tuptable;
	nstreams = SPI_processed;
	PG_TRY();
	{
		creating_extension = false;
		for (uint64 i = 0; i < nstreams; i++)
		{
			CqLogTable	table;
			bool		isnull;

			cq_log_table_ensure(DatumGetObjectId(SPI_getbinval(streams->vals[i], streams->tupdesc,
															   1, &isnull)), &table);
		}
	}
	PG_FINALLY();
	{
		creating_extension = is_script;
	}
	PG_END_TRY();
	SPI_finish();
	PG_RETURN_INT64(nstreams);
}
