/*
 * schema_number.h
 *		The number under which a schema that rows are written by goes.
 */
#ifndef CQ_SCHEMA_NUMBER_H
#define CQ_SCHEMA_NUMBER_H

#include "postgres.h"

#include "format/format.h"

/* The subject that a schema belongs to; NULL: one whose name says nothing of it. Raises ERROR. */
extern char *cq_schema_number_subject(const CqFormat *format, const CqFormatOptions *options,
									  const char *schema);

/* What stands in place of the number where that is put in later. */
extern uint32 cq_schema_number_mark(const char *schema);

/* Is it the latest of the subject by which rows are written, whatever that is? */
extern bool cq_schema_number_is_latest(const CqFormatOptions *options);

/* For statements: waits for the registry, and raises ERROR where it has none. */
extern void cq_schema_number_latest(const CqFormat *format, const CqFormatOptions *options,
									CqRegistrySchema *found);

/* The number that the registry has for it, or gives it; the mark, where nobody may wait for it. */
extern uint32 cq_schema_number_find(const CqFormat *format, const CqFormatOptions *options,
									const char *schema);

/* A zero byte and the number. */
extern void cq_schema_number_append(uint32 id, StringInfo out);

/* How times are written the schema says, and no option: columns without styles. */
extern CqColumn *cq_schema_number_columns(const CqColumn *columns, int ncolumns);

#endif							/* CQ_SCHEMA_NUMBER_H */
