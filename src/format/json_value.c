/*
 * json_value.c
 *		From a token of a message to a Datum of a column's type, the quick way: see json_value.h.
 *
 * Promises that what it accepts is what the slow way would have made of it; a test holds the two
 * together.
 */
#include "postgres.h"

#include <limits.h>

#include "catalog/pg_type.h"
#include "common/base64.h"
#include "common/compat.h"
#include "format/json_parser.h"
#include "format/json_time.h"
#include "format/json_value.h"
#include "format/json_value_private.h"
#include "mb/pg_wchar.h"
#include "utils/date.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define FIRST_CHUNK		(8 * 1024)
#define LAST_CHUNK		(512 * 1024)

/* ---- Memory ---- */

char *
cq_json_value_take(CqJsonArena *arena, Size size)
{
	char	   *room;

	size = MAXALIGN(size);
	if (size > arena->room)
	{
		if (size > LAST_CHUNK / 8)
			return palloc(size);
		arena->chunk = Max(Min(Max(arena->chunk * 2, FIRST_CHUNK), LAST_CHUNK), size);
		arena->start = arena->next = palloc(arena->chunk);
		arena->room = arena->chunk;
	}
	room = arena->next;
	arena->next += size;
	arena->room -= size;
	return room;
}

/* Gives back what was taken last, from end on. What has a piece of its own stays as it is. */
static void
give_back(CqJsonArena *arena, char *end)
{
	end = (char *) MAXALIGN(end);
	if (end >= arena->start && end < arena->next)
	{
		arena->room += arena->next - end;
		arena->next = end;
	}
}

/* ---- Numbers ---- */

/*
 * The value of a number that is not written as an integer but may be one: 1.0, 1e3. False where it
 * has a fraction or is out of range.
 */
static bool
whole_number(const CqJsonToken *token, int64 *value)
{
	const char *at = token->text;
	const char *end = token->text + token->length;
	bool		is_negative = *at == '-';
	bool		is_fraction = false;
	int64		exponent = 0;	/* value = digits * 10^exponent */
	int64		zeros = 0;		/* seen, but not yet in digits, since nothing follows them */
	int			ndigits = 0;
	uint64		digits = 0;

	for (at += is_negative; at < end && *at != 'e' && *at != 'E'; at++)
	{
		if (*at == '.')
		{
			is_fraction = true;
			continue;
		}
		exponent -= is_fraction;
		if (*at == '0')
		{
			zeros++;
			continue;
		}
		/* Zeros in front do not count as digits. */
		ndigits = ndigits == 0 ? 1 : Min(ndigits + zeros + 1, 100);
		if (ndigits > 19)
			return false;
		for (; zeros > 0 && digits > 0; zeros--)
			digits *= 10;
		zeros = 0;
		digits = digits * 10 + (*at - '0');
	}
	if (digits == 0)
	{
		*value = 0;
		return true;
	}
	exponent += zeros;
	if (at < end)
	{
		long		written;

		errno = 0;
		written = strtol(at + 1, NULL, 10);	/* ends at what follows the token */
		if (errno != 0 || labs(written) > 1000000)
			return false;
		exponent += written;
	}
	if (exponent < 0 || ndigits + exponent > 19)
		return false;
	for (; exponent > 0; exponent--)
		digits *= 10;
	if (digits > (uint64) PG_INT64_MAX + is_negative)
		return false;
	*value = is_negative ? (int64) -digits : (int64) digits;
	return true;
}

/* A token's value as an integer within the bounds. */
static inline bool
integer_between(const CqJsonToken *token, int64 low, int64 high, int64 *value)
{
	if (token->kind == CQ_JSON_INTEGER)
		*value = token->integer;
	else if (token->kind != CQ_JSON_NUMBER || !whole_number(token, value))
		return false;
	return *value >= low && *value <= high;
}

static bool
quick_int2(CqJsonConverter *converter, const CqJsonToken *token, CqJsonArena *arena, Datum *value)
{
	int64		integer;

	if (!integer_between(token, PG_INT16_MIN, PG_INT16_MAX, &integer))
		return false;
	*value = Int16GetDatum((int16) integer);
	return true;
}

