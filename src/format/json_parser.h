/*
 * json_parser.h
 *		What simdjson does for us, behind a C interface: the index of a message, and doubles.
 *
 * The index is the list of the offsets at which a token of the message starts: { } [ ] : , and the
 * first byte of each string, number and literal, in order. Making it checks that the message is
 * UTF-8, that every string is closed and that none holds a raw control character. What it does not
 * check, the grammar, is json_walk.c's work.
 *
 * This header is read by C++ too, so it includes no header of the server. Nothing here throws,
 * allocates with palloc or raises an error.
 */
#ifndef CQ_JSON_PARSER_H
#define CQ_JSON_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C"
{
#endif

typedef enum CqJsonIndexResult
{
	CQ_JSON_INDEXED,
	CQ_JSON_EMPTY,				/* no token at all */
	CQ_JSON_NOT_UTF8,
	CQ_JSON_UNCLOSED_STRING,
	CQ_JSON_CONTROL_CHARACTER,	/* inside a string */
	CQ_JSON_NO_MEMORY,
	CQ_JSON_FAILED				/* simdjson says something that it should not say */
} CqJsonIndexResult;

typedef struct CqJsonParser CqJsonParser;

/*
 * NULL where there is no memory. Memory comes from malloc: whoever creates one must see to it that
 * it is freed.
 */
extern CqJsonParser *cq_json_parser_create(void);
extern void cq_json_parser_free(CqJsonParser *parser);

/* Gives back the room that a large message took. */
extern void cq_json_parser_trim(CqJsonParser *parser);

/*
 * Indexes text, of which not a byte behind length is read. *index stays valid until the next call;
 * it has at least one entry, and each is less than length.
 */
extern CqJsonIndexResult cq_json_parser_index(CqJsonParser *parser, const char *text,
											  uint32_t length,
											  const uint32_t **index, uint32_t *nindex);

/*
 * The number nearest to a JSON number's text; false where it is too large, or too small to tell
 * from zero.
 */
extern bool cq_json_parser_double(const char *text, size_t length, double *number);
extern bool cq_json_parser_float(const char *text, size_t length, float *number);

#ifdef __cplusplus
}
#endif

#endif							/* CQ_JSON_PARSER_H */
