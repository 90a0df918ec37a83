/*
 * late.c
 *		Rows that come too late: see late.h.
 *
 * A row is judged by its event time alone, before the query's WHERE is asked, against the watermark
 * of its partition just before it: the highest event time of the rows before it there, less the
 * delay and what is allowed. It is late when even the last of its windows ends no later than that.
 * So it does not depend on how rows fall into batches, nor on when windows were closed, and whoever
 * reads the partition again finds the same.
 *
 * The watermark of a view is no higher than that of any of its partitions, but for those that were
 * idle: there windows may have been closed that the partition knows nothing of. So what has been
 * closed counts as well. Where only some of a row's windows are closed, it counts in the others.
 * (What it does to the state of those that are closed is never looked at again.)
 *
 * A view that joins streams may have a row in windows before its own time: it is judged by the
 * earliest of them, against a watermark that is less by what the most is for any stream.
 *
 * Of sessions, none ends before its times: there a row is late when its time is before the
 * watermark. So it is where rows are closed one by one.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "common/attempt.h"
#include "common/fault.h"
#include "common/guc.h"
#include "exec/dead_letter.h"
#include "exec/ending.h"
#include "exec/late.h"
#include "exec/view_actor.h"
#include "exec/view_lock.h"
#include "exec/window_life.h"
#include "executor/spi.h"
#include "utils/timestamp.h"

/*
 * Up to where rows come too late, and up to where windows are closed, which is not the same where
 * they are amended. DT_NOBEGIN: nowhere.
 */
static TimestampTz
find_late_through(CqViewExec *exec)
{
	CqClosingMarks marks = cq_closing_marks_read(exec->view);

	exec->closed_through = marks.closed_through;
	exec->expired_through = marks.expired_through;
	return cq_ending_of(exec->plan)->late_through(&marks);
}

typedef struct Question
{
	CqViewExec *exec;
	TimestampTz time;
	TimestampTz last_end;
} Question;

static void
find_last_end(void *arg)
{
	Question   *question = arg;
	CqActor		actor;

	cq_view_actor_begin(&actor, question->exec->row, question->exec->owner);
	question->last_end = cq_window_bound_last_end(&question->exec->bound, question->time);
	cq_owner_end(&actor);
}

/* Of a time, that is: a cancel, or a lack of memory, says nothing of it. */
static void
forget_error(ErrorData *error)
{
	if (cq_fault_passes(error))
		ReThrowError(error);
	FreeErrorData(error);
}

/* A time that lies in no window at all is an error of the row's, not late. */
static bool
last_end_of(CqViewExec *exec, TimestampTz time, TimestampTz *last_end)
{
	Question	question = {exec, time, 0};
	ErrorData  *error = cq_attempt(find_last_end, &question);

	*last_end = question.last_end;
	if (error != NULL)
		forget_error(error);
	return error == NULL;
}

/* How the rows of a partition are judged. Answers are kept as long as they hold. */
typedef struct LateLimit
{
	TimestampTz before;			/* the highest event time before the latest row that was judged */
	TimestampTz limit;			/* and what came of it: windows that end up to here are closed */
	TimestampTz from;			/* for limits from here … */
	TimestampTz to;				/* … and before there … */
	TimestampTz needed;			/* … what lies before this is in no window that is open */
} LateLimit;

typedef struct Judge
{
	CqViewExec *exec;
	TimestampTz closed_through; /* DT_NOBEGIN: nothing is */
	/* from the highest event time to the end of windows */
	int64		delay;
	CqWindowLife gone;			/* and from there, until nothing of them changes any more */
	int64		least;			/* both are no shorter */
	LateLimit  *limits;			/* by slice */
	LateLimit  *current;		/* of these */
} Judge;

static Judge
make_judge(CqViewExec *exec, const CqLane *lane, const CqBatch *batch)
{
	const CqView *view = exec->row;
	Judge		judge = {.exec = exec, .gone = cq_window_life_gone(view)};

	judge.closed_through = find_late_through(exec);
	judge.delay = view->allowed_lateness + exec->plan->longest_lag;
	judge.delay += view->watermark_delay >= 0 ? view->watermark_delay :
		cq_reader_stream(lane->reader)->watermark_delay;
	judge.least = judge.delay + cq_window_life_least(&judge.gone);
	judge.limits = palloc(sizeof(LateLimit) * Max(batch->fetch.nslices, 1));
	for (int i = 0; i < batch->fetch.nslices; i++)
		judge.limits[i] = (LateLimit) {DT_NOBEGIN, DT_NOBEGIN, DT_NOBEGIN, DT_NOBEGIN, DT_NOBEGIN};
	return judge;
}

static void
find_limit(void *arg)
{
	Judge	   *judge = arg;

	judge->current->limit = cq_window_life_ended(&judge->gone,
												 judge->current->before - judge->delay);
}

static void
find_needed(void *arg)
{
	Judge	   *judge = arg;
	LateLimit  *limit = judge->current;
	CqWindowBound *bound = &judge->exec->bound;
	CqActor		actor;

	cq_view_actor_begin(&actor, judge->exec->row, judge->exec->owner);
	limit->from = cq_window_bound_before(bound, limit->limit);
	limit->to = cq_window_bound_after(bound, limit->limit);
	limit->needed = cq_window_bound_first_needed(bound, limit->from);
	cq_owner_end(&actor);
}

