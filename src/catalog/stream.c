/*
 * stream.c
 *		A stream as its catalog options describe it: see stream.h.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/reloptions.h"
#include "access/table.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_type.h"
#include "catalog/pg_user_mapping.h"
#include "catalog/stream.h"
#include "catalog/stream_options.h"
#include "catalog/stream_path.h"
#include "commands/defrem.h"
#include "common/name.h"
#include "common/options.h"
#include "common/topic_pattern.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* The kind of a wrapper, or false where it is not one of ours. */
static bool
find_kind(Oid wrapper, CqStreamKind *kind)
{
	const char *name = GetForeignDataWrapper(wrapper)->fdwname;

	*kind = strcmp(name, "cq_log") == 0 ? CQ_STREAM_LOG : CQ_STREAM_KAFKA;
	return strcmp(name, "cq_log") == 0 || strcmp(name, "cq_kafka") == 0;
}

/* The server of a foreign table, or InvalidOid. */
static Oid
find_server(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(FOREIGNTABLEREL, ObjectIdGetDatum(relid));
	Oid			server = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		server = ((Form_pg_foreign_table) GETSTRUCT(tuple))->ftserver;
		ReleaseSysCache(tuple);
	}
	return server;
}

bool
cq_stream_is(Oid relid)
{
	Oid			server = find_server(relid);
	CqStreamKind kind;

	return OidIsValid(server) && find_kind(GetForeignServer(server)->fdwid, &kind);
}

List *
cq_stream_mapping_options(Oid server, Oid userid)
{
	HeapTuple	tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(userid),
										ObjectIdGetDatum(server));
	List	   *options = NIL;
	Datum		value;
	bool		is_null;

	if (!HeapTupleIsValid(tuple))
		tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid),
								ObjectIdGetDatum(server));
	if (!HeapTupleIsValid(tuple))
		return NIL;
	value = SysCacheGetAttr(USERMAPPINGUSERSERVER, tuple, Anum_pg_user_mapping_umoptions, &is_null);
	if (!is_null)
		options = untransformRelOptions(value);
	ReleaseSysCache(tuple);
	return options;
}

/*
 * Those options that are of the schema registry, or the others, which are librdkafka's properties.
 */
static List *
select_options(List *options, bool of_registry)
{
	List	   *selected = NIL;
	ListCell   *cell;

	foreach(cell, options)
	{
		if (cq_stream_options_is_of_registry(lfirst_node(DefElem, cell)->defname) == of_registry)
			selected = lappend(selected, lfirst(cell));
	}
	return selected;
}

List *
cq_stream_server_properties(Oid server, Oid userid)
{
	return list_concat(select_options(GetForeignServer(server)->options, false),
					   select_options(cq_stream_mapping_options(server, userid), false));
}

List *
cq_stream_server_registry(Oid server, Oid userid, bool *is_trusted)
{
	ForeignServer *found = GetForeignServer(server);

	*is_trusted = superuser_arg(found->owner);
	return list_concat(select_options(found->options, true),
					   select_options(cq_stream_mapping_options(server, userid), true));
}

/*
 * How far ahead of the clock event times may be: whatever a time zone may do to them, and not a
 * wrong year.
 */
#define DEFAULT_MAX_EVENT_LEAD	USECS_PER_DAY

static AttrNumber
find_event_time(Oid relid, const char *name)
{
	AttrNumber	attno = get_attnum(relid, name);

	if (attno <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of stream \"%s\" does not exist", name, get_rel_name(relid)),
				 errdetail("The option event_time names it.")));
	if (get_atttype(relid, attno) != TIMESTAMPTZOID && get_atttype(relid, attno) != TIMESTAMPOID)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				 errmsg("column \"%s\" of stream \"%s\" cannot be the event time", name,
						get_rel_name(relid)),
				 errdetail("It has type %s; it must be %s or %s.",
						   format_type_be(get_atttype(relid, attno)),
						   format_type_be(TIMESTAMPTZOID), format_type_be(TIMESTAMPOID))));
	return attno;
}

