/*
 * pushdown.h
 *		Conditions on where a message stands, turned into what of a topic need be read at all.
 */
#ifndef CQ_PUSHDOWN_H
#define CQ_PUSHDOWN_H

#include "catalog/stream.h"
#include "datatype/timestamp.h"
#include "nodes/execnodes.h"

/* What may hold rows that a statement wants. */
typedef struct CqRange
{
	bool		is_empty;		/* nothing can */
	int64		first_partition;
	int64		last_partition;
	bool		is_listed;		/* only these partitions */
	int64	   *partitions;
	int			npartitions;
	int64		first_offset;
	int64		last_offset;
	/* DT_NOBEGIN: any. Rows before the first message that is as late can be passed over */
	TimestampTz first_time;
} CqRange;

typedef struct CqPushdown CqPushdown;

/*
 * Is it a condition that narrows the range of relation relid (index in the range table) of the
 * stream?
 */
extern bool cq_pushdown_accepts(const CqStream *stream, Index relid, Expr *clause);

/* Prepares to evaluate conditions that were accepted, once for each time the scan starts. */
extern CqPushdown *cq_pushdown_open(const CqStream *stream, Index relid, List *clauses,
									PlanState *parent);
extern void cq_pushdown_evaluate(CqPushdown *pushdown, ExprContext *context, CqRange *range);

/* All of a topic. */
extern void cq_pushdown_init(CqRange *range);

extern bool cq_pushdown_has_partition(const CqRange *range, int32 partition);

#endif							/* CQ_PUSHDOWN_H */
