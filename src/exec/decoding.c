/*
 * decoding.c
 *		A batch's values, as each of the views is to see them: see decoding.h.
 *
 * Types' input functions, domains' checks and generated columns run with the rights of the
 * stream's owner. A view's settings say how values are read; its search_path, which says what
 * code is run, only where its owner has the rights of the stream's anyway.
 */
#include "postgres.h"

#include "common/owner.h"
#include "common/watch.h"
#include "exec/decoding.h"
#include "exec/event_time.h"

void
cq_decoding_run(const CqLane *lane, CqBatch *batch, const List *execs)
{
	const Bitmapset *sensitive = cq_batch_sensitive(batch);
	Bitmapset  *needed = cq_event_time_column(lane);
	const List *settings = NIL;
	ListCell   *cell;
	CqActor		actor;

	foreach(cell, execs)
	{
		const CqViewExec *exec = lfirst(cell);

		if (settings == NIL && bms_overlap(exec->needed, sensitive))
			settings = exec->settings;
		/* What is the same for everybody is decoded now, for all. */
		if (exec->settings == settings)
			needed = bms_add_members(needed, exec->needed);
		else
			needed = bms_join(needed, bms_difference(exec->needed, sensitive));
	}
	cq_watch_begin_part(lane->stream);
	cq_owner_begin_user(&actor, cq_owner_of_relation(lane->stream));
	cq_batch_decode(batch, needed, settings);
	cq_owner_end(&actor);
	cq_watch_end_part();
}

CqBatch *
cq_decoding_of_view(const CqLane *lane, CqBatch *batch, const CqViewExec *exec)
{
	CqBatch    *seen;
	CqActor		actor;

	if (exec->settings == batch->settings || !bms_overlap(exec->needed, cq_batch_sensitive(batch)))
		return batch;
	cq_watch_begin_part(lane->stream);
	cq_owner_begin_user(&actor, cq_owner_of_relation(lane->stream));
	seen = cq_batch_under(batch, exec->needed, exec->settings);
	cq_owner_end(&actor);
	cq_watch_end_part();
	return seen;
}
