/*
 * json_walk.c
 *		Goes through one message, checks that it is JSON, and notes where the wanted fields stand: see json_walk.h.
 *
 * Decides what a valid message is: one object, of at most CQ_JSON_MAX_LENGTH bytes and CQ_JSON_MAX_DEPTH levels, in which
 * every byte follows RFC 8259, whether anybody wants the field it belongs to or not. That is what the type json of
 * the server takes, too. Only then may a row be made of it, or counted.
 *
 * How it works: simdjson has made an index of the offsets at which tokens start. The walk goes from token to token, never
 * from byte to byte, except within numbers. Since all bytes that are not white space belong to a token, the end of a
 * token is the last byte before the next one that is no white space.
 *
 * Why it never reads outside the message: the last token is seen to be a closing brace before the walk starts, and no
 * token but a closing brace is stepped over without looking at the next; after one, the count is checked.
 */
#include "postgres.h"

#include "format/json_walk.h"
#include "mb/pg_wchar.h"

/* How many fields of an object, by their place, and how long a name, in bytes, a field remembers. */
#define GUESSES			32
#define GUESS_LENGTH	28

struct Field;

/* What stood at a place of an object in the message before: it very likely stands there again. */
typedef struct Guess
{
	uint32		length;			/* of the name; 0: nothing is remembered */
	char		name[GUESS_LENGTH];
	struct Field *child;			/* NULL: nobody wants the field of this name */
} Guess;

/* A field that is wanted, or within which some are. */
typedef struct Field
{
	const char *name;
	uint32		length;
	int			token;			/* -1: the field itself is not wanted */
	struct Field **children;		/* ordered by compare_names */
	int			nchildren;
	Guess	   *guesses;		/* GUESSES of them, if there are children */
} Field;

struct CqJsonShape
{
	MemoryContext context;
	bool		learns;
	Field		root;
	CqJsonToken *tokens;
	Field	  **owners;			/* of each token */
	int			ntokens;
	int			capacity;
};

typedef struct Walk
{
	CqJsonShape *shape;
	const char *text;
	const uint32 *index;
	uint32		count;
	uint32		position;		/* of the next token in index */
	bool		has_escapes;	/* a backslash is somewhere in the message */
	CqJsonFault *fault;
} Walk;

/* ---- Shapes ---- */

CqJsonShape *
cq_json_shape_create(bool learns)
{
	CqJsonShape *shape = palloc0(sizeof(CqJsonShape));

	shape->context = CurrentMemoryContext;
	shape->learns = learns;
	shape->root.token = -1;
	if (learns)
		shape->root.guesses = palloc0(sizeof(Guess) * GUESSES);
	return shape;
}

static inline int
compare_names(const char *a, uint32 a_length, const char *b, uint32 b_length)
{
	if (a_length != b_length)
		return a_length < b_length ? -1 : 1;
	return memcmp(a, b, a_length);
}

