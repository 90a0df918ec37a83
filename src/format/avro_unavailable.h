/*
 * avro_unavailable.h
 *		What Debezium writes in place of a large value that has not changed, in Avro: as
 *		json_unavailable.h has it for JSON.
 */
#ifndef CQ_AVRO_UNAVAILABLE_H
#define CQ_AVRO_UNAVAILABLE_H

#include "postgres.h"

#include "format/avro_read.h"
#include "nodes/pg_list.h"

/* The text in the manner of each type of value; in CurrentMemoryContext. */
extern List *cq_avro_unavailable_create(const char *text);

/* Is what comes next, of that kind, one of them? */
extern bool cq_avro_unavailable_is(const List *values, const CqAvroInput *in, CqAvroKind kind);

#endif							/* CQ_AVRO_UNAVAILABLE_H */
