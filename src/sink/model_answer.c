/*
 * model_answer.c
 *		What a model has answered, out of the JSON of a response.
 *
 * Nothing of it is taken on trust: it has to be what was asked for, a field for each output, one of
 * the classes, as many embeddings as there were texts. What is not is no answer, with a reason for
 * people.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "sink/model_parts.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#define LONGEST_QUOTE 60		/* bytes of an answer that a reason quotes */

/* ---- parts of JSON ---- */

static Jsonb *
field(Jsonb *json, const char *name)
{
	JsonbValue	value;

	if (json == NULL || !JB_ROOT_IS_OBJECT(json) ||
		getKeyJsonValueFromContainer(&json->root, name, strlen(name), &value) == NULL)
		return NULL;
	return JsonbValueToJsonb(&value);
}

static Jsonb *
element(Jsonb *json, int number)
{
	JsonbValue *value;

	if (json == NULL || !JB_ROOT_IS_ARRAY(json) || JB_ROOT_IS_SCALAR(json))
		return NULL;
	value = getIthJsonbValueFromContainer(&json->root, number);
	return value != NULL ? JsonbValueToJsonb(value) : NULL;
}

static int
count_elements(Jsonb *json)
{
	return json != NULL && JB_ROOT_IS_ARRAY(json) && !JB_ROOT_IS_SCALAR(json) ?
		(int) JB_ROOT_COUNT(json) : -1;
}

/* A string, or NULL. */
static char *
string_of(Jsonb *json)
{
	JsonbValue	value;

	if (json == NULL || !JB_ROOT_IS_SCALAR(json) || !JsonbExtractScalar(&json->root, &value) ||
		value.type != jbvString)
		return NULL;
	return pnstrdup(value.val.string.val, value.val.string.len);
}

/* A whole number, or one that is given. */
static int64
number_of(Jsonb *json, int64 otherwise)
{
	JsonbValue	value;
	double		number;

	if (json == NULL || !JB_ROOT_IS_SCALAR(json) || !JsonbExtractScalar(&json->root, &value) ||
		value.type != jbvNumeric)
		return otherwise;
	number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
												NumericGetDatum(value.val.numeric)));
	return number >= 0 && number < 1e15 ? (int64) number : otherwise;
}

static JsonbValue
value_of(Jsonb *json)
{
	JsonbValue	value;

	if (JB_ROOT_IS_SCALAR(json))
		(void) JsonbExtractScalar(&json->root, &value);
	else
	{
		value.type = jbvBinary;
		value.val.binary.data = &json->root;
		value.val.binary.len = VARSIZE(json) - VARHDRSZ;
	}
	return value;
}

static char *
quote(char *text)
{
	text[pg_mbcliplen(text, strlen(text), LONGEST_QUOTE)] = '\0';
	return text;
}

/* ---- where the answer is in a response ---- */

/* Of a list with an element for each input: in its order, or as each says of itself. */
static Jsonb *
listed(Jsonb *list, int position, int count, const char **reason)
{
	int			found = count_elements(list);
	Jsonb	   *here;

	if (found < 0)
	{
		*reason = "the response has no list of answers";
		return NULL;
	}
	if (found != count)
	{
		*reason = psprintf("the response has %d answers to %d inputs", found, count);
		return NULL;
	}
	here = element(list, position);
	if (number_of(field(here, "index"), position) == position)
		return here;
	for (int i = 0; i < found; i++)
	{
		here = element(list, i);
		if (number_of(field(here, "index"), -1) == position)
			return here;
	}
	*reason = psprintf("the response has no answer to input %d", position);
	return NULL;
}

static Jsonb *
find_by_path(const CqModel *model, Jsonb *response, int position, int count, const char **reason)
{
	Datum		path = DirectFunctionCall1(jsonpath_in, CStringGetDatum(model->answer));
	LOCAL_FCINFO(call, 4);
	Datum		found;

	InitFunctionCallInfoData(*call, NULL, 4, InvalidOid, NULL, NULL);
	call->args[0].value = JsonbPGetDatum(response);
	call->args[1].value = path;
	call->args[2].value = DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"));
	call->args[3].value = BoolGetDatum(true);	/* silent */
	for (int i = 0; i < 4; i++)
		call->args[i].isnull = false;
	found = jsonb_path_query_first(call);
	if (call->isnull)
	{
		*reason = "the response has nothing where the option answer says";
		return NULL;
	}
	if (strstr(model->request, "{inputs}") == NULL)
		return DatumGetJsonbP(found);
	return listed(DatumGetJsonbP(found), position, count, reason);
}

static Jsonb *
find_in_openai(const CqModel *model, Jsonb *response, int position, int count, const char **reason)
{
	Jsonb	   *choice;

	switch (model->task)
	{
		case CQ_TASK_EMBEDDING:
			return field(listed(field(response, "data"), position, count, reason), "embedding");
		case CQ_TASK_MODERATION:
			return listed(field(response, "results"), position, count, reason);
		case CQ_TASK_COMPLETION:
			return field(element(field(response, "choices"), 0), "text");
		default:
			choice = field(element(field(response, "choices"), 0), "message");
			if (string_of(field(choice, "refusal")) != NULL)
				*reason = psprintf("the model has refused: %s",
								   quote(string_of(field(choice, "refusal"))));
			return field(choice, "content");
	}
}

static Jsonb *
find_in_bedrock(const CqModel *model, Jsonb *response)
{
	if (model->task == CQ_TASK_EMBEDDING)
		return field(response, "embedding");
	return field(element(field(response, "content"), 0), "text");
}

