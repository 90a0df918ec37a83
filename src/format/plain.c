/*
 * plain.c
 *		Formats of one value without a name: text, bytea, and the primitive types of Kafka's own
 *		serializers.
 *
 * Decides what a message is, byte by byte as Kafka's serializers write it:
 *		text, string	UTF-8, which the input function of the column's type reads
 *		bytea			the bytes, for a column of bytea
 *		boolean			a byte, 0 or 1
 *		short, int, long	an integer of 2, 4 or 8 bytes, the highest first
 *		float, double	a number of IEEE 754, the highest byte first
 *		uuid			the text of a uuid
 * Anything else is a bad message as a whole. What the value is for the column's type is as if it
 * stood in JSON: integers are not rounded, and a long may be a time.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/compat.h"
#include "common/shortest_dec.h"
#include "format/flat.h"
#include "format/json_settings.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/uuid.h"

typedef struct Kind Kind;

typedef struct PlainDecoder
{
	CqFlat		flat;			/* the first */
	const Kind *kind;
} PlainDecoder;

typedef struct PlainEncoder
{
	const Kind *kind;
	CqColumn	column;
} PlainEncoder;

struct Kind
{
	const CqFormat *format;
	uint32		length;			/* of each message; 0: of any length */
	/* The value of the only column; what is wrong with the message, or NULL. */
	const char *(*read) (PlainDecoder *decoder, const CqMessage *message, int row);
	void		(*write) (const CqColumn *column, Datum value, StringInfo out);
};

/* ---- reading ---- */

static const char *
read_text(PlainDecoder *decoder, const CqMessage *message, int row)
{
	const char *fault = cq_flat_text_fault(message->value, message->value_length);
	char	   *text;

	if (fault != NULL || decoder->flat.ntargets == 0)
		return fault;
	text = cq_flat_room(&decoder->flat, message->value_length);
	memcpy(text, message->value, message->value_length);
	text[message->value_length] = '\0';
	cq_flat_take_text(&decoder->flat, &decoder->flat.targets[0], row, text,
					  message->value_length);
	return NULL;
}

static const char *
read_bytes(PlainDecoder *decoder, const CqMessage *message, int row)
{
	CqFlat	   *flat = &decoder->flat;
	bytea	   *bytes;

	if (flat->ntargets == 0)
		return NULL;
	bytes = (bytea *) cq_flat_room(flat, VARHDRSZ + message->value_length);
	SET_VARSIZE(bytes, VARHDRSZ + message->value_length);
	memcpy(VARDATA(bytes), message->value, message->value_length);
	flat->targets[0].values[row] = PointerGetDatum(bytes);
	flat->targets[0].nulls[row] = false;
	return NULL;
}

/* A token of what psprintf and the like have written. */
static void
take_number(PlainDecoder *decoder, int row, const char *text)
{
	int			length = strlen(text);
	char	   *kept = strcpy(cq_flat_room(&decoder->flat, length), text);
	CqJsonToken token = {.text = kept, .length = length};

	if (!cq_json_token_number(kept, kept + length, &token))
		token.kind = CQ_JSON_STRING;	/* NaN and infinities */
	cq_flat_take(&decoder->flat, &decoder->flat.targets[0], row, &token);
}

static const char *
read_boolean(PlainDecoder *decoder, const CqMessage *message, int row)
{
	static const CqJsonToken tokens[] = {
		{.text = "false", .length = 5, .kind = CQ_JSON_FALSE},
		{.text = "true", .length = 4, .kind = CQ_JSON_TRUE}
	};

	if (*message->value != 0 && *message->value != 1)
		return "it is neither 0 nor 1";
	if (decoder->flat.ntargets > 0)
		cq_flat_take(&decoder->flat, &decoder->flat.targets[0], row,
					 &tokens[(int) *message->value]);
	return NULL;
}

static const char *
read_integer(PlainDecoder *decoder, const CqMessage *message, int row)
{
	char		text[32];
	uint64		bits = 0;
	int64		value;

	if (decoder->flat.ntargets == 0)
		return NULL;
	for (uint32 i = 0; i < message->value_length; i++)
		bits = bits << 8 | (unsigned char) message->value[i];
	value = message->value_length == 2 ? (int16) bits : message->value_length == 4 ?
		(int32) bits : (int64) bits;
	pg_lltoa(value, text);
	take_number(decoder, row, text);
	return NULL;
}

