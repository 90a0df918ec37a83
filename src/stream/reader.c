/*
 * reader.c
 *		Reads a stream on from given positions: see reader.h.
 *
 * A reader's memory: its own context holds what lives as long as it does, with children, one for
 * each decoder and one for the batch,
 * which is reset at each release. Arrays of columns stay, and grow only when a batch has more rows
 * than any before.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_attribute.h"
#include "catalog/stream_options.h"
#include "commands/defrem.h"
#include "common/clock.h"
#include "common/owner.h"
#include "format/registry.h"
#include "source/kafka_kept.h"
#include "stream/contract.h"
#include "stream/envelope.h"
#include "stream/key.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* After so long a batch that waits for a schema is something to be told. */
#define HELD_MS 500

const CqSourceRoutine *
cq_reader_routine(const CqStream *stream)
{
	return stream->kind == CQ_STREAM_LOG ? &cq_log_source : &cq_kafka_source;
}

CqSourceConfig
cq_reader_config(const CqStream *stream, bool bounded)
{
	return (CqSourceConfig) {
		.stream = stream->relid,
		.stream_name = stream->name,
		.topics = stream->topics,
		.properties = stream->properties,
		.bounded = bounded,
	};
}

CqColumn *
cq_reader_columns(const CqStream *stream, TupleDesc descriptor)
{
	CqColumn   *columns = palloc0(sizeof(CqColumn) * Max(stream->ncolumns, 1));
	int			nvalues = 0;
	int			nkeys = 0;

	for (int i = 0; i < stream->ncolumns; i++)
	{
		const CqStreamColumn *described = &stream->columns[i];
		Form_pg_attribute attribute = TupleDescAttr(descriptor, described->attno - 1);

		columns[i].attno = described->attno;
		columns[i].name = described->name;
		columns[i].path = described->path;
		columns[i].items = described->items;
		columns[i].has_path = described->has_path;
		if (described->origin == CQ_COLUMN_VALUE)
			columns[i].place = nvalues++;
		else if (described->origin == CQ_COLUMN_KEY_FIELD)
			columns[i].place = nkeys++;
		columns[i].type = attribute->atttypid;
		columns[i].typmod = attribute->atttypmod;
		columns[i].collation = attribute->attcollation;
		columns[i].is_not_null = attribute->attnotnull;
		columns[i].style = described->style;
	}
	return columns;
}

/* Of what server and user mapping say; NULL: nothing. */
static CqRegistry *
find_registry(const List *said, bool is_trusted)
{
	CqRegistryConfig config = {.is_trusted = is_trusted};
	struct
	{
		const char *name;
		const char **value;
	}			options[] = {
		{"schema_registry_ca", &config.identity.authority},
		{"schema_registry_user", &config.identity.user},
		{"schema_registry_password", &config.identity.password},
		{"schema_registry_token", &config.identity.token},
		{"schema_registry_certificate", &config.identity.certificate},
		{"schema_registry_key", &config.identity.key},
		{"schema_registry_key_password", &config.identity.key_password},
	};
	ListCell   *cell;

	foreach(cell, said)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, "schema_registry") == 0)
			config.urls = cq_stream_options_parse_urls(defGetString(option));
		for (int i = 0; i < (int) lengthof(options); i++)
		{
			if (strcmp(option->defname, options[i].name) == 0)
				*options[i].value = defGetString(option);
		}
	}
	return config.urls != NIL ? cq_registry_get(&config) : NULL;
}

CqRegistry *
cq_reader_server_registry(Oid server, Oid userid)
{
	bool		is_trusted;
	List	   *said = cq_stream_server_registry(server, userid, &is_trusted);

	return find_registry(said, is_trusted);
}

