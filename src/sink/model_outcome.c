/*
 * model_outcome.c
 *		What became of questions to a model, written down in the transaction that moves the sink's
 *		place: answers as rows of a stream, with the key of the row; in cq.errors those without one.
 *
 * An answer has to fit the types of the model's outputs; then it is kept for who asks the same.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/error.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "common/attempt.h"
#include "common/name.h"
#include "common/owner.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "parser/parse_coerce.h"
#include "sink/model_parts.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

/* What a stream of answers may have beside key and outputs, by the names of its columns. */
enum
{
	ANSWER_RECORD,				/* no column: key and outputs */
	ANSWER_ERROR,
	ANSWER_CACHED,
	ANSWER_TOKENS,
	ANSWER_DURATION,
	ANSWER_ATTEMPTS,
	ANSWER_NPARTS
};

static const struct
{
	const char *name;
	Oid			type;
}			parts[ANSWER_NPARTS] = {
	{NULL, JSONBOID},
	{"error", TEXTOID},
	{"cached", BOOLOID},
	{"tokens", INT8OID},
	{"duration", INTERVALOID},
	{"attempts", INT4OID},
};

/* ---- the stream ---- */

/* The model's column that a column of the stream gets, or NULL. */
static const CqModelColumn *
source_of(const CqModel *model, const char *name)
{
	const CqModelColumn *column = cq_model_column(model, name, strlen(name));

	return column != NULL && column->part != CQ_MODEL_INPUT ? column : NULL;
}

static int
part_of(const CqModel *model, const char *name)
{
	for (int i = ANSWER_ERROR; i < ANSWER_NPARTS && source_of(model, name) == NULL; i++)
	{
		if (strcmp(parts[i].name, name) == 0)
			return i;
	}
	return ANSWER_RECORD;
}

static void
check_column(const CqModel *model, Oid stream, const FormData_pg_attribute *attribute)
{
	const char *name = NameStr(attribute->attname);
	const CqModelColumn *column = source_of(model, name);
	int			part = part_of(model, name);
	Oid			type = column != NULL ? column->type : parts[part].type;

	if ((column == NULL && part == ANSWER_RECORD) ||
		can_coerce_type(1, &type, &attribute->atttypid, COERCION_ASSIGNMENT))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("column \"%s\" of stream \"%s\" has type %s, and the answer's has %s", name,
					get_rel_name(stream), format_type_be(attribute->atttypid),
					format_type_be(type))));
}

static void
check_columns(const CqModel *model, Oid stream)
{
	Relation	relation = table_open(stream, AccessShareLock);
	TupleDesc	columns = RelationGetDescr(relation);
	bool		has_output = false;

	for (int i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(columns, i);
		const CqModelColumn *column;

		if (attribute->attisdropped)
			continue;
		check_column(model, stream, attribute);
		column = source_of(model, NameStr(attribute->attname));
		has_output |= column != NULL && column->part == CQ_MODEL_OUTPUT;
	}
	table_close(relation, NoLock);
	if (!has_output)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("stream \"%s\" has no column for an answer", get_rel_name(stream)),
				 errhint("Its columns are called as those of %s that are of its key, or are "
						 "answered; further ones are error, cached, tokens, duration, attempts.",
						 model->destination->name)));
}

Oid
cq_model_outcome_stream(const CqModel *model, Oid owner)
{
	Oid			stream = cq_http_outcome_find(model->destination, owner);

	if (!OidIsValid(stream))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("the model %s has no option \"responses\"", model->destination->name),
				 errhint("It names a stream of cq_log, which gets the answers.")));
	check_columns(model, stream);
	return stream;
}

/* ---- what is in a response ---- */

static Jsonb *
response_of(const ModelTransport *transport, ModelBatch *batch, ModelRequest *request)
{
	if (request->response == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(batch->context);

		request->response = DatumGetJsonbP(cq_http_outcome_body(transport->http, request->sent));
		MemoryContextSwitchTo(caller);
	}
	return request->response;
}

Jsonb *
cq_model_outcome_answer(const ModelTransport *transport, ModelBatch *batch, const ModelRow *row,
						const char **reason)
{
	ModelRequest *request = &batch->requests[row->request];
	const HttpRow *sent = request->sent;

	*reason = NULL;
	if (!sent->is_delivered)
		*reason = psprintf("not answered after %d attempts: %s%s", sent->attempts, sent->reason,
						   cq_http_outcome_quote(transport->http, sent));
	else if (sent->is_cut || sent->body_length == 0)
		*reason = sent->is_cut ? "the response is too long" : "the response is empty";
	else
		return cq_model_answer_read(transport->model, response_of(transport, batch, request),
									row->position, request->ninputs, reason);
	return NULL;
}

