/*
 * check_type.c
 *		What making a value of a type asks for: see check_type.h.
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "plan/check_type.h"
#include "utils/lsyscache.h"
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

static bool
walk_domain(Oid domain, List **seen, CqCheckTypeWalk walk, void *context)
{
	/* The context calls it back when it goes: so it lives as long. */
	DomainConstraintRef *constraints = palloc(sizeof(DomainConstraintRef));
	ListCell   *cell;

	InitDomainConstraintRef(domain, constraints, CurrentMemoryContext, false);
	foreach(cell, constraints->constraints)
	{
		DomainConstraintState *constraint = lfirst(cell);

		if (constraint->check_expr != NULL &&
			walk((Node *) constraint->check_expr, domain, context))
			return true;
	}
	return cq_check_type_walk(getBaseType(domain), seen, walk, context);
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
