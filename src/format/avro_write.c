/*
 * avro_write.c
 *		Writes values of Avro: see avro_write.h.
 *
 * Decides what fits a type: what would be read back as the same. Only times lose what is finer than
 * their type's unit. A union takes the first of its branches that the value fits as it is, else the
 * first that it can be made to fit: a number is a string only where no branch takes numbers.
 */
#include "postgres.h"

#include "common/int.h"
#include "format/avro_read.h"
#include "format/avro_write.h"
#include "format/json_scalar.h"
#include "format/json_time.h"
#include "format/json_walk.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define DAYS_BEFORE_2000	(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)

#define LONGEST_PLACE		200 /* bytes of a message beyond which no field is named any more */

/* In all attempts to find the branches of unions: there may be 2^100 ways to fail. */
#define MOST_VALUES			10000000

typedef struct Writing
{
	CqAvroManner manner;
	bool		is_strict;		/* a value must be what it is, not made to fit */
	int			depth;			/* of the value */
	int		   *nvalues;		/* that were tried, in all */
	CqReject   *reject;			/* of the first fault */
} Writing;

static bool write_value(Writing *writing, const CqAvroSchema *schema, const CqJsonToken *token,
						StringInfo out);

static bool fail(Writing *writing, const char *format,...) pg_attribute_printf(2, 3);

/* Always false. */
static bool
fail(Writing *writing, const char *format,...)
{
	char		text[512];
	va_list		args;

	if (writing->reject != NULL)
		return false;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	writing->reject = cq_reject(ERRCODE_INVALID_TEXT_REPRESENTATION, "%s", text);
	return false;
}

static bool
misfit(Writing *writing, const CqAvroSchema *schema, const CqJsonToken *token)
{
	int			quotes = token->kind == CQ_JSON_STRING ? 1 : 0;

	if (token->kind == CQ_JSON_MISSING)
		return fail(writing, "there is no value for type %s", cq_avro_schema_name(schema));
	return fail(writing, "%.*s is no value of type %s",
				pg_encoding_mbcliplen(PG_UTF8, token->text - quotes, token->length + 2 * quotes,
									  100),
				token->text - quotes, cq_avro_schema_name(schema));
}

/* ---- simple values ---- */

void
cq_avro_write_long(int64 value, StringInfo out)
{
	uint64		bits = ((uint64) value << 1) ^ (uint64) (value >> 63);

	for (; bits >= 0x80; bits >>= 7)
		appendStringInfoChar(out, (char) (bits | 0x80));
	appendStringInfoChar(out, (char) bits);
}

static void
write_little_endian(uint64 bits, int length, StringInfo out)
{
	for (int i = 0; i < length; i++, bits >>= 8)
		appendStringInfoChar(out, (char) bits);
}

static void
write_bytes(const char *bytes, int64 length, StringInfo out)
{
	cq_avro_write_long(length, out);
	appendBinaryStringInfo(out, bytes, (int) length);
}

static bool
write_float(Writing *writing, const CqAvroSchema *schema, const CqJsonToken *token, StringInfo out)
{
	float8		number;
	float4		single;
	uint64		bits;
	uint32		single_bits;

	if (!cq_json_scalar_float(token, &number, &single))
		return misfit(writing, schema, token);
	if (schema->kind == CQ_AVRO_DOUBLE)
	{
		memcpy(&bits, &number, sizeof(bits));
		write_little_endian(bits, sizeof(bits), out);
		return true;
	}
	memcpy(&single_bits, &single, sizeof(single_bits));
	write_little_endian(single_bits, sizeof(single_bits), out);
	return true;
}

/* ---- times ---- */

/* Microseconds since midnight: hh:mm:ss[.ffffff]. */
static bool
parse_time(const char *text, int64 *microseconds)
{
	int			hour;
	int			minute;
	int			second;
	int			length = 0;
	int64		fraction = 0;
	int64		unit = USECS_PER_SEC;

	if (sscanf(text, "%2d:%2d:%2d%n", &hour, &minute, &second, &length) != 3 || length != 8)
		return false;
	text += length;
	if (*text == '.')
		for (text++; cq_json_is_digit(*text) && unit > 1; text++)
			fraction += (*text - '0') * (unit /= 10);
	if (*text != '\0' || hour < 0 || hour > 24 || minute < 0 || minute > 59 || second < 0 ||
		second > 60)
		return false;
	*microseconds = ((hour * INT64CONST(60) + minute) * 60 + second) * USECS_PER_SEC + fraction;
	return *microseconds <= USECS_PER_DAY;
}

