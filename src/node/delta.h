/*
 * delta.h
 *		A delta: rows with weights: there are so many more of them or, where negative, less.
 *
 * It keeps its rows in a tuplestore: more than work_mem go to disk. It belongs to whoever made it,
 * and to the memory context and (sub)transaction in which it was made.
 */
#ifndef CQ_DELTA_H
#define CQ_DELTA_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "nodes/pg_list.h"
#include "tcop/dest.h"
#include "utils/queryenvironment.h"
#include "utils/tuplestore.h"

typedef struct CqDelta
{
	TupleDesc	columns;		/* the last one is CQ_WEIGHT_COLUMN, unless it only grows */
	bool		only_grows;		/* rows have no weight: each is one more */
	int			natts;			/* without the weight */
	Tuplestorestate *rows;
	int64		nrows;
	bool		has_more;		/* there are rows with a positive weight */
	bool		has_less;		/* there are rows with a negative one */
	TupleTableSlot *weighted;	/* to put a row and its weight together */
} CqDelta;

/* A list of ColumnDef * as a row type; with the weight as one more column, unless it only grows. */
extern TupleDesc cq_delta_columns(List *columns, bool only_grows);

/* An empty one. columns are as cq_delta_columns gives them, and last. In CurrentMemoryContext. */
extern CqDelta *cq_delta_make(TupleDesc columns, bool only_grows);
extern void cq_delta_free(CqDelta *delta);

/* Adds the first natts columns of row; a weight of 0 adds nothing. */
extern void cq_delta_add(CqDelta *delta, TupleTableSlot *row, int64 weight);

/* The same for a row that has all columns, and the weight where they have one. */
extern void cq_delta_add_whole(CqDelta *delta, TupleTableSlot *row);

/*
 * A receiver for one run of a plan, which adds what comes out. weight 0: the plan yields the weight
 * as the last column; else each row has this one. Raises ERROR where the columns are others.
 */
extern DestReceiver *cq_delta_receiver(CqDelta *delta, int32 weight);

/* A slot for cq_delta_next, which gives row after row from the beginning on after a rewind. */
extern TupleTableSlot *cq_delta_slot(const CqDelta *delta);
extern void cq_delta_rewind(CqDelta *delta);
extern bool cq_delta_next(CqDelta *delta, TupleTableSlot *slot, int32 *weight);

/* Queries with this environment read its rows, with their weight, by this name. */
extern void cq_delta_register(CqDelta *delta, char *name, QueryEnvironment *environment);

#endif							/* CQ_DELTA_H */
