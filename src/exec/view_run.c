/*
 * view_run.c
 *		One view's way through one batch: see view_run.h.
 *
 *		all rows ─► failed? ─► in halves ─► … ─► single rows: dead letters, or the view stops
 *
 * Each attempt is a subtransaction.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/view.h"
#include "common/clock.h"
#include "common/compat.h"
#include "common/fault.h"
#include "common/guc.h"
#include "common/watch.h"
#include "exec/cursor.h"
#include "exec/dead_letter.h"
#include "exec/error_rate.h"
#include "exec/late.h"
#include "exec/limit.h"
#include "exec/lock.h"
#include "exec/node_count.h"
#include "exec/output.h"
#include "exec/retry.h"
#include "exec/told.h"
#include "exec/view_count.h"
#include "exec/view_lock.h"
#include "exec/view_run.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "sink/error_topic.h"
#include "stats/budget.h"
#include "stats/meter.h"
#include "stats/stats.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define TIMEOUT_DIVISOR		100		/* so many times fewer rows after what took too long */
#define FAILING_US			100000	/* while this long, or with fewer bad rows, others wait */
#define MANY_BAD_ROWS		32
#define FAILING_AT_MOST_US	2000000
#define QUICK_US			50000

/* A row that fails by itself, and nothing says yet that others do not. */
typedef struct DoubtfulRow
{
	int			row;
	ErrorData  *error;
} DoubtfulRow;

/* One view's way through one batch. */
typedef struct ViewRun
{
	CqLane	   *lane;
	CqBatch    *batch;
	const List *told;			/* in place of them: what other views have told */
	CqViewExec *exec;
	MemoryContext context;		/* of one attempt, since there may be thousands */
	Bitmapset  *skip;			/* rows it leaves out: they could not be decoded, or are late */
	Bitmapset  *late;
	int64		nlate;
	CqMergeCounts counts;
	int64		nbad;
	int64		npassed;		/* rows that did not fail */
	List	   *doubtful;		/* of DoubtfulRow *: they, or the server, are at fault */
	TimestampTz failing_since;	/* 0: nothing has failed */
	bool		may_leave;		/* what fails now may do so by itself */
	bool		is_failing;		/* and does so, until what has failed passes */
	bool		goes_on_alone;	/* from stop on */
	int			stop;			/* the first row it has not seen, nrows if none */
	char	   *stop_reason;
	CqMeter		used_before;
} ViewRun;

/* So many rows that fail, of a view that has never had another, say that none will pass. */
#define HOPELESS_ROWS 1000

/* It is no row's fault, and the whole batch is better done again. */
pg_noreturn static void
raise_as_passing(ViewRun *run, ErrorData *error)
{
	if (!cq_watch_yields())
	{
		run->exec->nfailures++;
		cq_stats_view_error(run->exec->view, cq_fault_text(error));
	}
	ReThrowError(error);
}

/*
 * Does it take more time, memory or temporary files than there are for the view's part? Another
 * attempt at the same rows would as well.
 */
static bool
is_too_much(const ErrorData *error)
{
	return cq_watch_exceeded() || error->sqlerrcode == ERRCODE_CONFIGURATION_LIMIT_EXCEEDED;
}

/* It will pass, or so the error says. */
static bool
passes(const ErrorData *error)
{
	return cq_fault_of(error) == CQ_FAULT_OF_SERVER && !is_too_much(error);
}

/* What a function says of the server does not concern the other views. */
static bool
is_own_affair(const ViewRun *run, const ErrorData *error)
{
	return run->may_leave && cq_fault_is_of_function(error) &&
		list_length(run->lane->views) > 1;
}

/*
 * Runs rows [first, end) in a subtransaction. NULL, or the error after which nothing of it is left.
 */
