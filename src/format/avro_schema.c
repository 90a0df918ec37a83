/*
 * avro_schema.c
 *		A schema of Avro as a tree of types: see avro_schema.h.
 *
 * The text is checked to be JSON, and no deeper than messages may be, before anything is made of
 * it.
 */
#include "postgres.h"

#include <limits.h>

#include "format/avro_schema.h"
#include "format/json_parser.h"
#include "format/json_walk.h"
#include "format/name_case.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

/* What is being read. */
typedef struct Reading
{
	CqAvroNames *names;
	CqReject   *reject;			/* set at the first fault */
} Reading;

static CqAvroSchema *read_type(Reading *reading, const CqJsonToken *token, const char *space);

static const struct
{
	const char *name;
	CqAvroKind	kind;
	int64		min_size;
}			primitives[] = {
	{"null", CQ_AVRO_NULL, 0},
	{"boolean", CQ_AVRO_BOOLEAN, 1},
	{"int", CQ_AVRO_INT, 1},
	{"long", CQ_AVRO_LONG, 1},
	{"float", CQ_AVRO_FLOAT, 4},
	{"double", CQ_AVRO_DOUBLE, 8},
	{"bytes", CQ_AVRO_BYTES, 1},
	{"string", CQ_AVRO_STRING, 1},
};

static const char *const complex_names[] = {
	[CQ_AVRO_FIXED] = "fixed", [CQ_AVRO_ENUM] = "enum", [CQ_AVRO_ARRAY] = "array",
	[CQ_AVRO_MAP] = "map", [CQ_AVRO_UNION] = "union", [CQ_AVRO_RECORD] = "record"
};

const char *
cq_avro_schema_name(const CqAvroSchema *schema)
{
	if (schema->name != NULL)
		return schema->name;
	if (schema->kind <= CQ_AVRO_STRING)
		return primitives[schema->kind].name;
	return complex_names[schema->kind];
}

static void fail(Reading *reading, const char *format,...) pg_attribute_printf(2, 3);

static void
fail(Reading *reading, const char *format,...)
{
	char		text[512];
	va_list		args;

	if (reading->reject != NULL)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	reading->reject = cq_reject(ERRCODE_FDW_INVALID_DATA_TYPE, "invalid Avro schema: %s", text);
}

static CqAvroSchema *
make_type(Reading *reading, CqAvroKind kind)
{
	CqAvroSchema *schema;

	if (++reading->names->ntypes > CQ_AVRO_MAX_TYPES)
	{
		fail(reading, "it has more than %d types", CQ_AVRO_MAX_TYPES);
		return NULL;
	}
	schema = palloc0(sizeof(CqAvroSchema));
	schema->kind = kind;
	schema->min_size = kind <= CQ_AVRO_STRING ? primitives[kind].min_size : 1;
	return schema;
}

/* ---- attributes ---- */

static bool
find_member(const CqJsonToken *object, const char *name, CqJsonToken *value)
{
	CqJsonToken found;
	uint32		place = 1;

	while (cq_json_token_next_member(object, &place, &found, value))
	{
		if (found.length == strlen(name) && memcmp(found.text, name, found.length) == 0)
			return true;
	}
	value->kind = CQ_JSON_MISSING;
	return false;
}

/* A string's content, UTF-8; NULL where it is none, or stands for no text. */
static char *
string_of(const CqJsonToken *token)
{
	char	   *text;
	const char *reason;
	int64		length;

	if (token->kind != CQ_JSON_STRING)
		return NULL;
	text = palloc(token->length + 1);
	length = token->length;
	if (token->is_escaped)
		length = cq_json_token_unescape(token->text, token->length, text, &reason);
	else
		memcpy(text, token->text, token->length);
	if (length < 0)
		return NULL;
	text[length] = '\0';
	return text;
}

static char *
string_member(const CqJsonToken *object, const char *name)
{
	CqJsonToken value;

	return find_member(object, name, &value) ? string_of(&value) : NULL;
}