/* In the units of the type, without what is finer. */
static bool
units_of(const CqAvroSchema *schema, int64 microseconds, int64 *units)
{
	int64		divisor;

	if (schema->per_second > USECS_PER_SEC)
		return !pg_mul_s64_overflow(microseconds, schema->per_second / USECS_PER_SEC, units);
	divisor = USECS_PER_SEC / schema->per_second;
	*units = microseconds / divisor - (microseconds % divisor < 0);
	return true;
}

static bool
parse_units(const CqAvroSchema *schema, const CqJsonToken *token, int64 *units)
{
	CqJsonClock clock = {0};
	char	   *text = cq_json_scalar_text(token);
	int			length;
	int64		time;
	DateADT		date;

	if (text == NULL)
		return false;
	length = strlen(text);
	switch (schema->logical)
	{
		case CQ_AVRO_DATE:
			if (!cq_json_time_date(&clock, text, length, &date))
				return false;
			*units = (int64) date + DAYS_BEFORE_2000;
			return true;
		case CQ_AVRO_TIME:
			return parse_time(text, &time) && units_of(schema, time, units);
		case CQ_AVRO_TIMESTAMP:
			if (!cq_json_time_timestamptz(&clock, text, length, &time))
				return false;
			break;
		default:
			if (!cq_json_time_timestamp(&clock, text, length, &time))
				return false;
			break;
	}
	return units_of(schema, time + DAYS_BEFORE_2000 * USECS_PER_DAY, units);
}

static bool
write_integer(Writing *writing, const CqAvroSchema *schema, const CqJsonToken *token,
			  StringInfo out)
{
	int64		number;
	bool		is_time = schema->logical != CQ_AVRO_PLAIN && token->kind == CQ_JSON_STRING;

	if (is_time ? !parse_units(schema, token, &number) : !cq_json_scalar_whole(token, &number))
		return misfit(writing, schema, token);
	if (schema->kind == CQ_AVRO_INT && (number < PG_INT32_MIN || number > PG_INT32_MAX))
		return misfit(writing, schema, token);
	cq_avro_write_long(number, out);
	return true;
}

/* ---- bytes ---- */

/* Bytes of a type of fixed size, or with their length. */
static bool
write_sized(Writing *writing, const CqAvroSchema *schema, const char *bytes, int64 length,
			StringInfo out)
{
	if (schema->kind != CQ_AVRO_FIXED)
		write_bytes(bytes, length, out);
	else if (length == schema->size)
		appendBinaryStringInfo(out, bytes, (int) length);
	else
		return fail(writing, "type %s has " INT64_FORMAT " bytes, and not " INT64_FORMAT,
					schema->name, schema->size, length);
	return true;
}

/* The characters of a default, each of which is the byte of its code. */
static bool
write_characters(Writing *writing, const CqAvroSchema *schema, const CqJsonToken *token,
				 StringInfo out)
{
	char	   *bytes = palloc(token->length + 1);
	int64		length = 0;
	const char *text = token->text;
	const char *end = token->text + token->length;

	while (text < end)
	{
		uint32		code;

		/* Also \u0000, which is no text. */
		if (text[0] == '\\' && text[1] == 'u')
		{
			code = (uint32) strtol(pnstrdup(text + 2, 4), NULL, 16);
			text += 6;
		}
		else if (text[0] == '\\')
		{
			const char *reason;
			char		character;

			(void) cq_json_token_unescape(text, 2, &character, &reason);
			code = (uint8) character;
			text += 2;
		}
		else
		{
			code = utf8_to_unicode((const unsigned char *) text);
			text += pg_utf_mblen((const unsigned char *) text);
		}
		if (code > 255)
			return misfit(writing, schema, token);
		bytes[length++] = (char) code;
	}
	return write_sized(writing, schema, bytes, length, out);
}