static ErrorData *
attempt(ViewRun *run, int first, int end)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	CqMergeCounts before = run->counts;
	ErrorData  *volatile error = NULL;
	CqFaultWatch watch;

	BeginInternalSubTransaction(NULL);
	/*
	 * Where the server has no more of these, it is to say so here, and not within a function that
	 * might catch it.
	 */
	(void) GetCurrentTransactionId();
	MemoryContextSwitchTo(run->context);
	PG_TRY();
	{
		cq_fault_watch(&watch);
		cq_watch_begin_part(run->exec->view);
		cq_batch_begin_part();
		if (run->told != NIL)
			cq_view_exec_run_told(run->exec, run->told, &run->counts);
		else
			cq_view_exec_run(run->exec, run->batch, first, end, run->skip, &run->counts);
		cq_batch_end_part();
		cq_watch_require_within();
		cq_watch_end_part();
		cq_fault_unwatch(&watch);
		cq_told_keep(run->exec);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		cq_watch_end_part();
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		cq_fault_note_raiser(error);
		FlushErrorState();
		cq_batch_abandon_part();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
		run->counts = before;
		if (cq_watch_yields() || (passes(error) && !is_own_affair(run, error)))
			raise_as_passing(run, error);
	}
	PG_END_TRY();
	MemoryContextReset(run->context);
	if (error == NULL)
		run->npassed += end - first;
	return error;
}

static void
stop_before(ViewRun *run, int row, const char *reason)
{
	run->stop = row;
	run->stop_reason = pstrdup(reason);
}

