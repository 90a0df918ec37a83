/*
 * avro_infer.c
 *		Which columns a schema suggests: see avro_infer.h.
 *
 * Decides: one column for each field of the record, in their order, of the type that takes all of
 * its values and loses nothing: arrays of what is no array are arrays; records, maps and unions of
 * several types are jsonb. A schema that is no record is one column, the message as a whole.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "format/avro_infer.h"
#include "format/avro_schema.h"
#include "format/infer_names.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

#define NUMERIC_TYPMOD(precision, scale) ((((precision) << 16) | (scale)) + VARHDRSZ)

static Oid
type_of_bytes(const CqAvroSchema *schema, int32 *typmod)
{
	switch (schema->logical)
	{
		case CQ_AVRO_DECIMAL:
			if (schema->precision <= NUMERIC_MAX_PRECISION)
				*typmod = NUMERIC_TYPMOD(schema->precision, schema->scale);
			return NUMERICOID;
		case CQ_AVRO_UUID:
			return UUIDOID;
		case CQ_AVRO_DURATION:
			return INTERVALOID;
		case CQ_AVRO_DOCUMENT:
			return JSONBOID;
		default:
			return schema->kind == CQ_AVRO_STRING ? TEXTOID : BYTEAOID;
	}
}

static Oid
type_of_integer(const CqAvroSchema *schema)
{
	switch (schema->logical)
	{
		case CQ_AVRO_DATE:
			return DATEOID;
		case CQ_AVRO_TIME:
			return TIMEOID;
		case CQ_AVRO_TIMESTAMP:
			return TIMESTAMPTZOID;
		case CQ_AVRO_LOCAL_TIMESTAMP:
			return TIMESTAMPOID;
		default:
			return schema->kind == CQ_AVRO_INT ? INT4OID : INT8OID;
	}
}

/* Of a schema or a union of it with null. */
static Oid
type_of(CqAvroSchema *schema, int32 *typmod)
{
	CqAvroSchema *items;

	schema = cq_avro_schema_without_null(schema);
	switch (schema->kind)
	{
		case CQ_AVRO_NULL:
		case CQ_AVRO_ENUM:
			return TEXTOID;
		case CQ_AVRO_BOOLEAN:
			return BOOLOID;
		case CQ_AVRO_INT:
		case CQ_AVRO_LONG:
			return type_of_integer(schema);
		case CQ_AVRO_FLOAT:
			return FLOAT4OID;
		case CQ_AVRO_DOUBLE:
			return FLOAT8OID;
		case CQ_AVRO_BYTES:
		case CQ_AVRO_STRING:
		case CQ_AVRO_FIXED:
			return type_of_bytes(schema, typmod);
		case CQ_AVRO_ARRAY:
			items = cq_avro_schema_without_null(schema->items);
			if (items->kind == CQ_AVRO_ARRAY || type_of(items, typmod) == JSONBOID)
				return JSONBOID;
			return get_array_type(type_of(items, typmod));
		case CQ_AVRO_MAP:
		case CQ_AVRO_UNION:
		case CQ_AVRO_RECORD:
			break;
	}
	return JSONBOID;
}

static bool
has_null(const CqAvroSchema *schema)
{
	for (int i = 0; i < schema->nbranches; i++)
	{
		if (schema->branches[i]->kind == CQ_AVRO_NULL)
			return true;
	}
	return schema->kind == CQ_AVRO_NULL;
}

static const char *
name_of_field(const void *schema, int place)
{
	return ((const CqAvroSchema *) schema)->fields[place].name;
}

static Oid
type_of_field(const void *schema, int place, int32 *typmod, bool *is_not_null)
{
	const CqAvroField *field = &((const CqAvroSchema *) schema)->fields[place];

	*is_not_null = !has_null(field->type) && field->fallback.kind == CQ_JSON_MISSING;
	return type_of(field->type, typmod);
}

List *
cq_avro_infer(const CqRegistrySchema *found, List **remarks)
{
	CqAvroNames names = {0};
	CqAvroSchema *schema = NULL;
	ListCell   *cell;
	int32		typmod = -1;
	Oid			type;

	foreach(cell, found->texts)
	{
		CqReject   *reject;
		const char *text = lfirst(cell);

		schema = cq_avro_schema_parse(text, strlen(text), &names, &reject);
		if (schema == NULL)
		{
			*remarks = lappend(*remarks, psprintf("Its schema is not valid: %s.", reject->message));
			return NIL;
		}
	}
	if (schema->kind == CQ_AVRO_RECORD)
		return cq_infer_names(schema, schema->nfields, name_of_field, type_of_field, remarks);
	type = type_of(schema, &typmod);
	return list_make1(cq_infer_names_column(pstrdup("value"), pstrdup(""), 1, type, typmod,
											false));
}
