/*
 * json_unavailable.h
 *		What Debezium writes in place of a large value that has not changed, and that the server has
 *		not told it: one text, in the manner of the value's type.
 */
#ifndef CQ_JSON_UNAVAILABLE_H
#define CQ_JSON_UNAVAILABLE_H

#include "postgres.h"

#include "format/json_token.h"

typedef struct CqJsonUnavailable CqJsonUnavailable;

/* In CurrentMemoryContext. */
extern CqJsonUnavailable *cq_json_unavailable_create(const char *text);

/* A token of anything, also of what is missing. */
extern bool cq_json_unavailable_is(const CqJsonUnavailable *unavailable, const CqJsonToken *token);

#endif							/* CQ_JSON_UNAVAILABLE_H */
