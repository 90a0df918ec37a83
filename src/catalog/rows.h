/*
 * rows.h
 *		Rows of a table of the catalog that have the same relation in one column.
 *
 * Within a transaction, as anybody: no privileges are asked for.
 */
#ifndef CQ_CATALOG_ROWS_H
#define CQ_CATALOG_ROWS_H

#include "postgres.h"

#include "access/genam.h"
#include "access/htup.h"
#include "utils/relcache.h"

typedef struct CqRows
{
	Relation	relation;		/* NULL: there is no such table */
	SysScanDesc scan;
} CqRows;

/* Those whose column number column, the first of the index, is key. To be ended. */
extern void cq_rows_begin(CqRows *rows, const char *table, const char *index, AttrNumber column,
						  Oid key);

/* The first n columns of the next row. False: there is none. */
extern bool cq_rows_next(CqRows *rows, int n, Datum *values, bool *nulls);

extern void cq_rows_end(CqRows *rows);

extern void cq_rows_insert(const char *table, int n, const Datum *values, const bool *nulls);

/* Raises ERROR where another transaction is changing one of them. */
extern void cq_rows_delete(const char *table, const char *index, AttrNumber column, Oid key);

#endif							/* CQ_CATALOG_ROWS_H */