bool
cq_model_outcome_usage(const ModelTransport *transport, ModelBatch *batch, ModelRequest *request,
					   int64 *input, int64 *output)
{
	const HttpRow *sent = request->sent;

	return sent->is_delivered && !sent->is_cut && sent->body_length > 0 &&
		cq_model_answer_usage(response_of(transport, batch, request), input, output);
}

/* ---- writing down ---- */

/* What a row of the stream is made of, while one is. */
typedef struct Writing
{
	ModelTransport *transport;
	const CqViewSink *sink;
	ModelBatch *batch;
	ModelRow   *row;
	Jsonb	   *record;			/* key and outputs */
	const char *reason;			/* why there is no answer, or NULL */
	MemoryContext context;		/* of a row */
	SPIPlanPtr	insert;
	int			parts[ANSWER_NPARTS];	/* of its parameters, beginning with the record */
	int			nparts;
	bool		has_error;		/* the stream has a column for it */
} Writing;

static void
add_part(Writing *writing, int part, Oid *types)
{
	types[writing->nparts] = parts[part].type;
	writing->parts[writing->nparts++] = part;
	writing->has_error |= part == ANSWER_ERROR;
}

static void
prepare_insert(void *arg)
{
	Writing    *writing = arg;
	const CqModel *model = writing->transport->model;
	Relation	stream = table_open(writing->transport->http->responses, AccessShareLock);
	TupleDesc	columns = RelationGetDescr(stream);
	Oid			types[ANSWER_NPARTS];
	StringInfoData names;
	StringInfoData values;

	initStringInfo(&names);
	initStringInfo(&values);
	add_part(writing, ANSWER_RECORD, types);
	for (int i = 0; i < columns->natts; i++)
	{
		const char *name = NameStr(TupleDescAttr(columns, i)->attname);
		bool		is_of_record = source_of(model, name) != NULL;
		int			part = part_of(model, name);

		if (TupleDescAttr(columns, i)->attisdropped || (!is_of_record && part == ANSWER_RECORD))
			continue;
		appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", quote_identifier(name));
		appendStringInfoString(&values, values.len > 0 ? ", " : "");
		if (!is_of_record)
			add_part(writing, part, types);
		if (is_of_record)
			appendStringInfo(&values, "r.%s", quote_identifier(name));
		else
			appendStringInfo(&values, "$%d", writing->nparts);
	}
	table_close(stream, NoLock);
	writing->insert =
		cq_query_prepare(psprintf("INSERT INTO %s (%s) SELECT %s FROM "
								  "pg_catalog.jsonb_populate_record(NULL::%s, $1) r",
								  cq_name_qualified(writing->transport->http->responses),
								  names.data, values.data, model->destination->name),
						 writing->nparts, types);
}

static Datum
duration_datum(int64 microseconds)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = microseconds;
	return IntervalPGetDatum(interval);
}

/* Those of its request, by its inputs. -1: not known. */
static int64
tokens_of(const Writing *writing)
{
	ModelRequest *request = &writing->batch->requests[writing->row->request];
	int64		input;
	int64		output;

	if (!cq_model_outcome_usage(writing->transport, writing->batch, request, &input, &output))
		return -1;
	return (input + output) / request->ninputs;
}

/* False: null. */
static bool
make_value(const Writing *writing, int part, Datum *value)
{
	const ModelRow *row = writing->row;
	const HttpRow *sent = row->request >= 0 ? writing->batch->requests[row->request].sent : NULL;

	switch (part)
	{
		case ANSWER_RECORD:
			*value = JsonbPGetDatum(writing->record);
			return true;
		case ANSWER_ERROR:
			if (writing->reason != NULL)
				*value = CStringGetTextDatum(writing->reason);
			return writing->reason != NULL;
		case ANSWER_CACHED:
			*value = BoolGetDatum(row->cached != NULL);
			return row->input != NULL;
		case ANSWER_TOKENS:
			if (sent != NULL)
				*value = Int64GetDatum(tokens_of(writing));
			return sent != NULL && tokens_of(writing) >= 0;
		case ANSWER_DURATION:
			if (sent != NULL)
				*value = duration_datum(sent->duration);
			return sent != NULL;
		case ANSWER_ATTEMPTS:
			if (sent != NULL)
				*value = Int32GetDatum(sent->attempts);
			return sent != NULL;
		default:
			return false;
	}
}

