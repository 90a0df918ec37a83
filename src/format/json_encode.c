/*
 * json_encode.c
 *		From a row to a JSON object: see json_encode.h.
 *
 * Decides that a value is written as the server's to_json writes it: numbers and booleans bare, NaN
 * and infinities as strings, times in ISO 8601, bytea as a string in hex, json and jsonb embedded,
 * arrays as arrays, composites and hstore as objects. Null is written as null, so that a message
 * always has all fields. What is written reads back to the same row, and does not depend on
 * settings of whoever writes it. So to_json is not asked for types with a function of their own
 * that makes JSON of them: nothing says that their input takes that. They are strings of their
 * text. Nor for money, whose text depends on a locale: it is a number.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_type.h"
#include "common/settings.h"
#include "common/shortest_dec.h"
#include "format/json_encode.h"
#include "format/json_value_private.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "parser/parse_coerce.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#define MAX_NUMBER_LENGTH	20	/* of an int8, with its sign */

/* A field of the object, or of one within it. */
typedef struct Member
{
	char	   *prefix;			/* what stands before the value: "name": */
	char	   *name;
	const CqColumn *column;		/* NULL: an object, with members */
	bool		is_styled;		/* the option time_format may say how it is written */
	Oid			type;			/* of a domain: the type it is over */
	List	   *members;		/* of Member * */
	bool		is_whole;		/* an array or a row with money in it, written part by part */
	bool		is_text;		/* written as a string of its text: */
	FmgrInfo	function;		/* the output function; else to_json */
} Member;

typedef struct JsonEncoder
{
	Member		top;
	bool		is_utf8;		/* the server's encoding */
	bool		asks_server;	/* what functions of the server write may depend on settings */
} JsonEncoder;

static bool has_money(Oid type);
static void write_whole(Oid type, Datum value, StringInfo out);

static Member *
add_member(Member *parent, const char *name)
{
	Member	   *member = palloc0(sizeof(Member));
	StringInfoData prefix;

	initStringInfo(&prefix);
	escape_json(&prefix, name);
	appendStringInfoChar(&prefix, ':');
	member->prefix = prefix.data;
	member->name = pstrdup(name);
	parent->members = lappend(parent->members, member);
	return member;
}

static Member *
find_member(const Member *parent, const char *name)
{
	ListCell   *cell;

	foreach(cell, parent->members)
		if (strcmp(((Member *) lfirst(cell))->name, name) == 0)
			return lfirst(cell);
	return NULL;
}

/* to_json wants to know, from its call's expression, what type its argument has. */
static void
set_up_to_json(Member *member, Oid type)
{
	Expr	   *argument = (Expr *) makeNullConst(type, -1, get_typcollation(type));

	fmgr_info(F_TO_JSON, &member->function);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSON, JSONOID, list_make1(argument), InvalidOid,
											 InvalidOid,
											 COERCE_EXPLICIT_CALL),
					   &member->function);
}

/* Has it a cast of its own to json, which to_json would use? */
static bool
is_cast_to_json(Oid type)
{
	Oid			function;

	return type >= FirstNormalObjectId &&
		find_coercion_pathway(JSONOID, type, COERCION_EXPLICIT, &function) == COERCION_PATH_FUNC;
}

/* Types whose text is the same under all settings. */
static bool
is_settled(Oid type)
{
	switch (type)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
		case CASHOID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case BYTEAOID:
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case TIMEOID:
		case UUIDOID:
		case JSONOID:
		case JSONBOID:
		case INETOID:
		case CIDROID:
			return true;
		default:
			return false;
	}
}

static bool
row_has_money(Oid type)
{
	TupleDesc	row = lookup_rowtype_tupdesc(type, -1);
	bool		found = false;

	for (int i = 0; i < row->natts && !found; i++)
		found = !TupleDescAttr(row, i)->attisdropped && has_money(TupleDescAttr(row, i)->atttypid);
	ReleaseTupleDesc(row);
	return found;
}

static bool
has_money(Oid type)
{
	Oid			base = getBaseType(type);
	Oid			element = get_element_type(base);

	if (OidIsValid(element))
		return has_money(element);
	return base == CASHOID || (get_typtype(base) == TYPTYPE_COMPOSITE && row_has_money(base));
}

static void
set_up_value(Member *member, Oid type)
{
	Oid			input;
	Oid			output;
	Oid			typioparam;
	bool		is_varlena;

	member->type = getBaseType(type);
	getTypeInputInfo(member->type, &input, &typioparam);
	member->is_text = is_cast_to_json(member->type) && !cq_json_hstore_is(input);
	member->is_whole = !member->is_text && member->type != CASHOID && has_money(member->type);
	if (!member->is_text)
	{
		set_up_to_json(member, type);
		return;
	}
	getTypeOutputInfo(member->type, &output, &is_varlena);
	fmgr_info(output, &member->function);
}