/* Of values and of keys: which columns are of that origin. */
static CqFormatOptions *
make_options(const CqStream *stream, CqColumnOrigin origin)
{
	CqFormatOptions *options = palloc0(sizeof(CqFormatOptions));

	options->is_framed = stream->is_framed;
	options->registry = find_registry(stream->registry, stream->registry_is_trusted);
	if (stream->registers)
		options->absent = stream->checks_compatibility ? CQ_REGISTRY_CHECK : CQ_REGISTRY_REGISTER;
	options->names_topic = stream->subject_names != CQ_SUBJECT_RECORD;
	options->names_record = stream->subject_names != CQ_SUBJECT_TOPIC;
	options->topic = stream->topics != NIL ? linitial(stream->topics) : NULL;
	options->header = cq_reader_routine(stream)->header;
	options->ignores_case = stream->style.ignores_case;
	options->csv = stream->csv;
	for (int i = 0; i < stream->ncolumns; i++)
	{
		if (stream->columns[i].origin != origin)
			continue;
		options->names = lappend(options->names, stream->columns[i].name);
		options->paths = lappend(options->paths, stream->columns[i].has_path ?
								 stream->columns[i].path : NIL);
	}
	return options;
}

CqFormatOptions *
cq_reader_format_options(const CqStream *stream)
{
	CqFormatOptions *options = make_options(stream, CQ_COLUMN_VALUE);

	options->schema = stream->schema;
	options->message = stream->message;
	options->subject = stream->subject;
	options->is_wrapped = stream->is_wrapped && stream->mode != CQ_MODE_DEBEZIUM;
	options->may_be_wrapped = stream->mode == CQ_MODE_DEBEZIUM;
	options->unavailable = stream->unavailable;
	return options;
}

CqFormatOptions *
cq_reader_key_options(const CqStream *stream)
{
	CqFormatOptions *options = make_options(stream, CQ_COLUMN_KEY_FIELD);

	options->schema = stream->key_schema;
	options->message = stream->key_message;
	options->may_be_wrapped = true;
	options->is_key = true;
	return options;
}

CqFormatOptions *
cq_reader_sink_options(const CqStream *stream)
{
	CqFormatOptions *options = cq_reader_format_options(stream);

	options->defers = true;
	options->is_enveloped = stream->mode == CQ_MODE_DEBEZIUM;
	return options;
}

/* What the formats do not take of a stream with those columns. */
static CqReject *
check_format(const CqStream *stream, TupleDesc descriptor, CqColumnOrigin origin)
{
	bool		is_key = origin == CQ_COLUMN_KEY_FIELD;
	const CqFormat *format = cq_format_find(is_key ? stream->key_format : stream->format);
	CqColumn   *columns = cq_reader_columns(stream, descriptor);
	int			ncolumns = 0;

	if (format->is_flat && !is_key && stream->mode == CQ_MODE_DEBEZIUM)
		return cq_reject_hint(cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED,
										"mode debezium is not supported with format %s",
										format->name),
							  "A change event has fields with names.");
	for (int i = 0; i < stream->ncolumns; i++)
	{
		if (stream->columns[i].origin == origin)
			columns[ncolumns++] = columns[i];
	}
	if (format->check == NULL)
		return NULL;
	return format->check(is_key ? cq_reader_key_options(stream) : cq_reader_format_options(stream),
						 columns, ncolumns);
}

CqReject *
cq_reader_check(const CqStream *stream)
{
	Relation	relation = table_open(stream->relid, AccessShareLock);
	CqReject   *reject = check_format(stream, RelationGetDescr(relation), CQ_COLUMN_VALUE);

	if (reject == NULL && cq_stream_has_key_fields(stream))
		reject = check_format(stream, RelationGetDescr(relation), CQ_COLUMN_KEY_FIELD);
	table_close(relation, NoLock);
	return reject;
}

bool
cq_reader_goes_by_place(Oid stream)
{
	return cq_format_find(cq_stream_get(stream, InvalidOid)->format)->is_flat;
}

static const CqFormat *
find_format(const CqStream *stream)
{
	const CqFormat *format = cq_format_find(stream->format);

	cq_stream_require_readable(stream);
	if (format == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("stream %s has an unknown format \"%s\"", stream->name, stream->format)));
	return format;
}

/* How keys are told apart: by the format that they have, whether it has columns or not. */
static const char *(*find_bare_key(const CqStream *stream)) (bool, const char *, uint32 *)
{
	const char *format = stream->key_format;

	if (format == NULL && stream->is_wrapped)
		format = stream->format;
	return format != NULL ? cq_format_find(format)->bare_key : NULL;
}

