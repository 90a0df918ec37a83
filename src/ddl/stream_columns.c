/*
 * stream_columns.c
 *		Columns of streams, where an option names one, or a message has a field of its name.
 *
 * A stream may name its event time's column: then that column stays, and the option follows its
 * name. The column of the key stays as well, where rows change. Which settings event times are read
 * under is written down when the option is given, since all views share them. A column whose name
 * is its field in the messages keeps the field when it gets another name.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/query.h"
#include "catalog/stream.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "common/name.h"
#include "common/options.h"
#include "common/owner.h"
#include "common/version.h"
#include "ddl/ddl.h"
#include "executor/spi.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "stream/reader.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

static object_access_hook_type previous_access = NULL;

/* ---- the settings of event times ---- */

static DefElem *
pin(const char *option, const char *setting)
{
	char	   *value = pstrdup(GetConfigOption(setting, false, false));
	DefElem    *pinned = makeDefElem(pstrdup(option), (Node *) makeString(value), -1);

	pinned->defaction = DEFELEM_ADD;
	return pinned;
}

/* What is to be added to options that are given, where a stream has some already. */
static List *
pin_settings(List *given, const List *existing)
{
	if (cq_options_value(given, "event_time") == NULL || cq_options_value(given, "timezone") != NULL ||
		cq_options_value(existing, "timezone") != NULL)
		return given;
	given = lappend(given, pin("timezone", "TimeZone"));
	if (DateOrder != DATEORDER_MDY && cq_options_value(given, "datestyle") == NULL &&
		cq_options_value(existing, "datestyle") == NULL)
		given = lappend(given, pin("datestyle", "DateStyle"));
	return given;
}

static bool
is_of_kafka(const ForeignServer *server)
{
	return server != NULL && strcmp(GetForeignDataWrapper(server->fdwid)->fdwname, "cq_kafka") == 0;
}

static bool
is_kafka_table(Oid relid)
{
	return is_of_kafka(GetForeignServer(GetForeignTable(relid)->serverid));
}

/*
 * What only the whole table can tell: are the columns there that options name, and of the right
 * types?
 */
static void
check(const RangeVar *name)
{
	Oid			relid;

	CommandCounterIncrement();
	relid = RangeVarGetRelid(name, NoLock, true);
	if (OidIsValid(relid) && cq_stream_is(relid))
		cq_reject_raise(cq_reader_check(cq_stream_get(relid, GetUserId())), NULL);
}

void
cq_stream_columns_create(CqCommand *command)
{
	CreateForeignTableStmt *stmt = (CreateForeignTableStmt *) command->pstmt->utilityStmt;

	if (is_of_kafka(GetForeignServerByName(stmt->servername, true)) &&
		cq_options_value(stmt->options, "event_time") != NULL)
	{
		stmt = (CreateForeignTableStmt *) cq_command_own_statement(command);
		stmt->options = pin_settings(stmt->options, NIL);
	}
	cq_stream_create(command);
	check(stmt->base.relation);
}

static bool
speaks_of_columns(const AlterTableCmd *cmd)
{
	return cmd->subtype == AT_GenericOptions || cmd->subtype == AT_AlterColumnGenericOptions ||
		cmd->subtype == AT_AlterColumnType || cmd->subtype == AT_AddColumn ||
		cmd->subtype == AT_DropColumn;
}

bool
cq_stream_columns_are_altered(const AlterTableStmt *stmt)
{
	Oid			relid = RangeVarGetRelid(stmt->relation, NoLock, true);
	ListCell   *cell;

	if (!OidIsValid(relid) || !cq_stream_is(relid))
		return false;
	foreach(cell, stmt->cmds)
	{
		if (speaks_of_columns(lfirst_node(AlterTableCmd, cell)))
			return true;
	}
	return false;
}

/* Which fields were seen: they may be others now. */
static void
forget_fields(Oid stream)
{
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(stream)};
	CqActor		actor;

	if (!cq_adopt_has_catalog() || !cq_version_matches())
		return;
	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_execute("DELETE FROM _cq.field WHERE stream OPERATOR(pg_catalog.=) $1", SPI_OK_DELETE,
					 lengthof(types), types, args, NULL);
	SPI_finish();
	cq_owner_end(&actor);
}

/* ---- keys ---- */

static bool
is_read_by_views(Oid stream)
{
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(stream)};
	CqActor		actor;
	bool		is_read;

	if (!cq_adopt_has_catalog() || !cq_version_matches())
		return false;
	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_execute("SELECT FROM _cq.input WHERE stream OPERATOR(pg_catalog.=) $1 LIMIT 1",
					 SPI_OK_SELECT, lengthof(types), types, args, NULL);
	is_read = SPI_processed > 0;
	SPI_finish();
	cq_owner_end(&actor);
	return is_read;
}

/*
 * What of its messages' keys tells a stream's rows apart, and what says that one is gone; NULL:
 * rows are only added, or nobody reads.
 */
static char *
identity_of(Oid stream)
{
	const char *mode = cq_options_value(GetForeignTable(stream)->options, "mode");
	const CqStream *described;
	StringInfoData identity;
	ListCell   *cell;

	if (mode == NULL || strcmp(mode, "append") == 0 || !is_kafka_table(stream) ||
		!is_read_by_views(stream))
		return NULL;
	described = cq_stream_get(stream, InvalidOid);
	initStringInfo(&identity);
	appendStringInfo(&identity, "%s %d %d", described->key_format ? described->key_format : "",
					 described->is_framed, described->is_wrapped);
	foreach(cell, described->deleted_field)
		appendStringInfo(&identity, " %s", quote_identifier(lfirst(cell)));
	return identity.data;
}

