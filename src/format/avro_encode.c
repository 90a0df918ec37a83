/*
 * avro_encode.c
 *		From a row to a message of Avro: see avro_encode.h.
 *
 * Decides what schema_encode.c leaves to it. A field without a column is its default, or null.
 */
#include "postgres.h"

#include "format/avro_columns.h"
#include "format/avro_encode.h"
#include "format/avro_schema.h"
#include "format/avro_write.h"
#include "format/schema_encode.h"
#include "mb/pg_wchar.h"

typedef struct AvroEncoder
{
	CqSchemaEncoder base;
	const CqAvroSchema *schema;
} AvroEncoder;

static CqAvroSchema *
parse(const CqFormatOptions *options, const List *texts)
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
	if (options->ignores_case)
		cq_reject_raise(cq_avro_schema_check_case(&names), NULL);
	return schema;
}

/* ---- the schema ---- */

char *
cq_avro_encode_name(const CqFormatOptions *options, const char *schema)
{
	return pstrdup(cq_avro_schema_name(parse(options, list_make1((char *) schema))));
}

/* Rows before and after, by the names that Debezium has for them. */
static char *
wrap_schema(const CqFormatOptions *options, const char *row)
{
	const CqAvroSchema *schema = parse(options, list_make1((char *) row));

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

	return options->is_enveloped ? wrap_schema(options, row) : row;
}

/* ---- rows ---- */

static void
set_schema(CqSchemaEncoder *encoder, const CqFormatOptions *options, List *texts, List *names)
{
	((AvroEncoder *) encoder)->schema = parse(options, texts);
}

/* Of a row, where it is in an envelope. */
static const CqAvroSchema *
schema_of_row(const CqSchemaEncoder *encoder, const CqFormatOptions *options)
{
	const CqAvroSchema *schema = ((const AvroEncoder *) encoder)->schema;
	const CqAvroField *after;

	if (!options->is_enveloped)
		return schema;
	after = schema->kind == CQ_AVRO_RECORD ? cq_avro_schema_field(schema, "after") : NULL;
	if (after == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("type \"%s\" is no envelope of rows that change",
						cq_avro_schema_name(schema)),
				 errdetail("It has no field \"after\".")));
	return cq_avro_schema_without_null(after->type);
}

static List *
find_path(const CqSchemaEncoder *encoder, const CqFormatOptions *options, const CqColumn *column)
{
	const CqAvroSchema *schema = schema_of_row(encoder, options);
	List	   *path = list_copy(column->path);
	ListCell   *cell;

	foreach(cell, path)
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
			break;
		field = schema->kind == CQ_AVRO_RECORD
			? cq_avro_schema_field_in_case(schema, pg_server_to_any(name, strlen(name), PG_UTF8),
										   options->ignores_case) : NULL;
		if (field == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
					 errmsg("column \"%s\" is no field of the Avro schema", column->name),
					 errdetail("Type %s has no field \"%s\".", cq_avro_schema_name(schema), name)));
		if (options->ignores_case)
			lfirst(cell) = pg_any_to_server(field->name, strlen(field->name), PG_UTF8);
		schema = field->type;
	}
	return path;
}

static CqReject *
write_value(const CqSchemaEncoder *encoder, const CqJsonToken *token, StringInfo out)
{
	return cq_avro_write(((const AvroEncoder *) encoder)->schema, token, CQ_AVRO_OF_ROW, out);
}

static const CqSchemaWriting writing = {
	.format = &cq_avro_format,
	.language = "Avro",
	.parse = set_schema,
	.find_path = find_path,
	.write = write_value,
};

CqEncoder *
cq_avro_encode_open(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	AvroEncoder *encoder = palloc0(sizeof(AvroEncoder));

	cq_schema_encode_open(&encoder->base, &writing, options, columns, ncolumns);
	return (CqEncoder *) encoder;
}
