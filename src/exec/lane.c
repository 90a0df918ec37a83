/*
 * lane.c
 *		Which partitions a worker reads, for which views, and from where: the catalog's cursors as
 *		lanes.
 *
 * Each partition of a stream falls to one worker, with all of its cursors; where views of several
 * pools read it, to one of each pool. Two workers that for a moment believe that it is theirs
 * (their number changes, it moves) do no harm: a batch only commits where its cursors stood as it
 * believed.
 *
 * A cursor is followed by views that see the same batches. What changes that is mended when lanes
 * are loaded:
 * - Views that no longer run, or are of another pool than the first ones (of the default pool, if
 *   there are such), get a cursor of their own where they are, and the others go on. Until
 *   then nobody goes on, since a batch checks that all followers run; so a view is stopped by its
 *   status alone.
 * - So do views that are not to go on for now while others do, for max_drift (drift.c).
 * - Cursors of one partition that have met become one, but for those of views that fail, are slowed
 *   down, or go on apart (apart.c), which would leave again. They meet because the one behind stops
 *   exactly where the one ahead stands, which its worker holds meanwhile.
 *
 * Rows of _cq.cursor and _cq.follow are written by workers alone, so that no command, and no
 * transaction that somebody leaves open, holds up views that it is not about. A command writes the
 * view's row, with a lock on the view that keeps batches of this one view away.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "common/hashfn.h"
#include "common/wake.h"
#include "exec/drift.h"
#include "exec/exec.h"
#include "exec/pace.h"
#include "exec/view_exec.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* A cursor as read from the catalog. */
typedef struct CursorRow
{
	Oid			stream;
	CqCursor	cursor;
	const char *pool;			/* of those that run; empty: the default one */
	List	   *running;		/* followers, ascending: of Oid */
	List	   *stopped;		/* and those of other pools */
	bool		is_mixed;		/* there are such */
	bool		heeds_drift;	/* some of those that run have max_drift */
	List	   *held;			/* those of them that are not to go on for now */
} CursorRow;

/* Whose lanes were loaded last. */
static char own_pool[NAMEDATALEN] = "";

/* Consecutive partitions of a topic fall to consecutive workers. */
static bool
is_own(Oid stream, const char *topic, int32 partition, int worker, int nworkers)
{
	uint32		first = hash_combine(hash_bytes_uint32(stream),
									 hash_bytes((const unsigned char *) topic, strlen(topic)));

	return (first % nworkers + partition) % nworkers == (uint32) worker;
}

/* ---- reading cursors ---- */

static List *
oids_of_array(Datum array)
{
	Datum	   *elements;
	int			nelements;
	List	   *oids = NIL;

	deconstruct_array(DatumGetArrayTypeP(array), OIDOID, sizeof(Oid), true, TYPALIGN_INT, &elements,
					  NULL, &nelements);
	for (int i = 0; i < nelements; i++)
		oids = lappend_oid(oids, DatumGetObjectId(elements[i]));
	return oids;
}

static CursorRow *
make_row(uint64 row)
{
	CursorRow  *result = palloc0(sizeof(CursorRow));
	bool		isnull;
	Datum		views;
	Datum		timestamp;

	result->cursor.cursor_id = DatumGetInt64(cq_query_column(row, 1, &isnull));
	result->stream = DatumGetObjectId(cq_query_column(row, 2, &isnull));
	result->cursor.topic = TextDatumGetCString(cq_query_column(row, 3, &isnull));
	result->cursor.partition = DatumGetInt32(cq_query_column(row, 4, &isnull));
	result->cursor.next_offset = DatumGetInt64(cq_query_column(row, 5, &isnull));
	result->cursor.stop_offset = PG_INT64_MAX;
	views = cq_query_column(row, 6, &isnull);
	result->running = isnull ? NIL : oids_of_array(views);
	views = cq_query_column(row, 7, &isnull);
	result->stopped = isnull ? NIL : oids_of_array(views);
	result->pool = TextDatumGetCString(cq_query_column(row, 10, &isnull));
	result->is_mixed = DatumGetBool(cq_query_column(row, 11, &isnull));
	result->cursor.event_time = DatumGetTimestampTz(cq_query_column(row, 8, &isnull));
	timestamp = cq_query_column(row, 9, &isnull);
	result->cursor.last_timestamp = isnull ? 0 : DatumGetTimestampTz(timestamp);
	result->heeds_drift = DatumGetBool(cq_query_column(row, 12, &isnull));
	return result;
}

