/*
 * proto_json.c
 *		A value of Protobuf as JSON: what it is for a column of type jsonb, and on the way to types
 *		without a way of their own.
 *
 * Decides what values are there: numbers, also those of 64 bits; booleans; strings; repeated fields
 * are arrays, messages and maps objects, with names as in the schema; enums strings of their
 * symbols, or the number where they have none for it; bytes strings in the server's hex format. A
 * field that is not in a message has its default where it has one without being asked whether it is
 * there, and else is left out; of a oneof the last one counts. Of the known types, timestamps and
 * durations are strings in ISO 8601, wrappers, Struct, Value and ListValue what they stand for.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "format/json_write.h"
#include "format/proto_read.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* ---- places ---- */

void
cq_proto_json_add_place(CqProtoPlaces *places, const char *tag)
{
	if (places->ntags == places->capacity)
	{
		places->capacity = Max(places->capacity * 2, 8);
		places->tags = places->tags == NULL ? palloc(sizeof(char *) * places->capacity) :
			repalloc_huge(places->tags, sizeof(char *) * places->capacity);
	}
	places->tags[places->ntags++] = tag;
}

void
cq_proto_json_at(const CqProtoInput *in, const char *tag, CqProtoRaw *raw)
{
	CqProtoInput inner = {.at = tag, .end = in->end};
	uint32		number;
	CqProtoWire wire;

	memset(raw, 0, sizeof(CqProtoRaw));
	(void) cq_proto_read_tag(&inner, &number, &wire);
	(void) cq_proto_read_raw(&inner, number, wire, raw);
}

void
cq_proto_json_body(const CqProtoInput *in, const CqProtoPlaces *places, CqProtoRaw *raw)
{
	int64		length = 0;
	char	   *bytes;

	cq_proto_json_at(in, places->tags[0], raw);
	if (places->ntags == 1)
		return;
	bytes = palloc_extended(in->end - places->tags[0], MCXT_ALLOC_HUGE);
	for (int i = 0; i < places->ntags; i++)
	{
		CqProtoRaw	one;

		cq_proto_json_at(in, places->tags[i], &one);
		memcpy(bytes + length, one.bytes, one.length);
		length += one.length;
	}
	raw->bytes = bytes;
	raw->length = length;
}

/* ---- scalars ---- */

bool
cq_proto_json_append_text(CqProtoInput *in, const char *text, int64 length, StringInfo out)
{
	if (!cq_json_write_is_text(text, length))
		return cq_proto_read_fault(in, "a string is not text in UTF-8");
	cq_json_write_string(out, text, length);
	return true;
}

static void
append_enum(const CqProtoField *field, int32 number, StringInfo out)
{
	const char *symbol = cq_proto_read_symbol(field->enumeration, number);

	if (symbol != NULL)
		cq_json_write_string(out, symbol, strlen(symbol));
	else
		appendStringInfo(out, "%d", number);
}

static bool
append_value(CqProtoInput *in, const CqProtoField *field, const CqProtoRaw *raw, int depth,
			 StringInfo out)
{
	char		text[MAXINT8LEN + 1];

	if (out->len > in->max_json)
		return cq_proto_read_fault(in, "a value is too large");
	switch (field->kind)
	{
		case CQ_PROTO_DOUBLE:
			cq_json_write_float8(out, cq_proto_read_double(raw->bits));
			return true;
		case CQ_PROTO_FLOAT:
			cq_json_write_float4(out, cq_proto_read_float(raw->bits));
			return true;
		case CQ_PROTO_BOOL:
			appendStringInfoString(out, raw->bits != 0 ? "true" : "false");
			return true;
		case CQ_PROTO_STRING:
			return cq_proto_json_append_text(in, raw->bytes, raw->length, out);
		case CQ_PROTO_BYTES:
			if (raw->length > in->max_json)
				return cq_proto_read_fault(in, "a value is too large");
			cq_json_write_bytes(out, raw->bytes, raw->length);
			return true;
		case CQ_PROTO_GROUP:
		case CQ_PROTO_MESSAGE:
			return cq_proto_json_append_message(in, field->message, raw->bytes, raw->length,
												depth + 1, out);
		case CQ_PROTO_ENUM:
			append_enum(field, (int32) cq_proto_read_integer(field, raw->bits), out);
			return true;
		case CQ_PROTO_UINT64:
		case CQ_PROTO_FIXED64:
			appendStringInfo(out, UINT64_FORMAT, raw->bits);
			return true;
		default:
			pg_lltoa(cq_proto_read_integer(field, raw->bits), text);
			appendStringInfoString(out, text);
			return true;
	}
}

