/*
 * json_columns.h
 *		A JSON Schema for a table's columns.
 */
#ifndef CQ_JSON_COLUMNS_H
#define CQ_JSON_COLUMNS_H

#include "postgres.h"

#include "format/format.h"

/* UTF-8. Raises ERROR where a column cannot be a member of the object. */
extern char *cq_json_columns_schema(const CqFormatOptions *options, const CqColumn *columns,
									int ncolumns);

#endif							/* CQ_JSON_COLUMNS_H */
