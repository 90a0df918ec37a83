/*
 * import.c
 *		IMPORT FOREIGN SCHEMA: a foreign table for each topic, with columns as its schema in the
 *		registry says, or else inferred from a sample of its latest messages. And cq.columns_of,
 *		which shows these columns.
 *
 * The remote schema is "kafka" for all topics, or else a prefix that their names have.
 */
#include "postgres.h"

#include "catalog/pg_foreign_server.h"
#include "commands/defrem.h"
#include "common/clock.h"
#include "common/compat.h"
#include "common/name.h"
#include "common/version.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "format/format.h"
#include "format/registry.h"
#include "funcapi.h"
#include "http/http.h"
#include "miscadmin.h"
#include "stream/reader_state.h"
#include "stream/sample.h"
#include "stream/topics.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define ALL_TOPICS "kafka"
#define DEFAULT_SAMPLE 1000
#define MAX_SAMPLE 1000000
#define TIMEOUT_MS 30000
#define FETCH_TIMEOUT_MS 500
#define SAMPLE_BYTES (8 * 1024 * 1024)

PG_FUNCTION_INFO_V1(cq_columns_of);

/* Copies of messages' values, of several fetches. */
typedef struct Sample
{
	CqMessage  *messages;
	int			nmessages;
	int			wanted;
} Sample;

static int
sample_size(List *options)
{
	int			size = DEFAULT_SAMPLE;
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, "sample") != 0)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("invalid option \"%s\"", option->defname),
					 errhint("Valid options: sample.")));
		size = pg_strtoint32(defGetString(option));
		if (size < 1 || size > MAX_SAMPLE)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					 errmsg("invalid value for option \"sample\": %d", size),
					 errhint("It is a number of messages, from 1 to %d.", MAX_SAMPLE)));
	}
	return size;
}

static bool
is_in_schema(const ImportForeignSchemaStmt *stmt, const char *topic)
{
	return strcmp(stmt->remote_schema, ALL_TOPICS) == 0 ||
		strncmp(topic, stmt->remote_schema, strlen(stmt->remote_schema)) == 0;
}

/* The last messages of each partition, as many in all as are wanted. */
static CqPosition *
find_positions(List *extents, int wanted, int64 *remaining)
{
	CqPosition *positions = palloc(sizeof(CqPosition) * Max(list_length(extents), 1));
	int			share = Max(wanted / Max(list_length(extents), 1), 1);
	int			i = 0;
	ListCell   *cell;

	*remaining = 0;
	foreach(cell, extents)
	{
		CqExtent   *extent = lfirst(cell);
		int64		begin = Max(extent->begin, extent->end - share);

		*remaining += extent->end - begin;
		positions[i++] = (CqPosition) {extent->topic, extent->partition, begin, 0};
	}
	return positions;
}

static void
copy_messages(Sample *sample, const CqFetch *fetch)
{
	for (int i = 0; i < fetch->nmessages && sample->nmessages < sample->wanted; i++)
	{
		CqMessage  *copy;

		if (fetch->messages[i].value == NULL)
			continue;
		copy = &sample->messages[sample->nmessages++];
		*copy = (CqMessage) {.value_length = fetch->messages[i].value_length};
		copy->value = memcpy(palloc(copy->value_length + 1), fetch->messages[i].value,
							 copy->value_length);
	}
}

static void
read_sample(Sample *sample, const CqSourceConfig *config)
{
	List	   *extents;
	int64		remaining;
	CqPosition *positions;
	TimestampTz deadline;
	CqSource   *source;

	(void) cq_kafka_source.extents(config, TIMEOUT_MS, &extents);
	positions = find_positions(extents, sample->wanted, &remaining);
	deadline = TimestampTzPlusMilliseconds(cq_clock_real_monotonic(), TIMEOUT_MS);
	if (remaining == 0)
		return;
	source = cq_kafka_source.open(config, positions, list_length(extents));
	while (remaining > 0 && sample->nmessages < sample->wanted &&
		   cq_clock_real_monotonic() < deadline)
	{
		CqFetch		fetch;

		CHECK_FOR_INTERRUPTS();
		if (!cq_kafka_source.fetch(source, &fetch, sample->wanted, SAMPLE_BYTES, FETCH_TIMEOUT_MS))
			continue;
		for (int i = 0; i < fetch.nslices; i++)
			remaining -= fetch.slices[i].next - fetch.slices[i].from;
		copy_messages(sample, &fetch);
		cq_kafka_source.release(source, &fetch);
	}
	cq_kafka_source.close(source);
}