/* Doubles, and adds nine digits at a time, a magnitude whose highest byte is first. */
static void
multiply_add(uint8 *bytes, int length, uint32 factor, uint32 summand)
{
	uint64		carry = summand;

	for (int i = length - 1; i >= 0; i--)
	{
		carry += (uint64) bytes[i] * factor;
		bytes[i] = (uint8) carry;
		carry >>= 8;
	}
}

/*
 * The digits of a decimal without its point, as many behind that as the type has; NULL where there
 * are more, or it is no number.
 */
static char *
scaled_digits(const CqAvroSchema *schema, const char *text)
{
	const char *point = strchr(text, '.');
	int			whole = point != NULL ? point - text : (int) strlen(text);
	int			fraction = point != NULL ? (int) strlen(point + 1) : 0;
	StringInfoData digits;

	if ((int) strspn(text, "0123456789") != whole || whole + fraction == 0 ||
		(point != NULL && (int) strspn(point + 1, "0123456789") != fraction))
		return NULL;
	while (fraction > schema->scale && point[fraction] == '0')
		fraction--;
	if (fraction > schema->scale)
		return NULL;
	while (*text == '0' && whole > 0)
	{
		text++;
		whole--;
	}
	if (whole + schema->scale > schema->precision)
		return NULL;
	initStringInfo(&digits);
	appendBinaryStringInfo(&digits, text, whole);
	appendBinaryStringInfo(&digits, point != NULL ? point + 1 : "", fraction);
	for (; fraction < schema->scale; fraction++)
		appendStringInfoChar(&digits, '0');
	return digits.data;
}

static bool
write_decimal(Writing *writing, const CqAvroSchema *schema, const CqJsonToken *token,
			  StringInfo out)
{
	char	   *text = cq_json_scalar_text(token);
	bool		is_negative = text != NULL && *text == '-';
	char	   *digits = text != NULL ? scaled_digits(schema, text + is_negative) : NULL;
	int			ndigits = digits != NULL ? (int) strlen(digits) : 0;
	int			length = ndigits * 416 / 1000 + 2;	/* more than log 10 / log 256, and a sign */
	uint8	   *bytes = palloc0(length);
	int			carry = 1;
	int			first = 0;

	if (digits == NULL)
		return misfit(writing, schema, token);
	for (int i = 0; i < ndigits; i++)
		multiply_add(bytes, length, 10, digits[i] - '0');
	for (int i = length - 1; i >= 0 && is_negative; i--)
	{
		int			byte = (bytes[i] ^ 0xff) + carry;

		bytes[i] = (uint8) byte;
		carry = byte >> 8;
	}
	/* Bytes that only repeat the sign; of a fixed type as many as it has. */
	while (first < length - 1 && bytes[first] == (bytes[first + 1] & 0x80 ? 0xff : 0) &&
		   (schema->kind != CQ_AVRO_FIXED || length - first > schema->size))
		first++;
	if (schema->kind == CQ_AVRO_FIXED)
	{
		for (int64 i = length - first; i < schema->size; i++)
			appendStringInfoChar(out, bytes[first] & 0x80 ? '\xff' : '\0');
		if (length - first > schema->size)
			return misfit(writing, schema, token);
		appendBinaryStringInfo(out, (char *) bytes + first, length - first);
		return true;
	}
	write_bytes((char *) bytes + first, length - first, out);
	return true;
}

static bool
write_duration(Writing *writing, const CqAvroSchema *schema, const CqJsonToken *token,
			   StringInfo out)
{
	char	   *text = cq_json_scalar_text(token);
	Interval   *interval;
	int64		milliseconds;

	if (token->kind != CQ_JSON_STRING || text == NULL)
		return misfit(writing, schema, token);
	interval = DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(text),
													 ObjectIdGetDatum(InvalidOid),
													 Int32GetDatum(-1)));
	milliseconds = interval->time / 1000;
	if (interval->month < 0 || interval->day < 0 || interval->time < 0 ||
		milliseconds > PG_UINT32_MAX)
		return misfit(writing, schema, token);
	write_little_endian(interval->month, 4, out);
	write_little_endian(interval->day, 4, out);
	write_little_endian(milliseconds, 4, out);
	return true;
}

