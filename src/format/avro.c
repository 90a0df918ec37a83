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
#include "format/avro_write.h"
#include "format/json_settings.h"
#include "format/json_value_private.h"
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
	CqJsonLater *later;
	CqAvroTarget *targets;
	int			ntargets;
	StringInfoData json;		/* of one value */
	List	   *unavailable;	/* of Unavailable *: what stands for values that have not changed */
	int64		nmessages;		/* so far */
} AvroDecoder;

/* Such a value as messages have it. */
typedef struct Unavailable
{
	CqAvroKind	kind;
	StringInfoData bytes;
} Unavailable;

/* What decoding one message works on. */
typedef struct Row
{
	AvroDecoder *decoder;
	CqAvroInput in;
	int			number;
	CqJsonArena *arena;
	CqBadCells *bad;
} Row;

/* ---- opening ---- */

static CqReject *
check(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	return options->schema != NULL ? cq_avro_schema_check(options->schema) : NULL;
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
open_target(CqAvroTarget *target, const CqColumn *column)
{
	target->column = *column;
	target->column.name = pstrdup(column->name);
	target->path = utf8_path(column->path);
	if (column->type == CQ_COLUMN_PRESENCE)
		return;
	target->converter = cq_json_value_slow_create(column->type, column->typmod, &column->style);
	target->is_document = target->converter->type == JSONOID || target->converter->type == JSONBOID;
	if (target->is_document)
	{
		CqValueStyle style = {.is_debezium = true};

		target->documents = cq_json_value_slow_create(column->type, column->typmod, &style);
	}
	target->may_change = cq_json_composite_is_within(target->converter);
	target->checks_nulls = column->is_not_null ||
		cq_json_value_slow_checks_nulls(target->converter);
}

/* ---- values that are not in the message ---- */

static StringInfo
add_unavailable(AvroDecoder *decoder, CqAvroKind kind)
{
	Unavailable *unavailable = palloc(sizeof(Unavailable));

	unavailable->kind = kind;
	initStringInfo(&unavailable->bytes);
	decoder->unavailable = lappend(decoder->unavailable, unavailable);
	return &unavailable->bytes;
}

static void
write_text(const char *text, StringInfo out)
{
	cq_avro_write_long(strlen(text), out);
	appendStringInfoString(out, text);
}

/*
 * Arrays of the text, and of its bytes as numbers; the items may be unions with null, which is
 * first.
 */
static void
add_arrays(AvroDecoder *decoder, const char *text, bool has_nulls)
{
	StringInfo	texts = add_unavailable(decoder, CQ_AVRO_ARRAY);
	StringInfo	numbers = add_unavailable(decoder, CQ_AVRO_ARRAY);

	cq_avro_write_long(1, texts);
	if (has_nulls)
		cq_avro_write_long(1, texts);
	write_text(text, texts);
	cq_avro_write_long(0, texts);
	cq_avro_write_long(strlen(text), numbers);
	for (const char *byte = text; *byte != '\0'; byte++)
	{
		if (has_nulls)
			cq_avro_write_long(1, numbers);
		cq_avro_write_long(*byte, numbers);
	}
	cq_avro_write_long(0, numbers);
}

/* A map with the text as its only key and value. */
static void
add_map(AvroDecoder *decoder, const char *text, bool has_nulls)
{
	StringInfo	map = add_unavailable(decoder, CQ_AVRO_MAP);

	cq_avro_write_long(1, map);
	write_text(text, map);
	if (has_nulls)
		cq_avro_write_long(1, map);
	write_text(text, map);
	cq_avro_write_long(0, map);
}

/* As json_unavailable.c has it for JSON. */
static void
describe_unavailable(AvroDecoder *decoder, const char *value)
{
	char	   *text = pg_server_to_any(value, strlen(value), PG_UTF8);

	write_text(text, add_unavailable(decoder, CQ_AVRO_STRING));
	write_text(text, add_unavailable(decoder, CQ_AVRO_BYTES));
	for (int has_nulls = 0; has_nulls <= 1; has_nulls++)
	{
		add_arrays(decoder, text, has_nulls);
		add_map(decoder, text, has_nulls);
	}
}

static bool
is_unavailable(const AvroDecoder *decoder, const CqAvroInput *in, CqAvroKind kind)
{
	ListCell   *cell;

	foreach(cell, decoder->unavailable)
	{
		const Unavailable *unavailable = lfirst(cell);

		if (unavailable->kind == kind && in->end - in->at >= unavailable->bytes.len &&
			memcmp(in->at, unavailable->bytes.data, unavailable->bytes.len) == 0)
			return true;
	}
	return false;
}

/* The option schema, which may have been wrong when it was set. */
static CqAvroSchema *
parse_option(const char *text)
{
	char	   *utf8 = pg_server_to_any(text, strlen(text), PG_UTF8);
	CqAvroNames names = {0};
	CqReject   *reject = NULL;
	CqAvroSchema *schema = cq_avro_schema_parse(utf8, strlen(utf8), &names, &reject);

	cq_reject_raise(reject, NULL);
	return schema;
}

static void
set_plan(AvroDecoder *decoder, Writer *writer, const CqAvroSchema *schema)
{
	writer->plan = cq_avro_plan_make(schema, decoder->targets, decoder->ntargets);
}

static CqDecoder *
decoder_open(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	AvroDecoder *decoder = palloc0(sizeof(AvroDecoder));
	HASHCTL		control = {.keysize = sizeof(CqSchemaFrame), .entrysize = sizeof(Writer),
						   .hcxt = CurrentMemoryContext};

	if (options->schema == NULL && (options->registry == NULL || !options->is_framed))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("a stream of format avro needs to know its schemas"),
				 errhint("Set the option schema_registry of the server, or the option schema of "
						 "the stream.")));
	decoder->context = CurrentMemoryContext;
	decoder->options = options;
	decoder->later = cq_json_later_create();
	decoder->targets = palloc0(sizeof(CqAvroTarget) * Max(ncolumns, 1));
	decoder->ntargets = ncolumns;
	for (int i = 0; i < ncolumns; i++)
		open_target(&decoder->targets[i], &columns[i]);
	decoder->writers = hash_create("pg_cq avro schemas", 16, &control, HASH_ELEM | HASH_BLOBS |
								   HASH_CONTEXT);
	initStringInfo(&decoder->json);
	if (options->unavailable != NULL)
		describe_unavailable(decoder, options->unavailable);
	if (options->schema != NULL)
		decoder->reader = parse_option(options->schema);
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
	if (schema != NULL)
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

		unknown.reject = state == CQ_REGISTRY_UNKNOWN
			? cq_reject(ERRCODE_UNDEFINED_OBJECT, "the schema registry has no %s",
						cq_schema_frame_name(frame))
			: cq_reject(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "%s is not there yet",
						cq_schema_frame_name(frame));
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

