/*
 * session_merge.c
 *		Takes the sessions that a plan has found among the rows of a batch into the state table: see
 *		session_merge.h.
 *
 *		stored     ├────┤      ├──────┤           ├──┤
 *		incoming             ├──────────┤
 *		becomes    ├────┤    ├──────────┤         ├──┤
 *
 * Sessions are ranges [first time, last time + gap). Two sets of sessions, made of different rows
 * of one key, are put together by uniting those that overlap: that gives the sessions of all the
 * rows (window/session.c). What is stored of a key never overlaps, so that in the order of an index
 * over key and session lower and upper bounds ascend alike: those which an incoming session
 * overlaps stand side by side, and are read backward from the last one that begins before its end
 * to the first that ends before its beginning. They become one row, whose states are combined in
 * order of time.
 *
 * What an earlier group of the same run has written must be found as well: two sessions of a batch
 * may meet in a stored one. The scan has no command's snapshot but sees the rows as they are now;
 * nobody else changes them, because the view's lock is held. Each change is followed by a new
 * command, without which the same row could not be changed again. Appended rows need not be found
 * before they leave the writer's buffer: the sessions of one run do not overlap, and what one of
 * them was united with, had it overlapped the appended one, would have been united with that.
 *
 * The rows without a time have no session, and are one group for each key.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "common/compat.h"
#include "executor/executor.h"
#include "state/combiner.h"
#include "state/session_merge.h"
#include "state/writer.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rangetypes.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

/* Both as microseconds, or as what a bigint counts. */
typedef struct Bounds
{
	int64		lower;			/* the first time */
	int64		upper;			/* the end, which does not belong to it */
} Bounds;

typedef struct SessionReceiver
{
	DestReceiver pub;
	Oid			state;
	CqGroupLayout *layout;
	CqMergeCounts *counts;
	bool		needs_time;
	int			nkeys;
	int			session;		/* which of the keys, from 0 */

	CqWriter   *writer;
	Relation	index;			/* over the other keys in their order, and then the session */
	IndexScanDesc scan;
	FmgrInfo   *equality;		/* of the index' columns; of the last one: less than */
	TypeCacheEntry *range;
	TupleTableSlot *stored;
	TupleTableSlot *merged[2];	/* virtual; in turn */
	MemoryContext run_context;
	MemoryContext group_context;	/* reset for each group */
	Node	   *aggcontext;

	CqMergeChanges changes;		/* receiver is NULL: nobody asks for them */
	/* the view's row of a session that another one takes the place of; NULL: none, or told */
	TupleTableSlot *gone;
	Bounds		gone_bounds;
} SessionReceiver;

/* ---- the index ---- */

/* The key that the n-th column of the index is. */
static int
indexed_key(const SessionReceiver *receiver, int n)
{
	if (n == receiver->nkeys - 1)
		return receiver->session;
	return n < receiver->session ? n : n + 1;
}

/* The table is its owner's to alter: is an index what was made for it (ddl/session_index.c)? */
static bool
is_ours(const SessionReceiver *receiver, Relation index, TupleDesc columns)
{
	Form_pg_index form = index->rd_index;

	if (index->rd_rel->relam != BTREE_AM_OID || !form->indisvalid ||
		form->indnkeyatts != receiver->nkeys ||
		RelationGetIndexPredicate(index) != NIL)
		return false;
	for (int i = 0; i < receiver->nkeys; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, indexed_key(receiver, i));

		if (form->indkey.values[i] != column->attnum || index->rd_indoption[i] != 0 ||
			index->rd_indcollation[i] != column->attcollation ||
			index->rd_opfamily[i] != get_opclass_family(GetDefaultOpClass(column->atttypid,
																		  BTREE_AM_OID)))
			return false;
	}
	return true;
}

