/*
 * json_value.h
 *		From a token of a message to a Datum of a column's type.
 *
 * The rule: a value is what the type's input function makes of its text, which is a string's
 * content, or a number, boolean, object or array as it is written. To that come:
 * - integer types also take a number whose value is whole, however written: 1.0, 1e3. Nothing is
 *   ever rounded to fit.
 * - timestamp and timestamptz take a whole number as milliseconds since 1970-01-01 00:00 UTC.
 * - date, time and timetz take no number: it could be a day, an hour, or some count of either.
 * - bytea takes a string in base64, with or without white space, or in the server's hex format if
 *   it begins with \x.
 * - money takes a number as an amount, whatever the session's lc_monetary writes for a decimal
 *   point.
 * - json and jsonb take the document as it stands: a string stays a string, with its quotes.
 * - arrays take a JSON array, nested ones as dimensions; composite types and hstore take an
 *   object. What is within follows the same rules.
 * A CqValueStyle says otherwise of times, numeric and documents: see json_style.c.
 *
 * There are two ways. The quick one knows the common types, never raises an error, and gives up on
 * whatever it does not know. The slow one knows all, and raises an error for what is wrong.
 */
#ifndef CQ_JSON_VALUE_H
#define CQ_JSON_VALUE_H

#include "postgres.h"

#include "common/value_style.h"
#include "format/json_token.h"

/* By-reference values of a batch, a large piece of memory at a time. All zeros to begin with. */
typedef struct CqJsonArena
{
	char	   *start;			/* of the last piece */
	char	   *next;			/* its first free byte */
	Size		room;			/* from there on */
	Size		chunk;			/* its size */
} CqJsonArena;

/* Room for size bytes, aligned for a varlena; in CurrentMemoryContext. */
extern char *cq_json_value_take(CqJsonArena *arena, Size size);

typedef struct CqJsonConverter CqJsonConverter;

/* In CurrentMemoryContext. Raises ERROR for a type that has no input function. */
extern CqJsonConverter *cq_json_value_slow_create(Oid type, int32 typmod,
												  const CqValueStyle *style);

/* The quick way; pieces of the arena come from CurrentMemoryContext. The token is not null. */
extern bool cq_json_value_convert(CqJsonConverter *converter, const CqJsonToken *token,
								  CqJsonArena *arena, Datum *value);

/*
 * The slow way, in CurrentMemoryContext. The token may be null or missing, which is only of
 * interest to a domain.
 */
extern Datum cq_json_convert_slowly(CqJsonConverter *converter, const CqJsonToken *token,
									bool *is_null);
extern bool cq_json_value_slow_checks_nulls(const CqJsonConverter *converter);

/*
 * Composite types may be altered while a converter is kept: is there one within, and takes note
 * of what has changed. To be called before values are converted.
 */
extern bool cq_json_composite_is_within(const CqJsonConverter *converter);
extern void cq_json_composite_refresh(CqJsonConverter *converter);

#endif							/* CQ_JSON_VALUE_H */
