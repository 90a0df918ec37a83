/*
 * error.c
 *		Rows of _cq.error about what goes out: see error.h.
 */
#include "postgres.h"

#include "catalog/error.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "common/guc.h"
#include "common/owner.h"
#include "executor/spi.h"
#include "utils/builtins.h"

static void
execute_on_errors(const char *statement, int expected, int nargs, Oid *types, Datum *args,
				  const char *nulls)
{
	CqActor		actor;

	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_execute(statement, expected, nargs, types, args, nulls);
	SPI_finish();
	cq_owner_end(&actor);
}

/* A bytea is laid out as a text. */
static Datum
bytes_datum(const char *bytes, uint32 length, char *is_null)
{
	*is_null = bytes == NULL ? 'n' : ' ';
	return bytes == NULL ? (Datum) 0 :
		PointerGetDatum(cstring_to_text_with_len(bytes, Min(length,
															(uint32) cq_error_payload_limit *
															1024)));
}

void
cq_error_add(const CqError *error)
{
	static const char insert[] =
		"INSERT INTO _cq.error (view, stream, topic, \"offset\", key, payload, payload_length, "
		"sqlstate, message, column_name, headers, is_cut) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
	uint32		limit = (uint32) cq_error_payload_limit * 1024;
	Oid			types[] = {OIDOID, OIDOID, TEXTOID, INT8OID, BYTEAOID, BYTEAOID, INT8OID, TEXTOID,
						   TEXTOID, TEXTOID, JSONBOID, BOOLOID};
	char		nulls[lengthof(types) + 1] = "            ";
	Datum		args[lengthof(types)] = {
		ObjectIdGetDatum(error->view), ObjectIdGetDatum(error->sink),
		CStringGetTextDatum(error->topic), Int64GetDatum(error->id),
		bytes_datum(error->key, error->key_length, &nulls[4]),
		bytes_datum(error->payload, error->payload_length, &nulls[5]),
		Int64GetDatum(error->payload_length),
		CStringGetTextDatum(unpack_sql_state(error->sqlstate)),
		CStringGetTextDatum(error->message),
		error->column != NULL ? CStringGetTextDatum(error->column) : (Datum) 0,
		error->headers, BoolGetDatum(error->is_in_part || error->key_length > limit)
	};

	if (cq_max_errors == 0)
		return;
	nulls[3] = error->id == 0 ? 'n' : ' ';
	nulls[9] = error->column == NULL ? 'n' : ' ';
	nulls[10] = error->has_headers ? ' ' : 'n';
	execute_on_errors(insert, SPI_OK_INSERT, lengthof(types), types, args, nulls);
}

void
cq_error_trim(Oid view)
{
	Oid			types[] = {OIDOID, INT8OID};
	Datum		args[] = {ObjectIdGetDatum(view), Int64GetDatum(cq_max_errors)};

	if (cq_max_errors < 0)
		return;
	execute_on_errors("DELETE FROM _cq.error WHERE view = $1 AND error_id <= "
					  "(SELECT error_id FROM _cq.error WHERE view = $1 ORDER BY error_id DESC "
					  "OFFSET $2 LIMIT 1)", SPI_OK_DELETE, lengthof(types), types, args, NULL);
}