static bool
is_of_values(const char *name)
{
	return strcmp(name, "values") == 0 || strcmp(name, "time_format") == 0 ||
		strcmp(name, "number_format") == 0;
}

/* Takes an option of COPY's; false: it is none. */
static bool
apply_csv_option(CqCsvStyle *csv, const char *name, const char *value)
{
	int			choice = 0;

	if (strcmp(name, "delimiter") == 0)
		csv->delimiter = *value;
	else if (strcmp(name, "quote") == 0)
		csv->quote = *value;
	else if (strcmp(name, "escape") == 0)
		csv->escape = *value;
	else if (strcmp(name, "null") == 0)
		csv->null = value;
	else if (strcmp(name, "header") == 0)
	{
		cq_reject_raise(cq_options_choice(name, value, cq_stream_headers, &choice), NULL);
		csv->header = (CqCsvHeader) choice;
	}
	else
		return false;
	return true;
}

/* Takes an option of the table. The values were checked when they were set. */
static void
apply_option(CqStream *stream, DefElem *option)
{
	const char *name = option->defname;
	char	   *value = defGetString(option);
	CqReject   *reject = NULL;
	List	   *items;
	int			choice = 0;

	if (strcmp(name, "topic") == 0)
		reject = cq_stream_options_parse_topics(value, &stream->topics);
	else if (strcmp(name, "error_topic") == 0)
		stream->error_topic = value;
	else if (strcmp(name, "format") == 0)
		stream->format = value;
	else if (strcmp(name, "key_format") == 0)
		stream->key_format = value;
	else if (strcmp(name, "key_schema") == 0)
		stream->key_schema = value;
	else if (strcmp(name, "key_message") == 0)
		stream->key_message = value;
	else if (strcmp(name, "event_time") == 0)
		stream->event_time = find_event_time(stream->relid, value);
	else if (strcmp(name, "timezone") == 0)
		stream->event_settings = lappend(stream->event_settings, psprintf("TimeZone=%s", value));
	else if (strcmp(name, "datestyle") == 0)
		stream->event_settings = lappend(stream->event_settings, psprintf("DateStyle=%s", value));
	else if (strcmp(name, "watermark") == 0)
		reject = cq_options_interval(name, value, &stream->watermark_delay);
	else if (strcmp(name, "idle_timeout") == 0)
		reject = cq_options_interval(name, value, &stream->idle_timeout);
	else if (strcmp(name, "max_event_lead") == 0)
		reject = cq_options_interval(name, value, &stream->max_event_lead);
	else if (strcmp(name, "retention") == 0)
		reject = cq_options_interval(name, value, &stream->retention);
	else if (strcmp(name, "tombstone") == 0)
	{
		reject = cq_options_choice(name, value, cq_stream_tombstones, &choice);
		stream->tombstone = (CqTombstone) choice;
	}
	else if (strcmp(name, "on_gap") == 0)
	{
		reject = cq_options_choice(name, value, cq_stream_gap_choices, &choice);
		stream->on_gap = (CqOnGap) choice;
	}
	else if (strcmp(name, "on_error") == 0)
	{
		reject = cq_options_choice(name, value, cq_stream_error_choices, &choice);
		stream->skip_bad_rows = choice == 1;
	}
	else if (strcmp(name, "schema") == 0)
		stream->schema = value;
	else if (strcmp(name, "message") == 0)
		stream->message = value;
	else if (strcmp(name, "subject") == 0)
		stream->subject = value;
	else if (strcmp(name, "subject_names") == 0)
	{
		reject = cq_options_choice(name, value, cq_stream_subject_names, &choice);
		stream->subject_names = (CqSubjectNames) choice;
	}
	else if (strcmp(name, "register_schema") == 0)
		(void) parse_bool(value, &stream->registers);
	else if (strcmp(name, "check_compatibility") == 0)
		(void) parse_bool(value, &stream->checks_compatibility);
	else if (strcmp(name, "ignore_case") == 0)
		(void) parse_bool(value, &stream->style.ignores_case);
	else if (strcmp(name, "framing") == 0)
	{
		reject = cq_options_choice(name, value, cq_stream_framings, &choice);
		stream->is_framed = choice == 0;
		stream->is_wrapped = choice == 2;
	}
	else if (strcmp(name, "mode") == 0)
	{
		reject = cq_options_choice(name, value, cq_stream_modes, &choice);
		stream->mode = (CqStreamMode) choice;
	}
	else if (strcmp(name, "unavailable_value") == 0)
		stream->unavailable = value;
	else if (strcmp(name, "deleted_field") == 0)
		reject = cq_stream_path_parse(name, value, &stream->deleted_field, &items);
	/* How values are written is settled before: describe_values. */
	else if (!is_of_values(name) && !apply_csv_option(&stream->csv, name, value))
		stream->properties = lappend(stream->properties, option);
	cq_reject_raise(reject, NULL);
}

