/*
 * proto_read.c
 *		Reads the wire format of Protobuf: see proto_read.h.
 */
#include "postgres.h"

#include "common/int.h"
#include "datatype/timestamp.h"
#include "format/proto_read.h"

bool
cq_proto_read_fault(CqProtoInput *in, const char *fault)
{
	if (in->fault == NULL)
		in->fault = fault;
	return false;
}

bool
cq_proto_read_varint_slowly(CqProtoInput *in, uint64 *value)
{
	*value = 0;
	for (int shift = 0; shift < 64; shift += 7)
	{
		uint8		byte;

		if (in->at == in->end)
			return cq_proto_read_fault(in, "it ends within a value");
		byte = (uint8) *in->at++;
		if (shift == 63 && byte > 1)
			break;
		*value |= (uint64) (byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
	}
	return cq_proto_read_fault(in, "a number has more than 64 bits");
}

bool
cq_proto_read_tag(CqProtoInput *in, uint32 *number, CqProtoWire *wire)
{
	uint64		tag;

	if (!cq_proto_read_varint(in, &tag))
		return false;
	*number = (uint32) (tag >> 3);
	*wire = (CqProtoWire) (tag & 7);
	return (tag <= PG_UINT32_MAX && *number > 0) ||
		cq_proto_read_fault(in, "the number of a field is out of range");
}

/* The lowest byte is first, whatever the machine has. */
static bool
read_fixed(CqProtoInput *in, int length, uint64 *bits)
{
	if (length > in->end - in->at)
		return cq_proto_read_fault(in, "it ends within a value");
	*bits = 0;
	for (int i = length - 1; i >= 0; i--)
		*bits = *bits << 8 | (uint8) in->at[i];
	in->at += length;
	return true;
}

static bool
read_length(CqProtoInput *in, CqProtoRaw *raw)
{
	if (!cq_proto_read_varint(in, &raw->bits))
		return false;
	raw->bytes = in->at;
	if (raw->bits > (uint64) (in->end - in->at))
		return cq_proto_read_fault(in, "a value is longer than what is left of the message");
	raw->length = (int64) raw->bits;
	in->at += raw->length;
	return true;
}

/* Groups are as long as they are, and may hold groups. */
static bool
read_group(CqProtoInput *in, uint32 number, CqProtoRaw *raw)
{
	uint32		open[CQ_PROTO_MAX_DEPTH];
	int			depth = 0;

	open[depth++] = number;
	raw->bytes = in->at;
	while (in->at < in->end)
	{
		const char *start = in->at;
		CqProtoRaw	inner;
		CqProtoWire wire;

		if (!cq_proto_read_tag(in, &number, &wire))
			return false;
		if (wire == CQ_PROTO_START && depth == CQ_PROTO_MAX_DEPTH)
			return cq_proto_read_fault(in, "groups are nested too deep");
		if (wire == CQ_PROTO_START)
			open[depth++] = number;
		else if (wire != CQ_PROTO_END)
		{
			if (!cq_proto_read_raw(in, number, wire, &inner))
				return false;
		}
		else if (open[--depth] != number)
			return cq_proto_read_fault(in, "a group ends as another one");
		raw->length = start - raw->bytes;
		if (depth == 0)
			return true;
	}
	return cq_proto_read_fault(in, "it ends within a group");
}

bool
cq_proto_read_raw(CqProtoInput *in, uint32 number, CqProtoWire wire, CqProtoRaw *raw)
{
	raw->wire = wire;
	switch (wire)
	{
		case CQ_PROTO_VARINT:
			return cq_proto_read_varint(in, &raw->bits);
		case CQ_PROTO_64:
			return read_fixed(in, sizeof(uint64), &raw->bits);
		case CQ_PROTO_LENGTH:
			return read_length(in, raw);
		case CQ_PROTO_START:
			return read_group(in, number, raw);
		case CQ_PROTO_32:
			return read_fixed(in, sizeof(uint32), &raw->bits);
		case CQ_PROTO_END:
			return cq_proto_read_fault(in, "a group ends that has not begun");
	}
	return cq_proto_read_fault(in, "a field is of a kind that there is not");
}

CqProtoWire
cq_proto_read_wire(const CqProtoField *field)
{
	switch (field->kind)
	{
		case CQ_PROTO_DOUBLE:
		case CQ_PROTO_FIXED64:
		case CQ_PROTO_SFIXED64:
			return CQ_PROTO_64;
		case CQ_PROTO_FLOAT:
		case CQ_PROTO_FIXED32:
		case CQ_PROTO_SFIXED32:
			return CQ_PROTO_32;
		case CQ_PROTO_STRING:
		case CQ_PROTO_BYTES:
		case CQ_PROTO_MESSAGE:
			return CQ_PROTO_LENGTH;
		case CQ_PROTO_GROUP:
			return CQ_PROTO_START;
		default:
			return CQ_PROTO_VARINT;
	}
}

bool
cq_proto_read_is_packed(const CqProtoField *field, CqProtoWire wire)
{
	CqProtoWire single = cq_proto_read_wire(field);

	return field->is_repeated && wire == CQ_PROTO_LENGTH && single != CQ_PROTO_LENGTH &&
		single != CQ_PROTO_START;
}

bool
cq_proto_read_fits(const CqProtoField *field, CqProtoWire wire)
{
	return wire == cq_proto_read_wire(field) || cq_proto_read_is_packed(field, wire);
}

bool
cq_proto_read_packed(CqProtoInput *in, const CqProtoField *field, CqProtoRaw *raw)
{
	return cq_proto_read_raw(in, field->number, cq_proto_read_wire(field), raw);
}

const CqProtoField *
cq_proto_read_find(const CqProtoMessage *message, uint32 number)
{
	int			low = 0;
	int			high = message->nfields;

	/* Most have the numbers from 1 on. */
	if (number <= (uint32) message->nfields && message->by_number[number - 1]->number == number)
		return message->by_number[number - 1];
	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (message->by_number[middle]->number == number)
			return message->by_number[middle];
		if (message->by_number[middle]->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const CqProtoField *
cq_proto_read_named(const CqProtoMessage *message, const char *name)
{
	for (int i = 0; i < message->nfields; i++)
	{
		if (strcmp(message->fields[i].name, name) == 0)
			return &message->fields[i];
	}
	return NULL;
}

const char *
cq_proto_read_symbol(const CqProtoEnum *enumeration, int32 number)
{
	int			low = 0;
	int			high = enumeration->nvalues;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (enumeration->numbers[middle] == number)
			return enumeration->names[middle];
		if (enumeration->numbers[middle] < number)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

bool
cq_proto_read_seconds(CqProtoInput *in, int64 *seconds, int32 *nanoseconds)
{
	uint32		number;
	CqProtoWire wire;
	CqProtoRaw	raw;

	*seconds = 0;
	*nanoseconds = 0;
	while (in->at < in->end)
	{
		if (!cq_proto_read_tag(in, &number, &wire) || !cq_proto_read_raw(in, number, wire, &raw))
			return false;
		if (wire == CQ_PROTO_VARINT && number == 1)
			*seconds = (int64) raw.bits;
		else if (wire == CQ_PROTO_VARINT && number == 2)
			*nanoseconds = (int32) (uint32) raw.bits;
	}
	return true;
}

bool
cq_proto_read_timestamp(int64 seconds, int32 nanoseconds, int64 *timestamp)
{
	const int64 days = POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE;

	/* What is finer than a microsecond is cut, towards the past. */
	return nanoseconds >= 0 && nanoseconds < 1000000000 &&
		!pg_sub_s64_overflow(seconds, days * SECS_PER_DAY, &seconds) &&
		!pg_mul_s64_overflow(seconds, USECS_PER_SEC, timestamp) &&
		!pg_add_s64_overflow(*timestamp, nanoseconds / 1000, timestamp) &&
		IS_VALID_TIMESTAMP(*timestamp);
}
