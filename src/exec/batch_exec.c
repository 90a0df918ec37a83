/*
 * batch_exec.c
 *		One batch, one transaction: cq_batch_exec_lane.
 *
 *		fetch  ─►  begin  ─►  move cursors  ─►  decode  ─►  each view in a subtransaction  ─►  commit
 *
 * What a crash leaves: before the commit nothing of the batch, and the cursors where they stood, so
 * that it is fetched again; after it everything. Nothing outside of the database moves, so there is
 * nothing to agree on.
 *
 * When a view fails on a batch, its part is rolled back and done again in halves, until the rows
 * are found that it fails on. Those are dead letters, or, if the view says so, it stops just before
 * the first of them: it leaves the lane with cursors of its own. Either way the other views do not
 * notice.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/view.h"
#include "common/clock.h"
#include "common/fault.h"
#include "common/guc.h"
#include "common/watch.h"
#include "exec/apart.h"
#include "exec/chain.h"
#include "exec/cursor.h"
#include "exec/decoding.h"
#include "exec/event_time.h"
#include "exec/exec.h"
#include "exec/graph.h"
#include "exec/lock.h"
#include "exec/output.h"
#include "exec/pace.h"
#include "exec/view_count.h"
#include "exec/view_exec.h"
#include "exec/view_plan.h"
#include "exec/view_run.h"
#include "miscadmin.h"
#include "sink/error_topic.h"
#include "stats/stats.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* How large the columns of a batch may be, as a multiple of cq.batch_size. */
#define COLUMNS_TO_PAYLOAD 4

/* After a batch that took longer, the lag would be that of another time. */
#define LONG_BATCH_US 100000

/* So many batches may be one within the other in a transaction. */
#define MAX_CHAIN 20

/* The stream of a batch that is being applied, and that of the one which feeds it. */
typedef struct Link
{
	Oid			stream;
	struct Link *from;
	int			length;
} Link;

static Link *chain = NULL;

/*
 * A view whose query no longer works (a column dropped, say) must not take the others down: it
 * stops where it is.
 */
static CqViewExec *
get_view(CqLane *lane, Oid view, const CqFetch *fetch, bool *left)
{
	const char *reason;
	CqViewExec *exec = cq_view_run_get(view, lane->stream, true, &reason);

	if (reason == NULL)
		return exec;
	cq_cursor_leave(lane, view, fetch, 0);
	cq_view_set_status(view, "failed", reason);
	cq_stats_view_error(view, reason);
	*left = true;
	return NULL;
}

/*
 * Whoever changes a view holds a lock on it that keeps batches away: DROP, CREATE OR REPLACE,
 * ALTER, cq.pause and the like. The batch does without those views; false where that leaves none.
 */
static bool
lock_views(const CqLane *lane, List **locked_by_others)
{
	ListCell   *cell;

	foreach(cell, lane->views)
	{
		if (!ConditionalLockRelationOid(lfirst_oid(cell), RowExclusiveLock))
			*locked_by_others = lappend_oid(*locked_by_others, lfirst_oid(cell));
	}
	return list_length(*locked_by_others) < list_length(lane->views);
}

/* The batch goes on without it: it stands before the batch, with cursors of its own. */
static bool
leave_if_locked(CqLane *lane, Oid view, const CqFetch *fetch, const List *locked_by_others)
{
	if (!list_member_oid(locked_by_others, view))
		return false;
	cq_cursor_leave(lane, view, fetch, 0);
	return true;
}

/*
 * What looks as if it would pass, and does not: somebody keeps a lock, or a function raises what it
 * should not. The others are not to wait for that; the view tries by itself, until it meets them
 * again.
 */
static bool
leave_if_in_the_way(CqLane *lane, Oid view, const CqFetch *fetch)
{
	int		   *failures = cq_view_exec_failures(view);

	if (*failures < CQ_FAILURES_TOGETHER || list_length(lane->views) == 1)
		return false;
	ereport(LOG,
			(errmsg("continuous view \"%s\" goes on by itself", get_rel_name(view)),
			 errdetail("It has made %d transactions in a row fail.", *failures)));
	/* It keeps them until it passes: this transaction may fail for the sake of another view. */
	cq_cursor_leave(lane, view, fetch, 0);
	return true;
}