/* Takes what options say of times and numbers. */
static void
apply_formats(const List *options, CqValueStyle *style)
{
	const char *times = cq_options_value(options, "time_format");
	const char *numbers = cq_options_value(options, "number_format");
	int			choice = 0;

	if (times != NULL)
		cq_reject_raise(cq_stream_parse_time_format(times, style), NULL);
	if (numbers == NULL)
		return;
	cq_reject_raise(cq_options_choice("number_format", numbers, cq_stream_number_formats, &choice),
					NULL);
	style->numbers = CQ_NUMBERS_NUMBER + choice;
}

/* Debezium's own defaults. */
#define UNAVAILABLE_VALUE	"__debezium_unavailable_value"
#define DELETED_FIELD		"__deleted"

/* Are its messages Debezium's, less the envelope? Keys are as a connector writes them, then. */
static bool
is_flattened(const CqStream *stream)
{
	return stream->mode == CQ_MODE_UPSERT && stream->style.is_debezium &&
		cq_stream_has_named_fields(stream);
}

/* How values are written: as Debezium does, where its envelope is, or the option values says so. */
static void
describe_values(CqStream *stream, const List *options)
{
	const char *values = cq_options_value(options, "values");

	if (values != NULL ? strcmp(values, "debezium") == 0 : stream->mode == CQ_MODE_DEBEZIUM)
	{
		stream->style.times = CQ_TIMES_DEBEZIUM;
		stream->style.numbers = CQ_NUMBERS_NUMBER;
		stream->style.is_debezium = true;
		if (stream->unavailable == NULL && cq_mode_changes(stream->mode))
			stream->unavailable = UNAVAILABLE_VALUE;
		if (stream->deleted_field == NIL && is_flattened(stream))
			stream->deleted_field = list_make1(DELETED_FIELD);
	}
	apply_formats(options, &stream->style);
}

/* Elsewhere a message has no such field, or is what says that a row is gone. */
static void
require_deleted_field_means(const CqStream *stream)
{
	if (stream->deleted_field != NIL &&
		(stream->mode != CQ_MODE_UPSERT || !cq_stream_has_named_fields(stream)))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("option \"deleted_field\" of stream %s has no meaning", stream->name),
				 errdetail("It is for streams with mode upsert whose messages have fields with "
						   "names, and says which of them tells that the row is gone.")));
}

/* The kinds of metadata, and the types that a column of each may have. */
static const struct
{
	CqColumnOrigin origin;
	Oid			types[2];
}			metadata_types[] = {
	{CQ_COLUMN_TOPIC, {TEXTOID, InvalidOid}},
	{CQ_COLUMN_PARTITION, {INT4OID, InvalidOid}},
	{CQ_COLUMN_OFFSET, {INT8OID, InvalidOid}},
	{CQ_COLUMN_TIMESTAMP, {TIMESTAMPTZOID, InvalidOid}},
	{CQ_COLUMN_KEY, {TEXTOID, BYTEAOID}},
	{CQ_COLUMN_HEADERS, {JSONBOID, InvalidOid}},
};