/* Finds the place of a column's field, making the objects on the way to it. */
static void
place_column(JsonEncoder *encoder, const CqColumn *column)
{
	Member	   *member = &encoder->top;
	CqColumn   *copy = palloc(sizeof(CqColumn));
	ListCell   *cell;

	foreach(cell, column->path)
	{
		Member	   *inner = member->column == NULL ? find_member(member, lfirst(cell)) : NULL;

		if (member->column != NULL || (inner != NULL && lnext(column->path, cell) == NULL))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
					 errmsg("column \"%s\" cannot be written to a JSON message", column->name),
					 errdetail("Another column has the same field, or one around or within it.")));
		member = inner != NULL ? inner : add_member(member, lfirst(cell));
	}
	*copy = *column;
	member->column = copy;
	set_up_value(member, column->type);
	member->is_styled = column->style.times != CQ_TIMES_PLAIN;
	encoder->asks_server |= !is_settled(member->type);
}

CqEncoder *
cq_json_encode_open(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	JsonEncoder *encoder = palloc0(sizeof(JsonEncoder));

	encoder->is_utf8 = GetDatabaseEncoding() == PG_UTF8;
	for (int i = 0; i < ncolumns; i++)
		place_column(encoder, &columns[i]);
	return (CqEncoder *) encoder;
}

static void
write_float(float8 number, const char *digits, StringInfo out)
{
	if (isfinite(number))
		appendStringInfoString(out, digits);
	else if (isnan(number))
		appendStringInfoString(out, "\"NaN\"");
	else
		appendStringInfoString(out, number > 0 ? "\"Infinity\"" : "\"-Infinity\"");
}

static void
write_bytes(Datum value, StringInfo out)
{
	bytea	   *bytes = DatumGetByteaPP(value);
	Size		length = VARSIZE_ANY_EXHDR(bytes);

	appendStringInfoString(out, "\"\\\\x");
	enlargeStringInfo(out, length * 2 + 1);
	out->len += hex_encode(VARDATA_ANY(bytes), length, out->data + out->len);
	appendStringInfoChar(out, '"');
}

/* Writes a value of a type that needs no look at the catalogs, for speed; false for others. */
static bool
write_simple(Oid type, Datum value, StringInfo out)
{
	char		number[Max(MAX_NUMBER_LENGTH, DOUBLE_SHORTEST_DECIMAL_LEN) + 1];
	char		time[MAXDATELEN + 1];
	int			utc = 0;

	switch (type)
	{
		case BOOLOID:
			appendStringInfoString(out, DatumGetBool(value) ? "true" : "false");
			return true;
		case INT2OID:
			pg_itoa(DatumGetInt16(value), number);
			break;
		case INT4OID:
			pg_ltoa(DatumGetInt32(value), number);
			break;
		case INT8OID:
			pg_lltoa(DatumGetInt64(value), number);
			break;
		case FLOAT4OID:
			float_to_shortest_decimal_buf(DatumGetFloat4(value), number);
			write_float(DatumGetFloat4(value), number, out);
			return true;
		case FLOAT8OID:
			double_to_shortest_decimal_buf(DatumGetFloat8(value), number);
			write_float(DatumGetFloat8(value), number, out);
			return true;
		case CASHOID:
			value = DirectFunctionCall1(cash_numeric, value);
			appendStringInfoString(out, DatumGetCString(DirectFunctionCall1(numeric_out, value)));
			return true;
		case TEXTOID:
		case VARCHAROID:
			{
				char	   *string = TextDatumGetCString(value);

				escape_json(out, string);
				pfree(string);
				return true;
			}
		case BYTEAOID:
			write_bytes(value, out);
			return true;
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			JsonEncodeDateTime(time, value, type, type == TIMESTAMPTZOID ? &utc : NULL);
			appendStringInfo(out, "\"%s\"", time);
			return true;
		default:
			return false;
	}
	appendStringInfoString(out, number);
	return true;
}

static void
write_value(Member *member, Datum value, StringInfo out)
{
	text	   *json;

	if (write_simple(member->type, value, out))
		return;
	if (member->is_whole)
	{
		write_whole(member->type, value, out);
		return;
	}
	if (member->is_text)
	{
		escape_json(out, OutputFunctionCall(&member->function, value));
		return;
	}
	json = DatumGetTextPP(FunctionCall1(&member->function, value));
	appendBinaryStringInfo(out, VARDATA_ANY(json), VARSIZE_ANY_EXHDR(json));
	pfree(json);
}

/* Such values are rare: nothing is kept ready for their parts. */
static void
write_part(Oid type, Datum value, bool is_null, StringInfo out)
{
	Member		part = {0};

	if (is_null)
	{
		appendStringInfoString(out, "null");
		return;
	}
	set_up_value(&part, type);
	write_value(&part, value, out);
}

/* An array while it is written. */
typedef struct Elements
{
	Oid			type;
	int			ndims;
	int		   *dims;
	Datum	   *values;
	bool	   *nulls;
	int			next;
} Elements;

