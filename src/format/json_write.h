/*
 * json_write.h
 *		Scalars as JSON, in UTF-8, as the formats with schemas make it of what they read.
 */
#ifndef CQ_JSON_WRITE_H
#define CQ_JSON_WRITE_H

#include "postgres.h"

#include "lib/stringinfo.h"

/* Is it text in UTF-8? */
extern bool cq_json_write_is_text(const char *bytes, int64 length);

/* Of such text. */
extern void cq_json_write_string(StringInfo out, const char *text, int64 length);

/* A string in the server's hex format. */
extern void cq_json_write_bytes(StringInfo out, const char *bytes, int64 length);

/* What is no number is a string. */
extern void cq_json_write_float4(StringInfo out, float4 number);
extern void cq_json_write_float8(StringInfo out, float8 number);

/* A string in ISO 8601, of date, time, timestamp or timestamptz. */
extern void cq_json_write_time(StringInfo out, Datum value, Oid type);

#endif							/* CQ_JSON_WRITE_H */