static bool
write_fixed_uuid(Writing *writing, const CqAvroSchema *schema, const CqJsonToken *token,
				 StringInfo out)
{
	char	   *text = cq_json_scalar_text(token);
	pg_uuid_t  *uuid;

	if (token->kind != CQ_JSON_STRING || text == NULL)
		return misfit(writing, schema, token);
	uuid = DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(text)));
	appendBinaryStringInfo(out, (char *) uuid->data, UUID_LEN);
	return true;
}

/* In the server's hex format, or as text. */
static bool
write_plain_bytes(Writing *writing, const CqAvroSchema *schema, const CqJsonToken *token,
				  StringInfo out)
{
	char	   *text = cq_json_scalar_text(token);
	int64		length = text != NULL ? (int64) strlen(text) : 0;
	char	   *bytes;

	if (text == NULL || token->kind != CQ_JSON_STRING)
		return misfit(writing, schema, token);
	if (text[0] != '\\' || text[1] != 'x')
		return write_sized(writing, schema, text, length, out);
	if (length % 2 != 0 || (int64) strspn(text + 2, "0123456789abcdefABCDEF") != length - 2)
		return misfit(writing, schema, token);
	bytes = palloc(length / 2);
	length = (int64) hex_decode(text + 2, length - 2, bytes);
	return write_sized(writing, schema, bytes, length, out);
}

static bool
write_any_bytes(Writing *writing, const CqAvroSchema *schema, const CqJsonToken *token,
				StringInfo out)
{
	if (writing->manner == CQ_AVRO_OF_SCHEMA)
		return token->kind == CQ_JSON_STRING ? write_characters(writing, schema, token, out) :
			misfit(writing, schema, token);
	switch (schema->logical)
	{
		case CQ_AVRO_DECIMAL:
			return write_decimal(writing, schema, token, out);
		case CQ_AVRO_DURATION:
			return write_duration(writing, schema, token, out);
		case CQ_AVRO_UUID:
			return write_fixed_uuid(writing, schema, token, out);
		default:
			return write_plain_bytes(writing, schema, token, out);
	}
}

/* Whatever is no string is its text, where that is allowed. */
static bool
write_string(Writing *writing, const CqAvroSchema *schema, const CqJsonToken *token, StringInfo out)
{
	char	   *text = cq_json_scalar_text(token);
	int			nquotes = token->kind == CQ_JSON_STRING ? 1 : 0;

	if (schema->logical == CQ_AVRO_DOCUMENT && writing->manner == CQ_AVRO_OF_ROW &&
		token->kind != CQ_JSON_NULL && token->kind != CQ_JSON_MISSING)
	{
		write_bytes(token->text - nquotes, token->length + 2 * nquotes, out);
		return true;
	}
	if (text == NULL || token->kind == CQ_JSON_NULL || token->kind == CQ_JSON_MISSING ||
		(token->kind != CQ_JSON_STRING &&
		 (writing->is_strict || writing->manner == CQ_AVRO_OF_SCHEMA)))
		return misfit(writing, schema, token);
	write_bytes(text, strlen(text), out);
	return true;
}

static bool
write_enum(Writing *writing, const CqAvroSchema *schema, const CqJsonToken *token, StringInfo out)
{
	char	   *text = token->kind == CQ_JSON_STRING ? cq_json_scalar_text(token) : NULL;

	for (int i = 0; text != NULL && i < schema->nsymbols; i++)
	{
		if (strcmp(schema->symbols[i], text) == 0)
		{
			cq_avro_write_long(i, out);
			return true;
		}
	}
	return misfit(writing, schema, token);
}

/* ---- values of values ---- */

/* All items are one block. */
static bool
write_array(Writing *writing, const CqAvroSchema *schema, const CqJsonToken *token, StringInfo out)
{
	CqJsonToken element;
	uint32		place = 1;
	int64		count = 0;

	if (token->kind != CQ_JSON_ARRAY)
		return misfit(writing, schema, token);
	while (cq_json_token_next_element(token, &place, &element))
		count++;
	if (count > 0)
		cq_avro_write_long(count, out);
	place = 1;
	while (cq_json_token_next_element(token, &place, &element))
	{
		if (!write_value(writing, schema->items, &element, out))
			return false;
	}
	cq_avro_write_long(0, out);
	return true;
}

