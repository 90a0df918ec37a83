/*
 * group_index.c
 *		Finds the row of a group by its keys: see group_index.h.
 *
 * A btree over all keys, made with the state table. Where a view has no keys its one group is found
 * by reading the table.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "commands/defrem.h"
#include "common/compat.h"
#include "nodes/nodeFuncs.h"
#include "state/group_index.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

struct CqGroupIndex
{
	int			nkeys;
	Relation	index;			/* NULL: there are no keys */
	IndexScanDesc scan;
	ScanKeyData *keys;
	ItemPointerData only;		/* where there are no keys: the one group, or invalid */
	bool		is_given;		/* by this look-up */
};

CqReject *
cq_group_index_check(const CqViewPlan *plan)
{
	if (cq_plan_nkeys(plan) > INDEX_MAX_KEYS)
		return cq_reject(ERRCODE_TOO_MANY_COLUMNS,
						 "changes of a continuous view with more than %d grouped columns are not "
						 "supported",
						 INDEX_MAX_KEYS);
	for (int i = 0; i < cq_plan_nkeys(plan); i++)
	{
		ColumnDef  *column = list_nth_node(ColumnDef, plan->columns, i);

		if (!OidIsValid(GetDefaultOpClass(column->typeName->typeOid, BTREE_AM_OID)))
			return cq_reject_hint(cq_reject(ERRCODE_UNDEFINED_OBJECT,
											"changes of a continuous view grouped by a column of "
											"type %s are not supported",
											format_type_be(column->typeName->typeOid)),
								  "Its groups are found by an index, and the type has no operators "
								  "for one. Cast the column to another type.");
	}
	return NULL;
}

static bool
is_over_keys(Relation index, int nkeys)
{
	if (index->rd_rel->relam != BTREE_AM_OID || !index->rd_index->indisvalid ||
		index->rd_index->indnkeyatts != nkeys ||
		RelationGetIndexPredicate(index) != NIL)
		return false;
	for (int i = 0; i < nkeys; i++)
	{
		if (index->rd_index->indkey.values[i] != i + 1)
			return false;
	}
	return true;
}

static Relation
open_index(Relation state, int nkeys)
{
	ListCell   *cell;

	foreach(cell, RelationGetIndexList(state))
	{
		Relation	index = index_open(lfirst_oid(cell), RowExclusiveLock);

		if (is_over_keys(index, nkeys))
			return index;
		index_close(index, RowExclusiveLock);
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" does not have the index over its keys that the continuous view "
					"needs", RelationGetRelationName(state)),
			 errhint("CREATE OR REPLACE CONTINUOUS VIEW begins again.")));
}

static void
init_keys(CqGroupIndex *index)
{
	index->keys = palloc0(sizeof(ScanKeyData) * index->nkeys);
	for (int i = 0; i < index->nkeys; i++)
	{
		Oid			family = index->index->rd_opfamily[i];
		Oid			type = index->index->rd_opcintype[i];
		Oid			equality = get_opfamily_member(family, type, type, BTEqualStrategyNumber);

		ScanKeyEntryInitialize(&index->keys[i], 0, i + 1, BTEqualStrategyNumber, type,
							   index->index->rd_indcollation[i],
							   get_opcode(equality), (Datum) 0);
	}
}

static void
take_only(void *only, uint32 hash, ItemPointer tid)
{
	*(ItemPointer) only = *tid;
}

CqGroupIndex *
cq_group_index_open(Relation state, const CqGroupLayout *layout, int nkeys)
{
	CqGroupIndex *index = palloc0(sizeof(CqGroupIndex));

	index->nkeys = nkeys;
	if (nkeys == 0)
	{
		ItemPointerSetInvalid(&index->only);
		cq_group_scan(state, layout, 0, InvalidBlockNumber, take_only, &index->only);
		return index;
	}
	index->index = open_index(state, nkeys);
	init_keys(index);
	index->scan = cq_compat_index_beginscan(state, index->index, GetActiveSnapshot(), nkeys);
	return index;
}

void
cq_group_index_close(CqGroupIndex *index)
{
	if (index->index == NULL)
		return;
	index_endscan(index->scan);
	index_close(index->index, NoLock);
}

void
cq_group_index_probe(CqGroupIndex *index, const TupleTableSlot *keys)
{
	index->is_given = false;
	if (index->index == NULL)
		return;
	for (int i = 0; i < index->nkeys; i++)
	{
		index->keys[i].sk_argument = keys->tts_values[i];
		index->keys[i].sk_flags = keys->tts_isnull[i] ? SK_ISNULL | SK_SEARCHNULL : 0;
	}
	index_rescan(index->scan, index->keys, index->nkeys, NULL, 0);
}

bool
cq_group_index_next(CqGroupIndex *index, ItemPointer tid)
{
	ItemPointer found;

	if (index->index != NULL)
		found = index_getnext_tid(index->scan, ForwardScanDirection);
	else
		found = !index->is_given && ItemPointerIsValid(&index->only) ? &index->only : NULL;
	index->is_given = true;
	if (found != NULL)
		*tid = *found;
	return found != NULL;
}
