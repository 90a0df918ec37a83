/*
 * proto_write.c
 *		Writes messages of Protobuf: see proto_write.h.
 *
 * Decides what fits a field: what would be read back as the same; only times lose what is finer
 * than a microsecond. Fields are written by number, and one of proto3 that is zero is left out, as
 * others write them: so a key is the same bytes whoever wrote it. Null is a field that is left out.
 */
#include "postgres.h"

#include "common/int.h"
#include "format/json_scalar.h"
#include "format/json_time.h"
#include "format/json_walk.h"
#include "format/proto_read.h"
#include "format/proto_write.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#define LONGEST_PLACE	200		/* bytes of a message beyond which no field is named any more */

typedef struct Writing
{
	int			depth;			/* of the message */
	CqReject   *reject;			/* of the first fault */
} Writing;

static bool write_message(Writing *writing, const CqProtoMessage *message,
						  const CqJsonToken *token, StringInfo out);
static bool write_field(Writing *writing, const CqProtoField *field, const CqJsonToken *token,
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

static const char *
name_of_type(const CqProtoField *field)
{
	static const char *const names[] = {
		"", "double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string",
		"group", "message", "bytes", "uint32", "enum", "sfixed32", "sfixed64", "sint32", "sint64"
	};

	return field->message != NULL ? field->message->name : field->enumeration != NULL ?
		field->enumeration->name : names[field->kind];
}

static bool
misfit(Writing *writing, const CqProtoField *field, const CqJsonToken *token)
{
	int			quotes = token->kind == CQ_JSON_STRING ? 1 : 0;

	return fail(writing, "%.*s is no value of type %s",
				pg_encoding_mbcliplen(PG_UTF8, token->text - quotes, token->length + 2 * quotes,
									  100),
				token->text - quotes, name_of_type(field));
}

/* ---- the wire ---- */

static void
write_varint(uint64 bits, StringInfo out)
{
	for (; bits >= 0x80; bits >>= 7)
		appendStringInfoChar(out, (char) (bits | 0x80));
	appendStringInfoChar(out, (char) bits);
}

static void
write_fixed(uint64 bits, int length, StringInfo out)
{
	for (int i = 0; i < length; i++, bits >>= 8)
		appendStringInfoChar(out, (char) bits);
}

static void
write_tag(uint32 number, CqProtoWire wire, StringInfo out)
{
	write_varint((uint64) number << 3 | wire, out);
}

static void
write_sized(uint32 number, const char *bytes, Size length, StringInfo out)
{
	write_tag(number, CQ_PROTO_LENGTH, out);
	write_varint(length, out);
	appendBinaryStringInfo(out, bytes, (int) length);
}

/* ---- scalars ---- */

/* As it is in messages. */
static bool
number_bits(const CqProtoField *field, const CqJsonToken *token, uint64 *bits)
{
	int64		number;
	int64		low = PG_INT64_MIN;
	int64		high = PG_INT64_MAX;

	if (cq_proto_read_is_unsigned_64(field) && cq_json_scalar_unsigned(token, bits))
		return true;
	if (!cq_json_scalar_whole(token, &number))
		return false;
	switch (field->kind)
	{
		case CQ_PROTO_INT32:
		case CQ_PROTO_SINT32:
		case CQ_PROTO_SFIXED32:
		case CQ_PROTO_ENUM:
			low = PG_INT32_MIN;
			high = PG_INT32_MAX;
			break;
		case CQ_PROTO_UINT32:
		case CQ_PROTO_FIXED32:
			low = 0;
			high = PG_UINT32_MAX;
			break;
		case CQ_PROTO_UINT64:
		case CQ_PROTO_FIXED64:
			low = 0;
			break;
		default:
			break;
	}
	*bits = (uint64) number;
	if (field->kind == CQ_PROTO_SINT32 || field->kind == CQ_PROTO_SINT64)
		*bits = (uint64) number << 1 ^ (uint64) (number >> 63);
	return number >= low && number <= high;
}

/* By its name; or the number, also as text: so is read what has no name. */
static bool
enum_bits(const CqProtoField *field, const CqJsonToken *token, uint64 *bits)
{
	char	   *text = token->kind == CQ_JSON_STRING ? cq_json_scalar_text(token) : NULL;
	CqJsonToken number = *token;

	for (int i = 0; text != NULL && i < field->enumeration->nvalues; i++)
	{
		if (strcmp(field->enumeration->names[i], text) == 0)
		{
			*bits = (uint64) (int64) field->enumeration->numbers[i];
			return true;
		}
	}
	if (text != NULL && !cq_json_token_number(text, text + strlen(text), &number))
		return false;
	return number_bits(field, &number, bits);
}

static bool
scalar_bits(const CqProtoField *field, const CqJsonToken *token, uint64 *bits)
{
	float8		number;
	float4		single;
	uint32		half;

	switch (field->kind)
	{
		case CQ_PROTO_BOOL:
			*bits = token->kind == CQ_JSON_TRUE;
			return token->kind == CQ_JSON_TRUE || token->kind == CQ_JSON_FALSE;
		case CQ_PROTO_ENUM:
			return enum_bits(field, token, bits);
		case CQ_PROTO_DOUBLE:
			if (!cq_json_scalar_float(token, &number, &single))
				return false;
			memcpy(bits, &number, sizeof(number));
			return true;
		case CQ_PROTO_FLOAT:
			if (!cq_json_scalar_float(token, &number, &single))
				return false;
			memcpy(&half, &single, sizeof(single));
			*bits = half;
			return true;
		default:
			return number_bits(field, token, bits);
	}
}

static void
write_bits(const CqProtoField *field, uint64 bits, StringInfo out)
{
	switch (cq_proto_read_wire(field))
	{
		case CQ_PROTO_64:
			write_fixed(bits, sizeof(uint64), out);
			break;
		case CQ_PROTO_32:
			write_fixed(bits, sizeof(uint32), out);
			break;
		default:
			write_varint(bits, out);
	}
}

/* In the server's hex format, or as text; a number or document for a string is its text. */
static bool
bytes_of(const CqProtoField *field, const CqJsonToken *token, const char **bytes, Size *length)
{
	char	   *text = cq_json_scalar_text(token);
	char	   *decoded;

	if (text == NULL)
		return false;
	*bytes = text;
	*length = strlen(text);
	if (field->kind == CQ_PROTO_STRING)
		return true;
	if (token->kind != CQ_JSON_STRING)
		return false;
	if (text[0] != '\\' || text[1] != 'x')
		return true;
	if (*length % 2 != 0 || strspn(text + 2, "0123456789abcdefABCDEF") != *length - 2)
		return false;
	decoded = palloc(*length / 2);
	*length = hex_decode(text + 2, *length - 2, decoded);
	*bytes = decoded;
	return true;
}

/* ---- known types ---- */

static void
write_seconds(int64 seconds, int32 nanoseconds, StringInfo out)
{
	if (seconds != 0)
	{
		write_tag(1, CQ_PROTO_VARINT, out);
		write_varint((uint64) seconds, out);
	}
	if (nanoseconds != 0)
	{
		write_tag(2, CQ_PROTO_VARINT, out);
		write_varint((uint64) (int64) nanoseconds, out);
	}
}

static bool
write_timestamp(const CqJsonToken *token, StringInfo out)
{
	CqJsonClock clock = {0};
	char	   *text = token->kind == CQ_JSON_STRING ? cq_json_scalar_text(token) : NULL;
	TimestampTz timestamp;
	int64		seconds;
	int64		rest;

	if (text == NULL || !cq_json_time_timestamptz(&clock, text, strlen(text), &timestamp))
		return false;
	seconds = timestamp / USECS_PER_SEC;
	rest = timestamp % USECS_PER_SEC;
	if (rest < 0)
	{
		seconds--;
		rest += USECS_PER_SEC;
	}
	write_seconds(seconds + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) SECS_PER_DAY,
				  (int32) (rest * 1000), out);
	return true;
}

