/*
 * avro_json.c
 *		A value of Avro as JSON: what it is for a column of type jsonb, and on the way to types
 *		without a way of their own.
 *
 * Decides what values are there: numbers, booleans, strings, arrays; records and maps are objects;
 * a union is the value of its branch; enums are strings of their symbols; bytes and fixed strings
 * in the server's hex format; decimals numbers; dates and times strings in ISO 8601, durations too;
 * NaN and infinities strings.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "format/avro_read.h"
#include "format/json_write.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define DAYS_BEFORE_2000	(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)

/* ---- texts ---- */

bool
cq_avro_json_append_text(CqAvroInput *in, const char *text, int64 length, StringInfo out)
{
	if (!cq_json_write_is_text(text, length))
		return cq_avro_read_fault(in, "a string is not text in UTF-8");
	cq_json_write_string(out, text, length);
	return true;
}

static bool
append_uuid(CqAvroInput *in, const char *bytes, StringInfo out)
{
	char		text[2 * UUID_LEN];

	(void) hex_encode(bytes, UUID_LEN, text);
	appendStringInfo(out, "\"%.8s-%.4s-%.4s-%.4s-%.12s\"", text, text + 8, text + 12, text + 16,
					 text + 20);
	return true;
}

/* ---- numbers ---- */

/*
 * The digits of a magnitude, whose highest byte is first, in groups of nine: lowest group first.
 */
static int
group_digits(const uint8 *bytes, int length, uint32 *groups)
{
	int			ngroups = 0;

	for (int i = 0; i < length; i++)
	{
		uint64		carry = bytes[i];

		for (int j = 0; j < ngroups; j++)
		{
			carry += (uint64) groups[j] << 8;
			groups[j] = carry % 1000000000;
			carry /= 1000000000;
		}
		if (carry > 0)
			groups[ngroups++] = (uint32) carry;
	}
	return ngroups;
}

/* The magnitude of a number in two's complement, highest byte first. */
static void
magnitude(const char *bytes, int length, bool is_negative, uint8 *result)
{
	int			carry = 1;

	for (int i = length - 1; i >= 0; i--)
	{
		int			byte = (uint8) bytes[i];

		if (is_negative)
		{
			byte = (byte ^ 0xff) + carry;
			carry = byte >> 8;
		}
		result[i] = (uint8) byte;
	}
}

bool
cq_avro_json_decimal(CqAvroInput *in, const CqAvroSchema *schema, const char *bytes, int64 length,
					 StringInfo out)
{
	bool		is_negative = length > 0 && (bytes[0] & 0x80) != 0;
	char		sign = is_negative ? '\xff' : '\0';
	uint8		digits_of[CQ_AVRO_MAX_DECIMAL];
	uint32		groups[CQ_AVRO_MAX_DECIMAL * 8 / 29 + 2];
	StringInfoData digits;
	int			ngroups;

	/* Bytes that only repeat the sign. */
	while (length > 1 && bytes[0] == sign && (bytes[1] & 0x80) == (sign & 0x80))
	{
		bytes++;
		length--;
	}
	if (length > CQ_AVRO_MAX_DECIMAL)
		return cq_avro_read_fault(in, "a decimal is too long");
	magnitude(bytes, (int) length, is_negative, digits_of);
	ngroups = group_digits(digits_of, (int) length, groups);

	initStringInfo(&digits);
	appendStringInfo(&digits, "%u", ngroups > 0 ? groups[ngroups - 1] : 0);
	for (int i = ngroups - 2; i >= 0; i--)
		appendStringInfo(&digits, "%09u", groups[i]);
	if (ngroups > 0 && digits.len > schema->precision)
		return cq_avro_read_fault(in, "a decimal has more digits than its type allows");
	if (is_negative)
		appendStringInfoChar(out, '-');
	if (digits.len <= schema->scale)
	{
		appendStringInfoString(out, "0.");
		appendStringInfoSpaces(out, schema->scale - digits.len);
		memset(out->data + out->len - (schema->scale - digits.len), '0',
			   schema->scale - digits.len);
		appendStringInfoString(out, digits.data);
	}
	else
		appendBinaryStringInfo(out, digits.data, digits.len - schema->scale);
	if (digits.len > schema->scale && schema->scale > 0)
		appendStringInfo(out, ".%s", digits.data + digits.len - schema->scale);
	pfree(digits.data);
	return true;
}