static bool
write_map(Writing *writing, const CqAvroSchema *schema, const CqJsonToken *token, StringInfo out)
{
	CqJsonToken name;
	CqJsonToken value;
	uint32		place = 1;
	int64		count = 0;

	if (token->kind != CQ_JSON_OBJECT)
		return misfit(writing, schema, token);
	while (cq_json_token_next_member(token, &place, &name, &value))
		count++;
	if (count > 0)
		cq_avro_write_long(count, out);
	place = 1;
	while (cq_json_token_next_member(token, &place, &name, &value))
	{
		char	   *key = cq_json_scalar_text(&name);

		if (key == NULL)
			return misfit(writing, schema, token);
		write_bytes(key, strlen(key), out);
		if (!write_value(writing, schema->items, &value, out))
			return false;
	}
	cq_avro_write_long(0, out);
	return true;
}

/* The member for a field, by its name or else one of its aliases. */
static bool
find_field(const CqJsonToken *object, const CqAvroField *field, CqJsonToken *value)
{
	CqJsonToken name;
	uint32		place = 1;
	bool		is_found = false;
	CqJsonToken next;

	while (cq_json_token_next_member(object, &place, &name, &next))
	{
		char	   *text = cq_json_scalar_text(&name);
		ListCell   *cell;

		if (text != NULL && strcmp(text, field->name) == 0)
		{
			*value = next;
			return true;
		}
		foreach(cell, field->aliases)
		{
			if (text == NULL || strcmp(text, lfirst(cell)) != 0)
				continue;
			*value = next;
			is_found = true;
		}
	}
	return is_found;
}

static bool
write_default(Writing *writing, const CqAvroField *field, StringInfo out)
{
	static const CqJsonToken null = {.text = "null", .length = 4, .kind = CQ_JSON_NULL};
	Writing		of_schema = {
		.manner = CQ_AVRO_OF_SCHEMA, .is_strict = true, .depth = writing->depth,
			.nvalues = writing->nvalues
	};

	if (write_value(&of_schema, field->type, field->fallback.kind != CQ_JSON_MISSING ?
					&field->fallback : &null, out))
		return true;
	if (field->fallback.kind != CQ_JSON_MISSING)
		return fail(writing, "%s%s", strlen(of_schema.reject->message) < LONGEST_PLACE ?
					"its default: " : "",
					of_schema.reject->message);
	return fail(writing, "there is none, and the schema has no default");
}

static bool
takes_null(const CqAvroSchema *schema)
{
	for (int i = 0; i < schema->nbranches; i++)
	{
		if (schema->branches[i]->kind == CQ_AVRO_NULL)
			return true;
	}
	return schema->kind == CQ_AVRO_NULL;
}

/*
 * Is it the default that is to be written? Also for a null that the type has no place for, as of a
 * column that INSERT does not name.
 */
static bool
wants_default(const Writing *writing, const CqAvroField *field, const CqJsonToken *value)
{
	return writing->manner == CQ_AVRO_OF_ROW && value->kind == CQ_JSON_NULL &&
		field->fallback.kind != CQ_JSON_MISSING && !takes_null(field->type);
}

/* What has no field would be lost. */
static bool
check_members(Writing *writing, const CqAvroSchema *schema, const CqJsonToken *token)
{
	CqJsonToken name;
	CqJsonToken value;
	uint32		place = 1;

	while (cq_json_token_next_member(token, &place, &name, &value))
	{
		char	   *text = cq_json_scalar_text(&name);

		if (text == NULL || cq_avro_schema_field(schema, text) == NULL)
			return fail(writing, "type %s has no field \"%s\"", schema->name, text != NULL ? text :
						"");
	}
	return true;
}

static bool
write_record(Writing *writing, const CqAvroSchema *schema, const CqJsonToken *token, StringInfo out)
{
	if (token->kind != CQ_JSON_OBJECT)
		return misfit(writing, schema, token);
	if (writing->manner == CQ_AVRO_OF_ROW && !check_members(writing, schema, token))
		return false;
	for (int i = 0; i < schema->nfields; i++)
	{
		const CqAvroField *field = &schema->fields[i];
		CqJsonToken value;
		bool		is_written;

		if (find_field(token, field, &value) && !wants_default(writing, field, &value))
			is_written = write_value(writing, field->type, &value, out);
		else
			is_written = write_default(writing, field, out);
		if (is_written)
			continue;
		if (strlen(writing->reject->message) < LONGEST_PLACE)
			writing->reject->message = psprintf("field \"%s\": %s", field->name,
												writing->reject->message);
		return false;
	}
	return true;
}

