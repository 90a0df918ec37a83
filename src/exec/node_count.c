/*
 * node_count.c
 *		What is counted of a view's nodes: see node_count.h.
 *
 * The clock is read before and after each node, not for each row. What attempts have done that were
 * rolled back is not counted.
 */
#include "postgres.h"

#include "exec/node_count.h"

void
cq_node_count_prepare(CqViewExec *exec)
{
	exec->ncounted = 1 + cq_tree_run_length(exec->tree);
	exec->counted = palloc0(sizeof(CqNodeCounts) * exec->ncounted);
}

void
cq_node_count_begin(CqViewExec *exec)
{
	memset(exec->counted, 0, sizeof(CqNodeCounts) * exec->ncounted);
}

static void
add_counts(CqNodeCounts *to, const CqNodeCounts *counts)
{
	to->nbatches = 1;			/* however many attempts its rows have taken */
	to->rows_in += counts->rows_in;
	to->rows_read += counts->rows_read;
	to->rows_out += counts->rows_out;
	to->duration_us += counts->duration_us;
}

void
cq_node_count_add(CqViewExec *exec, const CqNodeCounts *root)
{
	for (int number = 1; number < exec->ncounted; number++)
	{
		const CqNodeWork *work = cq_tree_run_work(exec->tree, number);
		CqNodeCounts counts = {
			.rows_in = work->rows_in, .rows_read = work->rows_read, .rows_out = work->rows_out,
			.duration_us = INSTR_TIME_GET_MICROSEC(work->duration)
		};

		if (work->has_changes)
			add_counts(&exec->counted[number], &counts);
	}
	if (root != NULL)
		add_counts(&exec->counted[0], root);
}