/* ---- times ---- */

bool
cq_avro_json_timestamp(const CqAvroSchema *schema, int64 units, int64 *timestamp)
{
	const int64 epoch = (int64) DAYS_BEFORE_2000 * USECS_PER_DAY;

	if (schema->per_second > USECS_PER_SEC)
	{
		int64		divisor = schema->per_second / USECS_PER_SEC;

		*timestamp = units / divisor - (units % divisor < 0);
	}
	else if (pg_mul_s64_overflow(units, USECS_PER_SEC / schema->per_second, timestamp))
		return false;
	return !pg_sub_s64_overflow(*timestamp, epoch, timestamp) && IS_VALID_TIMESTAMP(*timestamp);
}

static bool
append_timestamp(CqAvroInput *in, const CqAvroSchema *schema, int64 units, StringInfo out)
{
	Timestamp	timestamp;

	if (!cq_avro_json_timestamp(schema, units, &timestamp))
		return cq_avro_read_fault(in, "a timestamp is out of range");
	cq_json_write_time(out, TimestampGetDatum(timestamp),
					   schema->logical == CQ_AVRO_TIMESTAMP ? TIMESTAMPTZOID : TIMESTAMPOID);
	return true;
}

static bool
append_date(CqAvroInput *in, int64 days, StringInfo out)
{
	days -= DAYS_BEFORE_2000;
	if (!IS_VALID_DATE(days))
		return cq_avro_read_fault(in, "a date is out of range");
	cq_json_write_time(out, DateADTGetDatum((DateADT) days), DATEOID);
	return true;
}

static bool
append_time(CqAvroInput *in, const CqAvroSchema *schema, int64 units, StringInfo out)
{
	int64		second = schema->per_second;

	if (units < 0 || units > SECS_PER_DAY * second)
		return cq_avro_read_fault(in, "a time of day is out of range");
	units = second > USECS_PER_SEC ? units / (second / USECS_PER_SEC) :
		units * (USECS_PER_SEC / second);
	cq_json_write_time(out, TimeADTGetDatum(units), TIMEOID);
	return true;
}

/* Months, days and milliseconds, each of four bytes without a sign. */
static void
append_duration(const char *bytes, StringInfo out)
{
	uint32		parts[3];

	for (int i = 0; i < 3; i++)
	{
		const uint8 *part = (const uint8 *) bytes + 4 * i;

		parts[i] = part[0] | part[1] << 8 | part[2] << 16 | (uint32) part[3] << 24;
	}
	appendStringInfo(out, "\"P%uM%uDT%u.%03uS\"", parts[0], parts[1], parts[2] / 1000,
					 parts[2] % 1000);
}

/* ---- any value ---- */

static bool
append_long(CqAvroInput *in, const CqAvroSchema *schema, StringInfo out)
{
	char		text[MAXINT8LEN + 1];
	int64		number;

	if (schema->kind == CQ_AVRO_INT ? !cq_avro_read_int(in, &number) :
		!cq_avro_read_long(in, &number))
		return false;
	switch (schema->logical)
	{
		case CQ_AVRO_DATE:
			return append_date(in, number, out);
		case CQ_AVRO_TIME:
			return append_time(in, schema, number, out);
		case CQ_AVRO_TIMESTAMP:
		case CQ_AVRO_LOCAL_TIMESTAMP:
			return append_timestamp(in, schema, number, out);
		default:
			break;
	}
	pg_lltoa(number, text);
	appendStringInfoString(out, text);
	return true;
}

static bool
append_bytes(CqAvroInput *in, const CqAvroSchema *schema, StringInfo out)
{
	const char *bytes;
	int64		length = schema->size;

	if (schema->kind == CQ_AVRO_FIXED ? !cq_avro_read_raw(in, length, &bytes) :
		!cq_avro_read_bytes(in, &bytes, &length))
		return false;
	if (schema->kind == CQ_AVRO_STRING)
		return cq_avro_json_append_text(in, bytes, length, out);
	if (schema->logical == CQ_AVRO_DECIMAL)
		return cq_avro_json_decimal(in, schema, bytes, length, out);
	if (schema->logical == CQ_AVRO_UUID)
		return append_uuid(in, bytes, out);
	if (schema->logical == CQ_AVRO_DURATION)
		append_duration(bytes, out);
	else
		cq_json_write_bytes(out, bytes, length);
	return true;
}

