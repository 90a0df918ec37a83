/*
 * command.c
 *		What every command of ours does on its way: see ddl.h.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/view.h"
#include "commands/event_trigger.h"
#include "ddl/ddl.h"
#include "utils/lsyscache.h"

static ProcessUtility_hook_type previous_utility = NULL;

/* Set while commands that are part of one of ours run: they pass. */
static bool is_inside = false;

void
cq_command_init(ProcessUtility_hook_type previous)
{
	previous_utility = previous;
}

bool
cq_command_is_inside(void)
{
	return is_inside;
}

void
cq_command_pass_on(CqCommand *command)
{
	(previous_utility ? previous_utility : standard_ProcessUtility)
		(command->pstmt, command->query_string, command->read_only_tree, command->context,
		 command->params, command->query_env, command->dest, command->completion);
}

bool
cq_command_said_continuous(const CqCommand *command)
{
	return cq_grammar_statement_is_continuous(command->query_string, command->pstmt->stmt_location,
											  command->pstmt->stmt_len);
}

Oid
cq_command_view_named(const RangeVar *name)
{
	Oid			relid = RangeVarGetRelid(name, NoLock, true);

	return OidIsValid(relid) && get_rel_relkind(relid) == RELKIND_VIEW && cq_view_is(relid) ?
		relid : InvalidOid;
}

Node *
cq_command_own_statement(CqCommand *command)
{
	if (command->read_only_tree)
	{
		command->pstmt = copyObject(command->pstmt);
		command->read_only_tree = false;
	}
	return command->pstmt->utilityStmt;
}

void
cq_command_run(CqCommand *command, ObjectAddress (*run) (CqCommand *command, void *arg), void *arg)
{
	Node	   *parse_tree = command->pstmt->utilityStmt;
	bool		is_complete = command->context != PROCESS_UTILITY_SUBCOMMAND;
	bool		has_triggers = is_complete && EventTriggerBeginCompleteQuery();

	PG_TRY();
	{
		ObjectAddress address;

		if (is_complete)
			EventTriggerDDLCommandStart(parse_tree);
		EventTriggerAlterTableStart(parse_tree);
		is_inside = true;
		address = run(command, arg);
		is_inside = false;
		EventTriggerCollectSimpleCommand(address, InvalidObjectAddress, parse_tree);
		EventTriggerAlterTableEnd();
		if (is_complete)
		{
			EventTriggerSQLDrop(parse_tree);
			EventTriggerDDLCommandEnd(parse_tree);
		}
	}
	PG_FINALLY();
	{
		is_inside = false;
		if (has_triggers)
			EventTriggerEndCompleteQuery();
	}
	PG_END_TRY();
}
