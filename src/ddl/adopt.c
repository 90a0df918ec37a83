/*
 * adopt.c
 *		What belongs to a view or a stream, and making a restored database's views its own.
 *
 * A view's definition and state, and the table behind a stream of cq_log, are parts: internal
 * dependencies make them go with the whole, and not before. A dump carries the relations and the
 * catalog's rows, but not these dependencies, nor should what it carries run at once:
 * cq.resume_all() records them again, says that the catalog is this database's, and lets the views
 * run.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/event.h"
#include "catalog/identity.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_type.h"
#include "common/version.h"
#include "ddl/ddl.h"
#include "ddl/maintain.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "worker/slots.h"

PG_FUNCTION_INFO_V1(cq_adopt_parts_sql);
PG_FUNCTION_INFO_V1(cq_resume_all);

bool
cq_adopt_has_catalog(void)
{
	Oid			schema = get_namespace_oid("_cq", true);

	return OidIsValid(schema) && OidIsValid(get_relname_relid("view", schema));
}

static void
depend(Oid depender, Oid referenced, DependencyType type)
{
	ObjectAddress one;
	ObjectAddress other;

	ObjectAddressSet(one, RelationRelationId, depender);
	ObjectAddressSet(other, RelationRelationId, referenced);
	deleteDependencyRecordsForSpecific(RelationRelationId, depender, type, RelationRelationId,
									   referenced);
	recordDependencyOn(&one, &other, type);
}

/*
 * A type that a column has is also the whole table's to depend on. DROP … CASCADE would else come
 * to the column first, from there to the view, and from the view to the table, which it drops
 * before the column.
 */
static void
depend_on_types(Oid part)
{
	Relation	relation = table_open(part, AccessShareLock);
	TupleDesc	descriptor = RelationGetDescr(relation);
	ObjectAddresses *types = new_object_addresses();
	ObjectAddress address;

	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);

		if (attribute->attisdropped)
			continue;
		ObjectAddressSet(address, TypeRelationId, attribute->atttypid);
		add_exact_object_address(&address, types);
		if (!OidIsValid(attribute->attcollation))
			continue;
		ObjectAddressSet(address, CollationRelationId, attribute->attcollation);
		add_exact_object_address(&address, types);
	}
	ObjectAddressSet(address, RelationRelationId, part);
	deleteDependencyRecordsForClass(RelationRelationId, part, TypeRelationId, DEPENDENCY_AUTO);
	deleteDependencyRecordsForClass(RelationRelationId, part, CollationRelationId, DEPENDENCY_AUTO);
	record_object_address_dependencies(&address, types, DEPENDENCY_AUTO);
	free_object_addresses(types);
	table_close(relation, NoLock);
}

void
cq_adopt_part(Oid part, Oid whole)
{
	depend(part, whole, DEPENDENCY_INTERNAL);
	if (get_rel_relkind(part) == RELKIND_RELATION)
		depend_on_types(part);
}

void
cq_adopt_sink(Oid sink, Oid view)
{
	depend(view, sink, DEPENDENCY_NORMAL);
}

/*
 * A dependency of a relation in _cq, or of a stream of changes, as a whole, upon a relation as a
 * whole.
 */
static bool
is_part_dependency(Form_pg_depend dependency, Oid schema)
{
	return dependency->deptype == DEPENDENCY_INTERNAL &&
		dependency->classid == RelationRelationId && dependency->objsubid == 0 &&
		dependency->refclassid == RelationRelationId && dependency->refobjsubid == 0 &&
		(get_rel_namespace(dependency->objid) == schema ||
		 get_rel_relkind(dependency->objid) == RELKIND_FOREIGN_TABLE);
}

/* The other ends of relid's part dependencies: its parts, or where is_part is set the whole. */
static List *
find_ends(Oid relid, bool is_part)
{
	Oid			schema = get_namespace_oid("_cq", true);
	Relation	depend;
	SysScanDesc scan;
	ScanKeyData keys[2];
	HeapTuple	tuple;
	List	   *ends = NIL;

	if (!OidIsValid(schema))
		return NIL;
	depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyInit(&keys[0], is_part ? Anum_pg_depend_classid : Anum_pg_depend_refclassid,
				BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&keys[1], is_part ? Anum_pg_depend_objid : Anum_pg_depend_refobjid,
				BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(depend, is_part ? DependDependerIndexId : DependReferenceIndexId,
							  true, NULL,
							  lengthof(keys), keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend dependency = (Form_pg_depend) GETSTRUCT(tuple);

		if (is_part_dependency(dependency, schema))
			ends = lappend_oid(ends, is_part ? dependency->refobjid : dependency->objid);
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return ends;
}

List *
cq_adopt_parts(Oid whole)
{
	return find_ends(whole, false);
}

Oid
cq_adopt_whole(Oid part)
{
	List	   *wholes = find_ends(part, true);

	return wholes != NIL ? linitial_oid(wholes) : InvalidOid;
}

/*
 * Adopts the pairs (part or sink, whole) that a query finds; those of which one is gone are left to
 * the sql_drop trigger.
 */
static void
adopt_pairs(const char *query, void (*adopt) (Oid part, Oid whole))
{
	SPI_execute(query, true, 0);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		bool		is_null;
		Oid			part = DatumGetObjectId(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &is_null));
		Oid			whole = DatumGetObjectId(SPI_getbinval(row, SPI_tuptable->tupdesc, 2,
														   &is_null));

		adopt(part, whole);
	}
}

/*
 * _cq.adopt_parts(): dependencies of all parts there are. Can be called again, and then changes
 * nothing.
 */
Datum
cq_adopt_parts_sql(PG_FUNCTION_ARGS)
{
	cq_version_require();
	SPI_connect();
	adopt_pairs("SELECT part.oid, whole.oid"
				" FROM (SELECT relation AS part, view AS whole FROM _cq.part"
				"       UNION ALL SELECT log, stream FROM _cq.log"
				"       UNION ALL SELECT outbox, view FROM _cq.sink WHERE view = sink) AS pair"
				" JOIN pg_catalog.pg_class part ON part.oid = pair.part"
				" JOIN pg_catalog.pg_class whole ON whole.oid = pair.whole", cq_adopt_part);
	adopt_pairs("SELECT s.oid, v.view FROM _cq.view v JOIN pg_catalog.pg_class s ON s.oid = v.sink",
				cq_adopt_sink);
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * cq.resume_all(keep_ids boolean): SECURITY DEFINER. Can be called again, and then changes nothing.
 */
Datum
cq_resume_all(PG_FUNCTION_ARGS)
{
	bool		keep_prefix = PG_GETARG_BOOL(0);

	cq_version_require();
	PreventCommandIfReadOnly("cq.resume_all()");
	SPI_connect();
	SPI_execute("SELECT _cq.complete_parts()", false, 0);
	if (!cq_identity_matches())
		cq_maintain_restore();
	else
		cq_maintain_look_again();
	/* Under other names than those of the original, to which Kafka's places belong. */
	if (!keep_prefix && !cq_identity_matches())
		cq_resume_sink_renew_all();
	cq_identity_take(keep_prefix);
	/* What nobody has read so far is not idle. */
	SPI_execute("UPDATE _cq.cursor SET active_at = _cq.clock()", false, 0);
	SPI_execute("UPDATE _cq.view SET status = 'running', status_detail = NULL WHERE status = "
				"'restored'", false, 0);
	SPI_finish();
	cq_event_note(InvalidOid, "resumed", "cq.resume_all was called");
	cq_wake_catalog_changed();
	PG_RETURN_VOID();
}
