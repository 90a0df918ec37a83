/*
 * enum_value.c
 *		ALTER TYPE … RENAME VALUE.
 *
 * Nodes find what they keep by a stored hash of its key, and that of an enum is of its label
 * (node/key_hash.c). So labels stay as long as rows of such a type are kept.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "common/owner.h"
#include "common/version.h"
#include "ddl/ddl.h"
#include "executor/spi.h"
#include "nodes/makefuncs.h"
#include "parser/parse_type.h"
#include "utils/builtins.h"

/* A view that keeps rows of the type in a node, by its name, or NULL. */
static char *
find_keeper(Oid type)
{
	static const char read[] =
		"SELECT p.view::text FROM _cq.part p JOIN pg_attribute a ON a.attrelid = p.relation "
		"JOIN pg_type t ON t.oid = a.atttypid WHERE $1 IN (t.oid, t.typbasetype) AND EXISTS "
		"(SELECT FROM pg_attribute h WHERE h.attrelid = p.relation AND h.attname = '_cq_hash') "
		"ORDER BY 1 LIMIT 1";
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(type)};
	MemoryContext caller = CurrentMemoryContext;
	char	   *view = NULL;
	CqActor		actor;

	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_execute(read, SPI_OK_SELECT, lengthof(types), types, args, NULL);
	if (SPI_processed > 0)
	{
		bool		isnull;

		view = MemoryContextStrdup(caller, TextDatumGetCString(cq_query_column(0, 1, &isnull)));
	}
	SPI_finish();
	cq_owner_end(&actor);
	return view;
}

void
cq_enum_value_alter(CqCommand *command)
{
	const AlterEnumStmt *stmt = (AlterEnumStmt *) command->pstmt->utilityStmt;
	bool		is_renamed = stmt->oldVal != NULL && cq_adopt_has_catalog() && cq_version_matches();
	Oid			type = is_renamed ?
		typenameTypeId(NULL, makeTypeNameFromNameList(stmt->typeName)) : InvalidOid;
	char	   *view = OidIsValid(type) ? find_keeper(type) : NULL;

	if (view != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("cannot rename a value of type \"%s\"", format_type_be(type)),
				 errdetail("Continuous view %s finds what it keeps by it.", view),
				 errhint("Drop the view, and create it again afterwards.")));
	cq_command_pass_on(command);
}
