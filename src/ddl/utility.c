/*
 * utility.c
 *		Which command is ours: the dispatcher in the utility hook.
 *
 * Each case takes from a command what concerns continuous views, and passes on to the server what
 * remains. What the server does with views as such (rename, schema, privileges, comments,
 * dependencies, DROP) is left to it. In a database without the extension every command passes
 * untouched, except that CREATE CONTINUOUS VIEW says what is missing.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/identity.h"
#include "catalog/namespace.h"
#include "catalog/view.h"
#include "commands/defrem.h"
#include "commands/event_trigger.h"
#include "commands/extension.h"
#include "common/compat.h"
#include "common/version.h"
#include "ddl/ddl.h"
#include "ddl/maintain.h"
#include "miscadmin.h"
#include "parser/parse_node.h"
#include "utils/lsyscache.h"

/* Else there are no workers. */
static bool is_preloaded = false;

static bool
said_explain(const CqCommand *command)
{
	return cq_grammar_statement_explains(command->query_string, command->pstmt->stmt_location,
										 command->pstmt->stmt_len);
}

/* ---- CREATE ---- */

/* Takes the option continuous from a list; says whether it was there, and its value. */
static List *
take_continuous(List *options, const char *query_string, bool *is_given, bool *value)
{
	List	   *others = NIL;
	ListCell   *cell;

	*is_given = *value = false;
	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (option->defnamespace != NULL || strcmp(option->defname, "continuous") != 0)
		{
			others = lappend(others, option);
			continue;
		}
		if (*is_given)
		{
			ParseState *pstate = make_parsestate(NULL);

			pstate->p_sourcetext = query_string;
			errorConflictingDefElem(option, pstate);
		}
		*is_given = true;
		*value = defGetBoolean(option);
	}
	return others;
}

/* IF NOT EXISTS: says so where a relation of that name is there. */
static bool
exists_already(const ViewStmt *stmt)
{
	Oid			schema = RangeVarGetAndCheckCreationNamespace(stmt->view, NoLock, NULL);

	if (stmt->replace)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("conflicting options: OR REPLACE and IF NOT EXISTS")));
	if (!OidIsValid(get_relname_relid(stmt->view->relname, schema)))
		return false;
	ereport(NOTICE,
			(errcode(ERRCODE_DUPLICATE_TABLE),
			 errmsg("relation \"%s\" already exists, skipping", stmt->view->relname)));
	return true;
}

/* What to do where the library was not loaded at server start. */
#define PRELOAD_HINT "Add pg_cq to shared_preload_libraries and restart the server."

/*
 * Where nothing will run, and where a fresh session does not even know the statement, it is told
 * whenever the library comes to be loaded all the same: by CREATE EXTENSION, or by whatever uses
 * the extension first.
 */
static void
warn_of_preload(void)
{
	ereport(WARNING,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("pg_cq was not loaded when the server started"),
			 errdetail("No continuous view can be created, and none is maintained. To a session "
					   "that has not used pg_cq "
					   "yet, CREATE CONTINUOUS VIEW is a syntax error."),
			 errhint(PRELOAD_HINT)));
}

static void
require_extension(void)
{
	if (!is_preloaded)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("pg_cq must be loaded when the server starts"),
				 errhint(PRELOAD_HINT)));
	if (!OidIsValid(get_extension_oid("pg_cq", true)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension \"pg_cq\" is not installed in this database"),
				 errhint("Run CREATE EXTENSION pg_cq.")));
	cq_version_require();
}

static ObjectAddress
run_create(CqCommand *command, void *stmt)
{
	ObjectAddress address = cq_create_view(stmt, command->query_string,
										   command->pstmt->stmt_location,
										   command->pstmt->stmt_len, command->params,
										   command->query_env);

	cq_identity_claim();
	return address;
}

static void
create_view(CqCommand *command)
{
	ViewStmt   *stmt = (ViewStmt *) command->pstmt->utilityStmt;
	bool		is_continuous = cq_command_said_continuous(command);
	bool		is_given;
	bool		value;
	List	   *options = take_continuous(stmt->options, command->query_string, &is_given, &value);

	if (is_continuous && is_given && !value)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("conflicting options: CONTINUOUS and continuous = false")));
	if (!is_continuous && !value)
	{
		if (stmt->replace)
			cq_replace_check(stmt->view);
		if (is_given)
			((ViewStmt *) cq_command_own_statement(command))->options = options;
		cq_command_pass_on(command);
		return;
	}

	PreventCommandIfReadOnly("CREATE CONTINUOUS VIEW");
	PreventCommandIfParallelMode("CREATE CONTINUOUS VIEW");
	PreventCommandDuringRecovery("CREATE CONTINUOUS VIEW");
	require_extension();
	stmt = copyObject(stmt);
	stmt->options = options;
	if (is_continuous && cq_grammar_statement_if_not_exists(command->query_string,
															command->pstmt->stmt_location,
															command->pstmt->stmt_len) &&
		exists_already(stmt))
		return;
	cq_command_run(command, run_create, stmt);
}

