/*
 * event.c
 *		What sources say besides messages: brokers that go and come back, partitions that are new,
 *		messages that are gone.
 *
 * A gap is recorded, always. Then the views of the lane stop, or, where the stream's on_gap says
 * skip, their cursor goes on behind it; either in one transaction with the record. Where it cannot
 * be known what became of the topic they stop whatever on_gap says.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "stats/stats.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "worker/ingest.h"

static void
execute(const char *statement, int nargs, Oid *types, Datum *args)
{
	int			code = SPI_execute_with_args(statement, nargs, types, args, NULL, false, 0);

	if (code < 0)
		elog(ERROR, "could not run \"%s\": %s", statement, SPI_result_code_string(code));
}

static const CqCursor *
cursor_of(const CqLane *lane, const CqSourceEvent *event)
{
	for (int i = 0; i < lane->ncursors; i++)
	{
		if (lane->cursors[i].partition == event->partition && strcmp(lane->cursors[i].topic,
																	 event->topic) == 0)
			return &lane->cursors[i];
	}
	return NULL;
}

static void
record_gap(Oid stream, const CqSourceEvent *event)
{
	Oid			types[] = {OIDOID, TEXTOID, INT4OID, INT8OID, INT8OID};
	Datum		args[] = {
		ObjectIdGetDatum(stream), CStringGetTextDatum(event->topic),
		Int32GetDatum(event->partition),
		Int64GetDatum(event->from), Int64GetDatum(event->to)
	};

	/* Once, though views may try again and again to go on. */
	execute("INSERT INTO _cq.gap (stream, topic, partition, from_offset, to_offset) SELECT $1, $2, "
			"$3, $4, $5 WHERE NOT EXISTS "
			"(SELECT FROM _cq.gap WHERE stream = $1 AND topic = $2 AND partition = $3 AND "
			"from_offset = $4 AND to_offset = $5)",
			lengthof(types), types, args);
}

static void
move_cursor(const CqCursor *cursor, const CqSourceEvent *event)
{
	Oid			types[] = {INT8OID, INT8OID, INT8OID, INT8OID};
	Datum		args[] = {
		Int64GetDatum(cursor->cursor_id), Int64GetDatum(cursor->next_offset),
		Int64GetDatum(event->to), Int64GetDatum(event->end)
	};

	execute("UPDATE _cq.cursor SET next_offset = $3, end_offset = greatest($3, $4) "
			"WHERE cursor_id = $1 AND next_offset = $2",
			lengthof(types), types, args);
}

/*
 * Views that followed it wait for nothing more from there; where the partition comes back it is a
 * new one.
 */
static void
delete_cursor(const CqCursor *cursor)
{
	Oid			types[] = {INT8OID, INT8OID};
	Datum		args[] = {Int64GetDatum(cursor->cursor_id), Int64GetDatum(cursor->next_offset)};

	execute("WITH gone AS (DELETE FROM _cq.cursor WHERE cursor_id = $1 AND next_offset = $2 "
			"RETURNING cursor_id) "
			"DELETE FROM _cq.follow f USING gone WHERE f.cursor_id = gone.cursor_id",
			lengthof(types), types, args);
}

/* How many of them: one that somebody has locked meets the same later. */
static int
stop_views(const CqLane *lane, const char *detail)
{
	int			nstopped = 0;
	ListCell   *cell;

	foreach(cell, lane->views)
	{
		Oid			types[] = {OIDOID, TEXTOID};
		Datum		args[] = {ObjectIdGetDatum(lfirst_oid(cell)), CStringGetTextDatum(detail)};

		execute("UPDATE _cq.view SET status = 'failed', status_detail = $2 WHERE view IN "
				"(SELECT view FROM _cq.view WHERE view = $1 AND status = 'running' "
				"FOR UPDATE SKIP LOCKED)",
				lengthof(types), types, args);
		nstopped += (int) SPI_processed;
		cq_stats_view_error(lfirst_oid(cell), detail);
	}
	return nstopped;
}

/* Views that could not be stopped do not go along with the cursor, but stay where it stands. */
static void
leave_behind(const CqCursor *cursor)
{
	Oid			types[] = {INT8OID, INT8OID};
	Datum		args[] = {Int64GetDatum(cursor->cursor_id), Int64GetDatum(cursor->next_offset)};

	execute("WITH own AS (INSERT INTO _cq.cursor (stream, topic, partition, next_offset, "
			"end_offset, last_timestamp, event_time, active_at) "
			"SELECT stream, topic, partition, next_offset, end_offset, last_timestamp, "
			"event_time, active_at "
			"FROM _cq.cursor WHERE cursor_id = $1 AND next_offset = $2 AND EXISTS "
			"(SELECT FROM _cq.follow f JOIN _cq.view v USING (view) "
			"WHERE f.cursor_id = $1 AND v.status = 'running') FOR UPDATE RETURNING cursor_id) "
			"UPDATE _cq.follow f SET cursor_id = own.cursor_id FROM own, _cq.view v "
			"WHERE f.cursor_id = $1 AND v.view = f.view AND v.status = 'running'",
			lengthof(types), types, args);
}

static void
begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
}

