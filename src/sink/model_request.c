/*
 * model_request.c
 *		What a model is asked, as the body of a request: by the provider's own form, or by a
 *		template.
 *
 * A model that has more to answer than one text is asked for JSON: by a schema where the provider
 * takes one, and in words.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "sink/model_parts.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"

bool
cq_model_request_takes_objects(const CqModel *model)
{
	return model->prompt == NULL && cq_model_count(model, CQ_MODEL_INPUT, NULL) > 1;
}

static void
append_input(StringInfo body, const CqModel *model, const char *input)
{
	if (model->request != NULL && cq_model_request_takes_objects(model))
		appendStringInfoString(body, input);
	else
		escape_json(body, input);
}

static void
append_inputs(StringInfo body, const CqModel *model, const List *inputs)
{
	ListCell   *cell;

	appendStringInfoChar(body, '[');
	foreach(cell, inputs)
	{
		if (body->data[body->len - 1] != '[')
			appendStringInfoString(body, ", ");
		append_input(body, model, lfirst(cell));
	}
	appendStringInfoChar(body, ']');
}

/* ---- what is asked for ---- */

/* The first output that is a text, which a class is. */
static bool
is_class(const CqModel *model, const CqModelColumn *column)
{
	if (model->task != CQ_TASK_CLASSIFICATION)
		return false;
	for (int i = 0; i < model->ncolumns; i++)
	{
		if (model->columns[i].part == CQ_MODEL_OUTPUT && model->columns[i].type == TEXTOID)
			return &model->columns[i] == column;
	}
	return false;
}

static const char *
json_type(Oid type)
{
	switch (type)
	{
		case BOOLOID:
			return "boolean";
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return "integer";
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			return "number";
		case JSONOID:
		case JSONBOID:
			return NULL;
		default:
			return "string";
	}
}

static void
append_type(StringInfo schema, Oid type)
{
	Oid			element = get_element_type(type);
	const char *name = json_type(OidIsValid(element) ? element : type);
	char	   *plain = name != NULL ? psprintf("{\"type\": \"%s\"}", name) : "{}";

	if (OidIsValid(element))
		appendStringInfo(schema, "{\"type\": \"array\", \"items\": %s}", plain);
	else
		appendStringInfoString(schema, plain);
}

static void
append_classes(StringInfo schema, const CqModel *model)
{
	ListCell   *cell;

	appendStringInfoString(schema, "{\"type\": \"string\", \"enum\": [");
	foreach(cell, model->classes)
	{
		escape_json(schema, lfirst(cell));
		appendStringInfoString(schema, lnext(model->classes, cell) != NULL ? ", " : "]}");
	}
}

/* An object with all outputs, and nothing else. */
static char *
make_schema(const CqModel *model)
{
	StringInfoData properties;
	StringInfoData names;

	initStringInfo(&properties);
	initStringInfo(&names);
	for (int i = 0; i < model->ncolumns; i++)
	{
		const CqModelColumn *column = &model->columns[i];

		if (column->part != CQ_MODEL_OUTPUT)
			continue;
		appendStringInfoString(&properties, properties.len > 0 ? ", " : "");
		appendStringInfoString(&names, names.len > 0 ? ", " : "");
		escape_json(&properties, column->name);
		escape_json(&names, column->name);
		appendStringInfoString(&properties, ": ");
		if (is_class(model, column))
			append_classes(&properties, model);
		else
			append_type(&properties, column->type);
	}
	return psprintf("{\"type\": \"object\", \"properties\": {%s}, \"required\": [%s], "
					"\"additionalProperties\": false}", properties.data, names.data);
}

/* What the system says: what the option says, and which form the answer has. NULL: nothing. */
static char *
make_system(const CqModel *model)
{
	const CqModelColumn *output;
	bool		is_text;

	cq_model_count(model, CQ_MODEL_OUTPUT, &output);
	is_text = cq_model_answers_plainly(model) && json_type(output->type) != NULL;
	if (is_text)
		return model->system_prompt != NULL ? pstrdup(model->system_prompt) : NULL;
	return psprintf("%s%sAnswer with JSON, and nothing else%s%s.",
					model->system_prompt != NULL ? model->system_prompt : "",
					model->system_prompt != NULL ? "\n" : "",
					cq_model_answers_plainly(model) ? "" : ", that has this schema: ",
					cq_model_answers_plainly(model) ? "" : make_schema(model));
}

/* ---- openai ---- */

static void
append_message(StringInfo body, const char *role, const char *content)
{
	appendStringInfo(body, "{\"role\": \"%s\", \"content\": ", role);
	escape_json(body, content);
	appendStringInfoChar(body, '}');
}

