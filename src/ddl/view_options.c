/*
 * view_options.c
 *		The options of a continuous view, as a table of names and setters.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "catalog/pool.h"
#include "catalog/view_start.h"
#include "commands/defrem.h"
#include "common/closest.h"
#include "common/compat.h"
#include "common/options.h"
#include "ddl/view_options.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "parser/parse_node.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

static void set_emit(CqViewOptions *result, const char *value);
static void set_on_error(CqViewOptions *result, const char *value);
static void set_max_error_rate(CqViewOptions *result, const char *value);
static void set_pool(CqViewOptions *result, const char *value);
static void set_max_drift(CqViewOptions *result, const char *value);
static void set_start(CqViewOptions *result, const char *value);
static void set_retention(CqViewOptions *result, const char *value);
static void set_retention_by(CqViewOptions *result, const char *value);
static void set_watermark(CqViewOptions *result, const char *value);
static void set_allowed_lateness(CqViewOptions *result, const char *value);
static void set_late(CqViewOptions *result, const char *value);
static void set_sink(CqViewOptions *result, const char *value);
static void set_notify(CqViewOptions *result, const char *value);
static void set_changes(CqViewOptions *result, const char *value);
static void set_tables(CqViewOptions *result, const char *value);
static void set_on_expire(CqViewOptions *result, const char *value);

/* Times less as much stay in range. */
#define LONGEST_DAYS	1000000

typedef struct OptionRule
{
	const char *name;
	const char *initial;		/* NULL: unset */
	bool		can_change;
	/* value is NULL where there is none */
	void		(*set) (CqViewOptions *result, const char *value);
} OptionRule;

static const OptionRule rules[] = {
	{"emit", "change", false, set_emit},
	{"on_error", "skip", true, set_on_error},
	{"max_error_rate", "1", true, set_max_error_rate},
	{"pool", NULL, true, set_pool},
	{"max_drift", NULL, true, set_max_drift},
	{"start", "earliest", false, set_start},
	{"retention", NULL, true, set_retention},
	{"retention_by", NULL, false, set_retention_by},
	{"on_expire", "forget", false, set_on_expire},
	{"watermark", NULL, false, set_watermark},
	{"allowed_lateness", NULL, false, set_allowed_lateness},
	{"late", NULL, false, set_late},
	{"sink", NULL, false, set_sink},
	{"notify", NULL, false, set_notify},
	{"changes", NULL, false, set_changes},
	{"tables", "looked_up", false, set_tables},
};

static void
bad_value(const char *name, const char *value, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for option \"%s\": \"%s\"", name, value),
			 errhint("%s", hint)));
}

static void
set_emit(CqViewOptions *result, const char *value)
{
	if (strcmp(value, "change") != 0 && strcmp(value, "close") != 0)
		bad_value("emit", value, "Valid values: change, close.");
	result->emits_on_close = strcmp(value, "close") == 0;
}

static void
set_on_error(CqViewOptions *result, const char *value)
{
	if (strcmp(value, "skip") != 0 && strcmp(value, "pause") != 0)
		bad_value("on_error", value, "Valid values: skip, pause.");
	result->pause_on_error = strcmp(value, "pause") == 0;
}

static void
set_max_error_rate(CqViewOptions *result, const char *value)
{
	char	   *end;

	errno = 0;
	result->max_error_rate = strtod(value, &end);
	if (end == value || *end != '\0' || errno != 0 || !(result->max_error_rate >= 0) ||
		result->max_error_rate > 1)
		bad_value("max_error_rate", value, "It must be a share of the rows, from 0 to 1.");
}

static void
set_pool(CqViewOptions *result, const char *value)
{
	result->pool = NULL;
	if (value == NULL || strcmp(value, CQ_POOL_DEFAULT) == 0)
		return;
	cq_pool_require_usable(value);
	result->pool = pstrdup(value);
}

static void
set_start(CqViewOptions *result, const char *value)
{
	result->start = cq_view_start_parse(value);
}

static void
set_retention(CqViewOptions *result, const char *value)
{
	static const Interval zero = {0};

	result->retention = NULL;
	if (value == NULL)
		return;
	result->retention = palloc0(sizeof(Interval));
	if (!cq_options_parse_interval(value, result->retention))
		bad_value("retention", value, "It must be an interval, such as '5 s' or '1 day'.");
	if (!cq_compat_interval_is_finite(result->retention) ||
		!DatumGetBool(DirectFunctionCall2(interval_gt, IntervalPGetDatum(result->retention),
										  IntervalPGetDatum(&zero))))
		bad_value("retention", value, "It must be an interval greater than zero.");
	if ((int64) result->retention->month * DAYS_PER_MONTH + result->retention->day +
		result->retention->time / USECS_PER_DAY > LONGEST_DAYS)
		bad_value("retention", value, "That is too long.");
}

static void
set_retention_by(CqViewOptions *result, const char *value)
{
	result->says_retention_by = value != NULL;
	if (value != NULL && strcmp(value, "event_time") != 0 && strcmp(value, "change") != 0)
		bad_value("retention_by", value, "Valid values: event_time, change.");
	result->by_event_time = value != NULL && strcmp(value, "event_time") == 0;
}

