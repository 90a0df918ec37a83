/*
 * proto_infer.h
 *		Which columns a schema of Protobuf suggests.
 */
#ifndef CQ_PROTO_INFER_H
#define CQ_PROTO_INFER_H

#include "postgres.h"

#include "format/format.h"

/* See infer_schema in format.h: of the schema's first message. */
extern List *cq_proto_infer(const CqRegistrySchema *found, List **remarks);

#endif							/* CQ_PROTO_INFER_H */