bool
cq_proto_json_append_default(CqProtoInput *in, const CqProtoField *field, StringInfo out)
{
	CqProtoRaw	raw = {.bits = field->bits, .bytes = field->bytes, .length = field->length};

	if (field->is_map || field->is_repeated)
		appendStringInfoString(out, field->is_map ? "{}" : "[]");
	else if (!field->has_default)
		appendStringInfoString(out, "null");
	else
		return append_value(in, field, &raw, 0, out);
	return true;
}

/* ---- several of them ---- */

static bool
append_packed(CqProtoInput *in, const CqProtoField *field, const CqProtoRaw *packed,
			  bool *is_first, StringInfo out)
{
	CqProtoInput inner = {.at = packed->bytes, .end = packed->bytes + packed->length};

	while (inner.at < inner.end)
	{
		CqProtoRaw	raw;

		if (!cq_proto_read_packed(&inner, field, &raw))
			return cq_proto_read_fault(in, inner.fault);
		if (!*is_first)
			appendStringInfoChar(out, ',');
		*is_first = false;
		if (!append_value(in, field, &raw, 0, out))
			return false;
	}
	return true;
}

static bool
append_items(CqProtoInput *in, const CqProtoField *field, const CqProtoPlaces *places, int depth,
			 StringInfo out)
{
	bool		is_first = true;

	appendStringInfoChar(out, '[');
	for (int i = 0; i < places->ntags; i++)
	{
		CqProtoRaw	raw;
		bool		is_good;

		cq_proto_json_at(in, places->tags[i], &raw);
		if (cq_proto_read_is_packed(field, raw.wire))
			is_good = append_packed(in, field, &raw, &is_first, out);
		else
		{
			if (!is_first)
				appendStringInfoChar(out, ',');
			is_first = false;
			is_good = append_value(in, field, &raw, depth, out);
		}
		if (!is_good)
			return false;
	}
	appendStringInfoChar(out, ']');
	return true;
}

/* Keys are strings, whatever they are. */
static bool
append_key(CqProtoInput *in, const CqProtoField *key, const CqProtoPlaces *places, StringInfo out)
{
	CqProtoPlaces last = {.ntags = 1};
	bool		is_good;

	if (key->kind != CQ_PROTO_STRING)
		appendStringInfoChar(out, '"');
	last.tags = places->ntags > 0 ? &places->tags[places->ntags - 1] : NULL;
	is_good = last.tags != NULL ? cq_proto_json_append(in, key, &last, 0, out) :
		cq_proto_json_append_default(in, key, out);
	if (key->kind != CQ_PROTO_STRING)
		appendStringInfoChar(out, '"');
	appendStringInfoChar(out, ':');
	return is_good;
}

/* The fields of a message that has few. */
static bool
find_places(CqProtoInput *in, const CqProtoMessage *message, CqProtoPlaces *places)
{
	while (in->at < in->end)
	{
		const char *tag = in->at;
		const CqProtoField *field;
		uint32		number;
		CqProtoWire wire;
		CqProtoRaw	raw;

		if (!cq_proto_read_tag(in, &number, &wire) || !cq_proto_read_raw(in, number, wire, &raw))
			return false;
		field = cq_proto_read_find(message, number);
		if (field != NULL && cq_proto_read_fits(field, wire))
			cq_proto_json_add_place(&places[field->place], tag);
	}
	return true;
}

static bool
append_entry(CqProtoInput *in, const CqProtoMessage *entry, const CqProtoRaw *raw, int depth,
			 StringInfo out)
{
	CqProtoInput inner = {.at = raw->bytes, .end = raw->bytes + raw->length,
						  .max_json = in->max_json};
	CqProtoPlaces places[2] = {0};
	bool		is_good = find_places(&inner, entry, places) &&
		append_key(&inner, &entry->fields[0], &places[0], out);

	if (is_good && places[1].ntags > 0)
		is_good = cq_proto_json_append(&inner, &entry->fields[1], &places[1], depth, out);
	else if (is_good && cq_proto_read_is_message(&entry->fields[1]))
		is_good = cq_proto_json_append_message(&inner, entry->fields[1].message, "", 0, depth + 1,
											   out);
	else if (is_good)
		is_good = cq_proto_json_append_default(&inner, &entry->fields[1], out);
	for (int i = 0; i < 2; i++)
	{
		if (places[i].tags != NULL)
			pfree(places[i].tags);
	}
	in->max_json = inner.max_json;
	return is_good || cq_proto_read_fault(in, inner.fault);
}

