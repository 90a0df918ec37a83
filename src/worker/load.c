/*
 * load.c
 *		A worker's lanes: loads them from the catalog and opens their readers, again whenever
 *		something has changed.
 *
 * Something has changed when _cq.view is invalidated (somebody called cq_wake_catalog_changed),
 * when a batch found it so, or when a stream, its server or a user mapping was altered. A reader
 * that stands where a lane begins is kept, unless options may have changed. A lane without a reader
 * is due to be loaded, always: only its own trouble puts that off. So a lane that cannot be read,
 * like a stream whose partitions cannot be looked up, is tried again after 1, 2, 4 … 30 s, while
 * others go on; that is logged when it begins and when the reason changes.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/identity.h"
#include "catalog/namespace.h"
#include "common/clock.h"
#include "common/name.h"
#include "stats/stats.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "worker/ingest.h"
#include "worker/map.h"

#define LONGEST_BACKOFF_MS	30000
#define RELOAD_MS			1000	/* after lanes could not be loaded */
#define LOCK_MS				100		/* after all views of a lane were locked, at first */
#define DRIFT_MS			100		/* who is held for max_drift looks again */
#define ANSWER_MS			50		/* to look at brokers that are asked; answers wake the process */

/* ---- noticing changes ---- */

static Oid	catalog;			/* _cq.view */

static bool
reads(const CqIngest *ingest, Oid relid)
{
	ListCell   *cell;

	foreach(cell, ingest->lanes)
	{
		if (((CqIngestLane *) lfirst(cell))->lane->stream == relid)
			return true;
	}
	return false;
}

static void
on_relation_change(Datum arg, Oid relid)
{
	CqIngest   *ingest = (CqIngest *) DatumGetPointer(arg);

	if (relid == catalog || relid == InvalidOid)
		ingest->lanes_are_stale = true;
	if (relid == InvalidOid || reads(ingest, relid))
		ingest->lanes_are_stale = ingest->readers_are_stale = true;
}

static void
on_server_change(Datum arg, int cache, uint32 hash)
{
	CqIngest   *ingest = (CqIngest *) DatumGetPointer(arg);

	ingest->lanes_are_stale = ingest->readers_are_stale = true;
}

void
cq_load_watch(CqIngest *ingest)
{
	Oid			schema;

	CacheRegisterRelcacheCallback(on_relation_change, PointerGetDatum(ingest));
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, on_server_change, PointerGetDatum(ingest));
	CacheRegisterSyscacheCallback(USERMAPPINGOID, on_server_change, PointerGetDatum(ingest));
	StartTransactionCommand();
	schema = get_namespace_oid("_cq", true);
	catalog = OidIsValid(schema) ? get_relname_relid("view", schema) : InvalidOid;
	CommitTransactionCommand();
}

/* ---- attempts ---- */

/*
 * Runs something that may fail by itself; its error, in caller's context, or NULL. No transaction
 * is open afterwards.
 */
static ErrorData *
attempt(void (*run) (CqIngest *ingest, void *arg), CqIngest *ingest, void *arg)
{
	MemoryContext caller = CurrentMemoryContext;
	ErrorData  *volatile error = NULL;

	PG_TRY();
	{
		run(ingest, arg);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	return error;
}

/* For messages; in the caller's context. NULL where there is no such stream any more. */
static char *
name_of(Oid stream)
{
	MemoryContext caller = CurrentMemoryContext;
	char	   *name;

	StartTransactionCommand();
	name = get_rel_name(stream);
	if (name != NULL)
		name = MemoryContextStrdup(caller,
								   cq_name_qualified(stream));
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller);
	return name;
}

/* ---- tasks ---- */

static CqTask *
find_task(const List *tasks, Oid stream)
{
	ListCell   *cell;

	foreach(cell, tasks)
	{
		CqTask	   *task = lfirst(cell);

		if (task->stream == stream)
			return task;
	}
	return NULL;
}

/* One that is due now. */
static CqTask *
make_task(Oid stream)
{
	CqTask	   *task = MemoryContextAllocZero(TopMemoryContext, sizeof(CqTask));

	task->stream = stream;
	task->due = cq_clock_real_monotonic();
	return task;
}

