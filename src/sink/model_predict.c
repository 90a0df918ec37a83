/*
 * model_predict.c
 *		cq.predict: asking a model at once, by hand, by the same requests as a sink's.
 *
 * The session waits for the network, in its transaction, and can be cancelled: it is for trying,
 * for the question of a search, and for cq.evaluate; continuous views may not call it. Whoever
 * calls it pays: it takes the caller's own user mapping.
 */
#include "postgres.h"

#include "catalog/pg_foreign_server.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/sink.h"
#include "common/attempt.h"
#include "common/compat.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "sink/model_parts.h"
#include "storage/latch.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/wait_event.h"

#define MOST_ATTEMPTS	3
#define LOOK_MS			1000

PG_FUNCTION_INFO_V1(cq_model_predict_text);
PG_FUNCTION_INFO_V1(cq_model_predict_json);
PG_FUNCTION_INFO_V1(cq_model_predict_many);

/* ---- who may ---- */

static void
check_rights(Oid table)
{
	ForeignServer *server;
	AclResult	may;

	if (cq_destination_kind(table) != CQ_DESTINATION_MODEL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is no model", get_rel_name(table)),
				 errhint("A model is a foreign table of cq_model.")));
	server = GetForeignServer(GetForeignTable(table)->serverid);
	may = object_aclcheck(ForeignServerRelationId, server->serverid, GetUserId(), ACL_USAGE);
	if (may != ACLCHECK_OK)
		aclcheck_error(may, OBJECT_FOREIGN_SERVER, server->servername);
	if (!SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(GetUserId()),
							   ObjectIdGetDatum(server->serverid)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("\"%s\" has no user mapping for server \"%s\"",
						GetUserNameFromId(GetUserId(), false), server->servername),
				 errhint("Who asks a model by hand does so with a key of their own.")));
}

/* ---- what is asked ---- */

static char *
text_of_value(const JsonbValue *value)
{
	Jsonb	   *json;

	if (value == NULL || value->type == jbvNull)
		return NULL;
	if (value->type == jbvString)
		return pnstrdup(value->val.string.val, value->val.string.len);
	json = JsonbValueToJsonb(unconstify(JsonbValue *, value));
	return JsonbToCString(NULL, &json->root, VARSIZE(json));
}

static char *
text_of_field(Jsonb *object, const char *name)
{
	JsonbValue	value;

	return text_of_value(getKeyJsonValueFromContainer(&object->root, name, strlen(name), &value));
}

static char *
fill_prompt(const CqModel *model, Jsonb *object)
{
	StringInfoData prompt;
	const char *rest = model->prompt;
	const char *begin;
	const char *end;

	initStringInfo(&prompt);
	for (; cq_destination_options_place(rest, &begin, &end); rest = end)
	{
		char	   *text = text_of_field(object, pnstrdup(begin + 1, end - begin - 2));

		appendBinaryStringInfo(&prompt, rest, begin - rest);
		appendStringInfoString(&prompt, text != NULL ? text : "");
	}
	appendStringInfoString(&prompt, rest);
	return prompt.data;
}

/* A text alone is the value of the only input. */
static Jsonb *
make_object(const CqModel *model, const char *text)
{
	const CqModelColumn *column;
	JsonbParseState *state = NULL;
	JsonbValue	value = {.type = jbvString};

	if (cq_model_count(model, CQ_MODEL_INPUT, &column) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model %s is asked about more than one column", model->destination->name),
				 errhint("Give it an object with a field for each, as jsonb.")));
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	value.val.string.val = column->name;
	value.val.string.len = strlen(column->name);
	pushJsonbValue(&state, WJB_KEY, &value);
	value.val.string.val = unconstify(char *, text);
	value.val.string.len = strlen(text);
	pushJsonbValue(&state, WJB_VALUE, &value);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* As a sink's row would have it; NULL: nothing to ask. */
static char *
input_of(const CqModel *model, Jsonb *json)
{
	const CqModelColumn *column;

	if (JB_ROOT_IS_SCALAR(json))
	{
		JsonbValue	value;
		char	   *text;

		(void) JsonbExtractScalar(&json->root, &value);
		text = text_of_value(&value);
		if (text == NULL)
			return NULL;
		json = make_object(model, text);
	}
	if (!JB_ROOT_IS_OBJECT(json))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("what a model is asked about is an object, or a text")));
	if (model->prompt != NULL)
		return fill_prompt(model, json);
	if (cq_model_request_takes_objects(model))
		return JsonbToCString(NULL, &json->root, VARSIZE(json));
	cq_model_count(model, CQ_MODEL_INPUT, &column);
	return text_of_field(json, column->name);
}

static CqOutboxRows *
make_rows(const CqModel *model, Jsonb **inputs, int ninputs)
{
	CqOutboxRows *rows = palloc0(sizeof(CqOutboxRows));

	rows->nrows = ninputs;
	rows->last_id = ninputs;
	rows->rows = palloc0(sizeof(CqOutgoing) * Max(ninputs, 1));
	for (int i = 0; i < ninputs; i++)
	{
		CqMessage  *message = &rows->rows[i].message;
		char	   *text = inputs[i] != NULL ? input_of(model, inputs[i]) : NULL;

		rows->rows[i].topic = CQ_MODEL_ASK;
		message->offset = i + 1;
		if (text == NULL)
			continue;
		message->value = pg_server_to_any(text, strlen(text), PG_UTF8);
		message->value_length = strlen(message->value);
	}
	return rows;
}

/* ---- asking ---- */

/* Who asks by hand does not want to wait until a destination is there again. */
static void
check_trouble(const ModelTransport *transport, int nrequests)
{
	const HttpTransport *http = transport->http;
	int			at_once = Min(nrequests, http->destination->delivery.concurrency);

	if (http->failures >= MOST_ATTEMPTS * Max(at_once, 1))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
				 errmsg("%s: %s", http->destination->url, http->failure)));
}

