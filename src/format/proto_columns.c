/*
 * proto_columns.c
 *		A schema of Protobuf for a table's columns: see proto_columns.h.
 *
 * Decides: a message with the topic's name, and a field for each column, which has the column's
 * number in the table, so that fields keep theirs where columns come and go; optional, unless the
 * column is NOT NULL. What Protobuf has no type for is its text, and a document a Value. So what is
 * written reads back the same to columns of these types.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "format/proto_columns.h"
#include "format/schema_columns.h"
#include "lib/stringinfo.h"
#include "utils/lsyscache.h"

static const char *
type_name(Oid type)
{
	switch (type)
	{
		case BOOLOID:
			return "bool";
		case INT2OID:
		case INT4OID:
			return "int32";
		case INT8OID:
			return "int64";
		case FLOAT4OID:
			return "float";
		case FLOAT8OID:
			return "double";
		case BYTEAOID:
			return "bytes";
		case TIMESTAMPTZOID:
			return "google.protobuf.Timestamp";
		case JSONOID:
		case JSONBOID:
			return "google.protobuf.Value";
		default:
			return get_typtype(type) == TYPTYPE_COMPOSITE ? "google.protobuf.Value" : "string";
	}
}

static void
append_field(const CqColumn *column, StringInfo out)
{
	const char *name = cq_schema_columns_field(column, "Protobuf");
	Oid			type = getBaseType(column->type);
	Oid			element = get_element_type(type);

	if (OidIsValid(element))
		appendStringInfo(out, "  repeated %s %s = %d;\n", type_name(getBaseType(element)), name,
						 column->attno);
	else
		appendStringInfo(out, "  %s%s %s = %d;\n", column->is_not_null ? "" : "optional ",
						 type_name(type), name, column->attno);
}

static void
append_row(const char *name, const CqColumn *columns, int ncolumns, StringInfo out)
{
	appendStringInfo(out, "message %s {\n", name);
	for (int i = 0; i < ncolumns; i++)
		append_field(&columns[i], out);
	appendStringInfoString(out, "}\n");
}

/* Only what is used, or parsers warn. */
static void
append_imports(const char *messages, StringInfo out)
{
	if (strstr(messages, "google.protobuf.Timestamp ") != NULL)
		appendStringInfoString(out, "import \"google/protobuf/timestamp.proto\";\n");
	if (strstr(messages, "google.protobuf.Value ") != NULL)
		appendStringInfoString(out, "import \"google/protobuf/struct.proto\";\n");
}

char *
cq_proto_columns_schema(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	StringInfoData messages;
	StringInfoData schema;

	initStringInfo(&messages);
	if (options->is_enveloped)
	{
		appendStringInfoString(&messages, "message Envelope {\n  Row before = 1;\n"
							   "  Row after = 2;\n  string op = 3;\n  int64 ts_ms = 4;\n}\n");
		append_row("Row", columns, ncolumns, &messages);
	}
	else
		append_row(cq_schema_columns_name(options->topic, options->is_key), columns, ncolumns,
				   &messages);
	initStringInfo(&schema);
	appendStringInfoString(&schema, "syntax = \"proto3\";\n");
	append_imports(messages.data, &schema);
	appendStringInfoString(&schema, messages.data);
	return schema.data;
}