static bool
append_map(CqProtoInput *in, const CqProtoField *field, const CqProtoPlaces *places, int depth,
		   StringInfo out)
{
	appendStringInfoChar(out, '{');
	for (int i = 0; i < places->ntags; i++)
	{
		CqProtoRaw	raw;

		cq_proto_json_at(in, places->tags[i], &raw);
		if (i > 0)
			appendStringInfoChar(out, ',');
		if (out->len > in->max_json)
			return cq_proto_read_fault(in, "a value is too large");
		if (!append_entry(in, field->message, &raw, depth, out))
			return false;
	}
	appendStringInfoChar(out, '}');
	return true;
}

bool
cq_proto_json_append(CqProtoInput *in, const CqProtoField *field, const CqProtoPlaces *places,
					 int depth, StringInfo out)
{
	CqProtoRaw	raw;
	bool		is_good;

	if (field->is_map)
		return append_map(in, field, places, depth, out);
	if (field->is_repeated)
		return append_items(in, field, places, depth, out);
	if (cq_proto_read_is_message(field))
		cq_proto_json_body(in, places, &raw);
	else
		cq_proto_json_at(in, places->tags[places->ntags - 1], &raw);
	is_good = append_value(in, field, &raw, depth, out);
	if (cq_proto_read_is_message(field) && places->ntags > 1)
		pfree((char *) raw.bytes);
	return is_good;
}

/* ---- messages ---- */

/* A message's fields in order of where they stand, field by field. */
typedef struct Sorted
{
	CqProtoPlaces *places;		/* by field; into tags */
	const char **tags;
	const CqProtoField **last;	/* of each oneof */
} Sorted;

/* Takes account of a field; or puts down where it is, where there is room for that. */
static bool
scan(CqProtoInput *in, const CqProtoMessage *message, Sorted *sorted)
{
	while (in->at < in->end)
	{
		const char *tag = in->at;
		const CqProtoField *field;
		CqProtoPlaces *places;
		uint32		number;
		CqProtoWire wire;
		CqProtoRaw	raw;

		if (!cq_proto_read_tag(in, &number, &wire) || !cq_proto_read_raw(in, number, wire, &raw))
			return false;
		field = cq_proto_read_find(message, number);
		if (field == NULL || !cq_proto_read_fits(field, wire))
			continue;
		places = &sorted->places[field->place];
		if (sorted->tags != NULL)
			places->tags[places->ntags++] = tag;
		else
			places->capacity++;
		if (field->oneof >= 0)
			sorted->last[field->oneof] = field;
	}
	return true;
}

static bool
sort_fields(CqProtoInput *in, const CqProtoMessage *message, Sorted *sorted)
{
	const char *start = in->at;
	Size		ntags = 0;

	sorted->places = palloc0(sizeof(CqProtoPlaces) * Max(message->nfields, 1));
	sorted->last = palloc0(sizeof(CqProtoField *) * Max(message->noneofs, 1));
	sorted->tags = NULL;
	if (!scan(in, message, sorted))
		return false;
	for (int i = 0; i < message->nfields; i++)
		ntags += sorted->places[i].capacity;
	sorted->tags = palloc_extended(sizeof(char *) * Max(ntags, 1), MCXT_ALLOC_HUGE);
	ntags = 0;
	for (int i = 0; i < message->nfields; i++)
	{
		sorted->places[i].tags = sorted->tags + ntags;
		ntags += sorted->places[i].capacity;
	}
	in->at = start;
	return scan(in, message, sorted);
}

static void
free_sorted(Sorted *sorted)
{
	pfree(sorted->places);
	pfree(sorted->last);
	if (sorted->tags != NULL)
		pfree(sorted->tags);
}