static const char *
read_float(PlainDecoder *decoder, const CqMessage *message, int row)
{
	char		text[DOUBLE_SHORTEST_DECIMAL_LEN + 1];
	uint32		bits;
	uint64		wide;
	float4		number;
	float8		wide_number;

	if (decoder->flat.ntargets == 0)
		return NULL;
	if (message->value_length == sizeof(bits))
	{
		memcpy(&bits, message->value, sizeof(bits));
		bits = pg_ntoh32(bits);
		memcpy(&number, &bits, sizeof(number));
		float_to_shortest_decimal_buf(number, text);
	}
	else
	{
		memcpy(&wide, message->value, sizeof(wide));
		wide = pg_ntoh64(wide);
		memcpy(&wide_number, &wide, sizeof(wide_number));
		double_to_shortest_decimal_buf(wide_number, text);
	}
	take_number(decoder, row, text);
	return NULL;
}

static const char *
read_uuid(PlainDecoder *decoder, const CqMessage *message, int row)
{
	for (uint32 i = 0; i < message->value_length; i++)
	{
		bool		is_hyphen = i == 8 || i == 13 || i == 18 || i == 23;

		if (is_hyphen ? message->value[i] != '-' : !isxdigit((unsigned char) message->value[i]))
			return "it is not the text of a uuid";
	}
	return read_text(decoder, message, row);
}

/* ---- writing ---- */

static void
write_text(const CqColumn *column, Datum value, StringInfo out)
{
	char	   *text = cq_flat_text_of(column, value);

	appendStringInfoString(out, pg_server_to_any(text, strlen(text), PG_UTF8));
}

static void
write_bytes(const CqColumn *column, Datum value, StringInfo out)
{
	bytea	   *bytes = DatumGetByteaPP(value);

	appendBinaryStringInfo(out, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
}

static void
write_boolean(const CqColumn *column, Datum value, StringInfo out)
{
	bool		is_true = DatumGetBool(DirectFunctionCall1(boolin, CStringGetDatum(
												   cq_flat_text_of(column, value))));

	appendStringInfoChar(out, is_true);
}

/* The lowest bytes of an integer, the highest of them first. */
static void
write_bits(uint64 bits, int nbytes, StringInfo out)
{
	for (int i = nbytes - 1; i >= 0; i--)
		appendStringInfoCharMacro(out, (char) (bits >> (i * 8)));
}

static void
write_short(const CqColumn *column, Datum value, StringInfo out)
{
	Datum		number = DirectFunctionCall1(int2in, CStringGetDatum(cq_flat_text_of(column, value)));

	write_bits((uint64) DatumGetInt16(number), 2, out);
}

static void
write_int(const CqColumn *column, Datum value, StringInfo out)
{
	Datum		number = DirectFunctionCall1(int4in, CStringGetDatum(cq_flat_text_of(column, value)));

	write_bits((uint64) DatumGetInt32(number), 4, out);
}

static void
write_long(const CqColumn *column, Datum value, StringInfo out)
{
	Datum		number = DirectFunctionCall1(int8in, CStringGetDatum(cq_flat_text_of(column, value)));

	write_bits((uint64) DatumGetInt64(number), 8, out);
}

static void
write_float(const CqColumn *column, Datum value, StringInfo out)
{
	float4		number = DatumGetFloat4(DirectFunctionCall1(float4in, CStringGetDatum(
													cq_flat_text_of(column, value))));
	uint32		bits;

	memcpy(&bits, &number, sizeof(bits));
	write_bits(bits, 4, out);
}

static void
write_double(const CqColumn *column, Datum value, StringInfo out)
{
	float8		number = DatumGetFloat8(DirectFunctionCall1(float8in, CStringGetDatum(
													cq_flat_text_of(column, value))));
	uint64		bits;

	memcpy(&bits, &number, sizeof(bits));
	write_bits(bits, 8, out);
}

static void
write_uuid(const CqColumn *column, Datum value, StringInfo out)
{
	Datum		uuid = DirectFunctionCall1(uuid_in, CStringGetDatum(cq_flat_text_of(column, value)));

	appendStringInfoString(out, DatumGetCString(DirectFunctionCall1(uuid_out, uuid)));
}

/* ---- the formats ---- */

static const Kind kinds[] = {
	{&cq_text_format, 0, read_text, write_text},
	{&cq_string_format, 0, read_text, write_text},
	{&cq_bytea_format, 0, read_bytes, write_bytes},
	{&cq_boolean_format, 1, read_boolean, write_boolean},
	{&cq_short_format, 2, read_integer, write_short},
	{&cq_int_format, 4, read_integer, write_int},
	{&cq_long_format, 8, read_integer, write_long},
	{&cq_float_format, 4, read_float, write_float},
	{&cq_double_format, 8, read_float, write_double},
	{&cq_uuid_format, 36, read_uuid, write_uuid},
};

static const Kind *
find_kind(const CqFormat *format)
{
	for (int i = 0; i < (int) lengthof(kinds); i++)
	{
		if (kinds[i].format == format)
			return &kinds[i];
	}
	elog(ERROR, "format %s has no kind", format->name);
}

static CqReject *
check(const CqFormat *format, const CqColumn *columns, int ncolumns)
{
	if (format == &cq_bytea_format && ncolumns > 0 && columns[0].type != BYTEAOID)
		return cq_reject(ERRCODE_FDW_INVALID_DATA_TYPE,
						 "column \"%s\" must be of type bytea: format bytea has nothing else",
						 columns[0].name);
	return cq_flat_check_whole(format->name, columns, ncolumns);
}

static void
decode_message(CqFlat *flat, const CqMessage *message, int row)
{
	PlainDecoder *decoder = (PlainDecoder *) flat;
	const Kind *kind = decoder->kind;
	const char *fault;

	if (kind->length != 0 && message->value_length != kind->length)
		fault = psprintf("it has %u bytes, and not %u", message->value_length, kind->length);
	else
		fault = kind->read(decoder, message, row);
	if (fault != NULL)
		cq_flat_refuse(&decoder->flat, row,
					   cq_reject(ERRCODE_INVALID_BINARY_REPRESENTATION,
								 "invalid message of format %s: %s", kind->format->name, fault));
}

static CqDecoder *
open_decoder(const CqFormat *format, const CqFormatOptions *options, const CqColumn *columns,
			 int ncolumns)
{
	PlainDecoder *decoder = palloc0(sizeof(PlainDecoder));

	cq_reject_raise(check(format, columns, ncolumns), NULL);
	decoder->kind = find_kind(format);
	cq_flat_open(&decoder->flat, options, columns, ncolumns,
				 decoder->kind->read == read_text || decoder->kind->read == read_uuid);
	decoder->flat.decode_message = decode_message;
	return (CqDecoder *) decoder;
}

static CqEncoder *
open_encoder(const CqFormat *format, const CqFormatOptions *options, const CqColumn *columns,
			 int ncolumns)
{
	PlainEncoder *encoder = palloc0(sizeof(PlainEncoder));

	cq_reject_raise(check(format, columns, ncolumns), NULL);
	if (ncolumns == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
				 errmsg("there is no column to be written in format %s", format->name)));
	encoder->kind = find_kind(format);
	encoder->column = columns[0];
	return (CqEncoder *) encoder;
}