/* The stream's task, a new one if need be. */
static CqTask *
want_task(List **tasks, Oid stream)
{
	CqTask	   *task = find_task(*tasks, stream);
	MemoryContext caller;

	if (task != NULL)
		return task;
	task = make_task(stream);
	caller = MemoryContextSwitchTo(TopMemoryContext);
	*tasks = lappend(*tasks, task);
	MemoryContextSwitchTo(caller);
	return task;
}

/* Puts off the task. True where the reason is a new one. */
static bool
note_failure(CqIngest *ingest, CqTask *task, const char *message)
{
	task->due = TimestampTzPlusMilliseconds(cq_clock_real_monotonic(),
											Min(1000 << Min(task->failures, 10),
												LONGEST_BACKOFF_MS));
	task->failures++;
	cq_shared_set_error(ingest->slot, message);
	if (task->message != NULL && strcmp(task->message, message) == 0)
		return false;
	if (task->message != NULL)
		pfree(task->message);
	task->message = MemoryContextStrdup(TopMemoryContext, message);
	return true;
}

static void
end_inquiry(CqTask *task)
{
	if (task->inquiry != NULL)
		cq_kafka_extent_end(task->inquiry);
	task->inquiry = NULL;
}

static void
free_task(CqTask *task)
{
	end_inquiry(task);
	if (task->message != NULL)
		pfree(task->message);
	pfree(task);
}

void
cq_load_put_off(CqIngest *ingest, CqIngestLane *lane, const char *message)
{
	Oid			stream = lane->lane->stream;
	char	   *name = name_of(stream);

	if (name == NULL)
	{
		ingest->lanes_are_stale = true; /* dropped meanwhile */
		return;
	}
	cq_stats_stream_state(stream, CQ_STREAM_FAILED, message);
	if (lane->trouble == NULL)
		lane->trouble = make_task(stream);
	if (note_failure(ingest, lane->trouble, message))
		ereport(WARNING,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg("stream %s cannot be read, will try again: %s", name, message)));
	pfree(name);
}

/* Whose views somebody has locked: nobody's fault, and others go on. */
void
cq_load_wait_for_lock(CqIngestLane *lane)
{
	CqTask	   *trouble = lane->trouble;

	if (trouble == NULL)
		trouble = lane->trouble = make_task(lane->lane->stream);
	trouble->due =
		TimestampTzPlusMilliseconds(cq_clock_real_monotonic(),
									Min(LOCK_MS << Min(trouble->failures, 10), RELOAD_MS));
	trouble->failures++;
}

void
cq_load_show_reading(const CqIngest *ingest, Oid stream)
{
	const CqTask *settling = find_task(ingest->settlings, stream);
	ListCell   *cell;

	if (settling != NULL && settling->failures > 0)
		return;
	foreach(cell, ingest->lanes)
	{
		const CqIngestLane *lane = lfirst(cell);

		if (lane->lane->stream == stream && (lane->trouble != NULL || lane->is_down))
			return;
	}
	cq_stats_stream_state(stream, CQ_STREAM_READING, NULL);
}

void
cq_load_end_trouble(CqIngest *ingest, CqIngestLane *lane)
{
	if (lane->trouble == NULL)
		return;
	free_task(lane->trouble);
	lane->trouble = NULL;
	cq_load_show_reading(ingest, lane->lane->stream);
}

bool
cq_load_is_due(const CqIngest *ingest)
{
	TimestampTz now = cq_clock_real_monotonic();
	ListCell   *cell;

	if (ingest->next_load != 0)
		return ingest->next_load <= now;
	foreach(cell, ingest->lanes)
	{
		const CqIngestLane *lane = lfirst(cell);

		if (lane->lane->reader == NULL && !lane->lane->is_held &&
			(lane->trouble == NULL || lane->trouble->due <= now))
			return true;
	}
	return false;
}

/* ---- readers ---- */

/* It is of other readers. */
static void
forget_wait_set(CqIngest *ingest)
{
	if (ingest->wait_set != NULL)
		FreeWaitEventSet(ingest->wait_set);
	ingest->wait_set = NULL;
}

void
cq_load_drop_reader(CqIngest *ingest, CqIngestLane *lane)
{
	cq_lane_close(lane->lane);
	forget_wait_set(ingest);
	ingest->lanes_are_stale = true;
}

