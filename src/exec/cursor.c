/*
 * cursor.c
 *		Moves the cursors of a lane: see cursor.h.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "exec/cursor.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"

static CqCursor *
find_cursor(const CqLane *lane, const CqSlice *slice)
{
	for (int i = 0; i < lane->ncursors; i++)
	{
		CqCursor   *cursor = &lane->cursors[i];

		if (cursor->partition == slice->partition && strcmp(cursor->topic, slice->topic) == 0)
			return cursor;
	}
	elog(ERROR, "partition %d of topic \"%s\" is not part of the lane", slice->partition, slice->topic);
}

static Datum
int8_array(const int64 *values, int nvalues)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(nvalues, 1));

	for (int i = 0; i < nvalues; i++)
		elements[i] = Int64GetDatum(values[i]);
	return PointerGetDatum(construct_array(elements, nvalues, INT8OID, sizeof(int64), true, TYPALIGN_DOUBLE));
}

static Datum
oid_array(const List *oids)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(list_length(oids), 1));
	ListCell   *cell;

	foreach(cell, oids)
		elements[foreach_current_index(cell)] = ObjectIdGetDatum(lfirst_oid(cell));
	return PointerGetDatum(construct_array(elements, list_length(oids), OIDOID, sizeof(Oid), true, TYPALIGN_INT));
}

/* Prepares a statement on its first use, and runs it. */
static void
run(SPIPlanPtr *plan, const char *text, int nargs, Oid *types, Datum *args, int expected)
{
	if (*plan == NULL)
	{
		*plan = SPI_prepare(text, nargs, types);
		if (*plan == NULL)
			elog(ERROR, "could not prepare \"%s\": %s", text, SPI_result_code_string(SPI_result));
		SPI_keepplan(*plan);
	}
	if (SPI_execute_plan(*plan, args, NULL, false, 0) != expected)
		elog(ERROR, "could not run \"%s\": %s", text, SPI_result_code_string(SPI_result));
}

static bool
move_cursors(const int64 *ids, const int64 *from, const int64 *to, int ncursors)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID};
	Datum		args[] = {int8_array(ids, ncursors), int8_array(from, ncursors), int8_array(to, ncursors)};

	run(&plan,
		"UPDATE _cq.cursor AS c SET next_offset = m.next_offset "
		"FROM pg_catalog.unnest($1, $2, $3) AS m(cursor_id, from_offset, next_offset) "
		"WHERE c.cursor_id OPERATOR(pg_catalog.=) m.cursor_id AND c.next_offset OPERATOR(pg_catalog.=) m.from_offset",
		lengthof(types), types, args, SPI_OK_UPDATE);
	return SPI_processed == (uint64) ncursors;
}

/* Counts, over the moved cursors, the followers that belong to the lane and those that do not. */
static bool
followers_match(const CqLane *lane, const int64 *ids, int ncursors)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT8ARRAYOID, OIDARRAYOID};
	Datum		args[] = {int8_array(ids, ncursors), oid_array(lane->views)};
	bool		isnull;

	run(&plan,
		"SELECT pg_catalog.count(*) FILTER (WHERE f.view OPERATOR(pg_catalog.=) ANY ($2) AND v.status OPERATOR(pg_catalog.=) 'running'), "
		"pg_catalog.count(*) FROM _cq.follow f JOIN _cq.view v ON v.view OPERATOR(pg_catalog.=) f.view "
		"WHERE f.cursor_id OPERATOR(pg_catalog.=) ANY ($1)",
		lengthof(types), types, args, SPI_OK_SELECT);
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)) ==
		(int64) ncursors * list_length(lane->views) &&
		DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull)) ==
		(int64) ncursors * list_length(lane->views);
}

bool
cq_cursor_advance(CqLane *lane, const CqFetch *fetch)
{
	int64	   *ids = palloc(sizeof(int64) * fetch->nslices);
	int64	   *from = palloc(sizeof(int64) * fetch->nslices);
	int64	   *to = palloc(sizeof(int64) * fetch->nslices);
	bool		unchanged;

	for (int i = 0; i < fetch->nslices; i++)
	{
		CqCursor   *cursor = find_cursor(lane, &fetch->slices[i]);

		ids[i] = cursor->cursor_id;
		from[i] = cursor->next_offset;
		to[i] = fetch->slices[i].next;
	}
	SPI_connect();
	unchanged = move_cursors(ids, from, to, fetch->nslices) && followers_match(lane, ids, fetch->nslices);
	SPI_finish();
	return unchanged;
}

void
cq_cursor_believe(CqLane *lane, const CqFetch *fetch)
{
	for (int i = 0; i < fetch->nslices; i++)
		find_cursor(lane, &fetch->slices[i])->next_offset = fetch->slices[i].next;
}

/* Where a view stands that has seen the rows before row: the first message from there on in the cursor's partition. */
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
	return cursor->next_offset;
}

void
cq_cursor_leave(const CqLane *lane, Oid view, const CqFetch *fetch, int row)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {OIDOID, OIDOID, INT8OID, TEXTOID, INT4OID, INT8OID};

	SPI_connect();
	for (int i = 0; i < lane->ncursors; i++)
	{
		CqCursor   *cursor = &lane->cursors[i];
		Datum		args[] = {
			ObjectIdGetDatum(lane->stream), ObjectIdGetDatum(view), Int64GetDatum(offset_before(cursor, fetch, row)),
			CStringGetTextDatum(cursor->topic), Int32GetDatum(cursor->partition), Int64GetDatum(cursor->cursor_id)
		};

		run(&plan,
			"WITH own AS (INSERT INTO _cq.cursor (stream, topic, partition, next_offset) "
			"SELECT $1, $4, $5, $3 FROM _cq.follow AS f "	/* none where the view has just been dropped */
			"WHERE f.view OPERATOR(pg_catalog.=) $2 AND f.cursor_id OPERATOR(pg_catalog.=) $6 RETURNING cursor_id) "
			"UPDATE _cq.follow AS f SET cursor_id = own.cursor_id FROM own "
			"WHERE f.view OPERATOR(pg_catalog.=) $2 AND f.cursor_id OPERATOR(pg_catalog.=) $6",
			lengthof(types), types, args, SPI_OK_UPDATE);
	}
	SPI_finish();
}