static bool
integer_member(const CqJsonToken *object, const char *name, int64 *integer)
{
	CqJsonToken value;

	if (!find_member(object, name, &value) || value.kind != CQ_JSON_INTEGER)
		return false;
	*integer = value.integer;
	return true;
}

static int
count_elements(const CqJsonToken *array)
{
	CqJsonToken element;
	uint32		place = 1;
	int			count = 0;

	while (cq_json_token_next_element(array, &place, &element))
		count++;
	return count;
}

/* ---- names ---- */

static char *
full_name(const char *name, const char *space)
{
	if (strchr(name, '.') != NULL || space == NULL || *space == '\0')
		return pstrdup(name);
	return psprintf("%s.%s", space, name);
}

static CqAvroSchema *
find_named(const Reading *reading, const char *name)
{
	ListCell   *cell;

	foreach(cell, reading->names->types)
	{
		CqAvroSchema *schema = lfirst(cell);

		if (strcmp(schema->name, name) == 0)
			return schema;
	}
	return NULL;
}

/* A type by name: of the same namespace, or else as it stands. */
static CqAvroSchema *
refer(Reading *reading, const char *name, const char *space)
{
	CqAvroSchema *schema;

	for (int i = 0; i < (int) lengthof(primitives); i++)
	{
		if (strcmp(primitives[i].name, name) == 0)
			return make_type(reading, primitives[i].kind);
	}
	schema = find_named(reading, full_name(name, space));
	if (schema == NULL)
		schema = find_named(reading, name);
	if (schema == NULL)
		fail(reading, "there is no type \"%s\"", name);
	return schema;
}

/* Begins a named type; *space is the namespace of what stands within. */
static CqAvroSchema *
make_named(Reading *reading, CqAvroKind kind, const CqJsonToken *object, const char **space)
{
	char	   *name = string_member(object, "name");
	char	   *own_space = string_member(object, "namespace");
	CqAvroSchema *schema;
	char	   *dot;

	if (name == NULL || *name == '\0')
	{
		fail(reading, "a type of kind %s has no name", complex_names[kind]);
		return NULL;
	}
	name = full_name(name, own_space != NULL ? own_space : *space);
	if (find_named(reading, name) != NULL)
	{
		fail(reading, "type \"%s\" is there twice", name);
		return NULL;
	}
	schema = make_type(reading, kind);
	if (schema == NULL)
		return NULL;
	schema->name = name;
	dot = strrchr(name, '.');
	*space = dot != NULL ? pnstrdup(name, dot - name) : "";
	reading->names->types = lappend(reading->names->types, schema);
	return schema;
}

/* ---- logical types ---- */

static void
set_time(CqAvroSchema *schema, CqAvroLogical logical, int per_second)
{
	schema->logical = logical;
	schema->per_second = per_second;
}

/* Of those kinds that may have them; anything that does not fit is passed over. */
static void
set_decimal(CqAvroSchema *schema, const CqJsonToken *object)
{
	int64		precision;
	int64		scale = 0;

	(void) integer_member(object, "scale", &scale);
	if ((schema->kind != CQ_AVRO_BYTES && schema->kind != CQ_AVRO_FIXED) ||
		!integer_member(object, "precision", &precision) ||
		precision < 1 || precision > INT_MAX || scale < 0 || scale > precision || scale > 16383)
		return;
	schema->logical = CQ_AVRO_DECIMAL;
	schema->precision = (int) precision;
	schema->scale = (int) scale;
}

