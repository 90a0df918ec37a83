/*
 * proto.c
 *		The format protobuf: each message is one message of a schema that whoever wrote it has used.
 *
 * Decides what a message means as a row:
 * - It is framed, as clients of schema registries write it: a zero byte, four of the schema's
 *   number, which of its messages it is, the value. Or it is the value alone, and the options
 *   schema and message say what of.
 * - A message is bad as a whole, whichever columns are needed, unless its fields are well formed.
 *   What is within a field is looked at only where some column needs it: what is wrong there is
 *   wrong with these columns.
 * - A field belongs to the column of its name: see proto_plan.h. One that the schema does not have,
 *   and one that is not in the message and would say so, is null; any other that is not there has
 *   its default, and a field that repeats is empty. Of a oneof the last one counts.
 * - How values become Datums: proto_value.c, and what is said there of the way over JSON.
 *
 * The schema of a message is made a plan once for each decoder. libprotobuf only reads schemas: its
 * messages would be built as a whole before a column could be taken of them, and it throws.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "format/json_settings.h"
#include "format/json_value_private.h"
#include "format/proto_encode.h"
#include "format/proto_infer.h"
#include "format/proto_plan.h"
#include "format/proto_schema.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

/* JSON of a value, beside what its schema's own text and the message's length account for. */
#define JSON_ALLOWANCE	4096
#define JSON_PER_BYTE	64

/* No value of the server's may be larger. */
#define MAX_JSON		(MaxAllocSize / 4)

/* A schema, or why it cannot be used. */
typedef struct Schema
{
	CqSchemaFrame frame;		/* the key */
	const CqProtoSchema *schema;	/* NULL: there is a reject */
	int64		text_length;
	CqReject   *reject;
} Schema;

/* Messages of one type, as this decoder's columns see them. */
typedef struct WriterKey
{
	CqSchemaFrame frame;
	CqSchemaIndexes indexes;
} WriterKey;

typedef struct Writer
{
	WriterKey	key;
	CqProtoStep *plan;			/* NULL: there is a reject */
	int64		text_length;
	CqReject   *reject;
} Writer;

typedef struct ProtoDecoder
{
	MemoryContext context;
	const CqFormatOptions *options;
	HTAB	   *schemas;		/* by frame */
	HTAB	   *writers;		/* by frame and indexes */
	Writer	   *last;			/* the one used last */
	Schema	   *fixed;			/* where no registry is asked */
	CqJsonLater *later;
	CqProtoTarget *targets;
	int			ntargets;
	StringInfoData json;		/* of one value */
	char	   *unavailable;	/* text of values that have not changed, UTF-8, or NULL */
	int64		nmessages;		/* so far */
} ProtoDecoder;

/* What decoding one message works on. */
typedef struct Row
{
	ProtoDecoder *decoder;
	const CqMessage *message;
	const CqProtoMessage *type; /* of it as a whole */
	CqProtoInput in;
	int			number;
	CqJsonArena *arena;
	CqBadCells *bad;
} Row;

/* ---- opening ---- */

static CqReject *
check(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	CqReject   *reject = NULL;
	const CqProtoSchema *schema;

	if (!cq_proto_parser_is_there())
		return cq_proto_schema_check("");
	if (options->schema == NULL)
		return NULL;
	schema = cq_proto_schema_of_option(options->schema, &reject);
	if (schema == NULL || options->message == NULL ||
		cq_proto_schema_named(schema, options->message) != NULL)
		return reject;
	return cq_reject(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE, "the schema has no message \"%s\"",
					 options->message);
}

static List *
utf8_path(const List *path)
{
	List	   *result = NIL;
	ListCell   *cell;

	foreach(cell, path)
	{
		char	   *name = lfirst(cell);

		result = lappend(result, pg_server_to_any(name, strlen(name), PG_UTF8));
	}
	return result;
}

