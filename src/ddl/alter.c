/*
 * alter.c
 *		ALTER of a continuous view: its options, and the owner of its parts.
 *
 * ALTER VIEW v SET and RESET may name our options and the server's together. Ours go to the
 * catalog, the server's to the server. Whatever changes the owner of a view, or of a stream kept in
 * the database, changes the owner of its parts in the same command: workers run as that owner, and
 * the view reads its state with the owner's privileges. (REASSIGN OWNED finds the parts by itself,
 * since they have the same owner.)
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/tablecmds.h"
#include "common/owner.h"
#include "ddl/ddl.h"
#include "ddl/view_options.h"
#include "miscadmin.h"
#include "source/log_table.h"
#include "worker/slots.h"

static bool
sets_options(const AlterTableCmd *cmd)
{
	return cmd->subtype == AT_SetRelOptions || cmd->subtype == AT_ResetRelOptions;
}

static bool
has_command(const AlterTableStmt *stmt, bool (*is_it) (const AlterTableCmd *cmd))
{
	ListCell   *cell;

	foreach(cell, stmt->cmds)
	{
		if (is_it(lfirst_node(AlterTableCmd, cell)))
			return true;
	}
	return false;
}

static bool
changes_owner(const AlterTableCmd *cmd)
{
	return cmd->subtype == AT_ChangeOwner;
}

static bool
changes_type(const AlterTableCmd *cmd)
{
	return cmd->subtype == AT_AlterColumnType;
}

/* Splits an option list in two. */
static List *
take_own_options(List *options, bool reset, List **own)
{
	List	   *others = NIL;
	ListCell   *cell;

	*own = NIL;
	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (cq_view_options_is_server(option, reset))
			others = lappend(others, option);
		else
			*own = lappend(*own, option);
	}
	return others;
}

/* Carries out what concerns our options; leaves in stmt what the server has to do. */
static void
alter_options(AlterTableStmt *stmt, const char *query_string)
{
	Oid			view = RangeVarGetRelidExtended(stmt->relation, ShareRowExclusiveLock, 0,
												RangeVarCallbackOwnsRelation, NULL);
	List	   *remaining = NIL;
	ListCell   *cell;

	foreach(cell, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, cell);

		if (sets_options(cmd))
		{
			bool		reset = cmd->subtype == AT_ResetRelOptions;
			List	   *own;
			List	   *others = take_own_options(castNode(List, cmd->def), reset, &own);

			if (own != NIL)
				cq_create_alter_options(view, own, reset, query_string);
			if (own != NIL && others == NIL)
				continue;
			cmd->def = (Node *) others;
		}
		remaining = lappend(remaining, cmd);
	}
	stmt->cmds = remaining;
}

static void
follow_owner(Oid whole)
{
	Oid			owner = cq_owner_of_relation(whole);
	ListCell   *cell;

	foreach(cell, cq_adopt_parts(whole))
	{
		Oid			part = lfirst_oid(cell);

		if (cq_owner_of_relation(part) == owner)
			continue;
		/* As part of another object's change: without asking for privileges of its own. */
		ATExecChangeOwner(part, owner, true, AccessExclusiveLock);
		CommandCounterIncrement();
		follow_owner(part);		/* a stream has parts of its own */
		cq_wake_catalog_changed();
	}
}

/*
 * Is it a continuous view whose options are set? Where the statement says so, and none is there,
 * it is not passed on: the server might find one that was made meanwhile, whose options it does not
 * know.
 */
static bool
is_of_view(const CqCommand *command, const AlterTableStmt *stmt)
{
	if (OidIsValid(cq_command_view_named(stmt->relation)))
		return true;
	if (!stmt->missing_ok && cq_command_said_continuous(command))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s\" does not exist",
						stmt->relation->schemaname == NULL ? stmt->relation->relname :
						psprintf("%s.%s", stmt->relation->schemaname,
								 stmt->relation->relname))));
	return false;
}

void
cq_alter_table(CqCommand *command)
{
	AlterTableStmt *stmt = (AlterTableStmt *) command->pstmt->utilityStmt;
	Oid			relid = RangeVarGetRelid(stmt->relation, NoLock, true);
	bool		is_owner_changed = has_command(stmt, changes_owner);
	bool		lacks_log = false;
	CqLogTable	log;

	if (has_command(stmt, sets_options) && is_of_view(command, stmt))
	{
		PreventCommandIfReadOnly("ALTER VIEW");
		stmt = (AlterTableStmt *) cq_command_own_statement(command);
		alter_options(stmt, command->query_string);
		if (stmt->cmds == NIL)
			return;
	}
	if (OidIsValid(relid) && has_command(stmt, changes_type))
		lacks_log = cq_stream_free_row_type(relid);
	if (cq_stream_columns_are_altered(stmt))
		cq_stream_columns_alter(command);
	else
		cq_command_pass_on(command);
	if (lacks_log)
		cq_log_table_ensure(relid, &log);
	if (is_owner_changed && OidIsValid(relid))
	{
		CommandCounterIncrement();
		follow_owner(relid);
	}
}
