/*
 * json_token.c
 *		A value as it stands in a message, and what can be told from its text alone: see
 *		json_token.h.
 */
#include "postgres.h"

#include "format/json_token.h"
#include "mb/pg_wchar.h"

bool
cq_json_token_number(const char *text, const char *end, CqJsonToken *token)
{
	const char *at = text + (*text == '-');
	const char *digits = at;
	uint64		value = 0;

	while (at < end && cq_json_is_digit(*at))
		value = value * 10 + (*at++ - '0');	/* wraps where it is not used */
	if (at == digits || (*digits == '0' && at - digits > 1))
		return false;

	token->kind = CQ_JSON_NUMBER;
	if (at == end && at - digits <= 19 && value <= (uint64) PG_INT64_MAX + (*text == '-') &&
		!(*text == '-' && value == 0))
	{
		token->kind = CQ_JSON_INTEGER;
		token->integer = *text == '-' ? (int64) -value : (int64) value;
	}
	if (at < end && *at == '.')
	{
		digits = ++at;
		while (at < end && cq_json_is_digit(*at))
			at++;
		if (at == digits)
			return false;
	}
	if (at < end && (*at == 'e' || *at == 'E'))
	{
		at++;
		if (at < end && (*at == '+' || *at == '-'))
			at++;
		digits = at;
		while (at < end && cq_json_is_digit(*at))
			at++;
		if (at == digits)
			return false;
	}
	return at == end;
}

int64
cq_json_token_bad_escape(const char *text, uint32 length)
{
	const char *at = text;
	const char *end = text + length;

	while (at < end && (at = memchr(at, '\\', end - at)) != NULL)
	{
		const char *escape = at++;

		if (at < end && *at == 'u')
		{
			for (int i = 1; i <= 4; i++)
				if (at + i >= end || !isxdigit((unsigned char) at[i]))
					return escape - text;
			at += 5;
		}
		else if (at < end && strchr("\"\\/bfnrt", *at) != NULL && *at != '\0')
			at++;
		else
			return escape - text;
	}
	return -1;
}

/* The four hexadecimal digits at text, which were seen to be such. */
static uint32
hex_unit(const char *text)
{
	uint32		unit = 0;

	for (int i = 0; i < 4; i++)
	{
		char		c = text[i];

		unit = unit * 16 + (cq_json_is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return unit;
}

int64
cq_json_token_unescape(const char *text, uint32 length, char *target, const char **reason)
{
	const char *end = text + length;
	char	   *out = target;

	while (text < end)
	{
		uint32		character;

		if (*text != '\\')
		{
			*out++ = *text++;
			continue;
		}
		text += 2;
		switch (text[-1])
		{
			case 'b':
				*out++ = '\b';
				continue;
			case 'f':
				*out++ = '\f';
				continue;
			case 'n':
				*out++ = '\n';
				continue;
			case 'r':
				*out++ = '\r';
				continue;
			case 't':
				*out++ = '\t';
				continue;
			case 'u':
				break;
			default:
				*out++ = text[-1];
				continue;
		}

		character = hex_unit(text);
		text += 4;
		if (character == 0)
		{
			*reason = "\\u0000 cannot be converted to text.";
			return -1;
		}
		if (character >= 0xD800 && character <= 0xDBFF)
		{
			uint32		low = end - text >= 6 && text[0] == '\\' && text[1] == 'u' ?
				hex_unit(text + 2) : 0;

			if (low < 0xDC00 || low > 0xDFFF)
			{
				*reason = "Unicode high surrogate must be followed by a low surrogate.";
				return -1;
			}
			text += 6;
			character = 0x10000 + ((character - 0xD800) << 10) + (low - 0xDC00);
		}
		else if (character >= 0xDC00 && character <= 0xDFFF)
		{
			*reason = "Unicode low surrogate must follow a high surrogate.";
			return -1;
		}
		unicode_to_utf8(character, (unsigned char *) out);
		out += pg_utf_mblen((unsigned char *) out);
	}
	return out - target;
}

bool
cq_json_token_same_text(const CqJsonToken *a, const CqJsonToken *b)
{
	char	   *room;
	const char *reason;
	int64		length;
	int64		other;
	bool		is_same;

	if (!a->is_escaped && !b->is_escaped)
		return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
	room = palloc(a->length + b->length);
	length = cq_json_token_unescape(a->text, a->length, room, &reason);
	other = cq_json_token_unescape(b->text, b->length, room + a->length, &reason);
	is_same = length == other && memcmp(room, room + a->length, length) == 0;
	pfree(room);
	return is_same;
}

/* Behind the closing quote of the string whose opening quote is at text. */
static const char *
skip_string(const char *text)
{
	for (text++; *text != '"'; text++)
		if (*text == '\\')
			text++;
	return text + 1;
}

/* Behind the object or array at text. */
static const char *
skip_nested(const char *text)
{
	int			depth = 0;

	for (;;)
	{
		if (*text == '"')
		{
			text = skip_string(text);
			continue;
		}
		if (*text == '{' || *text == '[')
			depth++;
		else if ((*text == '}' || *text == ']') && --depth == 0)
			return text + 1;
		text++;
	}
}

const char *
cq_json_token_read(const char *text, CqJsonToken *token)
{
	const char *end;

	token->text = text;
	token->is_escaped = false;
	if (*text == '"')
	{
		end = skip_string(text);
		token->kind = CQ_JSON_STRING;
		token->text = text + 1;
		token->length = end - text - 2;
		token->is_escaped = memchr(token->text, '\\', token->length) != NULL;
	}
	else if (*text == '{' || *text == '[')
	{
		end = skip_nested(text);
		token->kind = *text == '{' ? CQ_JSON_OBJECT : CQ_JSON_ARRAY;
		token->length = end - text;
	}
	else
	{
		for (end = text; *end != ',' && *end != ']' && *end != '}' && !cq_json_is_space(*end);)
			end++;
		token->length = end - text;
		if (*text == 't')
			token->kind = CQ_JSON_TRUE;
		else if (*text == 'f')
			token->kind = CQ_JSON_FALSE;
		else if (*text == 'n')
			token->kind = CQ_JSON_NULL;
		else
			(void) cq_json_token_number(text, end, token);
	}
	return end;
}

bool
cq_json_token_next_element(const CqJsonToken *array, uint32 *place, CqJsonToken *element)
{
	const char *text = array->text + *place;

	while (cq_json_is_space(*text) || *text == ',')
		text++;
	if (*text == ']')
		return false;
	*place = cq_json_token_read(text, element) - array->text;
	return true;
}

bool
cq_json_token_next_member(const CqJsonToken *object, uint32 *place, CqJsonToken *name,
						  CqJsonToken *value)
{
	const char *text = object->text + *place;

	while (cq_json_is_space(*text) || *text == ',')
		text++;
	if (*text == '}')
		return false;
	text = cq_json_token_read(text, name);
	while (cq_json_is_space(*text) || *text == ':')
		text++;
	*place = cq_json_token_read(text, value) - object->text;
	return true;
}
