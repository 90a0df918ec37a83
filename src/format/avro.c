/*
 * avro.c
 *		The format avro: each message is one value of a schema that whoever wrote it has used.
 *
 * Decides what a message means as a row:
 * - It is framed, as clients of schema registries write it: a zero byte, four of the schema's
 *   number, the value. Or it is the value alone, and the option schema says of which schema.
 * - A message is bad as a whole, whichever columns are needed, unless it is one value of its schema
 *   with nothing behind it. What is within strings is looked at only where some column needs it.
 * - A field belongs to the column of its name: see avro_plan.h. One that the schema does not have
 *   has the default that the option schema gives it, or is null; a bad cell if the column is NOT
 *   NULL.
 * - How values become Datums: avro_value.c, and what is said there of the way over JSON.
 *
 * The schema of a message is made a plan once for each decoder, and then read in one go without
 * looking anything up. Avro C, the reference in tests, is not used: it makes room for lengths
 * before it has seen the bytes, drops logical types, aliases and defaults on reading a schema, and
 * would build each value before a column could be taken of it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "format/avro_encode.h"
#include "format/avro_infer.h"
#include "format/avro_plan.h"
#include "format/avro_unavailable.h"
#include "format/json_settings.h"
#include "format/json_value_private.h"
#include "format/schema_encode.h"
#include "format/schema_frame.h"
#include "mb/pg_wchar.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

/* JSON of a value, beside what its schema's own text and the message's length account for. */
#define JSON_ALLOWANCE	4096
#define JSON_PER_BYTE	32

/* A schema as this decoder's columns see it, or why it cannot be used. */
typedef struct Writer
{
	CqSchemaFrame frame;		/* the key */
	CqAvroStep *plan;			/* NULL: there is a reject */
	int64		text_length;
	CqReject   *reject;
} Writer;

typedef struct AvroDecoder
{
	MemoryContext context;
	const CqFormatOptions *options;
	CqAvroSchema *reader;		/* of the option schema, or NULL */
	HTAB	   *writers;		/* by number */
	Writer	   *last;			/* the one used last */
	Writer	   *fixed;			/* of messages without a number, or where no registry is asked */
	CqTargets	columns;
	CqAvroTarget *targets;		/* these */
	StringInfoData json;		/* of one value */
	List	   *unavailable;	/* see avro_unavailable.h; NIL: no value stands for another */
} AvroDecoder;

/* What decoding one message works on. */
typedef struct Row
{
	CqTargetRow base;
	AvroDecoder *decoder;
	CqAvroInput in;
} Row;

/* ---- opening ---- */

static CqReject *
check(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	return options->schema != NULL ?
		cq_avro_schema_check(options->schema, options->ignores_case) : NULL;
}

/* What Avro alone has of a column. */
static void
open_target(CqAvroTarget *target)
{
	const CqColumn *column = &target->base.column;
	CqValueStyle style = {.is_debezium = true};

	if (target->base.converter == NULL)
		return;
	target->is_document = target->base.converter->type == JSONOID ||
		target->base.converter->type == JSONBOID;
	if (target->is_document)
		target->documents = cq_json_value_slow_create(column->type, column->typmod, &style);
}

/* The option schema, which may have been wrong when it was set. */
static CqAvroSchema *
parse_option(const CqFormatOptions *options)
{
	char	   *utf8 = pg_server_to_any(options->schema, strlen(options->schema), PG_UTF8);
	CqAvroNames names = {0};
	CqReject   *reject = NULL;
	CqAvroSchema *schema = cq_avro_schema_parse(utf8, strlen(utf8), &names, &reject);

	if (schema != NULL && options->ignores_case)
		reject = cq_avro_schema_check_case(&names);
	cq_reject_raise(reject, NULL);
	return schema;
}

static void
set_plan(AvroDecoder *decoder, Writer *writer, const CqAvroSchema *schema)
{
	writer->plan = cq_avro_plan_make(schema, decoder->targets, decoder->columns.ntargets);
}