/* Which settings have a say in which columns. */
static void
find_settings(CqReader *reader)
{
	reader->settings = palloc0(sizeof(CqSettingSet) * Max(reader->batch.natts, 1));
	for (int i = 0; i < reader->stream->ncolumns; i++)
	{
		const CqColumn *column = &reader->columns[i];

		if (reader->stream->columns[i].origin == CQ_COLUMN_VALUE &&
			reader->format->settings != NULL)
			reader->settings[column->attno - 1] = reader->format->settings(column);
		if (reader->stream->columns[i].origin == CQ_COLUMN_KEY_FIELD)
			reader->settings[column->attno - 1] = reader->key_format->settings(column);
	}
	for (int i = 0; i < reader->batch.natts; i++)
	{
		int			input = -1;

		/* Those of event times are the stream's: what is computed of them has no other ones. */
		while ((input = bms_next_member(reader->generated[i].inputs, input)) >= 0)
		{
			if (input != reader->stream->event_time)
				reader->settings[i] |= reader->settings[input - 1];
		}
		if (reader->settings[i] != 0 && i + 1 != reader->stream->event_time)
			reader->sensitive = bms_add_member(reader->sensitive, i + 1);
	}
}

/* In the reader's context, which is current. */
static void
prepare_columns(CqReader *reader)
{
	Relation	relation = table_open(reader->stream->relid, AccessShareLock);
	TupleDesc	descriptor = RelationGetDescr(relation);
	CqBatch    *batch = &reader->batch;

	reader->columns = cq_reader_columns(reader->stream, descriptor);
	reader->descriptor = CreateTupleDescCopy(descriptor);
	batch->natts = descriptor->natts;
	batch->values = palloc0(sizeof(Datum *) * (batch->natts + CQ_ENVELOPE_COLUMNS));
	batch->nulls = palloc0(sizeof(bool *) * (batch->natts + CQ_ENVELOPE_COLUMNS));
	reader->arrays = palloc0(sizeof(CqColumnArrays) * (batch->natts + CQ_ENVELOPE_COLUMNS));
	cq_generated_describe(reader, relation);
	cq_contract_describe(reader, relation);
	find_settings(reader);
	table_close(relation, NoLock);
}

/*
 * All but its source, in the context, which is current. The stream's description must live as long
 * as the reader.
 */
static CqReader *
make_reader(MemoryContext context, CqStream *stream, const CqSourceRoutine *routine, bool bounded)
{
	CqReader   *reader = palloc0(sizeof(CqReader));

	reader->context = context;
	reader->stream = stream;
	reader->format = find_format(stream);
	reader->format_options = cq_reader_format_options(stream);
	reader->format_options->header = routine->header;
	if (cq_stream_has_key_fields(stream))
	{
		reader->key_format = cq_format_find(stream->key_format);
		reader->key_options = cq_reader_key_options(stream);
		reader->key_options->header = routine->header;
	}
	reader->bare_key = find_bare_key(stream);
	reader->is_bounded = bounded;
	reader->routine = routine;
	reader->batch.reader = reader;
	reader->batch.context = AllocSetContextCreate(context, "pg_cq batch", ALLOCSET_DEFAULT_SIZES);
	reader->question = AllocSetContextCreate(context, "pg_cq question", ALLOCSET_SMALL_SIZES);
	prepare_columns(reader);
	return reader;
}

static CqReader *
open_reader(MemoryContext context, CqStream *stream, const CqPosition *positions, int npositions,
			bool bounded, bool sees_own)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	CqReader   *reader = make_reader(context, stream, cq_reader_routine(stream), bounded);
	CqSourceConfig config = cq_reader_config(stream, bounded);

	config.sees_own = sees_own;
	reader->source = reader->routine->open(&config, positions, npositions);
	MemoryContextSwitchTo(caller);
	return reader;
}

/* As the table's owner. */
static CqReader *
open_as_owner(Oid stream, const CqPosition *positions, int npositions, bool sees_own)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq reader",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	CqStream   *description = cq_stream_get(stream, cq_owner_of_relation(stream));

	MemoryContextSwitchTo(caller);
	return open_reader(context, description, positions, npositions, false, sees_own);
}

CqReader *
cq_reader_open(Oid stream, const CqPosition *positions, int npositions)
{
	return open_as_owner(stream, positions, npositions, false);
}

CqReader *
cq_reader_open_own(Oid stream, const CqPosition *positions, int npositions)
{
	return open_as_owner(stream, positions, npositions, true);
}

