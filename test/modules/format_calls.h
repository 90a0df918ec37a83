/*
 * format_calls.h
 *		A format called from SQL: what the modules that test one have in common.
 *
 * The first argument of each such function of SQL is a table: its columns are decoded into, and
 * encoded from. A dot in a column's name makes a path.
 */
#ifndef FORMAT_CALLS_H
#define FORMAT_CALLS_H

#include "postgres.h"

#include "access/htup.h"
#include "fmgr.h"
#include "format/format.h"
#include "utils/array.h"

extern CqColumn *format_calls_columns(Oid relid, int *ncolumns);

/* Of bytea[]. Each ends where its memory ends, so that valgrind sees a byte read too far. */
extern CqMessage *format_calls_messages(ArrayType *array, int *nmessages);

/* message may be NULL. */
extern CqFormatOptions *format_calls_options(text *schema, const char *message);

/* Of each message a row: its number, its fields as text, and what is wrong with it. */
extern Datum format_calls_decode(FunctionCallInfo fcinfo, const CqFormat *format,
								 const CqFormatOptions *options, ArrayType *array);

/* The row as a message. */
extern bytea *format_calls_encode(const CqFormat *format, const CqFormatOptions *options,
								  Oid relid, HeapTupleHeader row);

/*
 * Arguments 2 to 4 are a message, how often it is decoded, each time with other bytes changed, and
 * the seed. How many were good, and how many bad.
 */
extern Datum format_calls_fuzz(FunctionCallInfo fcinfo, const CqFormat *format,
							   const CqFormatOptions *options);

/* Nanoseconds of this process for each message, all of which are decoded so many times. */
extern double format_calls_bench(const CqFormat *format, const CqFormatOptions *options, Oid relid,
								 const CqMessage *messages, int nmessages, int rounds);

#endif
