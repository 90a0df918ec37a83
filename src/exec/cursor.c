/*
 * cursor.c
 *		Moves the cursors of a lane: see cursor.h.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "common/clock.h"
#include "exec/cursor.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static CqCursor *
find_cursor(const CqLane *lane, const CqSlice *slice)
{
	for (int i = 0; i < lane->ncursors; i++)
	{
		CqCursor   *cursor = &lane->cursors[i];

		if (cursor->partition == slice->partition && strcmp(cursor->topic, slice->topic) == 0)
			return cursor;
	}
	elog(ERROR, "partition %d of topic \"%s\" is not part of the lane", slice->partition,
		 slice->topic);
}

static Datum
int8_array(const int64 *values, int nvalues)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(nvalues, 1));

	for (int i = 0; i < nvalues; i++)
		elements[i] = Int64GetDatum(values[i]);
	return PointerGetDatum(construct_array(elements, nvalues, INT8OID, sizeof(int64), true,
										   TYPALIGN_DOUBLE));
}

static Datum
timestamptz_array(const TimestampTz *values, int nvalues)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(nvalues, 1));

	for (int i = 0; i < nvalues; i++)
		elements[i] = TimestampTzGetDatum(values[i]);
	return PointerGetDatum(construct_array(elements, nvalues, TIMESTAMPTZOID, sizeof(TimestampTz),
										   FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

/* Where cursors go, from just where the slices began: parallel arrays. */
typedef struct Moves
{
	int			n;
	int64	   *ids;
	int64	   *from;
	int64	   *to;
	int64	   *ends;			/* of the partitions, -1 unknown */
	int64	   *times;			/* of the last messages, DT_NOBEGIN unknown */
} Moves;

static void
find_times(const CqFetch *fetch, Moves *moves)
{
	for (int i = 0; i < fetch->nmessages; i++)
		moves->times[fetch->messages[i].slice] = fetch->messages[i].timestamp;
}

static Moves
find_moves(CqLane *lane, const CqFetch *fetch)
{
	int			n = fetch->nslices;
	int64	   *room = palloc(sizeof(int64) * n * 5);
	Moves		moves = {n, room, room + n, room + 2 * n, room + 3 * n, room + 4 * n};

	for (int i = 0; i < n; i++)
	{
		CqCursor   *cursor = find_cursor(lane, &fetch->slices[i]);

		moves.ids[i] = cursor->cursor_id;
		moves.from[i] = fetch->slices[i].from;
		moves.to[i] = fetch->slices[i].next;
		moves.ends[i] = fetch->slices[i].end;
		moves.times[i] = DT_NOBEGIN;
	}
	find_times(fetch, &moves);
	return moves;
}

/* Of the cursors that were moved: the highest event time before the batch. */
static void
take_event_times(CqLane *lane)
{
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		is_null;
		int64		id = DatumGetInt64(cq_query_column(row, 1, &is_null));
		TimestampTz event_time = DatumGetTimestampTz(cq_query_column(row, 2, &is_null));

		for (int i = 0; i < lane->ncursors; i++)
		{
			if (lane->cursors[i].cursor_id == id)
				lane->cursors[i].event_time = is_null ? DT_NOBEGIN : event_time;
		}
	}
}

static bool
move_cursors(CqLane *lane, const Moves *moves)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID,
						   TIMESTAMPTZARRAYOID, TIMESTAMPTZOID};
	Datum		args[] = {
		int8_array(moves->ids, moves->n), int8_array(moves->from, moves->n),
		int8_array(moves->to, moves->n),
		int8_array(moves->ends, moves->n), timestamptz_array(moves->times, moves->n),
			TimestampTzGetDatum(cq_clock_now())
	};

	cq_query_run(&plan,
		"UPDATE _cq.cursor AS c SET next_offset = m.next_offset, end_offset = "
		"GREATEST(m.end_offset, m.next_offset), "
		"last_timestamp = CASE WHEN pg_catalog.isfinite(m.last_timestamp) THEN m.last_timestamp "
		"ELSE c.last_timestamp END, "
		"active_at = CASE WHEN pg_catalog.isfinite(m.last_timestamp) THEN $6 ELSE c.active_at END "
		"FROM unnest($1, $2, $3, $4, $5) AS m(cursor_id, from_offset, next_offset, end_offset, "
		"last_timestamp) "
		"WHERE c.cursor_id OPERATOR(pg_catalog.=) m.cursor_id AND c.next_offset "
		"OPERATOR(pg_catalog.=) m.from_offset "
		"AND m.next_offset OPERATOR(pg_catalog.>=) m.from_offset RETURNING c.cursor_id, "
		"c.event_time",
		lengthof(types), types, args, SPI_OK_UPDATE_RETURNING);
	take_event_times(lane);
	return SPI_processed == (uint64) moves->n;
}