static void
commit(void)
{
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* What is to be called where views have stopped. */
static char *
way_out(const CqSourceEvent *event)
{
	/*
	 * The cursor goes there at once: the partition may have grown beyond the old position by then,
	 * and nobody would know.
	 */
	if (event->to < event->from)
		return psprintf("call cq.resume to go on at offset " INT64_FORMAT ", or cq.reset",
						event->to);
	if (event->to == event->from)
		return pstrdup("call cq.resume to go on, or cq.reset");
	return pstrdup("call cq.reset, or set option on_gap of the stream to skip and call cq.resume");
}

static void
take_gap(CqIngest *ingest, CqIngestLane *lane, const CqSourceEvent *event)
{
	const CqStream *stream = cq_reader_stream(lane->lane->reader);
	const CqCursor *cursor = cursor_of(lane->lane, event);
	bool		skips = stream->on_gap == CQ_ON_GAP_SKIP && !event->is_doubtful;
	char	   *gap = psprintf("topic \"%s\" partition %d: %s", event->topic, event->partition,
							   event->text);
	char	   *way = way_out(event);
	int			nstopped = 0;

	if (cursor == NULL)
		return;
	begin();
	record_gap(lane->lane->stream, event);
	if (!skips)
		nstopped = stop_views(lane->lane, psprintf("%s; %s", gap, way));
	if (nstopped > 0 && event->to < event->from)
		leave_behind(cursor);
	if (skips || (nstopped > 0 && event->to < event->from))
		move_cursor(cursor, event);
	commit();
	if (skips || nstopped > 0)
		ereport(WARNING,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("%s", gap),
				 skips ? errdetail("Reading goes on at offset " INT64_FORMAT
								   ", as option on_gap of stream %s says.", event->to,
								   stream->name) :
				 errdetail("The continuous views on stream %s stop.", stream->name),
				 skips ? 0 : errhint("Way out: %s.", way)));
	else
		cq_load_wait_for_lock(lane);	/* of all views */
	cq_load_drop_reader(ingest, lane);
}

/*
 * The partitions that are there are read on, whatever on_gap says: what could be lost is of this
 * one.
 */
static void
take_missing(CqIngest *ingest, CqIngestLane *lane, const CqSourceEvent *event)
{
	const CqStream *stream = cq_reader_stream(lane->lane->reader);
	const CqCursor *cursor = cursor_of(lane->lane, event);
	bool		skips = stream->on_gap == CQ_ON_GAP_SKIP;
	char	   *text = psprintf("topic \"%s\" partition %d: %s", event->topic, event->partition,
								event->text);
	const char *way_out = "set option on_gap of the stream to skip to give it up, or call cq.reset";

	if (cursor == NULL)
		return;
	ereport(WARNING,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("%s", text),
			 skips ? errdetail("It is given up, as option on_gap of stream %s says.",
							   stream->name) :
			 errdetail("The others of stream %s are read on.", stream->name),
			 skips ? 0 : errhint("Way out: %s.", way_out)));
	begin();
	record_gap(lane->lane->stream, event);
	if (skips)
		delete_cursor(cursor);
	commit();
	if (skips)
		cq_load_drop_reader(ingest, lane);
	else
		cq_stats_stream_state(lane->lane->stream, CQ_STREAM_FAILED,
							  psprintf("%s; the others are read on; %s", text, way_out));
}

static void
take_failure(CqIngest *ingest, CqIngestLane *lane, const CqSourceEvent *event)
{
	cq_load_put_off(ingest, lane, event->text);
	cq_load_drop_reader(ingest, lane);
}

static void
take_outage(CqIngest *ingest, CqIngestLane *lane, const CqSourceEvent *event)
{
	if (!lane->is_down)
		ereport(LOG,
				(errmsg("stream %s waits for its broker: %s",
						cq_reader_stream(lane->lane->reader)->name, event->text)));
	lane->is_down = true;
	cq_stats_stream_state(lane->lane->stream, CQ_STREAM_DOWN, event->text);
}

/* The broker is there, and so are the messages. */
static void
take_hold(CqIngest *ingest, CqIngestLane *lane, const CqSourceEvent *event)
{
	ereport(LOG,
			(errmsg("stream %s waits for %s", cq_reader_stream(lane->lane->reader)->name,
					event->text)));
	cq_stats_stream_state(lane->lane->stream, CQ_STREAM_HELD, event->text);
}

static void
take_return(CqIngest *ingest, CqIngestLane *lane)
{
	if (lane->is_down)
		ereport(LOG,
				(errmsg("stream %s is read again", cq_reader_stream(lane->lane->reader)->name)));
	lane->is_down = false;
	cq_load_end_trouble(ingest, lane);
	cq_load_show_reading(ingest, lane->lane->stream);
}

static void
take_event(CqIngest *ingest, CqIngestLane *lane, const CqSourceEvent *event)
{
	switch (event->kind)
	{
		case CQ_SOURCE_DOWN:
			take_outage(ingest, lane, event);
			break;
		case CQ_SOURCE_HELD:
			take_hold(ingest, lane, event);
			break;
		case CQ_SOURCE_UP:
			take_return(ingest, lane);
			break;
		case CQ_SOURCE_GAP:
			take_gap(ingest, lane, event);
			break;
		case CQ_SOURCE_MISSING:
			take_missing(ingest, lane, event);
			break;
		case CQ_SOURCE_PARTITIONS:
			cq_load_want_settled(ingest, lane->lane->stream);
			break;
		case CQ_SOURCE_FAILED:
			take_failure(ingest, lane, event);
			break;
	}
}

void
cq_event_take(CqIngest *ingest)
{
	ListCell   *cell;

	foreach(cell, ingest->lanes)
	{
		CqIngestLane *lane = lfirst(cell);
		CqSourceEvent event;

		while (lane->lane->reader != NULL && cq_reader_poll_event(lane->lane->reader, &event))
			take_event(ingest, lane, &event);
	}
}
