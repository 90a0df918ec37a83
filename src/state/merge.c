/*
 * merge.c
 *		Takes a plan's output into the state table: the hot path of aggregation.
 *
 * Each group that a batch touched arrives once a run, as keys and partial states. If the cache knows a row of that group,
 * the states are combined and the row is updated in place, without a look-up in any index; else a row is appended,
 * without asking whether there is one already: readers combine all rows of a group.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_agg.h"
#include "parser/parse_oper.h"
#include "state/combiner.h"
#include "state/merge.h"
#include "state/writer.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

/* How one key is hashed and compared: by its type's functions, or by its bytes where the type has none to hash. */
typedef struct KeyLayout
{
	bool		has_hash;
	bool		typbyval;
	int16		typlen;
	Oid			collation;
	FmgrInfo	hash;
	FmgrInfo	equal;
} KeyLayout;

struct CqGroupLayout
{
	int			nkeys;
	int			npartials;
	KeyLayout  *keys;
	CqCombiner *combiners;
};

/* That an operator has a hash function does not tell that it works: arrays' and rows' need their elements'. */
static void
layout_key(KeyLayout *key, Oid type, Oid equality, bool is_hashable, Oid collation)
{
	RegProcedure hash;

	get_typlenbyval(type, &key->typlen, &key->typbyval);
	key->collation = collation;
	fmgr_info(get_opcode(equality), &key->equal);
	key->has_hash = is_hashable && get_op_hash_functions(equality, &hash, NULL);
	if (key->has_hash)
		fmgr_info(hash, &key->hash);
}

static Oid
int4_equality(void)
{
	Oid			equality;

	get_sort_group_operators(INT4OID, false, true, false, NULL, &equality, NULL, NULL);
	return equality;
}

CqGroupLayout *
cq_merge_layout(const CqViewPlan *plan)
{
	CqGroupLayout *layout = palloc0(sizeof(CqGroupLayout));
	ListCell   *cell;

	layout->nkeys = cq_plan_nkeys(plan);
	layout->npartials = list_length(plan->partials);
	layout->keys = palloc0(sizeof(KeyLayout) * Max(layout->nkeys, 1));
	layout->combiners = palloc0(sizeof(CqCombiner) * Max(layout->npartials, 1));
	foreach(cell, plan->keys)
	{
		CqKey	   *key = lfirst(cell);

		layout_key(&layout->keys[foreach_current_index(cell)], exprType((Node *) key->expr), key->clause->eqop,
				   key->clause->hashable, exprCollation((Node *) key->expr));
	}
	if (plan->has_grouping_id)
		layout_key(&layout->keys[layout->nkeys - 1], INT4OID, int4_equality(), true, InvalidOid);
	foreach(cell, plan->partials)
	{
		Aggref	   *aggref = ((CqPartial *) lfirst(cell))->aggref;
		Oid			argtypes[FUNC_MAX_ARGS];
		int			nargs = get_aggregate_argtypes(aggref, argtypes);

		cq_combiner_init(&layout->combiners[foreach_current_index(cell)], aggref->aggfnoid, argtypes, nargs,
						 aggref->aggtype, aggref->inputcollid);
	}
	return layout;
}

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
} GroupsReceiver;

static uint32
hash_keys(const CqGroupLayout *layout, const Datum *values, const bool *nulls)
{
	uint32		hash = 0;

	for (int i = 0; i < layout->nkeys; i++)
	{
		const KeyLayout *key = &layout->keys[i];
		uint32		h = 0;

		if (!nulls[i])
			h = key->has_hash ?
				DatumGetUInt32(FunctionCall1Coll(unconstify(FmgrInfo *, &key->hash), key->collation, values[i])) :
				datum_image_hash(values[i], key->typbyval, key->typlen);
		hash = hash_combine(hash, h);
	}
	return murmurhash32(hash);
}

static bool
same_keys(const CqGroupLayout *layout, TupleTableSlot *a, TupleTableSlot *b)
{
	for (int i = 0; i < layout->nkeys; i++)
	{
		KeyLayout  *key = &layout->keys[i];

		if (a->tts_isnull[i] != b->tts_isnull[i])
			return false;
		if (!a->tts_isnull[i] &&
			!DatumGetBool(FunctionCall2Coll(&key->equal, key->collation, a->tts_values[i], b->tts_values[i])))
			return false;
	}
	return true;
}

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
		if (same_keys(receiver->layout, slot, stored))
			return stored;
	}
	return NULL;
}