/* Who is not to go on, for its max_drift (drift.c). */
static void
find_held(List *rows, MemoryContext context)
{
	bool		heed_drift = false;
	List	   *holds;
	MemoryContext caller;
	ListCell   *cell;

	foreach(cell, rows)
		heed_drift |= ((const CursorRow *) lfirst(cell))->heeds_drift;
	holds = cq_drift_find(heed_drift, context);
	caller = MemoryContextSwitchTo(context);
	foreach(cell, rows)
	{
		CursorRow  *row = lfirst(cell);

		row->held = cq_drift_held(holds, row->cursor.cursor_id, row->running);
	}
	MemoryContextSwitchTo(caller);
}

/*
 * Cursors that a running view follows, those of a partition together by offset: of one stream, or
 * InvalidOid. In context.
 */
static List *
read_all_cursors(Oid stream, MemoryContext context)
{
	static const char read[] =
		"SELECT c.cursor_id, c.stream::oid, c.topic, c.partition, c.next_offset, "
		"array_agg(v.view::oid ORDER BY v.view::oid) "
		"FILTER (WHERE v.status = 'running' AND v.pool = v.first_pool), "
		"array_agg(v.view::oid ORDER BY v.view::oid) "
		"FILTER (WHERE v.status <> 'running' OR v.pool <> v.first_pool), "
		"coalesce(c.event_time, '-infinity'), c.last_timestamp, min(v.first_pool), "
		"bool_or(v.status = 'running' AND v.pool <> v.first_pool), "
		"bool_or(v.status = 'running' AND v.pool = v.first_pool AND v.max_drift IS NOT NULL) "
		"FROM _cq.cursor c "
		"JOIN (SELECT f.cursor_id, v.view, v.status, v.max_drift, coalesce(p.name, '') AS pool, "
		"min(coalesce(p.name, '')) FILTER (WHERE v.status = 'running') "
		"OVER (PARTITION BY f.cursor_id) AS first_pool "
		"FROM _cq.follow f JOIN _cq.view v ON v.view = f.view "
		"JOIN _cq.input i ON i.view = f.view AND i.stream = f.stream AND i.is_started "
		/* Of one that is not there the default pool takes care. */
		"LEFT JOIN _cq.pool p ON p.name = v.pool "
		"WHERE $1 = 0 OR f.stream = $1) v USING (cursor_id) "
		"GROUP BY c.cursor_id HAVING bool_or(v.status = 'running') "
		"ORDER BY c.stream::oid, c.topic, c.partition, c.next_offset, c.cursor_id";
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(stream)};
	MemoryContext caller;
	List	   *rows = NIL;

	cq_query_execute(read, SPI_OK_SELECT, lengthof(types), types, args, NULL);
	caller = MemoryContextSwitchTo(context);
	for (uint64 i = 0; i < SPI_processed; i++)
		rows = lappend(rows, make_row(i));
	MemoryContextSwitchTo(caller);
	find_held(rows, context);
	return rows;
}

static bool
is_shared_out(const CqShare *share, const CursorRow *row)
{
	if (strcmp(row->pool, share->pool) != 0)
		return false;
	if (share->is_own != NULL)
		return share->is_own(share->context, row->stream, row->cursor.topic,
							 row->cursor.partition);
	return is_own(row->stream, row->cursor.topic, row->cursor.partition, share->worker,
				  share->nworkers);
}

/* Those of this worker. */
static List *
read_cursors(const CqShare *share, MemoryContext context)
{
	List	   *rows = read_all_cursors(InvalidOid, context);
	ListCell   *cell;

	foreach(cell, rows)
	{
		const CursorRow *row = lfirst(cell);

		if (!is_shared_out(share, row))
			rows = foreach_delete_current(rows, cell);
	}
	return rows;
}

/* ---- mending ---- */

/*
 * Deletes what views have left that are gone or are to begin again, and cursors that nobody
 * follows. A cursor may be about to be followed by a view that another worker brings to it; who
 * does that locks the cursor: so rows are locked first, and asked for followers again afterwards.
 */