static void
open_target(CqProtoTarget *target, const CqColumn *column)
{
	target->column = *column;
	target->column.name = pstrdup(column->name);
	target->path = utf8_path(column->path);
	if (column->type == CQ_COLUMN_PRESENCE)
		return;
	target->converter = cq_json_value_slow_create(column->type, column->typmod, &column->style);
	target->is_text = target->converter->type == TEXTOID ||
		target->converter->type == VARCHAROID || target->converter->type == BPCHAROID;
	target->may_change = cq_json_composite_is_within(target->converter);
	target->checks_nulls = column->is_not_null ||
		cq_json_value_slow_checks_nulls(target->converter);
}

static HTAB *
make_table(const char *name, Size key, Size entry)
{
	HASHCTL		control = {.keysize = key, .entrysize = entry, .hcxt = CurrentMemoryContext};

	return hash_create(name, 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* The option schema, which may have been wrong when it was set. */
static Schema *
make_fixed(const char *text)
{
	Schema	   *fixed = palloc0(sizeof(Schema));

	fixed->schema = cq_proto_schema_of_option(text, &fixed->reject);
	if (fixed->schema == NULL)
		cq_reject_raise(fixed->reject, NULL);
	fixed->text_length = strlen(text);
	return fixed;
}

static CqDecoder *
decoder_open(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	ProtoDecoder *decoder = palloc0(sizeof(ProtoDecoder));

	if (options->schema == NULL && (options->registry == NULL || !options->is_framed))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("a stream of format protobuf needs to know its schemas"),
				 errhint("Set the option schema_registry of the server, or the option schema of "
						 "the stream.")));
	decoder->context = CurrentMemoryContext;
	decoder->options = options;
	decoder->later = cq_json_later_create();
	decoder->targets = palloc0(sizeof(CqProtoTarget) * Max(ncolumns, 1));
	decoder->ntargets = ncolumns;
	for (int i = 0; i < ncolumns; i++)
		open_target(&decoder->targets[i], &columns[i]);
	decoder->schemas = make_table("pg_cq protobuf schemas", sizeof(CqSchemaFrame), sizeof(Schema));
	decoder->writers = make_table("pg_cq protobuf messages", sizeof(WriterKey), sizeof(Writer));
	initStringInfo(&decoder->json);
	if (options->unavailable != NULL)
		decoder->unavailable = pg_server_to_any(options->unavailable,
												strlen(options->unavailable), PG_UTF8);
	if (options->registry == NULL || !options->is_framed)
		decoder->fixed = make_fixed(options->schema);
	return (CqDecoder *) decoder;
}

/* ---- schemas ---- */

static Writer *
refuse_writer(CqReject *reject)
{
	static Writer refused;

	refused.reject = reject;
	return &refused;
}

/* NULL: *reject says why not. In the decoder's context. */
static const Schema *
find_schema(ProtoDecoder *decoder, const CqSchemaFrame *frame, CqReject **reject)
{
	bool		is_known;
	Schema	   *schema = hash_search(decoder->schemas, frame, HASH_FIND, &is_known);
	CqRegistrySchema found;
	CqRegistryState state;
	CqReject   *fault = NULL;
	Schema		read = {0};
	ListCell   *cell;

	if (decoder->fixed != NULL)
		return decoder->fixed;
	if (schema != NULL)
		return schema;
	state = cq_schema_frame_find(decoder->options->registry, frame, &found, NULL);
	if (state != CQ_REGISTRY_HERE)
	{
		*reject = state == CQ_REGISTRY_UNKNOWN
			? cq_reject(ERRCODE_UNDEFINED_OBJECT, "the schema registry has no %s",
						cq_schema_frame_name(frame))
			: cq_reject(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "%s is not there yet",
						cq_schema_frame_name(frame));
		return NULL;
	}
	read.frame = *frame;
	foreach(cell, found.texts)
		read.text_length += strlen(lfirst(cell));
	read.schema = cq_proto_schema_of_registry(&found, &fault);
	if (read.schema == NULL)
		read.reject = cq_reject(fault->sqlerrcode, "%s: %s", cq_schema_frame_name(frame),
								fault->message);
	schema = hash_search(decoder->schemas, frame, HASH_ENTER, &is_known);
	*schema = read;
	return schema;
}

