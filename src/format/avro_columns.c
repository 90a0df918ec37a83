/*
 * avro_columns.c
 *		A schema for a table's columns: see avro_columns.h.
 *
 * Decides: a record with the topic's name, and a field for each column, in their order; with null,
 * and by default null, unless the column is NOT NULL. Values are of the type that has just these;
 * what Avro has no type for is its text. So what is written reads back the same to columns of these
 * types.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "format/avro_columns.h"
#include "format/schema_columns.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/lsyscache.h"

static const char *
type_name(Oid type)
{
	switch (type)
	{
		case BOOLOID:
			return "\"boolean\"";
		case INT2OID:
		case INT4OID:
			return "\"int\"";
		case INT8OID:
			return "\"long\"";
		case FLOAT4OID:
			return "\"float\"";
		case FLOAT8OID:
			return "\"double\"";
		case BYTEAOID:
			return "\"bytes\"";
		case DATEOID:
			return "{\"type\":\"int\",\"logicalType\":\"date\"}";
		case TIMEOID:
			return "{\"type\":\"long\",\"logicalType\":\"time-micros\"}";
		case TIMESTAMPOID:
			return "{\"type\":\"long\",\"logicalType\":\"local-timestamp-micros\"}";
		case TIMESTAMPTZOID:
			return "{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}";
		case UUIDOID:
			return "{\"type\":\"string\",\"logicalType\":\"uuid\"}";
		case JSONOID:
		case JSONBOID:
			return "{\"type\":\"string\",\"connect.name\":\"io.debezium.data.Json\"}";
		default:
			return "\"string\"";
	}
}

/* A decimal has a scale; without one, or with one that Avro does not have, the number's text. */
static void
append_numeric(int32 typmod, StringInfo out)
{
	int			precision = ((typmod - VARHDRSZ) >> 16) & 0xffff;
	int			scale = (((typmod - VARHDRSZ) & 0x7ff) ^ 1024) - 1024;

	if (typmod < (int32) VARHDRSZ || scale < 0 || scale > precision)
		appendStringInfoString(out, "\"string\"");
	else
		appendStringInfo(out, "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":%d,"
						 "\"scale\":%d}", precision, scale);
}

static void
append_type(Oid type, int32 typmod, StringInfo out)
{
	Oid			base = getBaseTypeAndTypmod(type, &typmod);
	Oid			element = get_element_type(base);

	if (OidIsValid(element))
	{
		appendStringInfoString(out, "{\"type\":\"array\",\"items\":[\"null\",");
		append_type(element, typmod, out);
		appendStringInfoString(out, "]}");
	}
	else if (base == NUMERICOID)
		append_numeric(typmod, out);
	else
		appendStringInfoString(out, type_name(base));
}

static void
append_field(const CqColumn *column, StringInfo out)
{
	const char *name = cq_schema_columns_field(column, "Avro");

	appendStringInfo(out, "{\"name\":\"%s\",\"type\":", name);
	if (!column->is_not_null)
		appendStringInfoString(out, "[\"null\",");
	append_type(column->type, column->typmod, out);
	appendStringInfoString(out, column->is_not_null ? "}" : "],\"default\":null}");
}

char *
cq_avro_columns_schema(const char *topic, bool is_key, const CqColumn *columns, int ncolumns)
{
	StringInfoData schema;

	initStringInfo(&schema);
	appendStringInfo(&schema, "{\"type\":\"record\",\"name\":\"%s\",\"fields\":[",
					 cq_schema_columns_name(topic, is_key));
	for (int i = 0; i < ncolumns; i++)
	{
		if (i > 0)
			appendStringInfoChar(&schema, ',');
		append_field(&columns[i], &schema);
	}
	appendStringInfoString(&schema, "]}");
	return schema.data;
}
