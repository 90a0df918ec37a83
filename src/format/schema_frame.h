/*
 * schema_frame.h
 *		By which schema of the registry a message, or its key, was written: as it says itself.
 *
 *		a zero byte, four of the schema's number, the value			before the value
 *		a one, 16 bytes of the schema's GUID						in a header, the value as it is
 *
 * The header is __value_schema_id or __key_schema_id, and where it is there it counts; it may have
 * the number as well.
 */
#ifndef CQ_SCHEMA_FRAME_H
#define CQ_SCHEMA_FRAME_H

#include "postgres.h"

#include "common/compat.h"
#include "format/format.h"
#include "format/registry.h"
#include "utils/uuid.h"

/* Compared by its bytes, which are all set. */
typedef struct CqSchemaFrame
{
	uint32		id;
	uint32		is_guid;		/* or else the number */
	uint8		guid[UUID_LEN];
} CqSchemaFrame;

/*
 * Which of a schema's messages it is, as Protobuf's clients say it: by places from 0, each among
 * those that are declared in the one before.
 */
#define CQ_SCHEMA_MAX_INDEXES 16

typedef struct CqSchemaIndexes
{
	int32		nindexes;
	int32		indexes[CQ_SCHEMA_MAX_INDEXES];
} CqSchemaIndexes;

/*
 * False: it does not say it. *length: of what comes before the value. indexes, unless NULL, stand
 * behind the number or the GUID.
 */
extern bool cq_schema_frame_read(const CqFormatOptions *options, const CqMessage *message,
								 CqSchemaFrame *frame, CqSchemaIndexes *indexes, int *length);

/* Writes them, as they are read. */
extern void cq_schema_frame_append_indexes(const CqSchemaIndexes *indexes, StringInfo out);

/* See prepare in format.h: of formats that ask for the schemas of messages. */
extern bool cq_schema_frame_prepare(const CqFormatOptions *options, const CqMessage *messages,
									int nmessages, char **awaits, char **trouble);

/* See bare_key in format.h: less the number, so that a new version of the schema changes no key. */
extern const char *cq_schema_frame_bare_key(bool is_framed, const char *key, uint32 *length);
extern const char *cq_schema_frame_bare_indexed_key(bool is_framed, const char *key,
													uint32 *length);

/* "schema 5"; palloc'd. */
extern char *cq_schema_frame_name(const CqSchemaFrame *frame);

/* See cq_registry_by_id. */
extern CqRegistryState cq_schema_frame_find(CqRegistry *registry, const CqSchemaFrame *frame,
											CqRegistrySchema *schema, const char **trouble);

/* Why there is no such schema, as that says, which is not CQ_REGISTRY_HERE. */
extern CqReject *cq_schema_frame_reject(const CqSchemaFrame *frame, CqRegistryState state);

/* Of a message that is no value of its schema; frame is NULL where that is in no registry. */
extern CqReject *cq_schema_frame_fault(const char *format, const CqSchemaFrame *frame,
									   const char *fault);

/* Raises ERROR: neither a registry nor an option says of which schema messages are. */
pg_noreturn extern void cq_schema_frame_raise_none(const CqFormatOptions *options,
												   const CqFormat *format);

/* Is the message's key, or value, without a frame of its own, since a header is there? */
extern bool cq_schema_frame_is_header(CqMessageHeader header, const CqMessage *message,
									  bool is_key);

#endif							/* CQ_SCHEMA_FRAME_H */
