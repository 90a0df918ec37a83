/*
 * outbox_model.c
 *		Changes of a view as what a model is asked: see outbox_encoder.h.
 *
 * The sink's mode says what a change is:
 *		append		each row that is added is asked about; for views whose rows stay
 *		upsert		the row as it is now, where what is asked about is another than before; of one
 *					that is gone that is passed on
 * What is asked about is one column as a text, or the option prompt with columns in it, or a JSON
 * object of several columns. Null asks nothing.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "sink/model_parts.h"
#include "sink/outbox_encoder.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

typedef struct ModelEncoder
{
	CqOutboxEncoder pub;
	CqModel    *model;
	FmgrInfo   *outputs;		/* of model->columns */
	TupleDesc	key;			/* of the columns of that part; NULL: none */
	TupleDesc	input;
} ModelEncoder;

/* ---- texts of a row ---- */

/* Columns of a part as a JSON object. */
static char *
make_object(const ModelEncoder *encoder, CqModelPart part, TupleDesc columns, TupleTableSlot *row)
{
	const CqModel *model = encoder->model;
	Datum	   *values = palloc(sizeof(Datum) * columns->natts);
	bool	   *nulls = palloc(sizeof(bool) * columns->natts);
	HeapTuple	tuple;
	int			n = 0;

	for (int i = 0; i < model->ncolumns; i++)
	{
		if (model->columns[i].part != part)
			continue;
		values[n] = row->tts_values[model->columns[i].attno - 1];
		nulls[n++] = row->tts_isnull[model->columns[i].attno - 1];
	}
	tuple = heap_form_tuple(columns, values, nulls);
	return TextDatumGetCString(DirectFunctionCall1(row_to_json, HeapTupleGetDatum(tuple)));
}

static char *
text_of(const ModelEncoder *encoder, TupleTableSlot *row, const CqModelColumn *column)
{
	FmgrInfo   *output = &encoder->outputs[column - encoder->model->columns];

	if (row->tts_isnull[column->attno - 1])
		return NULL;
	return OutputFunctionCall(output, row->tts_values[column->attno - 1]);
}

static char *
fill_prompt(const ModelEncoder *encoder, TupleTableSlot *row)
{
	StringInfoData prompt;
	const char *rest = encoder->model->prompt;
	const char *begin;
	const char *end;

	initStringInfo(&prompt);
	for (; cq_destination_options_place(rest, &begin, &end); rest = end)
	{
		const CqModelColumn *column = cq_model_column(encoder->model, begin + 1, end - begin - 2);
		char	   *text = text_of(encoder, row, column);

		appendBinaryStringInfo(&prompt, rest, begin - rest);
		appendStringInfoString(&prompt, text != NULL ? text : "");
	}
	appendStringInfoString(&prompt, rest);
	return prompt.data;
}

/* NULL: nothing. */
static char *
make_input(const ModelEncoder *encoder, TupleTableSlot *row)
{
	const CqModelColumn *column;

	if (encoder->model->prompt != NULL)
		return fill_prompt(encoder, row);
	if (cq_model_count(encoder->model, CQ_MODEL_INPUT, &column) == 1)
		return text_of(encoder, row, column);
	return make_object(encoder, CQ_MODEL_INPUT, encoder->input, row);
}

static char *
make_key(const ModelEncoder *encoder, TupleTableSlot *row)
{
	return encoder->key != NULL ? make_object(encoder, CQ_MODEL_KEY, encoder->key, row) : NULL;
}

/* ---- a change ---- */

