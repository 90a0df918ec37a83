/*
 * json.c
 *		The format json: each message is one JSON object, each column one field of it.
 *
 * Decides what a message means as a row:
 * - A message is bad as a whole, whichever columns are needed, unless it is one JSON object in
 *   UTF-8 with nothing behind it, of at most CQ_JSON_MAX_LENGTH bytes and CQ_JSON_MAX_DEPTH levels
 *   (json_walk.c).
 * - A field belongs to the column of exactly its name, escapes resolved, or to the one whose path
 *   leads to it; where case is ignored, two that are one then are a bad cell. Where a name comes
 *   twice in an object, the last one counts, as in jsonb. Fields that no column wants are checked
 *   and passed over.
 * - A field that is missing or null is null; a bad cell if the column is NOT NULL.
 * - How values become Datums: json_value.h.
 *
 * A message without a value (a tombstone) is a row of nulls here, and no bad one: what it means is
 * the stream's option.
 *
 * Speed comes from doing little: simdjson finds the tokens, one walk over them checks all and notes
 * the wanted ones, and the common types are converted in place without a call of the server's.
 */
#include "postgres.h"

#include "format/format.h"
#include "format/json_bare.h"
#include "format/json_encode.h"
#include "format/json_infer.h"
#include "format/json_items.h"
#include "format/json_parser.h"
#include "format/json_settings.h"
#include "format/json_unavailable.h"
#include "format/json_walk.h"
#include "format/name_case.h"
#include "format/target.h"
#include "port/pg_bswap.h"

/* A column while it is decoded. */
typedef struct Target
{
	CqTarget	base;
	int			token;
	int			wrapped_token;	/* where the message is wrapped */
} Target;

typedef struct JsonDecoder
{
	CqJsonParser *parser;
	MemoryContextCallback free_parser;
	CqJsonShape *shape;
	CqTargets	columns;
	Target	   *targets;		/* these */
	CqJsonUnavailable *unavailable; /* NULL: no value stands for another */
	bool		may_be_wrapped;
	bool		must_be_wrapped;
	int			schema_token;	/* of Connect's envelope */
	int			payload_token;
	bool		is_special;		/* some column may be more than the value of a field */
	bool		has_unseen;		/* some target is not seen yet, as far as is known */
} JsonDecoder;

/* Of Connect's envelope. */
#define SCHEMA	"schema"
#define PAYLOAD	"payload"

static void
free_parser(void *parser)
{
	cq_json_parser_free(parser);
}

static void
find_tokens(JsonDecoder *decoder, Target *target)
{
	List	   *path = target->base.path;

	target->token = cq_json_shape_add(decoder->shape, path);
	if (decoder->may_be_wrapped)
		target->wrapped_token = cq_json_shape_add(decoder->shape, lcons(PAYLOAD, list_copy(path)));
}

static CqDecoder *
decoder_open(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	JsonDecoder *decoder = palloc0(sizeof(JsonDecoder));

	decoder->shape = cq_json_shape_create(false);
	decoder->shape->ignores_case = options->ignores_case;
	decoder->targets = cq_target_open(&decoder->columns, sizeof(Target), columns, ncolumns);
	decoder->has_unseen = true;
	decoder->may_be_wrapped = options->may_be_wrapped || options->is_wrapped;
	decoder->must_be_wrapped = options->is_wrapped;
	if (decoder->may_be_wrapped)
	{
		decoder->schema_token = cq_json_shape_add(decoder->shape, list_make1(SCHEMA));
		decoder->payload_token = cq_json_shape_add(decoder->shape, list_make1(PAYLOAD));
	}
	if (options->unavailable != NULL)
		decoder->unavailable = cq_json_unavailable_create(options->unavailable);
	decoder->is_special = decoder->may_be_wrapped || options->unavailable != NULL ||
		options->ignores_case;
	for (int i = 0; i < ncolumns; i++)
	{
		find_tokens(decoder, &decoder->targets[i]);
		decoder->is_special |= columns[i].items != NIL;
	}

	decoder->parser = cq_json_parser_create();
	if (decoder->parser == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Failed to create a JSON parser.")));
	decoder->free_parser.func = free_parser;
	decoder->free_parser.arg = decoder->parser;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &decoder->free_parser);
	return (CqDecoder *) decoder;
}

/*
 * A byte 0 and four of the schema's number, the highest first: what registries put before a
 * message.
 */
static bool
has_registry_frame(const CqMessage *message)
{
	return message->value_length > 5 && message->value[0] == '\0';
}

static CqReject *
reject_message(const CqJsonFault *fault, const CqMessage *message)
{
	if (has_registry_frame(message))
	{
		uint32		schema;

		memcpy(&schema, message->value + 1, sizeof(schema));
		return cq_reject(fault->sqlerrcode, "invalid JSON message: it begins as messages of a "
						 "schema registry do, with schema %u, which the formats avro, protobuf "
						 "and json_sr read", pg_ntoh32(schema));
	}
	if (fault->offset < 0)
		return cq_reject(fault->sqlerrcode, "invalid JSON message: %s", fault->reason);
	return cq_reject(fault->sqlerrcode, "invalid JSON message: %s at byte %lld", fault->reason,
					 (long long) fault->offset);
}

