/*
 * cut_part.c
 *		The tables of a tree's nodes: which there have to be.
 *
 * A view is planned again whenever a worker begins with it. What it reads by, a view or a function,
 * may have been altered, so that it is cut in another way: what is kept is of no use then.
 */
#include "postgres.h"

#include "catalog/part.h"
#include "plan/cut.h"

static bool
is_of_table(const CqNode *node)
{
	return node->inputs != NIL && ((const CqNodeInput *) linitial(node->inputs))->is_table;
}

static bool
is_needed(const CqTree *tree, const CqPart *part)
{
	const CqNode *node;

	if (part->node > list_length(tree->nodes))
		return false;
	node = list_nth(tree->nodes, part->node - 1);
	if (strcmp(part->role, CQ_PART_EARLY) == 0)
		return is_of_table(node);
	if (strcmp(part->role, CQ_PART_INPUT) == 0)
		return cq_rule_keeps_inputs(node->rule) && part->number <= list_length(node->inputs);
	return cq_rule_stores(node->rule) &&
		!(tree->is_stored && part->node == list_length(tree->nodes));
}

static int
count_needed(const CqTree *tree)
{
	int			count = 0;
	ListCell   *cell;

	foreach(cell, tree->nodes)
	{
		const CqNode *node = lfirst(cell);

		if (cq_rule_keeps_inputs(node->rule))
			count += list_length(node->inputs);
		if (is_of_table(node))
			count++;
		if (cq_rule_stores(node->rule) && !(tree->is_stored && lnext(tree->nodes, cell) == NULL))
			count++;
	}
	return count;
}

bool
cq_cut_part_fits(const CqTree *tree, Oid view)
{
	int			missing = tree != NULL ? count_needed(tree) : 0;
	ListCell   *cell;

	foreach(cell, cq_part_list(view))
	{
		const CqPart *part = lfirst(cell);

		if (part->node == 0)
			continue;
		if (tree == NULL || !is_needed(tree, part))
			return false;
		missing--;
	}
	return missing == 0;
}