static bool
is_same(const char *one, const char *other)
{
	return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

static void
set_text(const char *text, const char **bytes, uint32 *length)
{
	if (text == NULL)
		return;
	*bytes = pg_server_to_any(text, strlen(text), PG_UTF8);
	*length = strlen(*bytes);
}

static bool
encode_for_model(CqOutboxEncoder *self, TupleTableSlot *before, TupleTableSlot *after,
				 CqOutgoing *outgoing)
{
	ModelEncoder *encoder = (ModelEncoder *) self;
	char	   *input;
	char	   *key;

	*outgoing = (CqOutgoing) {.partition = -1, .message.timestamp = DT_NOBEGIN};
	if (before != NULL)
		slot_getallattrs(before);
	if (after != NULL)
		slot_getallattrs(after);
	key = make_key(encoder, after != NULL ? after : before);
	input = after != NULL ? make_input(encoder, after) : NULL;
	if (before != NULL && after != NULL && is_same(input, make_input(encoder, before)) &&
		is_same(key, make_key(encoder, before)))
		return false;
	outgoing->topic = after != NULL ? CQ_MODEL_ASK : CQ_MODEL_FORGET;
	set_text(key, &outgoing->message.key, &outgoing->message.key_length);
	set_text(input, &outgoing->message.value, &outgoing->message.value_length);
	return true;
}

/* ---- opening ---- */

/* Of the columns of a part, in their order; NULL: there are none. */
static TupleDesc
describe_part(const CqModel *model, CqModelPart part, TupleDesc columns)
{
	int			count = cq_model_count(model, part, NULL);
	TupleDesc	described = count > 0 ? CreateTemplateTupleDesc(count) : NULL;
	int			n = 0;

	for (int i = 0; i < model->ncolumns; i++)
	{
		if (model->columns[i].part == part)
			TupleDescCopyEntry(described, ++n, columns, model->columns[i].attno);
	}
	return described != NULL ? BlessTupleDesc(described) : NULL;
}

static void
check_fit(const CqSinkTarget *target, const CqModel *model, const int *map)
{
	if (model->destination->mode == CQ_MODE_APPEND && !target->is_append_only)
		cq_outbox_misfit("rows of the view change, and the sink %s takes only rows that are added",
						 model->destination->name,
						 "Set the sink's option mode to upsert: then rows that have changed are "
						 "asked about again, and those that are gone are passed on.");
	if (model->destination->mode == CQ_MODE_UPSERT &&
		cq_model_count(model, CQ_MODEL_KEY, NULL) == 0)
		cq_outbox_misfit("the sink %s takes rows by their key, and has no column for one",
						 model->destination->name,
						 "Give the columns that tell rows apart the option part 'key'.");
	for (int i = 0; i < model->ncolumns; i++)
	{
		if (model->columns[i].part == CQ_MODEL_OUTPUT && map[model->columns[i].attno - 1] != 0)
			cq_outbox_misfit("the view fills a column of the sink %s that the model answers",
							 model->destination->name,
							 "Columns with the option part 'output' come with the answer.");
	}
}

void
cq_outbox_model_check(const CqSinkTarget *target)
{
	(void) cq_model_outcome_stream(cq_model_get(target->sink, target->owner), target->owner);
}

CqOutboxEncoder *
cq_outbox_model_open(const CqSinkTarget *target)
{
	ModelEncoder *encoder = palloc0(sizeof(ModelEncoder));
	CqModel    *model = cq_model_get(target->sink, target->owner);
	Relation	sink = table_open(target->sink, AccessShareLock);

	encoder->pub.encode = encode_for_model;
	encoder->pub.columns = CreateTupleDescCopyConstr(RelationGetDescr(sink));
	table_close(sink, NoLock);
	encoder->pub.map = cq_mapping_map(target->sink, encoder->pub.columns, target->row);
	encoder->model = model;
	check_fit(target, model, encoder->pub.map);
	encoder->outputs = palloc0(sizeof(FmgrInfo) * Max(model->ncolumns, 1));
	for (int i = 0; i < model->ncolumns; i++)
	{
		Oid			output;
		bool		is_varlena;

		getTypeOutputInfo(model->columns[i].type, &output, &is_varlena);
		fmgr_info(output, &encoder->outputs[i]);
	}
	encoder->key = describe_part(model, CQ_MODEL_KEY, encoder->pub.columns);
	encoder->input = describe_part(model, CQ_MODEL_INPUT, encoder->pub.columns);
	return &encoder->pub;
}