static void
set_on_expire(CqViewOptions *result, const char *value)
{
	if (strcmp(value, "forget") != 0 && strcmp(value, "delete") != 0)
		bad_value("on_expire", value, "Valid values: forget, delete.");
	result->tells_expired = strcmp(value, "delete") == 0;
}

static int64
parse_length(const char *name, const char *value)
{
	int64		microseconds = -1;

	if (value != NULL)
		cq_reject_raise(cq_options_interval(name, value, &microseconds), NULL);
	return microseconds;
}

static void
set_max_drift(CqViewOptions *result, const char *value)
{
	result->max_drift = parse_length("max_drift", value);
}

static void
set_watermark(CqViewOptions *result, const char *value)
{
	result->watermark_delay = parse_length("watermark", value);
}

static void
set_allowed_lateness(CqViewOptions *result, const char *value)
{
	result->allowed_lateness = parse_length("allowed_lateness", value);
}

static void
set_late(CqViewOptions *result, const char *value)
{
	result->says_late = value != NULL;
	if (value != NULL && strcmp(value, "drop") != 0 && strcmp(value, "keep") != 0 &&
		strcmp(value, "amend") != 0)
		bad_value("late", value, "Valid values: drop, keep, amend.");
	result->keeps_late = value != NULL && strcmp(value, "keep") == 0;
	result->amends_late = value != NULL && strcmp(value, "amend") == 0;
}

static void
set_sink(CqViewOptions *result, const char *value)
{
	result->sink = value ? pstrdup(value) : NULL;
}

static void
set_notify(CqViewOptions *result, const char *value)
{
	if (value != NULL && (value[0] == '\0' || strlen(value) >= NAMEDATALEN))
		bad_value("notify", value, "It is the name of a channel, of 1 to 63 bytes.");
	result->notify = value ? pstrdup(value) : NULL;
}

static void
set_changes(CqViewOptions *result, const char *value)
{
	if (value != NULL && (value[0] == '\0' || strlen(value) >= NAMEDATALEN))
		bad_value("changes", value, "It is the name of a stream, of 1 to 63 bytes, which is made "
									"in the schema of the view.");
	result->changes = value ? pstrdup(value) : NULL;
}

static void
set_tables(CqViewOptions *result, const char *value)
{
	if (strcmp(value, "looked_up") != 0 && strcmp(value, "maintained") != 0)
		bad_value("tables", value, "Valid values: looked_up, maintained.");
	result->maintains_tables = strcmp(value, "maintained") == 0;
}

static const OptionRule *
find_rule(const DefElem *option)
{
	StringInfoData names;
	CqClosest	closest;

	for (int i = 0; i < (int) lengthof(rules); i++)
	{
		if (option->defnamespace == NULL && strcmp(option->defname, rules[i].name) == 0)
			return &rules[i];
	}
	initStringInfo(&names);
	cq_closest_init(&closest, option->defname);
	for (int i = 0; i < (int) lengthof(rules); i++)
	{
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", rules[i].name);
		cq_closest_try(&closest, rules[i].name);
	}
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("unrecognized option \"%s\" of a continuous view", option->defname),
			 errhint("%sValid options: %s.", cq_closest_hint(&closest), names.data)));
}

bool
cq_view_options_is_server(const DefElem *option, bool reset)
{
	bool		is_invoker = strcmp(option->defname, "security_invoker") == 0;

	if (option->defnamespace != NULL)
		return false;
	if (is_invoker && !reset && defGetBoolean(unconstify(DefElem *, option)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("security_invoker is not supported on continuous views"),
				 errdetail("A continuous view is maintained once for all readers, with the rights "
						   "of its owner.")));
	return is_invoker || strcmp(option->defname, "security_barrier") == 0;
}

/* Until the end, errors are about that option, and tell its place. */
typedef struct OptionPlace
{
	ParseState *pstate;
	ParseCallbackState callback;
} OptionPlace;

static void
begin_option(OptionPlace *place, const DefElem *option, const char *query_string)
{
	place->pstate = make_parsestate(NULL);
	place->pstate->p_sourcetext = query_string;
	setup_parser_errposition_callback(&place->callback, place->pstate, option->location);
}

static void
end_option(OptionPlace *place)
{
	cancel_parser_errposition_callback(&place->callback);
	free_parsestate(place->pstate);
}

void
cq_view_options_parse(CqViewOptions *result, List *options, const char *query_string)
{
	ListCell   *cell;

	memset(result, 0, sizeof(CqViewOptions));
	for (int i = 0; i < (int) lengthof(rules); i++)
		rules[i].set(result, rules[i].initial);
	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);
		OptionPlace place;

		begin_option(&place, option, query_string);
		if (cq_view_options_is_server(option, false))
			result->server_options = lappend(result->server_options, option);
		else
			find_rule(option)->set(result, defGetString(option));
		end_option(&place);
	}
}

void
cq_view_options_change(CqViewOptions *result, List *options, bool reset, const char *query_string)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);
		const OptionRule *rule;
		OptionPlace place;

		begin_option(&place, option, query_string);
		rule = find_rule(option);
		if (!rule->can_change)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("the option \"%s\" of a continuous view cannot be changed", rule->name),
					 errhint("CREATE OR REPLACE CONTINUOUS VIEW begins again with new options.")));
		rule->set(result, reset ? rule->initial : defGetString(option));
		end_option(&place);
	}
}
