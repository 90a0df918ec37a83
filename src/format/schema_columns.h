/*
 * schema_columns.h
 *		Names in schemas that are made of a table's columns.
 */
#ifndef CQ_SCHEMA_COLUMNS_H
#define CQ_SCHEMA_COLUMNS_H

#include "postgres.h"

#include "format/format.h"

/* Of the column's field. Raises ERROR where it cannot have one in that language: "Avro". */
extern const char *cq_schema_columns_field(const CqColumn *column, const char *language);

/* Of all: the topic's, as far as it can be. */
extern char *cq_schema_columns_name(const char *topic, bool is_key);

#endif							/* CQ_SCHEMA_COLUMNS_H */