/* Fills merged with the stored row's keys and both rows' states combined. */
static void
combine_rows(GroupsReceiver *receiver, TupleTableSlot *stored, TupleTableSlot *incoming)
{
	CqGroupLayout *layout = receiver->layout;
	TupleTableSlot *merged = ExecClearTuple(receiver->merged);

	memcpy(merged->tts_values, stored->tts_values, sizeof(Datum) * layout->nkeys);
	memcpy(merged->tts_isnull, stored->tts_isnull, sizeof(bool) * layout->nkeys);
	for (int i = 0; i < layout->npartials; i++)
	{
		CqCombiner *combiner = &layout->combiners[i];
		int			column = layout->nkeys + i;
		bool		is_null;
		bool		stored_is_null = stored->tts_isnull[column];
		bool		incoming_is_null = incoming->tts_isnull[column];
		Datum		state = cq_combiner_load(combiner, receiver->aggcontext, stored->tts_values[column], &stored_is_null);
		Datum		other = cq_combiner_load(combiner, receiver->aggcontext, incoming->tts_values[column],
											 &incoming_is_null);

		state = cq_combiner_combine(combiner, receiver->aggcontext, state, stored_is_null, other, incoming_is_null,
									&is_null);
		merged->tts_values[column] = cq_combiner_store(combiner, receiver->aggcontext, state, &is_null);
		merged->tts_isnull[column] = is_null;
	}
	ExecStoreVirtualTuple(merged);
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
	combine_rows(receiver, stored, slot);
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

/* States that are pointers come as the executor has serialized them. */
static void
pack_states(const CqGroupLayout *layout, TupleTableSlot *slot)
{
	for (int i = 0; i < layout->npartials; i++)
	{
		int			column = layout->nkeys + i;

		slot->tts_values[column] = cq_combiner_pack(&layout->combiners[i], slot->tts_values[column], slot->tts_isnull[column]);
	}
}

static bool
receive_group(TupleTableSlot *slot, DestReceiver *self)
{
	GroupsReceiver *receiver = (GroupsReceiver *) self;
	MemoryContext caller = MemoryContextSwitchTo(receiver->group_context);
	uint32		hash;

	slot_getallattrs(slot);
	pack_states(receiver->layout, slot);
	hash = hash_keys(receiver->layout, slot->tts_values, slot->tts_isnull);
	if (merge_in_place(receiver, slot, hash))
		receiver->counts->updated++;
	else
	{
		append_row(receiver->writer, slot, receiver->layout->nkeys + receiver->layout->npartials, hash);
		receiver->counts->inserted++;
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

typedef struct WarmUp
{
	const CqGroupLayout *layout;
	CqGroupCache *cache;
	MemoryContext row_context;	/* reset for each row */
} WarmUp;

static void
warm_group(Relation index, ItemPointer tid, Datum *values, bool *nulls, bool is_alive, void *state)
{
	WarmUp	   *warm_up = state;
	MemoryContext caller = MemoryContextSwitchTo(warm_up->row_context);

	cq_group_cache_add(warm_up->cache, hash_keys(warm_up->layout, values, nulls), tid);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(warm_up->row_context);
}

void
cq_merge_warm_up(Relation state, const CqGroupLayout *layout, CqGroupCache *cache)
{
	WarmUp		warm_up = {layout, cache, NULL};
	IndexInfo  *keys = makeNode(IndexInfo);

	if (layout->nkeys > INDEX_MAX_KEYS)
		return;
	keys->ii_NumIndexAttrs = keys->ii_NumIndexKeyAttrs = layout->nkeys;
	for (int i = 0; i < layout->nkeys; i++)
		keys->ii_IndexAttrNumbers[i] = i + 1;
	keys->ii_Concurrent = true; /* what a snapshot sees, and no lock */
	warm_up.row_context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq warm-up", ALLOCSET_SMALL_SIZES);
	table_index_build_scan(state, NULL, keys, true, false, warm_group, &warm_up, NULL);
	MemoryContextDelete(warm_up.row_context);
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
	receiver->group_context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq group", ALLOCSET_DEFAULT_SIZES);
	receiver->aggcontext = cq_combiner_context(receiver->group_context);
	receiver->merged = MakeSingleTupleTableSlot(RelationGetDescr(cq_writer_relation(receiver->writer)),
												&TTSOpsVirtual);
}

static void
groups_shutdown(DestReceiver *self)
{
	GroupsReceiver *receiver = (GroupsReceiver *) self;

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
cq_merge_groups_receiver(Oid state, CqGroupLayout *layout, CqGroupCache *cache, CqMergeCounts *counts)
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

typedef struct RowsReceiver
{
	DestReceiver pub;
	Oid			state;
	TimestampTz time;
	CqMergeCounts *counts;
	CqWriter   *writer;
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
	copy->tts_values[natts] = TimestampTzGetDatum(receiver->time);
	copy->tts_isnull[natts] = false;
	cq_writer_append(receiver->writer, copy, 0);
	receiver->counts->inserted++;
	return true;
}

static void
rows_startup(DestReceiver *self, int operation, TupleDesc typeinfo)
{
	RowsReceiver *receiver = (RowsReceiver *) self;

	receiver->writer = open_writer(receiver->state, NULL, NULL);
}

static void
rows_shutdown(DestReceiver *self)
{
	cq_writer_close(((RowsReceiver *) self)->writer);
}

DestReceiver *
cq_merge_rows_receiver(Oid state, TimestampTz time, CqMergeCounts *counts)
{
	RowsReceiver *receiver = palloc0(sizeof(RowsReceiver));

	receiver->pub.receiveSlot = receive_row;
	receiver->pub.rStartup = rows_startup;
	receiver->pub.rShutdown = rows_shutdown;
	receiver->pub.rDestroy = destroy_receiver;
	receiver->pub.mydest = DestNone;
	receiver->state = state;
	receiver->time = time;
	receiver->counts = counts;
	return &receiver->pub;
}