/* ---- what must be a continuous view where the statement says so ---- */

static void
require_continuous(const RangeVar *name)
{
	Oid			relid = RangeVarGetRelid(name, NoLock, true);

	if (OidIsValid(relid) && !cq_view_is(relid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a continuous view", name->relname),
				 get_rel_relkind(relid) == RELKIND_VIEW ?
				 errhint("Leave out the word CONTINUOUS.") : 0));
}

/* The one relation that the server would find by the names of an ALTER, COMMENT or DROP. */
static void
require_continuous_if_said(CqCommand *command, const RangeVar *name)
{
	if (name != NULL && cq_command_said_continuous(command))
		require_continuous(name);
}

static void
drop_objects(CqCommand *command)
{
	DropStmt   *stmt = (DropStmt *) command->pstmt->utilityStmt;
	ListCell   *cell;

	if (stmt->removeType == OBJECT_VIEW && cq_command_said_continuous(command))
	{
		foreach(cell, stmt->objects)
			require_continuous(makeRangeVarFromNameList(lfirst_node(List, cell)));
	}
	if (stmt->removeType == OBJECT_INDEX)
		cq_index_find_dropped(command);
	cq_database_release((Node *) stmt);
	cq_command_pass_on(command);
}

static void
truncate_tables(CqCommand *command)
{
	TruncateStmt *stmt = (TruncateStmt *) command->pstmt->utilityStmt;
	ListCell   *cell;

	foreach(cell, stmt->relations)
	{
		RangeVar   *name = lfirst_node(RangeVar, cell);

		if (OidIsValid(cq_command_view_named(name)))
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("cannot truncate continuous view \"%s\"", name->relname),
					 errhint("Use cq.reset to empty it and to read the stream again.")));
	}
	cq_command_pass_on(command);
}

/* ---- the hook ---- */

static void
dispatch(CqCommand *command)
{
	Node	   *stmt = command->pstmt->utilityStmt;

	switch (nodeTag(stmt))
	{
		case T_ViewStmt:
			create_view(command);
			return;
		case T_ExplainStmt:
			if (!said_explain(command))
				break;
			require_extension();
			cq_explain_run(command);
			return;
		case T_CreateForeignTableStmt:
			cq_stream_columns_create(command);
			return;
		case T_CreateStmt:
			cq_stream_give_way((CreateStmt *) stmt);
			cq_command_pass_on(command);
			if (((CreateStmt *) stmt)->inhRelations != NIL)
				cq_maintain_look_again();
			return;
		case T_CreateExtensionStmt:
			if (!is_preloaded && strcmp(((CreateExtensionStmt *) stmt)->extname, "pg_cq") == 0)
				warn_of_preload();
			break;
		case T_IndexStmt:
			cq_index_create(command);
			return;
		case T_AlterEnumStmt:
			cq_enum_value_alter(command);
			return;
		case T_AlterTableStmt:
			require_continuous_if_said(command, ((AlterTableStmt *) stmt)->relation);
			cq_alter_table(command);
			cq_maintain_look_again();
			return;
		case T_DropStmt:
			drop_objects(command);
			if (((DropStmt *) stmt)->removeType == OBJECT_TRIGGER)
				cq_maintain_look_again();
			return;
		case T_TruncateStmt:
			truncate_tables(command);
			return;
		case T_AlterObjectSchemaStmt:
			require_continuous_if_said(command, ((AlterObjectSchemaStmt *) stmt)->relation);
			break;
		case T_RenameStmt:
			require_continuous_if_said(command, ((RenameStmt *) stmt)->relation);
			cq_database_release(stmt);
			cq_stream_columns_rename(command);
			return;
		case T_CommentStmt:
			if (((CommentStmt *) stmt)->objtype == OBJECT_VIEW)
			{
				List	   *names = castNode(List, ((CommentStmt *) stmt)->object);

				require_continuous_if_said(command, makeRangeVarFromNameList(names));
			}
			break;
		default:
			break;
	}
	cq_database_release(stmt);
	cq_command_pass_on(command);
}

static void
process_utility(PlannedStmt *pstmt, const char *query_string, bool read_only_tree,
				ProcessUtilityContext context,
				ParamListInfo params, QueryEnvironment *query_env, DestReceiver *dest,
				QueryCompletion *completion)
{
	CqCommand	command = {
		.pstmt = pstmt,
		.query_string = query_string,
		.read_only_tree = read_only_tree,
		.context = context,
		.params = params,
		.query_env = query_env,
		.dest = dest,
		.completion = completion
	};

	if (cq_command_is_inside())
		cq_command_pass_on(&command);
	else
		dispatch(&command);
}

void
cq_utility_init(void)
{
	is_preloaded = process_shared_preload_libraries_in_progress;
	cq_stream_columns_init();
	if (!is_preloaded && MyProcPort != NULL)
		warn_of_preload();
	cq_command_init(ProcessUtility_hook);
	ProcessUtility_hook = process_utility;
}
