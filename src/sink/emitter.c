/*
 * emitter.c
 *		One sink, from its outbox to its destination, step by step: see emitter.h.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/clock.h"
#include "common/name.h"
#include "sink/emitter_parts.h"
#include "stats/budget.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define TEND_MS				10000	/* while nothing is sent */
#define LOOK_MS				1000	/* while the destination does not answer */

/* ---- the steps ---- */

static void
tell_silence(CqEmitter *emitter)
{
	char	   *trouble;

	if (!cq_emitter_call(emitter, trouble, &trouble))
		return;
	cq_emitter_tell_trouble(emitter, ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION, trouble, NULL);
}

/*
 * The transport has had something to do. True where it is done, and there is something to do for
 * us.
 * is_known is set where the sink's row is not as it is known.
 */
static bool
look_at_transport(CqEmitter *emitter, bool *is_known)
{
	CqTransportState state = cq_emitter_ask(emitter, state);
	bool		went_well;

	if (state == CQ_TRANSPORT_CONNECTING || state == CQ_TRANSPORT_SENDING)
	{
		tell_silence(emitter);
		return false;
	}
	went_well = state == CQ_TRANSPORT_READY &&
		cq_emitter_ask(emitter, error).sqlstate == 0;
	if (went_well && emitter->phase == EMITTER_SENDING)
	{
		cq_emitter_send_finish(emitter);
		return true;
	}
	if (state == CQ_TRANSPORT_READY)
		*is_known = cq_emitter_work(emitter, cq_emitter_send_settle);
	if (state == CQ_TRANSPORT_FAILED || (!went_well && emitter->phase == EMITTER_IDLE))
		cq_emitter_put_off(emitter);
	else if (emitter->phase == EMITTER_IDLE && emitter->has_place &&
			 !cq_emitter_send_has_work(emitter))
		cq_emitter_end_trouble(emitter);
	else if (emitter->phase == EMITTER_STOPPED)
		(void) cq_emitter_close_transport(emitter);
	return *is_known && emitter->phase == EMITTER_IDLE;
}

static void
tend(CqEmitter *emitter)
{
	TimestampTz now = cq_clock_real_monotonic();

	if (!TimestampDifferenceExceeds(emitter->tended_at, now, TEND_MS))
		return;
	emitter->tended_at = now;
	cq_emitter_ask(emitter, tend);
}

bool
cq_emitter_step(CqEmitter *emitter)
{
	bool		is_known = true;

	MemoryContextReset(emitter->scratch);
	MemoryContextSwitchTo(emitter->scratch);
	if (emitter->options_are_stale && emitter->transport != NULL &&
		!cq_emitter_follow_options(emitter))
		return false;
	if (emitter->phase == EMITTER_RESTING && emitter->due <= cq_clock_real_monotonic())
	{
		if (emitter->transport == NULL)
			is_known = cq_emitter_connect(emitter);
		else
			emitter->phase = EMITTER_IDLE;
	}
	if ((emitter->phase == EMITTER_CONNECTING || emitter->phase == EMITTER_SENDING) &&
		!look_at_transport(emitter, &is_known))
		return is_known;
	if (emitter->phase != EMITTER_IDLE || !is_known)
		return is_known;
	if (cq_emitter_send_is_renewal_due(emitter))
		return cq_emitter_send_place(emitter);
	if (cq_emitter_send_has_work(emitter) && cq_budget_stops(emitter->sink.view) == NULL)
		return cq_emitter_send_next(emitter);
	tend(emitter);
	return true;
}

long
cq_emitter_delay(const CqEmitter *emitter, long most)
{
	switch (emitter->phase)
	{
		case EMITTER_RESTING:
			return Min(most, TimestampDifferenceMilliseconds(cq_clock_real_monotonic(),
															 emitter->due));
		case EMITTER_CONNECTING:
		case EMITTER_SENDING:
			return Min(most, LOOK_MS);
		case EMITTER_IDLE:
			return Min(most, TEND_MS);
		case EMITTER_STOPPED:
			return most;
	}
	return most;
}

int
cq_emitter_fd(const CqEmitter *emitter)
{
	return emitter->transport != NULL ? cq_emitter_ask(emitter, fd) : -1;
}

bool
cq_emitter_is_idle(const CqEmitter *emitter)
{
	return emitter->phase == EMITTER_IDLE;
}

void
cq_emitter_note_end(CqEmitter *emitter, int64 end_id)
{
	emitter->end_id = end_id;
	if (end_id <= emitter->arrived_id)
		cq_sink_stats_level(emitter->sink.view, GetCurrentTransactionStartTimestamp());
}

/* ---- coming and going ---- */

CqEmitter *
cq_emitter_create(const CqViewSink *sink)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "pg_cq emitter",
												  ALLOCSET_SMALL_SIZES);
	CqEmitter  *emitter = MemoryContextAllocZero(context, sizeof(CqEmitter));
	const char *name = get_rel_name(sink->view);

	emitter->context = context;
	emitter->batch = cq_emitter_new_batch();
	emitter->next_batch = cq_emitter_new_batch();
	emitter->scratch = AllocSetContextCreate(context, "pg_cq emitter step", ALLOCSET_SMALL_SIZES);
	emitter->sink = *sink;
	emitter->name = MemoryContextStrdup(context, name == NULL ? "?" :
										cq_name_qualified(sink->view));
	emitter->deleted_id = PG_INT64_MIN;
	emitter->phase = sink->has_failed ? EMITTER_STOPPED : EMITTER_RESTING;
	return emitter;
}

void
cq_emitter_close(CqEmitter *emitter)
{
	(void) cq_emitter_close_transport(emitter);
	MemoryContextDelete(emitter->batch);
	MemoryContextDelete(emitter->next_batch);
	MemoryContextDelete(emitter->context);
}

/* A new epoch is a new sink. */
bool
cq_emitter_matches(CqEmitter *emitter, const CqViewSink *sink)
{
	return emitter->sink.view == sink->view && emitter->sink.sink == sink->sink &&
		emitter->sink.outbox == sink->outbox &&
		emitter->sink.epoch == sink->epoch &&
			(emitter->phase == EMITTER_STOPPED) == sink->has_failed;
}

const CqViewSink *
cq_emitter_sink(const CqEmitter *emitter)
{
	return &emitter->sink;
}

/* One that has no transport, because something is wrong, tries at once. */
void
cq_emitter_note_options(CqEmitter *emitter)
{
	emitter->options_are_stale = true;
	if (emitter->phase == EMITTER_RESTING && emitter->transport == NULL)
		emitter->due = 0;
}