/* By the specification's names, and those that Kafka Connect and Debezium write beside them. */
static void
set_logical(CqAvroSchema *schema, const CqJsonToken *object)
{
	static const struct
	{
		const char *name;
		CqAvroKind	kind;
		CqAvroLogical logical;
		int			per_second;
	}			times[] = {
		{"date", CQ_AVRO_INT, CQ_AVRO_DATE, 0},
		{"time-millis", CQ_AVRO_INT, CQ_AVRO_TIME, 1000},
		{"time-micros", CQ_AVRO_LONG, CQ_AVRO_TIME, 1000000},
		{"timestamp-millis", CQ_AVRO_LONG, CQ_AVRO_TIMESTAMP, 1000},
		{"timestamp-micros", CQ_AVRO_LONG, CQ_AVRO_TIMESTAMP, 1000000},
		{"timestamp-nanos", CQ_AVRO_LONG, CQ_AVRO_TIMESTAMP, 1000000000},
		{"local-timestamp-millis", CQ_AVRO_LONG, CQ_AVRO_LOCAL_TIMESTAMP, 1000},
		{"local-timestamp-micros", CQ_AVRO_LONG, CQ_AVRO_LOCAL_TIMESTAMP, 1000000},
		{"local-timestamp-nanos", CQ_AVRO_LONG, CQ_AVRO_LOCAL_TIMESTAMP, 1000000000},
		{"uuid", CQ_AVRO_STRING, CQ_AVRO_UUID, 0},
		{"uuid", CQ_AVRO_FIXED, CQ_AVRO_UUID, 0},
		{"duration", CQ_AVRO_FIXED, CQ_AVRO_DURATION, 0},
		{"io.debezium.data.Json", CQ_AVRO_STRING, CQ_AVRO_DOCUMENT, 0},
		{"io.debezium.time.Date", CQ_AVRO_INT, CQ_AVRO_DATE, 0},
		{"io.debezium.time.Time", CQ_AVRO_INT, CQ_AVRO_TIME, 1000},
		{"io.debezium.time.MicroTime", CQ_AVRO_LONG, CQ_AVRO_TIME, 1000000},
		{"io.debezium.time.NanoTime", CQ_AVRO_LONG, CQ_AVRO_TIME, 1000000000},
		{"io.debezium.time.Timestamp", CQ_AVRO_LONG, CQ_AVRO_LOCAL_TIMESTAMP, 1000},
		{"io.debezium.time.MicroTimestamp", CQ_AVRO_LONG, CQ_AVRO_LOCAL_TIMESTAMP, 1000000},
		{"io.debezium.time.NanoTimestamp", CQ_AVRO_LONG, CQ_AVRO_LOCAL_TIMESTAMP, 1000000000},
	};
	char	   *name = string_member(object, "logicalType");

	if (name == NULL)
		name = string_member(object, "connect.name");
	if (name == NULL)
		return;
	if (strcmp(name, "decimal") == 0)
		set_decimal(schema, object);
	for (int i = 0; i < (int) lengthof(times); i++)
	{
		if (strcmp(times[i].name, name) != 0 || times[i].kind != schema->kind)
			continue;
		if ((times[i].logical == CQ_AVRO_DURATION && schema->size != 12) ||
			(times[i].logical == CQ_AVRO_UUID && schema->kind == CQ_AVRO_FIXED &&
			 schema->size != 16))
			continue;
		set_time(schema, times[i].logical, times[i].per_second);
	}
}

/* ---- kinds ---- */

static CqAvroSchema *
read_fixed(Reading *reading, const CqJsonToken *object, const char *space)
{
	CqAvroSchema *schema = make_named(reading, CQ_AVRO_FIXED, object, &space);
	int64		size;

	if (schema == NULL)
		return NULL;
	if (!integer_member(object, "size", &size) || size < 0 || size > (int64) MaxAllocSize)
	{
		fail(reading, "type \"%s\" has no valid size", schema->name);
		return NULL;
	}
	schema->size = schema->min_size = size;
	set_logical(schema, object);
	return schema;
}

