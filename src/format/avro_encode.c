/*
 * avro_encode.c
 *		From a row to a message of Avro: see avro_encode.h.
 *
 * Decides that a row is what it is as JSON, and that the message is this as a value of the schema:
 * so what is written reads back to the same row. The schema is the option's, or one made of the
 * columns where it is to be registered, or else the latest of the stream's subject; in framed
 * messages it goes under the number that the registry has for it. Where nobody may wait for that
 * (in a worker's transaction), a mark made of the schema's text stands in its place until it is
 * known (sink/framing.c). A column must be a field of it; a field without a column is its default,
 * or null.
 */
#include "postgres.h"

#include "format/avro_encode.h"
#include "format/avro_columns.h"
#include "format/avro_schema.h"
#include "format/avro_write.h"
#include "format/json_encode.h"
#include "format/schema_number.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

typedef struct AvroEncoder
{
	CqAvroSchema *schema;
	bool		is_framed;
	uint32		id;
	CqEncoder  *json;
	StringInfoData object;		/* of one row */
	MemoryContext context;		/* of one row */
} AvroEncoder;

static CqAvroSchema *
parse(const List *texts)
{
	CqAvroNames names = {0};
	CqAvroSchema *schema = NULL;
	ListCell   *cell;

	foreach(cell, texts)
	{
		CqReject   *reject = NULL;
		const char *text = lfirst(cell);

		schema = cq_avro_schema_parse(text, strlen(text), &names, &reject);
		cq_reject_raise(reject, NULL);
	}
	return schema;
}

/* ---- the schema ---- */

char *
cq_avro_encode_name(const CqFormatOptions *options, const char *schema)
{
	return pstrdup(cq_avro_schema_name(parse(list_make1((char *) schema))));
}

/* Rows before and after, by the names that Debezium has for them. */
static char *
wrap_schema(const char *row)
{
	const CqAvroSchema *schema = parse(list_make1((char *) row));

	if (schema->kind != CQ_AVRO_RECORD)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("the schema of rows that change is not a record")));
	return psprintf("{\"type\":\"record\",\"name\":\"Envelope\",\"fields\":["
					"{\"name\":\"before\",\"type\":[\"null\",%s],\"default\":null},"
					"{\"name\":\"after\",\"type\":[\"null\",\"%s\"],\"default\":null},"
					"{\"name\":\"op\",\"type\":\"string\"},"
					"{\"name\":\"ts_ms\",\"type\":[\"null\",\"long\"],\"default\":null}]}",
					row, cq_avro_schema_name(schema));
}

char *
cq_avro_encode_schema(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	char	   *row = options->schema != NULL ?
		pg_server_to_any(options->schema, strlen(options->schema), PG_UTF8) :
		cq_avro_columns_schema(options->topic, options->is_key, columns, ncolumns);

	return options->is_enveloped ? wrap_schema(row) : row;
}

static void
find_schema(AvroEncoder *encoder, const CqFormatOptions *options, const CqColumn *columns,
			int ncolumns)
{
	char	   *text;
	CqRegistrySchema found;

	if (options->schema == NULL && options->registry == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("a stream of format avro needs to know its schemas"),
				 errhint("Set the option schema_registry of the server, or the option %s of the "
						 "stream.",
						 options->is_key ? "key_schema" : "schema")));
	if (cq_schema_number_is_latest(options))
	{
		cq_schema_number_latest(&cq_avro_format, options, &found);
		encoder->schema = parse(found.texts);
		encoder->id = (uint32) found.id;
		return;
	}
	text = cq_avro_encode_schema(options, columns, ncolumns);
	encoder->schema = parse(list_make1(text));
	if (options->is_framed && options->registry != NULL)
		encoder->id = cq_schema_number_find(&cq_avro_format, options, text);
}

/* A field that nobody would write is a mistake. */
static void
check_column(const CqAvroSchema *schema, const CqColumn *column)
{
	ListCell   *cell;

	foreach(cell, column->path)
	{
		char	   *name = lfirst(cell);
		CqAvroField *field;

		schema = cq_avro_schema_without_null((CqAvroSchema *) schema);
		if (schema->kind == CQ_AVRO_MAP)
		{
			schema = schema->items;
			continue;
		}
		/* Which branch it may be for is seen with the value. */
		if (schema->kind == CQ_AVRO_UNION)
			return;
		field = schema->kind == CQ_AVRO_RECORD
			? cq_avro_schema_field(schema, pg_server_to_any(name, strlen(name), PG_UTF8)) : NULL;
		if (field == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
					 errmsg("column \"%s\" is no field of the Avro schema", column->name),
					 errdetail("Type %s has no field \"%s\".", cq_avro_schema_name(schema), name)));
		schema = field->type;
	}
}

CqEncoder *
cq_avro_encode_open(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	AvroEncoder *encoder = palloc0(sizeof(AvroEncoder));
	const CqAvroSchema *row;

	encoder->is_framed = options->is_framed;
	find_schema(encoder, options, columns, ncolumns);
	row = options->is_enveloped ?
		cq_avro_schema_without_null(cq_avro_schema_field(encoder->schema, "before")->type) :
			encoder->schema;
	for (int i = 0; i < ncolumns; i++)
		check_column(row, &columns[i]);
	encoder->json = cq_json_encode_open(options, cq_schema_number_columns(columns, ncolumns),
										ncolumns);
	encoder->context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq avro row",
											 ALLOCSET_DEFAULT_SIZES);
	initStringInfo(&encoder->object);
	return (CqEncoder *) encoder;
}

/* What stands as JSON in encoder->object. */
static void
write_object(AvroEncoder *encoder, StringInfo out)
{
	MemoryContext caller;
	CqJsonToken token;
	CqReject   *reject;

	appendStringInfoChar(&encoder->object, ' ');
	if (encoder->is_framed)
		cq_schema_number_append(encoder->id, out);
	caller = MemoryContextSwitchTo(encoder->context);
	(void) cq_json_token_read(encoder->object.data, &token);
	reject = cq_avro_write(encoder->schema, &token, CQ_AVRO_OF_ROW, out);
	MemoryContextSwitchTo(caller);
	if (reject != NULL)
		ereport(ERROR,
				(errcode(reject->sqlerrcode),
				 errmsg("the row cannot be written as Avro: %s", reject->message)));
	MemoryContextReset(encoder->context);
}

void
cq_avro_encode(CqEncoder *opaque, const Datum *values, const bool *nulls, StringInfo out)
{
	AvroEncoder *encoder = (AvroEncoder *) opaque;

	resetStringInfo(&encoder->object);
	cq_json_encode(encoder->json, values, nulls, &encoder->object);
	write_object(encoder, out);
}

void
cq_avro_encode_change(CqEncoder *opaque, const CqChange *change, StringInfo out)
{
	AvroEncoder *encoder = (AvroEncoder *) opaque;

	resetStringInfo(&encoder->object);
	cq_json_encode_change(encoder->json, change, &encoder->object);
	write_object(encoder, out);
}
