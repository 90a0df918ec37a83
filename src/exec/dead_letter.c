/*
 * dead_letter.c
 *		Messages that a view could not process: see dead_letter.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "common/clock.h"
#include "common/guc.h"
#include "common/version.h"
#include "exec/dead_letter.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* So many are deleted at a time, so that a long backlog is no long transaction. */
#define TRIM_ROWS 10000

PG_FUNCTION_INFO_V1(cq_trim_errors);

static Datum
bytes_datum(const char *bytes, uint32 length, char *is_null)
{
	uint32		limit = (uint32) cq_error_payload_limit * 1024;
	bytea	   *value;

	*is_null = bytes == NULL ? 'n' : ' ';
	if (bytes == NULL)
		return (Datum) 0;
	length = Min(length, limit);
	value = palloc(VARHDRSZ + length);
	SET_VARSIZE(value, VARHDRSZ + length);
	memcpy(VARDATA(value), bytes, length);
	return PointerGetDatum(value);
}

void
cq_dead_letter_describe(const CqBatch *batch, int row, Datum *args, char *nulls)
{
	const CqMessage *source = &batch->fetch.messages[row];
	const CqSlice *slice = &batch->fetch.slices[source->slice];

	args[0] = CStringGetTextDatum(slice->topic);
	args[1] = Int32GetDatum(slice->partition);
	args[2] = Int64GetDatum(source->offset);
	args[3] = bytes_datum(source->key, source->key_length, &nulls[3]);
	args[4] = bytes_datum(source->value, source->value_length, &nulls[4]);
	args[5] = Int64GetDatum(source->value_length);
}

/* Text or null, as SPI has them. */
static Datum
text_datum(const char *text, char *is_null)
{
	*is_null = text == NULL ? 'n' : ' ';
	return text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

/* What else is kept of the message, so that it can be put through again: as columns say. */
#define REST_COLUMNS	"\"timestamp\", headers, is_cut"
#define REST_TYPES		TIMESTAMPTZOID, JSONBOID, BOOLOID

static void
describe_rest(const CqBatch *batch, int row, Datum *args, char *nulls)
{
	const CqMessage *source = &batch->fetch.messages[row];
	uint32		limit = (uint32) cq_error_payload_limit * 1024;
	bool		is_cut = source->key_length > limit;

	args[0] = TimestampTzGetDatum(source->timestamp);
	nulls[0] = TIMESTAMP_IS_NOBEGIN(source->timestamp) ? 'n' : ' ';
	nulls[1] = cq_batch_headers(batch, row, &args[1]) ? ' ' : 'n';
	if (nulls[1] == ' ' && VARSIZE_ANY(DatumGetPointer(args[1])) > limit)
	{
		nulls[1] = 'n';
		is_cut = true;
	}
	args[2] = BoolGetDatum(is_cut);
}

void
cq_dead_letter_add(Oid view, Oid stream, const CqBatch *batch, int row, int64 nbefore,
				   const CqReject *reject, const char *column)
{
	static const char insert[] =
		"INSERT INTO _cq.error (view, stream, " CQ_MESSAGE_COLUMNS ", sqlstate, message, "
		"column_name, constraint_name, " REST_COLUMNS ") "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
	Oid			types[] = {OIDOID, OIDOID, CQ_MESSAGE_TYPES, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
						   REST_TYPES};
	char		nulls[lengthof(types) + 1] = "               ";
	Datum		args[lengthof(types)];

	if (cq_max_errors >= 0 && nbefore >= cq_max_errors)
		return;
	/* what is made from here on is freed by SPI_finish: a batch may have many */
	SPI_connect();
	args[0] = ObjectIdGetDatum(view);
	args[1] = ObjectIdGetDatum(stream);
	cq_dead_letter_describe(batch, row, &args[2], &nulls[2]);
	args[8] = CStringGetTextDatum(unpack_sql_state(reject->sqlerrcode));
	args[9] = CStringGetTextDatum(reject->message);
	args[10] = text_datum(column, &nulls[10]);
	args[11] = text_datum(reject->constraint, &nulls[11]);
	describe_rest(batch, row, &args[12], &nulls[12]);
	cq_query_execute(insert, SPI_OK_INSERT, lengthof(types), types, args, nulls);
	SPI_finish();
}

void
cq_dead_letter_fail_again(int64 error_id, const CqReject *reject, const char *column)
{
	Oid			types[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	char		nulls[lengthof(types) + 1] = "     ";
	Datum		args[lengthof(types)];

	SPI_connect();
	args[0] = Int64GetDatum(error_id);
	args[1] = CStringGetTextDatum(unpack_sql_state(reject->sqlerrcode));
	args[2] = CStringGetTextDatum(reject->message);
	args[3] = text_datum(column, &nulls[3]);
	args[4] = text_datum(reject->constraint, &nulls[4]);
	cq_query_execute("UPDATE _cq.error SET sqlstate = $2, message = $3, column_name = $4, "
					 "constraint_name = $5 WHERE error_id = $1", SPI_OK_UPDATE, lengthof(types),
					 types, args, nulls);
	SPI_finish();
}

int64
cq_dead_letter_count(Oid view)
{
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view)};
	bool		is_null;
	int64		count;

	SPI_connect();
	cq_query_execute("SELECT count(*) FROM _cq.error WHERE view = $1", SPI_OK_SELECT,
					 lengthof(types),
					 types, args, NULL);
	count = DatumGetInt64(cq_query_column(0, 1, &is_null));
	SPI_finish();
	return count;
}

