/*
 * json_style.c
 *		Times, decimals and documents as their producer writes them: see value_style.h.
 *
 * Decides what a number is for a column of times: a count of the style's unit since 1970-01-01
 * 00:00 UTC, or since midnight for a time of day, and for a date the day of that moment. What is
 * finer than a microsecond is cut. As Debezium writes them, dates count days, times of day and
 * timestamps milliseconds where the column has at most three digits and else microseconds, and
 * intervals microseconds.
 *
 * What a style does not mention is what it is without one. Where it does, what does not fit is an
 * error: nothing is guessed.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "common/int.h"
#include "format/avro_read.h"
#include "format/json_value_private.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/formatting.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#define EPOCH_DAYS			(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)
#define EPOCH_MICROSECONDS	(EPOCH_DAYS * USECS_PER_DAY)
#define MAX_SCALE			16383

static bool
is_number(const CqJsonToken *token)
{
	return token->kind == CQ_JSON_INTEGER || token->kind == CQ_JSON_NUMBER;
}

/* ---- times ---- */

/* The style's unit for a type with that precision, in nanoseconds. */
static int64
unit_of(const CqJsonConverter *converter)
{
	switch (converter->style.times)
	{
		case CQ_TIMES_SECONDS:
			return INT64CONST(1000000000);
		case CQ_TIMES_MILLISECONDS:
			return 1000000;
		case CQ_TIMES_NANOSECONDS:
			return 1;
		case CQ_TIMES_DEBEZIUM:
			return converter->typmod >= 0 && converter->typmod <= 3 ? 1000000 : 1000;
		default:
			return 1000;
	}
}

static int64
divide_down(int64 value, int64 by)
{
	return value / by - (value % by < 0 ? 1 : 0);
}

/* A whole number of units as microseconds; false where that is too many. */
static bool
whole_units(int64 value, int64 unit, int64 *microseconds)
{
	if (unit < 1000)
		*microseconds = divide_down(value, 1000 / unit);
	return unit < 1000 || !pg_mul_s64_overflow(value, unit / 1000, microseconds);
}

/* Microseconds since 1970, or midnight, as the type has them; false where they are out of range. */
static bool
microseconds_to_time(const CqJsonConverter *converter, int64 microseconds, Datum *value)
{
	Timestamp	timestamp;
	int64		day;

	if (converter->type == TIMEOID)
	{
		if (microseconds < 0 || microseconds > USECS_PER_DAY)
			return false;
		*value = DirectFunctionCall2(time_scale, TimeADTGetDatum(microseconds),
									 Int32GetDatum(converter->typmod));
		return true;
	}
	if (microseconds < PG_INT64_MIN + EPOCH_MICROSECONDS)
		return false;
	timestamp = microseconds - EPOCH_MICROSECONDS;
	if (!IS_VALID_TIMESTAMP(timestamp))
		return false;
	if (converter->type == DATEOID)
	{
		day = divide_down(timestamp, USECS_PER_DAY);
		*value = DateADTGetDatum((DateADT) day);
		return true;
	}
	if (converter->typmod >= 0)
		cq_compat_round_timestamp(&timestamp, converter->typmod);
	*value = TimestampGetDatum(timestamp);
	return true;
}

static bool
days_to_date(int64 days, Datum *value)
{
	if (days < DATETIME_MIN_JULIAN - UNIX_EPOCH_JDATE || days >= DATE_END_JULIAN - UNIX_EPOCH_JDATE)
		return false;
	*value = DateADTGetDatum((DateADT) (days - EPOCH_DAYS));
	return true;
}

static bool
whole_to_time(const CqJsonConverter *converter, int64 number, Datum *value)
{
	int64		microseconds;

	if (converter->type == DATEOID && converter->style.is_debezium)
		return days_to_date(number, value);
	return whole_units(number, unit_of(converter), &microseconds) &&
		microseconds_to_time(converter, microseconds, value);
}