static CqDecoder *
decoder_open(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	AvroDecoder *decoder = palloc0(sizeof(AvroDecoder));
	HASHCTL		control = {.keysize = sizeof(CqSchemaFrame), .entrysize = sizeof(Writer),
						   .hcxt = CurrentMemoryContext};

	if (options->schema == NULL && (options->registry == NULL || !options->is_framed))
		cq_schema_frame_raise_none(options, &cq_avro_format);
	decoder->context = CurrentMemoryContext;
	decoder->options = options;
	decoder->targets = cq_target_open(&decoder->columns, sizeof(CqAvroTarget), columns, ncolumns);
	for (int i = 0; i < ncolumns; i++)
		open_target(&decoder->targets[i]);
	decoder->writers = hash_create("pg_cq avro schemas", 16, &control, HASH_ELEM | HASH_BLOBS |
								   HASH_CONTEXT);
	initStringInfo(&decoder->json);
	if (options->unavailable != NULL)
		decoder->unavailable = cq_avro_unavailable_create(options->unavailable);
	if (options->schema != NULL)
		decoder->reader = parse_option(options);
	for (int i = 0; i < ncolumns && decoder->reader != NULL; i++)
		cq_avro_plan_default(decoder->reader, &decoder->targets[i]);
	if (options->registry == NULL || !options->is_framed)
	{
		decoder->fixed = palloc0(sizeof(Writer));
		decoder->fixed->text_length = strlen(options->schema);
		set_plan(decoder, decoder->fixed, decoder->reader);
	}
	return (CqDecoder *) decoder;
}

/* ---- schemas ---- */

/* Makes the plan for a schema of the registry, in the decoder's context. */
static void
make_writer(AvroDecoder *decoder, Writer *writer, const CqRegistrySchema *found)
{
	CqAvroNames names = {0};
	CqAvroSchema *schema = NULL;
	ListCell   *cell;

	if (strcmp(found->type, "AVRO") != 0)
	{
		writer->reject = cq_reject(ERRCODE_FEATURE_NOT_SUPPORTED,
								   "%s is one of %s, and not of Avro",
								   cq_schema_frame_name(&writer->frame), found->type);
		return;
	}
	foreach(cell, found->texts)
	{
		const char *text = lfirst(cell);

		writer->text_length += strlen(text);
		schema = cq_avro_schema_parse(text, strlen(text), &names, &writer->reject);
		if (schema == NULL)
			break;
	}
	if (schema != NULL && decoder->options->ignores_case)
		writer->reject = cq_avro_schema_check_case(&names);
	if (writer->reject == NULL)
		set_plan(decoder, writer, schema);
	else
		writer->reject = cq_reject(writer->reject->sqlerrcode, "%s: %s",
								   cq_schema_frame_name(&writer->frame),
								   writer->reject->message);
}

/* What is not known need not stay so. */
static const Writer *
find_writer(AvroDecoder *decoder, const CqSchemaFrame *frame)
{
	bool		is_known;
	CqRegistrySchema found;
	MemoryContext caller;
	CqRegistryState state;

	if (decoder->last != NULL && memcmp(&decoder->last->frame, frame, sizeof(*frame)) == 0)
		return decoder->last;
	decoder->last = hash_search(decoder->writers, frame, HASH_FIND, &is_known);
	if (decoder->last != NULL)
		return decoder->last;
	state = cq_schema_frame_find(decoder->options->registry, frame, &found, NULL);
	if (state != CQ_REGISTRY_HERE)
	{
		static Writer unknown;

		unknown.reject = cq_schema_frame_reject(frame, state);
		return &unknown;
	}
	caller = MemoryContextSwitchTo(decoder->context);
	decoder->last = hash_search(decoder->writers, frame, HASH_ENTER, &is_known);
	decoder->last->plan = NULL;
	decoder->last->reject = NULL;
	decoder->last->text_length = 0;
	make_writer(decoder, decoder->last, &found);
	MemoryContextSwitchTo(caller);
	return decoder->last;
}

/* ---- one message ---- */

/* The text of a document is always converted the slow way. */
static void
take_token(Row *row, const CqAvroSchema *schema, CqAvroTarget *target, const CqJsonToken *token)
{
	target->is_text_of_one = schema->logical == CQ_AVRO_DOCUMENT && target->is_document;
	if (target->is_text_of_one)
		cq_target_await(&row->base, &target->base, token);
	else
		cq_target_take_token(&row->base, &target->base, token);
}

/* A value as JSON. Bytes for a column that takes text are text. */
static bool
append_value(CqAvroInput *in, const CqAvroSchema *schema, const CqAvroTarget *target, int depth,
			 StringInfo json)
{
	bool		is_text = cq_target_is_text(&target->base);
	const char *bytes;
	int64		length = schema->size;

	if (!is_text || schema->logical != CQ_AVRO_PLAIN || (schema->kind != CQ_AVRO_BYTES &&
														 schema->kind != CQ_AVRO_FIXED))
		return cq_avro_json_append(in, schema, depth, json);
	if (schema->kind == CQ_AVRO_FIXED ? !cq_avro_read_raw(in, length, &bytes) :
		!cq_avro_read_bytes(in, &bytes, &length))
		return false;
	return cq_avro_json_append_text(in, bytes, length, json);
}

/*
 * A value by way of JSON. Where it cannot be that, it may still be a value of its schema: then it
 * is the cell that is bad, and not the message.
 */