static void
sweep(void)
{
	static const char forget[] =
		"DELETE FROM _cq.follow f "
		"WHERE NOT EXISTS (SELECT FROM _cq.input i "
		"WHERE i.view = f.view AND i.stream = f.stream AND i.is_started)";
	static const char lock[] =
		"SELECT array_agg(cursor_id) FROM (SELECT cursor_id FROM _cq.cursor c "
		"WHERE NOT EXISTS (SELECT FROM _cq.follow f WHERE f.cursor_id = c.cursor_id) FOR UPDATE "
		"SKIP LOCKED) AS locked";
	static const char delete[] =
		"DELETE FROM _cq.cursor c WHERE cursor_id = ANY ($1) "
		"AND NOT EXISTS (SELECT FROM _cq.follow f WHERE f.cursor_id = c.cursor_id)";
	Oid			types[] = {INT8ARRAYOID};
	Datum		ids;
	bool		isnull;

	cq_query_execute(forget, SPI_OK_DELETE, 0, NULL, NULL, NULL);
	cq_query_execute(lock, SPI_OK_SELECT, 0, NULL, NULL, NULL);
	ids = cq_query_column(0, 1, &isnull);
	if (!isnull)
		cq_query_execute(delete, SPI_OK_DELETE, lengthof(types), types, &ids, NULL);
}

/* Gives followers that do not go on with the others a cursor of their own, at the same place. */
static void
split(const CursorRow *row, const List *followers)
{
	static const char statement[] =
		"WITH own AS (INSERT INTO _cq.cursor (stream, topic, partition, next_offset, end_offset, "
		"last_timestamp, event_time, active_at) "
		"SELECT stream, topic, partition, next_offset, end_offset, last_timestamp, event_time, "
		"active_at FROM _cq.cursor WHERE cursor_id = $1 FOR UPDATE RETURNING cursor_id) "
		"UPDATE _cq.follow f SET cursor_id = own.cursor_id FROM own WHERE f.cursor_id = $1 AND "
		"f.view = ANY ($2)";
	Oid			types[] = {INT8OID, OIDARRAYOID};
	Datum		args[] = {Int64GetDatum(row->cursor.cursor_id), cq_query_oids(followers)};

	cq_query_execute(statement, SPI_OK_UPDATE, lengthof(types), types, args, NULL);
}

/* Makes one cursor of two, if they still stand at the same place. */
static bool
merge(CursorRow *kept, CursorRow *gone)
{
	static const char lock[] =
		"SELECT next_offset, coalesce(event_time, '-infinity') FROM _cq.cursor "
		"WHERE cursor_id IN ($1, $2) ORDER BY cursor_id FOR UPDATE";
	static const char move[] =
		"WITH gone AS (DELETE FROM _cq.cursor WHERE cursor_id = $2 RETURNING active_at), "
		"kept AS (UPDATE _cq.cursor c SET active_at = greatest(c.active_at, gone.active_at) "
		"FROM gone WHERE c.cursor_id = $1) "
		"UPDATE _cq.follow SET cursor_id = $1 WHERE cursor_id = $2";
	Oid			types[] = {INT8OID, INT8OID};
	Datum		args[] = {Int64GetDatum(kept->cursor.cursor_id),
						  Int64GetDatum(gone->cursor.cursor_id)};
	bool		isnull;

	cq_query_execute(lock, SPI_OK_SELECT, lengthof(types), types, args, NULL);
	if (SPI_processed != 2 ||
		DatumGetInt64(cq_query_column(0, 1, &isnull)) !=
		DatumGetInt64(cq_query_column(1, 1, &isnull)) ||
		DatumGetTimestampTz(cq_query_column(0, 2, &isnull)) !=
		DatumGetTimestampTz(cq_query_column(1, 2, &isnull)))
		return false;
	cq_query_execute(move, SPI_OK_UPDATE, lengthof(types), types, args, NULL);
	return true;
}

/*
 * Those that know of different event times do not become one: what is late would depend on whom a
 * view has met. They agree with the next row that is later than what both have seen.
 */
static bool
have_met(const CursorRow *one, const CursorRow *other)
{
	return one->stream == other->stream && one->cursor.partition == other->cursor.partition &&
		one->cursor.next_offset == other->cursor.next_offset &&
		one->cursor.event_time == other->cursor.event_time && strcmp(one->cursor.topic,
																	 other->cursor.topic) == 0;
}

/* All that follow it are held: it is not to be read. */
static bool
is_held(const CursorRow *row)
{
	return row->held != NIL && list_length(row->held) == list_length(row->running);
}

