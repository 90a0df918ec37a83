/*
 * merge.c
 *		Takes a plan's output into the state table: the hot path of aggregation.
 *
 * Each group that a batch touched arrives once a run, as keys and partial states. If the cache
 * knows a row of that group, the states are combined and the row is updated in place, without a
 * look-up in any index; else a row is appended, without asking whether there is one already:
 * readers combine all rows of a group.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "state/combiner.h"
#include "state/group_index.h"
#include "state/merge.h"
#include "state/writer.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

typedef struct GroupsReceiver
{
	DestReceiver pub;
	Oid			state;
	CqGroupLayout *layout;
	CqGroupCache *cache;
	CqMergeCounts *counts;
	CqWriter   *writer;
	MemoryContext group_context;	/* reset for each group */
	Node	   *aggcontext;
	TupleTableSlot *merged;		/* virtual: the row that replaces another */
	CqMergeChanges changes;		/* receiver is NULL: nobody asks for them */
	CqGroupIndex *index;		/* where changes are told */
} GroupsReceiver;

/* The stored row of the group in slot that the cache knows, fetched, or NULL. */
static TupleTableSlot *
find_stored(GroupsReceiver *receiver, TupleTableSlot *slot, CqGroupProbe *probe)
{
	while (cq_group_cache_next(receiver->cache, probe))
	{
		TupleTableSlot *stored = cq_writer_fetch(receiver->writer, &probe->tid);

		if (stored == NULL)
			continue;
		slot_getallattrs(stored);
		if (cq_group_same_keys(receiver->layout, slot, stored))
			return stored;
	}
	return NULL;
}

/* The same by the index, where the cache did not know it; it does then. */
static TupleTableSlot *
look_up_stored(GroupsReceiver *receiver, TupleTableSlot *slot, ItemPointer tid)
{
	cq_group_index_probe(receiver->index, slot);
	while (cq_group_index_next(receiver->index, tid))
	{
		TupleTableSlot *stored = cq_writer_fetch(receiver->writer, tid);

		if (stored == NULL)
			continue;
		slot_getallattrs(stored);
		if (cq_group_same_keys(receiver->layout, slot, stored))
			return stored;
	}
	return NULL;
}

/*
 * The view's row of a group before, of after, or both: unless nothing is to be seen of the change.
 */
static void
tell_change(GroupsReceiver *receiver, TupleTableSlot *before, TupleTableSlot *after)
{
	const CqMergeChanges *changes = &receiver->changes;
	TupleTableSlot *row_before = NULL;
	TupleTableSlot *row_after;

	if (changes->is_limited && (after->tts_isnull[changes->end] ||
								DatumGetInt64(after->tts_values[changes->end]) > changes->through))
		return;
	if (before != NULL)
		row_before = cq_group_row_make(changes->row, receiver->aggcontext, before,
									   CQ_GROUP_ROW_BEFORE);
	row_after = cq_group_row_make(changes->row, receiver->aggcontext, after, CQ_GROUP_ROW_AFTER);
	if (row_before == NULL && row_after == NULL)
		return;
	if (row_before == NULL || row_after == NULL || !cq_group_row_same(row_before, row_after))
		changes->receiver->take(changes->receiver, row_before, row_after);
}

/* As merge_in_place, for a group that has one row at most. */
static bool
merge_and_tell(GroupsReceiver *receiver, TupleTableSlot *slot, uint32 hash)
{
	CqGroupProbe probe;
	ItemPointerData root;
	TupleTableSlot *stored;
	bool		is_cached;

	cq_group_cache_probe(&probe, hash);
	stored = find_stored(receiver, slot, &probe);
	is_cached = stored != NULL;
	root = probe.tid;
	if (!is_cached)
		stored = look_up_stored(receiver, slot, &root);
	if (stored == NULL)
	{
		tell_change(receiver, NULL, slot);
		return false;
	}
	cq_group_combine(receiver->layout, receiver->aggcontext, stored, slot, receiver->merged);
	tell_change(receiver, stored, receiver->merged);
	if (!cq_writer_replace(receiver->writer, receiver->merged, &root))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("the state of a continuous view was changed meanwhile")));
	if (is_cached)
		cq_group_cache_touch(receiver->cache, &probe, &root);
	else
		cq_group_cache_add(receiver->cache, hash, &root);
	return true;
}

