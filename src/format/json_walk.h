/*
 * json_walk.h
 *		Goes through one message, checks that it is JSON, and notes where the wanted fields stand.
 *
 * A shape says which fields are wanted: a tree of names. Each wanted field has a token, its number in an array, which
 * a walk fills. A walk copies nothing; tokens point into the message.
 */
#ifndef CQ_JSON_WALK_H
#define CQ_JSON_WALK_H

#include "postgres.h"

#include "format/json_parser.h"
#include "nodes/pg_list.h"

/* Objects and arrays within each other, the message itself counted. */
#define CQ_JSON_MAX_DEPTH	100

/* Bytes; the index of so large a message takes four times this. */
#define CQ_JSON_MAX_LENGTH	(64 * 1024 * 1024)

typedef enum CqJsonKind
{
	CQ_JSON_MISSING,			/* no such field */
	CQ_JSON_NULL,
	CQ_JSON_FALSE,
	CQ_JSON_TRUE,
	CQ_JSON_INTEGER,			/* a number of at most 18 digits and nothing else; not -0 */
	CQ_JSON_NUMBER,				/* any other number */
	CQ_JSON_STRING,
	CQ_JSON_OBJECT,
	CQ_JSON_ARRAY
} CqJsonKind;

typedef struct CqJsonToken
{
	const char *text;			/* as it stands in the message; a string without its quotes */
	uint32		length;
	CqJsonKind	kind;
	bool		is_escaped;		/* a string with backslashes in it */
	int64		integer;		/* the value, if kind is CQ_JSON_INTEGER */
} CqJsonToken;

typedef struct CqJsonShape CqJsonShape;

/* What stands in the way of a message's being read. */
typedef struct CqJsonFault
{
	int			sqlerrcode;
	const char *reason;			/* a phrase, constant */
	int64		offset;			/* of the byte where it was found, or -1 */
} CqJsonFault;

/*
 * Makes an empty shape in CurrentMemoryContext. One that learns adds every field at the top of a message that it does
 * not know, in order of appearance.
 */
extern CqJsonShape *cq_json_shape_create(bool learns);

/* Adds the field at path (of char *, UTF-8) and returns the number of its token; the same path has the same token. */
extern int	cq_json_shape_add(CqJsonShape *shape, const List *path);
extern int	cq_json_shape_size(const CqJsonShape *shape);
extern const char *cq_json_shape_name(const CqJsonShape *shape, int token);	/* the last name of its path */
extern CqJsonToken *cq_json_shape_tokens(CqJsonShape *shape);

/*
 * Walks a message. True: it is one JSON object, and the shape's tokens are those of its fields; where a name comes
 * more than once, the last one counts. False: *fault says why not.
 */
extern bool cq_json_walk(CqJsonShape *shape, CqJsonParser *parser, const char *text, uint32 length, CqJsonFault *fault);

/*
 * Resolves the escapes of a string token into target, which has room for its length, and returns the length of the
 * result, UTF-8. On what stands for no character, \u0000 or half a surrogate pair, returns -1 and sets *reason.
 */
extern int64 cq_json_unescape(const char *text, uint32 length, char *target, const char **reason);

/*
 * Takes the next element of an array's text, from *place on, as a token; false at its end. The text must have been
 * walked before: it is taken to be valid. *place starts as 1.
 */
extern bool cq_json_array_next(const CqJsonToken *array, uint32 *place, CqJsonToken *element);

#endif							/* CQ_JSON_WALK_H */
