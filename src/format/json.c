/*
 * json.c
 *		The format json: each message is one JSON object, each column one field of it.
 *
 * Decides what a message means as a row:
 * - A message is bad as a whole, whichever columns are needed, unless it is one JSON object in
 *   UTF-8 with nothing behind it, of at most CQ_JSON_MAX_LENGTH bytes and CQ_JSON_MAX_DEPTH levels
 *   (json_walk.c).
 * - A field belongs to the column of exactly its name, escapes resolved, or to the one whose path
 *   leads to it. Where a name comes twice in an object, the last one counts, as in jsonb. Fields
 *   that no column wants are checked and passed over.
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
#include "format/json_later.h"
#include "format/json_parser.h"
#include "format/json_settings.h"
#include "format/json_unavailable.h"
#include "format/json_value.h"
#include "format/json_walk.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"

/* A column while it is decoded. */
typedef struct Target
{
	CqColumn	column;
	int			token;
	int			wrapped_token;	/* where the message is wrapped */
	CqJsonConverter *converter; /* NULL: of CQ_COLUMN_PRESENCE */
	bool		checks_nulls;	/* null is not simply null to it */
	bool		is_seen;		/* some message has had the field */
	bool		may_change;		/* its type may be altered: see cq_json_composite_refresh */
	Datum	   *values;			/* of the present decode call */
	bool	   *nulls;
} Target;

typedef struct JsonDecoder
{
	CqJsonParser *parser;
	MemoryContextCallback free_parser;
	CqJsonShape *shape;
	CqJsonLater *later;
	Target	   *targets;
	int			ntargets;
	CqJsonUnavailable *unavailable; /* NULL: no value stands for another */
	bool		may_be_wrapped;
	bool		must_be_wrapped;
	int			schema_token;	/* of Connect's envelope */
	int			payload_token;
	int64		nmessages;		/* so far */
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

/* The names of a path as messages write them. */
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
open_target(JsonDecoder *decoder, Target *target, const CqColumn *column)
{
	List	   *path = utf8_path(column->path);

	target->column = *column;
	target->column.name = pstrdup(column->name);
	target->token = cq_json_shape_add(decoder->shape, path);
	if (decoder->may_be_wrapped)
		target->wrapped_token = cq_json_shape_add(decoder->shape, lcons(PAYLOAD, list_copy(path)));
	if (column->type == CQ_COLUMN_PRESENCE)
		return;
	target->converter = cq_json_value_slow_create(column->type, column->typmod, &column->style);
	target->may_change = cq_json_composite_is_within(target->converter);
	target->checks_nulls = column->is_not_null ||
		cq_json_value_slow_checks_nulls(target->converter);
}

static CqDecoder *
decoder_open(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	JsonDecoder *decoder = palloc0(sizeof(JsonDecoder));

	decoder->shape = cq_json_shape_create(false);
	decoder->later = cq_json_later_create();
	decoder->targets = palloc0(sizeof(Target) * ncolumns);
	decoder->ntargets = ncolumns;
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
	for (int i = 0; i < ncolumns; i++)
		open_target(decoder, &decoder->targets[i], &columns[i]);

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
											"schema "
						 "registry do, with schema %u, and those are not supported yet",
						 pg_ntoh32(schema));
	}
	if (fault->offset < 0)
		return cq_reject(fault->sqlerrcode, "invalid JSON message: %s", fault->reason);
	return cq_reject(fault->sqlerrcode, "invalid JSON message: %s at byte %lld", fault->reason,
					 (long long) fault->offset);
}

static void
set_row_null(JsonDecoder *decoder, int row)
{
	for (int i = 0; i < decoder->ntargets; i++)
	{
		decoder->targets[i].values[row] = (Datum) 0;
		decoder->targets[i].nulls[row] = true;
	}
}

/* Sets a cell that the quick way has no value for: null, or left for later. */
static void
set_hard_cell(JsonDecoder *decoder, Target *target, const CqJsonToken *token, int row,
			  CqBadCells *bad)
{
	bool		is_null = token->kind == CQ_JSON_NULL || token->kind == CQ_JSON_MISSING;
	CqJsonCell	cell;

	target->values[row] = (Datum) 0;
	target->nulls[row] = true;
	if (token->kind != CQ_JSON_MISSING)
		target->is_seen = true;
	if (is_null && !target->checks_nulls)
		return;
	if (is_null && target->column.is_not_null)
	{
		cq_bad_cells_add(bad, row, target->column.attno,
						 cq_reject(ERRCODE_NOT_NULL_VIOLATION, "field \"%s\" is %s",
								   target->column.name,
								   token->kind == CQ_JSON_NULL ? "null" : "missing"));
		return;
	}

	cell.token = *token;
	cell.converter = target->converter;
	cell.column = &target->column;
	cell.row = row;
	cell.value = &target->values[row];
	cell.is_null = &target->nulls[row];
	cq_json_later_add(decoder->later, &cell, bad);
}