static bool
has_rows(Oid table)
{
	Relation	relation = table_open(table, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	TableScanDesc scan = table_beginscan(relation, GetLatestSnapshot(), 0, NULL);
	bool		found = table_scan_getnextslot(scan, ForwardScanDirection, slot);

	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(relation, NoLock);
	return found;
}

/*
 * One more row has failed. Has each that the view was ever given, and were there enough to say that
 * all will? Not where it has dead letters of before: it has been resumed since.
 */
static bool
is_hopeless(const ViewRun *run)
{
	CqViewExec *exec = run->exec;

	if (run->npassed > 0)
		exec->is_hopeful = true;
	if (exec->is_hopeful || ++exec->nhopeless < HOPELESS_ROWS)
		return false;
	exec->is_hopeful = true;	/* it is said once */
	return cq_dead_letter_count(exec->view) <= exec->nhopeless && !has_rows(exec->row->state);
}

static void
send_to_error_topic(const ViewRun *run, int row, const CqReject *reject, const char *column)
{
	const CqMessage *message = &run->batch->fetch.messages[row];
	const CqSlice *slice = &run->batch->fetch.slices[message->slice];
	CqFailedMessage failed = {
		.stream = cq_reader_stream(run->lane->reader), .view = run->exec->view,
		.message = message, .topic = slice->topic, .partition = slice->partition,
		.reject = reject, .column = column
	};

	if (failed.stream->error_topic == NULL)
		return;
	failed.has_headers = cq_batch_headers(run->batch, row, &failed.headers);
	cq_error_topic_add(&failed);
}

/* column, or NULL: the one that is bad. */
static void
reject_row(ViewRun *run, int row, const CqReject *reject, const char *column)
{
	const CqMessage *source = &run->batch->fetch.messages[row];
	const CqSlice *slice = &run->batch->fetch.slices[source->slice];

	if (run->lane->letters != NULL)
	{
		cq_retry_reject(run->lane, row, reject, column);
		return;
	}
	if (run->exec->row->pause_on_error)
	{
		stop_before(run, row, psprintf("topic \"%s\" partition %d offset " INT64_FORMAT ": %s",
									   slice->topic, slice->partition, source->offset,
									   reject->message));
		return;
	}
	cq_dead_letter_add(run->exec->view, run->lane->stream, run->batch, row, run->nbad, reject,
					   column);
	send_to_error_topic(run, row, reject, column);
	run->nbad++;
}

static void
reject_failed(ViewRun *run, int row, const ErrorData *error)
{
	CqReject	reject = {
		.sqlerrcode = error->sqlerrcode, .message = error->message,
		.constraint = error->constraint_name
	};

	reject_row(run, row, &reject, NULL);
}

/* The second time in a row that the view meets just this? */
static bool
was_doubted_before(ViewRun *run, int row)
{
	const CqMessage *source = &run->batch->fetch.messages[row];
	const CqSlice *slice = &run->batch->fetch.slices[source->slice];
	bool		result = run->exec->doubted_partition == slice->partition &&
		run->exec->doubted_offset == source->offset;

	run->exec->doubted_partition = slice->partition;
	run->exec->doubted_offset = source->offset;
	return result;
}

/*
 * Whose fault it is, the row's or the server's, shows when others pass; but it has to fail twice.
 */
static void
doubt_row(ViewRun *run, int row)
{
	ErrorData  *error = attempt(run, row, row + 1);
	DoubtfulRow *doubtful;

	if (error == NULL)
		return;
	doubtful = palloc(sizeof(DoubtfulRow));
	*doubtful = (DoubtfulRow) {row, error};
	run->doubtful = lappend(run->doubtful, doubtful);
	/* It must not go on behind a row at which it may have to stop. */
	if (run->exec->row->pause_on_error)
	{
		if (!was_doubted_before(run, row))
			raise_as_passing(run, error);
		reject_failed(run, row, error);
	}
}

/*
 * A row of which it is said that it fails: where the rows that nodes have kept of its keys fail
 * without it, because a function or a table says otherwise now, the view stops, and the row waits.
 */
static bool
is_fault_of_kept(ViewRun *run, int row)
{
	ErrorData  *volatile error = NULL;

	if (cq_tree_run_length(run->exec->tree) == 0)
		return false;
	run->exec->checks_kept = true;
	PG_TRY();
	{
		error = attempt(run, row, row + 1);
	}
	PG_FINALLY();
	{
		run->exec->checks_kept = false;
	}
	PG_END_TRY();
	if (error == NULL)
		return true;			/* now it has passed */
	if (cq_fault_of(error) != CQ_FAULT_OF_VIEW)
		return false;
	stop_before(run, row, error->message);
	return true;
}

static void
take_bad_row(ViewRun *run, int row, const ErrorData *error)
{
	if (is_fault_of_kept(run, row))
		return;
	if (cq_fault_of(error) == CQ_FAULT_UNCERTAIN)
	{
		doubt_row(run, row);
		return;
	}
	reject_failed(run, row, error);
	if (run->stop_reason == NULL && is_hopeless(run))
		stop_before(run, row + 1, psprintf("each of the first " INT64_FORMAT " rows has failed: %s",
										   run->exec->nhopeless, error->message));
}

/* The view goes on from this row by itself. */
static void
go_on_alone(ViewRun *run, int row, const char *reason)
{
	run->stop = row;
	run->goes_on_alone = true;
	cq_stats_view_error(run->exec->view, reason);
}

/* The same, with so many rows in a batch. */
static void
go_on_slowly(ViewRun *run, int row, int row_limit, const char *reason)
{
	run->exec->row_limit = Max(row_limit, 1);
	go_on_alone(run, row, reason);
}

static const char *
excess_of(const ErrorData *error)
{
	return cq_watch_exceeded() ? cq_watch_excess() : "more temporary files than temp_file_limit";
}

/* Rows [first, end) take too much: fewer next time, until it is one, twice. */
static void
take_excess(ViewRun *run, int first, int end, const char *excess)
{
	const CqMessage *source = &run->batch->fetch.messages[first];
	const CqSlice *slice = &run->batch->fetch.slices[source->slice];
	char	   *reason = psprintf("topic \"%s\" partition %d offset " INT64_FORMAT ": %d rows "
								  "take %s", slice->topic, slice->partition, source->offset,
								  end - first, excess);

	run->exec->ntimeouts++;
	if (end - first > 1 || run->exec->ntimeouts < 2)
		go_on_slowly(run, first, (end - first) / TIMEOUT_DIVISOR, reason);
	else
		stop_before(run, first, reason);
}

/*
 * Finding bad rows takes its time, and subtransactions: where there are many, the others of the
 * lane are not to wait for that.
 */
static bool
has_failed_for_long(const ViewRun *run)
{
	int64		took = cq_clock_real_monotonic() - run->failing_since;

	/* One of which no row has ever passed stops soon. And nobody waits for what is done again. */
	if (run->failing_since == 0 || run->lane->letters != NULL ||
		!(run->exec->is_hopeful || run->npassed > 0))
		return false;
	return (took > FAILING_US && run->nbad + list_length(run->doubtful) >= MANY_BAD_ROWS) ||
		took > FAILING_AT_MOST_US;
}

/* Rows [first, end), in order, until the view stops: run->stop is then before end. */
static void
run_range(ViewRun *run, int first, int end)
{
	ErrorData  *error;

	CHECK_FOR_INTERRUPTS();
	if (first > 0 && has_failed_for_long(run))
	{
		go_on_slowly(run, first, first, "many of its rows fail");
		return;
	}
	run->may_leave = true;
	error = attempt(run, first, end);
	run->may_leave = false;
	if (error == NULL)
		return;
	if (run->failing_since == 0)
		run->failing_since = cq_clock_real_monotonic();
	if (is_too_much(error))
		take_excess(run, first, end, excess_of(error));
	else if (passes(error))
	{
		run->is_failing = true;
		go_on_alone(run, first, cq_fault_text(error));
	}
	else if (cq_fault_of(error) == CQ_FAULT_OF_VIEW)
		stop_before(run, first, error->message);
	else if (end - first == 1)
		take_bad_row(run, first, error);
	else
	{
		int			middle = first + (end - first) / 2;

		run_range(run, first, middle);
		if (run->stop_reason == NULL && !run->goes_on_alone)
			run_range(run, middle, end);
	}
	FreeErrorData(error);
}

/*
 * Rows of which it was open whether they or the server are at fault. The server's state may have
 * changed while the others passed: it is the row's only if it still fails, and if all was the same
 * when the batch was done before.
 */
static void
reject_doubtful(ViewRun *run)
{
	ListCell   *cell;

	if (run->doubtful == NIL || run->exec->row->pause_on_error)
		return;
	foreach(cell, run->doubtful)
	{
		DoubtfulRow *doubtful = lfirst(cell);

		if ((foreach_current_index(cell) == 0 && !was_doubted_before(run, doubtful->row)) ||
			run->npassed == 0 || attempt(run, doubtful->row, doubtful->row + 1) == NULL)
			raise_as_passing(run, doubtful->error);
		reject_failed(run, doubtful->row, doubtful->error);
	}
}

static bool
is_undecoded(const ViewRun *run, const CqBadCell *cell)
{
	return cell->attno == 0 || bms_is_member(cell->attno, run->exec->needed);
}

/* Rows that could not be decoded in a column that the view needs are left out. */
static void
skip_undecoded(ViewRun *run)
{
	const CqBadCells *bad = &run->batch->bad;

	for (int i = 0; i < bad->ncells; i++)
	{
		if (is_undecoded(run, &bad->cells[i]))
			run->skip = bms_add_member(run->skip, bad->cells[i].row);
	}
}

/* They are dead letters, as far as the view has come; or it stops before the first of them. */
static void
reject_undecoded(ViewRun *run)
{
	const CqBadCells *bad = &run->batch->bad;
	int			last = -1;

	for (int i = 0; i < bad->ncells && bad->cells[i].row < run->stop; i++)
	{
		const CqBadCell *cell = &bad->cells[i];

		if (cell->row == last || !is_undecoded(run, cell))
			continue;
		reject_row(run, cell->row, cell->reject,
				   cell->attno > 0 ? cq_decode_column_name(run->batch, cell->attno) : NULL);
		last = cell->row;
	}
}

/*
 * Counting them takes time: only after the first, and then where there may be a tenth more than are
 * kept.
 */
static void
trim_dead_letters(ViewRun *run)
{
	if (run->nbad == 0)
		return;
	if (run->exec->nerrors == 0 || run->exec->nerrors + run->nbad > cq_max_errors / 10)
	{
		cq_dead_letter_trim(run->exec->view);
		run->exec->nerrors = 1;
	}
	else
		run->exec->nerrors += run->nbad;
}

static void
report(const ViewRun *run, instr_time start)
{
	CqBatchStats stats = {
		.rows = run->stop,
		.bad_rows = run->nbad,
		.late_rows = run->nlate,
		.groups_inserted = run->counts.inserted,
		.groups_updated = run->counts.updated,
	};
	CqMeter		own = cq_meter_since(&run->used_before);
	instr_time	duration;

	for (int i = 0; run->batch != NULL && i < run->batch->fetch.nslices; i++)
		stats.bytes += run->batch->fetch.slices[i].nbytes;
	INSTR_TIME_SET_CURRENT(duration);
	INSTR_TIME_SUBTRACT(duration, start);
	stats.duration_us = INSTR_TIME_GET_MICROSEC(duration);
	stats.cpu_ns = own.cpu_ns;
	stats.wal_bytes = own.wal_bytes;
	cq_view_count_note(run->exec, &stats, run->stop_reason != NULL);
}

static void
fail(Oid view, const char *reason)
{
	cq_view_set_status(view, "failed", reason);
	cq_stats_view_error(view, reason);
	ereport(WARNING,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("continuous view \"%s\" has stopped", get_rel_name(view)),
			 errdetail("%s", reason),
			 errhint("Mend the cause and call cq.resume, or set on_error to skip.")));
}

