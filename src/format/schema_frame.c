/*
 * schema_frame.c
 *		By which schema a message was written: see schema_frame.h.
 */
#include "postgres.h"

#include "format/schema_frame.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"

#define NUMBER_LENGTH	5
#define GUID_LENGTH		(1 + UUID_LEN)

static bool
get_header(CqMessageHeader header, const CqMessage *message, bool is_key, const char **bytes,
		   size_t *length)
{
	return header != NULL &&
		header(message, is_key ? "__key_schema_id" : "__value_schema_id", bytes, length);
}

bool
cq_schema_frame_is_header(CqMessageHeader header, const CqMessage *message, bool is_key)
{
	const char *bytes;
	size_t		length;

	return get_header(header, message, is_key, &bytes, &length);
}

/* A number in zigzag; NULL: it ends within one, or is out of range. */
static const char *
read_index(const char *at, const char *end, int32 *index)
{
	uint64		bits = 0;

	for (int shift = 0; shift < 35 && at < end; shift += 7)
	{
		uint8		byte = (uint8) *at++;

		bits |= (uint64) (byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		*index = (int32) (bits >> 1);
		return (bits & 1) == 0 && bits >> 1 <= PG_INT32_MAX ? at : NULL;
	}
	return NULL;
}

/* The number of indexes and these; a mere zero is the first message. */
static const char *
read_indexes(const char *at, const char *end, CqSchemaIndexes *indexes)
{
	memset(indexes, 0, sizeof(CqSchemaIndexes));
	at = read_index(at, end, &indexes->nindexes);
	if (at == NULL || indexes->nindexes > CQ_SCHEMA_MAX_INDEXES)
		return NULL;
	for (int i = 0; i < indexes->nindexes && at != NULL; i++)
		at = read_index(at, end, &indexes->indexes[i]);
	indexes->nindexes = Max(indexes->nindexes, 1);
	return at;
}

static void
append_index(int32 index, StringInfo out)
{
	uint32		bits = (uint32) index << 1;

	for (; bits >= 0x80; bits >>= 7)
		appendStringInfoChar(out, (char) (bits | 0x80));
	appendStringInfoChar(out, (char) bits);
}

void
cq_schema_frame_append_indexes(const CqSchemaIndexes *indexes, StringInfo out)
{
	bool		is_first = indexes->nindexes == 1 && indexes->indexes[0] == 0;

	append_index(is_first ? 0 : indexes->nindexes, out);
	for (int i = 0; i < indexes->nindexes && !is_first; i++)
		append_index(indexes->indexes[i], out);
}

/* Which schema; what is behind that, in the header or the message. NULL: it does not say it. */
static const char *
read_frame(const CqFormatOptions *options, const CqMessage *message, CqSchemaFrame *frame,
		   bool *is_header, const char **end)
{
	const char *bytes = NULL;
	size_t		nbytes = 0;

	*is_header = get_header(options->header, message, options->is_key, &bytes, &nbytes);
	if (!*is_header)
	{
		bytes = message->value;
		nbytes = message->value_length;
	}
	*end = bytes + nbytes;
	memset(frame, 0, sizeof(CqSchemaFrame));
	if (*is_header && nbytes >= GUID_LENGTH && bytes[0] == 1)
	{
		frame->is_guid = true;
		memcpy(frame->guid, bytes + 1, UUID_LEN);
		return bytes + GUID_LENGTH;
	}
	if (nbytes < NUMBER_LENGTH || bytes[0] != '\0')
		return NULL;
	memcpy(&frame->id, bytes + 1, sizeof(frame->id));
	frame->id = pg_ntoh32(frame->id);
	return bytes + NUMBER_LENGTH;
}

bool
cq_schema_frame_read(const CqFormatOptions *options, const CqMessage *message,
					 CqSchemaFrame *frame, CqSchemaIndexes *indexes, int *length)
{
	bool		is_header;
	const char *end;
	const char *at = read_frame(options, message, frame, &is_header, &end);

	if (at != NULL && indexes != NULL)
		at = read_indexes(at, end, indexes);
	*length = is_header || at == NULL ? 0 : at - message->value;
	return at != NULL && (!is_header || at == end);
}

bool
cq_schema_frame_prepare(const CqFormatOptions *options, const CqMessage *messages, int nmessages,
						char **awaits, char **trouble)
{
	CqSchemaFrame last;
	bool		has_last = false;
	int			nmissing = 0;

	if (options->registry == NULL || !options->is_framed)
		return true;
	for (int i = 0; i < nmessages; i++)
	{
		CqRegistrySchema schema;
		const char *reason;
		CqSchemaFrame frame;
		bool		is_header;
		const char *end;

		if (messages[i].value == NULL ||
			read_frame(options, &messages[i], &frame, &is_header, &end) == NULL ||
			(has_last && memcmp(&frame, &last, sizeof(frame)) == 0))
			continue;
		last = frame;
		has_last = true;
		if (cq_schema_frame_find(options->registry, &frame, &schema, &reason) !=
			CQ_REGISTRY_ASKED)
			continue;
		if (nmissing++ == 0)
			*awaits = psprintf("%s of %s", cq_schema_frame_name(&frame),
							   cq_registry_name(options->registry));
		if (reason != NULL && *trouble == NULL)
			*trouble = pstrdup(reason);
	}
	return nmissing == 0;
}

const char *
cq_schema_frame_bare_key(bool is_framed, const char *key, uint32 *length)
{
	if (!is_framed || *length < NUMBER_LENGTH || *key != '\0')
		return key;
	*length -= NUMBER_LENGTH;
	return key + NUMBER_LENGTH;
}

const char *
cq_schema_frame_bare_indexed_key(bool is_framed, const char *key, uint32 *length)
{
	const char *bare = cq_schema_frame_bare_key(is_framed, key, length);
	CqSchemaIndexes indexes;
	const char *behind = bare != key ? read_indexes(bare, bare + *length, &indexes) : NULL;

	if (behind == NULL)
		return bare;
	*length -= behind - bare;
	return behind;
}

static char *
guid_text(const CqSchemaFrame *frame)
{
	pg_uuid_t	guid;

	memcpy(guid.data, frame->guid, UUID_LEN);
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&guid)));
}