static ModelBatch *
ask(ModelTransport *transport, const CqOutboxRows *rows)
{
	const CqTransportMethods *methods = transport->pub.methods;
	ModelBatch *batch;

	methods->send(&transport->pub, rows, rows->last_id + 1);
	batch = cq_transport_model_batch(transport, rows->last_id);
	while (methods->state(&transport->pub) == CQ_TRANSPORT_SENDING)
	{
		check_trouble(transport, batch->nrequests);
		(void) WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT |
								 WL_EXIT_ON_PM_DEATH, methods->fd(&transport->pub), LOOK_MS,
								 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	return batch;
}

typedef struct Fitting
{
	const CqModel *model;
	Jsonb	   *answer;
} Fitting;

/* Into the types of the outputs. */
static void
fit_answer(void *arg)
{
	Fitting    *fitting = arg;
	Oid			types[] = {JSONBOID};
	Datum		args[] = {JsonbPGetDatum(fitting->answer)};

	SPI_connect();
	cq_query_execute(psprintf("SELECT pg_catalog.jsonb_populate_record(NULL::%s, $1)",
							  fitting->model->destination->name), SPI_OK_SELECT, 1, types, args,
					 NULL);
	SPI_finish();
}

static Jsonb *
answer_of(const ModelTransport *transport, ModelBatch *batch, const ModelRow *row,
		  const char **reason)
{
	Fitting		fitting = {transport->model, NULL};
	ErrorData  *error;

	*reason = NULL;
	if (row->request < 0)
		return NULL;
	fitting.answer = cq_model_outcome_answer(transport, batch, row, reason);
	if (fitting.answer == NULL)
		return NULL;
	error = cq_attempt(fit_answer, &fitting);
	if (error != NULL)
		*reason = psprintf("the answer is not of the type that was asked for: %s", error->message);
	return error == NULL ? fitting.answer : NULL;
}

/* An answer for each input; where there is none, NULL, and *reason says why of the last one. */
static void
predict(Oid table, Jsonb **inputs, int ninputs, Jsonb **answers, const char **reason)
{
	ModelTransport *transport;

	check_rights(table);
	if (cq_model_get(table, GetUserId())->has_budget)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" has a budget, and is not asked by hand", get_rel_name(table)),
				 errdetail("What a transaction has spent would be forgotten by ROLLBACK."),
				 errhint("Make another model of the same server, without one.")));
	transport = cq_transport_model_create(table, GetUserId(), InvalidOid, cq_sink_new_epoch());
	PG_TRY();
	{
		ModelBatch *batch;
		int			attempts = transport->model->destination->delivery.attempts;

		transport->model->cache = 0;
		transport->model->destination->delivery.breaker = 0;
		transport->model->destination->delivery.attempts =
			attempts == 0 ? MOST_ATTEMPTS : Min(attempts, MOST_ATTEMPTS);
		batch = ask(transport, make_rows(transport->model, inputs, ninputs));
		for (int i = 0; i < ninputs; i++)
		{
			const char *why;

			answers[i] = answer_of(transport, batch, &batch->rows[i], &why);
			*reason = why != NULL ? why : *reason;
		}
	}
	PG_FINALLY();
	{
		(void) transport->pub.methods->close(&transport->pub);
	}
	PG_END_TRY();
}

static Datum
predict_one(FunctionCallInfo fcinfo, Oid table, Jsonb *input)
{
	Jsonb	   *answer = NULL;
	const char *reason = NULL;

	predict(table, &input, 1, &answer, &reason);
	if (reason != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg("model \"%s\" has not answered: %s", get_rel_name(table), reason)));
	if (answer == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(answer);
}

/* ---- functions ---- */

Datum
cq_model_predict_text(PG_FUNCTION_ARGS)
{
	JsonbValue	value = {.type = jbvString};

	value.val.string.val = text_to_cstring(PG_GETARG_TEXT_PP(1));
	value.val.string.len = strlen(value.val.string.val);
	return predict_one(fcinfo, PG_GETARG_OID(0), JsonbValueToJsonb(&value));
}

Datum
cq_model_predict_json(PG_FUNCTION_ARGS)
{
	return predict_one(fcinfo, PG_GETARG_OID(0), PG_GETARG_JSONB_P(1));
}

Datum
cq_model_predict_many(PG_FUNCTION_ARGS)
{
	Datum	   *values;
	bool	   *nulls;
	int			ninputs;
	Jsonb	  **inputs;
	Jsonb	  **answers;
	const char *reason = NULL;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), JSONBOID, -1, false, TYPALIGN_INT, &values, &nulls,
					  &ninputs);
	inputs = palloc0(sizeof(Jsonb *) * Max(ninputs, 1));
	answers = palloc0(sizeof(Jsonb *) * Max(ninputs, 1));
	for (int i = 0; i < ninputs; i++)
		inputs[i] = nulls[i] ? NULL : DatumGetJsonbP(values[i]);
	predict(PG_GETARG_OID(0), inputs, ninputs, answers, &reason);
	if (reason != NULL)
		ereport(WARNING,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg("model \"%s\" has not answered everything: %s",
						get_rel_name(PG_GETARG_OID(0)), reason)));
	for (int i = 0; i < ninputs; i++)
	{
		nulls[i] = answers[i] == NULL;
		values[i] = JsonbPGetDatum(answers[i]);
	}
	PG_RETURN_ARRAYTYPE_P(construct_md_array(values, nulls, 1, &ninputs, (int[]) {1}, JSONBOID, -1,
											 false, TYPALIGN_INT));
}
