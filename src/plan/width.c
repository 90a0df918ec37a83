/*
 * width.c
 *		Does the state of a group fit on a page: see width.h.
 *
 * What is too long is stored elsewhere, and leaves a pointer behind. Counted is what a group has in
 * any case: states that are never null. So what is refused could not store a single row; what
 * passes may still fail by the values that come.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/tupmacs.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_type.h"
#include "plan/width.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static bool
is_never_null(const CqPartial *partial)
{
	HeapTuple	tuple;
	bool		result;

	if (partial->transtype == INTERNALOID)
		return true;
	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(partial->aggref->aggfnoid));
	if (!HeapTupleIsValid(tuple))
		return false;			/* whoever runs the aggregate will say so */
	result = !heap_attisnull(tuple, Anum_pg_aggregate_agginitval, NULL);
	ReleaseSysCache(tuple);
	return result;
}

/* Where a state ends that begins at so many bytes, at the least. */
static Size
add_state(Size width, Oid type)
{
	int16		length;
	bool		is_by_value;
	char		alignment;

	get_typlenbyvalalign(type, &length, &is_by_value, &alignment);
	if (length < 0)
		return width + TOAST_POINTER_SIZE;
	return att_align_nominal(width, alignment) + length;
}

static CqReject *
too_wide(const Aggref *last, Size width, Size limit)
{
	CqReject   *reject = cq_reject(ERRCODE_PROGRAM_LIMIT_EXCEEDED,
								   "the aggregates of a continuous view do not fit on a page");

	cq_reject_detail(reject, "Those up to this one need %zu bytes for each group, and a page has "
					 "room for %zu.", width, limit);
	cq_reject_hint(reject, "Create several views with the same GROUP BY, and join them in the "
				   "query that reads.");
	return cq_reject_at(reject, last->location);
}

CqReject *
cq_width_check(const CqViewPlan *plan)
{
	Size		width = 0;
	Size		limit = MaxHeapTupleSize - MAXALIGN(SizeofHeapTupleHeader);
	ListCell   *cell;

	foreach(cell, plan->partials)
	{
		const CqPartial *partial = lfirst(cell);

		if (is_never_null(partial))
			width = add_state(width, partial->storedtype);
		if (width > limit)
			return too_wide(partial->aggref, width, limit);
	}
	return NULL;
}
