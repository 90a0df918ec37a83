/*
 * watch.c
 *		How long somebody's code runs in a process of ours: see watch.h.
 */
#include "postgres.h"

#include "common/guc.h"
#include "common/watch.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#define LONG_MS			300
#define TICK_MS			100
#define MAX_CAUGHT		3		/* cancels that a function may catch */
#define ALONE_FACTOR	10		/* so much longer may take what is not one batch's */

static CqWatchSlot *slot = NULL;
static void (*tell_launcher) (void) = NULL;
static TimeoutId timer;

static volatile sig_atomic_t is_armed = false;	/* an interrupt would be taken for what it is */
static volatile sig_atomic_t is_canceling = false;
static volatile sig_atomic_t ncaught = 0;
static volatile sig_atomic_t timed_out = false;
static volatile Oid part = InvalidOid;	/* the view or stream whose part it is */
static volatile int part_rows = 0;	/* of a stream */
static CqWatchPlace part_place;	/* of which value; or none */
static volatile TimestampTz part_ends = DT_NOEND;
static bool is_taken[CQ_WATCH_MESSAGES];	/* of slot->deaf: by this batch */

static bool
is_same_message(const CqWatchPlace *one, const CqWatchPlace *other)
{
	return one->stream == other->stream && one->topic == other->topic &&
		one->partition == other->partition && one->offset == other->offset;
}

/* What is noted of the place's message, or NULL. */
static CqDeafMessage *
find_deaf(const CqWatchPlace *place)
{
	for (int i = 0; i < CQ_WATCH_MESSAGES; i++)
	{
		if (is_same_message(&slot->deaf[i].place, place))
			return &slot->deaf[i];
	}
	return NULL;
}

/*
 * All values of a message that made a process end are to be known together: it is done with only
 * once none of them is tried.
 */
static void
note_deaf(void)
{
	CqDeafMessage *deaf = find_deaf(&part_place);

	if (deaf == NULL)
	{
		deaf = &slot->deaf[slot->ndeaf++ % CQ_WATCH_MESSAGES];
		memset(deaf, 0, sizeof(CqDeafMessage));
		deaf->place = part_place;
	}
	deaf->columns[part_place.attno / 8] |= 1 << part_place.attno % 8;
}

/* For the process that comes after this one. */
static void
accuse(void)
{
	slot->culprit_rows = part_rows;
	slot->culprit = part;
	if (OidIsValid(part_place.stream))
		note_deaf();
}

/*
 * A cancel that is pending no more has been raised; if we are still here, something has caught it.
 */
static void
cancel(void)
{
	if (is_canceling && !QueryCancelPending)
		ncaught++;
	is_canceling = true;
	if (ncaught > MAX_CAUGHT && OidIsValid(part))
	{
		accuse();
		ProcDiePending = true;
	}
	else
		QueryCancelPending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
}

/* In a signal handler. */
static void
tick(void)
{
	if (!slot->is_long)
	{
		slot->is_long = true;
		tell_launcher();
	}
	if (!is_armed)
		return;
	if (OidIsValid(part) && GetCurrentTimestamp() >= part_ends)
		timed_out = true;
	if (slot->must_yield || (OidIsValid(part) && timed_out))
		cancel();
}

void
cq_watch_init(CqWatchSlot *of_process, void (*tell) (void))
{
	slot = of_process;
	slot->is_long = slot->must_yield = false;
	tell_launcher = tell;
	timer = RegisterTimeout(USER_TIMEOUT, tick);
}

/* A cancel of ours that has come too late to be raised. */
static void
disarm(void)
{
	is_armed = false;
	if (is_canceling)
		QueryCancelPending = false;
	is_canceling = false;
	ncaught = 0;
}

void
cq_watch_begin(void)
{
	if (slot == NULL)
		return;
	disarm();
	slot->is_long = slot->must_yield = false;
	slot->began = GetCurrentTimestamp();
	memset(is_taken, 0, sizeof(is_taken));
	timed_out = false;
	part = InvalidOid;
	is_armed = true;
	enable_timeout_every(timer, TimestampTzPlusMilliseconds(slot->began, LONG_MS), TICK_MS);
}

void
cq_watch_end(void)
{
	if (slot == NULL)
		return;
	disarm();
	disable_timeout(timer, false);
	slot->is_long = false;
}

void
cq_watch_begin_part(Oid view)
{
	if (slot == NULL)
		return;
	timed_out = false;
	part_ends = cq_view_timeout > 0 ?
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(), cq_view_timeout) : DT_NOEND;
	part_rows = 0;
	part_place.stream = InvalidOid;
	part = view;
	is_armed = true;
}

void
cq_watch_begin_decoding(Oid stream, int nrows, const CqWatchPlace *place)
{
	if (slot == NULL)
		return;
	cq_watch_begin_part(stream);
	part_rows = nrows;
	if (place != NULL)
		part_place = *place;
}

bool
cq_watch_take_deaf(const CqWatchPlace *place)
{
	CqDeafMessage *deaf = slot != NULL ? find_deaf(place) : NULL;

	if (deaf == NULL || (deaf->columns[place->attno / 8] & 1 << place->attno % 8) == 0)
		return false;
	is_taken[deaf - slot->deaf] = true;
	return true;
}

void
cq_watch_forget_deaf(void)
{
	for (int i = 0; slot != NULL && i < CQ_WATCH_MESSAGES; i++)
	{
		if (is_taken[i])
			slot->deaf[i].place.stream = InvalidOid;
	}
}

void
cq_watch_end_part(void)
{
	if (slot == NULL)
		return;
	disarm();
	part = InvalidOid;
	is_armed = true;
}

bool
cq_watch_timed_out(void)
{
	return timed_out;
}

void
cq_watch_require_time(void)
{
	if (timed_out)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("a function went on though it took longer than cq.view_timeout")));
}

void
cq_watch_run(Oid view, void (*run) (void *arg), void *arg)
{
	PG_TRY();
	{
		cq_watch_begin();
		cq_watch_begin_part(view);
		if (slot != NULL && part_ends != DT_NOEND)
			part_ends += (ALONE_FACTOR - 1) * (int64) cq_view_timeout * 1000;
		run(arg);
		cq_watch_require_time();
	}
	PG_CATCH();
	{
		cq_watch_end();
		PG_RE_THROW();
	}
	PG_END_TRY();
	cq_watch_end();
}

bool
cq_watch_is_here(void)
{
	return slot != NULL;
}

bool
cq_watch_yields(void)
{
	return slot != NULL && slot->must_yield;
}
