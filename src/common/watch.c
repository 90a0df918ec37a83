/*
 * watch.c
 *		How long somebody's code runs in a process of ours: see watch.h.
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

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
static volatile sig_atomic_t excess = CQ_WATCH_WITHIN;	/* of the part: a CqWatchExcess */
static volatile Oid part = InvalidOid;	/* the view or stream whose part it is */
static volatile int part_rows = 0;	/* of a stream */
static CqWatchPlace part_place;	/* of which value; or none */
static volatile TimestampTz part_ends = DT_NOEND;
static bool is_alone = false;	/* it is of many batches: see cq_watch_run */
static volatile int64 part_memory = 0;	/* bytes that the process had when it began */
static int	memory_fd = -1;
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

/* The next of several numbers. */
static int64
take_number(const char **text)
{
	int64		number = 0;

	while (**text == ' ')
		(*text)++;
	while (**text >= '0' && **text <= '9')
		number = number * 10 + *(*text)++ - '0';
	return number;
}

/*
 * What this process has of memory that it shares with nobody, in bytes, whoever has asked for it;
 * 0: unknown. Spilled rows are in files, and not in it. Also called in a signal handler.
 */
static int64
private_memory(void)
{
	char		text[128];
	const char *rest = text;
	ssize_t		length = memory_fd >= 0 ? pread(memory_fd, text, sizeof(text) - 1, 0) : -1;
	int64		resident;

	if (length <= 0)
		return 0;
	text[length] = '\0';
	(void) take_number(&rest);
	resident = take_number(&rest);
	return (resident - take_number(&rest)) * sysconf(_SC_PAGESIZE);
}

/* In a signal handler. */
static void
measure_part(void)
{
	if (GetCurrentTimestamp() >= part_ends)
		excess = CQ_WATCH_TIME;
	else if (cq_view_memory >= 0 && part_memory > 0 &&
			 private_memory() - part_memory > (int64) cq_view_memory * 1024)
		excess = CQ_WATCH_MEMORY;
}

/* In a signal handler. */
static void
tick(void)
{
	if (!slot->is_long && TimestampDifferenceExceeds(slot->began, GetCurrentTimestamp(), LONG_MS))
	{
		slot->is_long = true;
		tell_launcher();
	}
	if (!is_armed)
		return;
	if (OidIsValid(part) && excess == CQ_WATCH_WITHIN)
		measure_part();
	if (slot->must_yield || (OidIsValid(part) && excess != CQ_WATCH_WITHIN))
		cancel();
}

void
cq_watch_init(CqWatchSlot *of_process, void (*tell) (void))
{
	slot = of_process;
	slot->is_long = slot->must_yield = false;
	tell_launcher = tell;
	memory_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
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
	excess = CQ_WATCH_WITHIN;
	part = InvalidOid;
	is_armed = true;
	enable_timeout_every(timer, TimestampTzPlusMilliseconds(slot->began, TICK_MS), TICK_MS);
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
	excess = CQ_WATCH_WITHIN;
	part_ends = cq_view_timeout > 0 ?
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(), cq_view_timeout) : DT_NOEND;
	part_memory = cq_view_memory >= 0 ? private_memory() : 0;
	part_rows = 0;
	part_place.stream = InvalidOid;
	is_alone = false;
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
cq_watch_exceeded(void)
{
	return excess != CQ_WATCH_WITHIN;
}

const char *
cq_watch_excess(void)
{
	if (excess == CQ_WATCH_MEMORY)
		return "more memory than cq.view_memory";
	return is_alone ? "longer than ten times cq.view_timeout" : "longer than cq.view_timeout";
}

void
cq_watch_require_within(void)
{
	if (cq_watch_exceeded())
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("a function went on though it took %s", cq_watch_excess())));
}

void
cq_watch_run(Oid view, void (*run) (void *arg), void *arg)
{
	PG_TRY();
	{
		cq_watch_begin();
		cq_watch_begin_part(view);
		is_alone = true;
		if (slot != NULL && part_ends != DT_NOEND)
			part_ends += (ALONE_FACTOR - 1) * (int64) cq_view_timeout * 1000;
		run(arg);
		cq_watch_require_within();
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
