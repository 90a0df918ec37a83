/*
 * json_walk.h
 *		Goes through one message, checks that it is JSON, and notes where the wanted fields stand.
 */
#ifndef CQ_JSON_WALK_H
#define CQ_JSON_WALK_H

#include "postgres.h"

#include "format/json_parser.h"
#include "format/json_shape.h"

/* Objects and arrays within each other, the message itself counted. */
#define CQ_JSON_MAX_DEPTH	100

/* Bytes; the index of so large a message takes four times this. */
#define CQ_JSON_MAX_LENGTH	(64 * 1024 * 1024)

/* What stands in the way of a message's being read. */
typedef struct CqJsonFault
{
	int			sqlerrcode;
	const char *reason;			/* a phrase, constant */
	int64		offset;			/* of the byte where it was found, or -1 */
} CqJsonFault;

/*
 * Walks a message. True: it is one JSON object, and the shape's tokens are those of its fields;
 * where a name comes more than once, the last one counts. Nothing is copied: tokens point into the
 * message. False: *fault says why not. Raises ERROR only where there is no memory.
 */
extern bool cq_json_walk(CqJsonShape *shape, CqJsonParser *parser, const char *text, uint32 length,
						 CqJsonFault *fault);

#endif							/* CQ_JSON_WALK_H */
