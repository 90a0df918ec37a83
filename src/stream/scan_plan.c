/*
 * scan_plan.c
 *		Plans the foreign scan of a stream: which columns it decodes, which conditions narrow what
 *		is read.
 *
 * Planning never asks the network. The plan's fdw_exprs are the conditions that narrow the range
 * (see pushdown.c), its fdw_private a list of the needed attribute numbers.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/stream.h"
#include "common/compat.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "stream/scan.h"
#include "stream/pushdown.h"
#include "utils/rel.h"

/* Where ANALYZE has not counted. */
#define DEFAULT_ROWS 10000
/* To fetch and decode a message, in units of cpu_tuple_cost. */
#define MESSAGE_COST 20
#define STARTUP_COST 100

double		cq_batch_expected_rows = 0;

static void
get_relation_size(PlannerInfo *root, RelOptInfo *relation, Oid relid)
{
	if (cq_batch_expected_rows > 0)
		relation->tuples = cq_batch_expected_rows;
	else if (relation->tuples <= 0)
		relation->tuples = DEFAULT_ROWS;
	set_baserel_size_estimates(root, relation);
}

static void
get_paths(PlannerInfo *root, RelOptInfo *relation, Oid relid)
{
	Cost		total = STARTUP_COST + relation->tuples * cpu_tuple_cost * MESSAGE_COST;

	add_path(relation, (Path *) cq_compat_create_foreignscan_path(root, relation, relation->rows,
																  STARTUP_COST, total,
																  relation->lateral_relids));
}

/*
 * Attribute numbers, as a list, of what the query reads of the relation; and the key, where it says
 * whose row a message is.
 */
static List *
find_needed(RelOptInfo *relation, Oid relid, List *clauses, AttrNumber key)
{
	Relation	stream = table_open(relid, NoLock);
	int			natts = RelationGetNumberOfAttributes(stream);
	Bitmapset  *found = NULL;
	List	   *needed = NIL;
	bool		is_whole_row;

	pull_varattnos((Node *) relation->reltarget->exprs, relation->relid, &found);
	pull_varattnos((Node *) clauses, relation->relid, &found);
	is_whole_row = bms_is_member(InvalidAttrNumber - FirstLowInvalidHeapAttributeNumber, found);
	for (int attno = 1; attno <= natts; attno++)
	{
		if (!TupleDescAttr(RelationGetDescr(stream), attno - 1)->attisdropped &&
			(is_whole_row || attno == key ||
			 bms_is_member(attno - FirstLowInvalidHeapAttributeNumber, found)))
			needed = lappend_int(needed, attno);
	}
	table_close(stream, NoLock);
	return needed;
}

static ForeignScan *
get_plan(PlannerInfo *root, RelOptInfo *relation, Oid relid, ForeignPath *path, List *tlist,
		 List *scan_clauses,
		 Plan *outer_plan)
{
	CqStream   *stream = cq_stream_get(relid, InvalidOid);
	List	   *clauses = extract_actual_clauses(scan_clauses, false);
	List	   *narrowing = NIL;
	bool		is_changing = cq_mode_changes(stream->mode);
	ListCell   *cell;

	cq_stream_require_readable(stream);
	/* Which message is the newest of its key is known only after all have been read. */
	foreach(cell, is_changing ? NIL : clauses)
	{
		if (cq_pushdown_accepts(stream, relation->relid, lfirst(cell)))
			narrowing = lappend(narrowing, lfirst(cell));
	}
	return make_foreignscan(tlist, clauses, relation->relid, narrowing,
							find_needed(relation, relid, clauses,
										is_changing ? stream->key : InvalidAttrNumber),
							NIL, NIL, outer_plan);
}

Bitmapset *
cq_scan_plan_needed_columns(const ForeignScan *plan)
{
	Bitmapset  *needed = NULL;
	ListCell   *cell;

	foreach(cell, plan->fdw_private)
		needed = bms_add_member(needed, lfirst_int(cell));
	return needed;
}

void
cq_scan_plan_init(FdwRoutine *routine)
{
	routine->GetForeignRelSize = get_relation_size;
	routine->GetForeignPaths = get_paths;
	routine->GetForeignPlan = get_plan;
}