static bool
quick_int4(CqJsonConverter *converter, const CqJsonToken *token, CqJsonArena *arena, Datum *value)
{
	int64		integer;

	if (!integer_between(token, PG_INT32_MIN, PG_INT32_MAX, &integer))
		return false;
	*value = Int32GetDatum((int32) integer);
	return true;
}

static bool
quick_int8(CqJsonConverter *converter, const CqJsonToken *token, CqJsonArena *arena, Datum *value)
{
	int64		integer;

	if (!integer_between(token, PG_INT64_MIN, PG_INT64_MAX, &integer))
		return false;
	*value = Int64GetDatum(integer);
	return true;
}

static bool
quick_float4(CqJsonConverter *converter, const CqJsonToken *token, CqJsonArena *arena, Datum *value)
{
	float4		number;

	if ((token->kind != CQ_JSON_INTEGER && token->kind != CQ_JSON_NUMBER) ||
		!cq_json_parser_float(token->text, token->length, &number))
		return false;
	*value = Float4GetDatum(number);
	return true;
}

static bool
quick_float8(CqJsonConverter *converter, const CqJsonToken *token, CqJsonArena *arena, Datum *value)
{
	const int64 exact = INT64CONST(1) << 53;
	float8		number;

	if (token->kind == CQ_JSON_INTEGER && token->integer >= -exact && token->integer <= exact)
		number = (float8) token->integer;
	else if ((token->kind != CQ_JSON_INTEGER && token->kind != CQ_JSON_NUMBER) ||
			 !cq_json_parser_double(token->text, token->length, &number))
		return false;
	*value = Float8GetDatum(number);
	return true;
}

/* The token as integer * 10^-scale, if it has at most 18 digits and no exponent. */
static bool
decimal(const CqJsonToken *token, int64 *integer, int *scale, int *ndigits)
{
	const char *at = token->text;
	const char *end = token->text + token->length;
	bool		is_negative = *at == '-';
	bool		is_fraction = false;
	int64		value = 0;

	if (token->kind != CQ_JSON_INTEGER && token->kind != CQ_JSON_NUMBER)
		return false;
	*scale = 0;
	*ndigits = 0;
	if (token->length > 20)
		return false;
	for (at += is_negative; at < end; at++)
	{
		if (*at == '.')
		{
			is_fraction = true;
			continue;
		}
		if (*at == 'e' || *at == 'E' || *ndigits == 18)
			return false;
		value = value * 10 + (*at - '0');
		*ndigits += 1;
		*scale += is_fraction;
	}
	*integer = is_negative ? -value : value;
	return true;
}

static bool
quick_numeric(CqJsonConverter *converter, const CqJsonToken *token, CqJsonArena *arena,
			  Datum *value)
{
	int64		integer;
	int			scale;
	int			ndigits;

	if (!decimal(token, &integer, &scale, &ndigits))
		return false;
	if (converter->typmod >= (int32) VARHDRSZ)
	{
		/* Only what needs no rounding, which for a scale of zero or more means adding zeros. */
		int			precision = ((converter->typmod - VARHDRSZ) >> 16) & 0xffff;
		int			wanted_scale = (((converter->typmod - VARHDRSZ) & 0x7ff) ^ 1024) - 1024;

		if (wanted_scale < scale || ndigits - scale > precision - wanted_scale ||
			ndigits + wanted_scale - scale > 18)
			return false;
		for (; scale < wanted_scale; scale++)
			integer *= 10;
	}
	*value = NumericGetDatum(scale == 0 ? int64_to_numeric(integer) :
							 int64_div_fast_to_numeric(integer, scale));
	return true;
}

static bool
quick_bool(CqJsonConverter *converter, const CqJsonToken *token, CqJsonArena *arena, Datum *value)
{
	*value = BoolGetDatum(token->kind == CQ_JSON_TRUE);
	return token->kind == CQ_JSON_TRUE || token->kind == CQ_JSON_FALSE;
}

/* ---- Text ---- */

static bool
is_ascii(const char *text, uint32 length)
{
	for (uint32 i = 0; i < length; i++)
		if (IS_HIGHBIT_SET(text[i]))
			return false;
	return true;
}

/*
 * The token's text as a varlena, with room for padding bytes behind; NULL where it has to be
 * converted.
 */