/* Months have no length in seconds. */
static bool
write_duration(const CqJsonToken *token, StringInfo out)
{
	char	   *text = token->kind == CQ_JSON_STRING ? cq_json_scalar_text(token) : NULL;
	Interval   *interval;
	int64		microseconds;

	if (text == NULL)
		return false;
	interval = DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(text),
													 ObjectIdGetDatum(InvalidOid),
													 Int32GetDatum(-1)));
	if (interval->month != 0 ||
		pg_add_s64_overflow(interval->time, interval->day * USECS_PER_DAY, &microseconds))
		return false;
	write_seconds(microseconds / USECS_PER_SEC, (int32) (microseconds % USECS_PER_SEC) * 1000,
				  out);
	return true;
}

/* Any JSON as a Value. */
static bool
write_value(Writing *writing, const CqProtoMessage *message, const CqJsonToken *token,
			StringInfo out)
{
	static const char *const names[] = {
		[CQ_JSON_MISSING] = "null_value", [CQ_JSON_NULL] = "null_value",
		[CQ_JSON_FALSE] = "bool_value", [CQ_JSON_TRUE] = "bool_value",
		[CQ_JSON_INTEGER] = "number_value", [CQ_JSON_NUMBER] = "number_value",
		[CQ_JSON_STRING] = "string_value", [CQ_JSON_OBJECT] = "struct_value",
		[CQ_JSON_ARRAY] = "list_value"
	};
	const CqProtoField *field = cq_proto_read_named(message, names[token->kind]);

	if (field == NULL)
		return fail(writing, "type %s is not as it is known", message->name);
	if (field->kind != CQ_PROTO_ENUM)
		return write_field(writing, field, token, out);
	write_tag(field->number, CQ_PROTO_VARINT, out);
	write_varint(0, out);
	return true;
}

