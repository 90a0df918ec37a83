/*
 * chain.c
 *		Views that read what other views write to a stream of this database: in the same
 *		transaction.
 *
 *		batch ──► view 1 ──changes──► stream ──► view 2 ──changes──► stream ──► …		all of it or nothing
 *
 * View 2 has cursors as any view has. Where they stand at the end of the stream, what view 1 has
 * added is applied at once, and moves them, as part of the batch: so both views are of one moment
 * in every snapshot. A view that is behind (it is new, was paused, or somebody else's rows are
 * still to be committed before these) is caught up by the worker to whom the stream falls, like any
 * other, and is then taken along again.
 *
 * The cursors are locked here before they are read, so that this worker is not in between; it looks
 * where they stand before it reads on. Those that it holds itself are behind, and left to it. A
 * stream is never fed, through whatever views, by a view that reads it: that is refused at CREATE.
 */
#include "postgres.h"

#include "common/guc.h"
#include "common/wake.h"
#include "exec/chain.h"
#include "exec/pace.h"
#include "exec/view_exec.h"
#include "utils/memutils.h"

/*
 * A view that makes transactions fail must not take along the one that feeds it: its own worker
 * tries it.
 */
static bool
is_in_the_way(const CqLane *lane)
{
	ListCell   *cell;

	foreach(cell, lane->views)
	{
		if (*cq_view_exec_failures(lfirst_oid(cell)) >= CQ_FAILURES_TOGETHER)
			return true;
	}
	return false;
}

/* To be compacted with those of the lane. */
static void
note_followers(CqLane *from, const CqLane *lane)
{
	MemoryContext caller = MemoryContextSwitchTo(GetMemoryChunkContext(from));

	from->followers = list_concat_unique_oid(from->followers, lane->views);
	from->followers = list_concat_unique_oid(from->followers, lane->followers);
	from->closes_windows |= lane->closes_windows;
	from->fills_outbox |= lane->fills_outbox;
	MemoryContextSwitchTo(caller);
}

static bool
follow_lane(CqLane *from, CqLane *lane, CqBatchResult (*apply) (CqLane *lane, CqBatch *batch))
{
	const CqCursor *cursor = &lane->cursors[0];
	CqPosition	position = {.topic = cursor->topic, .partition = cursor->partition,
							.offset = cursor->next_offset};
	CqBatchResult result = CQ_BATCH_APPLIED;
	CqBatch    *batch;

	lane->reader = cq_reader_open_own(lane->stream, &position, 1);
	/* As much as the largest batch may have made of its rows; what is more is a backlog. */
	batch = cq_reader_fetch(lane->reader, cq_batch_rows * 2, (Size) cq_batch_bytes * 1024 * 2, 0);
	if (batch != NULL && !batch->fetch.has_backlog)
		result = apply(lane, batch);
	note_followers(from, lane);
	cq_lane_close(lane);
	if (result == CQ_BATCH_LANES_CHANGED || result == CQ_BATCH_VIEWS_LEFT)
		cq_wake_catalog_changed();
	return result != CQ_BATCH_RETRY;
}

bool
cq_chain_follow(CqLane *from, Oid stream, CqBatchResult (*apply) (CqLane *lane, CqBatch *batch))
{
	ListCell   *cell;

	/* So many at once are not decoded in time. */
	if (cq_pace_limit(stream) > 0)
		return true;
	foreach(cell, cq_lane_of_stream(stream))
	{
		if (!is_in_the_way(lfirst(cell)) && !follow_lane(from, lfirst(cell), apply))
			return false;
	}
	return true;
}