static bool
quick_time(CqJsonConverter *converter, const CqJsonToken *token, CqJsonArena *arena, Datum *value)
{
	Timestamp	timestamp;
	CqTimeStyle times = converter->style.times;

	if (token->kind == CQ_JSON_INTEGER)
		return times != CQ_TIMES_ISO && times != CQ_TIMES_PATTERN &&
			whole_to_time(converter, token->integer, value);
	if (token->kind != CQ_JSON_STRING || (times != CQ_TIMES_ISO && times != CQ_TIMES_DEBEZIUM))
		return false;
	if (converter->type == TIMESTAMPTZOID
		? !cq_json_time_timestamptz(&converter->clock, token->text, token->length, &timestamp)
		: converter->type != TIMESTAMPOID ||
		!cq_json_time_timestamp(&converter->clock, token->text, token->length, &timestamp))
		return false;
	if (converter->typmod >= 0)
		cq_compat_round_timestamp(&timestamp, converter->typmod);
	*value = TimestampGetDatum(timestamp);
	return true;
}

static bool
is_styled_time(const CqJsonConverter *converter)
{
	return converter->style.times != CQ_TIMES_PLAIN &&
		(converter->type == TIMESTAMPOID || converter->type == TIMESTAMPTZOID ||
		 converter->type == DATEOID || converter->type == TIMEOID);
}

CqJsonQuick
cq_json_style_quick(const CqJsonConverter *converter)
{
	return is_styled_time(converter) ? quick_time : NULL;
}

static Datum
read_pattern(const CqJsonConverter *converter, const CqJsonToken *token)
{
	Datum		text = CStringGetTextDatum(cq_json_value_slow_text(token));
	Datum		pattern = CStringGetTextDatum(converter->style.pattern);
	Oid			collation = DEFAULT_COLLATION_OID;
	Datum		moment;

	if (converter->type == DATEOID)
		return DirectFunctionCall2Coll(to_date, collation, text, pattern);
	moment = DirectFunctionCall2Coll(to_timestamp, collation, text, pattern);
	if (converter->type == TIMESTAMPOID)
		return DirectFunctionCall2(timestamp_scale,
								   DirectFunctionCall1(timestamptz_timestamp, moment),
								   Int32GetDatum(converter->typmod));
	if (converter->type == TIMEOID)
		return DirectFunctionCall2(time_scale, DirectFunctionCall1(timestamptz_time, moment),
								   Int32GetDatum(converter->typmod));
	return DirectFunctionCall2(timestamptz_scale, moment, Int32GetDatum(converter->typmod));
}

static Datum
numeric_of(const CqJsonToken *token)
{
	return DirectFunctionCall3(numeric_in, CStringGetDatum(cq_json_value_slow_text(token)),
							   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

/* A number with a fraction, or written as one. */
static int64
count_microseconds(const CqJsonConverter *converter, const CqJsonToken *token)
{
	Datum		unit = NumericGetDatum(int64_to_numeric(unit_of(converter)));
	Datum		nanoseconds = DirectFunctionCall2(numeric_mul, numeric_of(token), unit);
	Datum		microseconds = DirectFunctionCall2(numeric_div, nanoseconds,
												   NumericGetDatum(int64_to_numeric(1000)));

	return DatumGetInt64(DirectFunctionCall1(numeric_int8,
											 DirectFunctionCall1(numeric_floor, microseconds)));
}

static void
refuse_time(const CqJsonConverter *converter, const CqJsonToken *token, const char *expected)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
			 errmsg("\"%s\" is not a %s here", pnstrdup(token->text, Min(token->length, 64)),
					format_type_be(converter->type)),
			 errdetail("%s", expected)));
}

/* What the quick way has left. False: a string, which its type's input reads. */
static bool
convert_time(CqJsonConverter *converter, const CqJsonToken *token, Datum *value)
{
	CqTimeStyle times = converter->style.times;
	bool		takes_text = times == CQ_TIMES_ISO || times == CQ_TIMES_DEBEZIUM;

	if (times == CQ_TIMES_PATTERN)
	{
		if (token->kind != CQ_JSON_STRING && !is_number(token))
			refuse_time(converter, token, "A text is expected that follows the option "
										  "time_format.");
		*value = read_pattern(converter, token);
		return true;
	}
	if (token->kind == CQ_JSON_STRING && takes_text)
		return false;
	if (times == CQ_TIMES_ISO)
		refuse_time(converter, token, "The option time_format says that times are text.");
	if (!is_number(token))
		refuse_time(converter, token, takes_text ? "A number or a text is expected." :
					"The option time_format says that times are numbers.");
	if (converter->type == DATEOID && converter->style.is_debezium
		? token->kind != CQ_JSON_NUMBER ||
		!days_to_date(DatumGetInt64(DirectFunctionCall1(numeric_int8, numeric_of(token))), value)
		: !microseconds_to_time(converter, count_microseconds(converter, token), value))
		refuse_time(converter, token, "The number is out of range.");
	return true;
}