static Relation
open_index(const SessionReceiver *receiver)
{
	Relation	state = cq_writer_relation(receiver->writer);
	ListCell   *cell;

	foreach(cell, RelationGetIndexList(state))
	{
		Relation	index = index_open(lfirst_oid(cell), RowExclusiveLock);

		if (is_ours(receiver, index, RelationGetDescr(state)))
			return index;
		index_close(index, NoLock);
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" does not have the index by which sessions are found",
					RelationGetRelationName(state)),
			 errhint("CREATE OR REPLACE CONTINUOUS VIEW begins again.")));
}

static void
find_operators(SessionReceiver *receiver)
{
	for (int i = 0; i < receiver->nkeys; i++)
	{
		Oid			type = receiver->index->rd_opcintype[i];
		int16		strategy = i == receiver->nkeys - 1 ? BTLessStrategyNumber :
			BTEqualStrategyNumber;
		Oid			operator = get_opfamily_member(receiver->index->rd_opfamily[i], type, type,
												   strategy);

		if (!OidIsValid(operator))
			elog(ERROR, "operator %d of type %u not found", strategy, type);
		fmgr_info(get_opcode(operator), &receiver->equality[i]);
	}
}

/* ---- ranges ---- */

static Bounds
bounds_of(const SessionReceiver *receiver, Datum session)
{
	RangeBound	lower;
	RangeBound	upper;
	bool		is_empty;

	range_deserialize(receiver->range, DatumGetRangeTypeP(session), &lower, &upper, &is_empty);
	if (is_empty || lower.infinite || upper.infinite)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the state of a continuous view has a range that is no session"),
				 errhint("CREATE OR REPLACE CONTINUOUS VIEW begins again.")));
	return (Bounds) {DatumGetInt64(lower.val), DatumGetInt64(upper.val)};
}

static Datum
make_session(const SessionReceiver *receiver, Bounds bounds)
{
	RangeBound	lower = {.val = Int64GetDatum(bounds.lower), .inclusive = true, .lower = true};
	RangeBound	upper = {.val = Int64GetDatum(bounds.upper)};

	return RangeTypePGetDatum(cq_compat_range_serialize(receiver->range, &lower, &upper));
}

/*
 * Comes in order after all sessions that begin before a time, and not after those that begin with
 * it: [time, time], in no canonical form.
 */
static Datum
make_point(const SessionReceiver *receiver, int64 time)
{
	RangeBound	lower = {.val = Int64GetDatum(time), .inclusive = true, .lower = true};
	RangeBound	upper = {.val = Int64GetDatum(time), .inclusive = true};

	return RangeTypePGetDatum(cq_compat_range_serialize(receiver->range, &lower, &upper));
}

/* ---- one session ---- */

/*
 * Begins to read, backward, what is stored of the key: all that begins before upper; or, with NULL,
 * what has no session. The index keeps things for its scan in the context in which it is called,
 * which must outlive the group.
 */
static void
begin_scan(SessionReceiver *receiver, TupleTableSlot *slot, const int64 *upper)
{
	ScanKeyData keys[INDEX_MAX_KEYS];

	for (int i = 0; i < receiver->nkeys; i++)
	{
		int			key = indexed_key(receiver, i);
		bool		is_null = slot->tts_isnull[key];
		Datum		value = slot->tts_values[key];
		bool		is_last = i == receiver->nkeys - 1;

		if (is_last && upper != NULL)
			value = make_point(receiver, *upper);
		ScanKeyEntryInitializeWithInfo(&keys[i], is_null ? SK_ISNULL | SK_SEARCHNULL : 0, i + 1,
									   is_null ? InvalidStrategy : is_last ? BTLessStrategyNumber :
									   BTEqualStrategyNumber,
									   InvalidOid, receiver->index->rd_indcollation[i],
									   &receiver->equality[i], is_null ? (Datum) 0 : value);
	}
	MemoryContextSwitchTo(receiver->run_context);
	index_rescan(receiver->scan, keys, receiver->nkeys, NULL, 0);
	MemoryContextSwitchTo(receiver->group_context);
}

/* The next of them, backward. */
static bool
read_stored(SessionReceiver *receiver)
{
	MemoryContext caller = MemoryContextSwitchTo(receiver->run_context);
	bool		is_there = index_getnext_slot(receiver->scan, BackwardScanDirection,
											  receiver->stored);

	MemoryContextSwitchTo(caller);
	if (is_there)
		slot_getallattrs(receiver->stored);
	return is_there;
}