static bool
try_branches(Writing *writing, const CqAvroSchema *schema, const CqJsonToken *token, bool is_strict,
			 StringInfo out)
{
	int			start = out->len;

	for (int i = 0; i < schema->nbranches; i++)
	{
		Writing		attempt = {
			.manner = writing->manner, .is_strict = is_strict, .depth = writing->depth,
				.nvalues = writing->nvalues
		};

		cq_avro_write_long(i, out);
		if (write_value(&attempt, schema->branches[i], token, out))
			return true;
		out->len = start;
		/* Of a union with null, what the other one says is what matters. */
		if (is_strict == writing->is_strict && schema->nbranches <= 2 &&
			schema->branches[i]->kind != CQ_AVRO_NULL)
			writing->reject = attempt.reject;
	}
	return false;
}

static bool
write_union(Writing *writing, const CqAvroSchema *schema, const CqJsonToken *token, StringInfo out)
{
	CqReject   *before = writing->reject;

	if (try_branches(writing, schema, token, true, out) ||
		(!writing->is_strict && try_branches(writing, schema, token, false, out)))
	{
		writing->reject = before;
		return true;
	}
	return writing->reject != NULL ? false : misfit(writing, schema, token);
}

static bool
write_kind(Writing *writing, const CqAvroSchema *schema, const CqJsonToken *token, StringInfo out)
{
	switch (schema->kind)
	{
		case CQ_AVRO_NULL:
			return token->kind == CQ_JSON_NULL || misfit(writing, schema, token);
		case CQ_AVRO_BOOLEAN:
			if (token->kind != CQ_JSON_TRUE && token->kind != CQ_JSON_FALSE)
				return misfit(writing, schema, token);
			appendStringInfoChar(out, token->kind == CQ_JSON_TRUE ? '\1' : '\0');
			return true;
		case CQ_AVRO_INT:
		case CQ_AVRO_LONG:
			return write_integer(writing, schema, token, out);
		case CQ_AVRO_FLOAT:
		case CQ_AVRO_DOUBLE:
			return write_float(writing, schema, token, out);
		case CQ_AVRO_BYTES:
		case CQ_AVRO_FIXED:
			return write_any_bytes(writing, schema, token, out);
		case CQ_AVRO_STRING:
			return write_string(writing, schema, token, out);
		case CQ_AVRO_ENUM:
			return write_enum(writing, schema, token, out);
		case CQ_AVRO_ARRAY:
			return write_array(writing, schema, token, out);
		case CQ_AVRO_MAP:
			return write_map(writing, schema, token, out);
		case CQ_AVRO_UNION:
			return write_union(writing, schema, token, out);
		case CQ_AVRO_RECORD:
			return write_record(writing, schema, token, out);
	}
	return misfit(writing, schema, token);
}

/* No deeper than can be read, and larger than some: a default may hold itself, or two of itself. */
static bool
write_value(Writing *writing, const CqAvroSchema *schema, const CqJsonToken *token, StringInfo out)
{
	bool		is_written;

	if (writing->depth > CQ_AVRO_MAX_DEPTH)
		return fail(writing, "values are nested too deep");
	if (out->len > CQ_JSON_MAX_LENGTH || ++*writing->nvalues > MOST_VALUES)
		return fail(writing, "the message is too large");
	CHECK_FOR_INTERRUPTS();
	writing->depth++;
	is_written = write_kind(writing, schema, token, out);
	writing->depth--;
	return is_written;
}

CqReject *
cq_avro_write(const CqAvroSchema *schema, const CqJsonToken *token, CqAvroManner manner,
			  StringInfo out)
{
	int			nvalues = 0;
	Writing		writing = {.manner = manner, .is_strict = manner == CQ_AVRO_OF_SCHEMA,
						   .nvalues = &nvalues};

	return write_value(&writing, schema, token, out) ? NULL : writing.reject;
}
