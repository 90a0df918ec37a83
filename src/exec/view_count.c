/*
 * view_count.c
 *		What is counted of views: see view_count.h.
 *
 * What a batch costs besides the work of its views, to fetch, decode and commit it, is for all of
 * them. So is what was done in vain before, for a batch that was rolled back.
 */
#include "postgres.h"

#include "exec/error_rate.h"
#include "exec/view_count.h"
#include "stats/meter.h"
#include "stats/node_stats.h"
#include "stats/usage.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

typedef struct Count
{
	Oid			view;
	CqBatchStats stats;
	bool		has_stopped;
	int			nnodes;
	CqNodeCounts nodes[FLEXIBLE_ARRAY_MEMBER];
} Count;

static List *counts = NIL;		/* of Count *, in TopMemoryContext */

/* Has the view been counted before in this transaction? It may be there by several ways. */
static bool
is_noted(Oid view)
{
	ListCell   *cell;

	foreach(cell, counts)
	{
		if (((const Count *) lfirst(cell))->view == view)
			return true;
	}
	return false;
}

void
cq_view_count_note(const CqViewExec *exec, const CqBatchStats *stats, bool has_stopped)
{
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
	Size		size = sizeof(CqNodeCounts) * exec->ncounted;
	Count	   *count = palloc(offsetof(Count, nodes) + size);

	count->view = exec->view;
	count->stats = *stats;
	count->has_stopped = has_stopped;
	count->stats.commits = is_noted(exec->view) ? 0 : 1;
	count->nnodes = exec->ncounted;
	memcpy(count->nodes, exec->counted, size);
	counts = lappend(counts, count);
	MemoryContextSwitchTo(caller);
}

/* Of all messages of the batch, how long ago they were produced. */
static void
measure_age(const CqBatch *batch, CqHistogram *histogram)
{
	TimestampTz now = GetCurrentTimestamp();

	memset(histogram, 0, sizeof(CqHistogram));
	for (int i = 0; i < batch->nrows; i++)
	{
		TimestampTz produced = batch->fetch.messages[i].timestamp;

		if (!TIMESTAMP_IS_NOBEGIN(produced))
			histogram->counts[cq_histogram_step(now - produced)]++;
	}
}

/* What was not used by one of them alone, for each. */
static CqMeter
share(CqMeter used)
{
	int			nviews = 0;
	ListCell   *cell;

	foreach(cell, counts)
	{
		const Count *count = lfirst(cell);

		used.cpu_ns -= count->stats.cpu_ns;
		used.wal_bytes -= count->stats.wal_bytes;
		nviews += count->stats.commits;
	}
	return (CqMeter) {Max(used.cpu_ns, 0) / nviews, Max(used.wal_bytes, 0) / nviews};
}

static void
note_usage(const Count *count)
{
	CqUsage		usage = {
		.cpu_ns = count->stats.cpu_ns,
		.rows = count->stats.rows,
		.bytes_in = count->stats.bytes,
		.wal_bytes = count->stats.wal_bytes,
	};

	cq_usage_add(count->view, &usage);
}

void
cq_view_count_commit(const CqBatch *batch)
{
	CqHistogram visible;
	CqMeter		shared;
	ListCell   *cell;

	if (counts == NIL)
		return;
	if (batch != NULL)
		measure_age(batch, &visible);
	shared = share(cq_meter_take());
	foreach(cell, counts)
	{
		Count	   *count = lfirst(cell);
		bool		is_first = count->stats.commits > 0;

		if (is_first)
		{
			count->stats.cpu_ns += shared.cpu_ns;
			count->stats.wal_bytes += shared.wal_bytes;
		}
		cq_error_rate_note(count->view, count->stats.rows, count->stats.bad_rows,
						   count->has_stopped);
		cq_stats_view_batch(count->view, &count->stats, batch != NULL && is_first ? &visible : NULL);
		cq_node_stats_add(count->view, count->nodes, count->nnodes);
		note_usage(count);
	}
	cq_view_count_forget();
}

void
cq_view_count_forget(void)
{
	list_free_deep(counts);
	counts = NIL;
}
