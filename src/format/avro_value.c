/*
 * avro_value.c
 *		From bytes of Avro to a Datum of a column's type, the quick way.
 *
 * What a value is is decided by the way over JSON: what that value is as JSON, and what this is for
 * the column's type. The quick way gives the same for the common types; a test holds the two
 * together. It gives up, having read whatever it has, on what it does not know. What one type is
 * promoted to another for it knows better: a string for a column of bytea is its bytes, and a float
 * for one of double precision the same number, not that of the same digits.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/compat.h"
#include "format/avro_plan.h"
#include "format/json_value_private.h"
#include "format/json_write.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* ---- numbers ---- */

static inline bool
read_integer(CqAvroInput *in, const CqAvroSchema *schema, int64 *number)
{
	return schema->kind == CQ_AVRO_INT ? cq_avro_read_int(in, number) :
		cq_avro_read_long(in, number);
}

static bool
integer_to_int2(CqAvroInput *in, const CqAvroSchema *schema, const CqTarget *target,
				CqJsonArena *arena, Datum *value)
{
	int64		number;

	if (!read_integer(in, schema, &number) || number < PG_INT16_MIN || number > PG_INT16_MAX)
		return false;
	*value = Int16GetDatum((int16) number);
	return true;
}

static bool
integer_to_int4(CqAvroInput *in, const CqAvroSchema *schema, const CqTarget *target,
				CqJsonArena *arena, Datum *value)
{
	int64		number;

	if (!read_integer(in, schema, &number) || number < PG_INT32_MIN || number > PG_INT32_MAX)
		return false;
	*value = Int32GetDatum((int32) number);
	return true;
}

static bool
integer_to_int8(CqAvroInput *in, const CqAvroSchema *schema, const CqTarget *target,
				CqJsonArena *arena, Datum *value)
{
	int64		number;

	if (!read_integer(in, schema, &number))
		return false;
	*value = Int64GetDatum(number);
	return true;
}

static bool
integer_to_float8(CqAvroInput *in, const CqAvroSchema *schema, const CqTarget *target,
				  CqJsonArena *arena, Datum *value)
{
	int64		number;

	if (!read_integer(in, schema, &number))
		return false;
	*value = Float8GetDatum((float8) number);
	return true;
}

static bool
integer_to_numeric(CqAvroInput *in, const CqAvroSchema *schema, const CqTarget *target,
				   CqJsonArena *arena, Datum *value)
{
	int64		number;

	if (target->converter->typmod >= (int32) VARHDRSZ || !read_integer(in, schema, &number))
		return false;
	*value = NumericGetDatum(int64_to_numeric(number));
	return true;
}

static bool
boolean_to_bool(CqAvroInput *in, const CqAvroSchema *schema, const CqTarget *target,
				CqJsonArena *arena, Datum *value)
{
	bool		flag;

	if (!cq_avro_read_boolean(in, &flag))
		return false;
	*value = BoolGetDatum(flag);
	return true;
}

static bool
float_to_float4(CqAvroInput *in, const CqAvroSchema *schema, const CqTarget *target,
				CqJsonArena *arena, Datum *value)
{
	float4		number;

	if (!cq_avro_read_float(in, &number))
		return false;
	*value = Float4GetDatum(number);
	return true;
}

/* As one is promoted to the other: not by its digits. */
static bool
float_to_float8(CqAvroInput *in, const CqAvroSchema *schema, const CqTarget *target,
				CqJsonArena *arena, Datum *value)
{
	float4		number;

	if (!cq_avro_read_float(in, &number))
		return false;
	*value = Float8GetDatum((float8) number);
	return true;
}

static bool
double_to_float8(CqAvroInput *in, const CqAvroSchema *schema, const CqTarget *target,
				 CqJsonArena *arena, Datum *value)
{
	float8		number;

	if (!cq_avro_read_double(in, &number))
		return false;
	*value = Float8GetDatum(number);
	return true;
}

/* ---- texts and bytes ---- */

static bool
make_varlena(const char *bytes, int64 length, CqJsonArena *arena, Datum *value)
{
	char	   *result = cq_json_value_take(arena, VARHDRSZ + length);

	SET_VARSIZE(result, VARHDRSZ + length);
	memcpy(VARDATA(result), bytes, length);
	*value = PointerGetDatum(result);
	return true;
}

