/*
 * flow.h
 *		Plans a query of a node, and runs it: over batches of a stream, and over deltas.
 */
#ifndef CQ_FLOW_H
#define CQ_FLOW_H

#include "postgres.h"

#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "tcop/dest.h"
#include "utils/queryenvironment.h"

/* The plans for small and for large batches. */
typedef struct CqFlow
{
	PlannedStmt *small;
	PlannedStmt *large;
} CqFlow;

/* How many rows the planner is to expect of streams from now on; 0: as many as it does anyway. */
typedef void (*CqFlowExpect) (double nrows);

/*
 * In CurrentMemoryContext, as who may run the query; all that it reads is locked already. Raises an
 * ERROR where it cannot be run over batches, with its place in query_text, which may be NULL.
 * expect may be NULL, where it reads no stream; it is called with 0 in the end, also on error.
 */
extern CqFlow *cq_flow_prepare(const Query *query, const char *query_text, CqFlowExpect expect);

/* The plan that is the better one for so many rows. */
extern PlannedStmt *cq_flow_plan(const CqFlow *flow, int64 nrows);

/*
 * With the active snapshot. environment has the deltas that the query reads, or is NULL. A batch
 * that it reads is bound by the caller, to this plan. The receiver stays the caller's.
 */
extern void cq_flow_run(PlannedStmt *plan, QueryEnvironment *environment, DestReceiver *receiver);

#endif							/* CQ_FLOW_H */