static char *
copy_text(CqJsonConverter *converter, const CqJsonToken *token, CqJsonArena *arena, int32 padding,
		  int64 *length)
{
	char	   *result = cq_json_value_take(arena, VARHDRSZ + token->length + padding);
	const char *reason;

	*length = token->length;
	if (token->kind == CQ_JSON_STRING && token->is_escaped)
		*length = cq_json_token_unescape(token->text, token->length, VARDATA(result), &reason);
	else
		memcpy(VARDATA(result), token->text, token->length);
	if (*length < 0 || (!converter->takes_utf8 && !is_ascii(VARDATA(result), *length)))
	{
		give_back(arena, result);
		return NULL;
	}
	SET_VARSIZE(result, VARHDRSZ + *length);
	return result;
}

static bool
quick_text(CqJsonConverter *converter, const CqJsonToken *token, CqJsonArena *arena, Datum *value)
{
	int64		length;
	char	   *result = copy_text(converter, token, arena, 0, &length);

	*value = PointerGetDatum(result);
	return result != NULL;
}

/* varchar(n): only what fits. */
static bool
quick_varchar(CqJsonConverter *converter, const CqJsonToken *token, CqJsonArena *arena,
			  Datum *value)
{
	int32		limit = converter->typmod - VARHDRSZ;
	int64		length;
	char	   *result = copy_text(converter, token, arena, 0, &length);

	*value = PointerGetDatum(result);
	return result != NULL && (length <= limit || pg_mbstrlen_with_len(VARDATA(result),
																	  length) <= limit);
}

/* char(n): what fits, filled up with spaces. */
static bool
quick_bpchar(CqJsonConverter *converter, const CqJsonToken *token, CqJsonArena *arena, Datum *value)
{
	int32		limit = converter->typmod - VARHDRSZ;
	int64		length;
	char	   *result = copy_text(converter, token, arena, limit, &length);
	int32		missing;

	if (result == NULL)
		return false;
	missing = limit - pg_mbstrlen_with_len(VARDATA(result), length);
	if (missing < 0)
		return false;
	memset(VARDATA(result) + length, ' ', missing);
	SET_VARSIZE(result, VARHDRSZ + length + missing);
	give_back(arena, result + VARSIZE(result));
	*value = PointerGetDatum(result);
	return true;
}

/* json: the document as it stands. */
static bool
quick_json(CqJsonConverter *converter, const CqJsonToken *token, CqJsonArena *arena, Datum *value)
{
	CqJsonToken document = *token;

	if (token->kind == CQ_JSON_STRING)
	{
		document.text--;
		document.length += 2;
	}
	document.kind = CQ_JSON_OBJECT;
	return quick_text(converter, &document, arena, value);
}

/* ---- Bytes ---- */

static bool
quick_bytea(CqJsonConverter *converter, const CqJsonToken *token, CqJsonArena *arena, Datum *value)
{
	char	   *result;
	int			room;
	int			length;

	if (token->kind != CQ_JSON_STRING || token->is_escaped)
		return false;
	room = pg_b64_dec_len(token->length);
	result = cq_json_value_take(arena, VARHDRSZ + room);
	length = pg_b64_decode(token->text, token->length, (void *) VARDATA(result), room);
	if (length < 0)
	{
		give_back(arena, result);
		return false;
	}
	SET_VARSIZE(result, VARHDRSZ + length);
	*value = PointerGetDatum(result);
	return true;
}

