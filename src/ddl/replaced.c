/*
 * replaced.c
 *		What CREATE OR REPLACE CONTINUOUS VIEW does to the view that is there: see replaced.h.
 *
 * Nothing, where it would be the same: tools that deploy run what they have again and again. Else
 * the state is built anew, and what that costs is told.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/reloptions.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "common/compat.h"
#include "ddl/fingerprint.h"
#include "ddl/output.h"
#include "ddl/replaced.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* ---- the same? ---- */

static bool
is_same_text(const char *a, const char *b)
{
	return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

static bool
is_same_interval(const Interval *a, const Interval *b)
{
	return (a == NULL) == (b == NULL) && (a == NULL || memcmp(a, b, sizeof(Interval)) == 0);
}

static bool
is_same_output(const CqView *before, const CqViewOptions *options)
{
	return before->sink == cq_output_find_sink(options) &&
		is_same_text(before->notify, options->notify) &&
		is_same_text(OidIsValid(before->changes) ? get_rel_name(before->changes) : NULL,
					 options->changes);
}

/* Where cq.reset has gone since is no option: the statement that made the view is the same. */
static bool
is_same_start(const CqView *before, const CqView *row)
{
	return strcmp(before->created_start != NULL ? before->created_start : before->start,
				  row->start) == 0;
}

static bool
has_same_options(const CqView *before, const CqView *row)
{
	return equal(before->streams, row->streams) && before->pause_on_error == row->pause_on_error &&
		before->max_error_rate == row->max_error_rate && before->max_drift == row->max_drift &&
		is_same_text(before->pool, row->pool) &&
		is_same_start(before, row) &&
			is_same_interval(before->retention, row->retention) &&
		before->expiry == row->expiry &&
			before->expires_by_event_time == row->expires_by_event_time &&
		before->emits_on_close == row->emits_on_close &&
			before->watermark_delay == row->watermark_delay &&
		before->allowed_lateness == row->allowed_lateness &&
			before->keeps_late == row->keeps_late &&
		before->amends_late == row->amends_late && before->tells_changes == row->tells_changes &&
		before->tells_expired == row->tells_expired &&
		before->steps_kept == row->steps_kept;
}

static bool
has_same_settings(const CqView *before, const CqView *row)
{
	ListCell   *a;
	ListCell   *b;

	if (list_length(before->settings) != list_length(row->settings))
		return false;
	forboth(a, before->settings, b, row->settings)
	{
		if (strcmp(lfirst(a), lfirst(b)) != 0)
			return false;
	}
	return true;
}

/* Those that the server keeps. */
static bool
has_same_server_options(const CqView *before, List *options)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(before->view));
	bool		is_null;
	Datum		old = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_reloptions, &is_null);
	Datum		new = transformRelOptions((Datum) 0, options, NULL, NULL, false, false);
	bool		is_same = is_null == (new == (Datum) 0);

	if (is_same && !is_null)
		is_same = datumIsEqual(PointerGetDatum(PG_DETOAST_DATUM(old)), new, false, -1);
	ReleaseSysCache(tuple);
	return is_same;
}

static bool
has_same_query(const CqView *before, const Query *query)
{
	Relation	definition = table_open(before->definition, AccessShareLock);
	char	   *old = cq_fingerprint_query_text(cq_compat_view_query(definition));

	table_close(definition, NoLock);
	return strcmp(old, cq_fingerprint_query_text(query)) == 0;
}

/*
 * Not where somebody has altered it, or an aggregate keeps another state now: then it has to be
 * made anew. So it has where nodes keep other things.
 */
static bool
state_fits(const CqView *before, const CqViewPlan *plan)
{
	Relation	state = table_open(before->state, AccessShareLock);
	TupleDesc	descriptor = RelationGetDescr(state);
	bool		fits = descriptor->natts == list_length(plan->columns);
	ListCell   *cell;

	foreach(cell, plan->columns)
	{
		const ColumnDef *column = lfirst_node(ColumnDef, cell);
		Form_pg_attribute found = fits ? TupleDescAttr(descriptor, foreach_current_index(cell)) :
			NULL;

		fits = fits && found->atttypid == column->typeName->typeOid &&
			strcmp(NameStr(found->attname), column->colname) == 0;
	}
	table_close(state, NoLock);
	return fits;
}

bool
cq_replaced_is_same(const CqView *before, const CqView *row, const CqViewOptions *options,
					const CqViewPlan *plan,
					const Query *query)
{
	return has_same_options(before, row) && is_same_output(before, options) &&
		has_same_settings(before, row) &&
		has_same_server_options(before, options->server_options) && has_same_query(before, query) &&
			state_fits(before, plan) && cq_cut_part_fits(plan->tree, before->view);
}

/* ---- telling ---- */

void
cq_replaced_tell_same(const CqView *before)
{
	ereport(NOTICE,
			(errcode(ERRCODE_DUPLICATE_TABLE),
			 errmsg("continuous view \"%s\" is already so, skipping", get_rel_name(before->view)),
			 strcmp(before->status, "running") == 0 ? 0 :
			 errhint("It is %s. cq.resume lets it go on, cq.reset has it begin again.",
					 before->status)));
}

static void
append_output(StringInfo text, const CqView *before, const CqView *row)
{
	if (OidIsValid(before->outbox))
		appendStringInfo(text, " What waits to be sent to \"%s\" is not sent any more.",
						 get_rel_name(before->sink));
	if (OidIsValid(row->sink) && row->sink == before->sink)
		appendStringInfo(text, " Rows go to \"%s\" again, from the beginning.",
						 get_rel_name(row->sink));
	else if (OidIsValid(before->sink))
		appendStringInfo(text, " \"%s\" keeps what it has.", get_rel_name(before->sink));
	if (OidIsValid(before->changes))
		appendStringInfo(text, " The stream \"%s\" is dropped, with the changes in it.",
						 get_rel_name(before->changes));
	if (row->notify != NULL)
		appendStringInfo(text, " Channel \"%s\" is notified again, from the beginning.",
						 row->notify);
}

void
cq_replaced_tell_lost(const CqView *before, const CqView *row)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "Its rows, and indexes on it, are dropped. It reads %s again",
					 cq_view_stream_names(row));
	if (row->streams != NIL)
		appendStringInfo(&text, " from %s", row->start);
	appendStringInfoChar(&text, '.');
	append_output(&text, before, row);
	ereport(NOTICE,
			(errmsg("continuous view \"%s\" begins again", get_rel_name(before->view)),
			 errdetail("%s", text.data)));
}