void
cq_dead_letter_trim_by(const char *statement, Oid view)
{
	Oid			types[] = {OIDOID, INT8OID};
	Datum		args[] = {ObjectIdGetDatum(view), Int64GetDatum(cq_max_errors)};

	if (cq_max_errors < 0)
		return;
	SPI_connect();
	cq_query_execute(statement, SPI_OK_DELETE, lengthof(types), types, args, NULL);
	SPI_finish();
}

void
cq_dead_letter_trim(Oid view)
{
	cq_dead_letter_trim_by("DELETE FROM _cq.error WHERE view = $1 AND error_id <= "
						   "(SELECT error_id FROM _cq.error WHERE view = $1 ORDER BY error_id DESC "
						   "OFFSET $2 LIMIT 1)", view);
}

/* ---- what is too old, or too much ---- */

/* Nobody is waited for: what somebody has locked has its turn the next time. */
#define DELETE_LOCKED(table, id, condition) \
	"DELETE FROM _cq." table " WHERE " id " = ANY (ARRAY(SELECT " id " FROM _cq." table \
	" WHERE " condition " ORDER BY " id " LIMIT $2 FOR UPDATE SKIP LOCKED))"

/* Numbers go as times do: the first that is not too old is found at once. */
#define DELETE_OLD(table, id) \
	DELETE_LOCKED(table, id, id " < coalesce((SELECT " id " FROM _cq." table \
				  " WHERE occurred_at >= $1 ORDER BY " id " LIMIT 1), 9223372036854775807)")

/* Only where the table is large does somebody add up. $1: bytes, of each view. */
#define DELETE_LARGE(table, id, message) \
	DELETE_LOCKED(table, id, "pg_table_size('_cq." table "') > $1 AND " id " IN (SELECT " id \
				  " FROM (SELECT " id ", sum(100 + coalesce(octet_length(payload), 0) + " \
				  "coalesce(octet_length(key), 0)" message ") OVER (PARTITION BY view ORDER BY " \
				  id " DESC) AS size FROM _cq." table ") AS sizes WHERE size > $1)")

static int64
trim(const char *statement, Oid type, Datum limit)
{
	Oid			types[] = {type, INT4OID};
	Datum		args[] = {limit, Int32GetDatum(TRIM_ROWS)};

	cq_query_execute(statement, SPI_OK_DELETE, lengthof(types), types, args, NULL);
	return (int64) SPI_processed;
}

/* _cq.trim_errors(): how many it has deleted. */
Datum
cq_trim_errors(PG_FUNCTION_ARGS)
{
	int64		ndeleted = 0;

	cq_version_require();
	SPI_connect();
	if (cq_error_retention >= 0)
	{
		Datum		oldest = TimestampTzGetDatum(cq_clock_now() -
												 cq_error_retention * USECS_PER_MINUTE);

		ndeleted += trim(DELETE_OLD("error", "error_id"), TIMESTAMPTZOID, oldest);
		ndeleted += trim(DELETE_OLD("late", "late_id"), TIMESTAMPTZOID, oldest);
	}
	if (cq_max_errors_size >= 0)
	{
		Datum		size = Int64GetDatum((int64) cq_max_errors_size * 1024);

		ndeleted += trim(DELETE_LARGE("error", "error_id", " + octet_length(message) + "
								  "coalesce(pg_column_size(headers), 0)"), INT8OID, size);
		ndeleted += trim(DELETE_LARGE("late", "late_id", ""), INT8OID, size);
	}
	SPI_finish();
	PG_RETURN_INT64(ndeleted);
}