CqReader *
cq_reader_open_bounded(CqStream *stream, const CqPosition *positions, int npositions)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq reader",
												  ALLOCSET_DEFAULT_SIZES);

	return open_reader(context, stream, positions, npositions, true, false);
}

CqReader *
cq_reader_open_kept(Oid stream, CqKeptMessage *messages, int nmessages)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq reader",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	CqStream   *description = cq_stream_get(stream, cq_owner_of_relation(stream));
	CqReader   *reader = make_reader(context, description, &cq_kafka_kept_source, true);

	reader->source = cq_kafka_kept_open(messages, nmessages);
	MemoryContextSwitchTo(caller);
	return reader;
}

/* Takes no lock: whoever has planned for the stream's columns holds one. */
bool
cq_reader_is_current(const CqReader *reader)
{
	bool		is_current = true;

	for (int i = 0; is_current && i <= reader->descriptor->natts; i++)
	{
		HeapTuple	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(reader->stream->relid),
											Int16GetDatum(i + 1));

		if (HeapTupleIsValid(tuple) && i < reader->descriptor->natts)
		{
			Form_pg_attribute then = TupleDescAttr(reader->descriptor, i);
			Form_pg_attribute now = (Form_pg_attribute) GETSTRUCT(tuple);

			is_current = then->attisdropped == now->attisdropped &&
				then->atttypid == now->atttypid && then->atttypmod == now->atttypmod;
		}
		else
			is_current = !HeapTupleIsValid(tuple) && i == reader->descriptor->natts;
		if (HeapTupleIsValid(tuple))
			ReleaseSysCache(tuple);
	}
	return is_current;
}

void
cq_reader_keep(CqReader *reader, MemoryContext context)
{
	MemoryContextSetParent(reader->context, context);
}

void
cq_reader_close(CqReader *reader)
{
	cq_reader_release(reader);
	reader->routine->close(reader->source);
	MemoryContextDelete(reader->context);
}

/* Nothing is to be had of what a statement waits for. */
static void
raise_trouble(const CqReader *reader, const char *awaits, const char *trouble)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
			 errmsg("could not read stream %s: %s is not to be had", reader->stream->name, awaits),
			 errdetail("%s", trouble)));
}

static bool
prepare_keys(CqReader *reader, char **awaits, char **trouble)
{
	CqMessage  *keys;
	int			nkeys;
	int		   *rows;

	if (reader->key_format == NULL || reader->key_format->prepare == NULL)
		return true;
	keys = cq_key_messages(&reader->batch.fetch, &nkeys, &rows);
	return reader->key_format->prepare(reader->key_options, keys, nkeys, awaits, trouble);
}

/* Can what was fetched be decoded? Else it is held until it can. */
static bool
is_prepared(CqReader *reader)
{
	const CqFetch *fetch = &reader->batch.fetch;
	MemoryContext caller;
	char	   *awaits = NULL;
	char	   *trouble = NULL;
	bool		is_here;

	if (reader->format->prepare == NULL &&
		(reader->key_format == NULL || reader->key_format->prepare == NULL))
		return true;
	MemoryContextReset(reader->question);
	caller = MemoryContextSwitchTo(reader->question);
	is_here = reader->format->prepare == NULL ||
		reader->format->prepare(reader->format_options, fetch->messages, fetch->nmessages, &awaits,
								&trouble);
	if (is_here)
		is_here = prepare_keys(reader, &awaits, &trouble);
	if (trouble != NULL && reader->is_bounded)
		raise_trouble(reader, awaits, trouble);
	if (!is_here && !reader->is_held)
		reader->held_since = cq_clock_real_monotonic();
	reader->is_held = !is_here;
	if (!is_here)
		strlcpy(reader->awaits, trouble != NULL ? psprintf("%s (%s)", awaits, trouble) : awaits,
				sizeof(reader->awaits));
	MemoryContextSwitchTo(caller);
	return is_here;
}

/* Waits for what a batch is held for, at most so long. */
static bool
await_prepared(CqReader *reader, int timeout_ms)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(cq_clock_real_monotonic(), timeout_ms);

	while (!is_prepared(reader))
	{
		if (cq_clock_real_monotonic() >= deadline)
			return false;
		cq_http_wait_any(TimestampDifferenceMilliseconds(cq_clock_real_monotonic(), deadline));
	}
	return true;
}