const char *const cq_stream_metadata[] = {"topic", "partition", "offset", "timestamp", "key",
										  "headers", NULL};

static CqColumnOrigin
find_origin(const Form_pg_attribute attribute, const char *metadata)
{
	const Oid  *types;
	int			choice = 0;

	cq_reject_raise(cq_options_choice("metadata", metadata, cq_stream_metadata, &choice), NULL);
	types = metadata_types[choice].types;
	if (attribute->atttypid != types[0] && attribute->atttypid != types[1])
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				 errmsg("column \"%s\" cannot hold metadata \"%s\"", NameStr(attribute->attname),
						metadata),
				 OidIsValid(types[1]) ?
				 errdetail("It has type %s; it must be %s or %s.",
						   format_type_be(attribute->atttypid),
						   format_type_be(types[0]), format_type_be(types[1])) :
				 errdetail("It has type %s; it must be %s.", format_type_be(attribute->atttypid),
						   format_type_be(types[0]))));
	return metadata_types[choice].origin;
}

/* What stands beside the row is written by Debezium itself: times as milliseconds. */
static void
describe_envelope(const CqStream *stream, CqStreamColumn *column, const char *path)
{
	if (stream->mode != CQ_MODE_DEBEZIUM)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("option \"envelope\" of column \"%s\" has no meaning", column->name),
				 errdetail("It is for streams with mode debezium, and says which field of the "
						   "envelope the column has.")));
	cq_reject_raise(cq_stream_path_parse("envelope", path, &column->path, &column->items), NULL);
	column->is_of_envelope = true;
	column->style.times = CQ_TIMES_MILLISECONDS;
}

static void
describe_column(const CqStream *stream, CqStreamColumn *column, const Form_pg_attribute attribute)
{
	List	   *options = GetForeignColumnOptions(attribute->attrelid, attribute->attnum);
	ListCell   *cell;

	column->attno = attribute->attnum;
	column->name = pstrdup(NameStr(attribute->attname));
	column->origin = CQ_COLUMN_VALUE;
	column->path = list_make1(column->name);
	if (attribute->attgenerated != '\0')
		column->origin = CQ_COLUMN_GENERATED;
	column->style = stream->style;
	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (column->origin == CQ_COLUMN_GENERATED)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
					 errmsg("option \"%s\" of column \"%s\" has no meaning", option->defname,
							column->name),
					 errdetail("It is generated: computed of others, and no part of a message.")));
		if (strcmp(option->defname, "path") == 0)
			cq_reject_raise(cq_stream_path_parse(option->defname, defGetString(option),
												 &column->path, &column->items), NULL);
		else if (strcmp(option->defname, "metadata") == 0)
			column->origin = find_origin(attribute, defGetString(option));
		else if (strcmp(option->defname, "key") == 0)
		{
			cq_reject_raise(cq_stream_path_parse(option->defname, defGetString(option),
												 &column->path, &column->items), NULL);
			column->origin = CQ_COLUMN_KEY_FIELD;
		}
		else if (strcmp(option->defname, "force_null") == 0)
			(void) parse_bool(defGetString(option), &column->style.null_if_quoted);
		else if (strcmp(option->defname, "force_not_null") == 0)
			(void) parse_bool(defGetString(option), &column->style.is_never_null);
		else if (strcmp(option->defname, "envelope") == 0)
			describe_envelope(stream, column, defGetString(option));
	}
	column->has_path = linitial(column->path) != column->name;
	apply_formats(options, &column->style);
}

static void
describe_columns(CqStream *stream)
{
	Relation	relation = table_open(stream->relid, AccessShareLock);
	TupleDesc	descriptor = RelationGetDescr(relation);

	stream->columns = palloc0(sizeof(CqStreamColumn) * Max(descriptor->natts, 1));
	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);

		if (attribute->attisdropped)
			continue;
		describe_column(stream, &stream->columns[stream->ncolumns++], attribute);
		if (stream->columns[stream->ncolumns - 1].origin == CQ_COLUMN_KEY)
			stream->key = attribute->attnum;
	}
	table_close(relation, NoLock);
}

