/*
 * tree_run.c
 *		The nodes of a view at work: see tree_run.h.
 *
 * A batch is of one stream. It comes in wherever the view reads that stream, several times where it
 * does so; nodes are run in the order of their numbers, so that each is run once, with all changes
 * of what it reads.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/part.h"
#include "common/columns.h"
#include "common/compat.h"
#include "common/settings.h"
#include "executor/executor.h"
#include "node/early.h"
#include "node/keep.h"
#include "node/kept.h"
#include "node/tree_run.h"
#include "nodes/makefuncs.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

typedef struct NodeRun
{
	const CqNode *node;
	CqKeep	   *keep;
	List	   *flows;			/* of CqFlow *, by input */
	List	   *reads;			/* of CqFlow *, by input: all rows of a view, or NULL */
	Oid		   *inputs;			/* their tables */
	Oid			early;			/* of a table: see early.h; or InvalidOid */
	CqNodeWork	work;			/* of the last run */
} NodeRun;

struct CqTreeRun
{
	List	   *nodes;			/* of NodeRun * */
};

/* The table of a node's part, or InvalidOid. */
static Oid
find_part(const List *parts, int node, const char *role, int number)
{
	ListCell   *cell;

	foreach(cell, parts)
	{
		const CqPart *part = lfirst(cell);

		if (part->node == node && part->number == number && strcmp(part->role, role) == 0)
			return part->relation;
	}
	return InvalidOid;
}

static NodeRun *
prepare_node(const CqTree *tree, const CqNode *node, const List *parts, Oid output,
			 CqFlowExpect expect)
{
	NodeRun    *run = palloc0(sizeof(NodeRun));
	Oid		   *inputs = palloc(sizeof(Oid) * Max(list_length(node->inputs), 1));
	ListCell   *cell;

	run->node = node;
	run->inputs = inputs;
	foreach(cell, node->inputs)
	{
		const CqNodeInput *input = lfirst(cell);
		int			i = foreach_current_index(cell);

		inputs[i] = find_part(parts, node->number, CQ_PART_INPUT, i + 1);
		run->flows = lappend(run->flows,
							 cq_flow_prepare(input->flow, NULL,
											 OidIsValid(input->stream) ? expect : NULL));
		run->reads = lappend(run->reads, input->read == NULL ? NULL :
							 cq_flow_prepare(input->read, NULL, NULL));
	}
	if (!OidIsValid(output))
		output = find_part(parts, node->number, CQ_PART_OUTPUT, 1);
	run->keep = cq_keep_prepare(tree, node, inputs, output);
	run->early = find_part(parts, node->number, CQ_PART_EARLY, 1);
	cq_keep_set_early(run->keep, run->early);
	return run;
}

CqTreeRun *
cq_tree_run_prepare(const CqTree *tree, Oid view, Oid output, CqFlowExpect expect)
{
	CqTreeRun  *run = palloc0(sizeof(CqTreeRun));
	List	   *parts;
	ListCell   *cell;

	if (tree == NULL)
		return run;
	parts = cq_part_list(view);
	foreach(cell, tree->nodes)
	{
		bool		is_shown = tree->is_stored && lnext(tree->nodes, cell) == NULL;

		run->nodes = lappend(run->nodes,
							 prepare_node(tree, lfirst(cell), parts,
										  is_shown ? output : InvalidOid, expect));
	}
	return run;
}

int
cq_tree_run_length(const CqTreeRun *run)
{
	return list_length(run->nodes);
}

/* Of the flows over a stream's batches; InvalidOid: of all. */
static List *
plans_of_flows(const NodeRun *run, Oid stream)
{
	List	   *plans = NIL;
	ListCell   *flow;
	ListCell   *input;

	forboth(flow, run->flows, input, run->node->inputs)
	{
		const CqFlow *planned = lfirst(flow);

		if (!OidIsValid(stream) || ((CqNodeInput *) lfirst(input))->stream == stream)
			plans = lappend(lappend(plans, planned->small), planned->large);
	}
	return plans;
}

/* Those that read all rows of views. */
static List *
plans_of_reads(const NodeRun *run)
{
	List	   *plans = NIL;
	ListCell   *cell;

	foreach(cell, run->reads)
	{
		const CqFlow *planned = lfirst(cell);

		if (planned != NULL)
			plans = lappend(lappend(plans, planned->small), planned->large);
	}
	return plans;
}