/* What the lane's views have on their account. Each counts so often at most as it may fail here. */
static int
count_failures(const CqLane *lane, bool *one_leaves)
{
	int			count = 0;
	ListCell   *cell;

	*one_leaves = false;
	foreach(cell, lane->views)
	{
		int			failures = *cq_view_exec_failures(lfirst_oid(cell));

		count += Min(failures, CQ_FAILURES_TOGETHER);
		*one_leaves |= failures >= CQ_FAILURES_TOGETHER && list_length(lane->views) > 1;
	}
	return count;
}

/* So that the lag which becomes visible with a batch is that of the moment. */
static void
note_ends(CqLane *lane, const CqBatch *batch)
{
	if (GetCurrentTimestamp() - GetCurrentTransactionStartTimestamp() < LONG_BATCH_US)
		return;
	cq_reader_hear_ends(lane->reader);
	cq_cursor_note_ends(lane, &batch->fetch);
}

static bool
is_in_chain(Oid stream)
{
	for (const Link *link = chain; link != NULL; link = link->from)
	{
		if (link->stream == stream)
			return true;
	}
	return false;
}

/*
 * Does the view feed a stream of which this batch comes? That cannot be created; if it is there all
 * the same, it would go round for ever. It stops behind the batch.
 */
static bool
stop_in_circle(CqLane *lane, const CqBatch *batch, const CqViewExec *exec)
{
	static const char reason[] = "it reads what it writes, by itself or through other continuous "
								 "views";
	ListCell   *cell;

	foreach(cell, cq_output_add_streams(NIL, exec->row))
	{
		if (!is_in_chain(lfirst_oid(cell)))
			continue;
		cq_view_run_stop(lane, batch, exec->view, batch->nrows, reason);
		return true;
	}
	return false;
}

/*
 * Views that read what has been added to these streams. Where the chain is too long they catch up
 * by themselves.
 */
static bool
follow_chain(CqLane *lane, const List *fed,
			 CqBatchResult (*apply_next) (CqLane *lane, CqBatch *batch))
{
	ListCell   *cell;

	foreach(cell, chain->length < MAX_CHAIN ? fed : NIL)
	{
		if (!cq_chain_follow(lane, lfirst_oid(cell), apply_next))
			return false;
	}
	return true;
}

/* False where one of them has left the lane. */
static bool
run_views(CqLane *lane, CqBatch *batch, List *execs, CqGraph *graph, List **fed)
{
	bool		left = false;
	ListCell   *cell;

	foreach(cell, execs)
	{
		CqViewExec *exec = lfirst(cell);

		bool		stays = cq_view_run(lane, cq_decoding_of_view(lane, batch, exec), exec);
		bool		is_circle = stays && stop_in_circle(lane, batch, exec);

		left |= !stays || is_circle;
		if ((!stays || is_circle) && graph != NULL)
			cq_graph_leave_out(graph, exec->view);
		if (!is_circle)
			*fed = cq_output_add_streams(*fed, exec->row);
	}
	return !left;
}