char *
cq_schema_frame_name(const CqSchemaFrame *frame)
{
	return frame->is_guid ? psprintf("schema %s", guid_text(frame)) :
		psprintf("schema %u", frame->id);
}

CqRegistryState
cq_schema_frame_find(CqRegistry *registry, const CqSchemaFrame *frame, CqRegistrySchema *schema,
					 const char **trouble)
{
	if (frame->is_guid)
		return cq_registry_by_guid(registry, guid_text(frame), schema, trouble);
	return cq_registry_by_id(registry, frame->id, schema, trouble);
}

CqReject *
cq_schema_frame_reject(const CqSchemaFrame *frame, CqRegistryState state)
{
	if (state == CQ_REGISTRY_UNKNOWN)
		return cq_reject(ERRCODE_UNDEFINED_OBJECT, "the schema registry has no %s",
						 cq_schema_frame_name(frame));
	return cq_reject(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "%s is not there yet",
					 cq_schema_frame_name(frame));
}

CqReject *
cq_schema_frame_fault(const char *format, const CqSchemaFrame *frame, const char *fault)
{
	if (frame == NULL)
		return cq_reject(ERRCODE_INVALID_BINARY_REPRESENTATION, "invalid %s message: %s", format,
						 fault);
	return cq_reject(ERRCODE_INVALID_BINARY_REPRESENTATION, "invalid %s message of %s: %s", format,
					 cq_schema_frame_name(frame), fault);
}

void
cq_schema_frame_raise_none(const CqFormatOptions *options, const CqFormat *format)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
			 errmsg("a stream of format %s needs to know its schemas", format->name),
			 errhint("Set the option schema_registry of the server, or the option %s of the "
					 "stream.", options->is_key ? "key_schema" : "schema")));
}
