/*
 * tree.c
 *		The tuplestores that steps and flows read: see tree.h.
 */
#include "postgres.h"

#include "nodes/makefuncs.h"
#include "plan/tree.h"

/* What the planner is to expect of them, where nobody says otherwise. */
#define EXPECTED_ROWS 1000

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

void
cq_tree_make_entry(RangeTblEntry *entry, const char *name, const List *columns)
{
	List	   *names = NIL;
	ListCell   *cell;

	entry->rtekind = RTE_NAMEDTUPLESTORE;
	entry->enrname = pstrdup(name);
	entry->enrtuples = EXPECTED_ROWS;
	entry->inFromCl = true;
	entry->coltypes = entry->coltypmods = entry->colcollations = NIL;
	foreach(cell, columns)
	{
		ColumnDef  *column = lfirst_node(ColumnDef, cell);

		names = lappend(names, makeString(pstrdup(column->colname)));
		entry->coltypes = lappend_oid(entry->coltypes, column->typeName->typeOid);
		entry->coltypmods = lappend_int(entry->coltypmods, column->typeName->typemod);
		entry->colcollations = lappend_oid(entry->colcollations, column->collOid);
	}
	entry->eref = makeAlias(name, names);
}
