/*
 * check_place.c
 *		Where in the text a refusal points to: see check.h.
 */
#include "postgres.h"

#include "nodes/nodeFuncs.h"
#include "plan/check.h"

/* The place of the first node of a kind in an expression, or -1. */
typedef struct NodeSearch
{
	NodeTag		tag;
	int			location;
} NodeSearch;

static bool
find_node(Node *node, NodeSearch *search)
{
	if (node == NULL)
		return false;
	if (nodeTag(node) == search->tag)
	{
		search->location = exprLocation(node);
		return true;
	}
	return expression_tree_walker(node, find_node, search);
}

int
cq_check_place(const Query *query, NodeTag tag)
{
	NodeSearch	search = {tag, -1};

	(void) (find_node((Node *) query->targetList, &search) ||
			find_node(query->havingQual, &search));
	return search.location >= 0 ? search.location :
		exprLocation((Node *) query->targetList);
}
