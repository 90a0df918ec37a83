/*
 * columns.h
 *		Columns of rows, as CREATE TABLE has them.
 */
#ifndef CQ_COLUMNS_H
#define CQ_COLUMNS_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "nodes/pg_list.h"

/* Of ColumnDef *, by number; something stands in the place of dropped ones. */
extern List *cq_columns_of_row(TupleDesc row);

/* The same of a relation, which is locked for it to the end of the transaction. */
extern List *cq_columns_of_relation(Oid relid);

#endif							/* CQ_COLUMNS_H */