/* At the same places of the same partitions: that is all that a reader hangs on. */
static bool
stand_alike(const CqLane *one, const CqLane *other)
{
	if (one->stream != other->stream || one->ncursors != other->ncursors)
		return false;
	for (int i = 0; i < one->ncursors; i++)
	{
		if (one->cursors[i].partition != other->cursors[i].partition ||
			one->cursors[i].next_offset != other->cursors[i].next_offset ||
			strcmp(one->cursors[i].topic, other->cursors[i].topic) != 0)
			return false;
	}
	return true;
}

/* The reader of a lane that was there before and stands where this one does. */
static void
take_reader(CqIngestLane *lane, List *before)
{
	ListCell   *cell;

	foreach(cell, before)
	{
		CqIngestLane *old = lfirst(cell);

		if (old->lane->reader == NULL || !stand_alike(old->lane, lane->lane))
			continue;
		lane->lane->reader = old->lane->reader;
		lane->is_down = old->is_down;
		lane->last_batch = Max(lane->last_batch, old->last_batch);
		old->lane->reader = NULL;
		return;
	}
}

/* How the lane of the same views has fared, and what trouble it had. */
static void
take_history(CqIngestLane *lane, List *before)
{
	ListCell   *cell;

	foreach(cell, before)
	{
		CqIngestLane *old = lfirst(cell);
		CqLane	   *fresh = lane->lane;

		if (old->lane->stream != fresh->stream || !equal(old->lane->views, fresh->views))
			continue;
		*lane = *old;
		lane->lane = fresh;
		lane->is_down = false;	/* its reader says */
		old->trouble = NULL;
		return;
	}
}

/* Those of lanes that are no more. */
static void
forget_troubles(CqIngest *ingest, List *before)
{
	ListCell   *cell;

	foreach(cell, before)
	{
		CqIngestLane *lane = lfirst(cell);

		if (reads(ingest, lane->lane->stream))
			cq_load_end_trouble(ingest, lane);
		else if (lane->trouble != NULL)
			free_task(lane->trouble);
	}
}

