/*
 * cursor.h
 *		Moves the cursors of a lane in the batch's transaction, and lets a view leave the lane.
 */
#ifndef CQ_CURSOR_H
#define CQ_CURSOR_H

#include "exec/exec.h"

/*
 * Moves the lane's cursors over what was fetched, and checks that they stood exactly where each
 * slice began, so that nothing is left out and nothing seen twice, whatever the lane or its reader
 * believe; and that just the lane's views follow them. False: it is not so; the transaction must be
 * rolled back, and done again with another reader. Locks the cursors' rows until the transaction's
 * end, so that cq.pause and its like wait for the batch.
 */
extern bool cq_cursor_advance(CqLane *lane, const CqFetch *fetch);

/* After that: the highest event time that had been read of the slice's partition, or DT_NOBEGIN. */
extern TimestampTz cq_cursor_event_time(const CqLane *lane, const CqSlice *slice);

/*
 * Of a stream that is read in the transaction: has somebody else moved the lane's cursors on? The
 * lane and its reader then go on from there. False where they have gone.
 */
extern bool cq_cursor_refresh(CqLane *lane);

/* Writes how far the partitions reach now, as the fetch says. After cq_cursor_advance. */
extern void cq_cursor_note_ends(CqLane *lane, const CqFetch *fetch);

/*
 * Writes the highest event times that the fetch brought in each slice, as long as they are higher
 * than what was read before; DT_NOBEGIN: none. After cq_cursor_advance and after all views that
 * leave the lane have done so.
 */
extern void cq_cursor_note_event_times(CqLane *lane, const CqFetch *fetch,
									   const TimestampTz *event_times);

/* After the commit: the lane believes what was committed. */
extern void cq_cursor_believe(CqLane *lane, const CqFetch *fetch);

/*
 * Gives view cursors of its own, that stand before row (an index into fetch) in each partition: it
 * has seen all rows before that one, and none from there on. Raises ERROR, a passing one, where
 * somebody holds one of its cursors that the fetch has not moved.
 */
extern void cq_cursor_leave(const CqLane *lane, Oid view, const CqFetch *fetch, int row);

#endif							/* CQ_CURSOR_H */
