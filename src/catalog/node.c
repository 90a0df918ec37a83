/*
 * node.c
 *		Rows of _cq.node: see node.h.
 */
#include "postgres.h"

#include "catalog/node.h"
#include "catalog/rows.h"
#include "utils/builtins.h"

/* Columns of _cq.node, as in schema/catalog.sql. */
enum
{
	NODE_VIEW = 1,
	NODE_NUMBER,
	NODE_KIND,
	NODE_RULE,
	NODE_FINGERPRINT,
	NODE_NATTS = NODE_FINGERPRINT
};

static int
compare_numbers(const ListCell *one, const ListCell *other)
{
	return ((const CqNodeRow *) lfirst(one))->number -
		((const CqNodeRow *) lfirst(other))->number;
}

List *
cq_node_list(Oid view)
{
	List	   *nodes = NIL;
	CqRows		rows;
	Datum		values[NODE_NATTS];
	bool		nulls[NODE_NATTS];

	cq_rows_begin(&rows, "node", "node_pkey", NODE_VIEW, view);
	while (cq_rows_next(&rows, NODE_NATTS, values, nulls))
	{
		CqNodeRow  *node = palloc0(sizeof(CqNodeRow));

		node->number = DatumGetInt32(values[NODE_NUMBER - 1]);
		node->kind = TextDatumGetCString(values[NODE_KIND - 1]);
		if (!nulls[NODE_RULE - 1])
			node->rule = TextDatumGetCString(values[NODE_RULE - 1]);
		if (!nulls[NODE_FINGERPRINT - 1])
			node->fingerprint = TextDatumGetCString(values[NODE_FINGERPRINT - 1]);
		nodes = lappend(nodes, node);
	}
	cq_rows_end(&rows);
	list_sort(nodes, compare_numbers);
	return nodes;
}

void
cq_node_insert(Oid view, const CqNodeRow *node)
{
	bool		nulls[NODE_NATTS] = {
		[NODE_RULE - 1] = node->rule == NULL,
		[NODE_FINGERPRINT - 1] = node->fingerprint == NULL
	};
	Datum		values[] = {
		ObjectIdGetDatum(view), Int32GetDatum(node->number), CStringGetTextDatum(node->kind),
		node->rule ? CStringGetTextDatum(node->rule) : (Datum) 0,
		node->fingerprint ? CStringGetTextDatum(node->fingerprint) : (Datum) 0
	};

	cq_rows_insert("node", NODE_NATTS, values, nulls);
}

void
cq_node_forget(Oid view)
{
	cq_rows_delete("node", "node_pkey", NODE_VIEW, view);
}