static void
refuse_cell(Row *row, CqAvroTarget *target, CqReject *reject)
{
	target->outcome = CQ_AVRO_REFUSED;
	target->reject = reject;
	target->nulls[row->number] = true;
}

/*
 * What a token of JSON is for a column; what only the slow way may know waits until it is clear
 * that the message is good.
 */
static void
take_token(Row *row, CqAvroTarget *target, const CqJsonToken *token)
{
	bool		is_taken = token->kind != CQ_JSON_NULL &&
		cq_json_value_convert(target->converter, token, row->arena, &target->values[row->number]);

	target->outcome = is_taken ? CQ_AVRO_TAKEN : CQ_AVRO_AWAITS;
	target->is_text_of_one = false;
	target->nulls[row->number] = !is_taken;
	target->token = *token;
}

static void
take_document(Row *row, CqAvroTarget *target, const CqJsonToken *token)
{
	target->outcome = CQ_AVRO_AWAITS;
	target->is_text_of_one = true;
	target->nulls[row->number] = true;
	target->token = *token;
}

/* A value as JSON. Bytes for a column that takes text are text. */
static bool
append_value(CqAvroInput *in, const CqAvroSchema *schema, const CqAvroTarget *target, int depth,
			 StringInfo json)
{
	bool		is_text = target->converter->type == TEXTOID ||
		target->converter->type == VARCHAROID ||
		target->converter->type == BPCHAROID;
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
		kept = memcpy(cq_json_value_take(row->arena, json->len), json->data, json->len);
		(void) cq_json_token_read(kept, &token);
		if (schema->logical == CQ_AVRO_DOCUMENT && target->is_document)
			take_document(row, target, &token);
		else
			take_token(row, target, &token);
		return;
	}
	fault = row->in.fault;
	row->in.fault = NULL;
	row->in.at = start;
	if (cq_avro_read_past(&row->in, schema, depth))
		refuse_cell(row, target, cq_reject(ERRCODE_INVALID_BINARY_REPRESENTATION,
										   "field \"%s\": %s", target->column.name, fault));
}

