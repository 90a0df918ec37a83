/*
 * create_nodes.c
 *		What is made for the nodes below a view's root: their tables, and their rows in the catalog.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/node.h"
#include "catalog/part.h"
#include "catalog/pg_class.h"
#include "catalog/toasting.h"
#include "ddl/create_nodes.h"
#include "ddl/ddl.h"
#include "ddl/fingerprint.h"
#include "nodes/makefuncs.h"
#include "plan/describe.h"
#include "utils/builtins.h"

/* Rows come and go: room on the page is of use to others, and vacuum comes early. */
static List *
storage_options(void)
{
	return list_make1(makeDefElem("autovacuum_vacuum_scale_factor", (Node *) makeFloat("0.1"),
								  -1));
}

void
cq_create_nodes_index(Oid table)
{
	cq_part_index_create(table, "keys", list_make1(cq_part_index_column(CQ_HASH_COLUMN)), false);
}

/* By which rows are found that are of no use any more. */
static void
index_time(Oid table, const List *columns, const CqTimeColumn *time)
{
	if (time->column == InvalidAttrNumber)
		return;
	if (time->kind == CQ_TIME_OF_SESSION)
		cq_session_index_ends(table, columns, time->column);
	else
		cq_part_index_create(table, "time",
							 list_make1(cq_part_index_column(list_nth_node(ColumnDef, columns,
																		   time->column -
																		   1)->colname)), false);
}

static void
create_part(const CqCreateNodes *create, CqPart *part, const char *label, List *columns,
			const CqTimeColumn *time)
{
	part->relation = cq_view_part_create(RELKIND_RELATION, create->base, label, columns,
										 storage_options(), create->owner, create->query_string);
	NewRelationCreateToastTable(part->relation, (Datum) 0);
	cq_create_nodes_index(part->relation);
	index_time(part->relation, columns, time);
	cq_adopt_part(part->relation, create->view);
	cq_part_insert(create->view, part);
}

static void
create_inputs(const CqCreateNodes *create, const CqNode *node)
{
	ListCell   *cell;

	foreach(cell, node->inputs)
	{
		const CqNodeInput *input = lfirst(cell);
		int			n = foreach_current_index(cell) + 1;
		CqPart		part = {.node = node->number, .role = CQ_PART_INPUT, .number = n};
		CqTimeColumn time = input->time;

		if (input->versions != NULL)
			time = (CqTimeColumn) {input->versions->time, CQ_TIME_OF_ROW, 0};
		create_part(create, &part, psprintf("node%d_input%d", node->number, n), input->columns,
					&time);
		if (input->is_table)
		{
			part.role = CQ_PART_EARLY;
			create_part(create, &part, psprintf("node%d_early", node->number), input->columns,
						&(CqTimeColumn) {InvalidAttrNumber, CQ_TIME_OF_ROW, 0});
		}
	}
}

static char *
rule_name(CqKeepRule rule)
{
	switch (rule)
	{
		case CQ_RULE_ADDITIVE:
			return "additive";
		case CQ_RULE_LINEAR:
			return "linear";
		case CQ_RULE_DIFFERENCE:
			return "difference";
		case CQ_RULE_LATEST:
			return "latest";
	}
	elog(ERROR, "unexpected rule %d", (int) rule);
}

/* fingerprints are of the nodes before it; its own one is added. */
static void
create_node(const CqCreateNodes *create, const CqNode *node, bool is_shown, List **fingerprints)
{
	CqNodeRow	row = {.number = node->number, .kind = "keep", .rule = rule_name(node->rule)};

	row.fingerprint = cq_fingerprint_node(node, row.rule, *fingerprints, create->query,
										  create->settings);
	*fingerprints = lappend(*fingerprints, row.fingerprint);
	cq_node_insert(create->view, &row);
	if (cq_rule_keeps_inputs(node->rule))
		create_inputs(create, node);
	if (cq_rule_stores(node->rule) && !is_shown)
	{
		CqPart		part = {.node = node->number, .role = CQ_PART_OUTPUT, .number = 1};

		create_part(create, &part, psprintf("node%d_output", node->number), node->columns,
					&node->time);
	}
}

void
cq_create_nodes(const CqCreateNodes *create, const CqTree *tree)
{
	List	   *fingerprints = NIL;
	ListCell   *cell;

	foreach(cell, tree->nodes)
		create_node(create, lfirst(cell),
					tree->is_stored && lnext(tree->nodes, cell) == NULL, &fingerprints);
	CommandCounterIncrement();
}

/* ---- what is told of them ---- */

static char *
listed(const List *texts)
{
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, texts)
	{
		if (foreach_current_index(cell) > 0)
			appendStringInfoString(&text, lnext(texts, cell) == NULL ? ", and of " : ", of ");
		appendStringInfoString(&text, lfirst(cell));
	}
	return text.data;
}

void
cq_create_nodes_tell_unbounded(const CqTree *tree)
{
	List	   *streams = cq_describe_unbounded(tree, NULL);
	List	   *inputs = cq_describe_global(tree);
	char	   *reads = inputs == NIL ? NULL :
		psprintf("Each batch reads all that is kept of %s, since no equality says which rows "
				 "belong together: the view stops where that is more than cq.max_global_rows.",
				 listed(inputs));

	if (streams != NIL)
		ereport(NOTICE,
				(errmsg("nothing bounds what is kept of %s", cq_describe_names(streams)),
				 reads != NULL ? errdetail_internal("%s", reads) : 0,
				 errhint("Conditions on columns of one stream, in WHERE, choose which of its rows "
						 "are kept. See EXPLAIN CONTINUOUS VIEW.")));
	else if (reads != NULL)
		ereport(NOTICE,
				(errmsg("each batch reads rows of all keys"),
				 errdetail_internal("%s", reads),
				 errhint("A join condition with =, GROUP BY, or PARTITION BY would say so.")));
}
