/*
 * drift.c
 *		Views that wait in one stream for another one: see drift.h.
 *
 *		stream a   ──────────────●            a view with max_drift: its cursor stays there, …
 *		stream b   ────●·············▌        … until b is no further behind, or has been read
 *
 * What a join keeps of one side waits for the other one: where that is far behind, as when a view
 * begins in topics of which one has more messages for each hour, all of a topic would be kept. So
 * while somewhere messages of long ago wait to be read, what is far ahead of them is not read.
 *
 * Nothing of that is written down. Whoever loads lanes asks the catalog (_cq.ahead) who is ahead:
 * there a view gets cursors of its own, as one that has stopped, and the lane that these make has
 * no reader until it is asked again and the answer is another one. So it is after a restart, and
 * whichever worker reads the other stream. Of the view's cursors that have something to be read the
 * one that is furthest behind is never held: somebody goes on always.
 */
#include "postgres.h"

#include "catalog/query.h"
#include "exec/drift.h"
#include "exec/exec.h"
#include "executor/spi.h"
#include "utils/snapmgr.h"

List *
cq_drift_find(bool heed_drift, MemoryContext context)
{
	static SPIPlanPtr plan = NULL;
	List	   *holds = NIL;
	MemoryContext caller;

	if (!heed_drift)
		return NIL;
	cq_query_run(&plan, "SELECT cursor_id, view::oid FROM _cq.ahead", 0, NULL, NULL,
				 SPI_OK_SELECT);
	caller = MemoryContextSwitchTo(context);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		CqHold	   *hold = palloc(sizeof(CqHold));
		bool		is_null;

		hold->cursor_id = DatumGetInt64(cq_query_column(i, 1, &is_null));
		hold->view = DatumGetObjectId(cq_query_column(i, 2, &is_null));
		holds = lappend(holds, hold);
	}
	MemoryContextSwitchTo(caller);
	return holds;
}

List *
cq_drift_held(const List *holds, int64 cursor_id, const List *views)
{
	List	   *held = NIL;
	ListCell   *cell;

	foreach(cell, holds)
	{
		const CqHold *hold = lfirst(cell);

		if (hold->cursor_id == cursor_id && list_member_oid(views, hold->view))
			held = lappend_oid(held, hold->view);
	}
	return held;
}

/* Is a lane as it is to be, as far as this cursor says? */
static bool
is_as_held(const CqLane *lane, const CqCursor *cursor, const List *holds)
{
	int			nheld = list_length(cq_drift_held(holds, cursor->cursor_id, lane->views));

	return nheld == (lane->is_held ? list_length(lane->views) : 0);
}

bool
cq_drift_is_current(const List *lanes)
{
	MemoryContext caller = CurrentMemoryContext;
	bool		is_current = true;
	List	   *holds;
	ListCell   *cell;

	SPI_connect();
	holds = cq_drift_find(true, caller);
	SPI_finish();
	foreach(cell, lanes)
	{
		const CqLane *lane = lfirst(cell);

		for (int i = 0; i < lane->ncursors && lane->heeds_drift; i++)
			is_current = is_current && is_as_held(lane, &lane->cursors[i], holds);
	}
	return is_current;
}
