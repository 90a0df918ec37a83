/*
 * model_options.c
 *		Which options cq_model has beside those of cq_http, and what values they take: for CREATE
 *		and ALTER.
 */
#include "postgres.h"

#include "catalog/model.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "common/closest.h"
#include "common/options.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#define MOST_TOKENS		1000000
#define MOST_AT_ONCE	2048
#define MOST_CACHED		10000000

const char *const cq_model_providers[] = {"openai", "bedrock", "custom", NULL};
const char *const cq_model_tasks[] = {
	"chat", "completion", "embedding", "classification", "regression", "moderation", NULL
};
const char *const cq_model_parts[] = {"input", "key", "output", NULL};

static const char *const periods[] = {"minute", "hour", "day", "week", "month", NULL};
static const char *const modes[] = {"append", "upsert", NULL};

enum
{
	SERVER = 1,
	MAPPING = 2,
	TABLE = 4,
	COLUMN = 8
};

static CqReject *
check_temperature(const char *name, const char *value)
{
	char	   *end;
	double		temperature = strtod(value, &end);

	if (end != value && *end == '\0' && strspn(value, "0123456789.") == strlen(value) &&
		value[0] != '.' && end[-1] != '.' && temperature >= 0 && temperature <= 2)
		return NULL;
	return cq_reject_hint(cq_options_bad_value(name, value), "It is a number between 0 and 2.");
}

static CqReject *
check_amount(const char *name, const char *value)
{
	char	   *end;
	double		amount = strtod(value, &end);

	if (end != value && *end == '\0' && amount > 0 && amount <= 1e15)
		return NULL;
	return cq_reject_hint(cq_options_bad_value(name, value), "It is a number above 0.");
}

/* The name goes into paths and JSON. */
static CqReject *
check_model(const char *name, const char *value)
{
	if (*value != '\0' && cq_destination_is_header_value(value))
		return NULL;
	return cq_options_bad_value(name, value);
}

static CqReject *
check_path(const char *name, const char *value)
{
	if (cq_destination_is_path(value))
		return NULL;
	return cq_reject_hint(cq_options_bad_value(name, value),
						  "It is a path such as /v1/predict. Other than letters, digits and the "
						  "signs of a URL are percent-encoded.");
}

static CqReject *
check_key(const char *name, const char *value)
{
	return cq_destination_options_check(UserMappingRelationId, "token", value) == NULL ? NULL :
		cq_reject(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE, "invalid value for option \"%s\"", name);
}

/* Raises an error of its own where it is none. */
static CqReject *
check_answer(const char *name, const char *value)
{
	(void) DirectFunctionCall1(jsonpath_in, CStringGetDatum(value));
	return NULL;
}

static CqReject *
check_request(const char *name, const char *value)
{
	if (strstr(value, "{input}") != NULL || strstr(value, "{inputs}") != NULL)
		return NULL;
	return cq_reject_hint(cq_options_bad_value(name, value),
						  "It is JSON such as {\"text\": {input}}, where {input} is what is asked "
						  "about, or {inputs} an array of that.");
}

static const CqOptionRule rules[] = {
	{"provider", SERVER, .choices = cq_model_providers},
	{"key", MAPPING, .check = check_key},
	{"model", TABLE, .check = check_model},
	{"task", TABLE, .choices = cq_model_tasks},
	{"system_prompt", TABLE, .check = NULL},
	{"prompt", TABLE, .check = NULL},
	{"classes", TABLE, .check = NULL},
	{"temperature", TABLE, .check = check_temperature},
	{"max_tokens", TABLE, .least = 1, .most = MOST_TOKENS},
	{"batch_size", TABLE, .least = 1, .most = MOST_AT_ONCE},
	{"cache", TABLE, .most = MOST_CACHED},
	{"mode", TABLE, .choices = modes},
	{"responses", TABLE, .check = NULL},
	{"path", TABLE, .check = check_path},
	{"request", TABLE, .check = check_request},
	{"answer", TABLE, .check = check_answer},
	{"budget_requests", TABLE, .check = check_amount},
	{"budget_tokens", TABLE, .check = check_amount},
	{"budget_cost", TABLE, .check = check_amount},
	{"budget_period", TABLE, .choices = periods},
	{"input_price", TABLE, .check = check_amount},
	{"output_price", TABLE, .check = check_amount},
	{"part", COLUMN, .choices = cq_model_parts},
};

static int
place_bit(Oid place)
{
	return place == ForeignServerRelationId ? SERVER :
		place == UserMappingRelationId ? MAPPING :
		place == ForeignTableRelationId ? TABLE :
		place == AttributeRelationId ? COLUMN : 0;
}

static CqReject *
reject_unknown(int place, const char *name)
{
	CqReject   *reject = cq_reject(ERRCODE_FDW_OPTION_NAME_NOT_FOUND, "invalid option \"%s\"",
								   name);
	CqClosest	closest;

	if (place == 0)
		return cq_reject_hint(reject, "There are no valid options here.");
	if (place == SERVER && cq_options_find(rules, lengthof(rules), MAPPING, name) != NULL)
		return cq_reject_hint(reject, "Secrets belong into a user mapping.");
	cq_closest_init(&closest, name);
	for (int i = 0; i < (int) lengthof(rules); i++)
	{
		if (rules[i].places & place)
			cq_closest_try(&closest, rules[i].name);
	}
	return cq_reject_hint(reject, "%sValid options: %s%s.", cq_closest_hint(&closest),
						  cq_options_names(rules, lengthof(rules), place),
						  place == SERVER || place == MAPPING ? "; and those of cq_http" : "");
}

CqReject *
cq_model_options_check(Oid place, const char *name, const char *value)
{
	int			bit = place_bit(place);
	const CqOptionRule *rule = cq_options_find(rules, lengthof(rules), bit, name);

	if (rule == NULL && (bit == SERVER || bit == MAPPING) &&
		cq_destination_options_have(place, name))
		return cq_destination_options_check(place, name, value);
	if (rule == NULL)
		return reject_unknown(bit, name);
	return cq_options_check(rule, value);
}
