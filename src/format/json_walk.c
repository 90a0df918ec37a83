/*
 * json_walk.c
 *		Goes through one message, checks that it is JSON, and notes where the wanted fields stand:
 *		see json_walk.h.
 *
 * Decides what a valid message is: one object, of at most CQ_JSON_MAX_LENGTH bytes and
 * CQ_JSON_MAX_DEPTH levels, in which every byte follows RFC 8259, whether anybody wants the field
 * it belongs to or not. That is what the type json of the server takes, too. Only then may a row be
 * made of it, or counted.
 *
 * How it works: simdjson has made an index of the offsets at which tokens start. The walk goes from
 * token to token, never from byte to byte, except within numbers. Since all bytes that are not
 * white space belong to a token, a scalar ends behind the last byte before the next token that is
 * no white space.
 *
 * Why it never reads outside the message: the last token is seen to be a closing brace before the
 * walk starts, and no token but a closing brace is stepped over without having been looked at;
 * after one, the count of tokens is checked.
 */
#include "postgres.h"

#include "format/json_walk.h"

typedef struct Walk
{
	CqJsonShape *shape;
	const char *text;
	const uint32 *end;			/* of the index */
	bool		has_escapes;	/* a backslash is somewhere in the message */
	CqJsonToken unwanted;		/* what nobody wants goes here */
	CqJsonFault *fault;
} Walk;

/*
 * The functions that walk take a place in the index, and return the place behind what they have
 * walked, or NULL for a fault.
 */
static const uint32 *walk_nested(Walk *walk, CqJsonField *field, const uint32 *at, int depth,
								 CqJsonToken *token);

static pg_noinline bool
fail(Walk *walk, uint32 offset, const char *reason)
{
	walk->fault->sqlerrcode = ERRCODE_INVALID_TEXT_REPRESENTATION;
	walk->fault->reason = reason;
	walk->fault->offset = offset;
	return false;
}

/* ---- Scalars ---- */

/* Where the scalar ends that comes before the token at next: behind its last byte. */
static inline uint32
scalar_end(const char *text, uint32 next)
{
	while (unlikely((unsigned char) text[next - 1] <= ' ') && cq_json_is_space(text[next - 1]))
		next--;
	return next;
}

#ifndef WORDS_BIGENDIAN
/*
 * The value of the last n (1 to 8) of the eight bytes before end, if they are digits: all at once,
 * since a loop over numbers of changing length costs a mispredicted branch each.
 */
static inline bool
digits_before(const char *end, uint32 n, uint64 *value)
{
	const uint64 zeros = UINT64CONST(0x3030303030303030);
	const uint64 upper = UINT64CONST(0xF0F0F0F0F0F0F0F0);
	const uint64 pairs = UINT64CONST(0x000000FF000000FF);
	uint64		bytes;

	memcpy(&bytes, end - 8, 8);
	if (n < 8)
		bytes = (bytes >> (64 - 8 * n) << (64 - 8 * n)) | (zeros >> (8 * n));
	if ((bytes & upper) != zeros || ((bytes + UINT64CONST(0x0606060606060606)) & upper) != zeros)
		return false;

	bytes -= zeros;
	/* each second byte now holds two digits' value; the last digits are highest */
	bytes = bytes * 10 + (bytes >> 8);
	*value = ((bytes & pairs) * (100 + (UINT64CONST(1000000) << 32)) +
			  ((bytes >> 16) & pairs) * (1 + (UINT64CONST(10000) << 32))) >> 32;
	return true;
}
#endif

static pg_attribute_always_inline bool
read_number(Walk *walk, uint32 start, uint32 end, CqJsonToken *token)
{
	const char *text = walk->text + start;

	token->text = text;
	token->length = end - start;
#ifndef WORDS_BIGENDIAN
	{
		bool		is_negative = *text == '-';
		uint32		n = end - start - is_negative;
		uint64		low,
					high = 0;

		if (n - 1 < 16 && end >= (n <= 8 ? 8 : 16) && text[is_negative] != '0' &&
			digits_before(walk->text + end, Min(n, 8), &low) &&
			(n <= 8 || digits_before(walk->text + end - 8, n - 8, &high)))
		{
			int64		value = (int64) (high * 100000000 + low);

			token->kind = CQ_JSON_INTEGER;
			token->integer = is_negative ? -value : value;
			return true;
		}
	}
#endif
	return cq_json_token_number(text, walk->text + end, token) ||
		fail(walk, start, "malformed number");
}