void
cq_view_run_stop(const CqLane *lane, const CqBatch *batch, Oid view, int row, const char *reason)
{
	cq_cursor_leave(lane, view, &batch->fetch, row);
	fail(view, reason);
}

/* The view goes no further for now, and the others do. */
static bool
leave_if_blocked(CqLane *lane, const CqBatch *batch, const CqViewExec *exec)
{
	const char *reason = cq_limit_reached(exec->row);

	if (reason == NULL)
		return false;
	cq_cursor_leave(lane, exec->view, &batch->fetch, 0);
	cq_view_set_status(exec->view, "blocked", reason);
	return true;
}

static void
leave(const CqLane *lane, const CqBatch *batch, Oid view, int row)
{
	ereport(LOG,
			(errmsg("continuous view \"%s\" goes on by itself", get_rel_name(view)),
			 errdetail("It would hold up the others.")));
	cq_cursor_leave(lane, view, &batch->fetch, row);
}

/* What has used up a budget goes on slowly (worker/turn.c), and the others as before. */
static bool
leave_if_slowed(CqLane *lane, const CqBatch *batch, const CqViewExec *exec)
{
	if (!cq_budget_slows(exec->view) || list_length(lane->views) == 1)
		return false;
	leave(lane, batch, exec->view, 0);
	return true;
}