static bool
append_fields(CqProtoInput *in, const CqProtoMessage *message, const Sorted *sorted, int depth,
			  StringInfo out)
{
	char		separator = '{';

	for (int i = 0; i < message->nfields; i++)
	{
		const CqProtoField *field = &message->fields[i];
		const CqProtoPlaces *places = &sorted->places[i];
		bool		is_there = places->ntags > 0 &&
			(field->oneof < 0 || sorted->last[field->oneof] == field);

		if (!is_there && !field->is_repeated && !field->has_default)
			continue;
		appendStringInfoChar(out, separator);
		separator = ',';
		cq_json_write_string(out, field->name, strlen(field->name));
		appendStringInfoChar(out, ':');
		if (is_there ? !cq_proto_json_append(in, field, places, depth, out) :
			!cq_proto_json_append_default(in, field, out))
			return false;
	}
	appendStringInfoString(out, separator == '{' ? "{}" : "}");
	return true;
}

/* A message that stands for its only field. */
static bool
append_only_field(CqProtoInput *in, const CqProtoMessage *message, const Sorted *sorted, int depth,
				  StringInfo out)
{
	if (sorted->places[0].ntags > 0)
		return cq_proto_json_append(in, &message->fields[0], &sorted->places[0], depth, out);
	return cq_proto_json_append_default(in, &message->fields[0], out);
}

/* The field that is there; null_value, an enum, is null. */
static bool
append_known_value(CqProtoInput *in, const CqProtoMessage *message, const Sorted *sorted, int depth,
				   StringInfo out)
{
	const CqProtoField *field = sorted->last[0];

	if (field != NULL && field->kind != CQ_PROTO_ENUM)
		return cq_proto_json_append(in, field, &sorted->places[field->place], depth, out);
	appendStringInfoString(out, "null");
	return true;
}

static bool
append_known_time(CqProtoInput *in, const CqProtoMessage *message, StringInfo out)
{
	int64		seconds;
	int32		nanoseconds;
	Timestamp	timestamp;

	if (!cq_proto_read_seconds(in, &seconds, &nanoseconds))
		return false;
	if (message->known == CQ_PROTO_TIMESTAMP)
	{
		if (!cq_proto_read_timestamp(seconds, nanoseconds, &timestamp))
			return cq_proto_read_fault(in, "a timestamp is out of range");
		cq_json_write_time(out, TimestampTzGetDatum(timestamp), TIMESTAMPTZOID);
		return true;
	}
	/* Both have the same sign. */
	if (nanoseconds <= -1000000000 || nanoseconds >= 1000000000 ||
		(seconds < 0 && nanoseconds > 0) || (seconds > 0 && nanoseconds < 0))
		return cq_proto_read_fault(in, "a duration is out of range");
	appendStringInfo(out, "\"PT%s" UINT64_FORMAT ".%09dS\"",
					 seconds < 0 || nanoseconds < 0 ? "-" : "",
					 seconds < 0 ? -(uint64) seconds : (uint64) seconds, abs(nanoseconds));
	return true;
}

static bool
append_sorted(CqProtoInput *in, const CqProtoMessage *message, const Sorted *sorted, int depth,
			  StringInfo out)
{
	switch (message->known)
	{
		case CQ_PROTO_WRAPPER:
		case CQ_PROTO_STRUCT:
		case CQ_PROTO_LIST:
			return append_only_field(in, message, sorted, depth, out);
		case CQ_PROTO_VALUE:
			return append_known_value(in, message, sorted, depth, out);
		default:
			return append_fields(in, message, sorted, depth, out);
	}
}

bool
cq_proto_json_append_message(CqProtoInput *in, const CqProtoMessage *message, const char *bytes,
							 int64 length, int depth, StringInfo out)
{
	CqProtoInput inner = {.at = bytes, .end = bytes + length, .max_json = in->max_json};
	Sorted		sorted;
	bool		is_good;

	if (depth > CQ_PROTO_MAX_DEPTH)
		return cq_proto_read_fault(in, "values are nested too deep");
	if (message->known == CQ_PROTO_TIMESTAMP || message->known == CQ_PROTO_DURATION)
		return append_known_time(&inner, message, out) || cq_proto_read_fault(in, inner.fault);
	/* Fields that are not there take time as well. */
	inner.max_json -= message->nfields / 8;
	is_good = sort_fields(&inner, message, &sorted) &&
		append_sorted(&inner, message, &sorted, depth, out);
	in->max_json = inner.max_json;
	free_sorted(&sorted);
	return is_good || cq_proto_read_fault(in, inner.fault);
}
