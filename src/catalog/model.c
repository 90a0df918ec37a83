/*
 * model.c
 *		A model as its catalog options describe it: see model.h.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/model.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "common/options.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#define DEFAULT_TOKENS		256 /* of an answer */
#define DEFAULT_BATCH		64	/* embeddings of a request */
#define DEFAULT_CACHE		10000
#define MOST_ATTEMPTS		3	/* of a request, where there is a budget */
#define MOST_OF_ANSWER		(4 * 1024 * 1024)	/* bytes */

/* ---- options ---- */

static int
read_choice(const List *options, const char *name, const char *const *choices)
{
	const char *text = cq_options_value(options, name);
	int			choice = 0;

	if (text != NULL)
		cq_reject_raise(cq_options_choice(name, text, choices, &choice), NULL);
	return choice;
}

static double
read_amount(const List *options, const char *name)
{
	const char *text = cq_options_value(options, name);

	return text != NULL ? strtod(text, NULL) : 0;
}

/* Each attempt may be paid for: they are reserved all at once. */
static void
read_budget(CqModel *model, const List *options)
{
	const char *period = cq_options_value(options, "budget_period");
	CqDelivery *delivery = &model->destination->delivery;
	double	   *amounts = model->budget.amounts;

	amounts[CQ_SPEND_REQUESTS] = read_amount(options, "budget_requests");
	amounts[CQ_SPEND_TOKENS] = read_amount(options, "budget_tokens");
	amounts[CQ_SPEND_COST] = read_amount(options, "budget_cost");
	model->period = period != NULL ? period : "day";
	model->input_price = read_amount(options, "input_price");
	model->output_price = read_amount(options, "output_price");
	model->has_budget = amounts[CQ_SPEND_REQUESTS] + amounts[CQ_SPEND_TOKENS] +
		amounts[CQ_SPEND_COST] > 0;
	if (model->has_budget && (delivery->attempts == 0 || delivery->attempts > MOST_ATTEMPTS))
		delivery->attempts = MOST_ATTEMPTS;
}

/* Words with commas between; spaces around them do not count. */
static List *
read_classes(const char *text)
{
	List	   *classes = NIL;

	for (char *word = text != NULL ? strtok(pstrdup(text), ",") : NULL; word != NULL;
		 word = strtok(NULL, ","))
	{
		char	   *end;

		word += strspn(word, " \t\r\n");
		end = word + strlen(word);
		while (end > word && strchr(" \t\r\n", end[-1]) != NULL)
			*--end = '\0';
		if (*word != '\0')
			classes = lappend(classes, word);
	}
	return classes;
}

/* Are inputs sent many at a time? */
static bool
takes_many(const CqModel *model)
{
	if (model->request != NULL)
		return strstr(model->request, "{inputs}") != NULL;
	return model->provider == CQ_PROVIDER_OPENAI &&
		(model->task == CQ_TASK_EMBEDDING || model->task == CQ_TASK_MODERATION);
}

/* A name as a segment of a path. */
static char *
encode(const char *name)
{
	StringInfoData text;

	initStringInfo(&text);
	for (const char *c = name != NULL ? name : ""; *c != '\0'; c++)
	{
		if (isalnum((unsigned char) *c) || strchr("-._", *c) != NULL)
			appendStringInfoChar(&text, *c);
		else
			appendStringInfo(&text, "%%%02X", (unsigned char) *c);
	}
	return text.data;
}

static const char *
default_path(const CqModel *model)
{
	switch (model->provider)
	{
		case CQ_PROVIDER_OPENAI:
			return model->task == CQ_TASK_EMBEDDING ? "/embeddings" :
				model->task == CQ_TASK_MODERATION ? "/moderations" :
				model->task == CQ_TASK_COMPLETION ? "/completions" : "/chat/completions";
		case CQ_PROVIDER_BEDROCK:
			return psprintf("/model/%s/invoke", encode(model->model));
		case CQ_PROVIDER_CUSTOM:
			return "";
	}
	return "";
}

static void
read_table(CqModel *model, const List *options)
{
	const char *mode = cq_options_value(options, "mode");
	const char *path = cq_options_value(options, "path");
	bool		answers_words = true;

	model->task = read_choice(options, "task", cq_model_tasks);
	model->model = cq_options_value(options, "model");
	model->system_prompt = cq_options_value(options, "system_prompt");
	model->prompt = cq_options_value(options, "prompt");
	model->temperature = cq_options_value(options, "temperature");
	model->request = cq_options_value(options, "request");
	model->answer = cq_options_value(options, "answer");
	model->classes = read_classes(cq_options_value(options, "classes"));
	answers_words = model->task != CQ_TASK_EMBEDDING && model->task != CQ_TASK_MODERATION;
	model->max_tokens = answers_words ? DEFAULT_TOKENS : 0;
	cq_options_read_number(options, "max_tokens", &model->max_tokens);
	model->batch_size = takes_many(model) ? DEFAULT_BATCH : 1;
	if (takes_many(model))
		cq_options_read_number(options, "batch_size", &model->batch_size);
	model->cache = DEFAULT_CACHE;
	cq_options_read_number(options, "cache", &model->cache);
	model->path = path != NULL ? path : default_path(model);
	model->destination->mode = mode != NULL && strcmp(mode, "upsert") == 0 ? CQ_MODE_UPSERT :
		CQ_MODE_APPEND;
	model->destination->responses = cq_options_value(options, "responses");
	model->destination->max_response = MOST_OF_ANSWER;
	model->destination->method = "POST";
}

