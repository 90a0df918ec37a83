/*
 * control.c
 *		cq.pause, cq.resume and cq.reset.
 *
 * A view is stopped and started by its status alone: a batch checks, after it has locked its cursors, that all of the views that follow them run.
 * So whoever changes a status locks the view's cursors first. It then waits for the batch that is under way, and the next one sees what was
 * changed: nothing is lost, nothing is seen twice.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/follow.h"
#include "catalog/namespace.h"
#include "common/owner.h"
#include "catalog/pg_type.h"
#include "catalog/view.h"
#include "catalog/view_start.h"
#include "common/clock.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "worker/shared.h"
#include "worker/slots.h"

PG_FUNCTION_INFO_V1(cq_pause);
PG_FUNCTION_INFO_V1(cq_resume);
PG_FUNCTION_INFO_V1(cq_reset);

static void
execute(const char *statement, int expected, int nargs, Oid *types, Datum *args)
{
	int			code = SPI_execute_with_args(statement, nargs, types, args, NULL, false, 0);

	if (code != expected)
		elog(ERROR, "could not run \"%s\": %s", statement, SPI_result_code_string(code));
}

/*
 * Raises ERROR where it is no continuous view, or not the current user's. Locks it against DROP, ALTER and one another, before its
 * row and its cursors, as these do.
 */
static CqView *
own_view(Oid relid)
{
	if (cq_view_is(relid))
	{
		cq_owner_require(relid);
		LockRelationOid(relid, ShareUpdateExclusiveLock);
	}
	return cq_view_require(relid);
}

/* How many cursors the view follows that are not locked by this transaction, as ids joined to a text: equal texts mean equal sets. */
static char *
followed_cursors(Oid view)
{
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view)};
	char	   *ids;

	execute("SELECT string_agg(cursor_id::text, ' ' ORDER BY cursor_id) FROM _cq.follow WHERE view = $1",
			SPI_OK_SELECT, 1, types, args);
	ids = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	return ids != NULL ? ids : "";
}

/*
 * Locks the view's cursors and then its row, in the order of a batch that stops the view. While this waits for a batch, a worker may give
 * the view other cursors; so it is done again until they are the same.
 */
static void
lock_view(Oid view)
{
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view)};
	char	   *before;

	do
	{
		before = followed_cursors(view);
		execute("SELECT FROM _cq.cursor c JOIN _cq.follow f USING (cursor_id) WHERE f.view = $1 ORDER BY c.cursor_id FOR UPDATE OF c",
				SPI_OK_SELECT, 1, types, args);
		execute("SELECT FROM _cq.view WHERE view = $1 FOR UPDATE", SPI_OK_SELECT, 1, types, args);
	} while (strcmp(before, followed_cursors(view)) != 0);
}

/* What it has not read while it stood still is not idle. */
static void
mark_active(Oid view)
{
	Oid			types[] = {OIDOID, TIMESTAMPTZOID};
	Datum		args[] = {ObjectIdGetDatum(view), TimestampTzGetDatum(cq_clock_now())};

	execute("UPDATE _cq.cursor SET active_at = $2 WHERE cursor_id IN (SELECT cursor_id FROM _cq.follow WHERE view = $1)",
			SPI_OK_UPDATE, lengthof(types), types, args);
}

/* Moves the view from one of the statuses to another one, if it has such a one. */
static void
change_status(Oid view, const char *from, const char *to)
{
	Oid			types[] = {OIDOID, TEXTOID, TEXTOID};
	Datum		args[] = {ObjectIdGetDatum(view), CStringGetTextDatum(from), CStringGetTextDatum(to)};
	CqActor		actor;

	cq_owner_begin_catalog(&actor);
	SPI_connect();
	lock_view(view);
	execute("UPDATE _cq.view SET status = $3, status_detail = NULL WHERE view = $1 AND status = ANY (string_to_array($2, ' '))",
			SPI_OK_UPDATE, lengthof(types), types, args);
	if (strcmp(to, "running") == 0)
		mark_active(view);
	SPI_finish();
	cq_owner_end(&actor);
	cq_catalog_changed();
}

/* cq.pause(view regclass): a view that has failed already stays so. */
Datum
cq_pause(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("cq.pause()");
	own_view(PG_GETARG_OID(0));
	change_status(PG_GETARG_OID(0), "running blocked", "paused");
	PG_RETURN_VOID();
}

/* cq.resume(view regclass) */
Datum
cq_resume(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("cq.resume()");
	own_view(PG_GETARG_OID(0));
	cq_shared_require();
	change_status(PG_GETARG_OID(0), "paused failed", "running");
	PG_RETURN_VOID();
}

/* Latest is as of now, whenever a worker gets to it. */
static char *
parse_start(const char *text)
{
	if (strcmp(text, "latest") == 0)
		return pstrdup(timestamptz_to_str(GetCurrentTimestamp()));
	return cq_view_start_parse(text);
}

static void
start_again(Oid view, const char *start)
{
	Oid			types[] = {OIDOID, TEXTOID};
	Datum		args[] = {ObjectIdGetDatum(view), CStringGetTextDatum(start)};

	execute("UPDATE _cq.view SET start = $2, is_started = false, status_detail = NULL, "
			"status = CASE status WHEN 'failed' THEN 'running' ELSE status END WHERE view = $1",
			SPI_OK_UPDATE, lengthof(types), types, args);
}

/* The table is its owner's, and so may be triggers on it. */
static void
empty_table(Oid table)
{
	CqActor		actor;

	cq_owner_begin_user(&actor, cq_owner_of_relation(table));
	SPI_connect();
	execute(psprintf("TRUNCATE %s", quote_qualified_identifier(get_namespace_name(get_rel_namespace(table)), get_rel_name(table))),
			SPI_OK_UTILITY, 0, NULL, NULL);
	SPI_finish();
	cq_owner_end(&actor);
}

/* Where the view goes: not to where it was created to start, unless that is said. */
static void
tell_start(const CqView *view, const char *start)
{
	Oid			sink = OidIsValid(view->sink) ? view->sink : view->changes;
	char	   *output = "";

	if (OidIsValid(sink))
		output = psprintf(" What it makes of it goes to \"%s\" again.", get_rel_name(sink));
	ereport(NOTICE,
			(errmsg("continuous view \"%s\" begins again", get_rel_name(view->view)),
			 errdetail("It is emptied, and reads \"%s\" from %s.%s", get_rel_name(view->stream),
					   start,
					   output)));
}

/* cq.reset(view regclass, "to" text) */
Datum
cq_reset(PG_FUNCTION_ARGS)
{
	CqView	   *view;
	char	   *start;
	CqActor		actor;

	PreventCommandIfReadOnly("cq.reset()");
	view = own_view(PG_GETARG_OID(0));
	start = parse_start(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	cq_shared_require();
	tell_start(view, start);
	cq_owner_begin_catalog(&actor);
	SPI_connect();
	lock_view(view->view);
	start_again(view->view, start);
	cq_follow_forget(view->view, view->stream);
	SPI_finish();
	cq_owner_end(&actor);
	empty_table(view->state);
	if (OidIsValid(view->result))
		empty_table(view->result);
	cq_view_forget_closing(view->view);
	cq_catalog_changed();
	PG_RETURN_VOID();
}