List *
cq_tree_run_plans_of(const CqTreeRun *run, Oid stream)
{
	List	   *plans = NIL;
	ListCell   *cell;

	foreach(cell, run->nodes)
		plans = list_concat(plans, plans_of_flows(lfirst(cell), stream));
	return plans;
}

List *
cq_tree_run_plans(const CqTreeRun *run)
{
	List	   *plans = cq_tree_run_plans_of(run, InvalidOid);
	ListCell   *cell;

	foreach(cell, run->nodes)
	{
		plans = list_concat(plans, plans_of_reads(lfirst(cell)));
		plans = list_concat(plans, cq_keep_plans(((NodeRun *) lfirst(cell))->keep));
	}
	return plans;
}

/* ---- views that are read by their names ---- */

static const CqToldView *
find_told(const CqTreeBatch *batch, Oid view)
{
	ListCell   *cell;

	foreach(cell, batch != NULL ? batch->told : NIL)
	{
		const CqToldView *told = lfirst(cell);

		if (told->view == view)
			return told;
	}
	return NULL;
}

/*
 * All rows of the view, each once more than it was. Under the settings that it makes its rows
 * under.
 */
static CqDelta *
read_whole(const CqFlow *read, const CqToldView *told)
{
	TupleDesc	row = ExecCleanTypeFromTL(read->large->planTree->targetlist);
	CqDelta    *delta = cq_delta_make(cq_delta_columns(cq_columns_of_row(row), false), false);
	DestReceiver *receiver;
	int			level = NewGUCNestLevel();

	cq_settings_apply(told->settings, CQ_SETTINGS_ALL);
	receiver = cq_delta_receiver(delta, 1);
	cq_flow_run(read->large, NULL, receiver);
	receiver->rDestroy(receiver);
	AtEOXact_GUC(true, level);
	if (told->add_unseen != NULL)
		told->add_unseen(told, delta);
	return delta;
}

static void
take_less(void *delta, TupleTableSlot *row)
{
	cq_delta_add(delta, row, -1);
}

/* What is kept of the view, each row once less. */
static void
add_kept(const CqNodeInput *input, Oid table, CqDelta *delta)
{
	CqKept	   *kept = cq_kept_open(table, cq_delta_columns(input->columns, true));

	cq_kept_fetch_all(kept, take_less, delta);
	cq_kept_close(kept);
}

static void
run_over(PlannedStmt *plan, CqDelta *rows, char *name, DestReceiver *receiver)
{
	QueryEnvironment *environment = create_queryEnv();

	cq_delta_register(rows, name, environment);
	cq_flow_run(plan, environment, receiver);
}

/* What policies hide of a table's rows is not told with its changes. */
static void
require_all_rows(Oid table)
{
	if (check_enable_rls(table, InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("row security of table \"%s\" hides rows from the owner of the "
						"continuous view, whose changes cannot be told apart",
						get_rel_name(table)),
				 errhint("Let the owner of the table create the continuous view, or leave out "
						 "tables = 'maintained'.")));
}

static CqDelta *
run_told(NodeRun *run, int i, const CqToldView *told)
{
	const CqNodeInput *input = list_nth(run->node->inputs, i);
	CqDelta    *rows = told->changes;
	CqDelta    *delta = cq_keep_make_changes(run->keep, i);
	DestReceiver *receiver = cq_delta_receiver(delta, 0);

	if (input->is_table)
		require_all_rows(input->view);
	if (rows == NULL)
		rows = read_whole(list_nth(run->reads, i), told);
	else
		cq_compat_check_permissions(input->read);
	run_over(cq_flow_plan(list_nth(run->flows, i), rows->nrows), rows, CQ_TOLD_NAME, receiver);
	receiver->rDestroy(receiver);
	if (told->changes == NULL)
	{
		cq_delta_free(rows);
		add_kept(input, run->inputs[i], delta);
		if (OidIsValid(run->early))
			cq_early_add(run->early, cq_delta_columns(input->columns, true), delta);
	}
	return delta;
}

/* ---- nodes ---- */

