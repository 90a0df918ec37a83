/*
 * avro_read.h
 *		Reads values of Avro from bytes that need not be what they claim.
 *
 * No length is believed before that many bytes are there, and nothing is made room for before it is
 * read. What is not valid sets the input's fault, a phrase, and ends the reading; nothing raises an
 * error.
 */
#ifndef CQ_AVRO_READ_H
#define CQ_AVRO_READ_H

#include "postgres.h"

#include "format/avro_schema.h"
#include "lib/stringinfo.h"

/* Values within each other, by the message's own account. */
#define CQ_AVRO_MAX_DEPTH	100

/* Bytes of a decimal: some 9,800 digits. */
#define CQ_AVRO_MAX_DECIMAL 4096

typedef struct CqAvroInput
{
	const char *at;
	const char *end;
	const char *fault;			/* NULL: none so far */
	int64		max_json;		/* bytes of JSON that a value may become */
} CqAvroInput;

extern bool cq_avro_read_long_slowly(CqAvroInput *in, int64 *value);
extern bool cq_avro_read_fault(CqAvroInput *in, const char *fault);	/* false */

static inline bool
cq_avro_read_long(CqAvroInput *in, int64 *value)
{
	if (likely(in->at < in->end && !(*in->at & 0x80)))
	{
		uint8		byte = (uint8) *in->at++;

		*value = (int64) (byte >> 1) ^ -(int64) (byte & 1);
		return true;
	}
	return cq_avro_read_long_slowly(in, value);
}

static inline bool
cq_avro_read_int(CqAvroInput *in, int64 *value)
{
	if (!cq_avro_read_long(in, value))
		return false;
	return (*value >= PG_INT32_MIN && *value <= PG_INT32_MAX) ||
		cq_avro_read_fault(in, "an int is out of range");
}

/* So many bytes, which must be there. */
static inline bool
cq_avro_read_raw(CqAvroInput *in, int64 length, const char **bytes)
{
	*bytes = in->at;
	if (length < 0 || length > in->end - in->at)
		return cq_avro_read_fault(in, "a value is longer than what is left of the message");
	in->at += length;
	return true;
}

/* Bytes or a string. */
static inline bool
cq_avro_read_bytes(CqAvroInput *in, const char **bytes, int64 *length)
{
	*bytes = in->at;
	return cq_avro_read_long(in, length) && cq_avro_read_raw(in, *length, bytes);
}

extern bool cq_avro_read_boolean(CqAvroInput *in, bool *value);
extern bool cq_avro_read_float(CqAvroInput *in, float4 *value);
extern bool cq_avro_read_double(CqAvroInput *in, float8 *value);

/* The number of an enum's symbol, or of a union's branch. */
extern bool cq_avro_read_index(CqAvroInput *in, int limit, const char *fault, int64 *index);

/*
 * The number of items in the next block of an array or a map; 0: there are no more. Items that take
 * no bytes may be more than could ever be handled; others are no more than the message has room
 * for.
 */
extern bool cq_avro_read_block(CqAvroInput *in, int64 min_size, int64 *count);

/* Passes over a value. All of it is looked at, whatever it says of its own length. */
extern bool cq_avro_read_past(CqAvroInput *in, const CqAvroSchema *schema, int depth);

/* ---- avro_json.c ---- */

/* Appends a value as JSON, in UTF-8. */
extern bool cq_avro_json_append(CqAvroInput *in, const CqAvroSchema *schema, int depth,
								StringInfo out);

extern bool cq_avro_json_append_text(CqAvroInput *in, const char *text, int64 length,
									 StringInfo out);

/*
 * Microseconds since 2000-01-01, the server's way, of a time of Avro's; false where they are out of
 * range.
 */
extern bool cq_avro_json_timestamp(const CqAvroSchema *schema, int64 units, int64 *timestamp);

/*
 * A decimal's digits, with sign and point, palloc'd; false where it has more than its type allows.
 */
extern bool cq_avro_json_decimal(CqAvroInput *in, const CqAvroSchema *schema, const char *bytes,
								 int64 length, StringInfo out);

#endif							/* CQ_AVRO_READ_H */
