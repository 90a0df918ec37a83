/*
 * watermark.c
 *		The watermark of a view, and what SQL shows of it.
 *
 *		partition 0   highest event time ─┐
 *		partition 1   highest event time ─┼─► the least of them ─► less the delay ─► watermark
 *		partition 2   idle: left out      ┘
 *
 * A partition is idle when the stream's source has been read for idle_timeout, so that what there was would have come, and nothing has come
 * from it for as long. A source that is down makes nobody idle. When all are idle, the watermark goes on from the highest event time
 * at the speed of the wall clock, so that the last windows close though nothing more arrives; it does not jump to the present, which would
 * make all of a replay late that was interrupted.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/stream.h"
#include "common/clock.h"
#include "common/owner.h"
#include "exec/watermark.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "stats/stats.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(cq_watermark);

/* What is known of the partitions that a view follows. */
typedef struct Progress
{
	int			npartitions;
	int			nidle;
	bool		is_unknown;		/* of one that is not idle */
	TimestampTz least;			/* of those that are not idle */
	TimestampTz highest;		/* of all */
	TimestampTz active_at;		/* the last time that anything came */
} Progress;

static void
take_partition(Progress *progress, uint64 row, TimestampTz idle_since)
{
	bool		is_unknown;
	bool		is_null;
	TimestampTz event_time = DatumGetTimestampTz(cq_query_column(row, 1, &is_unknown));
	TimestampTz active_at = DatumGetTimestampTz(cq_query_column(row, 2, &is_null));
	bool		is_at_end = DatumGetBool(cq_query_column(row, 3, &is_null)) && !is_null;

	progress->npartitions++;
	progress->active_at = Max(progress->active_at, active_at);
	if (!is_unknown)
		progress->highest = Max(progress->highest, event_time);
	if (is_at_end && active_at < idle_since)
		progress->nidle++;
	else if (is_unknown)
		progress->is_unknown = true;
	else
		progress->least = Min(progress->least, event_time);
}

/* Partitions in which nothing has come since idle_since are idle. */
static Progress
find_progress(Oid view, TimestampTz idle_since)
{
	static const char read[] =
		"SELECT c.event_time, c.active_at, c.next_offset >= "
		"(SELECT max(o.end_offset) FROM _cq.cursor o WHERE o.stream = c.stream AND o.topic = c.topic AND o.partition = c.partition) "
		"FROM _cq.follow f JOIN _cq.cursor c USING (cursor_id) WHERE f.view = $1";
	Progress	progress = {.least = DT_NOEND, .highest = DT_NOBEGIN, .active_at = DT_NOBEGIN};
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view)};

	SPI_connect();
	cq_query_execute(read, SPI_OK_SELECT, lengthof(types), types, args, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
		take_partition(&progress, i, idle_since);
	SPI_finish();
	return progress;
}

/* Since when a partition must have been silent to be idle; DT_NOBEGIN: none is. */
static TimestampTz
idle_since(const CqStream *stream, TimestampTz now)
{
	TimestampTz read_since;

	if (stream->idle_timeout == 0 || !cq_stats_stream_is_read(stream->relid, &read_since) ||
		now - read_since <= stream->idle_timeout)
		return DT_NOBEGIN;
	return now - stream->idle_timeout;
}

bool
cq_watermark_get(const CqView *view, TimestampTz *watermark)
{
	CqStream   *stream = cq_stream_get(view->stream, cq_owner_of_relation(view->stream));
	TimestampTz now = cq_clock_now();
	Progress	progress;

	if (stream->event_time == InvalidAttrNumber)
		return false;
	progress = find_progress(view->view, idle_since(stream, now));
	if (progress.is_unknown || progress.highest == DT_NOBEGIN)
		return false;
	if (progress.nidle < progress.npartitions)
		*watermark = progress.least;
	else
		*watermark = progress.highest + Max(now - progress.active_at, 0);
	*watermark -= view->watermark_delay >= 0 ? view->watermark_delay : stream->watermark_delay;
	return true;
}

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
