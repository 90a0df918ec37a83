/*
 * proto_columns.h
 *		A schema of Protobuf for a table's columns.
 */
#ifndef CQ_PROTO_COLUMNS_H
#define CQ_PROTO_COLUMNS_H

#include "postgres.h"

#include "format/format.h"

/* UTF-8. Raises ERROR where a column cannot be a field. */
extern char *cq_proto_columns_schema(const CqFormatOptions *options, const CqColumn *columns,
									 int ncolumns);

#endif							/* CQ_PROTO_COLUMNS_H */