static void
write_dimension(Elements *elements, int dimension, StringInfo out)
{
	for (int i = 0; i < elements->dims[dimension]; i++)
	{
		appendStringInfoChar(out, i == 0 ? '[' : ',');
		if (dimension + 1 < elements->ndims)
			write_dimension(elements, dimension + 1, out);
		else
		{
			write_part(elements->type, elements->values[elements->next],
					   elements->nulls[elements->next], out);
			elements->next++;
		}
	}
	appendStringInfoChar(out, ']');
}

static void
write_array(Oid type, ArrayType *array, StringInfo out)
{
	Elements	elements = {.type = type, .ndims = ARR_NDIM(array), .dims = ARR_DIMS(array)};
	int16		length;
	bool		is_by_value;
	char		alignment;
	int			nelements;

	if (elements.ndims == 0)
	{
		appendStringInfoString(out, "[]");
		return;
	}
	get_typlenbyvalalign(type, &length, &is_by_value, &alignment);
	deconstruct_array(array, type, length, is_by_value, alignment, &elements.values,
					  &elements.nulls, &nelements);
	write_dimension(&elements, 0, out);
}

static void
write_row(HeapTupleHeader header, StringInfo out)
{
	TupleDesc	row = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header),
											 HeapTupleHeaderGetTypMod(header));
	Datum	   *values = palloc(sizeof(Datum) * row->natts);
	bool	   *nulls = palloc(sizeof(bool) * row->natts);
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_data = header};
	char		separator = '{';

	heap_deform_tuple(&tuple, row, values, nulls);
	for (int i = 0; i < row->natts; i++)
	{
		Form_pg_attribute field = TupleDescAttr(row, i);

		if (field->attisdropped)
			continue;
		appendStringInfoChar(out, separator);
		separator = ',';
		escape_json(out, NameStr(field->attname));
		appendStringInfoChar(out, ':');
		write_part(field->atttypid, values[i], nulls[i], out);
	}
	appendStringInfoChar(out, '}');
	ReleaseTupleDesc(row);
}

/* As to_json writes it, but for the money in it. */
static void
write_whole(Oid type, Datum value, StringInfo out)
{
	Oid			element = get_element_type(type);

	if (OidIsValid(element))
		write_array(element, DatumGetArrayTypeP(value), out);
	else
		write_row(DatumGetHeapTupleHeader(value), out);
}

/* As the column's style says, if it does. */
static bool
write_styled(const Member *member, Datum value, StringInfo out)
{
	const CqValueStyle *style = &member->column->style;
	char	   *text = cq_json_style_write(style, member->type, value);

	if (text == NULL)
		return false;
	if (style->times == CQ_TIMES_PATTERN)
		escape_json(out, text);
	else
		appendStringInfoString(out, text);
	return true;
}

static void
write_object(Member *object, const Datum *values, const bool *nulls, StringInfo out)
{
	char		separator = '{';
	ListCell   *cell;

	if (object->members == NIL)
		appendStringInfoChar(out, separator);
	foreach(cell, object->members)
	{
		Member	   *member = lfirst(cell);

		appendStringInfoChar(out, separator);
		separator = ',';
		appendStringInfoString(out, member->prefix);
		if (member->column == NULL)
			write_object(member, values, nulls, out);
		else if (nulls[member->column->attno - 1])
			appendStringInfoString(out, "null");
		else if (!member->is_styled ||
				 !write_styled(member, values[member->column->attno - 1], out))
			write_value(member, values[member->column->attno - 1], out);
	}
	appendStringInfoChar(out, '}');
}

void
cq_json_encode(CqEncoder *opaque, const Datum *values, const bool *nulls, StringInfo out)
{
	JsonEncoder *encoder = (JsonEncoder *) opaque;
	int			start = out->len;
	int			level = encoder->asks_server ? cq_settings_begin_transmission() : 0;
	char	   *message;

	write_object(&encoder->top, values, nulls, out);
	if (encoder->asks_server)
		cq_settings_end(level);
	if (encoder->is_utf8)
		return;
	message = pg_server_to_any(out->data + start, out->len - start, PG_UTF8);
	if (message != out->data + start)
	{
		out->len = start;
		appendStringInfoString(out, message);
		pfree(message);
	}
}

static void
encode_image(CqEncoder *encoder, const Datum *values, const bool *nulls, StringInfo out)
{
	if (values == NULL)
		appendStringInfoString(out, "null");
	else
		cq_json_encode(encoder, values, nulls, out);
}

void
cq_json_encode_change(CqEncoder *encoder, const CqChange *change, StringInfo out)
{
	char		operation = change->before == NULL ? 'c' : change->after == NULL ? 'd' : 'u';

	appendStringInfoString(out, "{\"before\":");
	encode_image(encoder, change->before, change->before_nulls, out);
	appendStringInfoString(out, ",\"after\":");
	encode_image(encoder, change->after, change->after_nulls, out);
	appendStringInfo(out, ",\"op\":\"%c\",\"ts_ms\":" INT64_FORMAT "}", operation,
					 change->milliseconds);
}