static bool
append_enum(CqAvroInput *in, const CqAvroSchema *schema, StringInfo out)
{
	int64		index;

	if (!cq_avro_read_index(in, schema->nsymbols, "an enum has no such symbol", &index))
		return false;
	cq_json_write_string(out, schema->symbols[index], strlen(schema->symbols[index]));
	return true;
}

static bool
append_items(CqAvroInput *in, const CqAvroSchema *schema, int depth, StringInfo out)
{
	bool		is_map = schema->kind == CQ_AVRO_MAP;
	char		separator = is_map ? '{' : '[';
	int64		count;

	while (cq_avro_read_block(in, schema->items->min_size + is_map, &count))
	{
		if (count == 0)
		{
			if (separator != ',')
				appendStringInfoChar(out, separator);
			appendStringInfoChar(out, is_map ? '}' : ']');
			return true;
		}
		for (; count > 0; count--)
		{
			const char *key;
			int64		length;

			appendStringInfoChar(out, separator);
			separator = ',';
			if (is_map)
			{
				if (!cq_avro_read_bytes(in, &key, &length) ||
					!cq_avro_json_append_text(in, key, length, out))
					return false;
				appendStringInfoChar(out, ':');
			}
			if (!cq_avro_json_append(in, schema->items, depth + 1, out))
				return false;
		}
	}
	return false;
}

static bool
append_record(CqAvroInput *in, const CqAvroSchema *schema, int depth, StringInfo out)
{
	appendStringInfoChar(out, '{');
	for (int i = 0; i < schema->nfields; i++)
	{
		if (i > 0)
			appendStringInfoChar(out, ',');
		cq_json_write_string(out, schema->fields[i].name, strlen(schema->fields[i].name));
		appendStringInfoChar(out, ':');
		if (!cq_avro_json_append(in, schema->fields[i].type, depth + 1, out))
			return false;
	}
	appendStringInfoChar(out, '}');
	return true;
}

bool
cq_avro_json_append(CqAvroInput *in, const CqAvroSchema *schema, int depth, StringInfo out)
{
	float4		single;
	float8		number;
	int64		index;
	bool		flag;

	if (depth > CQ_AVRO_MAX_DEPTH)
		return cq_avro_read_fault(in, "values are nested too deep");
	if (out->len > in->max_json)
		return cq_avro_read_fault(in, "a value is too large");
	switch (schema->kind)
	{
		case CQ_AVRO_NULL:
			appendStringInfoString(out, "null");
			return true;
		case CQ_AVRO_BOOLEAN:
			if (!cq_avro_read_boolean(in, &flag))
				return false;
			appendStringInfoString(out, flag ? "true" : "false");
			return true;
		case CQ_AVRO_INT:
		case CQ_AVRO_LONG:
			return append_long(in, schema, out);
		case CQ_AVRO_FLOAT:
			if (!cq_avro_read_float(in, &single))
				return false;
			cq_json_write_float4(out, single);
			return true;
		case CQ_AVRO_DOUBLE:
			if (!cq_avro_read_double(in, &number))
				return false;
			cq_json_write_float8(out, number);
			return true;
		case CQ_AVRO_BYTES:
		case CQ_AVRO_STRING:
		case CQ_AVRO_FIXED:
			return append_bytes(in, schema, out);
		case CQ_AVRO_ENUM:
			return append_enum(in, schema, out);
		case CQ_AVRO_ARRAY:
		case CQ_AVRO_MAP:
			return append_items(in, schema, depth, out);
		case CQ_AVRO_UNION:
			return cq_avro_read_index(in, schema->nbranches, "a union has no such branch",
									  &index) &&
				cq_avro_json_append(in, schema->branches[index], depth + 1, out);
		case CQ_AVRO_RECORD:
			return append_record(in, schema, depth, out);
	}
	return cq_avro_read_fault(in, "its schema has a type that is not known");
}