/* All of a batch but begin and commit. */
static CqBatchResult
apply(CqLane *lane, CqBatch *batch)
{
	Link		link = {lane->stream, chain, chain != NULL ? chain->length + 1 : 1};
	bool		goes_on;
	List	   *locked_by_others = NIL;
	List	   *execs = NIL;
	List	   *exclusive = NIL;
	List	   *fed = NIL;
	int			nexclusive;
	bool		goes_apart = false;
	CqGraph    *graph;
	TimestampTz since;
	bool		left = false;
	ListCell   *cell;

	check_stack_depth();		/* chains */
	lane->event_times = NULL;
	/* Before we look who follows the cursors, and runs. */
	if (!lock_views(lane, &locked_by_others))
		return CQ_BATCH_AWAITS;
	if (!cq_cursor_advance(lane, &batch->fetch))
		return CQ_BATCH_RETRY;
	if (batch->nrows == 0)
		return CQ_BATCH_APPLIED;
	foreach(cell, lane->views)
	{
		bool		has_left =
			leave_if_locked(lane, lfirst_oid(cell), &batch->fetch, locked_by_others) ||
			leave_if_in_the_way(lane, lfirst_oid(cell), &batch->fetch);
		CqViewExec *exec = has_left ? NULL : get_view(lane, lfirst_oid(cell), &batch->fetch,
													  &has_left);

		if (has_left)
		{
			left = true;
			continue;
		}
		if (exec == NULL)
			/* it follows the cursors, and yet is not to be run: look again */
			return CQ_BATCH_RETRY;
		/* Those for which batches of other workers wait come last: the others are done by then. */
		if (exec->is_exclusive)
			exclusive = lappend(exclusive, exec);
		else
			execs = lappend(execs, exec);
		lane->closes_windows |= cq_view_plan_has_windows(exec->row);
		lane->fills_outbox |= OidIsValid(exec->row->outbox);
	}
	/* The views have been planned for the stream's columns of now. */
	if (!cq_reader_is_current(lane->reader))
		return CQ_BATCH_RETRY;
	if (execs != NIL)
	{
		nexclusive = list_length(exclusive);
		exclusive = cq_apart_leave(lane, &batch->fetch, exclusive);
		goes_apart = list_length(exclusive) < nexclusive;
	}
	graph = cq_graph_open(exclusive);
	cq_decoding_run(lane, batch, list_concat_copy(execs, exclusive));
	lane->event_times = cq_event_time_find(lane, batch);
	chain = &link;
	left |= !run_views(lane, batch, execs, NULL, &fed);
	since = cq_clock_real_monotonic();
	cq_graph_lock(graph);
	left |= !run_views(lane, batch, exclusive, graph, &fed);
	left |= !cq_graph_follow(graph);
	foreach(cell, cq_graph_followers(graph))
	{
		fed = cq_output_add_streams(fed, ((CqViewExec *) lfirst(cell))->row);
		lane->fills_outbox |= OidIsValid(((CqViewExec *) lfirst(cell))->row->outbox);
	}
	cq_graph_close(graph);
	goes_on = follow_chain(lane, fed, apply);
	cq_apart_note(exclusive, batch->nrows, since);
	chain = link.from;
	if (!goes_on)
		return CQ_BATCH_RETRY;
	if (lane->event_times != NULL)
		cq_cursor_note_event_times(lane, &batch->fetch, lane->event_times->highest);
	note_ends(lane, batch);
	if (left)
		return CQ_BATCH_LANES_CHANGED;
	return goes_apart ? CQ_BATCH_VIEWS_LEFT : CQ_BATCH_APPLIED;
}

static void
begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
}

static CqBatchResult
apply_and_commit(CqLane *lane, CqBatch *batch)
{
	CqBatchResult result;

	chain = NULL;				/* an error may have left one */
	cq_graph_begin_order();
	cq_error_topic_begin();
	result = apply(lane, batch);
	if (result != CQ_BATCH_RETRY && result != CQ_BATCH_AWAITS)
		lane->fills_outbox |= cq_error_topic_write();
	if (ActiveSnapshotSet())
		PopActiveSnapshot();
	cq_watch_end();
	if (result == CQ_BATCH_RETRY || result == CQ_BATCH_AWAITS)
	{
		AbortCurrentTransaction();
		cq_view_count_forget();
		return result == CQ_BATCH_AWAITS ? result : CQ_BATCH_LANES_CHANGED;
	}
	CommitTransactionCommand();
	cq_watch_forget_deaf();
	cq_view_count_commit(batch);
	cq_cursor_believe(lane, &batch->fetch);
	return result;
}

static void
measure(CqLane *lane, const CqFetch *fetch)
{
	lane->nbytes = 0;
	lane->lag = 0;
	for (int i = 0; i < fetch->nslices; i++)
	{
		const CqSlice *slice = &fetch->slices[i];

		lane->nbytes += slice->nbytes;
		lane->lag += Max(slice->end - slice->next, 0);
	}
}

/*
 * The largest batch: a message may be two bytes, and yet take its place in each column of a wide
 * stream.
 */