static void
read_columns(CqModel *model, Oid relid)
{
	Relation	relation = table_open(relid, AccessShareLock);
	TupleDesc	descriptor = RelationGetDescr(relation);

	model->columns = palloc0(sizeof(CqModelColumn) * Max(descriptor->natts, 1));
	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);
		CqModelColumn *column = &model->columns[model->ncolumns];

		if (attribute->attisdropped)
			continue;
		column->attno = attribute->attnum;
		column->name = pstrdup(NameStr(attribute->attname));
		column->type = attribute->atttypid;
		column->part = read_choice(GetForeignColumnOptions(relid, attribute->attnum), "part",
								   cq_model_parts);
		model->ncolumns++;
	}
	table_close(relation, NoLock);
}

/* ---- what fits together ---- */

static void
misfit(const CqModel *model, const char *message, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 errmsg(message, model->destination->name),
			 errhint("%s", hint)));
}

static void
check_prompt(const CqModel *model)
{
	const char *rest = model->prompt;
	const char *begin;
	const char *end;

	for (; rest != NULL && cq_destination_options_place(rest, &begin, &end); rest = end)
	{
		const CqModelColumn *column = cq_model_column(model, begin + 1, end - begin - 2);

		if (column == NULL || column->part != CQ_MODEL_INPUT)
			misfit(model, "the prompt of %s names something that is no input",
				   "What stands in braces is a column without the option part.");
	}
}

static void
check_fit(const CqModel *model)
{
	if (model->model == NULL && model->request == NULL)
		misfit(model, "the model %s has no option \"model\"", "It is its name at the provider.");
	if (model->provider == CQ_PROVIDER_CUSTOM && (model->request == NULL || model->answer == NULL))
		misfit(model, "the model %s has no options \"request\" and \"answer\"",
			   "Of a provider that is custom they say what a request is, such as {\"text\": {input}}"
			   ", and where its answer is, such as $.result.");
	if (cq_model_count(model, CQ_MODEL_INPUT, NULL) == 0)
		misfit(model, "the model %s has no column that is asked about",
			   "Columns without the option part are what it is asked about.");
	if (cq_model_count(model, CQ_MODEL_OUTPUT, NULL) == 0)
		misfit(model, "the model %s has no column for an answer",
			   "Columns with the option part 'output' are what it has to answer.");
	if (model->task == CQ_TASK_CLASSIFICATION && model->classes == NIL)
		misfit(model, "the model %s has no option \"classes\"",
			   "It is the classes with commas between, such as 'spam, other'.");
	if (model->budget.amounts[CQ_SPEND_COST] > 0 && model->input_price + model->output_price == 0)
		misfit(model, "the model %s has a budget of money, and no prices",
			   "The options input_price and output_price are what a million tokens cost.");
	check_prompt(model);
}

/* What is written "key" for a model is what cq_http calls token. */
static List *
name_token(const List *secrets)
{
	List	   *named = NIL;
	ListCell   *cell;

	foreach(cell, secrets)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		named = lappend(named, strcmp(option->defname, "key") != 0 ? option :
						makeDefElem("token", option->arg, -1));
	}
	return named;
}

CqModel *
cq_model_get(Oid relid, Oid userid)
{
	CqModel    *model = palloc0(sizeof(CqModel));
	ForeignTable *table = GetForeignTable(relid);

	model->destination = cq_destination_get_server(relid, userid);
	model->destination->secrets = name_token(model->destination->secrets);
	model->provider = read_choice(GetForeignServer(table->serverid)->options, "provider",
								  cq_model_providers);
	read_table(model, table->options);
	read_budget(model, table->options);
	read_columns(model, relid);
	check_fit(model);
	return model;
}

/* ---- columns ---- */

int
cq_model_count(const CqModel *model, CqModelPart part, const CqModelColumn **first)
{
	int			count = 0;

	if (first != NULL)
		*first = NULL;
	for (int i = 0; i < model->ncolumns; i++)
	{
		if (model->columns[i].part != part)
			continue;
		if (first != NULL && *first == NULL)
			*first = &model->columns[i];
		count++;
	}
	return count;
}

const CqModelColumn *
cq_model_column(const CqModel *model, const char *name, Size length)
{
	for (int i = 0; i < model->ncolumns; i++)
	{
		if (strlen(model->columns[i].name) == length &&
			memcmp(model->columns[i].name, name, length) == 0)
			return &model->columns[i];
	}
	return NULL;
}

bool
cq_model_answers_plainly(const CqModel *model)
{
	const CqModelColumn *output;

	if (cq_model_count(model, CQ_MODEL_OUTPUT, &output) != 1)
		return false;
	switch (model->task)
	{
		case CQ_TASK_CHAT:
		case CQ_TASK_COMPLETION:
			return output->type == TEXTOID || output->type == VARCHAROID ||
				output->type == JSONBOID || output->type == JSONOID;
		case CQ_TASK_EMBEDDING:
			return true;
		case CQ_TASK_CLASSIFICATION:
		case CQ_TASK_REGRESSION:
			/* By a template: whoever has written it knows what comes. */
			return model->request != NULL;
		case CQ_TASK_MODERATION:
			return output->type == JSONBOID || output->type == JSONOID;
	}
	return false;
}