static void
take_slowly(Row *row, const CqAvroSchema *schema, CqAvroTarget *target, int depth)
{
	const char *start = row->in.at;
	StringInfo	json = &row->decoder->json;
	CqJsonToken token;
	char	   *kept;
	const char *fault;

	resetStringInfo(json);
	if (append_value(&row->in, schema, target, depth, json))
	{
		appendStringInfoChar(json, ' ');	/* which ends a number */
		kept = memcpy(cq_json_value_take(&row->base.arena, json->len), json->data, json->len);
		(void) cq_json_token_read(kept, &token);
		take_token(row, schema, target, &token);
		return;
	}
	fault = row->in.fault;
	row->in.fault = NULL;
	row->in.at = start;
	if (cq_avro_read_past(&row->in, schema, depth))
		cq_target_refuse_fault(&row->base, &target->base, fault);
}

static inline void
take_value(Row *row, const CqAvroSchema *schema, const CqAvroTaker *taker, int depth)
{
	CqTarget   *target = &taker->target->base;
	const char *start = row->in.at;

	cq_target_mark_seen(target);
	if (row->decoder->unavailable != NIL &&
		cq_avro_unavailable_is(row->decoder->unavailable, &row->in, schema->kind))
	{
		if (cq_avro_read_past(&row->in, schema, depth))
			cq_target_refuse(&row->base, target, &cq_bad_cell_unavailable);
		return;
	}
	if (taker->quick != NULL && taker->quick(&row->in, schema, target, &row->base.arena,
											 &target->values[row->base.number]))
	{
		target->nulls[row->base.number] = false;
		target->outcome = CQ_TARGET_TAKEN;
		return;
	}
	row->in.at = start;
	row->in.fault = NULL;
	take_slowly(row, schema, taker->target, depth);
}

static bool run_step(Row *row, const CqAvroStep *step, int depth);

static bool
run_record(Row *row, const CqAvroStep *step, int depth)
{
	const CqAvroSchema *schema = step->schema;

	if (schema->min_size > row->in.end - row->in.at)
		return cq_avro_read_fault(&row->in, "it ends within a value");
	for (int i = 0; i < schema->nfields; i++)
	{
		if (step->inner[i] != NULL ? !run_step(row, step->inner[i], depth + 1)
			: !cq_avro_read_past(&row->in, schema->fields[i].type, depth + 1))
			return false;
	}
	return true;
}

/* Where a key comes twice, the last one counts. */
static const CqAvroStep *
find_key(const CqAvroStep *step, const char *key, int64 length)
{
	for (int i = 0; i < step->ninner; i++)
	{
		if ((int64) strlen(step->keys[i]) == length && memcmp(step->keys[i], key, length) == 0)
			return step->inner[i];
	}
	return NULL;
}

static bool
run_map(Row *row, const CqAvroStep *step, int depth)
{
	int64		count;

	while (cq_avro_read_block(&row->in, step->schema->items->min_size + 1, &count))
	{
		if (count == 0)
			return true;
		for (; count > 0; count--)
		{
			const CqAvroStep *inner;
			const char *key;
			int64		length;

			if (!cq_avro_read_bytes(&row->in, &key, &length))
				return false;
			inner = find_key(step, key, length);
			if (inner != NULL ? !run_step(row, inner, depth + 1)
				: !cq_avro_read_past(&row->in, step->schema->items, depth + 1))
				return false;
		}
	}
	return false;
}

static bool
run_union(Row *row, const CqAvroStep *step, int depth)
{
	int64		index;

	if (!cq_avro_read_index(&row->in, step->schema->nbranches, "a union has no such branch",
							&index))
		return false;
	if (step->inner[index] != NULL)
		return run_step(row, step->inner[index], depth + 1);
	return cq_avro_read_past(&row->in, step->schema->branches[index], depth + 1);
}

static void
take_null(Row *row, const CqAvroStep *step)
{
	for (int i = 0; i < step->ntakers; i++)
	{
		CqTarget   *target = &step->takers[i].target->base;

		cq_target_mark_seen(target);
		target->outcome = CQ_TARGET_IS_NULL;
		target->nulls[row->base.number] = true;
	}
}

/* Does nobody read the value? */
static bool
are_presences(const CqAvroStep *step)
{
	for (int i = 0; i < step->ntakers; i++)
	{
		if (step->takers[i].target->base.converter != NULL)
			return false;
	}
	return true;
}