CqStream *
cq_stream_get(Oid relid, Oid userid)
{
	CqStream   *stream = palloc0(sizeof(CqStream));
	Oid			server_id = find_server(relid);
	ForeignServer *server;
	ListCell   *cell;

	server = OidIsValid(server_id) ? GetForeignServer(server_id) : NULL;
	if (server == NULL || !find_kind(server->fdwid, &stream->kind))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a stream", get_rel_name(relid)),
				 errdetail("A stream is a foreign table of a server of cq_kafka or of the server "
						   "cq_log.")));
	stream->relid = relid;
	stream->name = cq_name_qualified(relid);
	stream->format = stream->kind == CQ_STREAM_LOG ? "row" : "json";
	stream->max_event_lead = DEFAULT_MAX_EVENT_LEAD;
	stream->is_framed = true;
	stream->csv = (CqCsvStyle) {.delimiter = ',', .quote = '"', .null = ""};
	stream->properties = select_options(server->options, false);
	foreach(cell, GetForeignTable(relid)->options)
		apply_option(stream, lfirst_node(DefElem, cell));
	describe_values(stream, GetForeignTable(relid)->options);
	require_deleted_field_means(stream);
	if (stream->csv.escape == '\0')
		stream->csv.escape = stream->csv.quote;
	/* What the options say stands before these, and counts. */
	stream->event_settings = lappend(stream->event_settings, "TimeZone=UTC");
	stream->event_settings = lappend(stream->event_settings, "DateStyle=ISO, MDY");
	stream->event_settings = lappend(stream->event_settings, "timezone_abbreviations=Default");
	stream->properties = list_concat(stream->properties,
									 select_options(cq_stream_mapping_options(server_id, userid),
													false));
	stream->registry = cq_stream_server_registry(server_id, userid, &stream->registry_is_trusted);
	describe_columns(stream);
	if (stream->key_format == NULL &&
		(stream->mode == CQ_MODE_DEBEZIUM || is_flattened(stream) ||
		 cq_stream_has_key_fields(stream)))
		stream->key_format = stream->format;
	return stream;
}

bool
cq_stream_has_named_fields(const CqStream *stream)
{
	static const char *const formats[] = {"json", "json_sr", "avro", "protobuf"};

	for (int i = 0; i < (int) lengthof(formats); i++)
	{
		if (strcmp(stream->format, formats[i]) == 0)
			return true;
	}
	return false;
}

bool
cq_stream_has_key_fields(const CqStream *stream)
{
	for (int i = 0; i < stream->ncolumns; i++)
	{
		if (stream->columns[i].origin == CQ_COLUMN_KEY_FIELD)
			return true;
	}
	return false;
}

/* Rows are told apart by the key of their message, within a partition. */
static void
require_keyed(const CqStream *stream)
{
	if (stream->key == InvalidAttrNumber && stream->mode == CQ_MODE_UPSERT &&
		!is_flattened(stream) && !cq_stream_has_key_fields(stream))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_COLUMN_NAME),
				 errmsg("stream %s has no column for the key of a message", stream->name),
				 errdetail("Its mode is upsert: a message takes the place of the one before it "
						   "with "
						   "the same key."),
				 errhint("Add a column of type text or bytea with the option metadata 'key'%s.",
						 stream->kind == CQ_STREAM_KAFKA ?
						 ", or columns with the option key for fields of it" : "")));
	if (cq_stream_has_many_topics(stream))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("reading stream %s is not supported: its mode is %s, and it has several "
						"topics", stream->name, cq_stream_modes[stream->mode]),
				 errhint("Make a stream of each, and put them together with UNION ALL.")));
}

bool
cq_stream_has_many_topics(const CqStream *stream)
{
	return list_length(stream->topics) > 1 ||
		(stream->topics != NIL && cq_topic_pattern_is(linitial(stream->topics)));
}

void
cq_stream_require_readable(const CqStream *stream)
{
	if (cq_mode_changes(stream->mode))
		require_keyed(stream);
}