/* Sets a cell that the quick way has no value for: null, or left for later. */
static void
set_hard_cell(const CqTargetRow *row, CqTarget *target, const CqJsonToken *token)
{
	bool		is_null = token->kind == CQ_JSON_NULL || token->kind == CQ_JSON_MISSING;

	cq_target_set_null(target, row->number);
	if (token->kind != CQ_JSON_MISSING)
		target->is_seen = true;
	if (is_null && !target->checks_nulls)
		return;
	if (is_null && target->column.is_not_null)
		cq_bad_cells_add(row->bad, row->number, target->column.attno,
						 cq_target_reject_null(target, token->kind == CQ_JSON_NULL));
	else
		cq_target_convert_later(row, target, token, target->converter);
}

static void
set_ambiguous(const CqTargetRow *row, CqTarget *target)
{
	target->is_seen = true;
	cq_target_set_null(target, row->number);
	cq_bad_cells_add(row->bad, row->number, target->column.attno,
					 cq_name_case_twins(target->column.name));
}

/*
 * What is not simply the value of a field. True: that is all. False: the token, which may be
 * another one then, is to be converted.
 */
static bool
decode_specially(const JsonDecoder *decoder, const CqTargetRow *row, CqTarget *target,
				 CqJsonToken *token)
{
	if (target->converter == NULL && token->kind != CQ_JSON_AMBIGUOUS)
	{
		target->values[row->number] = BoolGetDatum(true);
		target->nulls[row->number] = token->kind == CQ_JSON_MISSING ||
			token->kind == CQ_JSON_NULL;
		return true;
	}
	if (decoder->unavailable != NULL && cq_json_unavailable_is(decoder->unavailable, token))
	{
		target->is_seen = true;
		cq_target_set_null(target, row->number);
		cq_bad_cells_add(row->bad, row->number, target->column.attno, &cq_bad_cell_unavailable);
		return true;
	}
	cq_json_items_follow(target->items, target->column.style.ignores_case, token);
	if (token->kind == CQ_JSON_AMBIGUOUS)
		set_ambiguous(row, target);
	return token->kind == CQ_JSON_AMBIGUOUS;
}

/* Is the value within Connect's envelope? */
static bool
is_wrapped(const JsonDecoder *decoder)
{
	const CqJsonToken *tokens = decoder->shape->tokens;

	return tokens[decoder->schema_token].kind != CQ_JSON_MISSING &&
		tokens[decoder->payload_token].kind == CQ_JSON_OBJECT;
}

static inline void
decode_row(JsonDecoder *decoder, CqTargetRow *row)
{
	const CqJsonToken *tokens = decoder->shape->tokens;
	bool		in_payload = decoder->may_be_wrapped && is_wrapped(decoder);
	CqJsonToken special;

	if (decoder->must_be_wrapped && !in_payload)
	{
		cq_target_refuse_message(row, cq_reject(ERRCODE_INVALID_TEXT_REPRESENTATION,
												"invalid JSON message: it has no schema and "
												"payload"));
		return;
	}
	for (int i = 0; i < decoder->columns.ntargets; i++)
	{
		CqTarget   *target = &decoder->targets[i].base;
		const CqJsonToken *token = &tokens[in_payload ? decoder->targets[i].wrapped_token :
										   decoder->targets[i].token];

		if (unlikely(decoder->is_special))
		{
			special = *token;
			if (decode_specially(decoder, row, target, &special))
				continue;
			token = &special;
		}
		if (token->kind != CQ_JSON_MISSING && token->kind != CQ_JSON_NULL &&
			cq_json_value_convert(target->converter, token, &row->arena,
								  &target->values[row->number]))
			target->nulls[row->number] = false;
		else
			set_hard_cell(row, target, token);
	}
}

/*
 * What the quick way has converted tells itself: looked for once for a batch, and only of fields
 * not seen yet.
 */
static void
note_seen(JsonDecoder *decoder, int nmessages, int first_row)
{
	if (!decoder->has_unseen)
		return;
	decoder->has_unseen = false;
	for (int i = 0; i < decoder->columns.ntargets; i++)
	{
		CqTarget   *target = &decoder->targets[i].base;

		if (!target->is_seen)
			target->is_seen = memchr(target->nulls + first_row, false, nmessages) != NULL;
		decoder->has_unseen |= !target->is_seen;
	}
}

static void
fields(const CqDecoder *decoder, int64 many, Bitmapset **seen, Bitmapset **unseen)
{
	cq_target_fields(&((const JsonDecoder *) decoder)->columns, many, seen, unseen);
}

static void
decode(CqDecoder *opaque, const CqMessage *messages, int nmessages, int first_row, Datum **values,
	   bool **nulls, CqBadCells *bad)
{
	JsonDecoder *decoder = (JsonDecoder *) opaque;
	CqTargetRow row = {0};

	cq_target_begin(&decoder->columns, values, nulls, bad, &row);
	for (int i = 0; i < nmessages; i++)
	{
		CqJsonFault fault;

		row.number = first_row + i;
		if (messages[i].value == NULL)
			cq_target_set_row_null(&row);
		else if (cq_json_walk(decoder->shape, decoder->parser, messages[i].value,
							  messages[i].value_length, &fault))
			decode_row(decoder, &row);
		else
			cq_target_refuse_message(&row, reject_message(&fault, &messages[i]));
	}
	cq_target_end(&row, nmessages);
	note_seen(decoder, nmessages, first_row);
	cq_json_parser_trim(decoder->parser);
}

const CqFormat cq_json_format = {
	.name = "json",
	.decoder_open = decoder_open,
	.decode = decode,
	.fields = fields,
	.bare_key = cq_json_bare_key,
	.settings = cq_json_settings,
	.encoder_open = cq_json_encode_open,
	.encode = cq_json_encode,
	.encode_change = cq_json_encode_change,
	.infer = cq_json_infer
};
