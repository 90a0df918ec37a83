/*
 * table_change.h
 *		What triggers write of a table's changes, and reading it again.
 *
 * The rows are those of a stream of this database, with the columns weight, 1 or -1, and c1, c2, …,
 * the table's by their numbers, as far as some view reads them. A row with weight 0 says that
 * anything may have changed.
 */
#ifndef CQ_TABLE_CHANGE_H
#define CQ_TABLE_CHANGE_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "source/log_table.h"

/* Names of triggers begin with this, and the number of the stream. */
#define CQ_TABLE_CHANGE_TRIGGER "_cq_rows_"

/* The stream's column of a table's column. palloc'd. */
extern char *cq_table_change_column(AttrNumber attno);

/* Anything may have changed. */
extern void cq_table_change_mark(Oid stream);

typedef struct CqTableChanges
{
	CqLogTable	log;
	CqLogScan	scan;
	TupleDesc	columns;		/* the stream's */
	AttrNumber *from;			/* by number of the table's columns, from 0: the stream's, or 0 */
	int			natts;			/* the table's */
	Datum	   *values;			/* the stream's */
	bool	   *nulls;
	MemoryContext row;			/* of what the last one holds */
} CqTableChanges;

/*
 * Reads a table's changes from an offset on: those of transactions that have ended; or, in a
 * statement, those that the active snapshot sees. False: there is no log any more. In
 * CurrentMemoryContext.
 */
extern bool cq_table_change_begin(CqTableChanges *changes, Oid table, Oid stream, int64 offset,
								  bool in_statement);

/*
 * The next one: values of the table's columns, null where they are not known, and the weight. They
 * are there until the one after it.
 */
extern bool cq_table_change_next(CqTableChanges *changes, Datum *values, bool *nulls,
								 int32 *weight);
extern void cq_table_change_end(CqTableChanges *changes);

#endif							/* CQ_TABLE_CHANGE_H */
