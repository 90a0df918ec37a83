/*
 * late.c
 *		Rows that come too late: see late.h.
 *
 * A row is judged by its event time alone, before the query's WHERE is asked. It is late when even the last of its windows has been closed;
 * where only some have, it counts in the others. (What it does to the state of those that are closed is never looked at again.)
 * Of sessions, none ends before its times: there a row is late when its time is before that up to which sessions were closed.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "common/attempt.h"
#include "common/guc.h"
#include "exec/closing.h"
#include "exec/dead_letter.h"
#include "exec/late.h"
#include "exec/view_actor.h"
#include "executor/spi.h"
#include "utils/timestamp.h"

/* Up to where rows come too late, and up to where windows are closed, which is not the same where they are amended. DT_NOBEGIN: nowhere. */
static TimestampTz
find_late_through(CqViewExec *exec)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(exec->view)};
	TimestampTz through[] = {DT_NOBEGIN, DT_NOBEGIN};

	SPI_connect();
	if (plan == NULL)
	{
		plan = SPI_prepare("SELECT closed_through, expired_through FROM _cq.closing WHERE view = $1", lengthof(types), types);
		SPI_keepplan(plan);
	}
	if (SPI_execute_plan(plan, args, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read _cq.closing: %s", SPI_result_code_string(SPI_result));
	for (int i = 0; i < (int) lengthof(through) && SPI_processed > 0; i++)
	{
		bool		is_null;
		Datum		value = cq_query_column(0, i + 1, &is_null);

		if (!is_null)
			through[i] = DatumGetTimestampTz(value);
	}
	SPI_finish();
	exec->closed_through = through[0];
	exec->expired_through = through[1];
	return exec->row->amends_late ? through[1] : through[0];
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
	question->last_end = cq_window_bound_last_end(question->exec->bound, question->time);
	cq_owner_end(&actor);
}

/* A time that lies in no window at all is an error of the row's, not late. */
static bool
last_end_of(CqViewExec *exec, TimestampTz time, TimestampTz *last_end)
{
	Question	question = {exec, time, 0};
	ErrorData  *error = cq_attempt(find_last_end, &question);

	*last_end = question.last_end;
	if (error != NULL)
		FreeErrorData(error);
	return error == NULL;
}

/* Of a time before closed_through. */
static bool
is_late(CqViewExec *exec, TimestampTz time, TimestampTz closed_through)
{
	TimestampTz last_end;

	if (exec->bound == NULL)
		return !TIMESTAMP_NOT_FINITE(time);
	return last_end_of(exec, time, &last_end) && last_end <= closed_through;
}

static TimestampTz
event_time(const CqViewExec *exec, const CqBatch *batch, int row)
{
	return DatumGetTimestampTz(batch->values[exec->event_time - 1][row]);
}

Bitmapset *
cq_late_find(CqViewExec *exec, const CqBatch *batch, const Bitmapset *skip)
{
	const bool *nulls = batch->nulls[exec->event_time - 1];
	Bitmapset  *late = NULL;
	TimestampTz closed_through;

	exec->nfailures++;
	cq_closing_hold_off(exec->row->state);
	exec->nfailures--;
	closed_through = find_late_through(exec);
	if (closed_through == DT_NOBEGIN)
		return NULL;
	for (int row = 0; row < batch->nrows; row++)
	{
		TimestampTz time = event_time(exec, batch, row);

		/* A window ends after all of its times: most rows are no question. */
		if (time < closed_through && !nulls[row] && !bms_is_member(row, batch->absent) && !bms_is_member(row, skip) &&
			is_late(exec, time, closed_through))
			late = bms_add_member(late, row);
	}
	return late;
}

/* ---- keeping them ---- */

static void
keep(CqViewExec *exec, const CqBatch *batch, int row)
{
	static const char insert[] =
		"INSERT INTO _cq.late (view, stream, " CQ_MESSAGE_COLUMNS ", event_time, window_end) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
	Oid			types[] = {OIDOID, OIDOID, CQ_MESSAGE_TYPES, TIMESTAMPTZOID, TIMESTAMPTZOID};
	TimestampTz time = event_time(exec, batch, row);
	TimestampTz last_end = 0;
	char		nulls[lengthof(types) + 1] = "          ";
	Datum		args[lengthof(types)];

	if (exec->bound == NULL)
		nulls[9] = 'n';
	else if (!last_end_of(exec, time, &last_end))
		return;
	SPI_connect();
	args[0] = ObjectIdGetDatum(exec->view);
	args[1] = ObjectIdGetDatum(exec->row->stream);
	cq_dead_letter_describe(batch, row, &args[2], &nulls[2]);
	args[8] = TimestampTzGetDatum(time);
	args[9] = TimestampTzGetDatum(last_end);
	cq_query_execute(insert, SPI_OK_INSERT, lengthof(types), types, args, nulls);
	SPI_finish();
}

int64
cq_late_take(CqViewExec *exec, const CqBatch *batch, const Bitmapset *late, int end)
{
	int64		nlate = 0;
	int			row = -1;

	while ((row = bms_next_member(late, row)) >= 0 && row < end)
	{
		if (exec->row->keeps_late && (cq_max_errors < 0 || nlate < cq_max_errors))
			keep(exec, batch, row);
		nlate++;
	}
	if (nlate > 0 && exec->row->keeps_late)
		cq_dead_letter_trim_by("DELETE FROM _cq.late WHERE view = $1 AND late_id <= "
							   "(SELECT late_id FROM _cq.late WHERE view = $1 ORDER BY late_id DESC OFFSET $2 LIMIT 1)", exec->view);
	return nlate;
}
