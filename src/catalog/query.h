/*
 * query.h
 *		Statements over the catalog, between SPI_connect and SPI_finish. In a user's session the
 *		search_path is the user's: name operators with their schema there.
 */
#ifndef CQ_QUERY_H
#define CQ_QUERY_H

#include "postgres.h"

#include "executor/spi.h"
#include "nodes/pg_list.h"

/* Runs a statement that is expected to end with this SPI_OK_…; no argument is null where nulls is
 * NULL, else as SPI has it ('n' and ' '). What it returns is in SPI's variables. */
extern void cq_query_execute(const char *statement, int expected, int nargs, Oid *types,
							 Datum *args,
							 const char *nulls);

/* Runs a command that returns nothing, in a connection of its own; what follows sees it. */
extern void cq_query_command(const char *command);

/*
 * Runs a SELECT that sees what is committed now, whatever the isolation level, besides what this
 * transaction has done: for whoever holds a lock against changes.
 */
extern void cq_query_look(const char *statement, int nargs, Oid *types, Datum *args);

/* A plan for this connection of SPI. Raises ERROR where the statement cannot be prepared. */
extern SPIPlanPtr cq_query_prepare(const char *statement, int nargs, Oid *types);

/* Prepares a statement where *plan is NULL, and keeps it for the process. */
extern void cq_query_keep(SPIPlanPtr *plan, const char *statement, int nargs, Oid *types);

/* The same, and runs it: expected is as of cq_query_execute, and no argument is null. */
extern void cq_query_run(SPIPlanPtr *plan, const char *statement, int nargs, Oid *types,
						 Datum *args, int expected);

/* An argument of type oid[]. */
extern Datum cq_query_oids(const List *oids);

/* A column, from 1, of a row, from 0, of what the last statement returned. */
extern Datum cq_query_column(uint64 row, int number, bool *isnull);

/* Such a column of all rows, of type oid, none of which is null: in their order, in a context. */
extern List *cq_query_take_oids(MemoryContext context, int number);

#endif							/* CQ_QUERY_H */