static void
insert_answer(void *arg)
{
	const Writing *writing = arg;
	Datum		values[ANSWER_NPARTS] = {0};
	char		nulls[ANSWER_NPARTS + 1] = {0};

	for (int i = 0; i < writing->nparts; i++)
		nulls[i] = make_value(writing, writing->parts[i], &values[i]) ? ' ' : 'n';
	if (SPI_execute_plan(writing->insert, values, nulls, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not write an answer: %s", SPI_result_code_string(SPI_result));
}

static void
add_error(const Writing *writing, int sqlstate)
{
	const ModelRow *row = writing->row;
	const CqModel *model = writing->transport->model;
	CqError		error = {
		.view = writing->sink->view,
		.sink = writing->sink->sink,
		.topic = psprintf("POST %s%s", model->destination->url, model->path),
		.id = row->id,
		.key = row->key,
		.key_length = row->key != NULL ? strlen(row->key) : 0,
		.payload = row->input,
		.payload_length = row->input != NULL ? strlen(row->input) : 0,
		.sqlstate = sqlstate,
		.message = writing->reason,
	};

	cq_error_add(&error);
}

static Jsonb *
empty_object(void)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
}

/* The row's key; somebody may have written another thing into the outbox. NULL: it is none. */
static Jsonb *
read_key(const ModelRow *row)
{
	Datum		key;

	if (row->key == NULL)
		return empty_object();
	if (!cq_http_outcome_read_json(pstrdup(row->key), &key) ||
		!JB_ROOT_IS_OBJECT(DatumGetJsonbP(key)))
		return NULL;
	return DatumGetJsonbP(key);
}

/* The answer's fields come last: the key does not stand in for what was to be answered. */
static void
set_record(Writing *writing, Jsonb *key, Jsonb *answer)
{
	writing->record = answer == NULL ? key :
		DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(key),
										   JsonbPGetDatum(answer)));
}

/* NULL, with writing->reason where there is none that there should be. */
static Jsonb *
get_answer(Writing *writing)
{
	ModelRow   *row = writing->row;

	writing->reason = NULL;
	if (row->cached != NULL || row->request < 0)
		return row->cached;
	return cq_model_outcome_answer(writing->transport, writing->batch, row, &writing->reason);
}

static void
keep_answer(Writing *writing, Jsonb *answer)
{
	MemoryContext caller = MemoryContextSwitchTo(writing->batch->context);

	writing->row->answer = (Jsonb *) PG_DETOAST_DATUM_COPY(JsonbPGetDatum(answer));
	MemoryContextSwitchTo(caller);
}

/* A row that nobody takes holds up nothing. */
static void
write_row(Writing *writing, ErrorData *no_insert)
{
	Jsonb	   *key = read_key(writing->row);
	Jsonb	   *answer = get_answer(writing);
	ErrorData  *error = no_insert;
	int			sqlstate = ERRCODE_FDW_ERROR;

	if (key == NULL)
		writing->reason = "its key is no object";
	if (writing->reason == NULL)
	{
		set_record(writing, key, answer);
		if (error == NULL)
			error = cq_attempt(insert_answer, writing);
		if (error != NULL)
		{
			sqlstate = error->sqlerrcode;
			writing->reason = psprintf("the answer could not be kept: %s", error->message);
		}
	}
	if (writing->reason == NULL)
	{
		if (answer != NULL)
			keep_answer(writing, answer);
		return;
	}
	add_error(writing, sqlstate);
	if (key == NULL || !writing->has_error || no_insert != NULL)
		return;
	set_record(writing, key, NULL);
	(void) cq_attempt(insert_answer, writing);
}

/* As the view's owner, who has the stream. */
static bool
write_rows(Writing *writing)
{
	ModelBatch *batch = writing->batch;
	ErrorData  *error;
	bool		has_failures = false;
	CqActor		actor;

	cq_owner_begin_user(&actor, writing->transport->owner);
	SPI_connect();
	error = cq_attempt(prepare_insert, writing);
	for (int i = 0; i < batch->nrows; i++)
	{
		MemoryContext caller = MemoryContextSwitchTo(writing->context);

		writing->row = &batch->rows[i];
		write_row(writing, error);
		has_failures |= writing->reason != NULL;
		MemoryContextSwitchTo(caller);
		MemoryContextReset(writing->context);
	}
	SPI_finish();
	cq_owner_end(&actor);
	return has_failures;
}

void
cq_model_outcome_write(HttpTransport *http, const CqViewSink *sink, const HttpBatch *requests)
{
	ModelTransport *transport = http->maker;
	Writing		writing = {
		.transport = transport,
		.sink = sink,
		.batch = cq_transport_model_batch(transport, requests->last_id),
	};

	if (writing.batch == NULL || writing.batch->sent != requests)
		return;
	writing.context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq model outcome",
											ALLOCSET_DEFAULT_SIZES);
	if (write_rows(&writing))
		cq_error_trim(sink->view);
	cq_model_cache_store(transport, writing.batch);
	cq_model_budget_settle(transport, writing.batch);
	MemoryContextDelete(writing.context);
}
