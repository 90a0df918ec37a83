/*
 * cut_latest.c
 *		Streams with mode upsert: a node that knows the newest row of each key.
 *
 * Its input is what a batch says, message by message; its step chooses, among that and what is
 * stored, the last message of each key and partition, and leaves out keys that are gone.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "catalog/stream.h"
#include "common/compat.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "parser/parse_func.h"
#include "parser/parse_node.h"
#include "parser/parsetree.h"
#include "plan/cut_level.h"
#include "tcop/tcopprot.h"
#include "utils/lsyscache.h"
#include "utils/queryenvironment.h"

bool
cq_cut_is_upsert(const RangeTblEntry *entry)
{
	return entry->rtekind == RTE_RELATION && entry->relkind == RELKIND_FOREIGN_TABLE &&
		cq_stream_is(entry->relid) &&
		cq_stream_get(entry->relid, InvalidOid)->mode == CQ_MODE_UPSERT;
}

bool
cq_cut_is_latest(const CqLevel *level, const CqLeaf *leaf)
{
	const CqNode *node;

	if (leaf->flow.node == 0)
		return false;
	node = list_nth(level->cut->tree->nodes, leaf->flow.node - 1);
	return node->rule == CQ_RULE_LATEST;
}

/* ---- what is read of a batch ---- */

static void
add_target(Query *query, Expr *expr, const char *name)
{
	query->targetList = lappend(query->targetList,
								makeTargetEntry(expr, list_length(query->targetList) + 1,
												pstrdup(name), false));
}

static Var *
column_of_stream(Oid stream, AttrNumber attno)
{
	Oid			type;
	int32		typmod;
	Oid			collation;

	get_atttypetypmodcoll(stream, attno, &type, &typmod, &collation);
	return makeVar(1, attno, type, typmod, collation, 0);
}

