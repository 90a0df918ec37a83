/*
 * stream.c
 *		Streams that are kept in this database: when the table behind one is made, and when it gives
 *		way.
 *
 * CREATE FOREIGN TABLE makes it, so that no INSERT has to, whose transaction may take its time. A
 * dump has both, in this order: the stream, whose row type the table has as a column, and the
 * table. So a table that comes from a dump takes the place of the one that has just been made; and
 * a column's type can be changed as long as nothing was ever written.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/stream.h"
#include "common/compat.h"
#include "common/owner.h"
#include "common/version.h"
#include "ddl/ddl.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "parser/parse_type.h"
#include "source/log_table.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static bool
is_log_stream(Oid relid)
{
	return OidIsValid(relid) && cq_stream_is(relid) &&
		cq_stream_get(relid, InvalidOid)->kind == CQ_STREAM_LOG;
}

void
cq_stream_create(CqCommand *command)
{
	CreateForeignTableStmt *stmt = (CreateForeignTableStmt *) command->pstmt->utilityStmt;
	RangeVar   *name = copyObject(stmt->base.relation);
	CqLogTable	table;
	Oid			schema;
	Oid			relid;

	cq_command_pass_on(command);
	/* pg_upgrade makes it itself, with the number that it had. */
	if (IsBinaryUpgrade || !cq_adopt_has_catalog() || !cq_version_matches())
		return;
	CommandCounterIncrement();
	schema = RangeVarGetCreationNamespace(name);
	relid = get_relname_relid(name->relname, schema);
	if (!isAnyTempNamespace(schema) && is_log_stream(relid))
		cq_log_table_ensure(relid, &table);
}

/*
 * Drops a stream's table where nothing has ever been written to it, nor can be before the end of
 * the transaction.
 */
static bool
drop_unused(Oid stream)
{
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(stream)};
	CqLogTable	table;
	CqActor		actor;

	LockRelationOid(stream, AccessExclusiveLock);
	if (!cq_log_table_find(stream, &table))
		return false;
	LockRelationOid(table.relid, AccessExclusiveLock);
	if (cq_log_table_end(table.relid) > 0)
		return false;
	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_execute("DELETE FROM _cq.log WHERE stream OPERATOR(pg_catalog.=) $1", SPI_OK_DELETE,
					 1, types, args, NULL);
	SPI_finish();
	cq_owner_end(&actor);
	cq_view_part_drop(table.relid, true);
	CommandCounterIncrement();
	return true;
}

/* The stream whose rows a column holds, or InvalidOid. */
static Oid
stream_of_column(const ColumnDef *column)
{
	Type		type = column->typeName != NULL ? LookupTypeName(NULL, column->typeName, NULL,
																 true) : NULL;
	Oid			relid;

	if (type == NULL)
		return InvalidOid;
	relid = ((Form_pg_type) GETSTRUCT(type))->typrelid;
	ReleaseSysCache(type);
	return is_log_stream(relid) ? relid : InvalidOid;
}

/*
 * Before a table is made in schema _cq, as it is when a dump is restored: the name and the stream
 * are free for it.
 */
void
cq_stream_give_way(const CreateStmt *stmt)
{
	Oid			schema = get_namespace_oid("_cq", true);
	Oid			there;
	Oid			stream;
	ListCell   *cell;

	if (!OidIsValid(schema) || stmt->relation->schemaname == NULL ||
		strcmp(stmt->relation->schemaname, "_cq") != 0 ||
		object_aclcheck(NamespaceRelationId, schema, GetUserId(), ACL_CREATE) != ACLCHECK_OK ||
		IsBinaryUpgrade || !cq_adopt_has_catalog() || !cq_version_matches())
		return;
	there = get_relname_relid(stmt->relation->relname, schema);
	stream = OidIsValid(there) ? cq_adopt_whole(there) : InvalidOid;
	if (is_log_stream(stream))
		(void) drop_unused(stream);
	foreach(cell, stmt->tableElts)
	{
		if (!IsA(lfirst(cell), ColumnDef))
			continue;
		stream = stream_of_column(lfirst_node(ColumnDef, cell));
		if (OidIsValid(stream))
			(void) drop_unused(stream);
	}
}

/*
 * Before a column's type is changed, which the server refuses where a table has a column of the row
 * type.
 */
bool
cq_stream_free_row_type(Oid relid)
{
	return is_log_stream(relid) && object_ownercheck(RelationRelationId, relid, GetUserId()) &&
		drop_unused(relid);
}