/* Which message of the schema: as the option says, or else the message itself. */
static const CqProtoMessage *
find_message(const ProtoDecoder *decoder, const CqProtoSchema *schema,
			 const CqSchemaIndexes *indexes, CqReject **reject)
{
	const char *name = decoder->fixed != NULL ? decoder->options->message : NULL;
	const CqProtoMessage *message = name != NULL ? cq_proto_schema_named(schema, name) :
		cq_proto_schema_at(schema, indexes);

	if (message == NULL && name != NULL)
		*reject = cq_reject(ERRCODE_UNDEFINED_OBJECT, "the schema has no message \"%s\"", name);
	else if (message == NULL)
		*reject = cq_reject(ERRCODE_INVALID_BINARY_REPRESENTATION,
							"invalid Protobuf message: its schema has no message at its place");
	return message;
}

/* What is not known need not stay so, and what is not there may be of any number. */
static Writer *
make_writer(ProtoDecoder *decoder, const WriterKey *key)
{
	CqReject   *reject = NULL;
	const Schema *schema = find_schema(decoder, &key->frame, &reject);
	const CqProtoMessage *message;
	CqProtoStep *plan;
	Writer	   *writer;
	bool		is_known;

	if (schema == NULL || schema->schema == NULL)
		return refuse_writer(schema == NULL ? reject : schema->reject);
	message = find_message(decoder, schema->schema, &key->indexes, &reject);
	if (message == NULL)
		return refuse_writer(reject);
	plan = cq_proto_plan_make(message, decoder->targets, decoder->ntargets);
	writer = hash_search(decoder->writers, key, HASH_ENTER, &is_known);
	writer->plan = plan;
	writer->text_length = schema->text_length;
	writer->reject = NULL;
	decoder->last = writer;
	return writer;
}

static const Writer *
find_writer(ProtoDecoder *decoder, const WriterKey *key)
{
	bool		is_known;
	Writer	   *writer = decoder->last;
	MemoryContext caller;

	if (writer != NULL && memcmp(&writer->key, key, sizeof(WriterKey)) == 0)
		return writer;
	writer = hash_search(decoder->writers, key, HASH_FIND, &is_known);
	if (writer != NULL)
	{
		decoder->last = writer;
		return writer;
	}
	caller = MemoryContextSwitchTo(decoder->context);
	writer = make_writer(decoder, key);
	MemoryContextSwitchTo(caller);
	return writer;
}

/* ---- one message ---- */

static void
refuse_cell(Row *row, CqProtoTarget *target, CqReject *reject)
{
	target->outcome = CQ_PROTO_REFUSED;
	target->reject = reject;
	target->nulls[row->number] = true;
}

static void
refuse_fault(Row *row, CqProtoTarget *target, const char *fault)
{
	refuse_cell(row, target, cq_reject(ERRCODE_INVALID_BINARY_REPRESENTATION,
									   "field \"%s\": %s", target->column.name, fault));
}

static bool
is_text(const ProtoDecoder *decoder, const CqProtoRaw *raw)
{
	return raw->length == (int64) strlen(decoder->unavailable) &&
		memcmp(raw->bytes, decoder->unavailable, raw->length) == 0;
}

/* Text or bytes that stand for a value that has not changed; also as the only one of several. */
static bool
is_unavailable(const Row *row, const CqProtoTarget *target)
{
	const CqProtoField *field = target->taker->field;
	CqProtoRaw	raw;

	if (row->decoder->unavailable == NULL || target->places.ntags != 1 ||
		(field->kind != CQ_PROTO_STRING && field->kind != CQ_PROTO_BYTES))
		return false;
	cq_proto_json_at(&row->in, target->places.tags[0], &raw);
	return is_text(row->decoder, &raw);
}

/*
 * A field that is a column's. A message may come in several parts, and a field that repeats several
 * times: these are looked at together, once all is read.
 */
