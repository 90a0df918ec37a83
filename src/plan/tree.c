/*
 * tree.c
 *		The nodes below a view's root: see tree.h.
 */
#include "postgres.h"

#include "plan/tree.h"

char *
cq_tree_input_name(int n)
{
	return psprintf("_cq_input_%d", n);
}

char *
cq_tree_changes_name(int node)
{
	return psprintf("_cq_changes_%d", node);
}
