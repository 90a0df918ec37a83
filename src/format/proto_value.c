/*
 * proto_value.c
 *		From a value of Protobuf to a Datum of a column's type, the quick way.
 *
 * What a value is is decided by the way over JSON: what that value is as JSON, and what this is for
 * the column's type. The quick way gives the same for the common types, and gives up on what it
 * does not know. What one type is promoted to another for it knows better, as with Avro: bytes for
 * a column of bytea are as they are, a float for one of double precision is the same number, and an
 * enum for a column of integers its number.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/compat.h"
#include "format/json_value_private.h"
#include "format/json_write.h"
#include "format/proto_plan.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

/* ---- numbers ---- */

/* False: it is above int64. */
static inline bool
read_integer(const CqProtoField *field, const CqProtoRaw *raw, int64 *number)
{
	*number = cq_proto_read_integer(field, raw->bits);
	return *number >= 0 || !cq_proto_read_is_unsigned_64(field);
}

static bool
integer_to_int2(const CqProtoField *field, const CqProtoRaw *raw, const CqTarget *target,
				CqJsonArena *arena, Datum *value)
{
	int64		number;

	if (!read_integer(field, raw, &number) || number < PG_INT16_MIN || number > PG_INT16_MAX)
		return false;
	*value = Int16GetDatum((int16) number);
	return true;
}

static bool
integer_to_int4(const CqProtoField *field, const CqProtoRaw *raw, const CqTarget *target,
				CqJsonArena *arena, Datum *value)
{
	int64		number;

	if (!read_integer(field, raw, &number) || number < PG_INT32_MIN || number > PG_INT32_MAX)
		return false;
	*value = Int32GetDatum((int32) number);
	return true;
}

static bool
integer_to_int8(const CqProtoField *field, const CqProtoRaw *raw, const CqTarget *target,
				CqJsonArena *arena, Datum *value)
{
	int64		number;

	if (!read_integer(field, raw, &number))
		return false;
	*value = Int64GetDatum(number);
	return true;
}

static bool
integer_to_float8(const CqProtoField *field, const CqProtoRaw *raw, const CqTarget *target,
				  CqJsonArena *arena, Datum *value)
{
	int64		number;

	if (!read_integer(field, raw, &number))
		return false;
	*value = Float8GetDatum((float8) number);
	return true;
}

static bool
integer_to_numeric(const CqProtoField *field, const CqProtoRaw *raw, const CqTarget *target,
				   CqJsonArena *arena, Datum *value)
{
	int64		number;

	if (target->converter->typmod >= (int32) VARHDRSZ || !read_integer(field, raw, &number))
		return false;
	*value = NumericGetDatum(int64_to_numeric(number));
	return true;
}

static bool
boolean_to_bool(const CqProtoField *field, const CqProtoRaw *raw, const CqTarget *target,
				CqJsonArena *arena, Datum *value)
{
	*value = BoolGetDatum(raw->bits != 0);
	return true;
}

static bool
float_to_float4(const CqProtoField *field, const CqProtoRaw *raw, const CqTarget *target,
				CqJsonArena *arena, Datum *value)
{
	*value = Float4GetDatum(cq_proto_read_float(raw->bits));
	return true;
}

static bool
number_to_float8(const CqProtoField *field, const CqProtoRaw *raw, const CqTarget *target,
				 CqJsonArena *arena, Datum *value)
{
	*value = Float8GetDatum(field->kind == CQ_PROTO_FLOAT ?
							(float8) cq_proto_read_float(raw->bits) :
							cq_proto_read_double(raw->bits));
	return true;
}

/* ---- texts and bytes ---- */

static bool
make_varlena(const char *bytes, int64 length, CqJsonArena *arena, Datum *value)
{
	char	   *result;

	if (length > (int64) MaxAllocSize - VARHDRSZ)
		return false;
	result = cq_json_value_take(arena, VARHDRSZ + length);
	SET_VARSIZE(result, VARHDRSZ + length);
	memcpy(VARDATA(result), bytes, length);
	*value = PointerGetDatum(result);
	return true;
}

static inline bool
is_plain(const char *text, int64 length)
{
	for (int64 i = 0; i < length; i++)
		if (IS_HIGHBIT_SET(text[i]) || text[i] == '\0')
			return false;
	return true;
}

static bool
make_text(const char *text, int64 length, const CqTarget *target, CqJsonArena *arena,
		  Datum *value)
{
	int32		typmod = target->converter->typmod;

	return (typmod < (int32) VARHDRSZ || length <= typmod - (int32) VARHDRSZ) &&
		make_varlena(text, length, arena, value);
}

/* Only where the server's encoding takes it as it is. */
static bool
bytes_to_text(const CqProtoField *field, const CqProtoRaw *raw, const CqTarget *target,
			  CqJsonArena *arena, Datum *value)
{
	if (!is_plain(raw->bytes, raw->length) &&
		(!target->converter->takes_utf8 || memchr(raw->bytes, '\0', raw->length) != NULL ||
		 !cq_json_write_is_text(raw->bytes, raw->length)))
		return false;
	return make_text(raw->bytes, raw->length, target, arena, value);
}

static bool
bytes_to_bytea(const CqProtoField *field, const CqProtoRaw *raw, const CqTarget *target,
			   CqJsonArena *arena, Datum *value)
{
	return make_varlena(raw->bytes, raw->length, arena, value);
}