static inline void
take_field(Row *row, const CqProtoTaker *taker, const char *tag, const CqProtoRaw *raw)
{
	CqProtoTarget *target = taker->target;
	bool		is_one = !taker->field->is_repeated;

	target->is_seen = true;
	target->taker = taker;
	if (target->converter == NULL)
	{
		target->values[row->number] = BoolGetDatum(true);
		target->nulls[row->number] = false;
		target->outcome = CQ_PROTO_TAKEN;
		return;
	}
	if (is_one && raw->wire != CQ_PROTO_LENGTH && raw->wire != CQ_PROTO_START)
	{
		target->places.ntags = 0;
		if (taker->quick != NULL && taker->quick(taker->field, raw, target, row->arena,
												 &target->values[row->number]))
		{
			target->nulls[row->number] = false;
			target->outcome = CQ_PROTO_TAKEN;
			return;
		}
	}
	else if (is_one && !cq_proto_read_is_message(taker->field))
		target->places.ntags = 0;
	cq_proto_json_add_place(&target->places, tag);
	target->nulls[row->number] = true;
	target->outcome = CQ_PROTO_FOUND;
}

static bool run_step(Row *row, const CqProtoStep *step, CqProtoInput *in, int depth);

static void
forget_entry(Row *row, const CqProtoEntry *entry)
{
	for (int i = 0; i < entry->nbelow; i++)
	{
		CqProtoTarget *target = entry->below[i];

		target->outcome = CQ_PROTO_ABSENT;
		target->places.ntags = 0;
		target->nulls[row->number] = true;
	}
}

static void run_entry(Row *row, const CqProtoEntry *entry, const char *tag,
					  const CqProtoRaw *raw, int depth);

/* Is that the key of an entry of a map? One that is not there is zero, or empty. */
static bool
is_key(const CqProtoField *field, const CqProtoRaw *raw, const char *key)
{
	char		text[MAXINT8LEN + 1];

	if (field->kind == CQ_PROTO_STRING)
		return raw->length == (int64) strlen(key) && memcmp(raw->bytes, key, raw->length) == 0;
	if (field->kind == CQ_PROTO_BOOL)
		return strcmp(key, raw->bits != 0 ? "true" : "false") == 0;
	if (cq_proto_read_is_unsigned_64(field))
		snprintf(text, sizeof(text), UINT64_FORMAT, raw->bits);
	else
		snprintf(text, sizeof(text), INT64_FORMAT, cq_proto_read_integer(field, raw->bits));
	return strcmp(key, text) == 0;
}

/* An entry of a map, for those that want its value by the key. The last one of a key counts. */
static bool
run_map_entry(Row *row, const CqProtoEntry *entry, CqProtoInput *in, int depth)
{
	const CqProtoField *fields = entry->field->message->fields;
	CqProtoRaw	key = {.bits = fields[0].bits, .bytes = fields[0].bytes};
	CqProtoRaw	value = {.bits = fields[1].bits, .bytes = fields[1].bytes};
	const char *tag = NULL;

	while (in->at < in->end)
	{
		const char *start = in->at;
		uint32		number;
		CqProtoWire wire;
		CqProtoRaw	raw;

		if (!cq_proto_read_tag(in, &number, &wire) || !cq_proto_read_raw(in, number, wire, &raw))
			return false;
		if (number == 1 && cq_proto_read_fits(&fields[0], wire))
			key = raw;
		if (number != 2 || !cq_proto_read_fits(&fields[1], wire))
			continue;
		value = raw;
		tag = start;
	}
	for (int i = 0; i < entry->nkeys; i++)
	{
		if (!is_key(&fields[0], &key, entry->keys[i]))
			continue;
		forget_entry(row, entry->values[i]);
		if (tag != NULL)
			run_entry(row, entry->values[i], tag, &value, depth);
	}
	return true;
}

static void
refuse_below(Row *row, const CqProtoEntry *entry, const char *fault)
{
	for (int i = 0; i < entry->nbelow; i++)
	{
		bool		takes_all = false;

		for (int j = 0; j < entry->ntakers; j++)
			takes_all |= entry->takers[j].target == entry->below[i];
		if (!takes_all)
			refuse_fault(row, entry->below[i], fault);
	}
}

