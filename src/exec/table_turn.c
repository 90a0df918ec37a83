/*
 * table_turn.c
 *		Tables whose changes count: see table_turn.h.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/maintained.h"
#include "catalog/pg_type.h"
#include "common/columns.h"
#include "common/guc.h"
#include "exec/graph.h"
#include "exec/table_turn.h"
#include "exec/view_lock.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "source/log.h"
#include "storage/lmgr.h"
#include "stream/table_change.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* What a table shows is to be less than that. */
typedef struct Unseen
{
	Oid			stream;
	int64		from;			/* the offset */
} Unseen;

void
cq_table_turn_hold(Oid table)
{
	cq_view_lock_exclusive(table);
}

/*
 * Adds up to so many of the log's rows to a delta, or takes them from it. False: one says that
 * anything may have changed.
 */
static bool
add_changes(CqTableChanges *changes, CqDelta *delta, int32 sign, int64 max_rows)
{
	TupleTableSlot *row = MakeSingleTupleTableSlot(delta->columns, &TTSOpsVirtual);
	bool		is_known = true;
	int32		weight;

	for (int64 n = 0; n < max_rows; n++)
	{
		CHECK_FOR_INTERRUPTS();
		ExecClearTuple(row);
		if (!cq_table_change_next(changes, row->tts_values, row->tts_isnull, &weight))
			break;
		row->tts_isnull[delta->natts] = true;
		is_known &= weight != 0;
		cq_delta_add(delta, ExecStoreVirtualTuple(row), (int64) weight * sign);
	}
	ExecDropSingleTupleTableSlot(row);
	return is_known;
}

/* For the run under way, with its snapshot. */
static void
add_unseen(const CqToldView *told, CqDelta *delta)
{
	const Unseen *unseen = told->context;
	CqTableChanges changes;

	if (!cq_table_change_begin(&changes, told->view, unseen->stream, unseen->from, true))
		return;
	(void) add_changes(&changes, delta, -1, PG_INT64_MAX);
	cq_table_change_end(&changes);
}

static CqToldView *
told_as_of(Oid table, Oid stream, int64 offset)
{
	CqToldView *told = palloc0(sizeof(CqToldView));
	Unseen	   *unseen = palloc(sizeof(Unseen));

	unseen->stream = stream;
	unseen->from = offset;
	told->view = table;
	told->add_unseen = add_unseen;
	told->context = unseen;
	return told;
}

CqToldView *
cq_table_turn_whole(Oid table)
{
	return told_as_of(table, cq_maintained_stream(table), cq_maintained_version(table));
}

bool
cq_table_turn_is_due(Oid table, Oid stream)
{
	CqLogTable	log;

	/* So it has its log until the end of the transaction. */
	if (!ConditionalLockRelationOid(stream, AccessShareLock) ||
		!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(stream)))
		return false;
	return cq_log_table_find(stream, &log) &&
		cq_log_table_end(log.relid) > cq_maintained_version(table);
}

/* Neither is somebody altering, or dropping, it. */
static bool
lock_table(Oid table)
{
	return cq_view_lock_try(table) && ConditionalLockRelationOid(table, AccessShareLock) &&
		SearchSysCacheExists1(RELOID, ObjectIdGetDatum(table));
}

bool
cq_table_turn_run(Oid table, Oid stream)
{
	CqToldView *told;
	CqTableChanges changes;
	CqDelta    *delta;
	int64		begin;
	int64		end;

	if (!lock_table(table))
		return false;
	begin = cq_maintained_version(table);
	if (!cq_table_change_begin(&changes, table, stream, begin, false))
		return false;
	delta = cq_delta_make(cq_delta_columns(cq_columns_of_relation(table), false), false);
	told = told_as_of(table, stream, begin);
	if (add_changes(&changes, delta, 1, cq_batch_rows))
		told->changes = delta;
	end = changes.scan.position;
	cq_table_change_end(&changes);
	((Unseen *) told->context)->from = end;
	if (end > begin)
	{
		cq_graph_push_table(told, end);
		(void) cq_log_write_trim(stream, DT_NOEND, end, PG_INT64_MAX);
	}
	cq_delta_free(delta);
	return end > begin;
}

int64
cq_table_turn_goal(Oid table)
{
	CqLogTable	log;

	return cq_log_table_find(cq_maintained_stream(table), &log) ? cq_log_scan_stable_end(&log) : 0;
}