static inline bool
read_any_bytes(CqAvroInput *in, const CqAvroSchema *schema, const char **bytes, int64 *length)
{
	*length = schema->size;
	return schema->kind == CQ_AVRO_FIXED ? cq_avro_read_raw(in, *length, bytes) :
		cq_avro_read_bytes(in, bytes, length);
}

static inline bool
is_plain(const char *text, int64 length)
{
	for (int64 i = 0; i < length; i++)
		if (IS_HIGHBIT_SET(text[i]) || text[i] == '\0')
			return false;
	return true;
}

/* Only where the server's encoding takes it as it is. */
static bool
bytes_to_text(CqAvroInput *in, const CqAvroSchema *schema, const CqTarget *target,
			  CqJsonArena *arena, Datum *value)
{
	const char *bytes;
	int64		length;

	if (!read_any_bytes(in, schema, &bytes, &length))
		return false;
	if (!is_plain(bytes, length) &&
		(!target->converter->takes_utf8 || !cq_json_write_is_text(bytes, length)))
		return false;
	if (target->converter->typmod >= (int32) VARHDRSZ && length > target->converter->typmod -
		VARHDRSZ)
		return false;
	return make_varlena(bytes, length, arena, value);
}

static bool
bytes_to_bytea(CqAvroInput *in, const CqAvroSchema *schema, const CqTarget *target,
			   CqJsonArena *arena, Datum *value)
{
	const char *bytes;
	int64		length;

	return read_any_bytes(in, schema, &bytes, &length) && make_varlena(bytes, length, arena, value);
}

static bool
enum_to_text(CqAvroInput *in, const CqAvroSchema *schema, const CqTarget *target,
			 CqJsonArena *arena, Datum *value)
{
	const char *symbol;
	int64		index;

	if (!cq_avro_read_index(in, schema->nsymbols, "an enum has no such symbol", &index))
		return false;
	symbol = schema->symbols[index];
	if (!is_plain(symbol, strlen(symbol)) || target->converter->typmod >= (int32) VARHDRSZ)
		return false;
	return make_varlena(symbol, strlen(symbol), arena, value);
}

static bool
fixed_to_uuid(CqAvroInput *in, const CqAvroSchema *schema, const CqTarget *target,
			  CqJsonArena *arena, Datum *value)
{
	const char *bytes;

	if (!cq_avro_read_raw(in, UUID_LEN, &bytes))
		return false;
	*value = PointerGetDatum(memcpy(cq_json_value_take(arena, UUID_LEN), bytes, UUID_LEN));
	return true;
}

static bool
string_to_uuid(CqAvroInput *in, const CqAvroSchema *schema, const CqTarget *target,
			   CqJsonArena *arena, Datum *value)
{
	CqJsonToken token = {.kind = CQ_JSON_STRING};
	int64		length;

	if (!cq_avro_read_bytes(in, &token.text, &length) || length != 36)
		return false;
	token.length = 36;
	return cq_json_value_convert(target->converter, &token, arena, value);
}

/* Up to 18 digits. */
static bool
decimal_to_numeric(CqAvroInput *in, const CqAvroSchema *schema, const CqTarget *target,
				   CqJsonArena *arena, Datum *value)
{
	int64		limit = 1;
	const char *bytes;
	int64		length;
	int64		number;

	if (target->converter->typmod >= (int32) VARHDRSZ ||
		!read_any_bytes(in, schema, &bytes, &length) || length == 0 ||
		length > (int64) sizeof(number) || schema->scale > 18)
		return false;
	number = bytes[0] & 0x80 ? -1 : 0;
	for (int i = 0; i < length; i++)
		number = (int64) ((uint64) number << 8 | (uint8) bytes[i]);
	for (int i = Min(schema->precision, 18); i > 0; i--)
		limit *= 10;
	if (number <= -limit || number >= limit)
		return false;
	*value = NumericGetDatum(schema->scale == 0 ? int64_to_numeric(number) :
							 int64_div_fast_to_numeric(number, schema->scale));
	return true;
}

/* ---- times ---- */

