/*
 * schema_columns.c
 *		Names in schemas that are made of a table's columns: see schema_columns.h.
 */
#include "postgres.h"

#include "format/schema_columns.h"
#include "lib/stringinfo.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
#define DIGITS "0123456789"

static bool
is_name(const char *name)
{
	return *name != '\0' && strspn(name, LETTERS) > 0 &&
		strspn(name, LETTERS DIGITS) == strlen(name);
}

const char *
cq_schema_columns_field(const CqColumn *column, const char *language)
{
	const char *name = linitial(column->path);

	if (list_length(column->path) != 1 || !is_name(name))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_COLUMN_NAME),
				 errmsg("column \"%s\" cannot be a field of a schema that is made of the columns",
						column->name),
				 errdetail("Names in %s have letters without accents, digits and underscores.",
						   language),
				 errhint("Set the option schema of the stream, or the option path of the "
						 "column.")));
	return name;
}

char *
cq_schema_columns_name(const char *topic, bool is_key)
{
	StringInfoData name;

	initStringInfo(&name);
	if (strspn(topic, DIGITS) > 0)
		appendStringInfoChar(&name, '_');
	for (const char *at = topic; *at != '\0'; at++)
		appendStringInfoChar(&name, strchr(".-", *at) != NULL ? '_' : *at);
	appendStringInfoString(&name, is_key ? "_key" : "");
	return name.data;
}
