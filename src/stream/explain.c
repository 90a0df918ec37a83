/*
 * explain.c
 *		EXPLAIN of what is done with a stream. Nothing here asks the network.
 */
#include "postgres.h"

#include "common/compat.h"
#include "nodes/makefuncs.h"
#include "stream/scan.h"
#include "stream/scan_state.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

/* The conditions that narrow what is read. */
static void
explain_range(ForeignScanState *node, ExplainState *es)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	List	   *context;
	Node	   *condition;

	if (plan->fdw_exprs == NIL)
		return;
	context = set_deparse_context_plan(es->deparse_cxt, &plan->scan.plan, NIL);
	condition = (Node *) make_ands_explicit(plan->fdw_exprs);
	ExplainPropertyText("Range", deparse_expression(condition, context, false, false), es);
}

static void
explain_columns(const CqScanState *scan, Oid relid, ExplainState *es)
{
	List	   *names = NIL;
	int			attno = -1;

	while ((attno = bms_next_member(scan->needed, attno)) >= 0)
		names = lappend(names, get_attname(relid, attno, false));
	if (names != NIL)
		ExplainPropertyList("Decodes", names, es);
	else
		ExplainPropertyText("Decodes", "nothing", es);
}

static void
explain_scan(ForeignScanState *node, ExplainState *es)
{
	const CqScanState *scan = node->fdw_state;

	if (scan->is_bound)
	{
		ExplainPropertyText("Reads", "the batch", es);
		return;
	}
	if (scan->stream->kind == CQ_STREAM_KAFKA)
		ExplainPropertyList("Topics", scan->stream->topics, es);
	explain_range(node, es);
	if (es->verbose)
		explain_columns(scan, RelationGetRelid(node->ss.ss_currentRelation), es);
	if (es->analyze && scan->bounded != NULL)
	{
		ExplainPropertyInteger("Partitions Read", NULL, scan->bounded->npartitions, es);
		ExplainPropertyInteger("Messages Read", NULL, scan->bounded->nmessages, es);
		if (scan->stream->skip_bad_rows)
			ExplainPropertyInteger("Bad Rows Skipped", NULL, scan->bounded->nbad, es);
	}
}

void
cq_explain_init(FdwRoutine *routine)
{
	routine->ExplainForeignScan = explain_scan;
}
