/*
 * proto_read.h
 *		Reads the wire format of Protobuf from bytes that need not be what they claim.
 *
 * No length is believed before that many bytes are there. What is not valid sets the input's fault,
 * a phrase, and ends the reading; nothing raises an error.
 */
#ifndef CQ_PROTO_READ_H
#define CQ_PROTO_READ_H

#include "postgres.h"

#include "format/proto_parser.h"
#include "lib/stringinfo.h"

/* Messages within each other, where they are read; as many as libprotobuf takes. */
#define CQ_PROTO_MAX_DEPTH	100

typedef enum CqProtoWire
{
	CQ_PROTO_VARINT = 0,
	CQ_PROTO_64 = 1,
	CQ_PROTO_LENGTH = 2,
	CQ_PROTO_START = 3,			/* of a group */
	CQ_PROTO_END = 4,
	CQ_PROTO_32 = 5
} CqProtoWire;

typedef struct CqProtoInput
{
	const char *at;
	const char *end;
	const char *fault;			/* NULL: none so far */
	int64		max_json;		/* bytes of JSON that a value may become */
} CqProtoInput;

/* What stands behind a field's number. */
typedef struct CqProtoRaw
{
	CqProtoWire wire;
	uint64		bits;			/* of numbers */
	const char *bytes;			/* of what has a length, and of groups */
	int64		length;
} CqProtoRaw;

extern bool cq_proto_read_varint_slowly(CqProtoInput *in, uint64 *value);
extern bool cq_proto_read_fault(CqProtoInput *in, const char *fault);	/* false */

static inline bool
cq_proto_read_varint(CqProtoInput *in, uint64 *value)
{
	if (likely(in->at < in->end && !(*in->at & 0x80)))
	{
		*value = (uint8) *in->at++;
		return true;
	}
	return cq_proto_read_varint_slowly(in, value);
}

/* A field's number and what is behind it. */
extern bool cq_proto_read_tag(CqProtoInput *in, uint32 *number, CqProtoWire *wire);
extern bool cq_proto_read_raw(CqProtoInput *in, uint32 number, CqProtoWire wire, CqProtoRaw *raw);

/* How a value of the field is written by itself. */
extern CqProtoWire cq_proto_read_wire(const CqProtoField *field);

/* Is this how a value of the field is written, or several of them together? */
extern bool cq_proto_read_fits(const CqProtoField *field, CqProtoWire wire);
extern bool cq_proto_read_is_packed(const CqProtoField *field, CqProtoWire wire);

/* The next of values that are written together. */
extern bool cq_proto_read_packed(CqProtoInput *in, const CqProtoField *field, CqProtoRaw *raw);

/* The number of a field's integer type, which is any but uint64 where that is above int64. */
static inline int64
cq_proto_read_integer(const CqProtoField *field, uint64 bits)
{
	switch (field->kind)
	{
		case CQ_PROTO_INT32:
		case CQ_PROTO_SFIXED32:
		case CQ_PROTO_ENUM:
			return (int32) (uint32) bits;
		case CQ_PROTO_UINT32:
		case CQ_PROTO_FIXED32:
			return (int64) (uint32) bits;
		case CQ_PROTO_SINT32:
			return (int32) ((uint32) bits >> 1 ^ -((uint32) bits & 1));
		case CQ_PROTO_SINT64:
			return (int64) (bits >> 1 ^ -(bits & 1));
		case CQ_PROTO_BOOL:
			return bits != 0;
		default:
			return (int64) bits;
	}
}

static inline bool
cq_proto_read_is_unsigned_64(const CqProtoField *field)
{
	return field->kind == CQ_PROTO_UINT64 || field->kind == CQ_PROTO_FIXED64;
}

static inline bool
cq_proto_read_is_message(const CqProtoField *field)
{
	return field->kind == CQ_PROTO_MESSAGE || field->kind == CQ_PROTO_GROUP;
}

static inline float4
cq_proto_read_float(uint64 bits)
{
	uint32		half = (uint32) bits;
	float4		number;

	memcpy(&number, &half, sizeof(number));
	return number;
}

static inline float8
cq_proto_read_double(uint64 bits)
{
	float8		number;

	memcpy(&number, &bits, sizeof(number));
	return number;
}

/* The field of that number; NULL: the message has none. */
extern const CqProtoField *cq_proto_read_find(const CqProtoMessage *message, uint32 number);
extern const CqProtoField *cq_proto_read_named(const CqProtoMessage *message, const char *name);

/* The name of an enum's number; NULL: it has none. */
extern const char *cq_proto_read_symbol(const CqProtoEnum *enumeration, int32 number);

/* Seconds and nanoseconds, as Timestamp and Duration have them. */
extern bool cq_proto_read_seconds(CqProtoInput *in, int64 *seconds, int32 *nanoseconds);

/* Microseconds since 2000-01-01; false where they are out of range. */
extern bool cq_proto_read_timestamp(int64 seconds, int32 nanoseconds, int64 *timestamp);

/* ---- proto_json.c ---- */

/*
 * Where a field stands in a message: at its numbers, behind which all that was read before and is
 * as it should be.
 */
typedef struct CqProtoPlaces
{
	const char **tags;
	int			ntags;
	int			capacity;
} CqProtoPlaces;

extern void cq_proto_json_add_place(CqProtoPlaces *places, const char *tag);

/* The value of the field whose number is there. */
extern void cq_proto_json_at(const CqProtoInput *in, const char *tag, CqProtoRaw *raw);

/*
 * What the field as a whole has, where it is a message: one that comes several times is one.
 * palloc'd where it has to be.
 */
extern void cq_proto_json_body(const CqProtoInput *in, const CqProtoPlaces *places,
							   CqProtoRaw *raw);

/* Appends what a field has, as JSON in UTF-8; there is one at least. */
extern bool cq_proto_json_append(CqProtoInput *in, const CqProtoField *field,
								 const CqProtoPlaces *places, int depth, StringInfo out);

/* Of a message as a whole, and of the default of a field. */
extern bool cq_proto_json_append_message(CqProtoInput *in, const CqProtoMessage *message,
										 const char *bytes, int64 length, int depth,
										 StringInfo out);
extern bool cq_proto_json_append_default(CqProtoInput *in, const CqProtoField *field,
										 StringInfo out);

extern bool cq_proto_json_append_text(CqProtoInput *in, const char *text, int64 length,
									  StringInfo out);

#endif							/* CQ_PROTO_READ_H */
