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
#include "format/proto_run.h"
#include "format/proto_schema.h"
#include "format/schema_encode.h"
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
	const CqProtoSchema *schema;	/* not where there is a reject */
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
	CqTargets	columns;
	CqProtoTarget *targets;		/* these */
	StringInfoData json;		/* of one value */
	char	   *unavailable;	/* text of values that have not changed, UTF-8, or NULL */
} ProtoDecoder;

/* What decoding one message works on. */
typedef struct Row
{
	CqTargetRow base;
	ProtoDecoder *decoder;
	const CqProtoMessage *type; /* of it as a whole */
	CqProtoInput in;
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
	if (schema != NULL && options->ignores_case)
		reject = cq_proto_schema_check_case(schema);
	if (reject != NULL || options->message == NULL ||
		cq_proto_schema_named(schema, options->message) != NULL)
		return reject;
	return cq_reject(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE, "the schema has no message \"%s\"",
					 options->message);
}

static HTAB *
make_table(const char *name, Size key, Size entry)
{
	HASHCTL		control = {.keysize = key, .entrysize = entry, .hcxt = CurrentMemoryContext};

	return hash_create(name, 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* The option schema, which may have been wrong when it was set. */
static Schema *
make_fixed(const CqFormatOptions *options)
{
	Schema	   *fixed = palloc0(sizeof(Schema));

	fixed->schema = cq_proto_schema_of_option(options->schema, &fixed->reject);
	if (fixed->schema != NULL && options->ignores_case)
		fixed->reject = cq_proto_schema_check_case(fixed->schema);
	cq_reject_raise(fixed->reject, NULL);
	fixed->text_length = strlen(options->schema);
	return fixed;
}

static CqDecoder *
decoder_open(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	ProtoDecoder *decoder = palloc0(sizeof(ProtoDecoder));

	if (options->schema == NULL && (options->registry == NULL || !options->is_framed))
		cq_schema_frame_raise_none(options, &cq_proto_format);
	decoder->context = CurrentMemoryContext;
	decoder->options = options;
	decoder->targets = cq_target_open(&decoder->columns, sizeof(CqProtoTarget), columns, ncolumns);
	for (int i = 0; i < ncolumns; i++)
		decoder->targets[i].is_text = decoder->targets[i].base.converter != NULL &&
			cq_target_is_text(&decoder->targets[i].base);
	decoder->schemas = make_table("pg_cq protobuf schemas", sizeof(CqSchemaFrame), sizeof(Schema));
	decoder->writers = make_table("pg_cq protobuf messages", sizeof(WriterKey), sizeof(Writer));
	initStringInfo(&decoder->json);
	if (options->unavailable != NULL)
		decoder->unavailable = pg_server_to_any(options->unavailable,
												strlen(options->unavailable), PG_UTF8);
	if (options->registry == NULL || !options->is_framed)
		decoder->fixed = make_fixed(options);
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
		*reject = cq_schema_frame_reject(frame, state);
		return NULL;
	}
	read.frame = *frame;
	foreach(cell, found.texts)
		read.text_length += strlen(lfirst(cell));
	read.schema = cq_proto_schema_of_registry(&found, &fault);
	if (read.schema != NULL && decoder->options->ignores_case)
		fault = cq_proto_schema_check_case(read.schema);
	if (fault != NULL)
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

	if (schema == NULL || schema->reject != NULL)
		return refuse_writer(schema == NULL ? reject : schema->reject);
	message = find_message(decoder, schema->schema, &key->indexes, &reject);
	if (message == NULL)
		return refuse_writer(reject);
	plan = cq_proto_plan_make(message, decoder->targets, decoder->columns.ntargets);
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
	if (target->base.outcome == CQ_TARGET_DEFAULT)
		return cq_proto_json_append_default(&row->in, field, out);
	if (!target->is_text || field->kind != CQ_PROTO_BYTES || field->is_repeated)
		return cq_proto_json_append(&row->in, field, &target->places, 0, out);
	cq_proto_json_at(&row->in, target->places.tags[0], &raw);
	return cq_proto_json_append_text(&row->in, raw.bytes, raw.length, out);
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
		cq_target_refuse_fault(&row->base, &target->base, row->in.fault);
	else
	{
		appendStringInfoChar(json, ' ');	/* which ends a number */
		kept = memcpy(cq_json_value_take(&row->base.arena, json->len), json->data, json->len);
		(void) cq_json_token_read(kept, &token);
		if (token.kind == CQ_JSON_NULL)
			target->base.outcome = CQ_TARGET_ABSENT;
		else
			cq_target_take_token(&row->base, &target->base, &token);
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
	CqTarget   *base = &target->base;
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
	if (!taker->quick(taker->field, &raw, base, &row->base.arena,
					  &base->values[row->base.number]))
		return false;
	base->nulls[row->base.number] = false;
	base->outcome = CQ_TARGET_TAKEN;
	return true;
}

/* ---- all columns ---- */

static void
set_row_null(Row *row)
{
	for (int i = 0; i < row->base.targets->ntargets; i++)
	{
		CqProtoTarget *target = &row->decoder->targets[i];

		cq_target_set_null(&target->base, row->base.number);
		target->places.ntags = 0;
		target->taker = NULL;
	}
}

/* It is known where the column's value is, and not yet what it is. */
static void
settle_value(Row *row, CqProtoTarget *target)
{
	CqTarget   *base = &target->base;

	if (base->outcome == CQ_TARGET_FOUND && target->taker != NULL && is_unavailable(row, target))
		cq_target_refuse(&row->base, base, &cq_bad_cell_unavailable);
	else if (base->converter == NULL)
		cq_target_note_presence(&row->base, base);
	else if (!take_quickly(row, target))
		take_slowly(row, target);
}

static void
settle_target(Row *row, CqProtoTarget *target)
{
	CqTarget   *base = &target->base;

	if (base->outcome == CQ_TARGET_FOUND || base->outcome == CQ_TARGET_DEFAULT)
		settle_value(row, target);
	if (base->outcome == CQ_TARGET_ABSENT)
		cq_target_take_null(&row->base, base, false);
	cq_target_settle(&row->base, base, base->converter);
}

static void
run_message(Row *row, const Writer *writer, const CqSchemaFrame *frame)
{
	CqProtoInput whole = row->in;

	row->type = writer->plan->message;
	if (!cq_proto_run(&row->base, writer->plan, &row->in))
	{
		cq_target_refuse_message(&row->base, cq_schema_frame_fault(
			"Protobuf", row->decoder->fixed != NULL ? NULL : frame, row->in.fault));
		return;
	}
	row->in = whole;
	for (int i = 0; i < writer->plan->ntakers; i++)
	{
		writer->plan->takers[i]->base.outcome = CQ_TARGET_FOUND;
		writer->plan->takers[i]->taker = NULL;
	}
	for (int i = 0; i < row->base.targets->ntargets; i++)
	{
		if (row->decoder->targets[i].base.outcome != CQ_TARGET_TAKEN)
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
	set_row_null(row);
	if (message->value == NULL)
		return;
	if (decoder->options->is_framed &&
		!cq_schema_frame_read(decoder->options, message, &key.frame, &key.indexes, &skipped))
	{
		cq_target_refuse_message(&row->base, cq_schema_frame_fault(
			"Protobuf", NULL, "it does not begin with a zero byte, the number of a schema and the "
			"place of a message in it"));
		return;
	}
	if (decoder->fixed != NULL)
		memset(&key.frame, 0, sizeof(key.frame));
	writer = find_writer(decoder, &key);
	if (writer->plan == NULL)
	{
		cq_target_refuse_message(&row->base, cq_reject(writer->reject->sqlerrcode, "%s",
													   writer->reject->message));
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
	Row			row = {.decoder = decoder};

	cq_target_begin(&decoder->columns, values, nulls, bad, &row.base);
	for (int i = 0; i < decoder->columns.ntargets; i++)
		memset(&decoder->targets[i].places, 0, sizeof(CqProtoPlaces));	/* of the batch's memory */
	for (int i = 0; i < nmessages; i++)
	{
		row.base.number = first_row + i;
		decode_message(&row, &messages[i]);
	}
	cq_target_end(&row.base, nmessages);
}

static void
fields(const CqDecoder *decoder, int64 many, Bitmapset **seen, Bitmapset **unseen)
{
	cq_target_fields(&((const ProtoDecoder *) decoder)->columns, many, seen, unseen);
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
	.encode = cq_schema_encode_row,
	.written_schema = cq_proto_encode_schema,
	.described_name = cq_proto_encode_name,
	.encode_change = cq_schema_encode_change,
};
