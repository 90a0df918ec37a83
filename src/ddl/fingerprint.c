/*
 * fingerprint.c
 *		What a node keeps, of what, and how, in one text: see fingerprint.h.
 */
#include "postgres.h"

#include "common/name.h"
#include "common/settings.h"
#include "ddl/fingerprint.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

/* Goes up when nodes of the same text come to keep something else. */
#define FORM "1"

/* ---- queries ---- */

/*
 * Where there is but one table the server leaves out the names of tables, and views of 15 have two
 * more entries: so there is always another one.
 */
static void
add_entry(Query *query)
{
	RangeTblEntry *entry = makeNode(RangeTblEntry);

	entry->rtekind = RTE_RESULT;
	entry->eref = makeAlias("*RESULT*", NIL);
	query->rtable = lappend(query->rtable, entry);
}

char *
cq_fingerprint_query_text(const Query *query)
{
	Query	   *copy = copyObject(unconstify(Query *, query));
	int			level = cq_settings_begin_transmission();
	char	   *text;

	(void) set_config_option("quote_all_identifiers", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	add_entry(copy);
	text = pg_get_querydef(copy, false);
	cq_settings_end(level);
	return text;
}

/* ---- putting it together ---- */

StringInfo
cq_fingerprint_begin(const char *kind, const char *rule)
{
	StringInfo	text = makeStringInfo();

	cq_fingerprint_add(text, "form", FORM);
	cq_fingerprint_add(text, "kind", kind);
	cq_fingerprint_add(text, "rule", rule ? rule : "");
	return text;
}

/* With its length: no value looks like the beginning of the next one. */
void
cq_fingerprint_add(StringInfo text, const char *label, const char *value)
{
	appendStringInfo(text, "%s %zu:%s\n", label, strlen(value), value);
}

void
cq_fingerprint_add_strings(StringInfo text, const char *label, const List *strings)
{
	ListCell   *cell;

	foreach(cell, strings)
		cq_fingerprint_add(text, label, lfirst(cell));
}

void
cq_fingerprint_add_query(StringInfo text, const char *label, const Query *query)
{
	cq_fingerprint_add(text, label, cq_fingerprint_query_text(query));
}

void
cq_fingerprint_add_columns(StringInfo text, const char *label, const List *columns)
{
	int			level = cq_settings_begin_transmission();
	ListCell   *cell;

	foreach(cell, columns)
	{
		const ColumnDef *column = lfirst_node(ColumnDef, cell);
		const TypeName *type = column->typeName;

		cq_fingerprint_add(text, label, quote_identifier(column->colname));
		cq_fingerprint_add(text, "type", format_type_extended(type->typeOid, type->typemod,
															  FORMAT_TYPE_TYPEMOD_GIVEN));
		if (OidIsValid(column->collOid))
			cq_fingerprint_add(text, "collation", generate_collation_name(column->collOid));
	}
	cq_settings_end(level);
}

char *
cq_fingerprint_end(StringInfo text)
{
	bytea	   *hash = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea,
															CStringGetTextDatum(text->data)));
	int			length = VARSIZE_ANY_EXHDR(hash);
	char	   *hex = palloc(length * 2 + 1);

	for (int i = 0; i < length; i++)
		sprintf(hex + 2 * i, "%02x", (unsigned char) VARDATA_ANY(hash)[i]);
	return hex;
}

/* ---- nodes ---- */

static void
add_stream(StringInfo text, Oid stream)
{
	cq_fingerprint_add(text, "stream", cq_name_qualified(stream));
}

/*
 * The server deparses queries as the parser leaves them, which those of nodes are not. So a node
 * has the whole query of the view in it: equal ones keep the same, but some that do are not equal.
 */
char *
cq_fingerprint_node(const CqNode *node, const char *rule, const List *nodes, const Query *query,
					const List *settings)
{
	StringInfo	text = cq_fingerprint_begin("keep", rule);
	ListCell   *cell;

	foreach(cell, node->inputs)
	{
		const CqNodeInput *input = lfirst(cell);

		if (input->node > 0)
			cq_fingerprint_add(text, "node", list_nth(nodes, input->node - 1));
		else
			add_stream(text, OidIsValid(input->view) ? input->view : input->stream);
		cq_fingerprint_add_columns(text, "kept", input->columns);
		cq_fingerprint_add(text, "is", psprintf("broadcast %d growing %d", input->is_broadcast,
												input->only_grows));
	}
	cq_fingerprint_add(text, "number", psprintf("%d", node->number));
	cq_fingerprint_add_query(text, "query", query);
	cq_fingerprint_add_columns(text, "column", node->columns);
	cq_fingerprint_add_strings(text, "setting", settings);
	return cq_fingerprint_end(text);
}

/* Those that say what is kept, and not from where on, nor for how long. */
static char *
options_text(const CqView *view)
{
	return psprintf("emits_on_close %d watermark " INT64_FORMAT " allowed_lateness " INT64_FORMAT
					" keeps_late %d amends_late %d tells_changes %d expiry %d by_event_time %d "
					"steps_kept " INT64_FORMAT,
					view->emits_on_close, view->watermark_delay, view->allowed_lateness,
					view->keeps_late, view->amends_late, view->tells_changes, (int) view->expiry,
					view->expires_by_event_time, view->steps_kept);
}

char *
cq_fingerprint_root(const CqView *view, const CqViewPlan *plan, const Query *query)
{
	StringInfo	text = cq_fingerprint_begin("root", NULL);
	ListCell   *cell;

	foreach(cell, view->streams)
		add_stream(text, lfirst_oid(cell));
	foreach(cell, view->named)
		add_stream(text, lfirst_oid(cell));
	cq_fingerprint_add_query(text, "step", query);
	cq_fingerprint_add_columns(text, "column", plan->columns);
	cq_fingerprint_add(text, "options", options_text(view));
	cq_fingerprint_add_strings(text, "setting", view->settings);
	return cq_fingerprint_end(text);
}
