/*
 * avro_reference.c
 *		What Avro C makes of schemas and messages, and schemas and messages by chance.
 *
 * Avro C raises nothing and uses malloc; what is here frees it where it can, and else leaves it to the test's process.
 */
#include "postgres.h"

#include <avro.h>
#include <math.h>

#include "access/htup_details.h"
#include "common/pg_prng.h"
#include "common/shortest_dec.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"

PG_FUNCTION_INFO_V1(avro_reference);
PG_FUNCTION_INFO_V1(avro_random_schema);
PG_FUNCTION_INFO_V1(avro_random_value);

#define DEEPEST 4

static pg_prng_state chance;

static int
draw(int n)
{
	return (int) pg_prng_uint64_range(&chance, 0, n - 1);
}

static avro_value_iface_t *
make_class(text *schema_text, avro_schema_t *schema)
{
	char	   *json = text_to_cstring(schema_text);

	if (avro_schema_from_json_length(json, strlen(json), schema) != 0)
		elog(ERROR, "Avro C refuses the schema: %s", avro_strerror());
	return avro_generic_class_from_schema(*schema);
}

/* ---- to JSON, in our manner ---- */

static void append(avro_value_t *value, StringInfo out);

static void
append_number(double number, const char *digits, StringInfo out)
{
	if (isnan(number))
		appendStringInfoString(out, "\"NaN\"");
	else if (isinf(number))
		appendStringInfoString(out, number > 0 ? "\"Infinity\"" : "\"-Infinity\"");
	else
		appendStringInfoString(out, digits);
}

static void
append_bytes(const char *bytes, size_t size, StringInfo out)
{
	appendStringInfoString(out, "\"\\\\x");
	for (size_t i = 0; i < size; i++)
		appendStringInfo(out, "%02x", (uint8) bytes[i]);
	appendStringInfoChar(out, '"');
}

/* Of records and maps, with names, and arrays. */
static void
append_items(avro_value_t *value, bool is_object, StringInfo out)
{
	size_t		size;

	avro_value_get_size(value, &size);
	appendStringInfoChar(out, is_object ? '{' : '[');
	for (size_t i = 0; i < size; i++)
	{
		avro_value_t item;
		const char *name = NULL;

		avro_value_get_by_index(value, i, &item, &name);
		if (i > 0)
			appendStringInfoChar(out, ',');
		if (is_object)
		{
			escape_json(out, name);
			appendStringInfoChar(out, ':');
		}
		append(&item, out);
	}
	appendStringInfoChar(out, is_object ? '}' : ']');
}

static void
append(avro_value_t *value, StringInfo out)
{
	char		digits[DOUBLE_SHORTEST_DECIMAL_LEN];
	int			flag;
	int32_t		integer;
	int64_t		number;
	float		single;
	double		real;
	const char *text;
	const void *bytes;
	size_t		size;
	avro_value_t branch;

	switch (avro_value_get_type(value))
	{
		case AVRO_NULL:
			appendStringInfoString(out, "null");
			break;
		case AVRO_BOOLEAN:
			avro_value_get_boolean(value, &flag);
			appendStringInfoString(out, flag ? "true" : "false");
			break;
		case AVRO_INT32:
			avro_value_get_int(value, &integer);
			appendStringInfo(out, "%d", integer);
			break;
		case AVRO_INT64:
			avro_value_get_long(value, &number);
			appendStringInfo(out, INT64_FORMAT, (int64) number);
			break;
		case AVRO_FLOAT:
			avro_value_get_float(value, &single);
			float_to_shortest_decimal_buf(single, digits);
			append_number(single, digits, out);
			break;
		case AVRO_DOUBLE:
			avro_value_get_double(value, &real);
			double_to_shortest_decimal_buf(real, digits);
			append_number(real, digits, out);
			break;
		case AVRO_BYTES:
			avro_value_get_bytes(value, &bytes, &size);
			append_bytes(bytes, size, out);
			break;
		case AVRO_FIXED:
			avro_value_get_fixed(value, &bytes, &size);
			append_bytes(bytes, size, out);
			break;
		case AVRO_STRING:
			avro_value_get_string(value, &text, &size);
			escape_json(out, text);
			break;
		case AVRO_ENUM:
			avro_value_get_enum(value, &flag);
			escape_json(out, avro_schema_enum_get(avro_value_get_schema(value), flag));
			break;
		case AVRO_ARRAY:
			append_items(value, false, out);
			break;
		case AVRO_MAP:
		case AVRO_RECORD:
			append_items(value, true, out);
			break;
		case AVRO_UNION:
			avro_value_get_current_branch(value, &branch);
			append(&branch, out);
			break;
		default:
			elog(ERROR, "unexpected type of Avro C");
	}
}