/* The place among field's children where name stands, or would stand. */
static int
place_of(const Field *field, const char *name, uint32 length, bool *found)
{
	int			low = 0;
	int			high = field->nchildren;

	*found = false;
	while (low < high)
	{
		int			middle = (low + high) / 2;
		Field	   *child = field->children[middle];
		int			order = compare_names(name, length, child->name, child->length);

		if (order == 0)
		{
			*found = true;
			return middle;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static Field *
find_or_add_child(CqJsonShape *shape, Field *field, const char *name, uint32 length)
{
	MemoryContext old;
	bool		found;
	int			place = place_of(field, name, length, &found);
	Field	   *child;

	if (found)
		return field->children[place];

	old = MemoryContextSwitchTo(shape->context);
	child = palloc0(sizeof(Field));
	child->name = pnstrdup(name, length);
	child->length = length;
	child->token = -1;
	if (field->children == NULL)
		field->children = palloc(sizeof(Field *));
	else
		field->children = repalloc(field->children, sizeof(Field *) * (field->nchildren + 1));
	memmove(field->children + place + 1, field->children + place, sizeof(Field *) * (field->nchildren - place));
	field->children[place] = child;
	field->nchildren++;
	if (field->guesses == NULL)
		field->guesses = palloc(sizeof(Guess) * GUESSES);
	memset(field->guesses, 0, sizeof(Guess) * GUESSES);	/* they may say that nobody wants this name */
	MemoryContextSwitchTo(old);
	return child;
}

/* Gives field a token if it has none. */
static int
want(CqJsonShape *shape, Field *field)
{
	if (field->token >= 0)
		return field->token;
	if (shape->ntokens == shape->capacity)
	{
		MemoryContext old = MemoryContextSwitchTo(shape->context);

		shape->capacity = Max(16, shape->capacity * 2);
		if (shape->tokens == NULL)
		{
			shape->tokens = palloc(sizeof(CqJsonToken) * shape->capacity);
			shape->owners = palloc(sizeof(Field *) * shape->capacity);
		}
		else
		{
			shape->tokens = repalloc(shape->tokens, sizeof(CqJsonToken) * shape->capacity);
			shape->owners = repalloc(shape->owners, sizeof(Field *) * shape->capacity);
		}
		MemoryContextSwitchTo(old);
	}
	field->token = shape->ntokens++;
	shape->tokens[field->token].kind = CQ_JSON_MISSING;
	shape->owners[field->token] = field;
	return field->token;
}

int
cq_json_shape_add(CqJsonShape *shape, const List *path)
{
	Field	   *field = &shape->root;
	ListCell   *cell;

	foreach(cell, path)
	{
		const char *name = lfirst(cell);

		field = find_or_add_child(shape, field, name, strlen(name));
	}
	return want(shape, field);
}

int
cq_json_shape_size(const CqJsonShape *shape)
{
	return shape->ntokens;
}

const char *
cq_json_shape_name(const CqJsonShape *shape, int token)
{
	return shape->owners[token]->name;
}

CqJsonToken *
cq_json_shape_tokens(CqJsonShape *shape)
{
	return shape->tokens;
}

/* The tokens of all that is below field: what an earlier field of the same name brought does not count. */
static void
forget_below(CqJsonShape *shape, const Field *field)
{
	for (int i = 0; i < field->nchildren; i++)
	{
		Field	   *child = field->children[i];

		if (child->token >= 0)
			shape->tokens[child->token].kind = CQ_JSON_MISSING;
		forget_below(shape, child);
	}
}

/* ---- Names ---- */

/* Compares without a call, and without a loop for names of up to 16 bytes. */
static inline bool
same_bytes(const char *a, const char *b, uint32 length)
{
	uint64		a8,
				b8;
	uint32		a4,
				b4;

	if (length > 16)
		return memcmp(a, b, length) == 0;
	if (length >= 8)
	{
		memcpy(&a8, a, 8);
		memcpy(&b8, b, 8);
		if (a8 != b8)
			return false;
		memcpy(&a8, a + length - 8, 8);
		memcpy(&b8, b + length - 8, 8);
		return a8 == b8;
	}
	if (length >= 4)
	{
		memcpy(&a4, a, 4);
		memcpy(&b4, b, 4);
		if (a4 != b4)
			return false;
		memcpy(&a4, a + length - 4, 4);
		memcpy(&b4, b + length - 4, 4);
		return a4 == b4;
	}
	for (uint32 i = 0; i < length; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

/* The child of field that name, as it stands in the message, means; NULL where nobody wants it. */
static Field *
look_up(CqJsonShape *shape, Field *field, const char *name, uint32 length, bool is_escaped)
{
	char	   *unescaped = NULL;
	Field	   *child = NULL;
	bool		is_name = true;
	bool		found = false;
	int			place = 0;

	if (is_escaped)
	{
		const char *reason;
		int64		unescaped_length;

		unescaped = palloc(length);
		unescaped_length = cq_json_unescape(name, length, unescaped, &reason);
		name = unescaped;
		length = (uint32) unescaped_length;
		is_name = unescaped_length >= 0;	/* what stands for no character is no column's name */
	}
	if (is_name)
		place = place_of(field, name, length, &found);
	if (found)
		child = field->children[place];
	else if (is_name && shape->learns && field == &shape->root)
	{
		child = find_or_add_child(shape, field, name, length);
		want(shape, child);
	}
	if (unescaped != NULL)
		pfree(unescaped);
	return child;
}

/* As look_up, for the field at a place of its object: first asks what stood there in the message before. */
static inline Field *
find_child(CqJsonShape *shape, Field *field, uint32 place, const char *name, uint32 length, bool is_escaped)
{
	Guess	   *guess;
	Field	   *child;

	if (place >= GUESSES || is_escaped)
		return look_up(shape, field, name, length, is_escaped);

	guess = &field->guesses[place];
	if (guess->length == length && length > 0 && same_bytes(guess->name, name, length))
		return guess->child;

	child = look_up(shape, field, name, length, false);
	guess = &field->guesses[place];
	guess->length = 0;
	if (length <= GUESS_LENGTH)
	{
		guess->length = length;
		memcpy(guess->name, name, length);
		guess->child = child;
	}
	return child;
}

/* ---- Scalars ---- */

static inline bool
fail(Walk *walk, uint32 offset, const char *reason)
{
	walk->fault->sqlerrcode = ERRCODE_INVALID_TEXT_REPRESENTATION;
	walk->fault->reason = reason;
	walk->fault->offset = offset;
	return false;
}

static inline bool
is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline bool
is_digit(char c)
{
	return (unsigned char) (c - '0') < 10;
}

/* The end of the scalar at position: behind its last byte. */
static inline uint32
scalar_end(const Walk *walk, uint32 position)
{
	uint32		end = walk->index[position + 1];

	while (is_space(walk->text[end - 1]))
		end--;
	return end;
}

#ifndef WORDS_BIGENDIAN
/*
 * The value of the last n (1 to 8) of the eight bytes before end, if they are digits: all at once, since a loop over
 * numbers of changing length costs a mispredicted branch each.
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
	bytes = bytes * 10 + (bytes >> 8);	/* each second byte now holds two digits' value; the last digits are highest */
	*value = ((bytes & pairs) * (100 + (UINT64CONST(1000000) << 32)) +
			  ((bytes >> 16) & pairs) * (1 + (UINT64CONST(10000) << 32))) >> 32;
	return true;
}
#endif

/* Checks a number byte by byte, and sets the kind and, of an integer, the value. */
static bool
check_number(const char *text, const char *end, CqJsonToken *token)
{
	const char *at = text + (*text == '-');
	const char *digits = at;
	uint64		value = 0;

	while (at < end && is_digit(*at))
		value = value * 10 + (*at++ - '0');	/* wraps where it is not used */
	if (at == digits || (*digits == '0' && at - digits > 1))
		return false;

	token->kind = CQ_JSON_NUMBER;
	if (at == end && at - digits <= 18 && !(*text == '-' && value == 0))
	{
		token->kind = CQ_JSON_INTEGER;
		token->integer = *text == '-' ? -(int64) value : (int64) value;
	}
	if (at < end && *at == '.')
	{
		digits = ++at;
		while (at < end && is_digit(*at))
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
		while (at < end && is_digit(*at))
			at++;
		if (at == digits)
			return false;
	}
	return at == end;
}

static inline bool
read_number(const Walk *walk, const char *text, const char *end, CqJsonToken *token)
{
#ifndef WORDS_BIGENDIAN
	const char *digits = text + (*text == '-');
	size_t		n = end - digits;

	if (n >= 1 && n <= 16 && end - walk->text >= 16 && *digits != '0')
	{
		uint64		low,
					high = 0;

		if (digits_before(end, Min(n, 8), &low) && (n <= 8 || digits_before(end - 8, n - 8, &high)))
		{
			int64		value = (int64) (high * 100000000 + low);

			token->kind = CQ_JSON_INTEGER;
			token->integer = *text == '-' ? -value : value;
			return true;
		}
	}
#endif
	return check_number(text, end, token);
}

/* Where in a string the first bad escape is, or -1. */
static int64
find_bad_escape(const char *text, uint32 length)
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

/* A string that starts at offset start and ends, with its quote, before end. */
static inline bool
read_string(Walk *walk, uint32 start, uint32 end, CqJsonToken *token)
{
	token->kind = CQ_JSON_STRING;
	token->text = walk->text + start + 1;
	token->length = end - start - 2;
	token->is_escaped = false;
	if (end - start < 2 || walk->text[end - 1] != '"')
		return fail(walk, start, "a string is followed by something unexpected");
	if (walk->has_escapes && memchr(token->text, '\\', token->length) != NULL)
	{
		int64		bad = find_bad_escape(token->text, token->length);

		if (bad >= 0)
			return fail(walk, start + 1 + bad, "unknown escape sequence");
		token->is_escaped = true;
	}
	return true;
}

static inline bool
read_literal(Walk *walk, uint32 start, uint32 end, CqJsonToken *token)
{
	const char *text = walk->text + start;

	if (end - start == 4 && memcmp(text, "true", 4) == 0)
		token->kind = CQ_JSON_TRUE;
	else if (end - start == 4 && memcmp(text, "null", 4) == 0)
		token->kind = CQ_JSON_NULL;
	else if (end - start == 5 && memcmp(text, "false", 5) == 0)
		token->kind = CQ_JSON_FALSE;
	else
		return fail(walk, start, "a value is expected");
	return true;
}

/* ---- Values ---- */

static bool walk_object(Walk *walk, Field *field, int depth);
static bool walk_array(Walk *walk, int depth);

/*
 * Checks the value at the walk's position and steps over it. field, which may be NULL, says who wants it; depth is that of the
 * object or array it stands in.
 */
static inline bool
walk_value(Walk *walk, Field *field, int depth)
{
	const char *text = walk->text;
	uint32		start = walk->index[walk->position];
	CqJsonToken ignored;
	CqJsonToken *token = &ignored;

	if (field != NULL)
	{
		if (field->nchildren > 0)
			forget_below(walk->shape, field);
		if (field->token >= 0)
			token = &walk->shape->tokens[field->token];
	}

	if (text[start] == '{' || text[start] == '[')
	{
		bool		is_object = text[start] == '{';

		if (depth == CQ_JSON_MAX_DEPTH)
		{
			(void) fail(walk, start, "nested too deep");
			walk->fault->sqlerrcode = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
			return false;
		}
		if (!(is_object ? walk_object(walk, field, depth + 1) : walk_array(walk, depth + 1)))
			return false;
		token->kind = is_object ? CQ_JSON_OBJECT : CQ_JSON_ARRAY;
		token->text = text + start;
		token->length = walk->index[walk->position - 1] + 1 - start;
		return walk->position < walk->count || fail(walk, start, "the message ends within its object");
	}
	else
	{
		uint32		end;

		if (text[start] == '}' || text[start] == ']' || text[start] == ',' || text[start] == ':')
			return fail(walk, start, "a value is expected");
		end = scalar_end(walk, walk->position);
		walk->position++;
		if (text[start] == '"')
			return read_string(walk, start, end, token);

		token->text = text + start;
		token->length = end - start;
		if (text[start] == '-' || is_digit(text[start]))
			return read_number(walk, text + start, text + end, token) || fail(walk, start, "malformed number");
		return read_literal(walk, start, end, token);
	}
}

static bool
walk_array(Walk *walk, int depth)
{
	const char *text = walk->text;

	walk->position++;
	if (text[walk->index[walk->position]] == ']')
	{
		walk->position++;
		return true;
	}
	for (;;)
	{
		uint32		next;

		if (!walk_value(walk, NULL, depth))
			return false;
		next = walk->index[walk->position++];
		if (text[next] == ']')
			return true;
		if (text[next] != ',')
			return fail(walk, next, "a comma or the end of the array is expected");
	}
}

/* Walks the object at the walk's position; field's children are the fields wanted of it, field may be NULL. */
static bool
walk_object(Walk *walk, Field *field, int depth)
{
	const char *text = walk->text;
	bool		is_wanted = field != NULL && field->guesses != NULL;

	walk->position++;
	if (text[walk->index[walk->position]] == '}')
	{
		walk->position++;
		return true;
	}
	for (uint32 place = 0;; place++)
	{
		uint32		start = walk->index[walk->position];
		uint32		next;
		CqJsonToken name;
		Field	   *child = NULL;

		if (text[start] != '"')
			return fail(walk, start, "the name of a field is expected");
		next = walk->index[walk->position + 1];
		if (text[next] != ':')
			return fail(walk, next, "a colon is expected");
		if (!read_string(walk, start, scalar_end(walk, walk->position), &name))
			return false;
		if (is_wanted)
			child = find_child(walk->shape, field, place, name.text, name.length, name.is_escaped);

		walk->position += 2;
		if (!walk_value(walk, child, depth))
			return false;
		next = walk->index[walk->position++];
		if (text[next] == '}')
			return true;
		if (text[next] != ',')
			return fail(walk, next, "a comma or the end of the object is expected");
	}
}

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
cq_json_walk(CqJsonShape *shape, CqJsonParser *parser, const char *text, uint32 length, CqJsonFault *fault)
{
	Walk		walk;

	for (int i = 0; i < shape->ntokens; i++)
		shape->tokens[i].kind = CQ_JSON_MISSING;

	if (length > CQ_JSON_MAX_LENGTH)
	{
		fault->sqlerrcode = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		fault->reason = "the message is too long";
		fault->offset = -1;
		return false;
	}
	if (!explain(cq_json_parser_index(parser, text, length, &walk.index, &walk.count), fault))
		return false;

	walk.shape = shape;
	walk.text = text;
	walk.position = 0;
	walk.has_escapes = memchr(text, '\\', length) != NULL;
	walk.fault = fault;
	if (text[walk.index[0]] != '{')
		return fail(&walk, walk.index[0], "the message is not an object");
	if (text[walk.index[walk.count - 1]] != '}')
		return fail(&walk, walk.index[walk.count - 1], "the message does not end with its object");
	if (!walk_object(&walk, &shape->root, 1))
		return false;
	if (walk.position < walk.count)
		return fail(&walk, walk.index[walk.position], "something follows the object");
	return true;
}

/* ---- What tokens contain ---- */

/* The four hexadecimal digits at text, which were seen to be such. */
static uint32
hex_unit(const char *text)
{
	uint32		unit = 0;

	for (int i = 0; i < 4; i++)
	{
		char		c = text[i];

		unit = unit * 16 + (is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return unit;
}

int64
cq_json_unescape(const char *text, uint32 length, char *target, const char **reason)
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
			uint32		low = end - text >= 6 && text[0] == '\\' && text[1] == 'u' ? hex_unit(text + 2) : 0;

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

bool
cq_json_array_next(const CqJsonToken *array, uint32 *place, CqJsonToken *element)
{
	const char *text = array->text + *place;
	const char *end;

	while (is_space(*text) || *text == ',')
		text++;
	if (*text == ']')
		return false;

	element->text = text;
	element->is_escaped = false;
	if (*text == '"')
	{
		end = skip_string(text);
		element->kind = CQ_JSON_STRING;
		element->text = text + 1;
		element->length = end - text - 2;
		element->is_escaped = memchr(element->text, '\\', element->length) != NULL;
	}
	else if (*text == '{' || *text == '[')
	{
		end = skip_nested(text);
		element->kind = *text == '{' ? CQ_JSON_OBJECT : CQ_JSON_ARRAY;
		element->length = end - text;
	}
	else
	{
		for (end = text; *end != ',' && *end != ']' && !is_space(*end);)
			end++;
		element->length = end - text;
		if (*text == 't')
			element->kind = CQ_JSON_TRUE;
		else if (*text == 'f')
			element->kind = CQ_JSON_FALSE;
		else if (*text == 'n')
			element->kind = CQ_JSON_NULL;
		else
			(void) check_number(text, end, element);
	}
	*place = end - array->text;
	return true;
}