static bool
is_own_name(const CqColumn *column)
{
	return list_length(column->path) == 1 && strcmp(linitial(column->path), column->name) == 0;
}

/*
 * A path as the option is read: names that are more than letters, digits and underscores stand in
 * quotes.
 */
static char *
path_text(List *path)
{
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, path)
	{
		const char *name = lfirst(cell);

		appendStringInfoString(&text, text.len > 0 ? ".\"" : "\"");
		for (; *name != '\0'; name++)
		{
			if (*name == '"')
				appendStringInfoChar(&text, '"');
			appendStringInfoChar(&text, *name);
		}
		appendStringInfoChar(&text, '"');
	}
	return text.data;
}

static char *
create_command(const char *topic, const char *table, const char *server, const char *format,
			   List *columns)
{
	StringInfoData command;
	ListCell   *cell;

	initStringInfo(&command);
	appendStringInfo(&command, "CREATE FOREIGN TABLE %s (", quote_identifier(table));
	foreach(cell, columns)
	{
		const CqColumn *column = lfirst(cell);

		appendStringInfo(&command, "%s%s %s", foreach_current_index(cell) > 0 ? ", " : "",
						 quote_identifier(column->name),
						 format_type_with_typemod(column->type, column->typmod));
		if (!is_own_name(column))
			appendStringInfo(&command, " OPTIONS (path %s)",
							 quote_literal_cstr(path_text(column->path)));
		if (column->is_not_null)
			appendStringInfoString(&command, " NOT NULL");
	}
	appendStringInfo(&command, ") SERVER %s OPTIONS (topic %s", quote_identifier(server),
					 quote_literal_cstr(topic));
	if (strcmp(format, "json") != 0)
		appendStringInfo(&command, ", format %s", quote_literal_cstr(format));
	appendStringInfoChar(&command, ')');
	return command.data;
}

static char *
join(const List *remarks)
{
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, remarks)
		appendStringInfo(&text, "%s%s", text.len > 0 ? "\n" : "", (const char *) lfirst(cell));
	return text.data;
}

/* As the latest schema of the topic's values says. False: the registry has none. */
static bool
columns_of_registry(const char *topic, const ForeignServer *server, List **columns,
					const char **name, List **remarks)
{
	CqRegistry *registry = cq_reader_server_registry(server->serverid, GetUserId());
	char	   *subject = psprintf("%s-value", topic);
	CqRegistrySchema found;
	const CqFormat *format;

	if (registry == NULL ||
		!cq_registry_fetch(registry, psprintf("subjects/%s/versions/latest",
											  cq_http_escape(subject)), true, &found))
		return false;
	format = cq_format_of_schema(found.type);
	if (format == NULL)
		*remarks = lappend(*remarks, psprintf("Its schema is one of %s, which is not supported "
											  "yet.", found.type));
	else
	{
		*name = format->name;
		*columns = format->infer_schema(&found, remarks);
	}
	return true;
}

/* As the topic's latest messages are, taken for JSON. */
static List *
columns_of_sample(const char *topic, List *properties, int wanted, List **remarks)
{
	CqSourceConfig config = {.stream_name = topic, .topics = list_make1((char *) topic),
							 .properties = properties,
	.bounded = true};
	Sample		sample = {.wanted = wanted};
	List	   *columns;

	sample.messages = palloc(sizeof(CqMessage) * wanted);
	read_sample(&sample, &config);
	columns = sample.nmessages > 0 ? cq_json_format.infer(sample.messages, sample.nmessages,
														  remarks) : NIL;
	if (columns == NIL)
		*remarks = list_make1(sample.nmessages > 0 ? "Its messages are not JSON objects." :
							  "It holds no messages from which columns could be inferred.");
	return columns;
}

/* NIL where nothing can be learnt, which a remark says. */
static List *
find_columns(const char *topic, const ForeignServer *server, List *properties, int wanted,
			 const char **format, List **remarks)
{
	List	   *columns = NIL;

	*format = "json";
	*remarks = NIL;
	if (columns_of_registry(topic, server, &columns, format, remarks))
		return columns;
	return columns_of_sample(topic, properties, wanted, remarks);
}

