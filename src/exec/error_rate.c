/*
 * error_rate.c
 *		The option max_error_rate: a view stops where a larger share of its last rows are dead letters.
 *
 * The last rows are those of the batch at hand and some thousand before it, which fade: when there
 * are more, half of them are forgotten. So a view that was right for long is not held to be so for
 * as long, and a few bad rows at the beginning say nothing. Each worker counts its own.
 */
#include "postgres.h"

#include "exec/error_rate.h"

#define LEAST_ROWS	100
#define MOST_ROWS	1000

char *
cq_error_rate_judge(const CqViewExec *exec, int64 nrows, int64 nbad)
{
	CqErrorRate rate = {exec->recent.nrows + nrows, exec->recent.nbad + nbad};

	/* It is bad ones that stop it: what was there before has been judged. */
	if (nbad == 0 || rate.nrows < LEAST_ROWS ||
		rate.nbad <= exec->row->max_error_rate * rate.nrows)
		return NULL;
	return psprintf(INT64_FORMAT " of its last " INT64_FORMAT " rows have failed, more than "
					"max_error_rate allows: see cq.errors", rate.nbad, rate.nrows);
}

void
cq_error_rate_note(Oid view, int64 nrows, int64 nbad, bool has_stopped)
{
	CqViewExec *exec = cq_view_exec_find(view);

	if (exec == NULL)
		return;
	exec->recent.nrows = has_stopped ? 0 : exec->recent.nrows + nrows;
	exec->recent.nbad = has_stopped ? 0 : exec->recent.nbad + nbad;
	while (exec->recent.nrows > MOST_ROWS)
	{
		exec->recent.nrows /= 2;
		exec->recent.nbad /= 2;
	}
}