/* A string that starts at offset start and ends, with its quote, before end. */
static pg_attribute_always_inline bool
read_string(Walk *walk, uint32 start, uint32 end, CqJsonToken *token)
{
	token->text = walk->text + start + 1;
	token->length = end - start - 2;
	token->kind = CQ_JSON_STRING;
	token->is_escaped = false;
	if (unlikely(end - start < 2 || walk->text[end - 1] != '"'))
		return fail(walk, start, "a string is followed by something unexpected");
	if (unlikely(walk->has_escapes) && memchr(token->text, '\\', token->length) != NULL)
	{
		int64		bad = cq_json_token_bad_escape(token->text, token->length);

		if (bad >= 0)
			return fail(walk, start + 1 + bad, "unknown escape sequence");
		token->is_escaped = true;
	}
	return true;
}

static bool
read_literal(Walk *walk, uint32 start, uint32 end, CqJsonToken *token)
{
	const char *text = walk->text + start;

	token->text = text;
	token->length = end - start;
	if (token->length == 4 && memcmp(text, "true", 4) == 0)
		token->kind = CQ_JSON_TRUE;
	else if (token->length == 4 && memcmp(text, "null", 4) == 0)
		token->kind = CQ_JSON_NULL;
	else if (token->length == 5 && memcmp(text, "false", 5) == 0)
		token->kind = CQ_JSON_FALSE;
	else
		return fail(walk, start, "a value is expected");
	return true;
}

/* ---- Values ---- */

/*
 * Walks one value. field, which may be NULL, says who wants it; depth is that of the object or
 * array around it.
 */
static pg_attribute_always_inline const uint32 *
walk_value(Walk *walk, CqJsonField *field, const uint32 *at, int depth)
{
	const char *text = walk->text;
	uint32		start = *at;
	char		first = text[start];
	CqJsonToken *token = &walk->unwanted;
	bool		is_good;

	if (field != NULL)
	{
		if (unlikely(field->ninner > 0))
			cq_json_shape_forget(walk->shape, field);
		if (field->token >= 0)
			token = &walk->shape->tokens[field->token];
	}

	/* Unless it is a closing brace, it is not the last token, so that there is one at at[1]. */
	if (first == '"')
		is_good = read_string(walk, start, scalar_end(text, at[1]), token);
	else if (cq_json_is_digit(first) || first == '-')
		is_good = read_number(walk, start, scalar_end(text, at[1]), token);
	else if (first == '{' || first == '[')
		return walk_nested(walk, field, at, depth, token);
	else if (first == '}')
		is_good = fail(walk, start, "a value is expected");
	else
		is_good = read_literal(walk, start, scalar_end(text, at[1]), token);
	return is_good ? at + 1 : NULL;
}

/* The elements of an array, whose bracket is at at. */
static const uint32 *
walk_array(Walk *walk, const uint32 *at, int depth)
{
	const char *text = walk->text;

	at++;
	if (text[*at] == ']')
		return at + 1;
	for (;;)
	{
		at = walk_value(walk, NULL, at, depth);
		if (at == NULL)
			return NULL;
		if (text[*at] == ']')
			return at + 1;
		if (text[*at] != ',')
		{
			fail(walk, *at, "a comma or the end of the array is expected");
			return NULL;
		}
		at++;
	}
}

/*
 * The fields of an object, whose brace is at at; those wanted are within field, which may be NULL.
 */