static void
append_limits(StringInfo body, const CqModel *model)
{
	appendStringInfo(body, ", \"max_tokens\": %d", model->max_tokens);
	if (model->temperature != NULL)
		appendStringInfo(body, ", \"temperature\": %s", model->temperature);
}

static void
append_response_format(StringInfo body, const CqModel *model)
{
	const CqModelColumn *output;

	cq_model_count(model, CQ_MODEL_OUTPUT, &output);
	if (!cq_model_answers_plainly(model))
		appendStringInfo(body, ", \"response_format\": {\"type\": \"json_schema\", \"json_schema\": "
						 "{\"name\": \"answer\", \"strict\": true, \"schema\": %s}}",
						 make_schema(model));
	else if (json_type(output->type) == NULL)
		appendStringInfoString(body, ", \"response_format\": {\"type\": \"json_object\"}");
}

static void
append_openai_chat(StringInfo body, const CqModel *model, const char *input)
{
	char	   *system = make_system(model);

	appendStringInfoString(body, ", \"messages\": [");
	if (system != NULL)
	{
		append_message(body, "system", system);
		appendStringInfoString(body, ", ");
	}
	append_message(body, "user", input);
	appendStringInfoChar(body, ']');
	append_limits(body, model);
	append_response_format(body, model);
}

static void
append_openai(StringInfo body, const CqModel *model, const List *inputs)
{
	appendStringInfoString(body, "{\"model\": ");
	escape_json(body, model->model);
	switch (model->task)
	{
		case CQ_TASK_EMBEDDING:
		case CQ_TASK_MODERATION:
			appendStringInfoString(body, ", \"input\": ");
			append_inputs(body, model, inputs);
			break;
		case CQ_TASK_COMPLETION:
			appendStringInfoString(body, ", \"prompt\": ");
			escape_json(body, linitial(inputs));
			append_limits(body, model);
			break;
		default:
			append_openai_chat(body, model, linitial(inputs));
	}
	appendStringInfoChar(body, '}');
}

/* ---- bedrock: the two forms that its models have most ---- */

static void
append_bedrock(StringInfo body, const CqModel *model, const List *inputs)
{
	char	   *system = make_system(model);

	if (model->task == CQ_TASK_EMBEDDING)
	{
		appendStringInfoString(body, "{\"inputText\": ");
		escape_json(body, linitial(inputs));
		appendStringInfoChar(body, '}');
		return;
	}
	appendStringInfoString(body, "{\"anthropic_version\": \"bedrock-2023-05-31\"");
	if (system != NULL)
	{
		appendStringInfoString(body, ", \"system\": ");
		escape_json(body, system);
	}
	appendStringInfoString(body, ", \"messages\": [");
	append_message(body, "user", linitial(inputs));
	appendStringInfoChar(body, ']');
	append_limits(body, model);
	appendStringInfoChar(body, '}');
}

/* ---- templates ---- */

static void
append_text_or_null(StringInfo body, const char *text)
{
	if (text != NULL)
		escape_json(body, text);
	else
		appendStringInfoString(body, "null");
}

/* What stands in braces, if that is one of the words that mean something. */
static bool
append_place(StringInfo body, const CqModel *model, const List *inputs, const char *place,
			 Size length)
{
	char	   *word = pnstrdup(place, length);

	if (strcmp(word, "{input}") == 0)
		append_input(body, model, linitial(inputs));
	else if (strcmp(word, "{inputs}") == 0)
		append_inputs(body, model, inputs);
	else if (strcmp(word, "{model}") == 0)
		append_text_or_null(body, model->model);
	else if (strcmp(word, "{system_prompt}") == 0)
		append_text_or_null(body, make_system(model));
	else if (strcmp(word, "{max_tokens}") == 0)
		appendStringInfo(body, "%d", model->max_tokens);
	else if (strcmp(word, "{temperature}") == 0)
		appendStringInfoString(body, model->temperature != NULL ? model->temperature : "null");
	else
		return false;
	return true;
}

static void
append_template(StringInfo body, const CqModel *model, const List *inputs)
{
	const char *rest = model->request;

	while (*rest != '\0')
	{
		Size		length = strcspn(rest + 1, "{}") + 2;

		if (*rest == '{' && rest[length - 1] == '}' &&
			append_place(body, model, inputs, rest, length))
			rest += length;
		else
			appendStringInfoChar(body, *rest++);
	}
}

char *
cq_model_request_body(const CqModel *model, const List *inputs)
{
	StringInfoData body;

	initStringInfo(&body);
	if (model->request != NULL)
		append_template(&body, model, inputs);
	else if (model->provider == CQ_PROVIDER_BEDROCK)
		append_bedrock(&body, model, inputs);
	else
		append_openai(&body, model, inputs);
	return body.data;
}
