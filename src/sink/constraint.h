/*
 * constraint.h
 *		NOT NULL and CHECK constraints of a stream that is a sink, held against what is written.
 */
#ifndef CQ_SINK_CONSTRAINT_H
#define CQ_SINK_CONSTRAINT_H

#include "postgres.h"

#include "catalog/stream.h"
#include "executor/tuptable.h"

typedef struct CqConstraints CqConstraints;

/*
 * Those of the stream, whose columns are described with them; NULL: there are none. In
 * CurrentMemoryContext, as long as that.
 */
extern CqConstraints *cq_constraint_open(const CqStream *stream, TupleDesc columns);

/* Raises ERROR, as INSERT does, where a row of the stream breaks one. */
extern void cq_constraint_hold(CqConstraints *constraints, TupleTableSlot *row);

#endif							/* CQ_SINK_CONSTRAINT_H */