static void
changed_by_others(const SessionReceiver *receiver)
{
	ereport(ERROR,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 errmsg("somebody else is changing table \"%s\"",
					RelationGetRelationName(cq_writer_relation(receiver->writer)))));
}

/* The stored row and what it is united with, as one: valid until the next but one. */
static TupleTableSlot *
unite(SessionReceiver *receiver, TupleTableSlot *incoming, const Bounds *bounds)
{
	TupleTableSlot *merged = receiver->merged[incoming == receiver->merged[0] ? 1 : 0];

	cq_group_combine(receiver->layout, receiver->aggcontext, receiver->stored, incoming, merged);
	if (bounds != NULL)
		merged->tts_values[receiver->session] = make_session(receiver, *bounds);
	ExecMaterializeSlot(merged);
	return merged;
}

/* ---- changes ---- */

static void
tell_gone(SessionReceiver *receiver)
{
	if (receiver->gone != NULL)
		receiver->changes.receiver->take(receiver->changes.receiver, receiver->gone, NULL);
	receiver->gone = NULL;
}

/* The stored session is about to be part of another one. */
static void
note_gone(SessionReceiver *receiver, Bounds bounds)
{
	if (receiver->changes.receiver == NULL)
		return;
	tell_gone(receiver);
	receiver->gone = cq_group_row_make(receiver->changes.row, receiver->aggcontext,
									   receiver->stored, CQ_GROUP_ROW_BEFORE);
	receiver->gone_bounds = bounds;
	if (receiver->gone != NULL)
		ExecMaterializeSlot(receiver->gone);
}

/*
 * A session that has kept its bounds has changed; else it is another one, for they are what tells
 * it from others.
 */
static void
tell_session(SessionReceiver *receiver, TupleTableSlot *slot, Bounds bounds)
{
	CqChangeReceiver *changes = receiver->changes.receiver;
	TupleTableSlot *row;

	if (changes == NULL)
		return;
	row = cq_group_row_make(receiver->changes.row, receiver->aggcontext, slot, CQ_GROUP_ROW_AFTER);
	if (row == NULL || receiver->gone == NULL || receiver->gone_bounds.lower != bounds.lower ||
		receiver->gone_bounds.upper != bounds.upper)
		tell_gone(receiver);
	if (row != NULL && (receiver->gone == NULL || !cq_group_row_same(receiver->gone, row)))
		changes->take(changes, receiver->gone, row);
	receiver->gone = NULL;
}

/* ---- merging ---- */

/* Unites the session with all stored ones that it overlaps. False: there is none. */
static bool
merge(SessionReceiver *receiver, TupleTableSlot *slot)
{
	bool		has_session = !slot->tts_isnull[receiver->session];
	Bounds		incoming = has_session ? bounds_of(receiver, slot->tts_values[receiver->session]) :
		(Bounds) {0, 0};
	Bounds		all = incoming;
	TupleTableSlot *merged = slot;
	ItemPointerData place;

	begin_scan(receiver, slot, has_session ? &incoming.upper : NULL);
	while (read_stored(receiver))
	{
		Bounds		stored = all;

		if (has_session)
		{
			stored = bounds_of(receiver, receiver->stored->tts_values[receiver->session]);
			if (stored.upper <= incoming.lower)
				break;
			all.lower = Min(all.lower, stored.lower);
			all.upper = Max(all.upper, stored.upper);
		}
		/* Only the first of them in time stays. */
		if (merged != slot && !cq_writer_delete_at(receiver->writer, &place))
			changed_by_others(receiver);
		note_gone(receiver, stored);
		merged = unite(receiver, merged, has_session ? &all : NULL);
		place = receiver->stored->tts_tid;
	}
	ExecClearTuple(receiver->stored);
	tell_session(receiver, merged, all);
	if (merged == slot)
		return false;
	if (!cq_writer_replace_at(receiver->writer, merged, &place))
		changed_by_others(receiver);
	cq_writer_next_command(receiver->writer);
	return true;
}