/* It has not managed as many rows in its time. */
static bool
leave_if_too_much(CqLane *lane, const CqBatch *batch, const CqViewExec *exec)
{
	if (exec->row_limit == 0 || batch->nrows <= exec->row_limit || list_length(lane->views) == 1)
		return false;
	leave(lane, batch, exec->view, 0);
	return true;
}

/* Where it was quick, it may have more. */
static void
adapt_row_limit(CqViewExec *exec, int nrows, instr_time start)
{
	instr_time	duration;

	exec->ntimeouts = 0;
	INSTR_TIME_SET_CURRENT(duration);
	INSTR_TIME_SUBTRACT(duration, start);
	if (exec->row_limit > 0 && nrows >= exec->row_limit &&
		INSTR_TIME_GET_MICROSEC(duration) < QUICK_US)
		exec->row_limit = exec->row_limit <= cq_batch_rows / 2 ? exec->row_limit * 2 : 0;
}

/*
 * For views that only one worker at a time may maintain. A deadlock or a cancellation while it
 * waits counts as the view's failure.
 */
static void
lock_exclusively(CqViewExec *exec)
{
	exec->nfailures++;
	cq_view_lock_exclusive(exec->row->state);
	exec->nfailures--;
}

bool
cq_view_run(CqLane *lane, CqBatch *batch, CqViewExec *exec)
{
	ViewRun		run = {.lane = lane, .batch = batch, .exec = exec, .stop = batch->nrows};
	int			end = batch->nrows;
	instr_time	start;

	INSTR_TIME_SET_CURRENT(start);
	cq_meter_read(&run.used_before);
	if (leave_if_blocked(lane, batch, exec) || leave_if_slowed(lane, batch, exec) ||
		leave_if_too_much(lane, batch, exec))
		return false;
	run.context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq run", ALLOCSET_DEFAULT_SIZES);
	cq_node_count_begin(exec);
	skip_undecoded(&run);
	if (exec->row->pause_on_error && run.skip != NULL)
		end = bms_next_member(run.skip, -1);
	run.late = cq_late_find(exec, lane, batch, run.skip);
	run.skip = bms_add_members(run.skip, run.late);
	if (exec->is_exclusive)
		lock_exclusively(exec);
	if (end > 0)
		run_range(&run, 0, end);
	reject_doubtful(&run);
	reject_undecoded(&run);
	run.nlate = cq_late_take(exec, lane, batch, run.late, run.stop);
	trim_dead_letters(&run);
	if (run.stop_reason == NULL)
		run.stop_reason = cq_error_rate_judge(exec, run.stop, run.nbad);
	report(&run, start);
	exec->ndoubtful += run.counts.doubtful;
	exec->nfailures = run.is_failing ? Max(exec->nfailures, CQ_FAILURES_TOGETHER) : 0;
	if (run.stop_reason == NULL && !run.goes_on_alone)
	{
		adapt_row_limit(exec, batch->nrows, start);
		return true;
	}
	if (lane->letters != NULL)
		cq_retry_raise(exec->view, run.stop_reason);
	if (run.stop_reason == NULL)
	{
		leave(lane, batch, exec->view, run.stop);
		return false;
	}
	cq_view_run_stop(lane, batch, exec->view, run.stop, run.stop_reason);
	return false;
}