CqBatch *
cq_reader_fetch(CqReader *reader, int max_messages, Size max_bytes, int timeout_ms)
{
	CqBatch    *batch = &reader->batch;

	if (!reader->is_held)
	{
		cq_reader_release(reader);
		if (!reader->routine->fetch(reader->source, &batch->fetch, max_messages, max_bytes,
									timeout_ms))
			return NULL;
		reader->has_batch = true;
		batch->nrows = batch->fetch.nmessages;
	}
	return await_prepared(reader, timeout_ms) ? batch : NULL;
}

void
cq_reader_seek(CqReader *reader, int64 offset)
{
	cq_reader_release(reader);
	reader->routine->seek(reader->source, offset);
}

void
cq_reader_hear_ends(CqReader *reader)
{
	if (reader->routine->hear_ends != NULL)
		reader->routine->hear_ends(reader->source, &reader->batch.fetch);
}

void
cq_reader_release(CqReader *reader)
{
	CqBatch    *batch = &reader->batch;

	if (!reader->has_batch)
		return;
	reader->has_batch = reader->is_held = false;
	reader->routine->release(reader->source, &batch->fetch);
	MemoryContextReset(batch->context);
	batch->nrows = 0;
	batch->decoded = NULL;
	batch->absent = NULL;
	batch->gone = NULL;
	batch->truncating = NULL;
	batch->lacking = NULL;
	batch->settings = NIL;
	batch->others = NIL;
	memset(&batch->bad, 0, sizeof(CqBadCells));
}

bool
cq_reader_fetches_in_transaction(const CqReader *reader)
{
	return reader->routine->fetch_in_transaction;
}

bool
cq_reader_is_at_end(const CqReader *reader, const char *topic, int32 partition,
					char *held_up, Size size)
{
	if (reader->is_held)
	{
		snprintf(held_up, size, "waits for %s", reader->awaits);
		return false;
	}
	return reader->routine->is_at_end(reader->source, topic, partition, held_up, size);
}

/* That a batch is held, and for what, is news once it takes longer than a question does. */
static bool
poll_held(CqReader *reader, CqSourceEvent *event)
{
	bool		is_long = reader->is_held &&
		TimestampDifferenceExceeds(reader->held_since, cq_clock_real_monotonic(), HELD_MS);

	if (is_long ? strcmp(reader->awaits, reader->told) == 0 : reader->told[0] == '\0')
		return false;
	strlcpy(reader->told, is_long ? reader->awaits : "", sizeof(reader->told));
	memset(event, 0, sizeof(CqSourceEvent));
	event->kind = is_long ? CQ_SOURCE_HELD : CQ_SOURCE_UP;
	event->text = is_long ? pstrdup(reader->awaits) : NULL;
	return true;
}

bool
cq_reader_poll_event(CqReader *reader, CqSourceEvent *event)
{
	if (poll_held(reader, event))
		return true;
	return reader->routine->poll_event(reader->source, event);
}

int
cq_reader_wakeup_fd(CqReader *reader)
{
	return reader->routine->wakeup_fd(reader->source);
}

void
cq_reader_wakeup_clear(CqReader *reader)
{
	reader->routine->wakeup_clear(reader->source);
}

const CqStream *
cq_reader_stream(const CqReader *reader)
{
	return reader->stream;
}

bool
cq_reader_extents(Oid stream, Oid userid, CqInquiry *inquiry, int timeout_ms, List **extents)
{
	CqStream   *description = cq_stream_get(stream, userid);
	CqSourceConfig config = cq_reader_config(description, false);

	config.inquiry = inquiry;
	return cq_reader_routine(description)->extents(&config, timeout_ms, extents);
}

bool
cq_reader_seek_time(Oid stream, Oid userid, CqInquiry *inquiry, TimestampTz time,
					CqPosition *positions, int npositions, int timeout_ms)
{
	CqStream   *description = cq_stream_get(stream, userid);
	CqSourceConfig config = cq_reader_config(description, false);

	config.inquiry = inquiry;
	return cq_reader_routine(description)->seek_time(&config, time, positions, npositions,
													 timeout_ms);
}
