/*
 * json_write.c
 *		Scalars as JSON: see json_write.h.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "format/json_write.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"

bool
cq_json_write_is_text(const char *bytes, int64 length)
{
	return pg_encoding_verifymbstr(PG_UTF8, bytes, (int) length) == length;
}

void
cq_json_write_string(StringInfo out, const char *text, int64 length)
{
	static const char digits[] = "0123456789abcdef";

	appendStringInfoChar(out, '"');
	for (int64 i = 0; i < length; i++)
	{
		uint8		c = (uint8) text[i];

		if (c == '"' || c == '\\')
		{
			appendStringInfoChar(out, '\\');
			appendStringInfoChar(out, c);
		}
		else if (c < ' ')
		{
			appendStringInfoString(out, "\\u00");
			appendStringInfoChar(out, digits[c >> 4]);
			appendStringInfoChar(out, digits[c & 15]);
		}
		else
			appendStringInfoChar(out, c);
	}
	appendStringInfoChar(out, '"');
}

void
cq_json_write_bytes(StringInfo out, const char *bytes, int64 length)
{
	appendStringInfoString(out, "\"\\\\x");
	enlargeStringInfo(out, (int) length * 2 + 2);
	out->len += hex_encode(bytes, length, out->data + out->len);
	appendStringInfoChar(out, '"');
}

static void
append_number(StringInfo out, float8 number, const char *digits)
{
	if (isnan(number))
		appendStringInfoString(out, "\"NaN\"");
	else if (isinf(number))
		appendStringInfoString(out, number > 0 ? "\"Infinity\"" : "\"-Infinity\"");
	else
		appendStringInfoString(out, digits);
}

void
cq_json_write_float4(StringInfo out, float4 number)
{
	char		digits[FLOAT_SHORTEST_DECIMAL_LEN];

	float_to_shortest_decimal_buf(number, digits);
	append_number(out, number, digits);
}

void
cq_json_write_float8(StringInfo out, float8 number)
{
	char		digits[DOUBLE_SHORTEST_DECIMAL_LEN];

	double_to_shortest_decimal_buf(number, digits);
	append_number(out, number, digits);
}

void
cq_json_write_time(StringInfo out, Datum value, Oid type)
{
	char		text[MAXDATELEN + 1];
	int			utc = 0;

	JsonEncodeDateTime(text, value, type, type == TIMESTAMPTZOID ? &utc : NULL);
	appendStringInfo(out, "\"%s\"", text);
}