static bool
merge_in_place(GroupsReceiver *receiver, TupleTableSlot *slot, uint32 hash)
{
	CqGroupProbe probe;
	ItemPointerData root;
	TupleTableSlot *stored;

	cq_group_cache_probe(&probe, hash);
	stored = find_stored(receiver, slot, &probe);
	if (stored == NULL)
		return false;
	cq_group_combine(receiver->layout, receiver->aggcontext, stored, slot, receiver->merged);
	root = probe.tid;
	if (!cq_writer_replace(receiver->writer, receiver->merged, &root))
		return false;
	cq_group_cache_touch(receiver->cache, &probe, &root);
	return true;
}

static void
append_row(CqWriter *writer, TupleTableSlot *slot, int natts, uint32 tag)
{
	TupleTableSlot *copy = cq_writer_next_slot(writer);

	memcpy(copy->tts_values, slot->tts_values, sizeof(Datum) * natts);
	memcpy(copy->tts_isnull, slot->tts_isnull, sizeof(bool) * natts);
	cq_writer_append(writer, copy, tag);
}

/* A row may lie in a window that is not amended any more, and in others that are. */
static bool
has_expired(const CqMergeChanges *changes, const TupleTableSlot *slot)
{
	return changes->is_limited && !slot->tts_isnull[changes->end] &&
		DatumGetInt64(slot->tts_values[changes->end]) <= changes->after;
}

static bool
receive_group(TupleTableSlot *slot, DestReceiver *self)
{
	GroupsReceiver *receiver = (GroupsReceiver *) self;
	MemoryContext caller;
	uint32		hash;

	slot_getallattrs(slot);
	if (has_expired(&receiver->changes, slot))
		return true;
	caller = MemoryContextSwitchTo(receiver->group_context);
	cq_group_pack(receiver->layout, slot);
	hash = cq_group_hash(receiver->layout, slot->tts_values, slot->tts_isnull);
	if (receiver->index != NULL ? merge_and_tell(receiver, slot, hash) :
		merge_in_place(receiver, slot, hash))
		receiver->counts->updated++;
	else
	{
		append_row(receiver->writer, slot, cq_group_ncolumns(receiver->layout), hash);
		receiver->counts->inserted++;
		receiver->counts->doubtful += receiver->index == NULL &&
			!cq_group_cache_is_complete(receiver->cache);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(receiver->group_context);
	return true;
}

static void
remember_group(void *context, uint32 tag, ItemPointer tid)
{
	cq_group_cache_add((CqGroupCache *) context, tag, tid);
}

static void
warm_group(void *cache, uint32 hash, ItemPointer tid)
{
	cq_group_cache_add(cache, hash, tid);
}

void
cq_merge_warm_up(Relation state, const CqGroupLayout *layout, CqGroupCache *cache)
{
	if (cq_group_can_scan(layout))
		cq_group_scan(state, layout, 0, InvalidBlockNumber, warm_group, cache);
	else
		cq_group_cache_doubt(cache);
}

static CqWriter *
open_writer(Oid state, CqAppendedCallback callback, void *context)
{
	CqWriter   *writer = cq_writer_open(state, callback, context);

	if (writer == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("state table %u of a continuous view is gone", state)));
	return writer;
}

static void
groups_startup(DestReceiver *self, int operation, TupleDesc typeinfo)
{
	GroupsReceiver *receiver = (GroupsReceiver *) self;

	receiver->writer = open_writer(receiver->state, remember_group, receiver->cache);
	receiver->group_context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq group",
													ALLOCSET_DEFAULT_SIZES);
	receiver->aggcontext = cq_combiner_context(receiver->group_context);
	receiver->merged =
		MakeSingleTupleTableSlot(RelationGetDescr(cq_writer_relation(receiver->writer)),
								 &TTSOpsVirtual);
	if (receiver->changes.receiver != NULL)
		receiver->index = cq_group_index_open(cq_writer_relation(receiver->writer),
											  receiver->layout, cq_group_nkeys(receiver->layout));
}

static void
groups_shutdown(DestReceiver *self)
{
	GroupsReceiver *receiver = (GroupsReceiver *) self;

	if (receiver->index != NULL)
		cq_group_index_close(receiver->index);
	ExecDropSingleTupleTableSlot(receiver->merged);
	cq_writer_close(receiver->writer);
	MemoryContextDelete(receiver->group_context);
}