static inline void
take_value(Row *row, const CqAvroSchema *schema, const CqAvroTaker *taker, int depth)
{
	CqAvroTarget *target = taker->target;
	const char *start = row->in.at;

	target->is_seen = true;
	if (row->decoder->unavailable != NIL && is_unavailable(row->decoder, &row->in, schema->kind))
	{
		if (cq_avro_read_past(&row->in, schema, depth))
			refuse_cell(row, target, &cq_bad_cell_unavailable);
		return;
	}
	if (taker->quick != NULL && taker->quick(&row->in, schema, target, row->arena,
											 &target->values[row->number]))
	{
		target->nulls[row->number] = false;
		target->outcome = CQ_AVRO_TAKEN;
		return;
	}
	row->in.at = start;
	row->in.fault = NULL;
	take_slowly(row, schema, target, depth);
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
		CqAvroTarget *target = step->takers[i].target;

		target->is_seen = true;
		target->outcome = CQ_AVRO_IS_NULL;
		target->nulls[row->number] = true;
	}
}

static void
note_presence(Row *row, CqAvroTarget *target)
{
	target->is_seen = true;
	target->values[row->number] = BoolGetDatum(true);
	target->nulls[row->number] = false;
	target->outcome = CQ_AVRO_TAKEN;
}

/* Does nobody read the value? */
static bool
are_presences(const CqAvroStep *step)
{
	for (int i = 0; i < step->ntakers; i++)
	{
		if (step->takers[i].target->converter != NULL)
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
		if (step->takers[i].target->converter == NULL)
		{
			note_presence(row, step->takers[i].target);
			continue;
		}
		row->in.at = start;
		take_value(row, step->schema, &step->takers[i], depth);
	}
	return row->in.fault == NULL;
}

static void
set_row_null(AvroDecoder *decoder, int row)
{
	for (int i = 0; i < decoder->ntargets; i++)
	{
		decoder->targets[i].values[row] = (Datum) 0;
		decoder->targets[i].nulls[row] = true;
		decoder->targets[i].outcome = CQ_AVRO_ABSENT;
	}
}

/* Of a column of which the message says nothing, or null. */
static void
settle_null(Row *row, CqAvroTarget *target)
{
	static const CqJsonToken null = {.text = "null", .length = 4, .kind = CQ_JSON_NULL};

	if (target->outcome == CQ_AVRO_ABSENT && target->fallback != NULL &&
		row->decoder->fixed == NULL)
	{
		row->in.at = target->fallback_value.data;
		row->in.end = row->in.at + target->fallback_value.len;
		(void) run_step(row, target->fallback, 0);
	}
	if (target->outcome != CQ_AVRO_ABSENT && target->outcome != CQ_AVRO_IS_NULL)
		return;
	if (target->column.is_not_null)
		refuse_cell(row, target, cq_reject(ERRCODE_NOT_NULL_VIOLATION, "field \"%s\" is %s",
										   target->column.name,
										   target->outcome == CQ_AVRO_IS_NULL ? "null" :
										   "missing"));
	else if (target->checks_nulls)
		take_token(row, target, &null);
}