/* What views keep is told apart by keys, and gone, as they were: nothing would be found again. */
static void
require_same_identity(Oid stream, const char *before)
{
	const char *after = before != NULL ? identity_of(stream) : NULL;

	if (after != NULL && strcmp(before, after) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot change what messages of stream \"%s\" mean", get_rel_name(stream)),
				 errdetail("Continuous views keep rows by their keys, and until they are gone, as "
						   "messages were read so far."),
				 errhint("Make another stream of the topic, or drop the views first.")));
}

void
cq_stream_columns_alter(CqCommand *command)
{
	AlterTableStmt *stmt = (AlterTableStmt *) cq_command_own_statement(command);
	Oid			relid = RangeVarGetRelid(stmt->relation, NoLock, false);
	char	   *identity = identity_of(relid);
	char	   *columns = cq_whole_row_columns(relid);
	ListCell   *cell;

	foreach(cell, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, cell);

		if (cmd->subtype == AT_GenericOptions && is_kafka_table(relid))
			cmd->def = (Node *) pin_settings((List *) cmd->def, GetForeignTable(relid)->options);
	}
	cq_command_pass_on(command);
	/* One by one, while the table is created, options are not what they will be. */
	if (command->context != PROCESS_UTILITY_SUBCOMMAND)
		check(stmt->relation);
	if (strcmp(columns, cq_whole_row_columns(relid)) != 0)
		cq_whole_row_require_none(relid, cq_whole_row_readers(relid));
	require_same_identity(relid, identity);
	forget_fields(relid);
}

/* ---- names ---- */

/* A path of one name, as the option is written. */
static char *
path_of(const char *name)
{
	StringInfoData path;

	initStringInfo(&path);
	appendStringInfoChar(&path, '"');
	for (; *name != '\0'; name++)
	{
		if (*name == '"')
			appendStringInfoChar(&path, '"');
		appendStringInfoChar(&path, *name);
	}
	appendStringInfoChar(&path, '"');
	return path.data;
}

/* Does an option say where the column's value is, so that its name does not? */
static bool
says_place(const List *options)
{
	static const char *const names[] = {"path", "metadata", "key", "envelope"};

	for (int i = 0; i < (int) lengthof(names); i++)
	{
		if (cq_options_value(options, names[i]) != NULL)
			return true;
	}
	return false;
}

static void
follow_column(Oid relid, const char *before, const char *after)
{
	const char *event_time = cq_options_value(GetForeignTable(relid)->options, "event_time");
	char	   *name = cq_name_qualified(relid);
	AttrNumber	attno = get_attnum(relid, after);
	List	   *options = GetForeignColumnOptions(relid, attno);

	if (event_time != NULL && strcmp(event_time, before) == 0)
		cq_query_command(psprintf("ALTER FOREIGN TABLE %s OPTIONS (SET event_time %s)", name,
								  quote_literal_cstr(after)));
	if (is_kafka_table(relid) && get_attgenerated(relid, attno) == '\0' &&
		!says_place(options) && !cq_reader_goes_by_place(relid))
		cq_query_command(psprintf("ALTER FOREIGN TABLE %s ALTER COLUMN %s OPTIONS (ADD path %s)",
								  name, quote_identifier(after),
								  quote_literal_cstr(path_of(before))));
}

void
cq_stream_columns_rename(CqCommand *command)
{
	RenameStmt *stmt = (RenameStmt *) command->pstmt->utilityStmt;
	Oid			relid = InvalidOid;
	ListCell   *cell;

	if (stmt->renameType == OBJECT_COLUMN && stmt->relation != NULL)
		relid = RangeVarGetRelid(stmt->relation, NoLock, true);
	cq_command_pass_on(command);
	if (!OidIsValid(relid))
		return;
	CommandCounterIncrement();
	/* It may have come down from a parent. */
	foreach(cell, find_all_inheritors(relid, NoLock, NULL))
	{
		if (cq_stream_is(lfirst_oid(cell)))
			follow_column(lfirst_oid(cell), stmt->subname, stmt->newname);
	}
}

/* Of a stream whose rows change: that by which they are told apart. */
static bool
is_key(Oid stream, AttrNumber column)
{
	const char *mode = cq_options_value(GetForeignTable(stream)->options, "mode");
	const char *metadata = cq_options_value(GetForeignColumnOptions(stream, column), "metadata");

	return mode != NULL && strcmp(mode, "append") != 0 &&
		metadata != NULL && strcmp(metadata, "key") == 0;
}

/* However a column goes: by itself, with a type, with what it is computed of. */
static void
on_access(ObjectAccessType access, Oid class, Oid object, int column, void *arg)
{
	const char *event_time;

	if (previous_access != NULL)
		previous_access(access, class, object, column, arg);
	if (access != OAT_DROP || class != RelationRelationId || column == 0 ||
		get_rel_relkind(object) != RELKIND_FOREIGN_TABLE || !cq_stream_is(object))
		return;
	event_time = cq_options_value(GetForeignTable(object)->options, "event_time");
	if (event_time != NULL && get_attnum(object, event_time) == column)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop column \"%s\" of stream \"%s\"", event_time,
						get_rel_name(object)),
				 errdetail("It is the stream's event time."),
				 errhint("Drop the option event_time first, or set it to another column.")));
	if (is_key(object, column))
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop column \"%s\" of stream \"%s\"",
						get_attname(object, column, false), get_rel_name(object)),
				 errdetail("It is the key by which the stream's rows are told apart."),
				 errhint("Drop the option mode first, or the stream.")));
}

void
cq_stream_columns_init(void)
{
	previous_access = object_access_hook;
	object_access_hook = on_access;
}
