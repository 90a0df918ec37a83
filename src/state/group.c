/*
 * group.c
 *		The groups of a state table: see group.h.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "catalog/index.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_agg.h"
#include "parser/parse_oper.h"
#include "state/combiner.h"
#include "state/group.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/*
 * How one key is hashed and compared: by its type's functions, or by its bytes where the type has
 * none to hash.
 */
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

/*
 * That an operator has a hash function does not tell that it works: arrays' and rows' need their
 * elements'.
 */
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
cq_group_layout(const CqViewPlan *plan)
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

		layout_key(&layout->keys[foreach_current_index(cell)], exprType((Node *) key->expr),
				   key->clause->eqop,
				   key->clause->hashable, exprCollation((Node *) key->expr));
	}
	if (plan->has_grouping_id)
		layout_key(&layout->keys[layout->nkeys - 1], INT4OID, int4_equality(), true, InvalidOid);
	foreach(cell, plan->partials)
	{
		Aggref	   *aggref = ((CqPartial *) lfirst(cell))->aggref;
		Oid			argtypes[FUNC_MAX_ARGS];
		int			nargs = get_aggregate_argtypes(aggref, argtypes);

		cq_combiner_init(&layout->combiners[foreach_current_index(cell)], aggref->aggfnoid,
						 argtypes, nargs,
						 aggref->aggtype, aggref->inputcollid);
	}
	return layout;
}

uint32
cq_group_hash(const CqGroupLayout *layout, const Datum *values, const bool *nulls)
{
	uint32		hash = 0;

	for (int i = 0; i < layout->nkeys; i++)
	{
		const KeyLayout *key = &layout->keys[i];
		uint32		h = 0;

		if (!nulls[i])
			h = key->has_hash ?
				DatumGetUInt32(FunctionCall1Coll(unconstify(FmgrInfo *, &key->hash), key->collation,
												 values[i])) :
				datum_image_hash(values[i], key->typbyval, key->typlen);
		hash = hash_combine(hash, h);
	}
	return murmurhash32(hash);
}

bool
cq_group_same_keys(const CqGroupLayout *layout, TupleTableSlot *a, TupleTableSlot *b)
{
	for (int i = 0; i < layout->nkeys; i++)
	{
		KeyLayout  *key = &layout->keys[i];

		if (a->tts_isnull[i] != b->tts_isnull[i])
			return false;
		if (!a->tts_isnull[i] &&
			!DatumGetBool(FunctionCall2Coll(&key->equal, key->collation, a->tts_values[i],
											b->tts_values[i])))
			return false;
	}
	return true;
}

void
cq_group_combine(CqGroupLayout *layout, Node *aggcontext, TupleTableSlot *stored,
				 TupleTableSlot *incoming, TupleTableSlot *merged)
{
	ExecClearTuple(merged);
	memcpy(merged->tts_values, stored->tts_values, sizeof(Datum) * layout->nkeys);
	memcpy(merged->tts_isnull, stored->tts_isnull, sizeof(bool) * layout->nkeys);
	for (int i = 0; i < layout->npartials; i++)
	{
		CqCombiner *combiner = &layout->combiners[i];
		int			column = layout->nkeys + i;
		bool		is_null;
		bool		stored_is_null = stored->tts_isnull[column];
		bool		incoming_is_null = incoming->tts_isnull[column];
		Datum		state = cq_combiner_load(combiner, aggcontext, stored->tts_values[column],
											 &stored_is_null);
		Datum		other = cq_combiner_load(combiner, aggcontext, incoming->tts_values[column],
											 &incoming_is_null);

		state = cq_combiner_combine(combiner, aggcontext, state, stored_is_null, other,
									incoming_is_null,
									&is_null);
		merged->tts_values[column] = cq_combiner_store(combiner, aggcontext, state, &is_null);
		merged->tts_isnull[column] = is_null;
	}
	ExecStoreVirtualTuple(merged);
}

void
cq_group_pack(const CqGroupLayout *layout, TupleTableSlot *slot)
{
	for (int i = 0; i < layout->npartials; i++)
	{
		int			column = layout->nkeys + i;

		slot->tts_values[column] = cq_combiner_pack(&layout->combiners[i], slot->tts_values[column],
													slot->tts_isnull[column]);
	}
}

int
cq_group_nkeys(const CqGroupLayout *layout)
{
	return layout->nkeys;
}

int
cq_group_ncolumns(const CqGroupLayout *layout)
{
	return layout->nkeys + layout->npartials;
}

typedef struct GroupScan
{
	const CqGroupLayout *layout;
	CqGroupCallback callback;
	void	   *context;
	MemoryContext row_context;	/* reset for each row */
} GroupScan;

static void
pass_on(Relation index, ItemPointer tid, Datum *values, bool *nulls, bool is_alive, void *state)
{
	GroupScan  *scan = state;
	MemoryContext caller = MemoryContextSwitchTo(scan->row_context);
	uint32		hash = cq_group_hash(scan->layout, values, nulls);

	MemoryContextSwitchTo(caller);
	MemoryContextReset(scan->row_context);
	scan->callback(scan->context, hash, tid);
}

/* As if to build an index over the keys: that gives where a row is rooted. */
void
cq_group_scan(Relation state, const CqGroupLayout *layout, BlockNumber start, BlockNumber nblocks,
			  CqGroupCallback callback, void *context)
{
	GroupScan	scan = {layout, callback, context, NULL};
	IndexInfo  *keys = makeNode(IndexInfo);

	keys->ii_NumIndexAttrs = keys->ii_NumIndexKeyAttrs = layout->nkeys;
	for (int i = 0; i < layout->nkeys; i++)
		keys->ii_IndexAttrNumbers[i] = i + 1;
	keys->ii_Concurrent = true; /* what a snapshot sees, and no lock */
	scan.row_context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq group scan",
											 ALLOCSET_SMALL_SIZES);
	table_index_build_range_scan(state, NULL, keys, false, false, false, start, nblocks, pass_on,
								 &scan, NULL);
	MemoryContextDelete(scan.row_context);
}

bool
cq_group_can_scan(const CqGroupLayout *layout)
{
	return layout->nkeys <= INDEX_MAX_KEYS;
}