static void
encode(CqEncoder *opaque, const Datum *values, const bool *nulls, StringInfo out)
{
	PlainEncoder *encoder = (PlainEncoder *) opaque;
	int			index = encoder->column.attno - 1;
	int			level;

	if (nulls[index])
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("null cannot be written in format %s", encoder->kind->format->name),
				 errhint("With the option tombstone 'row' it is a message without a value.")));
	level = cq_settings_begin_transmission();
	encoder->kind->write(&encoder->column, values[index], out);
	cq_settings_end(level);
}

/* The routines know their format by these. */
#define PLAIN_FORMAT(word) \
static CqReject * \
check_##word(const CqFormatOptions *options, const CqColumn *columns, int ncolumns) \
{ \
	return check(&cq_##word##_format, columns, ncolumns); \
} \
static CqDecoder * \
open_decoder_##word(const CqFormatOptions *options, const CqColumn *columns, int ncolumns) \
{ \
	return open_decoder(&cq_##word##_format, options, columns, ncolumns); \
} \
static CqEncoder * \
open_encoder_##word(const CqFormatOptions *options, const CqColumn *columns, int ncolumns) \
{ \
	return open_encoder(&cq_##word##_format, options, columns, ncolumns); \
} \
const CqFormat cq_##word##_format = { \
	.name = #word, \
	.is_flat = true, \
	.check = check_##word, \
	.decoder_open = open_decoder_##word, \
	.decode = cq_flat_decode, \
	.settings = cq_json_settings, \
	.encoder_open = open_encoder_##word, \
	.encode = encode, \
}

PLAIN_FORMAT(text);
PLAIN_FORMAT(string);
PLAIN_FORMAT(bytea);
PLAIN_FORMAT(boolean);
PLAIN_FORMAT(short);
PLAIN_FORMAT(int);
PLAIN_FORMAT(long);
PLAIN_FORMAT(float);
PLAIN_FORMAT(double);
PLAIN_FORMAT(uuid);