static void
destroy_receiver(DestReceiver *self)
{
	pfree(self);
}

DestReceiver *
cq_merge_groups_receiver(Oid state, CqGroupLayout *layout, CqGroupCache *cache,
						 CqMergeCounts *counts)
{
	GroupsReceiver *receiver = palloc0(sizeof(GroupsReceiver));

	receiver->pub.receiveSlot = receive_group;
	receiver->pub.rStartup = groups_startup;
	receiver->pub.rShutdown = groups_shutdown;
	receiver->pub.rDestroy = destroy_receiver;
	receiver->pub.mydest = DestNone;
	receiver->state = state;
	receiver->layout = layout;
	receiver->cache = cache;
	receiver->counts = counts;
	return &receiver->pub;
}

DestReceiver *
cq_merge_changes_receiver(Oid state, CqGroupLayout *layout, CqGroupCache *cache,
						  CqMergeCounts *counts, const CqMergeChanges *changes)
{
	GroupsReceiver *receiver =
		(GroupsReceiver *) cq_merge_groups_receiver(state, layout, cache, counts);

	receiver->changes = *changes;
	return &receiver->pub;
}

typedef struct RowsReceiver
{
	DestReceiver pub;
	Oid			state;
	bool		has_time;
	TimestampTz time;
	CqMergeCounts *counts;
	CqWriter   *writer;
	CqChangeReceiver *changes;	/* or NULL */
} RowsReceiver;

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	RowsReceiver *receiver = (RowsReceiver *) self;
	TupleTableSlot *copy = cq_writer_next_slot(receiver->writer);
	int			natts = slot->tts_tupleDescriptor->natts;

	slot_getallattrs(slot);
	memcpy(copy->tts_values, slot->tts_values, sizeof(Datum) * natts);
	memcpy(copy->tts_isnull, slot->tts_isnull, sizeof(bool) * natts);
	if (receiver->has_time)
	{
		copy->tts_values[natts] = TimestampTzGetDatum(receiver->time);
		copy->tts_isnull[natts] = false;
	}
	cq_writer_append(receiver->writer, copy, 0);
	receiver->counts->inserted++;
	if (receiver->changes != NULL)
		receiver->changes->take(receiver->changes, NULL, slot);
	return true;
}

/* The table is its owner's to alter. */
static void
check_columns(Relation table, TupleDesc rows)
{
	TupleDesc	columns = RelationGetDescr(table);
	bool		fits = columns->natts == rows->natts;

	for (int i = 0; fits && i < columns->natts; i++)
		fits = TupleDescAttr(columns, i)->atttypid == TupleDescAttr(rows, i)->atttypid;
	if (!fits)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" does not have the columns that the continuous view needs",
						RelationGetRelationName(table)),
				 errhint("CREATE OR REPLACE CONTINUOUS VIEW begins again.")));
}

static void
rows_startup(DestReceiver *self, int operation, TupleDesc typeinfo)
{
	RowsReceiver *receiver = (RowsReceiver *) self;

	receiver->writer = open_writer(receiver->state, NULL, NULL);
	if (!receiver->has_time)
		check_columns(cq_writer_relation(receiver->writer), typeinfo);
}

static void
rows_shutdown(DestReceiver *self)
{
	cq_writer_close(((RowsReceiver *) self)->writer);
}

static RowsReceiver *
make_rows_receiver(Oid state, CqMergeCounts *counts, CqChangeReceiver *changes)
{
	RowsReceiver *receiver = palloc0(sizeof(RowsReceiver));

	receiver->pub.receiveSlot = receive_row;
	receiver->pub.rStartup = rows_startup;
	receiver->pub.rShutdown = rows_shutdown;
	receiver->pub.rDestroy = destroy_receiver;
	receiver->pub.mydest = DestNone;
	receiver->state = state;
	receiver->counts = counts;
	receiver->changes = changes;
	return receiver;
}

DestReceiver *
cq_merge_rows_receiver(Oid state, TimestampTz time, CqMergeCounts *counts,
					   CqChangeReceiver *changes)
{
	RowsReceiver *receiver = make_rows_receiver(state, counts, changes);

	receiver->has_time = true;
	receiver->time = time;
	return &receiver->pub;
}

DestReceiver *
cq_merge_result_receiver(Oid table, CqMergeCounts *counts, CqChangeReceiver *changes)
{
	return &make_rows_receiver(table, counts, changes)->pub;
}
