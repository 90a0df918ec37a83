/*
 * touched.c
 *		The keys that a batch has touched: see touched.h.
 */
#include "postgres.h"

#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"
#include "common/compat.h"
#include "miscadmin.h"
#include "node/touched.h"
#include "utils/tuplesort.h"

struct CqTouched
{
	bool		is_all;
	Tuplesortstate *hashes;		/* NULL: none so far */
	bool		is_sorted;		/* nothing can be added any more */
	bool		has_last;
	int64		last;			/* the one added, or given, last */
};

CqTouched *
cq_touched_make(void)
{
	return palloc0(sizeof(CqTouched));
}

void
cq_touched_free(CqTouched *touched)
{
	if (touched->hashes != NULL)
		tuplesort_end(touched->hashes);
	pfree(touched);
}

void
cq_touched_add(CqTouched *touched, int64 hash)
{
	Assert(!touched->is_sorted);
	if (touched->is_all || (touched->has_last && touched->last == hash))
		return;
	if (touched->hashes == NULL)
		touched->hashes = tuplesort_begin_datum(INT8OID, Int8LessOperator, InvalidOid, false,
												work_mem, NULL, TUPLESORT_RANDOMACCESS);
	tuplesort_putdatum(touched->hashes, Int64GetDatum(hash), false);
	touched->has_last = true;
	touched->last = hash;
}

void
cq_touched_add_all(CqTouched *touched)
{
	touched->is_all = true;
}

bool
cq_touched_is_empty(const CqTouched *touched)
{
	return !touched->is_all && touched->hashes == NULL;
}

bool
cq_touched_is_all(const CqTouched *touched)
{
	return touched->is_all;
}

void
cq_touched_rewind(CqTouched *touched)
{
	touched->has_last = false;
	if (touched->hashes == NULL)
		return;
	if (touched->is_sorted)
		tuplesort_rescan(touched->hashes);
	else
		tuplesort_performsort(touched->hashes);
	touched->is_sorted = true;
}

bool
cq_touched_next(CqTouched *touched, int64 *hash)
{
	Datum		value;

	Assert(!touched->is_all);
	while (touched->hashes != NULL && cq_compat_tuplesort_next_value(touched->hashes, &value))
	{
		CHECK_FOR_INTERRUPTS();
		*hash = DatumGetInt64(value);
		if (touched->has_last && touched->last == *hash)
			continue;
		touched->has_last = true;
		touched->last = *hash;
		return true;
	}
	return false;
}