static int
max_rows(const CqLane *lane)
{
	Size		column_bytes = (Size) cq_batch_bytes * 1024 * COLUMNS_TO_PAYLOAD;
	Size		row_bytes = (sizeof(Datum) +
							 sizeof(bool)) * Max(cq_reader_stream(lane->reader)->ncolumns, 1);
	int			limit = (int) Min(Max(column_bytes / row_bytes, 1), (Size) cq_batch_rows);
	const CqViewExec *alone = list_length(lane->views) == 1 ?
		cq_view_exec_find(linitial_oid(lane->views)) : NULL;
	int			pace = cq_pace_limit(lane->stream);

	if (pace > 0)
		limit = Min(limit, pace);
	if (alone != NULL && alone->row_limit > 0)
		limit = Min(limit, alone->row_limit);
	return lane->max_rows > 0 ? Min(lane->max_rows, limit) : limit;
}

/*
 * After an error. Raises it again unless it passes by itself. Where it was one view's, and one will
 * do without the others the next time, these do not wait for that time.
 */
static CqBatchResult
roll_back(CqLane *lane, int failures_before)
{
	ErrorData  *error = CopyErrorData();
	bool		yields = cq_watch_yields();
	bool		one_leaves;
	bool		is_of_view = count_failures(lane, &one_leaves) > failures_before;

	cq_watch_end();
	cq_view_count_forget();
	if (!cq_fault_passes(error) || ProcDiePending)
		PG_RE_THROW();
	strlcpy(lane->trouble, cq_fault_public_text(error), sizeof(lane->trouble));
	if (!cq_lock_is_wanted() && !yields)
		EmitErrorReport();
	FlushErrorState();
	AbortCurrentTransaction();
	FreeErrorData(error);
	return yields || (is_of_view && one_leaves) ? CQ_BATCH_LANES_CHANGED : CQ_BATCH_RETRY;
}

/* Where the batch was rolled back for a lock: */
static CqBatchResult
await_lock(CqLane *lane, MemoryContext caller)
{
	CqBatchResult volatile result = CQ_BATCH_RETRY;

	PG_TRY();
	{
		if (cq_lock_await())
			result = CQ_BATCH_LANES_CHANGED;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		result = roll_back(lane, 0);
		/* The others go on at once, without the view that wants it. */
		if (list_length(lane->views) > 1)
			result = CQ_BATCH_LANES_CHANGED;
	}
	PG_END_TRY();
	return result;
}

CqBatchResult
cq_batch_exec_lane(CqLane *lane, int timeout_ms, int *nrows)
{
	MemoryContext caller = CurrentMemoryContext;
	bool		is_log = cq_reader_fetches_in_transaction(lane->reader);
	bool		in_transaction = is_log || lane->gives_way;
	CqBatchResult volatile result = CQ_BATCH_APPLIED;
	CqBatch    *batch;
	bool		is_cut;
	bool		one_leaves;
	int			failures;

	*nrows = 0;
	lane->trouble[0] = '\0';
	if (in_transaction)
	{
		begin();
		if (is_log ? !cq_cursor_refresh(lane) : !cq_apart_lock(lane))
		{
			PopActiveSnapshot();
			CommitTransactionCommand();
			return is_log ? CQ_BATCH_LANES_CHANGED : CQ_BATCH_GIVES_WAY;
		}
	}
	batch = cq_reader_fetch(lane->reader, max_rows(lane),
							(Size) cq_batch_bytes * 1024, lane->gives_way ? 0 : timeout_ms);
	if (batch == NULL)
	{
		if (in_transaction)
		{
			PopActiveSnapshot();
			CommitTransactionCommand();
		}
		return CQ_BATCH_APPLIED;
	}
	failures = count_failures(lane, &one_leaves);
	is_cut = cq_meet_cut(lane, batch);
	measure(lane, &batch->fetch);
	if (!in_transaction)
		begin();
	PG_TRY();
	{
		cq_watch_begin();
		result = apply_and_commit(lane, batch);
		*nrows = batch->nrows;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		result = roll_back(lane, failures);
	}
	PG_END_TRY();
	if (result == CQ_BATCH_RETRY)
		result = await_lock(lane, caller);
	MemoryContextSwitchTo(caller);
	cq_reader_release(lane->reader);
	if (is_cut && (result == CQ_BATCH_APPLIED || result == CQ_BATCH_VIEWS_LEFT))
		return CQ_BATCH_LANES_CHANGED;
	return result;
}
