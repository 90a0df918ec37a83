/*
 * apart.c
 *		Views that take long go on apart: see apart.h.
 *
 *		lane  ─► plain views, commit ─► plain views, commit ─► plain views, commit ─► …
 *		apart ─►       some rows, commit ─►       some rows, commit ─►       …
 *
 * A view that tells its changes, joins, or has sessions looks up what is there for each key that a
 * batch touches; and while one worker is at it, the others wait. In a lane with plain views, which
 * only add to what is there, these would be visible when the last of all is done. So where views of
 * this kind have taken long, for a while and not only once, they get cursors of their own, and with
 * these a lane, whose batches are kept short (worker/turn.c). Among themselves they share it. When
 * they have been quick for a while they come back, as any lanes do that meet.
 *
 * Such a lane is fetched and decoded apart, which costs less than what they take: that is why they
 * do not always have one. With several workers none waits there for another one that is at the same
 * view: its batch begins with the view's lock, or not at all.
 *
 * Which views these are is known to each process for itself, since it is about the batches that it
 * does; nothing hangs on it but time.
 */
#include "postgres.h"

#include "common/clock.h"
#include "exec/apart.h"
#include "exec/cursor.h"
#include "exec/view_lock.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#define SPAN_US		USECS_PER_SEC	/* for so long batches are counted together, at least, */
#define SPAN_BATCHES 8			/* and so many of them, */
#define SPAN_ROWS	5000		/* of so many messages: with fewer nobody minds */
#define SLOW_SHARE	0.05		/* of that time: too long for neighbours */
#define QUICK_SHARE	0.02		/* less than that: no longer */
#define KEPT_US		(60 * USECS_PER_SEC)	/* since they were not quick */

static void
note(CqPartTimes *times, int nrows, TimestampTz since, TimestampTz now)
{
	double		share;

	if (times->nbatches == 0)
		times->since = since;
	times->nbatches++;
	times->nrows += nrows;
	times->took_us += now - since;
	if (now - times->since < SPAN_US || times->nbatches < SPAN_BATCHES ||
		times->nrows < SPAN_ROWS)
		return;
	share = (double) times->took_us / (now - times->since);
	if (share >= SLOW_SHARE)
		times->is_apart = true;
	if (share >= QUICK_SHARE)
		times->slow_at = now;
	else if (now - times->slow_at > KEPT_US)
		times->is_apart = false;
	times->nbatches = 0;
	times->nrows = times->took_us = 0;
}

void
cq_apart_note(const List *execs, int nrows, TimestampTz since)
{
	TimestampTz now = cq_clock_real_monotonic();
	ListCell   *cell;

	foreach(cell, execs)
		note(&((CqViewExec *) lfirst(cell))->part_times, nrows, since, now);
}

List *
cq_apart_leave(const CqLane *lane, const CqFetch *fetch, List *execs)
{
	ListCell   *cell;

	foreach(cell, execs)
	{
		const CqViewExec *exec = lfirst(cell);

		if (!exec->part_times.is_apart)
			continue;
		ereport(DEBUG1,
				(errmsg_internal("continuous view \"%s\" goes on apart",
								 get_rel_name(exec->view))));
		cq_cursor_leave(lane, exec->view, fetch, 0);
		execs = foreach_delete_current(execs, cell);
	}
	return execs;
}

bool
cq_apart_are_all(const List *views)
{
	ListCell   *cell;

	foreach(cell, views)
	{
		const CqViewExec *exec = cq_view_exec_find(lfirst_oid(cell));

		if (exec == NULL || !exec->part_times.is_apart)
			return false;
	}
	return true;
}

/* Not of views that others read: those are locked in the order of all (graph.c). */
static bool
may_lock_first(const CqViewExec *exec)
{
	return exec != NULL && exec->is_prepared && exec->readers == NIL;
}

bool
cq_apart_lock(const CqLane *lane)
{
	ListCell   *cell;

	foreach(cell, lane->views)
	{
		const CqViewExec *exec = cq_view_exec_find(lfirst_oid(cell));

		if (may_lock_first(exec) && !cq_view_lock_try(exec->row->state))
			return false;
	}
	return true;
}