static void
open_reader(CqIngest *ingest, void *arg)
{
	CqLane	   *lane = arg;
	CqPosition *positions = palloc(sizeof(CqPosition) * lane->ncursors);

	for (int i = 0; i < lane->ncursors; i++)
		positions[i] = (CqPosition) {lane->cursors[i].topic, lane->cursors[i].partition,
			lane->cursors[i].next_offset, lane->cursors[i].last_timestamp};
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	/* Where it was dropped meanwhile, the lane goes with the next load. */
	if (get_rel_name(lane->stream) != NULL)
	{
		/* What it has opened is closed with the transaction, if it fails. */
		lane->reader = cq_reader_open(lane->stream, positions, lane->ncursors);
		cq_reader_keep(lane->reader, ingest->readers);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	pfree(positions);
}

static void
open_readers(CqIngest *ingest)
{
	static uint64 nopened = 0;
	ListCell   *cell;

	foreach(cell, ingest->lanes)
	{
		CqIngestLane *lane = lfirst(cell);
		Oid			stream = lane->lane->stream;
		ErrorData  *error;

		if (lane->lane->reader != NULL || lane->lane->is_held ||
			(lane->trouble != NULL && lane->trouble->due > cq_clock_real_monotonic()))
			continue;
		forget_wait_set(ingest);
		cq_shared_hear(ingest->slot);
		error = attempt(open_reader, ingest, lane->lane);
		if (error != NULL)
		{
			cq_load_put_off(ingest, lane, error->message);
			FreeErrorData(error);
		}
		else
		{
			lane->reader_number = ++nopened;
			cq_load_show_reading(ingest, stream);
		}
	}
}

/* ---- lanes ---- */

static void
want_unsettled(CqIngest *ingest)
{
	List	   *streams = cq_settle_has_unsettled(ingest->worker, ingest->nworkers,
												  ingest->settles_all);
	ListCell   *cell;

	foreach(cell, streams)
	{
		CqTask	   *task = want_task(&ingest->settlings, lfirst_oid(cell));

		/* Somebody waits for it, as of now. */
		if (ingest->settles_all)
		{
			task->due = cq_clock_real_monotonic();
			task->is_wanted_again = task->inquiry != NULL;
		}
	}
	ingest->settles_all = false;
}

static bool
is_own(void *context, Oid stream, const char *topic, int32 partition)
{
	return cq_map_is_own(context, stream, topic, partition);
}

/* The lanes that are this worker's. */
static List *
load_share(CqIngest *ingest)
{
	CqShare		share = {
		.pool = ingest->slot->pool, .worker = ingest->worker, .nworkers = ingest->nworkers
	};
	List	   *lanes;

	if (share.pool[0] == '\0')
		return cq_lane_load(&share);
	share.is_own = is_own;
	share.context = ingest->slot;
	ingest->nworkers = ingest->slot->total;
	cq_map_begin_load(ingest->slot);
	lanes = cq_lane_load(&share);
	cq_map_end_load(ingest->slot);
	return lanes;
}

/*
 * Reads the catalog, into a context of its own. While a dump is being restored, some of its rows
 * are there and others, the identity among them, are not: nothing must be mended then.
 */
static List *
read_lanes(CqIngest *ingest, MemoryContext context)
{
	List	   *lanes = NIL;
	bool		is_copy;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	is_copy = !cq_identity_matches();
	if (cq_identity_is_own())
	{
		want_unsettled(ingest);
		MemoryContextSwitchTo(context);
		lanes = load_share(ingest);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(ingest->context);
	cq_shared_set_state(ingest->slot, is_copy ? CQ_WORKER_COPY : CQ_WORKER_LOADING);
	return lanes;
}

/*
 * False where somebody has locked what it has to change, as with cq.pause in a transaction that
 * stays open.
 */
static bool
try_read_lanes(CqIngest *ingest, MemoryContext context, List **lanes)
{
	bool volatile is_read = true;

	PG_TRY();
	{
		*lanes = read_lanes(ingest, context);
	}
	PG_CATCH();
	{
		if (geterrcode() != ERRCODE_LOCK_NOT_AVAILABLE)
			PG_RE_THROW();
		FlushErrorState();
		AbortCurrentTransaction();
		MemoryContextSwitchTo(ingest->context);
		is_read = false;
	}
	PG_END_TRY();
	return is_read;
}

static void
close_lanes(List *lanes)
{
	ListCell   *cell;

	foreach(cell, lanes)
		cq_lane_close(((CqIngestLane *) lfirst(cell))->lane);
}

/* Puts the lanes in place of those before. */
static void
replace_lanes(CqIngest *ingest, List *lanes, MemoryContext context)
{
	List	   *before = ingest->lanes;
	MemoryContext before_context = ingest->context;
	ListCell   *cell;

	MemoryContextSwitchTo(context);
	ingest->context = context;
	ingest->lanes = NIL;
	foreach(cell, lanes)
	{
		CqIngestLane *lane = palloc0(sizeof(CqIngestLane));

		lane->lane = lfirst(cell);
		take_history(lane, before);
		if (!ingest->readers_are_stale && !lane->lane->is_held)
			take_reader(lane, before);
		ingest->lanes = lappend(ingest->lanes, lane);
	}
	forget_wait_set(ingest);
	forget_troubles(ingest, before);
	close_lanes(before);
	MemoryContextDelete(before_context);
	ingest->readers_are_stale = false;
}

void
cq_load_lanes(CqIngest *ingest)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "pg_cq lanes",
												  ALLOCSET_DEFAULT_SIZES);

	List	   *lanes = NIL;

	/* What changes from here on makes them stale again. */
	ingest->lanes_are_stale = false;
	ingest->next_load = 0;
	if (try_read_lanes(ingest, context, &lanes))
		replace_lanes(ingest, lanes, context);
	else
	{
		MemoryContextDelete(context);
		ingest->next_load = TimestampTzPlusMilliseconds(cq_clock_real_monotonic(), RELOAD_MS);
	}
	open_readers(ingest);
}

/* ---- lanes that are held ---- */

static bool
holds_any(const CqIngest *ingest)
{
	ListCell   *cell;

	foreach(cell, ingest->lanes)
	{
		if (((const CqIngestLane *) lfirst(cell))->lane->is_held)
			return true;
	}
	return false;
}

static void
look_at_drift(CqIngest *ingest, void *arg)
{
	List	   *lanes = NIL;
	ListCell   *cell;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach(cell, ingest->lanes)
		lanes = lappend(lanes, ((CqIngestLane *) lfirst(cell))->lane);
	if (!cq_drift_is_current(lanes))
		ingest->lanes_are_stale = true;
	PopActiveSnapshot();
	CommitTransactionCommand();
}