static void
run_entry(Row *row, const CqProtoEntry *entry, const char *tag, const CqProtoRaw *raw, int depth)
{
	CqProtoInput in = {.at = raw->bytes, .end = raw->bytes + raw->length};

	for (int i = 0; i < entry->nrivals; i++)
		forget_entry(row, entry->rivals[i]);
	for (int i = 0; i < entry->ntakers; i++)
		take_field(row, &entry->takers[i], tag, raw);
	if (entry->inner != NULL ? !run_step(row, entry->inner, &in, depth + 1)
		: entry->nkeys > 0 && !run_map_entry(row, entry, &in, depth + 1))
		refuse_below(row, entry, in.fault);
}

/* What is not there may say so by its default, now that its message is there. */
static inline void
begin_step(const CqProtoStep *step)
{
	for (int i = 0; i < step->nentries; i++)
	{
		const CqProtoEntry *entry = step->entries[i];

		if (!entry->field->has_default && !entry->field->is_repeated)
			continue;
		for (int j = 0; j < entry->ntakers; j++)
		{
			CqProtoTarget *target = entry->takers[j].target;

			if (target->outcome != CQ_PROTO_ABSENT)
				continue;
			target->outcome = CQ_PROTO_DEFAULT;
			target->taker = &entry->takers[j];
		}
	}
}

static bool
run_step(Row *row, const CqProtoStep *step, CqProtoInput *in, int depth)
{
	if (depth > CQ_PROTO_MAX_DEPTH)
		return cq_proto_read_fault(in, "values are nested too deep");
	begin_step(step);
	while (in->at < in->end)
	{
		const char *tag = in->at;
		const CqProtoEntry *entry;
		uint32		number;
		CqProtoWire wire;
		CqProtoRaw	raw;

		if (!cq_proto_read_tag(in, &number, &wire) || !cq_proto_read_raw(in, number, wire, &raw))
			return false;
		entry = cq_proto_plan_find(step, number);
		if (entry != NULL && cq_proto_read_fits(entry->field, wire))
			run_entry(row, entry, tag, &raw, depth);
	}
	return true;
}

/* ---- the slow way ---- */

/* What a column is of, as JSON, or as text where it is no more than that. */
static bool
append_target(Row *row, const CqProtoTarget *target, StringInfo out)
{
	const CqProtoField *field = target->taker != NULL ? target->taker->field : NULL;
	CqProtoRaw	raw;

	if (field == NULL)
		return cq_proto_json_append_message(&row->in, row->type, row->in.at,
											row->in.end - row->in.at, 0, out);
	if (target->outcome == CQ_PROTO_DEFAULT)
		return cq_proto_json_append_default(&row->in, field, out);
	if (!target->is_text || field->kind != CQ_PROTO_BYTES || field->is_repeated)
		return cq_proto_json_append(&row->in, field, &target->places, 0, out);
	cq_proto_json_at(&row->in, target->places.tags[0], &raw);
	return cq_proto_json_append_text(&row->in, raw.bytes, raw.length, out);
}

/* What only the slow way may know waits for others. */
static void
take_token(Row *row, CqProtoTarget *target, const CqJsonToken *token)
{
	bool		is_taken = token->kind != CQ_JSON_NULL &&
		cq_json_value_convert(target->converter, token, row->arena, &target->values[row->number]);

	target->outcome = is_taken ? CQ_PROTO_TAKEN : CQ_PROTO_AWAITS;
	target->nulls[row->number] = !is_taken;
	target->token = *token;
}

static void
take_slowly(Row *row, CqProtoTarget *target)
{
	StringInfo	json = &row->decoder->json;
	int64		max_json = row->in.max_json;
	CqJsonToken token;
	char	   *kept;

	resetStringInfo(json);
	row->in.fault = NULL;
	if (!append_target(row, target, json))
		refuse_fault(row, target, row->in.fault);
	else
	{
		appendStringInfoChar(json, ' ');	/* which ends a number */
		kept = memcpy(cq_json_value_take(row->arena, json->len), json->data, json->len);
		(void) cq_json_token_read(kept, &token);
		if (token.kind == CQ_JSON_NULL)
			target->outcome = CQ_PROTO_ABSENT;
		else
			take_token(row, target, &token);
	}
	row->in.max_json = max_json;
	if (json->maxlen > BLCKSZ * 16)
	{
		pfree(json->data);
		initStringInfo(json);
	}
}

