/*
 * dead_letter.c
 *		Messages that a view could not process: see dead_letter.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "common/guc.h"
#include "exec/dead_letter.h"
#include "executor/spi.h"
#include "utils/builtins.h"

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

void
cq_dead_letter_add(Oid view, Oid stream, const CqBatch *batch, int row, int64 nbefore,
				   int sqlerrcode, const char *message)
{
	static const char insert[] =
		"INSERT INTO _cq.error (view, stream, " CQ_MESSAGE_COLUMNS ", sqlstate, message) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
	Oid			types[] = {OIDOID, OIDOID, CQ_MESSAGE_TYPES, TEXTOID, TEXTOID};
	char		nulls[lengthof(types) + 1] = "          ";
	Datum		args[lengthof(types)];

	if (cq_max_errors >= 0 && nbefore >= cq_max_errors)
		return;
	/* what is made from here on is freed by SPI_finish: a batch may have many */
	SPI_connect();
	args[0] = ObjectIdGetDatum(view);
	args[1] = ObjectIdGetDatum(stream);
	cq_dead_letter_describe(batch, row, &args[2], &nulls[2]);
	args[8] = CStringGetTextDatum(unpack_sql_state(sqlerrcode));
	args[9] = CStringGetTextDatum(message);
	cq_query_execute(insert, SPI_OK_INSERT, lengthof(types), types, args, nulls);
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
