/*
 * view_part.c
 *		Relations in _cq that are parts of a view: how they are made and dropped.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "commands/tablecmds.h"
#include "common/owner.h"
#include "common/part_name.h"
#include "ddl/ddl.h"
#include "nodes/makefuncs.h"
#include "utils/rel.h"
#include "utils/syscache.h"

CreateStmt *
cq_view_part_statement(RangeVar *name, List *columns, List *options)
{
	CreateStmt *create = makeNode(CreateStmt);

	create->relation = name;
	create->tableElts = copyObject(columns);
	create->options = options;
	create->oncommit = ONCOMMIT_NOOP;
	return create;
}

/*
 * Rows of parts are updated and deleted though they need have no key. Where they are published (FOR
 * ALL TABLES) the server refuses that of a table that does not say how its rows are told apart.
 */
static void
set_replica_identity(Oid table)
{
	Relation	catalog = table_open(RelationRelationId, RowExclusiveLock);
	HeapTuple	tuple;

	CommandCounterIncrement();
	tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(table));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", table);
	((Form_pg_class) GETSTRUCT(tuple))->relreplident = REPLICA_IDENTITY_FULL;
	CatalogTupleUpdate(catalog, &tuple->t_self, tuple);
	table_close(catalog, RowExclusiveLock);
}

/* For the moment we are whoever owns that schema. */
Oid
cq_view_part_create(char relkind, char *base, const char *label, List *columns, List *options,
					Oid owner,
				const char *query_string)
{
	char	   *name = cq_part_name_choose(base, NULL, label);
	CreateStmt *create = cq_view_part_statement(makeRangeVar("_cq", name, -1), columns, options);
	CqActor		actor;
	Oid			relid;

	cq_owner_begin_catalog(&actor);
	relid = DefineRelation(create, relkind, owner, NULL, query_string).objectId;
	if (relkind == RELKIND_RELATION)
		set_replica_identity(relid);
	cq_owner_end(&actor);
	CommandCounterIncrement();
	return relid;
}

void
cq_view_part_drop(Oid relid, bool is_internal)
{
	ObjectAddress address;

	ObjectAddressSet(address, RelationRelationId, relid);
	deleteDependencyRecordsForClass(RelationRelationId, relid, RelationRelationId,
									DEPENDENCY_INTERNAL);
	CommandCounterIncrement();
	performDeletion(&address, DROP_RESTRICT, is_internal ? PERFORM_DELETION_INTERNAL : 0);
}