void
cq_load_heed_drift(CqIngest *ingest)
{
	TimestampTz now = cq_clock_real_monotonic();
	ErrorData  *error;

	if (!ingest->has_drifted && (now < ingest->next_drift || !holds_any(ingest)))
		return;
	ingest->has_drifted = false;
	ingest->next_drift = TimestampTzPlusMilliseconds(now, DRIFT_MS);
	error = attempt(look_at_drift, ingest, NULL);
	if (error == NULL)
		return;
	ereport(LOG,
			(errmsg("could not look how far views have drifted apart: %s", error->message)));
	FreeErrorData(error);
}

/* ---- settling ---- */

void
cq_load_want_settled(CqIngest *ingest, Oid stream)
{
	want_task(&ingest->settlings, stream);
}

typedef struct Attempt
{
	CqTask	   *task;
	CqSettling	result;
} Attempt;

static void
settle(CqIngest *ingest, void *arg)
{
	Attempt    *settling = arg;
	CqTask	   *task = settling->task;
	bool		added;

	if (task->inquiry == NULL)
	{
		task->inquiry = cq_kafka_extent_begin(TopMemoryContext);
		forget_wait_set(ingest);
	}
	settling->result = cq_settle_lane(task->stream, task->inquiry, task->accepts_faults, &added);
	if (added)
		ingest->lanes_are_stale = true;
}

/* False where the stream was dropped meanwhile. */
static bool
put_off_settling(CqIngest *ingest, CqTask *task, const ErrorData *error)
{
	bool		is_down = error->sqlerrcode == ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION;
	char	   *name = name_of(task->stream);

	if (name == NULL)
		return false;
	cq_stats_stream_state(task->stream, is_down ? CQ_STREAM_DOWN : CQ_STREAM_FAILED,
						  error->message);
	if (note_failure(ingest, task, error->message))
		ereport(LOG,
				(errmsg("could not look up the partitions of stream %s, will try again: %s", name,
						error->message)));
	pfree(name);
	return true;
}

/* What is to become of it. True where it is done with. */
static bool
end_settling(CqIngest *ingest, CqTask *task, CqSettling result)
{
	if (result == CQ_SETTLING_ASKS)
		return false;
	end_inquiry(task);
	if (task->failures > 0)
	{
		task->failures = 0;
		cq_load_show_reading(ingest, task->stream);
	}
	task->accepts_faults = result == CQ_SETTLING_AGAIN;
	if (result == CQ_SETTLING_LOCKED)
		task->due = TimestampTzPlusMilliseconds(cq_clock_real_monotonic(), RELOAD_MS);
	else if (result == CQ_SETTLING_DONE && !task->is_wanted_again)
		return true;
	task->is_wanted_again = false;
	return false;
}

void
cq_load_settle(CqIngest *ingest)
{
	ListCell   *cell;

	foreach(cell, ingest->settlings)
	{
		CqTask	   *task = lfirst(cell);
		Attempt		settling = {task, CQ_SETTLING_DONE};
		ErrorData  *error;

		if (task->due > cq_clock_real_monotonic() ||
			(task->inquiry != NULL && cq_kafka_extent_is_open(task->inquiry)))
			continue;
		error = attempt(settle, ingest, &settling);
		if (error != NULL)
		{
			bool		is_there = put_off_settling(ingest, task, error);

			end_inquiry(task);
			FreeErrorData(error);
			if (is_there)
				continue;
		}
		if (!end_settling(ingest, task, settling.result))
			continue;
		ingest->settlings = foreach_delete_current(ingest->settlings, cell);
		free_task(task);
	}
}

bool
cq_load_asks(const CqIngest *ingest)
{
	ListCell   *cell;

	foreach(cell, ingest->settlings)
		if (((const CqTask *) lfirst(cell))->inquiry != NULL)
			return true;
	return false;
}

/* The time until the first of the tasks is to be looked at, in ms, at most most. */
static long
delay_of(const List *tasks, long most)
{
	TimestampTz now = cq_clock_real_monotonic();
	ListCell   *cell;

	foreach(cell, tasks)
	{
		const CqTask *task = lfirst(cell);

		most = Min(most, task->inquiry != NULL ? ANSWER_MS :
				   TimestampDifferenceMilliseconds(now, task->due));
	}
	return most;
}

long
cq_load_delay(const CqIngest *ingest, long most)
{
	if (ingest->lanes_are_stale)
		return 0;
	return delay_of(ingest->settlings, holds_any(ingest) ? Min(most, DRIFT_MS) : most);
}