static const uint32 *
walk_object(Walk *walk, CqJsonField *field, const uint32 *at, int depth)
{
	const char *text = walk->text;
	bool		is_wanted = field != NULL && field->guesses != NULL;

	at++;
	if (text[*at] == '}')
		return at + 1;
	for (uint32 place = 0;; place++)
	{
		CqJsonToken name;
		CqJsonField *inner = NULL;

		if (unlikely(text[at[0]] != '"'))
		{
			fail(walk, at[0], "the name of a field is expected");
			return NULL;
		}
		if (unlikely(text[at[1]] != ':'))
		{
			fail(walk, at[1], "a colon is expected");
			return NULL;
		}
		if (!read_string(walk, at[0], scalar_end(text, at[1]), &name))
			return NULL;
		if (is_wanted)
			inner = cq_json_shape_find(walk->shape, field, place, name.text, name.length,
									   name.is_escaped);
		if (unlikely(walk->shape->ignores_case) && inner != NULL &&
			!cq_json_shape_spell(walk->shape, inner, &name))
			inner = NULL;

		at = walk_value(walk, inner, at + 2, depth);
		if (at == NULL)
			return NULL;
		if (text[*at] == '}')
			return at + 1;
		if (text[*at] != ',')
		{
			fail(walk, *at, "a comma or the end of the object is expected");
			return NULL;
		}
		at++;
	}
}

/* An object or array within another. */
static const uint32 *
walk_nested(Walk *walk, CqJsonField *field, const uint32 *at, int depth, CqJsonToken *token)
{
	uint32		start = *at;
	bool		is_object = walk->text[start] == '{';

	if (depth == CQ_JSON_MAX_DEPTH)
	{
		fail(walk, start, "nested too deep");
		walk->fault->sqlerrcode = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		return NULL;
	}
	at = is_object ? walk_object(walk, field, at, depth + 1) : walk_array(walk, at, depth + 1);
	if (at == NULL)
		return NULL;
	if (at == walk->end)
	{
		fail(walk, start, "the message ends within its object");
		return NULL;
	}
	token->kind = is_object ? CQ_JSON_OBJECT : CQ_JSON_ARRAY;
	token->text = walk->text + start;
	token->length = at[-1] + 1 - start;
	return at;
}

/* ---- Messages ---- */

/* Puts simdjson's answer in words. */
static bool
explain(CqJsonIndexResult result, CqJsonFault *fault)
{
	fault->sqlerrcode = ERRCODE_INVALID_TEXT_REPRESENTATION;
	fault->offset = -1;
	switch (result)
	{
		case CQ_JSON_INDEXED:
			return true;
		case CQ_JSON_EMPTY:
			fault->reason = "the message is empty";
			break;
		case CQ_JSON_NOT_UTF8:
			fault->sqlerrcode = ERRCODE_CHARACTER_NOT_IN_REPERTOIRE;
			fault->reason = "the message is not valid UTF-8";
			break;
		case CQ_JSON_UNCLOSED_STRING:
			fault->reason = "the message ends within a string";
			break;
		case CQ_JSON_CONTROL_CHARACTER:
			fault->reason = "a string contains a control character that is not escaped";
			break;
		case CQ_JSON_NO_MEMORY:
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY),
					 errmsg("out of memory"),
					 errdetail("Failed to make the index of a JSON message.")));
			break;
		case CQ_JSON_FAILED:
			elog(ERROR, "could not index a JSON message");
			break;
	}
	return false;
}

bool
cq_json_walk(CqJsonShape *shape, CqJsonParser *parser, const char *text, uint32 length,
			 CqJsonFault *fault)
{
	CqJsonIndexResult result;
	const uint32 *index;
	uint32		count;
	const uint32 *end;
	Walk		walk;

	for (int i = 0; i < shape->ntokens; i++)
		shape->tokens[i].kind = CQ_JSON_MISSING;
	if (unlikely(shape->ignores_case))
		cq_json_shape_forget(shape, &shape->top);

	if (length > CQ_JSON_MAX_LENGTH)
	{
		fault->sqlerrcode = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		fault->reason = "the message is too long";
		fault->offset = -1;
		return false;
	}
	result = cq_json_parser_index(parser, text, length, &index, &count);
	if (unlikely(result != CQ_JSON_INDEXED))
		return explain(result, fault);

	walk.shape = shape;
	walk.text = text;
	walk.end = index + count;
	walk.has_escapes = memchr(text, '\\', length) != NULL;
	walk.fault = fault;
	if (text[index[0]] != '{')
		return fail(&walk, index[0], "the message is not an object");
	if (text[walk.end[-1]] != '}')
		return fail(&walk, walk.end[-1], "the message does not end with its object");
	end = walk_object(&walk, &shape->top, index, 1);
	if (end == NULL)
		return false;
	if (end != walk.end)
		return fail(&walk, *end, "something follows the object");
	return true;
}
