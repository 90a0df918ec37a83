/*
 * avro_columns.h
 *		A schema of Avro for a table's columns: what is written, and nobody has given a schema for.
 */
#ifndef CQ_AVRO_COLUMNS_H
#define CQ_AVRO_COLUMNS_H

#include "postgres.h"

#include "format/format.h"

/* A record's schema, in UTF-8, which always is the same for the same columns. Raises ERROR. */
extern char *cq_avro_columns_schema(const char *topic, bool is_key, const CqColumn *columns,
									int ncolumns);

#endif							/* CQ_AVRO_COLUMNS_H */
