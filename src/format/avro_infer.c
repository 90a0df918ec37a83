/*
 * avro_infer.c
 *		Which columns a schema suggests: see avro_infer.h.
 *
 * Decides: one column for each field of the record, in their order, of the type that takes all of
 * its values and loses nothing: arrays of what is no array are arrays; records, maps and unions of
 * several types are jsonb. A schema that is no record is one column, the message as a whole.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/heap.h"
#include "catalog/pg_type.h"
#include "common/name.h"
#include "format/avro_infer.h"
#include "format/avro_schema.h"
#include "mb/pg_wchar.h"
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

static bool
is_system_column(const char *name)
{
	return SystemAttributeByName(name) != NULL;
}

static CqColumn *
make_column(char *name, char *field, AttrNumber attno, CqAvroSchema *schema, bool is_not_null)
{
	CqColumn   *column = palloc0(sizeof(CqColumn));

	column->attno = attno;
	column->name = name;
	column->path = list_make1(field);
	column->typmod = -1;
	column->type = type_of(schema, &column->typmod);
	column->collation = get_typcollation(column->type);
	column->is_not_null = is_not_null;
	return column;
}

static List *
columns_of_record(const CqAvroSchema *schema, List **remarks)
{
	int			nfields = Min(schema->nfields, MaxHeapAttributeNumber);
	List	   *fields = NIL;
	List	   *names;
	List	   *columns = NIL;

	for (int i = 0; i < nfields; i++)
	{
		const char *name = schema->fields[i].name;

		fields = lappend(fields, pg_any_to_server(name, strlen(name), PG_UTF8));
	}
	names = cq_name_choose(fields, is_system_column);
	for (int i = 0; i < nfields; i++)
	{
		const CqAvroField *field = &schema->fields[i];
		bool		is_not_null = !has_null(field->type) && field->fallback.kind == CQ_JSON_MISSING;

		if (strcmp(list_nth(names, i), list_nth(fields, i)) != 0)
			*remarks = lappend(*remarks, psprintf("Field \"%s\" is column \"%s\".",
												  (char *) list_nth(fields, i),
												  (char *) list_nth(names, i)));
		columns = lappend(columns, make_column(list_nth(names, i), list_nth(fields, i), i + 1,
											   field->type, is_not_null));
	}
	if (schema->nfields > nfields)
		*remarks = lappend(*remarks, psprintf("%d fields are left out, since a table has at most "
											  "%d columns.",
											  schema->nfields - nfields, nfields));
	return columns;
}

List *
cq_avro_infer(const CqRegistrySchema *found, List **remarks)
{
	CqAvroNames names = {0};
	CqAvroSchema *schema = NULL;
	ListCell   *cell;

	if (strcmp(found->type, "AVRO") != 0)
	{
		*remarks = lappend(*remarks, psprintf("Its schema is one of %s, which is not supported "
											  "yet.", found->type));
		return NIL;
	}
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
		return columns_of_record(schema, remarks);
	return list_make1(make_column(pstrdup("value"), pstrdup(""), 1, schema, false));
}