/* A value that can be had without a look at anything else: a default, or a message in one part. */
static bool
take_quickly(Row *row, CqProtoTarget *target)
{
	const CqProtoTaker *taker = target->taker;
	CqProtoRaw	raw = {0};

	if (taker == NULL || taker->quick == NULL || target->places.ntags > 1)
		return false;
	if (target->places.ntags == 1)
		cq_proto_json_at(&row->in, target->places.tags[0], &raw);
	else
	{
		raw.bits = taker->field->bits;
		raw.bytes = taker->field->bytes;
		raw.length = taker->field->length;
	}
	if (!taker->quick(taker->field, &raw, target, row->arena, &target->values[row->number]))
		return false;
	target->nulls[row->number] = false;
	target->outcome = CQ_PROTO_TAKEN;
	return true;
}

/* ---- all columns ---- */

static void
set_row_null(ProtoDecoder *decoder, int row)
{
	for (int i = 0; i < decoder->ntargets; i++)
	{
		CqProtoTarget *target = &decoder->targets[i];

		target->values[row] = (Datum) 0;
		target->nulls[row] = true;
		target->outcome = CQ_PROTO_ABSENT;
		target->places.ntags = 0;
		target->taker = NULL;
	}
}

static void
settle_null(Row *row, CqProtoTarget *target)
{
	static const CqJsonToken null = {.text = "null", .length = 4, .kind = CQ_JSON_NULL};

	if (target->column.is_not_null)
		refuse_cell(row, target, cq_reject(ERRCODE_NOT_NULL_VIOLATION, "field \"%s\" is missing",
										   target->column.name));
	else if (target->checks_nulls)
		take_token(row, target, &null);
}

static void
settle_target(Row *row, CqProtoTarget *target)
{
	CqJsonCell	cell;

	if (target->outcome == CQ_PROTO_FOUND && target->taker != NULL && is_unavailable(row, target))
		refuse_cell(row, target, &cq_bad_cell_unavailable);
	if ((target->outcome == CQ_PROTO_FOUND || target->outcome == CQ_PROTO_DEFAULT) &&
		target->converter == NULL)
	{
		target->values[row->number] = BoolGetDatum(true);
		target->nulls[row->number] = false;
		target->outcome = CQ_PROTO_TAKEN;
	}
	if ((target->outcome == CQ_PROTO_FOUND || target->outcome == CQ_PROTO_DEFAULT) &&
		!take_quickly(row, target))
		take_slowly(row, target);
	if (target->outcome == CQ_PROTO_ABSENT)
		settle_null(row, target);
	if (target->outcome == CQ_PROTO_REFUSED)
		cq_bad_cells_add(row->bad, row->number, target->column.attno, target->reject);
	if (target->outcome != CQ_PROTO_AWAITS)
		return;
	cell = (CqJsonCell) {
		.token = target->token, .converter = target->converter, .column = &target->column,
		.row = row->number, .value = &target->values[row->number],
		.is_null = &target->nulls[row->number]
	};
	cq_json_later_add(row->decoder->later, &cell, row->bad);
}

static void
refuse_message(Row *row, int sqlerrcode, const char *reason)
{
	set_row_null(row->decoder, row->number);
	cq_bad_cells_add(row->bad, row->number, 0, cq_reject(sqlerrcode, "%s", reason));
}

static void
run_message(Row *row, const Writer *writer, const CqSchemaFrame *frame)
{
	CqProtoInput whole = row->in;

	row->type = writer->plan->message;
	if (!run_step(row, writer->plan, &row->in, 0))
	{
		refuse_message(row, ERRCODE_INVALID_BINARY_REPRESENTATION,
					   row->decoder->fixed != NULL ?
					   psprintf("invalid Protobuf message: %s", row->in.fault) :
					   psprintf("invalid Protobuf message of %s: %s", cq_schema_frame_name(frame),
								row->in.fault));
		return;
	}
	row->in = whole;
	for (int i = 0; i < writer->plan->ntakers; i++)
	{
		writer->plan->takers[i]->outcome = CQ_PROTO_FOUND;
		writer->plan->takers[i]->taker = NULL;
	}
	for (int i = 0; i < row->decoder->ntargets; i++)
	{
		if (row->decoder->targets[i].outcome != CQ_PROTO_TAKEN)
			settle_target(row, &row->decoder->targets[i]);
	}
}

