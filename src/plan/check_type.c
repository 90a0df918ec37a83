/*
 * check_type.c
 *		What making a value of a type asks for: see check_type.h.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "plan/check_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* ---- what a text is read as ---- */

typedef bool (*IsType) (Oid base);

static bool
is_time(Oid base)
{
	return base == DATEOID || base == TIMEOID || base == TIMETZOID || base == TIMESTAMPOID ||
		base == TIMESTAMPTZOID;
}

static bool
is_timetz(Oid base)
{
	return base == TIMETZOID;
}

static bool type_has(Oid type, IsType is);

static bool
row_has(Oid type, IsType is)
{
	TupleDesc	descriptor = lookup_rowtype_tupdesc_domain(type, -1, true);
	bool		found = false;

	if (descriptor == NULL)
		return false;
	for (int i = 0; i < descriptor->natts && !found; i++)
		found = !TupleDescAttr(descriptor, i)->attisdropped &&
			type_has(TupleDescAttr(descriptor, i)->atttypid, is);
	ReleaseTupleDesc(descriptor);
	return found;
}

static bool
type_has(Oid type, IsType is)
{
	Oid			base = getBaseType(type);
	Oid			element = get_element_type(base);

	if (is(base))
		return true;
	if (OidIsValid(element))
		return type_has(element, is);
	if (type_is_range(base))
		return type_has(get_range_subtype(base), is);
	if (type_is_multirange(base))
		return type_has(get_multirange_range(base), is);
	return type_is_rowtype(base) && base != RECORDOID && row_has(base, is);
}

bool
cq_check_type_is_time(Oid type)
{
	return type_has(type, is_time);
}

bool
cq_check_type_has_offset(Oid type)
{
	return type_has(type, is_timetz);
}

/* ---- conditions ---- */

/*
 * The server's own cache has them simplified, which calls functions. Those are of whoever made the
 * domain, and must not run with the rights of somebody who only asks what it is.
 */
static List *
conditions_of(Oid domain)
{
	Relation	relation = table_open(ConstraintRelationId, AccessShareLock);
	List	   *conditions = NIL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_constraint_contypid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(domain));
	scan = systable_beginscan(relation, ConstraintTypidIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		Datum		stored = heap_getattr(tuple, Anum_pg_constraint_conbin,
										RelationGetDescr(relation), &isnull);

		if (!isnull)
			conditions = lappend(conditions, stringToNode(TextDatumGetCString(stored)));
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return conditions;
}

/* Which may be a domain, too. */
static Oid
base_of(Oid domain)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(domain));
	Oid			base;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", domain);
	base = ((Form_pg_type) GETSTRUCT(tuple))->typbasetype;
	ReleaseSysCache(tuple);
	return base;
}

static bool
walk_domain(Oid domain, List **seen, CqCheckTypeWalk walk, void *context)
{
	ListCell   *cell;

	foreach(cell, conditions_of(domain))
	{
		if (walk(lfirst(cell), domain, context))
			return true;
	}
	return cq_check_type_walk(base_of(domain), seen, walk, context);
}

static bool
walk_row(Oid type, List **seen, CqCheckTypeWalk walk, void *context)
{
	TupleDesc	row = lookup_rowtype_tupdesc(type, -1);
	bool		stop = false;

	for (int i = 0; i < row->natts && !stop; i++)
		stop = !TupleDescAttr(row, i)->attisdropped &&
			cq_check_type_walk(TupleDescAttr(row, i)->atttypid, seen, walk, context);
	ReleaseTupleDesc(row);
	return stop;
}

bool
cq_check_type_walk(Oid type, List **seen, CqCheckTypeWalk walk, void *context)
{
	if (list_member_oid(*seen, type))
		return false;
	check_stack_depth();
	*seen = lappend_oid(*seen, type);
	if (get_typtype(type) == TYPTYPE_DOMAIN)
		return walk_domain(type, seen, walk, context);
	if (OidIsValid(get_element_type(type)))
		return cq_check_type_walk(get_element_type(type), seen, walk, context);
	if (type_is_range(type))
		return cq_check_type_walk(get_range_subtype(type), seen, walk, context);
	if (type_is_multirange(type))
		return cq_check_type_walk(get_multirange_range(type), seen, walk, context);
	return type_is_rowtype(type) && type != RECORDOID && walk_row(type, seen, walk, context);
}
