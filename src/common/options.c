/*
 * options.c
 *		Options with a name and a text for a value: see options.h.
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "common/options.h"
#include "common/int.h"
#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

const char *
cq_options_value(const List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, name) == 0 && option->defaction != DEFELEM_DROP)
			return defGetString(option);
	}
	return NULL;
}

const CqOptionRule *
cq_options_find(const CqOptionRule *rules, int nrules, int place, const char *name)
{
	for (int i = 0; i < nrules; i++)
	{
		if ((rules[i].places & place) != 0 && strcmp(rules[i].name, name) == 0)
			return &rules[i];
	}
	return NULL;
}

char *
cq_options_names(const CqOptionRule *rules, int nrules, int place)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < nrules; i++)
	{
		if ((rules[i].places & place) != 0)
			appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", rules[i].name);
	}
	return names.data;
}

CqReject *
cq_options_bad_value(const char *name, const char *value)
{
	return cq_reject(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE, "invalid value for option \"%s\": \"%s\"",
					 name, value);
}

CqReject *
cq_options_choice(const char *name, const char *value, const char *const *choices, int *choice)
{
	StringInfoData names;

	for (int i = 0; choices[i] != NULL; i++)
	{
		if (strcmp(choices[i], value) == 0)
		{
			*choice = i;
			return NULL;
		}
	}
	initStringInfo(&names);
	for (int i = 0; choices[i] != NULL; i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", choices[i]);
	return cq_reject_hint(cq_options_bad_value(name, value), "Valid values: %s.", names.data);
}

CqReject *
cq_options_number(const char *name, const char *value, int least, int most, int *number)
{
	char	   *end;
	long		parsed = strtol(value, &end, 10);

	if (end != value && *end == '\0' && parsed >= least && parsed <= most)
	{
		*number = (int) parsed;
		return NULL;
	}
	return cq_reject_hint(cq_options_bad_value(name, value),
						  "It is a number between %d and %d.", least, most);
}

void
cq_options_read_number(const List *options, const char *name, int *number)
{
	const char *text = cq_options_value(options, name);

	if (text != NULL)
		cq_reject_raise(cq_options_number(name, text, 0, PG_INT32_MAX, number), NULL);
}

CqReject *
cq_options_check(const CqOptionRule *rule, const char *value)
{
	int			number;

	if (rule->choices != NULL)
		return cq_options_choice(rule->name, value, rule->choices, &number);
	if (rule->most != 0)
		return cq_options_number(rule->name, value, rule->least, rule->most, &number);
	return rule->check != NULL ? rule->check(rule->name, value) : NULL;
}

CqReject *
cq_options_check_boolean(const char *name, const char *value)
{
	bool		result;

	if (parse_bool(value, &result))
		return NULL;
	return cq_reject_hint(cq_options_bad_value(name, value), "Valid values: true, false.");
}

CqReject *
cq_options_check_pem(const char *name, const char *value)
{
	if (strstr(value, "-----BEGIN ") != NULL)
		return NULL;
	return cq_reject_hint(cq_reject(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE,
									"invalid value for option \"%s\"", name),
						  "It is the text of a file in the format PEM, which has a line that "
						  "begins with -----BEGIN.");
}

/* Times plus or minus as much stay in range. */
#define LONGEST_DAYS	1000000

bool
cq_options_parse_interval(const char *value, Interval *interval)
{
	struct pg_itm_in parts = {0};
	char		buffer[256];
	char	   *fields[MAXDATEFIELDS];
	int			types[MAXDATEFIELDS];
	int			nfields;
	int			kind;

	return ParseDateTime(value, buffer, sizeof(buffer), fields, types, MAXDATEFIELDS,
						 &nfields) == 0 &&
		DecodeInterval(fields, types, nfields, INTERVAL_FULL_RANGE, &kind, &parts) == 0 &&
		kind == DTK_DELTA &&
		itmin2interval(&parts, interval) == 0;
}

CqReject *
cq_options_interval(const char *name, const char *value, int64 *microseconds)
{
	Interval	interval;

	if (!cq_options_parse_interval(value, &interval))
		return cq_reject_hint(cq_options_bad_value(name, value),
							  "It must be an interval, such as '5 s' or '1 day'.");
	if (interval.month != 0)
		return cq_reject_hint(cq_options_bad_value(name, value),
							  "Months and years differ in length: say it in days or smaller "
							  "units.");
	if (pg_mul_s64_overflow(interval.day, USECS_PER_DAY, microseconds) ||
		pg_add_s64_overflow(*microseconds, interval.time, microseconds))
		return cq_reject_hint(cq_options_bad_value(name, value), "That is too long.");
	if (*microseconds > LONGEST_DAYS * USECS_PER_DAY)
		return cq_reject_hint(cq_options_bad_value(name, value), "That is too long.");
	if (*microseconds < 0)
		return cq_reject_hint(cq_options_bad_value(name, value), "It must not be negative.");
	return NULL;
}