Datum
avro_reference(PG_FUNCTION_ARGS)
{
	bytea	   *message = PG_GETARG_BYTEA_PP(1);
	avro_schema_t schema;
	avro_value_iface_t *class = make_class(PG_GETARG_TEXT_PP(0), &schema);
	avro_reader_t reader = avro_reader_memory(VARDATA_ANY(message), VARSIZE_ANY_EXHDR(message));
	avro_value_t value;
	StringInfoData out;
	bool		is_read;

	initStringInfo(&out);
	avro_generic_value_new(class, &value);
	is_read = avro_value_read(reader, &value) == 0;
	if (is_read)
		append(&value, &out);
	avro_value_decref(&value);
	avro_value_iface_decref(class);
	avro_schema_decref(schema);
	avro_reader_free(reader);
	if (!is_read)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(out.data));
}

/* ---- by chance ---- */

static void
draw_schema(StringInfo out, int depth, int *nnames)
{
	static const char *const primitives[] = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"};
	int			kind = depth == 0 ? 8 + draw(6) : draw(depth >= DEEPEST ? 8 : 14);
	int			n;

	switch (kind)
	{
		case 8:
			appendStringInfo(out, "{\"type\":\"fixed\",\"name\":\"f%d\",\"size\":%d}", ++*nnames, 1 + draw(20));
			break;
		case 9:
			n = ++*nnames;
			appendStringInfo(out, "{\"type\":\"enum\",\"name\":\"e%d\",\"symbols\":[\"A%d\",\"B\",\"C\"]}", n, n);
			break;
		case 10:
			appendStringInfoString(out, "{\"type\":\"array\",\"items\":");
			draw_schema(out, depth + 1, nnames);
			appendStringInfoChar(out, '}');
			break;
		case 11:
			appendStringInfoString(out, "{\"type\":\"map\",\"values\":");
			draw_schema(out, depth + 1, nnames);
			appendStringInfoChar(out, '}');
			break;
		case 12:
			appendStringInfo(out, "{\"type\":\"record\",\"name\":\"r%d\",\"fields\":[", ++*nnames);
			n = 1 + draw(4);
			for (int i = 0; i < n; i++)
			{
				appendStringInfo(out, "%s{\"name\":\"a%d\",\"type\":", i > 0 ? "," : "", i);
				draw_schema(out, depth + 1, nnames);
				appendStringInfoChar(out, '}');
			}
			appendStringInfoString(out, "]}");
			break;
		case 13:
			/* Null, and others that are of different kinds. */
			appendStringInfoString(out, "[\"null\"");
			n = 1 + draw(3);
			for (int i = 0; i < n; i++)
			{
				appendStringInfoChar(out, ',');
				if (i == 0)
					appendStringInfo(out, "\"%s\"", primitives[1 + draw(3)]);
				else if (i == 1)
					appendStringInfo(out, "\"%s\"", primitives[4 + draw(4)]);
				else
					appendStringInfo(out, "{\"type\":\"fixed\",\"name\":\"f%d\",\"size\":2}", ++*nnames);
			}
			appendStringInfoChar(out, ']');
			break;
		default:
			appendStringInfo(out, "\"%s\"", primitives[kind]);
	}
}

