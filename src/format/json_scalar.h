/*
 * json_scalar.h
 *		What a token of valid JSON is, for formats that write rows by way of JSON.
 */
#ifndef CQ_JSON_SCALAR_H
#define CQ_JSON_SCALAR_H

#include "postgres.h"

#include "format/json_token.h"

/* A string's content, else the token as it stands; UTF-8, palloc'd. NULL: it stands for no text. */
extern char *cq_json_scalar_text(const CqJsonToken *token);

/* A number that is whole, however it is written. */
extern bool cq_json_scalar_whole(const CqJsonToken *token, int64 *value);

/* The same up to 64 bits without a sign, of digits only. */
extern bool cq_json_scalar_unsigned(const CqJsonToken *token, uint64 *value);

/* A number, or a string that is NaN or an infinity: the nearest of either type. */
extern bool cq_json_scalar_float(const CqJsonToken *token, float8 *number, float4 *single);

#endif							/* CQ_JSON_SCALAR_H */
