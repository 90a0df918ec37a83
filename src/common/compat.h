/*
 * compat.h
 *		What differs between PostgreSQL 15 and 18, in one place.
 *
 * This is the only file that tests PG_VERSION_NUM. It offers the newest server's name and arguments, and maps
 * them to what older servers have.
 */
#ifndef CQ_COMPAT_H
#define CQ_COMPAT_H

#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/defrem.h"
#include "utils/acl.h"

#if PG_VERSION_NUM < 150000
#error "pg_cq needs PostgreSQL 15 or newer"
#endif

/* The arguments of a memory context's alloc method. */
#if PG_VERSION_NUM >= 170000
#define CQ_ALLOC_PARAMETERS MemoryContext context, Size size, int flags
#define CQ_ALLOC_ARGUMENTS context, size, flags
#else
#define CQ_ALLOC_PARAMETERS MemoryContext context, Size size
#define CQ_ALLOC_ARGUMENTS context, size
#endif

#if PG_VERSION_NUM < 160000
static inline bool
object_ownercheck(Oid class_id, Oid object_id, Oid role_id)
{
	switch (class_id)
	{
		case RelationRelationId:
			return pg_class_ownercheck(object_id, role_id);
		case DatabaseRelationId:
			return pg_database_ownercheck(object_id, role_id);
		case ExtensionRelationId:
			return pg_extension_ownercheck(object_id, role_id);
		default:
			elog(ERROR, "unexpected class %u", class_id);
	}
}
#endif

/* CREATE INDEX on a table that the caller has locked, for someone whose right to it the caller has checked. */
static inline ObjectAddress
cq_compat_define_index(Oid table, IndexStmt *stmt)
{
#if PG_VERSION_NUM >= 160000
	return DefineIndex(table, stmt, InvalidOid, InvalidOid, InvalidOid, -1, false, false, true, false, false);
#else
	return DefineIndex(table, stmt, InvalidOid, InvalidOid, InvalidOid, false, false, true, false, false);
#endif
}

#endif							/* CQ_COMPAT_H */