/* NULL where nothing can be learnt. */
static char *
import_topic(const char *topic, const char *table, const ForeignServer *server, List *properties,
			 int wanted)
{
	const char *format;
	List	   *remarks;
	List	   *columns = find_columns(topic, server, properties, wanted, &format, &remarks);

	if (columns == NIL)
	{
		ereport(NOTICE,
				(errmsg("topic \"%s\" was not imported", topic),
				 errdetail_internal("%s", join(remarks))));
		return NULL;
	}
	if (strcmp(table, topic) != 0)
		remarks = lcons(psprintf("The table is \"%s\".", table), remarks);
	if (remarks != NIL)
		ereport(NOTICE,
				(errmsg("topic \"%s\" was imported with remarks", topic),
				 errdetail_internal("%s", join(remarks))));
	return create_command(topic, table, server->servername, format, columns);
}

/* Of char *: the topics that the statement is about. */
static List *
find_topics(const ImportForeignSchemaStmt *stmt, const CqSourceConfig *config)
{
	List	   *topics = NIL;
	List	   *npartitions;
	ListCell   *cell;

	foreach(cell, cq_kafka_source.list_topics(config, TIMEOUT_MS, &npartitions))
	{
		if (is_in_schema(stmt, lfirst(cell)))
			topics = lappend(topics, lfirst(cell));
	}
	if (topics == NIL && strcmp(stmt->remote_schema, ALL_TOPICS) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_SCHEMA_NOT_FOUND),
				 errmsg("no topic of server \"%s\" has a name that begins with \"%s\"",
						stmt->server_name,
						stmt->remote_schema),
				 errhint("The schema \"%s\" stands for all topics.", ALL_TOPICS)));
	return topics;
}

static List *
import_schema(ImportForeignSchemaStmt *stmt, Oid server_id)
{
	ForeignServer *server = GetForeignServer(server_id);
	int			wanted = sample_size(stmt->options);
	List	   *properties = cq_stream_server_properties(server_id, GetUserId());
	CqSourceConfig config = {.stream_name = server->servername, .properties = properties,
							 .bounded = true};
	List	   *topics = find_topics(stmt, &config);
	List	   *tables = cq_name_choose(topics, NULL);
	List	   *commands = NIL;
	ListCell   *topic;
	ListCell   *table;

	forboth(topic, topics, table, tables)
	{
		char	   *command = NULL;

		/* Names in the statement are as long as names of tables. */
		if (IsImportableForeignTable(lfirst(table), stmt))
			command = import_topic(lfirst(topic), lfirst(table), server, properties, wanted);
		if (command != NULL)
			commands = lappend(commands, command);
	}
	return commands;
}

/* ---- cq.columns_of ---- */

static void
put_column(ReturnSetInfo *result, const CqColumn *column, const char *format)
{
	Datum		values[] = {
		CStringGetTextDatum(column->name),
		CStringGetTextDatum(format_type_with_typemod(column->type, column->typmod)),
		BoolGetDatum(column->is_not_null),
		CStringGetTextDatum(path_text(column->path)),
		CStringGetTextDatum(format)
	};
	bool		nulls[lengthof(values)] = {false};

	nulls[3] = is_own_name(column);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * cq.columns_of(server text, topic text): what IMPORT FOREIGN SCHEMA would make, for whoever may
 * make tables of the server. Its remarks are notices.
 */
Datum
cq_columns_of(PG_FUNCTION_ARGS)
{
	char	   *topic = text_to_cstring(PG_GETARG_TEXT_PP(1));
	ForeignServer *server = cq_topics_server(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	const char *format;
	List	   *remarks;
	List	   *columns;
	ListCell   *cell;

	cq_version_require();
	InitMaterializedSRF(fcinfo, 0);
	columns = find_columns(topic, server, cq_stream_server_properties(server->serverid,
																	   GetUserId()),
						   DEFAULT_SAMPLE, &format, &remarks);
	if (remarks != NIL)
		ereport(NOTICE,
				(errmsg(columns == NIL ? "topic \"%s\" would not be imported" :
						"topic \"%s\" would be imported with remarks", topic),
				 errdetail_internal("%s", join(remarks))));
	foreach(cell, columns)
		put_column((ReturnSetInfo *) fcinfo->resultinfo, lfirst(cell), format);
	return (Datum) 0;
}

void
cq_import_init(FdwRoutine *routine)
{
	routine->ImportForeignSchema = import_schema;
}