static CqAvroSchema *
read_enum(Reading *reading, const CqJsonToken *object, const char *space)
{
	CqAvroSchema *schema = make_named(reading, CQ_AVRO_ENUM, object, &space);
	CqJsonToken symbols;
	CqJsonToken symbol;
	uint32		place = 1;

	if (schema == NULL)
		return NULL;
	if (!find_member(object, "symbols", &symbols) || symbols.kind != CQ_JSON_ARRAY)
	{
		fail(reading, "type \"%s\" has no symbols", schema->name);
		return NULL;
	}
	schema->symbols = palloc(sizeof(char *) * Max(count_elements(&symbols), 1));
	while (cq_json_token_next_element(&symbols, &place, &symbol))
	{
		char	   *text = string_of(&symbol);

		if (text == NULL)
		{
			fail(reading, "a symbol of type \"%s\" is no string", schema->name);
			return NULL;
		}
		schema->symbols[schema->nsymbols++] = text;
	}
	return schema;
}

static CqAvroSchema *
read_items(Reading *reading, CqAvroKind kind, const CqJsonToken *object, const char *space)
{
	const char *member = kind == CQ_AVRO_ARRAY ? "items" : "values";
	CqAvroSchema *schema = make_type(reading, kind);
	CqJsonToken items;

	if (schema == NULL)
		return NULL;
	if (!find_member(object, member, &items))
	{
		fail(reading, "a type of kind %s has no %s", complex_names[kind], member);
		return NULL;
	}
	schema->items = read_type(reading, &items, space);
	return schema->items != NULL ? schema : NULL;
}

static CqAvroSchema *
read_union(Reading *reading, const CqJsonToken *array, const char *space)
{
	CqAvroSchema *schema = make_type(reading, CQ_AVRO_UNION);
	CqJsonToken branch;
	uint32		place = 1;

	if (schema == NULL)
		return NULL;
	schema->branches = palloc(sizeof(CqAvroSchema *) * Max(count_elements(array), 1));
	while (cq_json_token_next_element(array, &place, &branch))
	{
		CqAvroSchema *type = read_type(reading, &branch, space);

		if (type != NULL && type->kind == CQ_AVRO_UNION)
			fail(reading, "a union holds another one");
		if (reading->reject != NULL)
			return NULL;
		schema->branches[schema->nbranches++] = type;
	}
	if (schema->nbranches == 0)
		fail(reading, "a union has no branches");
	return schema->nbranches > 0 ? schema : NULL;
}

static List *
read_aliases(const CqJsonToken *object)
{
	List	   *aliases = NIL;
	CqJsonToken array;
	CqJsonToken alias;
	uint32		place = 1;

	if (!find_member(object, "aliases", &array) || array.kind != CQ_JSON_ARRAY)
		return NIL;
	while (cq_json_token_next_element(&array, &place, &alias))
	{
		if (alias.kind == CQ_JSON_STRING)
			aliases = lappend(aliases, string_of(&alias));
	}
	return list_delete_ptr(aliases, NULL);
}

/* A copy of a value as it stands, with something behind it that ends a number. */
static CqJsonToken
keep_token(const CqJsonToken *token)
{
	CqJsonToken kept = *token;
	uint32		quotes = token->kind == CQ_JSON_STRING ? 1 : 0;
	char	   *text;

	if (token->kind == CQ_JSON_MISSING)
		return kept;
	text = palloc(token->length + 2 * quotes + 1);
	memcpy(text, token->text - quotes, token->length + 2 * quotes);
	text[token->length + 2 * quotes] = ' ';
	kept.text = text + quotes;
	return kept;
}

static bool
read_field(Reading *reading, const CqAvroSchema *record, const CqJsonToken *object,
		   const char *space, CqAvroField *field)
{
	CqJsonToken type;
	CqJsonToken fallback;

	if (object->kind != CQ_JSON_OBJECT || (field->name = string_member(object, "name")) == NULL)
	{
		fail(reading, "a field of type \"%s\" has no name", record->name);
		return false;
	}
	if (!find_member(object, "type", &type))
	{
		fail(reading, "field \"%s\" of type \"%s\" has no type", field->name, record->name);
		return false;
	}
	field->aliases = read_aliases(object);
	field->doc = string_member(object, "doc");
	(void) find_member(object, "default", &fallback);
	field->fallback = keep_token(&fallback);
	field->type = read_type(reading, &type, space);
	return field->type != NULL;
}

