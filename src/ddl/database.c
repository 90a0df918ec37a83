/*
 * database.c
 *		Commands that need a database without anybody in it.
 *
 * DROP, RENAME, SET TABLESPACE of a database and its use as a template fail while sessions are
 * connected, and our workers are. So they are stopped first, for those who may do what they ask
 * for; what the command then says is the server's business. Where the database stays, the launcher
 * starts its workers again by itself. DROP EXTENSION is the same from within.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "common/compat.h"
#include "ddl/ddl.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "worker/slots.h"
#include "utils/syscache.h"

static void
release_database(const char *name)
{
	Oid			database = get_database_oid(name, true);

	if (OidIsValid(database) && database != MyDatabaseId &&
		object_ownercheck(DatabaseRelationId, database, GetUserId()))
		cq_database_stop_workers(database);
}

/* The server's own have_createdb_privilege is not there to call in earlier minor releases of 15. */
static bool
may_create_databases(void)
{
	HeapTuple	role;
	bool		may = false;

	if (superuser())
		return true;
	role = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	if (HeapTupleIsValid(role))
	{
		may = ((Form_pg_authid) GETSTRUCT(role))->rolcreatedb;
		ReleaseSysCache(role);
	}
	return may;
}

/* CREATE DATABASE copies template1 if not told otherwise. */
static void
release_template(const CreatedbStmt *stmt)
{
	const char *name = "template1";
	ListCell   *cell;

	foreach(cell, stmt->options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, "template") == 0 && option->arg != NULL)
			name = defGetString(option);
	}
	if (may_create_databases())
		release_database(name);
}

static bool
moves_database(const AlterDatabaseStmt *stmt)
{
	ListCell   *cell;

	foreach(cell, stmt->options)
	{
		if (strcmp(lfirst_node(DefElem, cell)->defname, "tablespace") == 0)
			return true;
	}
	return false;
}

static void
release_extension(const DropStmt *stmt)
{
	Oid			extension = get_extension_oid("pg_cq", true);
	ListCell   *cell;

	foreach(cell, stmt->objects)
	{
		if (strcmp(strVal(lfirst(cell)), "pg_cq") == 0 && OidIsValid(extension) &&
			object_ownercheck(ExtensionRelationId, extension, GetUserId()))
			cq_database_stop_workers(MyDatabaseId);
	}
}

void
cq_database_release(const Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_DropdbStmt:
			release_database(((const DropdbStmt *) stmt)->dbname);
			break;
		case T_CreatedbStmt:
			release_template((const CreatedbStmt *) stmt);
			break;
		case T_AlterDatabaseStmt:
			if (moves_database((const AlterDatabaseStmt *) stmt))
				release_database(((const AlterDatabaseStmt *) stmt)->dbname);
			break;
		case T_RenameStmt:
			if (((const RenameStmt *) stmt)->renameType == OBJECT_DATABASE)
				release_database(((const RenameStmt *) stmt)->subname);
			break;
		case T_DropStmt:
			if (((const DropStmt *) stmt)->removeType == OBJECT_EXTENSION)
				release_extension((const DropStmt *) stmt);
			break;
		default:
			break;
	}
}
