/*
 * explain.c
 *		EXPLAIN CONTINUOUS VIEW: shows what cq.explain says.
 *
 * The server has parsed it as EXPLAIN of a query over the view (grammar.c), so that its options are
 * checked, the name is looked up, and the client awaits one column of text.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "catalog/view.h"
#include "commands/defrem.h"
#include "commands/explain.h"
#include "ddl/ddl.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "parser/parse_node.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"

static void
refuse_option(const DefElem *option, const char *query_string)
{
	ParseState *state = make_parsestate(NULL);

	state->p_sourcetext = query_string;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("EXPLAIN CONTINUOUS VIEW has no option \"%s\"", option->defname),
			 errhint("It has ANALYZE, and VERBOSE, which changes nothing."),
			 parser_errposition(state, option->location)));
}

/* Is ANALYZE asked for? */
static bool
read_options(const ExplainStmt *stmt, const char *query_string)
{
	bool		analyzes = false;
	ListCell   *cell;

	foreach(cell, stmt->options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, "analyze") == 0)
			analyzes = defGetBoolean(option);
		else if (strcmp(option->defname, "verbose") != 0 &&
				 !(strcmp(option->defname, "format") == 0 &&
				   pg_strcasecmp(defGetString(option), "text") == 0))
			refuse_option(option, query_string);
	}
	return analyzes;
}

static Oid
view_of(const ExplainStmt *stmt)
{
	const Query *query = castNode(Query, stmt->query);
	Oid			relid = linitial_node(RangeTblEntry, query->rtable)->relid;

	if (!OidIsValid(relid) || !cq_view_is(relid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a continuous view",
						linitial_node(RangeTblEntry, query->rtable)->eref->aliasname),
				 errhint("Leave out the words CONTINUOUS VIEW, and say EXPLAIN SELECT.")));
	return relid;
}

static void
send_lines(TupOutputState *output)
{
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		Datum		line = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);

		do_tup_output(output, &line, &isnull);
	}
}

void
cq_explain_run(CqCommand *command)
{
	ExplainStmt *stmt = (ExplainStmt *) command->pstmt->utilityStmt;
	Oid			types[] = {REGCLASSOID, BOOLOID};
	Datum		args[2];
	TupOutputState *output;

	args[0] = ObjectIdGetDatum(view_of(stmt));
	args[1] = BoolGetDatum(read_options(stmt, command->query_string));
	output = begin_tup_output_tupdesc(command->dest, ExplainResultDesc(stmt), &TTSOpsVirtual);
	SPI_connect();
	if (SPI_execute_with_args("SELECT * FROM cq.explain($1, $2)", lengthof(types), types, args,
							  NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not explain a continuous view");
	send_lines(output);
	SPI_finish();
	end_tup_output(output);
}
