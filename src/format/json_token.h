/*
 * json_token.h
 *		A value as it stands in a message, and what can be told from its text alone.
 */
#ifndef CQ_JSON_TOKEN_H
#define CQ_JSON_TOKEN_H

#include "postgres.h"

typedef enum CqJsonKind
{
	CQ_JSON_MISSING,			/* no such field */
	CQ_JSON_NULL,
	CQ_JSON_FALSE,
	CQ_JSON_TRUE,
	/* a number in the range of int8, written with digits only; not -0 */
	CQ_JSON_INTEGER,
	CQ_JSON_NUMBER,				/* any other number */
	CQ_JSON_STRING,
	CQ_JSON_OBJECT,
	CQ_JSON_ARRAY,
	CQ_JSON_AMBIGUOUS			/* several fields, by names that are one without regard to case */
} CqJsonKind;

typedef struct CqJsonToken
{
	const char *text;			/* in the message; a string without its quotes */
	uint32		length;
	CqJsonKind	kind;
	bool		is_escaped;		/* a string with backslashes in it */
	int64		integer;		/* the value, if kind is CQ_JSON_INTEGER */
} CqJsonToken;

static inline bool
cq_json_is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline bool
cq_json_is_digit(char c)
{
	return (unsigned char) (c - '0') < 10;
}

/*
 * Checks a number, all of the text up to end, and sets the token's kind and, of an integer, the
 * value.
 */
extern bool cq_json_token_number(const char *text, const char *end, CqJsonToken *token);

/* Where in a string the first backslash is that begins no escape sequence, or -1. */
extern int64 cq_json_token_bad_escape(const char *text, uint32 length);

/*
 * Resolves the escapes of a string, which were checked before, into target, which has room for its
 * length, and returns the length of the result, UTF-8. On what stands for no character, \u0000 or
 * half a surrogate pair, returns -1 and sets *reason, a sentence.
 */
extern int64 cq_json_token_unescape(const char *text, uint32 length, char *target,
									const char **reason);

/* Are two strings, without regard to their escapes, the same? What stands for no character is. */
extern bool cq_json_token_same_text(const CqJsonToken *a, const CqJsonToken *b);

/*
 * The value at text, which is valid JSON and goes on behind it, as a token; returns where it ends.
 */
extern const char *cq_json_token_read(const char *text, CqJsonToken *token);

/*
 * Takes the next element of an array's text, from *place on, as a token; false at its end. The text
 * must have been walked before: it is taken to be valid. *place starts as 1.
 */
extern bool cq_json_token_next_element(const CqJsonToken *array, uint32 *place,
									   CqJsonToken *element);

/* The same of an object: the next name, a string, and its value. */
extern bool cq_json_token_next_member(const CqJsonToken *object, uint32 *place, CqJsonToken *name,
									  CqJsonToken *value);

#endif							/* CQ_JSON_TOKEN_H */
