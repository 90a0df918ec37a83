/*
 * avro_read.c
 *		Reads values of Avro: see avro_read.h.
 */
#include "postgres.h"

#include "format/avro_read.h"

bool
cq_avro_read_fault(CqAvroInput *in, const char *fault)
{
	if (in->fault == NULL)
		in->fault = fault;
	return false;
}

bool
cq_avro_read_long_slowly(CqAvroInput *in, int64 *value)
{
	uint64		bits = 0;

	for (int shift = 0; shift < 64; shift += 7)
	{
		uint8		byte;

		if (in->at == in->end)
			return cq_avro_read_fault(in, "it ends within a value");
		byte = (uint8) *in->at++;
		if (shift == 63 && byte > 1)
			break;
		bits |= (uint64) (byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		*value = (int64) (bits >> 1) ^ -(int64) (bits & 1);
		return true;
	}
	return cq_avro_read_fault(in, "a number has more than 64 bits");
}

bool
cq_avro_read_boolean(CqAvroInput *in, bool *value)
{
	const char *byte;

	if (!cq_avro_read_raw(in, 1, &byte))
		return false;
	*value = *byte == 1;
	return *byte == 0 || *byte == 1 || cq_avro_read_fault(in, "a boolean is neither 0 nor 1");
}

/* Avro has the lowest byte first, whatever the machine has. */
static uint64
little_endian(const char *bytes, int length)
{
	uint64		bits = 0;

	for (int i = length - 1; i >= 0; i--)
		bits = bits << 8 | (uint8) bytes[i];
	return bits;
}

bool
cq_avro_read_float(CqAvroInput *in, float4 *value)
{
	const char *bytes;
	uint32		bits;

	if (!cq_avro_read_raw(in, sizeof(bits), &bytes))
		return false;
	bits = (uint32) little_endian(bytes, sizeof(bits));
	memcpy(value, &bits, sizeof(bits));
	return true;
}

bool
cq_avro_read_double(CqAvroInput *in, float8 *value)
{
	const char *bytes;
	uint64		bits;

	if (!cq_avro_read_raw(in, sizeof(bits), &bytes))
		return false;
	bits = little_endian(bytes, sizeof(bits));
	memcpy(value, &bits, sizeof(bits));
	return true;
}

bool
cq_avro_read_index(CqAvroInput *in, int limit, const char *fault, int64 *index)
{
	if (!cq_avro_read_long(in, index))
		return false;
	return (*index >= 0 && *index < limit) || cq_avro_read_fault(in, fault);
}

bool
cq_avro_read_block(CqAvroInput *in, int64 min_size, int64 *count)
{
	int64		length;

	if (!cq_avro_read_long(in, count))
		return false;
	/* A negative number has the block's length behind it, for those who pass over it unseen. */
	if (*count < 0)
	{
		if (*count == PG_INT64_MIN || !cq_avro_read_long(in, &length))
			return cq_avro_read_fault(in, "the number of items is out of range");
		if (length < 0 || length > in->end - in->at)
			return cq_avro_read_fault(in, "a block is longer than what is left of the message");
		*count = -*count;
	}
	if (min_size > 0 && *count > (in->end - in->at) / min_size)
		return cq_avro_read_fault(in, "there are more items than the message has room for");
	return true;
}

static bool
read_past_items(CqAvroInput *in, const CqAvroSchema *schema, int depth)
{
	bool		is_map = schema->kind == CQ_AVRO_MAP;
	int64		min_size = schema->items->min_size + is_map;
	int64		count;

	while (cq_avro_read_block(in, min_size, &count))
	{
		if (count == 0)
			return true;
		if (min_size == 0)
			continue;			/* however many: they are nothing */
		for (; count > 0; count--)
		{
			const char *key;
			int64		length;

			if ((is_map && !cq_avro_read_bytes(in, &key, &length)) ||
				!cq_avro_read_past(in, schema->items, depth + 1))
				return false;
		}
	}
	return false;
}

bool
cq_avro_read_past(CqAvroInput *in, const CqAvroSchema *schema, int depth)
{
	const char *bytes;
	int64		number;
	bool		flag;

	if (depth > CQ_AVRO_MAX_DEPTH)
		return cq_avro_read_fault(in, "values are nested too deep");
	switch (schema->kind)
	{
		case CQ_AVRO_NULL:
			return true;
		case CQ_AVRO_BOOLEAN:
			return cq_avro_read_boolean(in, &flag);
		case CQ_AVRO_INT:
			return cq_avro_read_int(in, &number);
		case CQ_AVRO_LONG:
			return cq_avro_read_long(in, &number);
		case CQ_AVRO_FLOAT:
			return cq_avro_read_raw(in, sizeof(float4), &bytes);
		case CQ_AVRO_DOUBLE:
			return cq_avro_read_raw(in, sizeof(float8), &bytes);
		case CQ_AVRO_BYTES:
		case CQ_AVRO_STRING:
			return cq_avro_read_bytes(in, &bytes, &number);
		case CQ_AVRO_FIXED:
			return cq_avro_read_raw(in, schema->size, &bytes);
		case CQ_AVRO_ENUM:
			return cq_avro_read_index(in, schema->nsymbols, "an enum has no such symbol", &number);
		case CQ_AVRO_ARRAY:
		case CQ_AVRO_MAP:
			return read_past_items(in, schema, depth);
		case CQ_AVRO_UNION:
			return cq_avro_read_index(in, schema->nbranches, "a union has no such branch",
									  &number) &&
				cq_avro_read_past(in, schema->branches[number], depth + 1);
		case CQ_AVRO_RECORD:
			/* There may be 2^100 fields within: of those that take no bytes, and of others. */
			if (schema->min_size == 0)
				return true;
			if (schema->min_size > in->end - in->at)
				return cq_avro_read_fault(in, "it ends within a value");
			for (int i = 0; i < schema->nfields; i++)
				if (!cq_avro_read_past(in, schema->fields[i].type, depth + 1))
					return false;
			return true;
	}
	return cq_avro_read_fault(in, "its schema has a type that is not known");
}
