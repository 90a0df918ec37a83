/*
 * watermark.c
 *		The watermark of a view, and what SQL shows of it.
 *
 *		partition 0   highest event time ─┐
 *		partition 1   highest event time ─┼─► the least of them ─► less the delay ─► watermark
 *		partition 2   idle: left out      ┘
 *
 * So it is for each stream by itself; of a view with several it is the least of theirs.
 *
 * All of this is committed with the positions, and does not go back. What does not come of
 * positions is added by the keeper, who writes it down (_cq.closing), so that a watermark which was
 * shown stays, whoever is idle, or awake, afterwards:
 *
 * A partition is idle when its worker has looked for idle_timeout, to its end, and nothing has come
 * from it for as long (stats/reading.h). When all are idle, the watermark goes on from the highest
 * event time as time passes, so that the last windows close though nothing more arrives. It does
 * not jump to the present, which would make all of a replay late that was interrupted, and does not
 * pass it. How much time has passed is told by a monotonic clock.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/stream.h"
#include "common/attempt.h"
#include "common/clock.h"
#include "common/owner.h"
#include "common/version.h"
#include "exec/watermark.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "stats/reading.h"
#include "storage/lmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(cq_watermark);
PG_FUNCTION_INFO_V1(cq_watermark_advance);

/* What is known of the partitions that a view follows in a stream. */
typedef struct Progress
{
	int			npartitions;
	int			nidle;
	bool		is_unknown;		/* of one that counts */
	TimestampTz least;			/* of those that count */
	TimestampTz highest;		/* of all */
	int64		silence;		/* of all: the shortest, in microseconds */
} Progress;

/* Has nothing come from it for so long? */
static bool
is_idle(int64 cursor_id, int64 timeout, int64 *silence)
{
	CqReading	reading;

	if (!cq_reading_get(cursor_id, &reading) || !cq_reading_is_fresh(&reading) ||
		reading.silent_since == 0)
		return false;
	*silence = cq_clock_monotonic() - reading.silent_since;
	return *silence > timeout;
}

static void
take_partition(Progress *progress, uint64 row, int64 timeout)
{
	bool		is_unknown;
	bool		is_null;
	int64		silence;
	int64		cursor_id = DatumGetInt64(cq_query_column(row, 1, &is_null));
	TimestampTz event_time = DatumGetTimestampTz(cq_query_column(row, 2, &is_unknown));

	progress->npartitions++;
	if (!is_unknown)
		progress->highest = Max(progress->highest, event_time);
	if (timeout > 0 && is_idle(cursor_id, timeout, &silence))
	{
		progress->nidle++;
		progress->silence = Min(progress->silence, silence);
	}
	else if (is_unknown)
		progress->is_unknown = true;
	else
		progress->least = Min(progress->least, event_time);
}

/* timeout: after which a partition does not count, 0: each does. */
static Progress
find_progress(Oid view, Oid stream, int64 timeout)
{
	static const char read[] =
		"SELECT c.cursor_id, c.event_time "
		"FROM _cq.follow f JOIN _cq.cursor c USING (cursor_id) "
		"JOIN _cq.input i ON i.view = f.view AND i.stream = f.stream "
		"WHERE f.view = $1 AND f.stream = $2 AND i.is_started";
	Progress	progress = {.least = DT_NOEND, .highest = DT_NOBEGIN, .silence = PG_INT64_MAX};
	Oid			types[] = {OIDOID, OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view), ObjectIdGetDatum(stream)};

	SPI_connect();
	cq_query_execute(read, SPI_OK_SELECT, lengthof(types), types, args, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
		take_partition(&progress, i, timeout);
	SPI_finish();
	return progress;
}

/* Without the delay. DT_NOBEGIN: there is none. */
static TimestampTz
find_time(const Progress *progress)
{
	TimestampTz present = cq_clock_now();

	if (progress->is_unknown || progress->highest == DT_NOBEGIN)
		return DT_NOBEGIN;
	if (progress->nidle < progress->npartitions)
		return progress->least;
	return Max(progress->highest, Min(progress->highest + progress->silence, present));
}

static int64
delay_of(const CqView *view, const CqStream *stream)
{
	return view->watermark_delay >= 0 ? view->watermark_delay : stream->watermark_delay;
}

static TimestampTz
find_in_stream(const CqView *view, const CqStream *stream, bool heeds_idleness)
{
	Progress	progress = find_progress(view->view, stream->relid,
										 heeds_idleness ? stream->idle_timeout : 0);
	TimestampTz time = find_time(&progress);

	return time == DT_NOBEGIN ? DT_NOBEGIN : time - delay_of(view, stream);
}

/* The least of those of the view's streams. */
static TimestampTz
find_watermark(const CqView *view, const List *streams, bool heeds_idleness)
{
	TimestampTz watermark = DT_NOEND;
	ListCell   *cell;

	foreach(cell, streams)
		watermark = Min(watermark, find_in_stream(view, lfirst(cell), heeds_idleness));
	return watermark;
}

