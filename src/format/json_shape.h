/*
 * json_shape.h
 *		Which fields of a message are wanted: a tree of names, and a token for each wanted field.
 *
 * The messages of a stream mostly have the same fields in the same order. So a shape remembers, for
 * each place in an object, the name that stood there before and what became of it: then a name
 * costs one comparison and no search.
 */
#ifndef CQ_JSON_SHAPE_H
#define CQ_JSON_SHAPE_H

#include "postgres.h"

#include "format/json_token.h"
#include "nodes/pg_list.h"

/*
 * How many fields of an object, by their place, and how long a name, in bytes, a shape remembers.
 */
#define CQ_JSON_GUESSES			32
#define CQ_JSON_GUESS_LENGTH	28

typedef struct CqJsonField CqJsonField;

/* What stood at a place of an object before. */
typedef struct CqJsonGuess
{
	uint32		length;			/* of the name; 0: nothing is remembered */
	char		name[CQ_JSON_GUESS_LENGTH];
	CqJsonField *field;			/* NULL: nobody wants the field of this name */
} CqJsonGuess;

/* A field that is wanted, or within which some are. */
struct CqJsonField
{
	const char *name;
	uint32		length;
	int			token;			/* -1: the field itself is not wanted */
	CqJsonField **inner;		/* ordered by name */
	int			ninner;
	/* CQ_JSON_GUESSES of them, if any field within is wanted or may be learnt */
	CqJsonGuess *guesses;
	CqJsonToken spelling;		/* where case is ignored: the name in the message that is walked */
};

typedef struct CqJsonShape
{
	MemoryContext context;
	/* every field at the top of a message that is not known yet is added */
	bool		learns;
	bool		ignores_case;	/* fields have names that are folded: see name_case.h */
	CqJsonField top;
	CqJsonToken *tokens;		/* of the message walked last */
	CqJsonField **owners;		/* of each token */
	int			ntokens;
	int			capacity;
} CqJsonShape;

/* An empty shape, in CurrentMemoryContext. */
extern CqJsonShape *cq_json_shape_create(bool learns);

/*
 * Adds the field at path (of char *, UTF-8) and returns the number of its token; the same path has
 * the same token.
 */
extern int	cq_json_shape_add(CqJsonShape *shape, const List *path);

/*
 * Where case is ignored: this is how the field is spelt in its object. False: it was there before
 * by another spelling, and it and all fields within are CQ_JSON_AMBIGUOUS.
 */
extern bool cq_json_shape_spell(CqJsonShape *shape, CqJsonField *field, const CqJsonToken *name);

/* The tokens of all fields within field are missing from now on. */
extern void cq_json_shape_forget(CqJsonShape *shape, const CqJsonField *field);

/*
 * The field within field that name, as it stands in the message, means; NULL where nobody wants it.
 */
extern CqJsonField *cq_json_shape_search(CqJsonShape *shape, CqJsonField *field, uint32 place,
										 const char *name, uint32 length, bool is_escaped);

/* Compares without a call, and without a loop for names of up to 16 bytes. */
static inline bool
cq_json_same_name(const char *a, const char *b, uint32 length)
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

/*
 * As cq_json_shape_search, for the field at a place of its object: first asks what stood there
 * before.
 */
static inline CqJsonField *
cq_json_shape_find(CqJsonShape *shape, CqJsonField *field, uint32 place, const char *name,
				   uint32 length, bool is_escaped)
{
	if (place < CQ_JSON_GUESSES && !is_escaped)
	{
		const CqJsonGuess *guess = &field->guesses[place];

		if (guess->length == length && length > 0 && cq_json_same_name(guess->name, name, length))
			return guess->field;
	}
	return cq_json_shape_search(shape, field, place, name, length, is_escaped);
}

#endif							/* CQ_JSON_SHAPE_H */