/*
 * A record that is not complete yet has a size below zero: one that it holds for certain is itself.
 */
static CqAvroSchema *
read_record(Reading *reading, const CqJsonToken *object, const char *space)
{
	CqAvroSchema *schema = make_named(reading, CQ_AVRO_RECORD, object, &space);
	int64		size = 0;
	CqJsonToken fields;
	CqJsonToken field;
	uint32		place = 1;

	if (schema == NULL)
		return NULL;
	if (!find_member(object, "fields", &fields) || fields.kind != CQ_JSON_ARRAY)
	{
		fail(reading, "type \"%s\" has no fields", schema->name);
		return NULL;
	}
	schema->min_size = -1;
	schema->fields = palloc0(sizeof(CqAvroField) * Max(count_elements(&fields), 1));
	while (cq_json_token_next_element(&fields, &place, &field))
	{
		CqAvroField *next = &schema->fields[schema->nfields];

		if (!read_field(reading, schema, &field, space, next))
			return NULL;
		if (next->type->min_size < 0)
		{
			fail(reading, "type \"%s\" holds itself without an end", next->type->name);
			return NULL;
		}
		size = Min(size + next->type->min_size, (int64) MaxAllocSize);
		schema->nfields++;
	}
	schema->min_size = size;
	return schema;
}

static CqAvroSchema *
read_object(Reading *reading, const CqJsonToken *object, const char *space)
{
	CqJsonToken type;
	CqAvroSchema *schema;
	char	   *name;

	if (!find_member(object, "type", &type))
	{
		fail(reading, "a type is an object without \"type\"");
		return NULL;
	}
	if (type.kind != CQ_JSON_STRING)
		return read_type(reading, &type, space);
	name = string_of(&type);
	if (name == NULL)
	{
		fail(reading, "the name of a type is no text");
		return NULL;
	}
	if (strcmp(name, "record") == 0 || strcmp(name, "error") == 0)
		return read_record(reading, object, space);
	if (strcmp(name, "enum") == 0)
		return read_enum(reading, object, space);
	if (strcmp(name, "fixed") == 0)
		return read_fixed(reading, object, space);
	if (strcmp(name, "array") == 0)
		return read_items(reading, CQ_AVRO_ARRAY, object, space);
	if (strcmp(name, "map") == 0)
		return read_items(reading, CQ_AVRO_MAP, object, space);
	schema = refer(reading, name, space);
	if (schema != NULL && schema->kind <= CQ_AVRO_STRING)
		set_logical(schema, object);
	return schema;
}

static CqAvroSchema *
read_type(Reading *reading, const CqJsonToken *token, const char *space)
{
	char	   *name;

	switch (token->kind)
	{
		case CQ_JSON_STRING:
			name = string_of(token);
			if (name != NULL)
				return refer(reading, name, space);
			break;
		case CQ_JSON_ARRAY:
			return read_union(reading, token, space);
		case CQ_JSON_OBJECT:
			return read_object(reading, token, space);
		default:
			break;
	}
	fail(reading, "a type is neither a name, nor an object, nor an array");
	return NULL;
}

/* ---- the whole ---- */

static void
free_parser(void *parser)
{
	cq_json_parser_free(parser);
}

/*
 * Is the value all that stands from text on, up to the brace behind it? A text may try to add
 * members of its own.
 */
static bool
is_all(const CqJsonToken *token, const char *text)
{
	uint32		quotes = token->kind == CQ_JSON_STRING ? 1 : 0;
	const char *end = token->text + token->length + quotes;

	while (cq_json_is_space(*text))
		text++;
	while (cq_json_is_space(*end))
		end++;
	return token->text - quotes == text && end[0] == '}' && end[1] == '\0';
}