/* ---- what other views have told ---- */

/* To plan it runs functions of constants. Did it take too much, as it did the last time? */
static bool
takes_too_much_again(Oid view)
{
	CqViewExec *exec = cq_view_exec_find(view);

	return exec != NULL && cq_watch_exceeded() && !cq_watch_yields() && exec->ntimeouts++ > 0;
}

CqViewExec *
cq_view_run_get(Oid view, Oid stream, bool waits, const char **reason)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	CqViewExec *volatile exec = NULL;

	*reason = NULL;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		cq_watch_begin_part(view);
		cq_batch_begin_part();
		exec = cq_view_exec_get(view, stream);
		cq_batch_end_part();
		cq_watch_end_part();
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		cq_watch_end_part();
		cq_batch_abandon_part();
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
		*reason = takes_too_much_again(view) ?
			psprintf("to plan it takes %s", cq_watch_excess()) : NULL;
		if (!waits && cq_lock_is_wanted() && !cq_watch_yields())
			cq_lock_forget();
		else if (cq_fault_passes(error) && *reason == NULL)
		{
			if (!cq_watch_yields())
			{
				(*cq_view_exec_failures(view))++;
				cq_stats_view_error(view, cq_fault_text(error));
			}
			ReThrowError(error);
		}
		else if (*reason == NULL)
			*reason = error->message;
	}
	PG_END_TRY();
	return exec;
}

bool
cq_view_run_told(CqViewExec *exec, const List *told)
{
	ViewRun		run = {.exec = exec, .told = told, .stop = 0};
	instr_time	start;
	ErrorData  *error;

	INSTR_TIME_SET_CURRENT(start);
	cq_meter_read(&run.used_before);
	run.context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq run", ALLOCSET_DEFAULT_SIZES);
	cq_node_count_begin(exec);
	error = attempt(&run, 0, 0);
	MemoryContextDelete(run.context);
	if (error == NULL)
	{
		report(&run, start);
		exec->nfailures = 0;
		return true;
	}
	if (cq_watch_exceeded())
		cq_stats_view_error(exec->view, psprintf("it takes %s", cq_watch_excess()));
	else
		fail(exec->view, error->message);
	return false;
}
