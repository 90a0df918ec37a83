/*
 * avro_infer.h
 *		Which columns a schema suggests.
 */
#ifndef CQ_AVRO_INFER_H
#define CQ_AVRO_INFER_H

#include "postgres.h"

#include "format/format.h"
#include "format/registry.h"

/* See infer_schema in format.h. */
extern List *cq_avro_infer(const CqRegistrySchema *found, List **remarks);

#endif							/* CQ_AVRO_INFER_H */