/* What is within first, then those who take all of it, each from its beginning. */
static bool
run_step(Row *row, const CqAvroStep *step, int depth)
{
	const char *start = row->in.at;

	if (depth > CQ_AVRO_MAX_DEPTH)
		return cq_avro_read_fault(&row->in, "values are nested too deep");
	if (step->inner == NULL && step->ntakers == 0)
		return cq_avro_read_past(&row->in, step->schema, depth);
	if (step->schema->kind == CQ_AVRO_UNION)
		return run_union(row, step, depth);
	if (step->schema->kind == CQ_AVRO_NULL)
	{
		take_null(row, step);
		return true;
	}
	if (step->inner != NULL &&
		!(step->schema->kind == CQ_AVRO_MAP ? run_map : run_record) (row, step, depth))
		return false;
	if (step->inner == NULL && are_presences(step) &&
		!cq_avro_read_past(&row->in, step->schema, depth))
		return false;
	for (int i = 0; i < step->ntakers && row->in.fault == NULL; i++)
	{
		CqTarget   *target = &step->takers[i].target->base;

		if (target->converter == NULL)
		{
			cq_target_mark_seen(target);
			cq_target_note_presence(&row->base, target);
			continue;
		}
		row->in.at = start;
		take_value(row, step->schema, &step->takers[i], depth);
	}
	return row->in.fault == NULL;
}

/* Of a column of which the message says nothing, or null. */
static void
settle_null(Row *row, CqAvroTarget *target)
{
	CqTarget   *base = &target->base;

	if (base->outcome == CQ_TARGET_ABSENT && target->fallback != NULL &&
		row->decoder->fixed == NULL)
	{
		row->in.at = target->fallback_value.data;
		row->in.end = row->in.at + target->fallback_value.len;
		(void) run_step(row, target->fallback, 0);
	}
	if (base->outcome != CQ_TARGET_ABSENT && base->outcome != CQ_TARGET_IS_NULL)
		return;
	target->is_text_of_one = false;
	cq_target_take_null(&row->base, base, base->outcome == CQ_TARGET_IS_NULL);
}

/* A good message: what waited for that. */
static void
settle(Row *row)
{
	for (int i = 0; i < row->base.targets->ntargets; i++)
	{
		CqAvroTarget *target = &row->decoder->targets[i];

		if (target->base.outcome == CQ_TARGET_ABSENT || target->base.outcome == CQ_TARGET_IS_NULL)
			settle_null(row, target);
		cq_target_settle(&row->base, &target->base, target->is_text_of_one ? target->documents :
						 target->base.converter);
	}
}

static void
decode_message(Row *row, const CqMessage *message)
{
	AvroDecoder *decoder = row->decoder;
	const Writer *writer = decoder->fixed;
	int			skipped = 0;
	CqSchemaFrame frame = {0};

	cq_target_set_row_null(&row->base);
	if (decoder->options->is_framed &&
		!cq_schema_frame_read(decoder->options, message, &frame, NULL, &skipped))
	{
		cq_target_refuse_message(&row->base, cq_schema_frame_fault(
			"Avro", NULL, "it does not begin with a zero byte and the number of a schema"));
		return;
	}
	if (writer == NULL)
		writer = find_writer(decoder, &frame);
	if (writer->plan == NULL)
	{
		cq_target_refuse_message(&row->base, cq_reject(writer->reject->sqlerrcode, "%s",
													   writer->reject->message));
		return;
	}
	row->in = (CqAvroInput) {
		.at = message->value + skipped, .end = message->value + message->value_length,
		.max_json = JSON_ALLOWANCE + 2 * writer->text_length +
			JSON_PER_BYTE * (int64) message->value_length
	};
	if (run_step(row, writer->plan, 0) && row->in.at < row->in.end)
		(void) cq_avro_read_fault(&row->in, "there is something behind it");
	if (row->in.fault == NULL)
		settle(row);
	else
		cq_target_refuse_message(&row->base, cq_schema_frame_fault(
			"Avro", writer == decoder->fixed ? NULL : &frame, row->in.fault));
}

/* ---- the routine ---- */

static void
decode(CqDecoder *opaque, const CqMessage *messages, int nmessages, int first_row, Datum **values,
	   bool **nulls, CqBadCells *bad)
{
	AvroDecoder *decoder = (AvroDecoder *) opaque;
	Row			row = {.decoder = decoder};

	cq_target_begin(&decoder->columns, values, nulls, bad, &row.base);
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
	cq_target_fields(&((const AvroDecoder *) decoder)->columns, many, seen, unseen);
}

const CqFormat cq_avro_format = {
	.name = "avro",
	.schema_type = "AVRO",
	.check = check,
	.infer_schema = cq_avro_infer,
	.decoder_open = decoder_open,
	.prepare = cq_schema_frame_prepare,
	.decode = decode,
	.fields = fields,
	.bare_key = cq_schema_frame_bare_key,
	.settings = cq_json_settings,
	.encoder_open = cq_avro_encode_open,
	.encode = cq_schema_encode_row,
	.written_schema = cq_avro_encode_schema,
	.described_name = cq_avro_encode_name,
	.encode_change = cq_schema_encode_change,
};
