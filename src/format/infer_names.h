/*
 * infer_names.h
 *		Columns for the fields of a schema.
 */
#ifndef CQ_INFER_NAMES_H
#define CQ_INFER_NAMES_H

#include "postgres.h"

#include "format/format.h"

/* Of a field of a schema, by its place; the name is UTF-8. */
typedef const char *(*CqFieldName) (const void *fields, int place);
typedef Oid (*CqFieldType) (const void *fields, int place, int32 *typmod, bool *is_not_null);

/*
 * CqColumn *, one for each field in their order, with names that a table takes. Remarks are added
 * on those that have another name, and on fields that are left out.
 */
extern List *cq_infer_names(const void *fields, int nfields, CqFieldName name, CqFieldType type,
							List **remarks);

extern CqColumn *cq_infer_names_column(char *name, char *field, AttrNumber attno, Oid type,
									   int32 typmod, bool is_not_null);

#endif							/* CQ_INFER_NAMES_H */