static bool
string_to_uuid(const CqProtoField *field, const CqProtoRaw *raw, const CqTarget *target,
			   CqJsonArena *arena, Datum *value)
{
	CqJsonToken token = {.kind = CQ_JSON_STRING, .text = raw->bytes, .length = 36};

	return raw->length == 36 && is_plain(raw->bytes, 36) &&
		memchr(raw->bytes, '\\', 36) == NULL &&
		cq_json_value_convert(target->converter, &token, arena, value);
}

static bool
enum_to_text(const CqProtoField *field, const CqProtoRaw *raw, const CqTarget *target,
			 CqJsonArena *arena, Datum *value)
{
	int64		number = cq_proto_read_integer(field, raw->bits);
	const char *symbol = cq_proto_read_symbol(field->enumeration, (int32) number);

	return symbol != NULL && make_text(symbol, strlen(symbol), target, arena, value);
}

/* ---- known types ---- */

static bool
message_to_timestamp(const CqProtoField *field, const CqProtoRaw *raw,
					 const CqTarget *target, CqJsonArena *arena, Datum *value)
{
	CqProtoInput in = {.at = raw->bytes, .end = raw->bytes + raw->length};
	int64		seconds;
	int32		nanoseconds;
	Timestamp	timestamp;

	if (!cq_proto_read_seconds(&in, &seconds, &nanoseconds) ||
		!cq_proto_read_timestamp(seconds, nanoseconds, &timestamp))
		return false;
	if (target->converter->typmod >= 0)
		cq_compat_round_timestamp(&timestamp, target->converter->typmod);
	*value = TimestampGetDatum(timestamp);
	return true;
}

/* The value that a wrapper has, or the default of its only field. */
static bool
wrapper_to_any(const CqProtoField *field, const CqProtoRaw *raw, const CqTarget *target,
			   CqJsonArena *arena, Datum *value)
{
	const CqProtoField *only = &field->message->fields[0];
	CqProtoInput in = {.at = raw->bytes, .end = raw->bytes + raw->length};
	CqProtoRaw	inner = {.bits = only->bits, .bytes = only->bytes, .length = only->length};

	while (in.at < in.end)
	{
		uint32		number;
		CqProtoWire wire;
		CqProtoRaw	other;

		if (!cq_proto_read_tag(&in, &number, &wire) ||
			!cq_proto_read_raw(&in, number, wire, &other))
			return false;
		if (number == only->number && cq_proto_read_fits(only, wire))
			inner = other;
	}
	return cq_proto_value_quick(only, target) (only, &inner, target, arena, value);
}

static CqProtoQuick
quick_of_message(const CqProtoField *field, const CqTarget *target)
{
	Oid			type = target->converter->type;

	if (field->message->known == CQ_PROTO_TIMESTAMP)
		return type == TIMESTAMPOID || type == TIMESTAMPTZOID ? message_to_timestamp : NULL;
	if (field->message->known == CQ_PROTO_WRAPPER &&
		cq_proto_value_quick(&field->message->fields[0], target) != NULL)
		return wrapper_to_any;
	return NULL;
}

/* ---- which ---- */

static CqProtoQuick
quick_of_integer(Oid type)
{
	switch (type)
	{
		case INT2OID:
			return integer_to_int2;
		case INT4OID:
			return integer_to_int4;
		case INT8OID:
			return integer_to_int8;
		case FLOAT8OID:
			return integer_to_float8;
		case NUMERICOID:
			return integer_to_numeric;
		default:
			return NULL;
	}
}

static CqProtoQuick
quick_of_enum(Oid type)
{
	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return quick_of_integer(type);
		case TEXTOID:
		case VARCHAROID:
			return enum_to_text;
		default:
			return NULL;
	}
}

static CqProtoQuick
quick_of_bytes(const CqProtoField *field, Oid type)
{
	switch (type)
	{
		case BYTEAOID:
			return bytes_to_bytea;
		case TEXTOID:
		case VARCHAROID:
			return bytes_to_text;
		case UUIDOID:
			return field->kind == CQ_PROTO_STRING ? string_to_uuid : NULL;
		default:
			return NULL;
	}
}

CqProtoQuick
cq_proto_value_quick(const CqProtoField *field, const CqTarget *target)
{
	Oid			type = target->converter != NULL ? target->converter->type : InvalidOid;

	if (target->items != NIL)
		return NULL;

	if (target->converter == NULL || OidIsValid(target->converter->domain))
		return NULL;
	switch (field->kind)
	{
		case CQ_PROTO_BOOL:
			return type == BOOLOID ? boolean_to_bool : NULL;
		case CQ_PROTO_FLOAT:
			return type == FLOAT4OID ? float_to_float4 : type == FLOAT8OID ? number_to_float8 :
				NULL;
		case CQ_PROTO_DOUBLE:
			return type == FLOAT8OID ? number_to_float8 : NULL;
		case CQ_PROTO_STRING:
		case CQ_PROTO_BYTES:
			return quick_of_bytes(field, type);
		case CQ_PROTO_ENUM:
			return quick_of_enum(type);
		case CQ_PROTO_MESSAGE:
			return quick_of_message(field, target);
		case CQ_PROTO_GROUP:
			return NULL;
		default:
			return quick_of_integer(type);
	}
}