/* What the batch, or the node below, changes of an input; NULL: nothing. */
static CqDelta *
run_flow(NodeRun *run, int i, const CqTreeBatch *batch, CqDelta **changes)
{
	const CqNodeInput *input = list_nth(run->node->inputs, i);
	const CqFlow *flow = list_nth(run->flows, i);
	CqDelta    *below = input->node > 0 ? changes[input->node - 1] : NULL;
	const CqToldView *told = OidIsValid(input->view) ? find_told(batch, input->view) : NULL;
	CqDelta    *delta = NULL;
	DestReceiver *receiver;
	PlannedStmt *plan;

	if (told != NULL)
		delta = run_told(run, i, told);
	else if (below != NULL ||
			 (batch != NULL && OidIsValid(input->stream) && batch->stream == input->stream))
	{
		plan = cq_flow_plan(flow, below != NULL ? below->nrows : batch->nrows);
		delta = cq_keep_make_changes(run->keep, i);
		receiver = cq_delta_receiver(delta, input->only_grows ? 1 : 0);
		if (below != NULL)
			run_over(plan, below, cq_tree_changes_name(input->node), receiver);
		else
		{
			batch->bind(plan, batch->context);
			cq_flow_run(plan, NULL, receiver);
			batch->unbind();
		}
		receiver->rDestroy(receiver);
	}
	if (delta == NULL || delta->nrows > 0)
		return delta;
	cq_delta_free(delta);
	return NULL;
}

/* What comes to the node, and what it has read so far. */
static void
begin_work(NodeRun *run, CqDelta *const *inputs)
{
	run->work.has_changes = true;
	run->work.rows_read = -cq_keep_nread(run->keep);
	for (int i = 0; i < list_length(run->node->inputs); i++)
	{
		if (inputs[i] != NULL)
			run->work.rows_in += inputs[i]->nrows;
	}
}

static void
end_work(NodeRun *run, const CqDelta *result)
{
	run->work.rows_read += cq_keep_nread(run->keep);
	run->work.rows_out = result->nrows;
}

static CqDelta *
run_inputs(NodeRun *run, const CqTreeBatch *batch, CqDelta **changes)
{
	int			ninputs = list_length(run->node->inputs);
	CqDelta   **inputs = palloc0(sizeof(CqDelta *) * Max(ninputs, 1));
	CqDelta    *result;
	bool		has_changes = batch == NULL;

	for (int i = 0; i < ninputs; i++)
	{
		inputs[i] = run_flow(run, i, batch, changes);
		has_changes |= inputs[i] != NULL;
	}
	if (!has_changes)
		return NULL;
	if (batch != NULL && batch->checks_kept)
		cq_keep_check(run->keep, inputs);
	begin_work(run, inputs);
	result = cq_keep_apply(run->keep, inputs, batch == NULL);
	end_work(run, result);
	CommandCounterIncrement();
	for (int i = 0; i < ninputs; i++)
	{
		if (inputs[i] != NULL)
			cq_delta_free(inputs[i]);
	}
	if (result->nrows > 0)
		return result;
	cq_delta_free(result);
	return NULL;
}

static CqDelta *
run_node(NodeRun *run, const CqTreeBatch *batch, CqDelta **changes)
{
	CqDelta    *result;
	instr_time	start;

	memset(&run->work, 0, sizeof(CqNodeWork));
	INSTR_TIME_SET_CURRENT(start);
	result = run_inputs(run, batch, changes);
	INSTR_TIME_SET_CURRENT(run->work.duration);
	INSTR_TIME_SUBTRACT(run->work.duration, start);
	return result;
}

const CqNodeWork *
cq_tree_run_work(const CqTreeRun *run, int node)
{
	return &((NodeRun *) list_nth(run->nodes, node - 1))->work;
}

void
cq_tree_run(CqTreeRun *run, const CqTreeBatch *batch, CqDelta **changes)
{
	ListCell   *cell;

	foreach(cell, run->nodes)
		changes[foreach_current_index(cell)] = run_node(lfirst(cell), batch, changes);
}

void
cq_tree_run_free(const CqTreeRun *run, CqDelta **changes)
{
	for (int i = 0; i < list_length(run->nodes); i++)
	{
		if (changes[i] != NULL)
			cq_delta_free(changes[i]);
	}
}
