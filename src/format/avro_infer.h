/*
 * avro_infer.h
 *		Which columns a schema suggests.
 */
#ifndef CQ_AVRO_INFER_H
#define CQ_AVRO_INFER_H

#include "postgres.h"

#include "format/format.h"
#include "format/registry.h"

/*
 * CqColumn *, as of infer in format.h, for a schema of the registry's; one is NOT NULL where every
 * message of this schema has a value, and whoever wrote by an earlier one has had the field. NIL:
 * the schema cannot be used, which a remark says. Remarks are char *, sentences.
 */
extern List *cq_avro_infer(const CqRegistrySchema *found, List **remarks);

#endif							/* CQ_AVRO_INFER_H */
