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

bool
cq_schema_frame_read(const CqFormatOptions *options, const CqMessage *message,
					 CqSchemaFrame *frame, int *length)
{
	const char *bytes = NULL;
	size_t		nbytes = 0;
	bool		is_header = get_header(options->header, message, options->is_key, &bytes, &nbytes);

	if (!is_header)
	{
		bytes = message->value;
		nbytes = message->value_length;
	}
	memset(frame, 0, sizeof(CqSchemaFrame));
	*length = is_header ? 0 : NUMBER_LENGTH;
	if (is_header && nbytes == GUID_LENGTH && bytes[0] == 1)
	{
		frame->is_guid = true;
		memcpy(frame->guid, bytes + 1, UUID_LEN);
		return true;
	}
	if (nbytes < NUMBER_LENGTH || bytes[0] != '\0' || (is_header && nbytes > NUMBER_LENGTH))
		return false;
	memcpy(&frame->id, bytes + 1, sizeof(frame->id));
	frame->id = pg_ntoh32(frame->id);
	return true;
}

const char *
cq_schema_frame_bare_key(bool is_framed, const char *key, uint32 *length)
{
	if (!is_framed || *length < NUMBER_LENGTH || *key != '\0')
		return key;
	*length -= NUMBER_LENGTH;
	return key + NUMBER_LENGTH;
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