/* A good message: what waited for that. */
static void
settle(Row *row)
{
	for (int i = 0; i < row->decoder->ntargets; i++)
	{
		CqAvroTarget *target = &row->decoder->targets[i];
		CqJsonCell	cell;

		if (target->outcome == CQ_AVRO_ABSENT || target->outcome == CQ_AVRO_IS_NULL)
			settle_null(row, target);
		if (target->outcome == CQ_AVRO_REFUSED)
			cq_bad_cells_add(row->bad, row->number, target->column.attno, target->reject);
		if (target->outcome != CQ_AVRO_AWAITS)
			continue;
		cell = (CqJsonCell) {
			.token = target->token, .converter = target->is_text_of_one ? target->documents :
			target->converter, .column = &target->column, .row = row->number,
			.value = &target->values[row->number], .is_null = &target->nulls[row->number]
		};
		cq_json_later_add(row->decoder->later, &cell, row->bad);
	}
}

static void
refuse_message(Row *row, int sqlerrcode, const char *reason)
{
	set_row_null(row->decoder, row->number);
	cq_bad_cells_add(row->bad, row->number, 0, cq_reject(sqlerrcode, "%s", reason));
}

static void
decode_message(Row *row, const CqMessage *message)
{
	AvroDecoder *decoder = row->decoder;
	const Writer *writer = decoder->fixed;
	int			skipped = 0;
	CqSchemaFrame frame = {0};

	set_row_null(decoder, row->number);
	if (decoder->options->is_framed &&
		!cq_schema_frame_read(decoder->options, message, &frame, NULL, &skipped))
	{
		refuse_message(row, ERRCODE_INVALID_BINARY_REPRESENTATION,
					   "invalid Avro message: it does not begin with a zero byte and the number of "
					   "a schema");
		return;
	}
	if (writer == NULL)
		writer = find_writer(decoder, &frame);
	if (writer->plan == NULL)
	{
		refuse_message(row, writer->reject->sqlerrcode, writer->reject->message);
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
		refuse_message(row, ERRCODE_INVALID_BINARY_REPRESENTATION,
					   writer == decoder->fixed ? psprintf("invalid Avro message: %s",
														   row->in.fault) :
					   psprintf("invalid Avro message of %s: %s", cq_schema_frame_name(&frame),
								row->in.fault));
}

/* ---- the routine ---- */

static void
decode(CqDecoder *opaque, const CqMessage *messages, int nmessages, int first_row, Datum **values,
	   bool **nulls,
	   CqBadCells *bad)
{
	AvroDecoder *decoder = (AvroDecoder *) opaque;
	CqJsonArena arena = {0};
	Row			row = {.decoder = decoder, .arena = &arena, .bad = bad};
	int			first_bad = bad->ncells;

	cq_json_later_clear(decoder->later);
	for (int i = 0; i < decoder->ntargets; i++)
	{
		decoder->targets[i].values = values[decoder->targets[i].column.attno - 1];
		decoder->targets[i].nulls = nulls[decoder->targets[i].column.attno - 1];
		if (decoder->targets[i].may_change)
			cq_json_composite_refresh(decoder->targets[i].converter);
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
	const AvroDecoder *decoder = (const AvroDecoder *) opaque;

	for (int i = 0; i < decoder->ntargets; i++)
	{
		if (decoder->targets[i].is_seen)
			*seen = bms_add_member(*seen, decoder->targets[i].column.attno);
		else if (decoder->nmessages >= many)
			*unseen = bms_add_member(*unseen, decoder->targets[i].column.attno);
	}
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
	.encode = cq_avro_encode,
	.written_schema = cq_avro_encode_schema,
	.described_name = cq_avro_encode_name,
	.encode_change = cq_avro_encode_change,
};