/* What the keeper has written down, or DT_NOBEGIN. */
static TimestampTz
read_noted(Oid view)
{
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view)};
	bool		is_null = true;
	TimestampTz noted = DT_NOBEGIN;

	SPI_connect();
	cq_query_execute("SELECT watermark FROM _cq.closing WHERE view = $1", SPI_OK_SELECT,
					 lengthof(types), types, args, NULL);
	if (SPI_processed > 0)
		noted = DatumGetTimestampTz(cq_query_column(0, 1, &is_null));
	SPI_finish();
	return is_null ? DT_NOBEGIN : noted;
}

/* The view's streams (of CqStream *), or NIL where one has no event times. */
static List *
streams_with_times(const CqView *view)
{
	List	   *streams = NIL;
	ListCell   *cell;

	foreach(cell, view->streams)
	{
		Oid			relid = lfirst_oid(cell);
		CqStream   *stream = cq_stream_get(relid, cq_owner_of_relation(relid));

		if (stream->event_time == InvalidAttrNumber)
			return NIL;
		streams = lappend(streams, stream);
	}
	return streams;
}

static TimestampTz
find_known(const CqView *view, const List *streams)
{
	return Max(read_noted(view->view), find_watermark(view, streams, false));
}

bool
cq_watermark_get(const CqView *view, TimestampTz *watermark)
{
	List	   *streams = streams_with_times(view);

	if (streams == NIL)
		return false;
	*watermark = find_known(view, streams);
	return *watermark != DT_NOBEGIN;
}

static void
note(Oid view, TimestampTz watermark)
{
	static const char write[] =
		"INSERT INTO _cq.closing (view, watermark) VALUES ($1, $2) "
		"ON CONFLICT (view) DO UPDATE SET watermark = $2";
	Oid			types[] = {OIDOID, TIMESTAMPTZOID};
	Datum		args[] = {ObjectIdGetDatum(view), TimestampTzGetDatum(watermark)};

	SPI_connect();
	cq_query_execute(write, SPI_OK_INSERT, lengthof(types), types, args, NULL);
	SPI_finish();
}

void
cq_watermark_keep(Oid relid)
{
	CqView	   *view = cq_view_get(relid);
	TimestampTz watermark;

	if (view != NULL && cq_watermark_get(view, &watermark) && watermark > read_noted(relid))
		note(relid, watermark);
}

/* ---- the keeper's part ---- */

/* Is the row not locked by who lets the view begin again, say, and has not committed yet? */
static bool
is_free(Oid view)
{
	static const char look[] =
		"SELECT count(*) = (SELECT count(*) FROM _cq.closing WHERE view = $1) "
		"FROM (SELECT FROM _cq.closing WHERE view = $1 FOR UPDATE SKIP LOCKED) AS locked";
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view)};
	bool		is_null;
	bool		result;

	SPI_connect();
	cq_query_execute(look, SPI_OK_SELECT, lengthof(types), types, args, NULL);
	result = DatumGetBool(cq_query_column(0, 1, &is_null));
	SPI_finish();
	return result;
}

/* Writes down what idle partitions let a view's watermark reach. */
static void
advance(void *arg)
{
	Oid			relid = *(Oid *) arg;
	CqView	   *view;
	List	   *streams;
	TimestampTz watermark;

	/* Whoever drops it, or lets it begin again, holds it. */
	if (!ConditionalLockRelationOid(relid, RowExclusiveLock))
		return;
	view = cq_view_get(relid);
	if (view == NULL || strcmp(view->status, "running") != 0)
		return;
	streams = streams_with_times(view);
	if (streams == NIL)
		return;
	watermark = find_watermark(view, streams, true);
	if (watermark > find_known(view, streams) && is_free(relid))
		note(relid, watermark);
}

/* _cq.advance_watermarks(): of views on streams with an idle_timeout. */
Datum
cq_watermark_advance(PG_FUNCTION_ARGS)
{
	static const char read[] =
		"SELECT v.view::oid FROM _cq.view v WHERE v.status = 'running' AND EXISTS "
		"(SELECT FROM _cq.input i, pg_foreign_table t, pg_options_to_table(t.ftoptions) o "
		"WHERE i.view = v.view AND i.is_started AND t.ftrelid = i.stream "
		"AND o.option_name = 'idle_timeout')";
	static char *last_warning = NULL;
	MemoryContext caller = CurrentMemoryContext;
	List	   *views;
	ListCell   *cell;

	cq_version_require();
	SPI_connect();
	cq_query_execute(read, SPI_OK_SELECT, 0, NULL, NULL, NULL);
	views = cq_query_take_oids(caller, 1);
	SPI_finish();
	foreach(cell, views)
	{
		ErrorData  *error = cq_attempt(advance, &lfirst_oid(cell));

		if (error != NULL)
			cq_attempt_warn(error, &last_warning);
	}
	PG_RETURN_INT64(0);
}

/* ---- what SQL sees ---- */

/* cq.watermark(view regclass) */
Datum
cq_watermark(PG_FUNCTION_ARGS)
{
	CqView	   *view = cq_view_require_readable(PG_GETARG_OID(0));
	TimestampTz watermark = 0;
	CqActor		actor;
	bool		is_known;

	cq_owner_begin_catalog(&actor);
	is_known = cq_watermark_get(view, &watermark);
	cq_owner_end(&actor);
	if (!is_known)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(watermark);
}
