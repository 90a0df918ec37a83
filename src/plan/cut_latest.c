/*
 * cut_latest.c
 *		Streams whose rows change, mode upsert or debezium: a node that knows the newest row of each
 *		key.
 *
 * Its input is what a batch says, message by message; its step chooses, among that and what is
 * stored, the last message of each key and partition, and leaves out keys that are gone. Values
 * that a message leaves out, since they have not changed, are those that are stored; where the
 * batch has them they are in the message already (stream/envelope.c). A message without a key ends
 * all rows that were there before it (truncate).
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
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/queryenvironment.h"

bool
cq_cut_changes(const RangeTblEntry *entry)
{
	return entry->rtekind == RTE_RELATION && entry->relkind == RELKIND_FOREIGN_TABLE &&
		cq_stream_is(entry->relid) &&
		cq_mode_changes(cq_stream_get(entry->relid, InvalidOid)->mode);
}

bool
cq_cut_latest_is(const CqLevel *level, const CqLeaf *leaf)
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
make_flow(const CqLeaf *leaf, Oid stream, const Bitmapset *used, bool may_lack)
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
	add_target(flow, of_message("message_key", BYTEAOID), "key");
	add_target(flow, of_message("message_partition", INT4OID), "partition");
	add_target(flow, of_message("message_is_gone", BOOLOID), "is_gone");
	if (may_lack)
		add_target(flow, of_message("message_lacks", INT2ARRAYOID), "lacks");
	add_target(flow, cq_cut_key_hash(of_message("message_key", BYTEAOID), cq_cut_key_none()),
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

/* c1, c2, … and behind each a comma; those that may be left out as they are stored. */
static char *
list_columns(const CqStream *stream, const Bitmapset *used, const Bitmapset *lackable)
{
	StringInfoData columns;
	int			attno = -1;
	int			n = 0;

	initStringInfo(&columns);
	while ((attno = bms_next_member(used, attno)) >= 0)
	{
		n++;
		if (!bms_is_member(attno, lackable))
			appendStringInfo(&columns, "newest.c%d, ", n);
		else
			appendStringInfo(&columns, "CASE WHEN %d OPERATOR(pg_catalog.=) ANY (lacks) THEN "
							 "CASE WHEN stored.partition IS NULL "
							 "THEN _cq.unknown_value(%s, newest.c%d) ELSE stored.c%d END "
							 "ELSE newest.c%d END, ",
							 attno, quote_literal_cstr(get_attname(stream->relid, attno, false)), n,
							 n,
							 n);
	}
	return columns.data;
}

static char *
plain_columns(int ncolumns)
{
	StringInfoData columns;

	initStringInfo(&columns);
	for (int i = 1; i <= ncolumns; i++)
		appendStringInfo(&columns, "c%d, ", i);
	return columns.data;
}

/* Joined with what is stored where a value is left out, which is rarely so. */
static void
append_stored(StringInfo text)
{
	appendStringInfo(text, " LEFT JOIN %s AS stored ON newest.lacks IS NOT NULL "
					 "AND stored._cq_hash OPERATOR(pg_catalog.=) newest._cq_hash "
					 "AND stored.partition OPERATOR(pg_catalog.=) newest.partition "
					 "AND stored.key OPERATOR(pg_catalog.=) newest.key", cq_tree_input_name(2));
}

/* Rows from before the last message without a key are gone. */
static void
append_truncation(StringInfo text)
{
	appendStringInfo(text, " AND number OPERATOR(pg_catalog.>) "
					 "(SELECT coalesce(pg_catalog.max(place), -1) FROM ("
					 "SELECT key, pg_catalog.row_number() OVER () AS place FROM %s) AS given "
					 "WHERE key IS NULL)", cq_tree_input_name(1));
}

/*
 * Rows of a tuplestore come in the order in which they were written, that of the messages; what is
 * stored was there before.
 */
static char *
step_text(const CqStream *stream, const Bitmapset *used, const Bitmapset *lackable)
{
	char	   *columns = plain_columns(bms_num_members(used));
	bool		may_lack = !bms_is_empty(lackable);
	const char *lacks = may_lack ? "lacks, " : "";
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "SELECT %snewest.key, newest.partition, newest._cq_hash FROM ("
					 "SELECT DISTINCT ON (_cq_hash, partition, key) %skey, partition, is_gone, %s"
					 "_cq_hash, number FROM (SELECT %skey, partition, is_gone, %s_cq_hash, "
					 "pg_catalog.row_number() OVER () AS number FROM %s UNION ALL "
					 "SELECT %skey, partition, false, %s_cq_hash, 0 FROM %s) AS known "
					 "ORDER BY _cq_hash, partition, key, number DESC) AS newest",
					 list_columns(stream, used, lackable), columns, lacks, columns, lacks,
					 cq_tree_input_name(1), columns, may_lack ? "NULL, " : "",
					 cq_tree_input_name(2));
	if (may_lack)
		append_stored(&text);
	appendStringInfoString(&text, " WHERE NOT is_gone");
	if (stream->mode == CQ_MODE_DEBEZIUM)
		append_truncation(&text);
	return text.data;
}

static Query *
make_step(const char *text, const List *given, const List *stored)
{
	ParseState *state = make_parsestate(NULL);
	Query	   *step;

	state->p_sourcetext = text;
	state->p_queryEnv = create_queryEnv();
	register_columns(state->p_queryEnv, 1, given);
	register_columns(state->p_queryEnv, 2, stored);
	step = transformTopLevelStmt(state, linitial_node(RawStmt, pg_parse_query(text)));
	free_parsestate(state);
	return step;
}

/* Of the used columns, those whose values messages may leave out: of types that can be large. */
static Bitmapset *
find_lackable(const CqStream *stream, const Bitmapset *used)
{
	Bitmapset  *lackable = NULL;

	for (int i = 0; i < stream->ncolumns && stream->unavailable != NULL; i++)
	{
		const CqStreamColumn *column = &stream->columns[i];

		if (column->origin == CQ_COLUMN_VALUE && bms_is_member(column->attno, used) &&
			get_typlen(get_atttype(stream->relid, column->attno)) == -1)
			lackable = bms_add_member(lackable, column->attno);
	}
	return lackable;
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
cq_cut_latest_make(CqLevel *level, CqLeaf *leaf)
{
	RangeTblEntry *entry = rt_fetch(leaf->rtindex, leaf->holder->rtable);
	const CqStream *stream = cq_stream_get(entry->relid, InvalidOid);
	Bitmapset  *used = cq_cut_leaf_used_columns(leaf);
	int			natts = list_length(entry->eref->colnames);
	Alias	   *alias = entry->alias;
	Alias	   *eref = entry->eref;
	List	   *given;
	Bitmapset  *lackable;
	CqNode	   *node;

	cq_stream_require_readable(stream);
	lackable = find_lackable(stream, used);
	node = make_node(level->cut->tree, stream->relid,
					 make_flow(leaf, stream->relid, used, !bms_is_empty(lackable)));
	given = ((CqNodeInput *) linitial(node->inputs))->columns;
	/* All but whether the key is gone, and what is left out. */
	node->columns = list_truncate(list_copy(given), bms_num_members(used) + 2);
	node->columns = lappend(node->columns, llast(given));
	node->step = make_step(step_text(stream, used, lackable), given, node->columns);
	leaf->flow.node = node->number;
	cq_compat_void_entry(entry);
	entry->rtekind = RTE_SUBQUERY;
	entry->subquery = cq_cut_select_in_places(node, used, natts);
	entry->inFromCl = true;
	entry->alias = alias;
	entry->eref = eref;
	leaf->flow.query = entry->subquery;
}