/* Counts, over the moved cursors, the followers that belong to the lane and those that do not. */
static bool
followers_match(const CqLane *lane, const int64 *ids, int ncursors)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT8ARRAYOID, OIDARRAYOID};
	Datum		args[] = {int8_array(ids, ncursors), cq_query_oids(lane->views)};
	bool		isnull;

	cq_query_run(&plan,
		"SELECT pg_catalog.count(*) FILTER (WHERE f.view OPERATOR(pg_catalog.=) ANY ($2) AND "
		"v.status OPERATOR(pg_catalog.=) 'running'), "
		"pg_catalog.count(*) FROM _cq.follow f "
		"JOIN _cq.view v ON v.view OPERATOR(pg_catalog.=) f.view "
		"JOIN _cq.input i ON i.view OPERATOR(pg_catalog.=) f.view "
		"AND i.stream OPERATOR(pg_catalog.=) f.stream AND i.is_started "
		"WHERE f.cursor_id OPERATOR(pg_catalog.=) ANY ($1)",
		lengthof(types), types, args, SPI_OK_SELECT);
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)) ==
		(int64) ncursors * list_length(lane->views) &&
		DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull)) ==
		(int64) ncursors * list_length(lane->views);
}

TimestampTz
cq_cursor_event_time(const CqLane *lane, const CqSlice *slice)
{
	return find_cursor(lane, slice)->event_time;
}

bool
cq_cursor_advance(CqLane *lane, const CqFetch *fetch)
{
	Moves		moves = find_moves(lane, fetch);
	bool		unchanged;

	SPI_connect();
	unchanged = move_cursors(lane, &moves) && followers_match(lane, moves.ids, moves.n);
	SPI_finish();
	return unchanged;
}

bool
cq_cursor_refresh(CqLane *lane)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT8OID};
	Datum		args[] = {Int64GetDatum(lane->cursors[0].cursor_id)};
	int64		next_offset = -1;
	bool		isnull;

	SPI_connect();
	cq_query_run(&plan,
		"SELECT next_offset FROM _cq.cursor WHERE cursor_id OPERATOR(pg_catalog.=) $1",
		lengthof(types), types, args, SPI_OK_SELECT);
	if (SPI_processed > 0)
		next_offset = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
												  &isnull));
	SPI_finish();
	if (next_offset > lane->cursors[0].next_offset)
	{
		cq_reader_seek(lane->reader, next_offset);
		lane->cursors[0].next_offset = next_offset;
	}
	return next_offset >= 0;
}

void
cq_cursor_note_ends(CqLane *lane, const CqFetch *fetch)
{
	static SPIPlanPtr plan = NULL;
	Moves		moves = find_moves(lane, fetch);
	Oid			types[] = {INT8ARRAYOID, INT8ARRAYOID};
	Datum		args[] = {int8_array(moves.ids, moves.n), int8_array(moves.ends, moves.n)};

	SPI_connect();
	cq_query_run(&plan,
		"UPDATE _cq.cursor AS c SET end_offset = m.end_offset FROM unnest($1, $2) AS m(cursor_id, "
		"end_offset) "
		"WHERE c.cursor_id OPERATOR(pg_catalog.=) m.cursor_id AND (c.end_offset IS NULL OR "
		"c.end_offset OPERATOR(pg_catalog.<) m.end_offset)",
		lengthof(types), types, args, SPI_OK_UPDATE);
	SPI_finish();
}

