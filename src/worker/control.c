/*
 * control.c
 *		cq.pause, cq.resume and cq.reset.
 *
 * A view is stopped and started by its status alone, in its row of _cq.view. Whoever writes that
 * row locks the view in a mode that batches, which lock their views as well, do not share: so it
 * waits for the batch that is under way, which gives way soon (common/watch.h), and the next one
 * sees what was changed, or does without the view: nothing is lost, nothing is seen twice. Cursors
 * are not touched, so that other views of the stream go on, however long the transaction stays
 * open.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/follow.h"
#include "catalog/namespace.h"
#include "catalog/part.h"
#include "common/owner.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/view.h"
#include "catalog/view_start.h"
#include "common/clock.h"
#include "common/name.h"
#include "common/watch.h"
#include "exec/graph.h"
#include "exec/view_exec.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "worker/control.h"
#include "worker/shared.h"
#include "worker/slots.h"

PG_FUNCTION_INFO_V1(cq_pause);
PG_FUNCTION_INFO_V1(cq_resume);
PG_FUNCTION_INFO_V1(cq_reset);

CqView *
cq_control_own_view(Oid relid)
{
	if (cq_view_is(relid))
	{
		cq_owner_require(relid);
		LockRelationOid(relid, ShareRowExclusiveLock);
	}
	return cq_view_require(relid);
}

void
cq_control_require_session(const char *function)
{
	if (cq_watch_is_here())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s cannot be called while a continuous view is maintained", function)));
}

/*
 * What it has not read while it stood still is not idle. Of cursors of its own alone: where a
 * worker has not given it any yet, it has not stood still for long, and others are at them.
 */
static void
mark_active(Oid view)
{
	static const char statement[] =
		"UPDATE _cq.cursor SET active_at = $2 WHERE cursor_id IN (SELECT c.cursor_id "
		"FROM _cq.cursor c JOIN _cq.follow f USING (cursor_id) WHERE f.view = $1 AND NOT EXISTS "
		"(SELECT FROM _cq.follow o WHERE o.cursor_id = f.cursor_id AND o.view <> f.view) "
		"FOR UPDATE OF c SKIP LOCKED)";
	Oid			types[] = {OIDOID, TIMESTAMPTZOID};
	Datum		args[] = {ObjectIdGetDatum(view), TimestampTzGetDatum(cq_clock_now())};

	cq_query_execute(statement, SPI_OK_UPDATE, lengthof(types), types, args, NULL);
}

/* Moves the view from one of the statuses to another one, if it has such a one. */
static void
change_status(Oid view, const char *from, const char *to)
{
	Oid			types[] = {OIDOID, TEXTOID, TEXTOID};
	Datum		args[] = {ObjectIdGetDatum(view), CStringGetTextDatum(from),
						  CStringGetTextDatum(to)};
	CqActor		actor;

	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_execute("UPDATE _cq.view SET status = $3, status_detail = NULL WHERE view = $1 AND "
					 "status = ANY (string_to_array($2, ' '))",
					 SPI_OK_UPDATE, lengthof(types), types, args, NULL);
	if (strcmp(to, "running") == 0)
		mark_active(view);
	SPI_finish();
	cq_owner_end(&actor);
	cq_wake_catalog_changed();
}

/* cq.pause(view regclass): a view that has failed already stays so. */
Datum
cq_pause(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("cq.pause()");
	cq_control_own_view(PG_GETARG_OID(0));
	change_status(PG_GETARG_OID(0), "running blocked", "paused");
	PG_RETURN_VOID();
}

/* cq.resume(view regclass) */
Datum
cq_resume(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("cq.resume()");
	cq_control_own_view(PG_GETARG_OID(0));
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

	cq_query_execute("UPDATE _cq.view SET created_start = coalesce(created_start, start), start = "
					 "$2, status_detail = NULL, status = CASE status WHEN 'failed' THEN 'running' "
					 "ELSE status END WHERE view = $1",
					 SPI_OK_UPDATE, lengthof(types), types, args, NULL);
	cq_query_execute("UPDATE _cq.input SET is_started = false WHERE view = $1", SPI_OK_UPDATE, 1,
					 types,
					 args, NULL);
	cq_query_execute("UPDATE _cq.reads SET seen = NULL WHERE view = $1", SPI_OK_UPDATE, 1, types,
					 args, NULL);
}

/* The table is its owner's, and so may be triggers on it. */
static void
empty_table(Oid table)
{
	CqActor		actor;

	cq_owner_begin_user(&actor, cq_owner_of_relation(table));
	cq_query_command(psprintf("TRUNCATE %s", cq_name_qualified(table)));
	cq_owner_end(&actor);
}

/* Those in which nodes keep rows; what was told of them (outbox, changes) stays. */
static void
empty_parts(Oid view)
{
	static const char *const emptied[] = {
		CQ_PART_STATE, CQ_PART_RESULT, CQ_PART_INPUT, CQ_PART_OUTPUT, CQ_PART_EARLY
	};
	ListCell   *cell;

	foreach(cell, cq_part_list(view))
	{
		const CqPart *part = lfirst(cell);

		for (int i = 0; i < (int) lengthof(emptied); i++)
		{
			if (strcmp(part->role, emptied[i]) == 0)
				empty_table(part->relation);
		}
	}
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
			 view->streams == NIL ?
			 errdetail("It is emptied, and reads %s again.%s", cq_view_stream_names(view), output) :
			 errdetail("It is emptied, and reads %s from %s.%s", cq_view_stream_names(view), start,
					   output)));
}

void
cq_control_begin_nodes(Oid view)
{
	cq_view_exec_begin(view);
}

void
cq_control_begin_reading(Oid view)
{
	cq_graph_begin(view);
	cq_view_exec_forget();
}

void
cq_control_push(Oid view)
{
	cq_graph_push(view, true);
	cq_view_exec_forget();
}

/* cq.reset(view regclass, "to" text) */
Datum
cq_reset(PG_FUNCTION_ARGS)
{
	CqView	   *view;
	char	   *start;
	CqActor		actor;

	PreventCommandIfReadOnly("cq.reset()");
	cq_control_require_session("cq.reset");
	view = cq_control_own_view(PG_GETARG_OID(0));
	start = parse_start(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	cq_view_start_check(start, list_length(view->streams));
	cq_shared_require();
	tell_start(view, start);
	cq_owner_begin_catalog(&actor);
	SPI_connect();
	start_again(view->view, start);
	cq_follow_forget(view->view);
	SPI_finish();
	cq_owner_end(&actor);
	empty_parts(view->view);
	cq_view_exec_begin(view->view);
	cq_view_forget_closing(view->view);
	CommandCounterIncrement();
	cq_control_push(view->view);
	cq_wake_catalog_changed();
	PG_RETURN_VOID();
}
