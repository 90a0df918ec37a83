/*
 * session_cut.c
 *		Deletes rows that closed sessions are made of: see session_cut.h.
 *
 * Which session a row is of says the same call that the view's query has, over what is kept of the
 * keys that have a row which is old enough.
 */
#include "postgres.h"

#include "common/name.h"
#include "exec/session_cut.h"
#include "lib/stringinfo.h"
#include "plan/tree.h"
#include "state/retention.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

/* The call, as text. */
static char *
call_text(Oid table, const CqInputSessions *sessions, const char *time)
{
	List	   *context = deparse_context_for(get_rel_name(table), table);
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	appendStringInfo(&text, "cq.session(%s, %s) OVER (", time,
					 deparse_expression(lsecond(sessions->call->args), context, false, false));
	foreach(cell, sessions->partition)
		appendStringInfo(&text, "%s(%s)", foreach_current_index(cell) > 0 ? ", " : "PARTITION BY ",
						 deparse_expression(lfirst(cell), context, false, false));
	appendStringInfo(&text, " ORDER BY %s)", time);
	return text.data;
}

void
cq_session_cut(Oid table, const CqInputSessions *sessions, const char *time, TimestampTz through)
{
	const char *column = quote_identifier(time);
	char	   *name = cq_name_qualified(table);
	char	   *statement =
		psprintf("DELETE FROM %s WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY("
				 "SELECT place FROM (SELECT ctid AS place, %s AS session FROM %s "
				 "WHERE " CQ_HASH_COLUMN " OPERATOR(pg_catalog.=) ANY (ARRAY("
				 "SELECT " CQ_HASH_COLUMN " FROM %s WHERE %s OPERATOR(pg_catalog.<=) $2))) s "
				 "WHERE pg_catalog.upper(session) OPERATOR(pg_catalog.<=) $1))",
				 name, call_text(table, sessions, column), name, name, column);

	if (!TIMESTAMP_NOT_FINITE(through))
		cq_retention_delete_by(table, time, statement, through, through - sessions->gap);
}