/* ---- messages ---- */

static bool
write_body(Writing *writing, const CqProtoField *field, const CqJsonToken *token, StringInfo out)
{
	const CqProtoMessage *message = field->message;

	switch (message->known)
	{
		case CQ_PROTO_TIMESTAMP:
			return write_timestamp(token, out) || misfit(writing, field, token);
		case CQ_PROTO_DURATION:
			return write_duration(token, out) || misfit(writing, field, token);
		case CQ_PROTO_VALUE:
			return write_value(writing, message, token, out);
		case CQ_PROTO_WRAPPER:
		case CQ_PROTO_STRUCT:
		case CQ_PROTO_LIST:
			return write_field(writing, &message->fields[0], token, out);
		default:
			return write_message(writing, message, token, out);
	}
}

/* One value with its number; a scalar of proto3 that is zero is none. */
static bool
write_one(Writing *writing, const CqProtoField *field, const CqJsonToken *token, bool may_omit,
		  StringInfo out)
{
	uint64		bits;
	const char *bytes;
	Size		length;
	StringInfoData body;
	bool		is_written;

	if (field->kind == CQ_PROTO_STRING || field->kind == CQ_PROTO_BYTES)
	{
		if (!bytes_of(field, token, &bytes, &length))
			return misfit(writing, field, token);
		if (length > 0 || !may_omit)
			write_sized(field->number, bytes, length, out);
		return true;
	}
	if (!cq_proto_read_is_message(field))
	{
		if (!scalar_bits(field, token, &bits))
			return misfit(writing, field, token);
		if (bits == 0 && may_omit)
			return true;
		write_tag(field->number, cq_proto_read_wire(field), out);
		write_bits(field, bits, out);
		return true;
	}
	initStringInfo(&body);
	is_written = write_body(writing, field, token, &body);
	if (field->kind == CQ_PROTO_GROUP)
	{
		write_tag(field->number, CQ_PROTO_START, out);
		appendBinaryStringInfo(out, body.data, body.len);
		write_tag(field->number, CQ_PROTO_END, out);
	}
	else
		write_sized(field->number, body.data, body.len, out);
	pfree(body.data);
	return is_written;
}

static bool
write_packed(Writing *writing, const CqProtoField *field, const CqJsonToken *array, StringInfo out)
{
	CqJsonToken element;
	uint32		place = 1;
	StringInfoData body;

	initStringInfo(&body);
	while (cq_json_token_next_element(array, &place, &element))
	{
		uint64		bits;

		if (!scalar_bits(field, &element, &bits))
			return misfit(writing, field, &element);
		write_bits(field, bits, &body);
	}
	if (body.len > 0)
		write_sized(field->number, body.data, body.len, out);
	pfree(body.data);
	return true;
}

static bool
write_array(Writing *writing, const CqProtoField *field, const CqJsonToken *array, StringInfo out)
{
	CqJsonToken element;
	uint32		place = 1;

	if (array->kind != CQ_JSON_ARRAY)
		return misfit(writing, field, array);
	if (field->is_packed)
		return write_packed(writing, field, array, out);
	while (cq_json_token_next_element(array, &place, &element))
	{
		if (element.kind == CQ_JSON_NULL &&
			(field->message == NULL || field->message->known != CQ_PROTO_VALUE))
			return fail(writing, "an element is null, which there is not in Protobuf");
		if (!write_one(writing, field, &element, false, out))
			return false;
	}
	return true;
}

/* A key is a string, whatever it is to be. */
static bool
write_key(Writing *writing, const CqProtoField *field, const CqJsonToken *name, StringInfo out)
{
	CqJsonToken key = *name;
	char	   *text = cq_json_scalar_text(name);

	if (text == NULL)
		return misfit(writing, field, name);
	if (field->kind == CQ_PROTO_BOOL)
		key.kind = strcmp(text, "true") == 0 ? CQ_JSON_TRUE : strcmp(text, "false") == 0 ?
			CQ_JSON_FALSE : CQ_JSON_STRING;
	else if (field->kind != CQ_PROTO_STRING &&
			 !cq_json_token_number(text, text + strlen(text), &key))
		return misfit(writing, field, name);
	return write_one(writing, field, &key, false, out);
}