void
cq_cursor_note_event_times(CqLane *lane, const CqFetch *fetch, const TimestampTz *event_times)
{
	static SPIPlanPtr plan = NULL;
	Moves		moves = find_moves(lane, fetch);
	Oid			types[] = {INT8ARRAYOID, TIMESTAMPTZARRAYOID};
	Datum		args[] = {int8_array(moves.ids, moves.n), timestamptz_array(event_times, moves.n)};

	SPI_connect();
	cq_query_run(&plan,
		"UPDATE _cq.cursor AS c SET event_time = m.event_time FROM unnest($1, $2) AS m(cursor_id, "
		"event_time) "
		"WHERE c.cursor_id OPERATOR(pg_catalog.=) m.cursor_id AND "
		"pg_catalog.isfinite(m.event_time) "
		"AND (c.event_time IS NULL OR c.event_time OPERATOR(pg_catalog.<) m.event_time)",
		lengthof(types), types, args, SPI_OK_UPDATE);
	SPI_finish();
}

void
cq_cursor_believe(CqLane *lane, const CqFetch *fetch)
{
	for (int i = 0; i < fetch->nslices; i++)
		find_cursor(lane, &fetch->slices[i])->next_offset = fetch->slices[i].next;
}

/*
 * Where a view stands that has seen the rows before row: the first message from there on in the
 * cursor's partition. -1 where the fetch brought nothing of it: where the cursor stands, which only
 * its row can tell.
 */
static int64
offset_before(const CqCursor *cursor, const CqFetch *fetch, int row)
{
	for (int i = 0; i < fetch->nslices; i++)
	{
		const CqSlice *slice = &fetch->slices[i];

		if (slice->partition != cursor->partition || strcmp(slice->topic, cursor->topic) != 0)
			continue;
		for (int m = row; m < fetch->nmessages; m++)
		{
			if (fetch->messages[m].slice == i)
				return fetch->messages[m].offset;
		}
		return slice->next;
	}
	return -1;
}

/* The highest event time that such a view has seen there; DT_NOBEGIN: as before the batch. */
static TimestampTz
event_time_before(const CqLane *lane, const CqCursor *cursor, const CqFetch *fetch, int row)
{
	for (int i = 0; i < fetch->nslices && lane->event_times != NULL; i++)
	{
		const CqSlice *slice = &fetch->slices[i];

		if (slice->partition != cursor->partition || strcmp(slice->topic, cursor->topic) != 0)
			continue;
		for (int m = row; m < fetch->nmessages; m++)
		{
			if (fetch->messages[m].slice == i)
				return lane->event_times->before[m];
		}
		return lane->event_times->highest[i];
	}
	return DT_NOBEGIN;
}

void
cq_cursor_leave(const CqLane *lane, Oid view, const CqFetch *fetch, int row)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {OIDOID, OIDOID, INT8OID, TEXTOID, INT4OID, INT8OID, TIMESTAMPTZOID};

	SPI_connect();
	for (int i = 0; i < lane->ncursors; i++)
	{
		CqCursor   *cursor = &lane->cursors[i];
		Datum		args[] = {
			ObjectIdGetDatum(lane->stream), ObjectIdGetDatum(view),
			Int64GetDatum(offset_before(cursor, fetch, row)),
			CStringGetTextDatum(cursor->topic), Int32GetDatum(cursor->partition),
			Int64GetDatum(cursor->cursor_id),
			TimestampTzGetDatum(event_time_before(lane, cursor, fetch, row))
		};

		cq_query_run(&plan,
			"WITH own AS (INSERT INTO _cq.cursor (stream, topic, partition, next_offset, "
			"end_offset, last_timestamp, event_time) "
			"SELECT $1, $4, $5, CASE WHEN $3 OPERATOR(pg_catalog.<) 0 THEN c.next_offset ELSE $3 "
			"END, c.end_offset, c.last_timestamp, "
			"GREATEST(c.event_time, CASE WHEN pg_catalog.isfinite($7) THEN $7 END) "
			/* none where the view has just been dropped */
			"FROM _cq.follow AS f JOIN _cq.cursor AS c USING (cursor_id) "
			"WHERE f.view OPERATOR(pg_catalog.=) $2 AND f.cursor_id OPERATOR(pg_catalog.=) $6 FOR "
			"NO KEY UPDATE OF c NOWAIT RETURNING cursor_id) "
			"UPDATE _cq.follow AS f SET cursor_id = own.cursor_id FROM own "
			"WHERE f.view OPERATOR(pg_catalog.=) $2 AND f.cursor_id OPERATOR(pg_catalog.=) $6",
			lengthof(types), types, args, SPI_OK_UPDATE);
	}
	SPI_finish();
}
