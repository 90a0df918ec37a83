/*
 * replace.c
 *		CREATE OR REPLACE VIEW where a continuous view would change behind its own back.
 *
 * A plain view cannot take the place of a continuous one. Nor can the query of a plain view change
 * through which a continuous view reads its stream: what has been counted was counted by the old
 * query. (A view over ordinary tables, joined to the stream, may: these are looked up as of the
 * batch, and their rows change as well.)
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/identity.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_rewrite.h"
#include "catalog/view.h"
#include "common/compat.h"
#include "ddl/ddl.h"
#include "miscadmin.h"
#include "plan/scope.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* The view that a rule belongs to. */
static Oid
view_of_rule(Oid rule)
{
	Relation	rewrite = table_open(RewriteRelationId, AccessShareLock);
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;
	Oid			view = InvalidOid;

	ScanKeyInit(&key, Anum_pg_rewrite_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(rule));
	scan = systable_beginscan(rewrite, RewriteOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		view = ((Form_pg_rewrite) GETSTRUCT(tuple))->ev_class;
	systable_endscan(scan);
	table_close(rewrite, AccessShareLock);
	return view;
}

/* The views that read a relation, directly: of OIDs. */
static List *
views_over(Oid relid)
{
	Relation	depend = table_open(DependRelationId, AccessShareLock);
	SysScanDesc scan;
	ScanKeyData keys[2];
	HeapTuple	tuple;
	List	   *views = NIL;

	ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(depend, DependReferenceIndexId, true, NULL, lengthof(keys), keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend dependency = (Form_pg_depend) GETSTRUCT(tuple);

		if (dependency->classid == RewriteRelationId)
			views = list_append_unique_oid(views, view_of_rule(dependency->objid));
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return list_delete_oid(views, relid);	/* its own rule */
}

/*
 * A continuous view whose definition reads this one, through whatever number of views, or
 * InvalidOid.
 */
static Oid
continuous_reader(Oid relid)
{
	ListCell   *cell;

	check_stack_depth();
	foreach(cell, views_over(relid))
	{
		Oid			view = lfirst_oid(cell);
		Oid			whole = cq_adopt_whole(view);

		if (!OidIsValid(whole))
			whole = continuous_reader(view);
		if (OidIsValid(whole))
			return whole;
	}
	return InvalidOid;
}

static bool
reads_stream(Oid view)
{
	Relation	relation = table_open(view, AccessShareLock);
	bool		reads = cq_scope_reads_stream(NULL, (Node *) cq_compat_view_query(relation));

	table_close(relation, AccessShareLock);
	return reads;
}

/*
 * A dump replaces views that it had to break out of a circle; where it is being restored, the
 * catalog's rows may be there already, but are not this database's yet.
 */
void
cq_replace_check(const RangeVar *name)
{
	Oid			relid = RangeVarGetRelid(name, NoLock, true);
	Oid			reader;

	if (!OidIsValid(relid) || get_rel_relkind(relid) != RELKIND_VIEW || !cq_adopt_has_catalog() ||
		!cq_identity_is_own())
		return;
	if (cq_view_is(relid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is a continuous view", name->relname),
				 errhint("Use CREATE OR REPLACE CONTINUOUS VIEW, or drop it first.")));
	reader = continuous_reader(relid);
	if (OidIsValid(reader) && reads_stream(relid))
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot replace view \"%s\" because continuous view \"%s\" reads a stream "
						"through it",
						name->relname, get_rel_name(reader)),
				 errdetail("What it has read so far was read by the old query."),
				 errhint("Drop the continuous view first, or give the new view another name.")));
}