/* What a message says beside its columns. */
static Expr *
of_message(const char *function, Oid result)
{
	Oid			argtypes[] = {TIDOID};
	List	   *name = list_make2(makeString("_cq"), makeString(pstrdup(function)));
	Var		   *place = makeVar(1, SelfItemPointerAttributeNumber, TIDOID, -1, InvalidOid, 0);

	return (Expr *) makeFuncExpr(LookupFuncName(name, lengthof(argtypes), argtypes, false), result,
								 list_make1(place), InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

static Query *
make_flow(const CqLeaf *leaf, Oid stream, AttrNumber key, const Bitmapset *used)
{
	Query	   *flow = makeNode(Query);
	RangeTblRef *ref = makeNode(RangeTblRef);
	int			attno = -1;

	flow->commandType = CMD_SELECT;
	flow->canSetTag = true;
	cq_compat_take_entry(leaf->holder, leaf->rtindex, flow);
	ref->rtindex = 1;
	flow->jointree = makeFromExpr(list_make1(ref), NULL);
	while ((attno = bms_next_member(used, attno)) >= 0)
		add_target(flow, (Expr *) column_of_stream(stream, attno),
				   psprintf("c%d", list_length(flow->targetList) + 1));
	add_target(flow, (Expr *) column_of_stream(stream, key), "key");
	add_target(flow, of_message("message_partition", INT4OID), "partition");
	add_target(flow, of_message("message_is_gone", BOOLOID), "is_gone");
	add_target(flow, cq_cut_hash((Expr *) column_of_stream(stream, key), cq_cut_no_key()),
			   CQ_HASH_COLUMN);
	return flow;
}

/* ---- the step ---- */

static void
register_columns(QueryEnvironment *environment, int n, const List *columns)
{
	EphemeralNamedRelation relation = palloc0(sizeof(EphemeralNamedRelationData));
	TupleDesc	row = CreateTemplateTupleDesc(list_length(columns));
	ListCell   *cell;

	foreach(cell, columns)
	{
		const ColumnDef *column = lfirst_node(ColumnDef, cell);
		AttrNumber	attno = foreach_current_index(cell) + 1;

		TupleDescInitEntry(row, attno, column->colname, column->typeName->typeOid,
						   column->typeName->typemod, 0);
		TupleDescInitEntryCollation(row, attno, column->collOid);
	}
	relation->md.name = cq_tree_input_name(n);
	relation->md.reliddesc = InvalidOid;
	relation->md.tupdesc = row;
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	register_ENR(environment, relation);
}

/*
 * Rows of a tuplestore come in the order in which they were written, that of the messages. Keys are
 * the same where their bytes are, whatever the column's collation says.
 */
static char *
step_text(int ncolumns, bool is_text)
{
	const char *key = is_text ? "key COLLATE pg_catalog.\"C\"" : "key";
	StringInfoData columns;
	StringInfoData text;

	initStringInfo(&columns);
	for (int i = 1; i <= ncolumns; i++)
		appendStringInfo(&columns, "c%d, ", i);
	initStringInfo(&text);
	appendStringInfo(&text, "SELECT %skey, partition, _cq_hash FROM ("
					 "SELECT DISTINCT ON (_cq_hash, partition, %s) %skey, partition, is_gone, "
					 "_cq_hash FROM (SELECT %skey, partition, is_gone, _cq_hash, "
					 "pg_catalog.row_number() OVER () AS number FROM %s UNION ALL "
					 "SELECT %skey, partition, false, _cq_hash, 0 FROM %s) AS known "
					 "ORDER BY _cq_hash, partition, %s, number DESC) AS newest WHERE NOT is_gone",
					 columns.data, key, columns.data, columns.data, cq_tree_input_name(1),
					 columns.data, cq_tree_input_name(2), key);
	return text.data;
}

static Query *
make_step(const List *given, const List *stored, bool is_text)
{
	ParseState *state = make_parsestate(NULL);
	char	   *text = step_text(list_length(stored) - 3, is_text);
	Query	   *step;

	state->p_sourcetext = text;
	state->p_queryEnv = create_queryEnv();
	register_columns(state->p_queryEnv, 1, given);
	register_columns(state->p_queryEnv, 2, stored);
	step = transformTopLevelStmt(state, linitial_node(RawStmt, pg_parse_query(text)));
	free_parsestate(state);
	return step;
}

/* ---- the node ---- */

static CqNode *
make_node(CqTree *tree, Oid stream, Query *flow)
{
	CqNode	   *node = palloc0(sizeof(CqNode));
	CqNodeInput *input = palloc0(sizeof(CqNodeInput));

	input->stream = stream;
	input->flow = flow;
	input->columns = cq_cut_columns_of(flow);
	input->only_grows = true;
	node->rule = CQ_RULE_LATEST;
	node->inputs = list_make1(input);
	tree->nodes = lappend(tree->nodes, node);
	node->number = list_length(tree->nodes);
	return node;
}

void
cq_cut_make_latest(CqLevel *level, CqLeaf *leaf)
{
	RangeTblEntry *entry = rt_fetch(leaf->rtindex, leaf->holder->rtable);
	const CqStream *stream = cq_stream_get(entry->relid, InvalidOid);
	Bitmapset  *used = cq_cut_used_columns(leaf);
	int			natts = list_length(entry->eref->colnames);
	Alias	   *alias = entry->alias;
	Alias	   *eref = entry->eref;
	List	   *given;
	CqNode	   *node;

	cq_stream_require_readable(stream);
	node = make_node(level->cut->tree, stream->relid,
					 make_flow(leaf, stream->relid, stream->key, used));
	given = ((CqNodeInput *) linitial(node->inputs))->columns;
	/* All but whether the key is gone. */
	node->columns = list_delete_nth_cell(list_copy(given), list_length(given) - 2);
	node->step = make_step(given, node->columns, get_atttype(stream->relid, stream->key) == TEXTOID);
	leaf->flow.node = node->number;
	cq_compat_void_entry(entry);
	entry->rtekind = RTE_SUBQUERY;
	entry->subquery = cq_cut_select_in_places(node, used, natts);
	entry->inFromCl = true;
	entry->alias = alias;
	entry->eref = eref;
	leaf->flow.query = entry->subquery;
}