/* Where that is out of the range of times nothing is late. */
static void
find(Judge *judge, void (*step) (void *judge))
{
	ErrorData  *error = cq_attempt(step, judge);

	if (error == NULL)
		return;
	forget_error(error);
	judge->current->limit = judge->current->needed = DT_NOBEGIN;
}

static bool
ends_by(Judge *judge, TimestampTz time, TimestampTz limit)
{
	TimestampTz last_end;

	/* In no window it is an error of the row's, but for a query of several streams. */
	if (time == DT_NOBEGIN)
		return judge->exec->plan->lags != NIL;
	return last_end_of(judge->exec, time, &last_end) && last_end <= limit;
}

/* A window ends after all of its times: most rows are no question. */
static bool
is_late(Judge *judge, int slice, TimestampTz time, TimestampTz before)
{
	LateLimit  *limit = &judge->limits[slice];

	if (time < judge->closed_through && ends_by(judge, time, judge->closed_through))
		return true;
	if (!judge->gone.is_over || before == DT_NOBEGIN || time >= before - judge->least)
		return false;
	judge->current = limit;
	if (limit->before != before)
	{
		limit->before = before;
		find(judge, find_limit);
	}
	if (time >= limit->limit)
		return false;
	if (limit->limit < limit->from || limit->limit >= limit->to)
		find(judge, find_needed);
	return time < limit->needed && ends_by(judge, time, limit->limit);
}

static TimestampTz
event_time(const CqViewExec *exec, const CqBatch *batch, int row)
{
	return DatumGetTimestampTz(batch->values[exec->event_time - 1][row]);
}

/* The earliest time of whose windows the row is. */
static TimestampTz
window_time(const CqViewExec *exec, const CqBatch *batch, int row)
{
	TimestampTz time = event_time(exec, batch, row);

	return TIMESTAMP_NOT_FINITE(time) ? time : time - exec->lag;
}

Bitmapset *
cq_late_find(CqViewExec *exec, const CqLane *lane, const CqBatch *batch, const Bitmapset *skip)
{
	const CqEventTimes *times = lane->event_times;
	Bitmapset  *late = NULL;
	const bool *nulls;
	Judge		judge;

	if (exec->event_time == InvalidAttrNumber)
		return NULL;
	if (times == NULL)
		elog(ERROR, "the stream has no event times");
	exec->nfailures++;
	cq_view_lock_windows(exec->row->state);
	exec->nfailures--;
	judge = make_judge(exec, lane, batch);
	nulls = batch->nulls[exec->event_time - 1];
	for (int row = 0; row < batch->nrows; row++)
	{
		int			slice = batch->fetch.messages[row].slice;

		if (!nulls[row] &&
			is_late(&judge, slice, window_time(exec, batch, row), times->before[row]) &&
			!bms_is_member(row, batch->absent) && !bms_is_member(row, skip))
			late = bms_add_member(late, row);
	}
	return late;
}

/* ---- keeping them ---- */

static void
keep(CqViewExec *exec, Oid stream, const CqBatch *batch, int row)
{
	static const char insert[] =
		"INSERT INTO _cq.late (view, stream, " CQ_MESSAGE_COLUMNS ", event_time, window_end) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
	Oid			types[] = {OIDOID, OIDOID, CQ_MESSAGE_TYPES, TIMESTAMPTZOID, TIMESTAMPTZOID};
	TimestampTz time = event_time(exec, batch, row);
	TimestampTz last_end = 0;
	char		nulls[lengthof(types) + 1] = "          ";
	Datum		args[lengthof(types)];

	if (!cq_window_bound_has_ends(&exec->bound) || time == DT_NOBEGIN)
		nulls[9] = 'n';
	else if (!last_end_of(exec, window_time(exec, batch, row), &last_end))
		return;
	SPI_connect();
	args[0] = ObjectIdGetDatum(exec->view);
	args[1] = ObjectIdGetDatum(stream);
	cq_dead_letter_describe(batch, row, &args[2], &nulls[2]);
	args[8] = TimestampTzGetDatum(time);
	args[9] = TimestampTzGetDatum(last_end);
	cq_query_execute(insert, SPI_OK_INSERT, lengthof(types), types, args, nulls);
	SPI_finish();
}

static void
keep_all(CqViewExec *exec, Oid stream, const CqBatch *batch, const Bitmapset *late, int end)
{
	int			nkept = 0;
	int			row = -1;

	while ((row = bms_next_member(late, row)) >= 0 && row < end &&
		   (cq_max_errors < 0 || nkept++ < cq_max_errors))
		keep(exec, stream, batch, row);
	cq_dead_letter_trim_by("DELETE FROM _cq.late WHERE view = $1 AND late_id <= "
						   "(SELECT late_id FROM _cq.late WHERE view = $1 ORDER BY late_id "
						   "DESC OFFSET $2 LIMIT 1)", exec->view);
}

int64
cq_late_take(CqViewExec *exec, const CqLane *lane, const CqBatch *batch, const Bitmapset *late,
			 int end)
{
	int64		nlate = 0;
	int			row = -1;

	while ((row = bms_next_member(late, row)) >= 0 && row < end)
		nlate++;
	if (nlate > 0 && exec->row->keeps_late)
		keep_all(exec, lane->stream, batch, late, end);
	return nlate;
}