static Datum
interval_of(const CqJsonToken *token)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = DatumGetInt64(DirectFunctionCall1(numeric_int8, numeric_of(token)));
	return IntervalPGetDatum(interval);
}

/* ---- decimals ---- */

static Datum
unscaled_to_numeric(const CqJsonConverter *converter, const CqJsonToken *bytes, int scale)
{
	CqAvroSchema schema = {.precision = INT_MAX, .scale = scale};
	CqAvroInput in = {0};
	bytea	   *unscaled = bytes->kind == CQ_JSON_STRING ? cq_json_value_base64(bytes) : NULL;
	StringInfoData digits;

	initStringInfo(&digits);
	if (unscaled == NULL || VARSIZE_ANY_EXHDR(unscaled) == 0 || scale < 0 || scale > MAX_SCALE ||
		!cq_avro_json_decimal(&in, &schema, VARDATA(unscaled), VARSIZE_ANY_EXHDR(unscaled),
							  &digits))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("\"%s\" is not a decimal in base64",
						pnstrdup(bytes->text, Min(bytes->length, 64)))));
	return DirectFunctionCall3(numeric_in, CStringGetDatum(digits.data),
							   ObjectIdGetDatum(InvalidOid), Int32GetDatum(converter->typmod));
}

static Datum
base64_to_numeric(const CqJsonConverter *converter, const CqJsonToken *token)
{
	int32		typmod = converter->typmod - VARHDRSZ;

	if (converter->typmod < (int32) VARHDRSZ)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				 errmsg("a decimal in base64 does not say its scale"),
				 errhint("Give the column a type such as numeric(12,2).")));
	return unscaled_to_numeric(converter, token, ((typmod & 0x7ff) ^ 1024) - 1024);
}

/* Debezium's decimals of any scale: {"scale": 2, "value": "…"}. */
static Datum
scaled_to_numeric(const CqJsonConverter *converter, const CqJsonToken *object)
{
	CqJsonToken scale = {.kind = CQ_JSON_MISSING};
	CqJsonToken bytes = {.kind = CQ_JSON_MISSING};
	CqJsonToken name;
	CqJsonToken value;
	uint32		place = 1;

	while (cq_json_token_next_member(object, &place, &name, &value))
	{
		if (name.length == 5 && memcmp(name.text, "scale", 5) == 0)
			scale = value;
		else if (name.length == 5 && memcmp(name.text, "value", 5) == 0)
			bytes = value;
	}
	if (scale.kind != CQ_JSON_INTEGER || bytes.kind != CQ_JSON_STRING)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("an object is not a decimal unless it has scale and value")));
	return unscaled_to_numeric(converter, &bytes,
							   scale.integer < 0 || scale.integer > MAX_SCALE ? -1 :
							   (int) scale.integer);
}

static bool
convert_numeric(CqJsonConverter *converter, const CqJsonToken *token, Datum *value)
{
	if (token->kind == CQ_JSON_OBJECT && converter->style.is_debezium)
		*value = scaled_to_numeric(converter, token);
	else if (token->kind == CQ_JSON_STRING && converter->style.numbers == CQ_NUMBERS_BASE64)
		*value = base64_to_numeric(converter, token);
	else if (token->kind == CQ_JSON_STRING && converter->style.numbers == CQ_NUMBERS_NUMBER)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("\"%s\" is a string, and not a number",
						pnstrdup(token->text, Min(token->length, 64))),
				 errhint("The option number_format says how numbers are written: string, or base64 "
						 "as "
						 "Debezium does unless decimal.handling.mode or decimal.format say "
						 "otherwise.")));
	else
		return false;
	return true;
}