/* Columns that only ask, and values that are not there. */
static bool
decode_specially(JsonDecoder *decoder, Target *target, const CqJsonToken *token, int row,
				 CqBadCells *bad)
{
	if (target->converter == NULL)
	{
		target->values[row] = BoolGetDatum(true);
		target->nulls[row] = token->kind == CQ_JSON_MISSING || token->kind == CQ_JSON_NULL;
		return true;
	}
	if (decoder->unavailable == NULL ||
		!cq_json_unavailable_is(decoder->unavailable, token))
		return false;
	target->is_seen = true;
	target->values[row] = (Datum) 0;
	target->nulls[row] = true;
	cq_bad_cells_add(bad, row, target->column.attno, &cq_bad_cell_unavailable);
	return true;
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
decode_row(JsonDecoder *decoder, int row, CqJsonArena *arena, CqBadCells *bad)
{
	const CqJsonToken *tokens = decoder->shape->tokens;
	bool		in_payload = decoder->may_be_wrapped && is_wrapped(decoder);
	bool		is_special = decoder->may_be_wrapped || decoder->unavailable != NULL;

	if (decoder->must_be_wrapped && !in_payload)
	{
		set_row_null(decoder, row);
		cq_bad_cells_add(bad, row, 0,
						 cq_reject(ERRCODE_INVALID_TEXT_REPRESENTATION,
								   "invalid JSON message: it has no schema and payload"));
		return;
	}
	for (int i = 0; i < decoder->ntargets; i++)
	{
		Target	   *target = &decoder->targets[i];
		const CqJsonToken *token = &tokens[in_payload ? target->wrapped_token : target->token];

		if (unlikely(is_special) && decode_specially(decoder, target, token, row, bad))
			continue;
		if (token->kind != CQ_JSON_MISSING && token->kind != CQ_JSON_NULL &&
			cq_json_value_convert(target->converter, token, arena, &target->values[row]))
			target->nulls[row] = false;
		else
			set_hard_cell(decoder, target, token, row, bad);
	}
}

/*
 * What the quick way has converted tells itself: looked for once for a batch, and only of fields
 * not seen yet.
 */
static void
note_seen(JsonDecoder *decoder, int nmessages, int first_row)
{
	decoder->nmessages += nmessages;
	if (!decoder->has_unseen)
		return;
	decoder->has_unseen = false;
	for (int i = 0; i < decoder->ntargets; i++)
	{
		Target	   *target = &decoder->targets[i];

		if (!target->is_seen)
			target->is_seen = memchr(target->nulls + first_row, false, nmessages) != NULL;
		decoder->has_unseen |= !target->is_seen;
	}
}

static void
fields(const CqDecoder *opaque, int64 many, Bitmapset **seen, Bitmapset **unseen)
{
	const JsonDecoder *decoder = (const JsonDecoder *) opaque;

	for (int i = 0; i < decoder->ntargets; i++)
	{
		const Target *target = &decoder->targets[i];

		if (target->is_seen)
			*seen = bms_add_member(*seen, target->column.attno);
		else if (decoder->nmessages >= many)
			*unseen = bms_add_member(*unseen, target->column.attno);
	}
}

static void
decode(CqDecoder *opaque, const CqMessage *messages, int nmessages, int first_row, Datum **values,
	   bool **nulls,
	   CqBadCells *bad)
{
	JsonDecoder *decoder = (JsonDecoder *) opaque;
	CqJsonArena arena = {0};
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
		int			row = first_row + i;
		CqJsonFault fault;

		if (messages[i].value == NULL)
			set_row_null(decoder, row);
		else if (cq_json_walk(decoder->shape, decoder->parser, messages[i].value,
							  messages[i].value_length, &fault))
			decode_row(decoder, row, &arena, bad);
		else
		{
			set_row_null(decoder, row);
			cq_bad_cells_add(bad, row, 0, reject_message(&fault, &messages[i]));
		}
	}
	cq_json_later_run(decoder->later, bad);
	note_seen(decoder, nmessages, first_row);
	cq_json_parser_trim(decoder->parser);
	cq_bad_cells_sort(bad, first_bad);
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