/* As the field of an object, since what is walked is one. */
static bool
check_json(const char *text, Size length, CqJsonToken *token, Reading *reading)
{
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));
	CqJsonParser *parser = cq_json_parser_create();
	CqJsonShape *shape = cq_json_shape_create(false);
	char	   *wrapped = palloc(length + 8);
	CqJsonFault fault;

	if (parser == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Failed to create a JSON parser.")));
	callback->func = free_parser;
	callback->arg = parser;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);

	memcpy(wrapped, "{\"s\":", 5);
	memcpy(wrapped + 5, text, length);
	wrapped[length + 5] = '}';
	wrapped[length + 6] = '\0';
	(void) cq_json_shape_add(shape, list_make1("s"));
	if (!cq_json_walk(shape, parser, wrapped, (uint32) length + 6, &fault))
		fail(reading, "%s", fault.reason);
	else if (!is_all(&shape->tokens[0], wrapped + 5))
		fail(reading, "it is not one value of JSON");
	*token = shape->tokens[0];
	return reading->reject == NULL;
}

CqAvroSchema *
cq_avro_schema_parse(const char *text, Size length, CqAvroNames *names, CqReject **reject)
{
	MemoryContext kept = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(kept, "pg_cq schema text",
												  ALLOCSET_DEFAULT_SIZES);
	Reading		reading = {.names = names};
	CqAvroSchema *schema = NULL;
	CqJsonToken token;
	bool		is_json = false;

	if (length > CQ_AVRO_MAX_SCHEMA)
		fail(&reading, "it is longer than %d bytes", CQ_AVRO_MAX_SCHEMA);
	else
	{
		MemoryContextSwitchTo(context);
		is_json = check_json(text, length, &token, &reading);
		MemoryContextSwitchTo(kept);
	}
	if (is_json)
		schema = read_type(&reading, &token, "");
	if (reading.reject != NULL)
	{
		schema = NULL;
		*reject = cq_reject(reading.reject->sqlerrcode, "%s", reading.reject->message);
	}
	MemoryContextDelete(context);
	return schema;
}

CqReject *
cq_avro_schema_check(const char *text, bool ignores_case)
{
	char	   *utf8 = pg_server_to_any(text, strlen(text), PG_UTF8);
	CqAvroNames names = {0};
	CqReject   *reject = NULL;

	if (cq_avro_schema_parse(utf8, strlen(utf8), &names, &reject) != NULL && ignores_case)
		reject = cq_avro_schema_check_case(&names);
	return reject;
}

CqAvroField *
cq_avro_schema_field(const CqAvroSchema *schema, const char *name)
{
	return cq_avro_schema_field_in_case(schema, name, false);
}

CqAvroField *
cq_avro_schema_field_in_case(const CqAvroSchema *schema, const char *name, bool ignores_case)
{
	for (int i = 0; i < schema->nfields; i++)
	{
		if (cq_name_case_same(schema->fields[i].name, name, ignores_case))
			return &schema->fields[i];
	}
	for (int i = 0; i < schema->nfields; i++)
	{
		ListCell   *cell;

		foreach(cell, schema->fields[i].aliases)
			if (cq_name_case_same(lfirst(cell), name, ignores_case))
				return &schema->fields[i];
	}
	return NULL;
}

CqReject *
cq_avro_schema_check_case(const CqAvroNames *names)
{
	CqReject   *reject = NULL;
	ListCell   *cell;

	foreach(cell, names->types)
	{
		const CqAvroSchema *schema = lfirst(cell);
		const char **fields = palloc(sizeof(char *) * Max(schema->nfields, 1));

		for (int i = 0; i < schema->nfields; i++)
			fields[i] = schema->fields[i].name;
		reject = cq_name_case_check(fields, schema->nfields, schema->name);
		pfree(fields);
		if (reject != NULL)
			break;
	}
	return reject;
}

CqAvroSchema *
cq_avro_schema_without_null(CqAvroSchema *schema)
{
	if (schema->kind != CQ_AVRO_UNION || schema->nbranches != 2)
		return schema;
	if (schema->branches[0]->kind == CQ_AVRO_NULL)
		return schema->branches[1];
	return schema->branches[1]->kind == CQ_AVRO_NULL ? schema->branches[0] : schema;
}