Datum
avro_random_schema(PG_FUNCTION_ARGS)
{
	StringInfoData out;
	int			nnames = 0;

	pg_prng_seed(&chance, PG_GETARG_INT32(0));
	initStringInfo(&out);
	appendStringInfoString(&out, "{\"type\":\"record\",\"name\":\"top\",\"fields\":[{\"name\":\"r\",\"type\":");
	draw_schema(&out, 0, &nnames);
	appendStringInfoString(&out, "}]}");
	PG_RETURN_TEXT_P(cstring_to_text(out.data));
}

static int64
draw_integer(void)
{
	int64		bits = (int64) pg_prng_uint64(&chance);

	return draw(4) == 0 ? bits : bits >> (1 + draw(63));
}

static void
draw_value(avro_value_t *value)
{
	static const char *const texts[] = {"", "a", "zwölf", "\"quoted\\\"", "line\nline", "\xf0\x9f\x90\x98", "1", "NaN"};
	char		bytes[32];
	avro_value_t part;
	size_t		size;
	int			n;

	for (int i = 0; i < (int) sizeof(bytes); i++)
		bytes[i] = (char) draw(256);
	switch (avro_value_get_type(value))
	{
		case AVRO_NULL:
			avro_value_set_null(value);
			break;
		case AVRO_BOOLEAN:
			avro_value_set_boolean(value, draw(2));
			break;
		case AVRO_INT32:
			avro_value_set_int(value, (int32) (draw_integer() >> 32));
			break;
		case AVRO_INT64:
			avro_value_set_long(value, draw_integer());
			break;
		case AVRO_FLOAT:
			avro_value_set_float(value, draw(8) == 0 ? INFINITY : (float) draw_integer() / 1000);
			break;
		case AVRO_DOUBLE:
			avro_value_set_double(value, draw(8) == 0 ? NAN : (double) draw_integer() / 1000);
			break;
		case AVRO_BYTES:
			avro_value_set_bytes(value, bytes, draw(sizeof(bytes)));
			break;
		case AVRO_FIXED:
			avro_value_set_fixed(value, bytes, avro_schema_fixed_size(avro_value_get_schema(value)));
			break;
		case AVRO_STRING:
			avro_value_set_string(value, texts[draw(lengthof(texts))]);
			break;
		case AVRO_ENUM:
			avro_value_set_enum(value, draw(3));
			break;
		case AVRO_ARRAY:
			n = draw(4);
			for (int i = 0; i < n; i++)
			{
				avro_value_append(value, &part, NULL);
				draw_value(&part);
			}
			break;
		case AVRO_MAP:
			n = draw(4);
			for (int i = 0; i < n; i++)
			{
				avro_value_add(value, psprintf("k%d", i), &part, NULL, NULL);
				draw_value(&part);
			}
			break;
		case AVRO_RECORD:
			avro_value_get_size(value, &size);
			for (size_t i = 0; i < size; i++)
			{
				avro_value_get_by_index(value, i, &part, NULL);
				draw_value(&part);
			}
			break;
		case AVRO_UNION:
			avro_value_set_branch(value, draw(avro_schema_union_size(avro_value_get_schema(value))), &part);
			draw_value(&part);
			break;
		default:
			elog(ERROR, "unexpected type of Avro C");
	}
}

Datum
avro_random_value(PG_FUNCTION_ARGS)
{
	avro_schema_t schema;
	avro_value_iface_t *class = make_class(PG_GETARG_TEXT_PP(0), &schema);
	avro_value_t value;
	size_t		size;
	bytea	   *result;
	avro_writer_t writer;

	pg_prng_seed(&chance, PG_GETARG_INT32(1));
	avro_generic_value_new(class, &value);
	draw_value(&value);
	avro_value_sizeof(&value, &size);
	result = palloc(VARHDRSZ + size);
	SET_VARSIZE(result, VARHDRSZ + size);
	writer = avro_writer_memory(VARDATA(result), size);
	if (avro_value_write(writer, &value) != 0)
		elog(ERROR, "Avro C cannot write: %s", avro_strerror());
	avro_writer_free(writer);
	avro_value_decref(&value);
	avro_value_iface_decref(class);
	avro_schema_decref(schema);
	PG_RETURN_BYTEA_P(result);
}