static Jsonb *
find_answer(const CqModel *model, Jsonb *response, int position, int count, const char **reason)
{
	if (model->answer != NULL)
		return find_by_path(model, response, position, count, reason);
	if (model->provider == CQ_PROVIDER_BEDROCK)
		return find_in_bedrock(model, response);
	return find_in_openai(model, response, position, count, reason);
}

/* ---- is it what was asked for? ---- */

/* JSON that was said as a text, as it comes from models: also within a fence. NULL: it is none. */
static Jsonb *
read_text(char *text)
{
	Datum		jsonb;
	char	   *fence;

	text += strspn(text, " \t\r\n");
	if (strncmp(text, "```", 3) == 0 && strchr(text, '\n') != NULL)
	{
		text = strchr(text, '\n') + 1;
		fence = strstr(text, "```");
		if (fence != NULL)
			*fence = '\0';
	}
	return cq_http_outcome_read_json(text, &jsonb) ? DatumGetJsonbP(jsonb) : NULL;
}

static const char *
check_embedding(Jsonb *json)
{
	int			count = count_elements(json);

	if (count <= 0)
		return "the embedding is no list of numbers";
	for (int i = 0; i < count; i++)
	{
		if (getIthJsonbValueFromContainer(&json->root, i)->type != jbvNumeric)
			return "the embedding is no list of numbers";
	}
	return NULL;
}

static const char *
check_class(const CqModel *model, const char *name)
{
	ListCell   *cell;

	foreach(cell, model->classes)
	{
		if (name != NULL && strcmp(lfirst(cell), name) == 0)
			return NULL;
	}
	return name == NULL ? "the class is no text" :
		psprintf("\"%s\" is none of the classes", quote(pstrdup(name)));
}

/* The value of the only output, or NULL. */
static Jsonb *
read_plain(const CqModel *model, Jsonb *answer, const CqModelColumn *output, const char **reason)
{
	char	   *text = string_of(answer);
	Jsonb	   *json;

	if (model->task == CQ_TASK_EMBEDDING)
	{
		*reason = check_embedding(answer);
		return *reason == NULL ? answer : NULL;
	}
	if (output->type != JSONBOID && output->type != JSONOID)
	{
		/* Also in an object with the output's name. */
		json = field(answer, output->name);
		return json != NULL ? json : answer;
	}
	if (text == NULL)
		return answer;
	json = read_text(text);
	if (json == NULL)
		*reason = psprintf("the answer is no JSON: %s", quote(text));
	return json;
}

/* The object that was asked for, with its fields, or NULL. */
static Jsonb *
read_object(Jsonb *answer, const char **reason)
{
	char	   *text = string_of(answer);
	Jsonb	   *object = text != NULL ? read_text(text) : answer;

	if (object == NULL)
		*reason = psprintf("the answer is no JSON: %s", quote(text));
	else if (!JB_ROOT_IS_OBJECT(object))
		*reason = psprintf("the answer is no object: %s",
						   quote(JsonbToCString(NULL, &object->root, 0)));
	return *reason == NULL ? object : NULL;
}

static void
push_output(JsonbParseState **state, const CqModelColumn *column, Jsonb *json)
{
	JsonbValue	name = {.type = jbvString};
	JsonbValue	value = value_of(json);

	name.val.string.val = column->name;
	name.val.string.len = strlen(column->name);
	pushJsonbValue(state, WJB_KEY, &name);
	pushJsonbValue(state, WJB_VALUE, &value);
}

/* An object of the outputs. NULL: *reason is set. */
static Jsonb *
read_outputs(const CqModel *model, Jsonb *answer, const char **reason)
{
	JsonbParseState *state = NULL;
	bool		is_plain = cq_model_answers_plainly(model);
	Jsonb	   *object = is_plain ? NULL : read_object(answer, reason);
	bool		has_class = model->classes == NIL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < model->ncolumns && *reason == NULL; i++)
	{
		const CqModelColumn *column = &model->columns[i];
		Jsonb	   *value;

		if (column->part != CQ_MODEL_OUTPUT)
			continue;
		value = is_plain ? read_plain(model, answer, column, reason) : field(object, column->name);
		if (*reason == NULL && value == NULL)
			*reason = psprintf("the answer has no field \"%s\"", column->name);
		if (*reason == NULL && !has_class && column->type == TEXTOID)
		{
			*reason = check_class(model, string_of(value));
			has_class = true;
		}
		if (*reason == NULL)
			push_output(&state, column, value);
	}
	return *reason == NULL ? JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)) : NULL;
}

Jsonb *
cq_model_answer_read(const CqModel *model, Jsonb *response, int position, int count,
					 const char **reason)
{
	Jsonb	   *answer;

	*reason = NULL;
	if (JB_ROOT_IS_SCALAR(response))
	{
		*reason = "the response is no JSON";
		return NULL;
	}
	answer = find_answer(model, response, position, count, reason);
	if (*reason == NULL && answer == NULL)
		*reason = "the response has no answer";
	return *reason == NULL ? read_outputs(model, answer, reason) : NULL;
}

bool
cq_model_answer_usage(Jsonb *response, int64 *input, int64 *output)
{
	Jsonb	   *usage = field(response, "usage");
	int64		total = number_of(field(usage, "total_tokens"), -1);

	*output = number_of(field(usage, "completion_tokens"),
						number_of(field(usage, "output_tokens"), 0));
	*input = number_of(field(usage, "prompt_tokens"),
					   number_of(field(usage, "input_tokens"), total - *output));
	return *input >= 0;
}