static void
append(SessionReceiver *receiver, TupleTableSlot *slot)
{
	TupleTableSlot *copy = cq_writer_next_slot(receiver->writer);
	int			ncolumns = cq_group_ncolumns(receiver->layout);

	memcpy(copy->tts_values, slot->tts_values, sizeof(Datum) * ncolumns);
	memcpy(copy->tts_isnull, slot->tts_isnull, sizeof(bool) * ncolumns);
	cq_writer_append(receiver->writer, copy, 0);
}

static bool
receive_session(TupleTableSlot *slot, DestReceiver *self)
{
	SessionReceiver *receiver = (SessionReceiver *) self;
	MemoryContext caller;

	slot_getallattrs(slot);
	if (receiver->needs_time && slot->tts_isnull[receiver->session])
		return true;
	caller = MemoryContextSwitchTo(receiver->group_context);
	cq_group_pack(receiver->layout, slot);
	if (merge(receiver, slot))
		receiver->counts->updated++;
	else
	{
		append(receiver, slot);
		receiver->counts->inserted++;
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(receiver->group_context);
	return true;
}

/* ---- the receiver ---- */

static void
startup(DestReceiver *self, int operation, TupleDesc typeinfo)
{
	SessionReceiver *receiver = (SessionReceiver *) self;
	Relation	state;

	receiver->writer = cq_writer_open(receiver->state, NULL, NULL);
	if (receiver->writer == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("state table %u of a continuous view is gone", receiver->state)));
	state = cq_writer_relation(receiver->writer);
	receiver->index = open_index(receiver);
	receiver->equality = palloc0(sizeof(FmgrInfo) * receiver->nkeys);
	find_operators(receiver);
	receiver->range = lookup_type_cache(TupleDescAttr(RelationGetDescr(state),
													  receiver->session)->atttypid,
										TYPECACHE_RANGE_INFO);
	receiver->scan = cq_compat_index_beginscan(state, receiver->index, SnapshotSelf,
											   receiver->nkeys);
	receiver->stored = table_slot_create(state, NULL);
	for (int i = 0; i < (int) lengthof(receiver->merged); i++)
		receiver->merged[i] = MakeSingleTupleTableSlot(RelationGetDescr(state), &TTSOpsVirtual);
	receiver->run_context = CurrentMemoryContext;
	receiver->group_context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq session",
													ALLOCSET_DEFAULT_SIZES);
	receiver->aggcontext = cq_combiner_context(receiver->group_context);
}

static void
shutdown(DestReceiver *self)
{
	SessionReceiver *receiver = (SessionReceiver *) self;

	index_endscan(receiver->scan);
	index_close(receiver->index, NoLock);
	ExecDropSingleTupleTableSlot(receiver->stored);
	for (int i = 0; i < (int) lengthof(receiver->merged); i++)
		ExecDropSingleTupleTableSlot(receiver->merged[i]);
	cq_writer_close(receiver->writer);
	MemoryContextDelete(receiver->group_context);
}

static void
destroy(DestReceiver *self)
{
	pfree(self);
}

DestReceiver *
cq_session_merge_receiver(Oid state, const CqViewPlan *plan, CqGroupLayout *layout, bool needs_time,
						  CqMergeCounts *counts,
						  const CqMergeChanges *changes)
{
	SessionReceiver *receiver = palloc0(sizeof(SessionReceiver));

	receiver->pub.receiveSlot = receive_session;
	receiver->pub.rStartup = startup;
	receiver->pub.rShutdown = shutdown;
	receiver->pub.rDestroy = destroy;
	receiver->pub.mydest = DestNone;
	receiver->state = state;
	receiver->layout = layout;
	receiver->counts = counts;
	receiver->needs_time = needs_time;
	if (changes != NULL)
		receiver->changes = *changes;
	receiver->nkeys = cq_plan_nkeys(plan);
	receiver->session = plan->session->key;
	return &receiver->pub;
}
