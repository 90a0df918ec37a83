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

/* False: it does not say it. *length: of what comes before the value. */
extern bool cq_schema_frame_read(const CqFormatOptions *options, const CqMessage *message,
								 CqSchemaFrame *frame, int *length);

/* See bare_key in format.h: less the number, so that a new version of the schema changes no key. */
extern const char *cq_schema_frame_bare_key(bool is_framed, const char *key, uint32 *length);

/* "schema 5"; palloc'd. */
extern char *cq_schema_frame_name(const CqSchemaFrame *frame);

/* See cq_registry_by_id. */
extern CqRegistryState cq_schema_frame_find(CqRegistry *registry, const CqSchemaFrame *frame,
											CqRegistrySchema *schema, const char **trouble);

/* Is the message's key, or value, without a frame of its own, since a header is there? */
extern bool cq_schema_frame_is_header(CqMessageHeader header, const CqMessage *message,
									  bool is_key);

#endif							/* CQ_SCHEMA_FRAME_H */
