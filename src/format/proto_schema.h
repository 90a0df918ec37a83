/*
 * proto_schema.h
 *		Schemas of Protobuf as a decoder keeps them.
 */
#ifndef CQ_PROTO_SCHEMA_H
#define CQ_PROTO_SCHEMA_H

#include "postgres.h"

#include "common/reject.h"
#include "format/proto_parser.h"
#include "format/registry.h"
#include "format/schema_frame.h"

/*
 * Reads a schema, which is freed with CurrentMemoryContext. NULL: *reject says why not, which may
 * be that this was built without libprotobuf.
 */
extern const CqProtoSchema *cq_proto_schema_parse(List *texts, List *names, CqReject **reject);

/* The same of one of the registry's, that may be one of another format. */
extern const CqProtoSchema *cq_proto_schema_of_registry(const CqRegistrySchema *found,
														CqReject **reject);

/* The same of a text in the server's encoding. */
extern const CqProtoSchema *cq_proto_schema_of_option(const char *text, CqReject **reject);

/* Of messages that have fields whose names are one without regard to case; NULL: there are none. */
extern CqReject *cq_proto_schema_check_case(const CqProtoSchema *schema);

/* Only to see whether it is one: NULL, or what is wrong. */
extern CqReject *cq_proto_schema_check(const char *text);

/* NULL: it has no such message. */
extern const CqProtoMessage *cq_proto_schema_at(const CqProtoSchema *schema,
												const CqSchemaIndexes *indexes);
extern const CqProtoMessage *cq_proto_schema_named(const CqProtoSchema *schema, const char *name);

/* Where a message of the schema stands in it. Raises ERROR where it is nested too deep. */
extern void cq_proto_schema_indexes(const CqProtoSchema *schema, const CqProtoMessage *message,
									CqSchemaIndexes *indexes);

#endif							/* CQ_PROTO_SCHEMA_H */
