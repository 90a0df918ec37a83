/*
 * decoding.c
 *		A batch's values, as each of the views is to see them: see decoding.h.
 *
 * Types' input functions, domains' checks and generated columns run with the rights of the
 * stream's owner. A view's settings say how values are read; its search_path, which says what
 * code is run, only where its owner has the rights of the stream's anyway.
 *
 * All of it may take as long as a view's part of a batch. What takes longer is tried in smaller
 * batches (pace.h), and of a single message column by column: a value that takes longer by itself
 * is a bad one, for those views that need it.
 */
#include "postgres.h"

#include "common/attempt.h"
#include "common/clock.h"
#include "common/compat.h"
#include "common/hashfn.h"
#include "common/owner.h"
#include "common/watch.h"
#include "exec/decoding.h"
#include "exec/event_time.h"
#include "exec/pace.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* ---- all columns at once ---- */

typedef struct Decoding
{
	CqBatch    *batch;
	const Bitmapset *needed;
	const List *settings;
	CqBatch    *seen;			/* under settings that are not the first */
	AttrNumber	attno;			/* this one alone */
} Decoding;

pg_noreturn static void
raise_timeout(Oid stream, const CqBatch *batch)
{
	FlushErrorState();
	cq_pace_slow_down(stream, batch->nrows);
	ereport(ERROR,
			(errcode(ERRCODE_QUERY_CANCELED),
			 errmsg("to decode %d messages of stream \"%s\" takes %s",
					batch->nrows, get_rel_name(stream), cq_watch_excess()),
			 errdetail("They will be read %d at a time.", cq_pace_limit(stream))));
}

/* In the time that a view has for its part. */
static void
decode_in_time(const CqLane *lane, void (*decode) (Decoding *decoding), Decoding *decoding)
{
	MemoryContext caller = CurrentMemoryContext;
	TimestampTz began = cq_clock_real_monotonic();
	CqActor		actor;

	cq_watch_begin_decoding(lane->stream, decoding->batch->nrows, NULL);
	PG_TRY();
	{
		cq_owner_begin_user(&actor, cq_owner_of_relation(lane->stream));
		decode(decoding);
		cq_owner_end(&actor);
		cq_watch_require_within();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		cq_watch_end_part();
		if (cq_watch_exceeded() && !cq_watch_yields())
			raise_timeout(lane->stream, decoding->batch);
		PG_RE_THROW();
	}
	PG_END_TRY();
	cq_watch_end_part();
	cq_pace_note(lane->stream, decoding->batch->nrows, began);
}

static void
decode_first(Decoding *decoding)
{
	cq_decode_batch(decoding->batch, decoding->needed, decoding->settings);
}

static void
decode_under(Decoding *decoding)
{
	decoding->seen = cq_decode_under(decoding->batch, decoding->needed, decoding->settings);
}

/* ---- column by column ---- */

static CqWatchPlace
place_of(const CqLane *lane, const CqBatch *batch, AttrNumber attno)
{
	const CqMessage *message = &batch->fetch.messages[0];
	const CqSlice *slice = &batch->fetch.slices[message->slice];

	return (CqWatchPlace) {
		.stream = lane->stream, .partition = slice->partition, .offset = message->offset,
		.attno = attno,
		.topic = hash_bytes((const unsigned char *) slice->topic, strlen(slice->topic))
	};
}

static void
decode_column(void *arg)
{
	Decoding   *decoding = arg;

	cq_decode_column(decoding->batch, decoding->attno);
	cq_watch_require_within();
}

/* The only message's value of a column: NULL, or why it is a bad one. */
static CqReject *
try_column(const CqLane *lane, CqBatch *batch, AttrNumber attno)
{
	CqWatchPlace place = place_of(lane, batch, attno);
	const char *name = cq_decode_column_name(batch, attno);
	Decoding	decoding = {.batch = batch, .attno = attno};
	ErrorData  *error;

	if (cq_watch_take_deaf(&place))
		return cq_reject(ERRCODE_QUERY_CANCELED, "column \"%s\" took longer than "
						 "cq.view_timeout, and went on though it was canceled; the process had "
						 "to end", name);
	cq_watch_begin_decoding(lane->stream, 1, &place);
	error = cq_attempt(decode_column, &decoding);
	cq_watch_end_part();
	if (error == NULL)
		return NULL;
	if (!cq_watch_exceeded() || cq_watch_yields())
		ReThrowError(error);
	return cq_reject(ERRCODE_QUERY_CANCELED, "column \"%s\" takes %s", name, cq_watch_excess());
}

static void
decode_apart(const CqLane *lane, CqBatch *batch, const Bitmapset *needed)
{
	ListCell   *cell;
	CqActor		actor;

	cq_owner_begin_user(&actor, cq_owner_of_relation(lane->stream));
	foreach(cell, cq_decode_missing(batch, needed))
	{
		CqReject   *reject = try_column(lane, batch, lfirst_int(cell));

		if (reject != NULL)
			cq_decode_reject_column(batch, lfirst_int(cell), reject);
	}
	cq_owner_end(&actor);
}

/* ---- for a lane ---- */

void
cq_decoding_run(CqLane *lane, CqBatch *batch, const List *execs)
{
	const Bitmapset *sensitive = cq_decode_sensitive(batch);
	Bitmapset  *needed = cq_event_time_column(lane);
	const List *settings = NIL;
	Decoding	decoding = {.batch = batch};
	ListCell   *cell;

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
	lane->decodes_apart = batch->nrows == 1 && cq_pace_limit(lane->stream) == 1;
	if (lane->decodes_apart)
	{
		TimestampTz began = cq_clock_real_monotonic();

		cq_decode_batch(batch, NULL, settings);
		decode_apart(lane, batch, needed);
		cq_pace_note(lane->stream, 1, began);
		return;
	}
	decoding.needed = needed;
	decoding.settings = settings;
	decode_in_time(lane, decode_first, &decoding);
}

CqBatch *
cq_decoding_of_view(const CqLane *lane, CqBatch *batch, const CqViewExec *exec)
{
	Decoding	decoding = {.batch = batch, .needed = exec->needed, .settings = exec->settings};

	if (exec->settings == batch->settings ||
		!bms_overlap(exec->needed, cq_decode_sensitive(batch)))
		return batch;
	if (lane->decodes_apart)
	{
		decoding.seen = cq_decode_other(batch, exec->settings);
		decode_apart(lane, decoding.seen, exec->needed);
	}
	else
		decode_in_time(lane, decode_under, &decoding);
	return decoding.seen;
}
