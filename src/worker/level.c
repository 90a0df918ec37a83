/*
 * level.c
 *		Continuous views that read others by their names and have stayed behind: they are brought
 *		level.
 *
 * They are new, were paused, have been locked, or what they read has begun again. One worker looks
 * after them, each in a transaction of its own, when something has changed, and each second.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/identity.h"
#include "catalog/maintained.h"
#include "common/clock.h"
#include "common/fault.h"
#include "common/watch.h"
#include "exec/graph.h"
#include "exec/lock.h"
#include "exec/table_turn.h"
#include "exec/view_count.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "worker/ingest.h"

#define LOOK_MS	1000

static void
begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
commit(void)
{
	if (ActiveSnapshotSet())
		PopActiveSnapshot();
	CommitTransactionCommand();
}

static List *
find_behind(MemoryContext context)
{
	List	   *views = NIL;

	begin();
	if (cq_identity_matches())
	{
		List	   *found = cq_graph_find_behind();

		MemoryContextSwitchTo(context);
		views = list_copy(found);
	}
	commit();
	MemoryContextSwitchTo(context);
	return views;
}

/* Does something in a transaction. False where it says so, or fails for what passes. */
static bool
attempt(bool (*what) (void *context), void *context)
{
	MemoryContext caller = CurrentMemoryContext;
	bool volatile is_done = false;

	PG_TRY();
	{
		begin();
		is_done = what(context);
		cq_watch_end();
		commit();
		cq_view_count_commit(NULL);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		cq_watch_end();
		cq_view_count_forget();
		if (!cq_fault_passes(error) || ProcDiePending)
			PG_RE_THROW();
		if (!cq_lock_is_wanted())
			EmitErrorReport();
		cq_lock_forget();
		FlushErrorState();
		AbortCurrentTransaction();
		FreeErrorData(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	return is_done;
}

/* True where it is level, or was not to be brought there. */
static bool
level(void *view)
{
	return cq_graph_level(*(Oid *) view);
}

/* ---- tables whose changes count ---- */

/* Those that there are: of CqMaintained *, in TopMemoryContext. */
static List *tables = NIL;

static void
load_tables(void)
{
	MemoryContext caller = CurrentMemoryContext;

	list_free_deep(tables);
	tables = NIL;
	begin();
	if (cq_identity_matches())
	{
		MemoryContextSwitchTo(TopMemoryContext);
		tables = cq_maintained_list();
	}
	commit();
	MemoryContextSwitchTo(caller);
}

/* Those in whose logs there is something. */
static List *
find_due(MemoryContext context)
{
	List	   *due = NIL;
	ListCell   *cell;

	begin();
	foreach(cell, tables)
	{
		const CqMaintained *row = lfirst(cell);

		if (cq_table_turn_is_due(row->table, row->stream))
		{
			MemoryContextSwitchTo(context);
			due = lappend(due, lfirst(cell));
		}
	}
	commit();
	MemoryContextSwitchTo(context);
	return due;
}

static bool
take_turn(void *row)
{
	return cq_table_turn_run(((const CqMaintained *) row)->table,
							 ((const CqMaintained *) row)->stream);
}

/* A batch of each, as lanes have: so that none of them, and no stream, waits for long. */
static bool
run_tables(bool has_changed)
{
	bool		had_something = false;
	ListCell   *cell;

	if (has_changed)
		load_tables();
	if (tables == NIL)
		return false;
	foreach(cell, find_due(CurrentMemoryContext))
	{
		CHECK_FOR_INTERRUPTS();
		had_something |= attempt(take_turn, lfirst(cell));
	}
	return had_something;
}

static void
run_views(bool has_changed)
{
	static TimestampTz next_look = 0;
	TimestampTz now = cq_clock_real_monotonic();
	List	   *tried = NIL;

	if (!has_changed && now < next_look)
		return;
	next_look = TimestampTzPlusMilliseconds(now, LOOK_MS);
	for (;;)
	{
		List	   *views = list_difference_oid(find_behind(CurrentMemoryContext), tried);
		ListCell   *cell;

		if (views == NIL)
			return;
		foreach(cell, views)
		{
			CHECK_FOR_INTERRUPTS();
			if (!attempt(level, &lfirst_oid(cell)))
				next_look = 0;
		}
		tried = list_concat(tried, views);
	}
}

bool
cq_level_run(CqIngest *ingest, bool has_changed)
{
	bool		had_something;

	if (ingest->worker != 0)
		return false;
	had_something = run_tables(has_changed);
	run_views(has_changed);
	return had_something;
}