/* ---- all of it ---- */

bool
cq_json_style_convert(CqJsonConverter *converter, const CqJsonToken *token, Datum *value)
{
	if (is_styled_time(converter))
		return convert_time(converter, token, value);
	if (converter->type == NUMERICOID && converter->style.numbers != CQ_NUMBERS_PLAIN)
		return convert_numeric(converter, token, value);
	if (converter->type == INTERVALOID && converter->style.is_debezium && is_number(token))
	{
		*value = interval_of(token);
		return true;
	}
	if (converter->style.is_debezium && token->kind == CQ_JSON_STRING &&
		(converter->type == JSONOID || converter->type == JSONBOID))
	{
		*value = InputFunctionCall(&converter->input, cq_json_value_slow_text(token),
								   converter->typioparam, converter->typmod);
		return true;
	}
	return false;
}

/* ---- writing ---- */

/* Microseconds since 1970 or midnight; false: it is infinite, or no time. */
static bool
microseconds_of(Oid type, Datum value, int64 *microseconds)
{
	switch (type)
	{
		case TIMEOID:
			*microseconds = DatumGetTimeADT(value);
			return true;
		case DATEOID:
			*microseconds = (DatumGetDateADT(value) + (int64) EPOCH_DAYS) * USECS_PER_DAY;
			return !DATE_NOT_FINITE(DatumGetDateADT(value));
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			*microseconds = DatumGetTimestamp(value) + EPOCH_MICROSECONDS;
			return !TIMESTAMP_NOT_FINITE(DatumGetTimestamp(value));
		default:
			return false;
	}
}

/* By the pattern; of what has a time zone nobody could tell which one was meant. */
static char *
write_pattern(const CqValueStyle *style, Oid type, int64 microseconds)
{
	Timestamp	timestamp = microseconds - EPOCH_MICROSECONDS;

	if (type == TIMESTAMPTZOID)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot write a timestamp with time zone by a pattern"),
				 errhint("Let time_format be iso, or the column a timestamp without time zone.")));
	return TextDatumGetCString(DirectFunctionCall2Coll(timestamp_to_char, DEFAULT_COLLATION_OID,
													   TimestampGetDatum(timestamp),
													   CStringGetTextDatum(style->pattern)));
}

static char *
write_seconds(int64 microseconds)
{
	int64		seconds = divide_down(microseconds, USECS_PER_SEC);
	int			fraction = (int) (microseconds - seconds * USECS_PER_SEC);
	char	   *text;

	if (fraction == 0)
		return psprintf(INT64_FORMAT, seconds);
	if (seconds < 0)
	{
		/* Below zero the fraction counts the other way. */
		seconds++;
		fraction = USECS_PER_SEC - fraction;
		text = psprintf("-" INT64_FORMAT ".%06d", -seconds, fraction);
	}
	else
		text = psprintf(INT64_FORMAT ".%06d", seconds, fraction);
	while (text[strlen(text) - 1] == '0')
		text[strlen(text) - 1] = '\0';
	return text;
}

char *
cq_json_style_write(const CqValueStyle *style, Oid type, Datum value)
{
	int64		microseconds;
	int64		nanoseconds;

	if (style->times < CQ_TIMES_SECONDS || style->times == CQ_TIMES_DEBEZIUM ||
		!microseconds_of(type, value, &microseconds))
		return NULL;
	switch (style->times)
	{
		case CQ_TIMES_SECONDS:
			return write_seconds(microseconds);
		case CQ_TIMES_MILLISECONDS:
			return psprintf(INT64_FORMAT, divide_down(microseconds, 1000));
		case CQ_TIMES_MICROSECONDS:
			return psprintf(INT64_FORMAT, microseconds);
		case CQ_TIMES_NANOSECONDS:
			if (pg_mul_s64_overflow(microseconds, 1000, &nanoseconds))
				ereport(ERROR,
						(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						 errmsg("a time is out of range of nanoseconds since 1970")));
			return psprintf(INT64_FORMAT, nanoseconds);
		case CQ_TIMES_PATTERN:
			return write_pattern(style, type, microseconds);
		default:
			return NULL;
	}
}