static void
decode_message(Row *row, const CqMessage *message)
{
	ProtoDecoder *decoder = row->decoder;
	const Writer *writer;
	WriterKey	key;
	int			skipped = 0;

	memset(&key, 0, sizeof(key));
	key.indexes.nindexes = 1;
	set_row_null(decoder, row->number);
	if (message->value == NULL)
		return;
	if (decoder->options->is_framed &&
		!cq_schema_frame_read(decoder->options, message, &key.frame, &key.indexes, &skipped))
	{
		refuse_message(row, ERRCODE_INVALID_BINARY_REPRESENTATION,
					   "invalid Protobuf message: it does not begin with a zero byte, the number "
					   "of a schema and the place of a message in it");
		return;
	}
	if (decoder->fixed != NULL)
		memset(&key.frame, 0, sizeof(key.frame));
	writer = find_writer(decoder, &key);
	if (writer->plan == NULL)
	{
		refuse_message(row, writer->reject->sqlerrcode, writer->reject->message);
		return;
	}
	row->in = (CqProtoInput) {
		.at = message->value + skipped, .end = message->value + message->value_length,
		.max_json = Min(JSON_ALLOWANCE + 2 * writer->text_length +
						JSON_PER_BYTE * (int64) message->value_length, MAX_JSON)
	};
	run_message(row, writer, &key.frame);
}

/* ---- the routine ---- */

static void
decode(CqDecoder *opaque, const CqMessage *messages, int nmessages, int first_row, Datum **values,
	   bool **nulls, CqBadCells *bad)
{
	ProtoDecoder *decoder = (ProtoDecoder *) opaque;
	CqJsonArena arena = {0};
	Row			row = {.decoder = decoder, .arena = &arena, .bad = bad};
	int			first_bad = bad->ncells;

	cq_json_later_clear(decoder->later);
	for (int i = 0; i < decoder->ntargets; i++)
	{
		CqProtoTarget *target = &decoder->targets[i];

		target->values = values[target->column.attno - 1];
		target->nulls = nulls[target->column.attno - 1];
		memset(&target->places, 0, sizeof(CqProtoPlaces));	/* of the batch's memory */
		if (target->may_change)
			cq_json_composite_refresh(target->converter);
	}
	for (int i = 0; i < nmessages; i++)
	{
		row.number = first_row + i;
		decode_message(&row, &messages[i]);
	}
	cq_json_later_run(decoder->later, bad);
	decoder->nmessages += nmessages;
	cq_bad_cells_sort(bad, first_bad);
}

static void
fields(const CqDecoder *opaque, int64 many, Bitmapset **seen, Bitmapset **unseen)
{
	const ProtoDecoder *decoder = (const ProtoDecoder *) opaque;

	for (int i = 0; i < decoder->ntargets; i++)
	{
		if (decoder->targets[i].is_seen)
			*seen = bms_add_member(*seen, decoder->targets[i].column.attno);
		else if (decoder->nmessages >= many)
			*unseen = bms_add_member(*unseen, decoder->targets[i].column.attno);
	}
}

const CqFormat cq_proto_format = {
	.name = "protobuf",
	.schema_type = "PROTOBUF",
	.check = check,
	.infer_schema = cq_proto_infer,
	.decoder_open = decoder_open,
	.prepare = cq_schema_frame_prepare,
	.decode = decode,
	.fields = fields,
	.bare_key = cq_schema_frame_bare_indexed_key,
	.settings = cq_json_settings,
	.encoder_open = cq_proto_encode_open,
	.encode = cq_proto_encode,
	.written_schema = cq_proto_encode_schema,
	.described_name = cq_proto_encode_name,
	.encode_change = cq_proto_encode_change,
};