/* True where anything was written, so that the cursors must be read again. */
static bool
mend(List *rows)
{
	CursorRow  *previous_of[] = {NULL, NULL};	/* of those that go on apart, and of others */
	bool		changed = false;
	ListCell   *cell;

	foreach(cell, rows)
	{
		CursorRow  *row = lfirst(cell);
		CursorRow **previous = &previous_of[cq_apart_are_all(row->running)];

		if (row->stopped != NIL)
		{
			split(row, row->stopped);
			row->stopped = NIL;
			if (row->is_mixed)
				cq_wake_catalog_changed();	/* somebody else is to read it */
			changed = true;
		}
		if (row->held != NIL && !is_held(row))
		{
			split(row, row->held);
			changed = true;
		}
		if (row->held != NIL || cq_view_exec_any_stays_apart(row->running))
			continue;
		if (*previous != NULL && have_met(*previous, row) && merge(*previous, row))
			changed = true;
		else
			*previous = row;
	}
	return changed;
}

/* ---- lanes ---- */

static CqLane *
find_lane(List *lanes, const CursorRow *row)
{
	ListCell   *cell;

	foreach(cell, lanes)
	{
		CqLane	   *lane = lfirst(cell);

		if (lane->stream == row->stream && equal(lane->views, row->running) &&
			lane->is_held == is_held(row))
			return lane;
	}
	return NULL;
}

static void
add_cursor(CqLane *lane, const CursorRow *row)
{
	/* Grows at each power of two. */
	if (lane->ncursors == 0)
		lane->cursors = palloc(sizeof(CqCursor));
	else if ((lane->ncursors & (lane->ncursors - 1)) == 0)
		lane->cursors = repalloc(lane->cursors, sizeof(CqCursor) * lane->ncursors * 2);
	lane->cursors[lane->ncursors++] = row->cursor;
}

/* Cursors that the same views follow make a lane. */
static List *
group_cursors(List *rows)
{
	List	   *lanes = NIL;
	ListCell   *cell;

	foreach(cell, rows)
	{
		CursorRow  *row = lfirst(cell);
		CqLane	   *lane = find_lane(lanes, row);

		if (lane == NULL)
		{
			lane = palloc0(sizeof(CqLane));
			lane->stream = row->stream;
			lane->views = row->running;
			lane->heeds_drift = row->heeds_drift;
			lane->is_held = is_held(row);
			lanes = lappend(lanes, lane);
		}
		add_cursor(lane, row);
	}
	return lanes;
}

List *
cq_lane_load(const CqShare *share)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *rows;

	strlcpy(own_pool, share->pool, NAMEDATALEN);
	SPI_connect();
	if (share->worker == 0 && share->pool[0] == '\0')
		sweep();
	rows = read_cursors(share, caller);
	if (mend(rows))
		rows = read_cursors(share, caller);
	SPI_finish();
	cq_view_exec_sweep();
	cq_pace_sweep();
	return group_cursors(rows);
}

static bool
array_has_id(Datum array, int64 id)
{
	Datum	   *elements;
	int			nelements;

	deconstruct_array(DatumGetArrayTypeP(array), INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &elements, NULL, &nelements);
	for (int i = 0; i < nelements; i++)
	{
		if (DatumGetInt64(elements[i]) == id)
			return true;
	}
	return false;
}

List *
cq_lane_of_stream(Oid stream)
{
	static const char lock[] =
		"SELECT array_agg(cursor_id) FROM (SELECT cursor_id FROM _cq.cursor WHERE stream = $1 "
		"ORDER BY cursor_id FOR UPDATE SKIP LOCKED) AS locked";
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(stream)};
	MemoryContext caller = CurrentMemoryContext;
	List	   *rows = NIL;
	ListCell   *cell;
	bool		is_null;
	Datum		locked;

	SPI_connect();
	cq_query_execute(lock, SPI_OK_SELECT, lengthof(types), types, args, NULL);
	locked = cq_query_column(0, 1, &is_null);
	if (!is_null)
		rows = read_all_cursors(stream, caller);
	foreach(cell, rows)
	{
		const CursorRow *row = lfirst(cell);

		/* One with views that have stopped, or do not go on, is to be mended first. */
		if (row->stopped != NIL || row->held != NIL || strcmp(row->pool, own_pool) != 0 ||
			!array_has_id(locked, row->cursor.cursor_id))
			rows = foreach_delete_current(rows, cell);
	}
	SPI_finish();
	return group_cursors(rows);
}

void
cq_lane_close(CqLane *lane)
{
	if (lane->reader != NULL)
		cq_reader_close(lane->reader);
	lane->reader = NULL;
}