static bool
integer_to_timestamp(CqAvroInput *in, const CqAvroSchema *schema, const CqTarget *target,
					 CqJsonArena *arena,
					 Datum *value)
{
	int64		units;
	Timestamp	timestamp;

	if (!cq_avro_read_long(in, &units) || !cq_avro_json_timestamp(schema, units, &timestamp))
		return false;
	if (target->converter->typmod >= 0)
		cq_compat_round_timestamp(&timestamp, target->converter->typmod);
	*value = TimestampGetDatum(timestamp);
	return true;
}

static bool
int_to_date(CqAvroInput *in, const CqAvroSchema *schema, const CqTarget *target,
			CqJsonArena *arena, Datum *value)
{
	int64		days;

	if (!cq_avro_read_int(in, &days))
		return false;
	days -= POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE;
	*value = DateADTGetDatum((DateADT) days);
	return IS_VALID_DATE(days);
}

static bool
integer_to_time(CqAvroInput *in, const CqAvroSchema *schema, const CqTarget *target,
				CqJsonArena *arena, Datum *value)
{
	int64		units;
	int64		second = schema->per_second;

	if (target->converter->typmod >= 0 || !read_integer(in, schema, &units) || units < 0 ||
		units > SECS_PER_DAY * second)
		return false;
	*value = TimeADTGetDatum(second > USECS_PER_SEC ? units / (second / USECS_PER_SEC) :
							 units * (USECS_PER_SEC / second));
	return true;
}

/* ---- which ---- */

/* A column of integers takes a time as the number that it is in the message. */
static CqAvroQuick
quick_of_integer(const CqAvroSchema *schema, Oid type)
{
	if (schema->logical != CQ_AVRO_PLAIN && (type == INT4OID || type == INT8OID))
		return type == INT4OID ? integer_to_int4 : integer_to_int8;
	if (schema->logical == CQ_AVRO_TIMESTAMP || schema->logical == CQ_AVRO_LOCAL_TIMESTAMP)
		return type == TIMESTAMPOID || type == TIMESTAMPTZOID ? integer_to_timestamp : NULL;
	if (schema->logical == CQ_AVRO_DATE)
		return type == DATEOID ? int_to_date : NULL;
	if (schema->logical == CQ_AVRO_TIME)
		return type == TIMEOID ? integer_to_time : NULL;
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

static CqAvroQuick
quick_of_bytes(const CqAvroSchema *schema, Oid type)
{
	if (type == BYTEAOID)
		return bytes_to_bytea;
	if (schema->logical == CQ_AVRO_DECIMAL)
		return type == NUMERICOID ? decimal_to_numeric : NULL;
	if (schema->logical == CQ_AVRO_UUID && type == UUIDOID)
		return schema->kind == CQ_AVRO_FIXED ? fixed_to_uuid : string_to_uuid;
	if (schema->kind == CQ_AVRO_FIXED && schema->logical != CQ_AVRO_PLAIN)
		return NULL;
	switch (type)
	{
		case TEXTOID:
		case VARCHAROID:
			return bytes_to_text;
		case UUIDOID:
			return schema->kind == CQ_AVRO_STRING ? string_to_uuid : NULL;
		default:
			return NULL;
	}
}

CqAvroQuick
cq_avro_value_quick(const CqAvroSchema *schema, const CqTarget *target)
{
	Oid			type = target->converter != NULL ? target->converter->type : InvalidOid;

	if (target->items != NIL)
		return NULL;

	if (target->converter == NULL)
		return NULL;
	if (OidIsValid(target->converter->domain))
		return NULL;
	switch (schema->kind)
	{
		case CQ_AVRO_BOOLEAN:
			return type == BOOLOID ? boolean_to_bool : NULL;
		case CQ_AVRO_INT:
		case CQ_AVRO_LONG:
			return quick_of_integer(schema, type);
		case CQ_AVRO_FLOAT:
			return type == FLOAT4OID ? float_to_float4 : type == FLOAT8OID ? float_to_float8 : NULL;
		case CQ_AVRO_DOUBLE:
			return type == FLOAT8OID ? double_to_float8 : NULL;
		case CQ_AVRO_BYTES:
		case CQ_AVRO_STRING:
		case CQ_AVRO_FIXED:
			return quick_of_bytes(schema, type);
		case CQ_AVRO_ENUM:
			return type == TEXTOID || type == VARCHAROID ? enum_to_text : NULL;
		default:
			return NULL;
	}
}
