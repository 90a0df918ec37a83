/*
 * owner.c
 *		Who owns relations and schemas, and acting as they: see owner.h.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "common/compat.h"
#include "common/owner.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

Oid
cq_owner_of_relation(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

Oid
cq_owner_of_schema(Oid schema)
{
	HeapTuple	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_SCHEMA),
				 errmsg("schema with OID %u does not exist", schema)));
	owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);
	return owner;
}

void
cq_owner_require(Oid relid)
{
	if (!object_ownercheck(RelationRelationId, relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, get_relkind_objtype(get_rel_relkind(relid)),
					   get_rel_name(relid));
}

static void
begin(CqActor *actor, Oid user, int context)
{
	GetUserIdAndSecContext(&actor->user, &actor->context);
	SetUserIdAndSecContext(user, actor->context | context);
	actor->nest = NewGUCNestLevel();
}

void
cq_owner_begin_catalog(CqActor *actor)
{
	begin(actor, cq_owner_of_schema(get_namespace_oid("_cq", false)), SECURITY_LOCAL_USERID_CHANGE);
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true,
							 0, false);
}

void
cq_owner_begin_user(CqActor *actor, Oid user)
{
	begin(actor, user, SECURITY_RESTRICTED_OPERATION);
}

void
cq_owner_end(const CqActor *actor)
{
	AtEOXact_GUC(false, actor->nest);
	SetUserIdAndSecContext(actor->user, actor->context);
}