static inline int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
quick_uuid(CqJsonConverter *converter, const CqJsonToken *token, CqJsonArena *arena, Datum *value)
{
	const char *text = token->text;
	unsigned char *result;

	if (token->kind != CQ_JSON_STRING || token->length != 36 ||
		text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-')
		return false;
	result = (unsigned char *) cq_json_value_take(arena, UUID_LEN);
	for (int i = 0; i < UUID_LEN; i++, text += 2)
	{
		int			high,
					low;

		text += *text == '-';
		high = hex_digit(text[0]);
		low = hex_digit(text[1]);
		if (high < 0 || low < 0)
			return false;
		result[i] = high * 16 + low;
	}
	*value = PointerGetDatum(result);
	return true;
}

/* ---- Time ---- */

/* Milliseconds since 1970 as the server counts time. */
static bool
epoch_time(const CqJsonToken *token, Timestamp *timestamp)
{
	const int64 epoch = (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000;
	int64		milliseconds;

	if (!integer_between(token, PG_INT64_MIN / 1000 + epoch, PG_INT64_MAX / 1000 + epoch,
						 &milliseconds))
		return false;
	*timestamp = (milliseconds - epoch) * 1000;
	return IS_VALID_TIMESTAMP(*timestamp);
}

static bool
quick_timestamp(CqJsonConverter *converter, const CqJsonToken *token, CqJsonArena *arena,
				Datum *value)
{
	Timestamp	timestamp;

	if (token->kind == CQ_JSON_STRING
		? !cq_json_time_timestamp(&converter->clock, token->text, token->length, &timestamp)
		: !epoch_time(token, &timestamp))
		return false;
	if (converter->typmod >= 0)
		cq_compat_round_timestamp(&timestamp, converter->typmod);
	*value = TimestampGetDatum(timestamp);
	return true;
}

static bool
quick_timestamptz(CqJsonConverter *converter, const CqJsonToken *token, CqJsonArena *arena,
				  Datum *value)
{
	TimestampTz timestamp;

	if (token->kind == CQ_JSON_STRING
		? !cq_json_time_timestamptz(&converter->clock, token->text, token->length, &timestamp)
		: !epoch_time(token, &timestamp))
		return false;
	if (converter->typmod >= 0)
		cq_compat_round_timestamp(&timestamp, converter->typmod);
	*value = TimestampTzGetDatum(timestamp);
	return true;
}

static bool
quick_date(CqJsonConverter *converter, const CqJsonToken *token, CqJsonArena *arena, Datum *value)
{
	DateADT		date;

	if (token->kind != CQ_JSON_STRING || !cq_json_time_date(&converter->clock, token->text,
															token->length, &date))
		return false;
	*value = DateADTGetDatum(date);
	return true;
}

static bool
quick_array(CqJsonConverter *converter, const CqJsonToken *token, CqJsonArena *arena, Datum *value)
{
	return token->kind == CQ_JSON_ARRAY &&
		cq_json_value_slow_build_array(converter, token, arena, false, value);
}

static bool
quick_composite(CqJsonConverter *converter, const CqJsonToken *token, CqJsonArena *arena,
				Datum *value)
{
	return token->kind == CQ_JSON_OBJECT &&
		cq_json_composite_build(converter, token, arena, false, value);
}

/* The quick way for a type, or NULL. */
CqJsonQuick
cq_json_value_quick(const CqJsonConverter *converter)
{
	int32		typmod = converter->typmod;
	CqJsonQuick styled = cq_json_style_quick(converter);

	if (styled != NULL)
		return styled;
	if (converter->element != NULL)
		return quick_array;
	if (converter->composite != NULL)
		return quick_composite;
	switch (converter->type)
	{
		case INT2OID:
			return quick_int2;
		case INT4OID:
			return quick_int4;
		case INT8OID:
			return quick_int8;
		case FLOAT4OID:
			return quick_float4;
		case FLOAT8OID:
			return quick_float8;
		case NUMERICOID:
			return quick_numeric;
		case BOOLOID:
			return quick_bool;
		case TEXTOID:
			return quick_text;
		case VARCHAROID:
			return typmod < (int32) VARHDRSZ ? quick_text : quick_varchar;
		case BPCHAROID:
			return typmod < (int32) VARHDRSZ ? quick_text : quick_bpchar;
		case JSONOID:
			return converter->style.is_debezium || converter->style.is_text ? NULL : quick_json;
		case BYTEAOID:
			return converter->style.is_text ? NULL : quick_bytea;
		case UUIDOID:
			return quick_uuid;
		case TIMESTAMPOID:
			return quick_timestamp;
		case TIMESTAMPTZOID:
			return quick_timestamptz;
		case DATEOID:
			return quick_date;
		default:
			return NULL;
	}
}

bool
cq_json_value_convert(CqJsonConverter *converter, const CqJsonToken *token, CqJsonArena *arena,
					  Datum *value)
{
	return converter->quick != NULL && !OidIsValid(converter->domain) &&
		converter->quick(converter, token, arena, value);
}
