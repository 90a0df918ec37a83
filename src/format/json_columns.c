/*
 * json_columns.c
 *		A JSON Schema for a table's columns: see json_columns.h.
 *
 * Decides: an object with the topic's name for its title, and a member for each column, which may
 * be null unless the column is NOT NULL, and is then required; of the type as which the format json
 * writes it. Other members are not forbidden: that is left to whoever sets the option schema.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "format/json_columns.h"
#include "format/json_write.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/lsyscache.h"

/* "" of what may be any JSON. */
static const char *
type_name(Oid type)
{
	switch (type)
	{
		case BOOLOID:
			return "boolean";
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return "integer";
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			return "number";
		case JSONOID:
		case JSONBOID:
			return "";
		default:
			break;
	}
	if (OidIsValid(get_element_type(type)))
		return "array";
	return get_typtype(type) == TYPTYPE_COMPOSITE ? "object" : "string";
}

static const char *
format_of(Oid type)
{
	switch (type)
	{
		case DATEOID:
			return ",\"format\":\"date\"";
		case TIMESTAMPTZOID:
			return ",\"format\":\"date-time\"";
		case UUIDOID:
			return ",\"format\":\"uuid\"";
		default:
			return "";
	}
}

/* As the column's options say that times and decimals are written; NULL: they say nothing. */
static const char *
styled_name(const CqColumn *column)
{
	switch (getBaseType(column->type))
	{
		case DATEOID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case INTERVALOID:
			if (column->style.times == CQ_TIMES_PATTERN)
				return "string";
			return column->style.times >= CQ_TIMES_SECONDS ? "number" : NULL;
		case NUMERICOID:
			return column->style.numbers >= CQ_NUMBERS_STRING ? "string" : NULL;
		default:
			return NULL;
	}
}

static void
append_type(Oid type, bool may_be_null, StringInfo out)
{
	Oid			base = getBaseType(type);
	const char *name = type_name(base);

	if (*name == '\0')
		appendStringInfoString(out, "{}");
	else
	{
		appendStringInfo(out, may_be_null ? "{\"type\":[\"null\",\"%s\"]%s" : "{\"type\":\"%s\"%s",
						 name, format_of(base));
		if (OidIsValid(get_element_type(base)))
		{
			appendStringInfoString(out, ",\"items\":");
			append_type(get_element_type(base), true, out);
		}
		appendStringInfoChar(out, '}');
	}
}

static void
append_column(const CqColumn *column, StringInfo out)
{
	const char *styled = styled_name(column);

	if (styled == NULL)
		append_type(column->type, !column->is_not_null, out);
	else
		appendStringInfo(out, column->is_not_null ? "{\"type\":\"%s\"}" :
						 "{\"type\":[\"null\",\"%s\"]}", styled);
}

static void
append_name(const char *name, StringInfo out)
{
	char	   *utf8 = pg_server_to_any(name, strlen(name), PG_UTF8);

	cq_json_write_string(out, utf8, strlen(utf8));
}

static const char *
name_of(const CqColumn *column)
{
	if (list_length(column->path) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_COLUMN_NAME),
				 errmsg("column \"%s\" cannot be a member of a schema that is made of the columns",
						column->name),
				 errdetail("Its path has several names."),
				 errhint("Set the option schema of the stream, or the option path of the "
						 "column.")));
	return linitial(column->path);
}

static void
append_required(const CqColumn *columns, int ncolumns, StringInfo out)
{
	const char *separator = ",\"required\":[";

	for (int i = 0; i < ncolumns; i++)
	{
		if (!columns[i].is_not_null)
			continue;
		appendStringInfoString(out, separator);
		separator = ",";
		append_name(name_of(&columns[i]), out);
	}
	if (*separator == ',' && separator[1] == '\0')
		appendStringInfoChar(out, ']');
}

static void
append_object(const char *title, const CqColumn *columns, int ncolumns, StringInfo out)
{
	appendStringInfoString(out, "{\"title\":");
	append_name(title, out);
	appendStringInfoString(out, ",\"type\":\"object\",\"properties\":{");
	for (int i = 0; i < ncolumns; i++)
	{
		if (i > 0)
			appendStringInfoChar(out, ',');
		append_name(name_of(&columns[i]), out);
		appendStringInfoChar(out, ':');
		append_column(&columns[i], out);
	}
	appendStringInfoChar(out, '}');
	append_required(columns, ncolumns, out);
	appendStringInfoChar(out, '}');
}

char *
cq_json_columns_schema(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	StringInfoData schema;
	char	   *title = psprintf("%s%s", options->topic, options->is_key ? "_key" : "");

	initStringInfo(&schema);
	if (!options->is_enveloped)
	{
		append_object(title, columns, ncolumns, &schema);
		return schema.data;
	}
	appendStringInfoString(&schema, "{\"title\":\"Envelope\",\"type\":\"object\",\"properties\":{"
						   "\"before\":{\"oneOf\":[{\"type\":\"null\"},");
	append_object(title, columns, ncolumns, &schema);
	appendStringInfoString(&schema, "]},\"after\":{\"oneOf\":[{\"type\":\"null\"},");
	append_object(title, columns, ncolumns, &schema);
	appendStringInfoString(&schema, "]},\"op\":{\"type\":\"string\"},"
						   "\"ts_ms\":{\"type\":\"integer\"}},\"required\":[\"op\"]}");
	return schema.data;
}