static bool
write_map(Writing *writing, const CqProtoField *field, const CqJsonToken *object, StringInfo out)
{
	const CqProtoField *fields = field->message->fields;
	CqJsonToken name;
	CqJsonToken value;
	uint32		place = 1;

	if (object->kind != CQ_JSON_OBJECT)
		return misfit(writing, field, object);
	while (cq_json_token_next_member(object, &place, &name, &value))
	{
		StringInfoData body;

		if (value.kind == CQ_JSON_NULL &&
			(fields[1].message == NULL || fields[1].message->known != CQ_PROTO_VALUE))
			return fail(writing, "a value is null, which there is not in Protobuf");
		initStringInfo(&body);
		if (!write_key(writing, &fields[0], &name, &body) ||
			!write_one(writing, &fields[1], &value, false, &body))
			return false;
		write_sized(field->number, body.data, body.len, out);
		pfree(body.data);
	}
	return true;
}

static bool
write_field(Writing *writing, const CqProtoField *field, const CqJsonToken *token, StringInfo out)
{
	if (token->kind == CQ_JSON_MISSING || token->kind == CQ_JSON_NULL)
		return true;
	if (field->is_map)
		return write_map(writing, field, token, out);
	if (field->is_repeated)
		return write_array(writing, field, token, out);
	return write_one(writing, field, token, !field->has_presence, out);
}

/* By field, what the object has for it. What has no field would be lost. */
static CqJsonToken *
sort_members(Writing *writing, const CqProtoMessage *message, const CqJsonToken *object)
{
	CqJsonToken *values = palloc0(sizeof(CqJsonToken) * Max(message->nfields, 1));
	CqJsonToken name;
	CqJsonToken value;
	uint32		place = 1;

	while (cq_json_token_next_member(object, &place, &name, &value))
	{
		char	   *text = cq_json_scalar_text(&name);
		const CqProtoField *field = text != NULL ? cq_proto_read_named(message, text) : NULL;

		if (field == NULL)
		{
			(void) fail(writing, "message %s has no field \"%s\"", message->name,
						text != NULL ? text : "");
			return NULL;
		}
		values[field->place] = value;
	}
	return values;
}

static bool
check_presence(Writing *writing, const CqProtoField *field, const CqJsonToken *value,
			   const CqProtoField **oneofs)
{
	bool		is_there = value->kind != CQ_JSON_MISSING && value->kind != CQ_JSON_NULL;

	if (field->is_required && !is_there)
		return fail(writing, "it is required, and null");
	if (!is_there || field->oneof < 0)
		return true;
	if (oneofs[field->oneof] != NULL)
		return fail(writing, "fields \"%s\" and \"%s\" exclude each other",
					oneofs[field->oneof]->name, field->name);
	oneofs[field->oneof] = field;
	return true;
}

static bool
write_message(Writing *writing, const CqProtoMessage *message, const CqJsonToken *token,
			  StringInfo out)
{
	CqJsonToken *values;
	const CqProtoField **oneofs = palloc0(sizeof(CqProtoField *) * Max(message->noneofs, 1));

	if (token->kind != CQ_JSON_OBJECT)
		return fail(writing, "a message is no object");
	if (writing->depth >= CQ_PROTO_MAX_DEPTH)
		return fail(writing, "values are nested too deep");
	if (out->len > CQ_JSON_MAX_LENGTH)
		return fail(writing, "the message is too large");
	CHECK_FOR_INTERRUPTS();
	values = sort_members(writing, message, token);
	writing->depth++;
	for (int i = 0; i < message->nfields && values != NULL; i++)
	{
		const CqProtoField *field = message->by_number[i];

		if (check_presence(writing, field, &values[field->place], oneofs) &&
			write_field(writing, field, &values[field->place], out))
			continue;
		if (strlen(writing->reject->message) < LONGEST_PLACE)
			writing->reject->message = psprintf("field \"%s\": %s", field->name,
												writing->reject->message);
		return false;
	}
	writing->depth--;
	return values != NULL;
}

CqReject *
cq_proto_write(const CqProtoMessage *message, const CqJsonToken *token, StringInfo out)
{
	Writing		writing = {0};

	return write_message(&writing, message, token, out) ? NULL : writing.reject;
}
