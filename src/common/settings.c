/*
 * settings.c
 *		Settings of the session that say what values mean: see settings.h.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "common/settings.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/varlena.h"

/*
 * What conversions and stable functions may depend on. Lists of views name their settings, so that
 * this one may grow; the first ones have a bit in settings.h.
 */
static const char *const kept_settings[] = {
	"TimeZone", "DateStyle", "timezone_abbreviations", "IntervalStyle", "xmloption", "lc_monetary",
	"array_nulls", "search_path", "extra_float_digits", "bytea_output", "xmlbinary", "lc_numeric",
	"lc_time", "default_text_search_config", "quote_all_identifiers",
};

List *
cq_settings_current(void)
{
	List	   *settings = NIL;

	for (int i = 0; i < (int) lengthof(kept_settings); i++)
		settings = lappend(settings, psprintf("%s=%s", kept_settings[i],
											  GetConfigOption(kept_settings[i], false, false)));
	return settings;
}

/* A setting that is as wanted costs a comparison. */
static void
set(const char *name, const char *value)
{
	const char *current = GetConfigOption(name, true, false);

	if (current == NULL || strcmp(current, value) != 0)
		(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
}

/* Is it of the setting? */
static bool
is_of(const char *setting, const char *name)
{
	size_t		length = strlen(name);

	return strncmp(setting, name, length) == 0 && setting[length] == '=';
}

static bool
is_among(const char *setting, CqSettingSet which)
{
	for (int i = 0; i < (int) lengthof(kept_settings); i++)
	{
		if ((which & ((CqSettingSet) 1 << i)) != 0 && is_of(setting, kept_settings[i]))
			return true;
	}
	return false;
}

static bool
is_same(const List *one, const List *other)
{
	if (list_length(one) != list_length(other))
		return false;
	for (int i = 0; i < list_length(one); i++)
	{
		if (strcmp(list_nth(one, i), list_nth(other, i)) != 0)
			return false;
	}
	return true;
}

/* The value of a setting in a list, or NULL. */
static const char *
find_value(const List *settings, const char *name)
{
	ListCell   *cell;

	foreach(cell, settings)
	{
		const char *setting = lfirst(cell);

		if (is_of(setting, name))
			return setting + strlen(name) + 1;
	}
	return NULL;
}

const List *
cq_settings_intern(const List *settings)
{
	static List *kept = NIL;	/* of List * */
	MemoryContext caller;
	List	   *copy = NIL;
	ListCell   *cell;

	foreach(cell, kept)
	{
		if (is_same(lfirst(cell), settings))
			return lfirst(cell);
	}
	caller = MemoryContextSwitchTo(TopMemoryContext);
	foreach(cell, settings)
		copy = lappend(copy, pstrdup(lfirst(cell)));
	kept = lappend(kept, copy);
	MemoryContextSwitchTo(caller);
	return copy;
}

List *
cq_settings_without(const List *settings, CqSettingSet which)
{
	List	   *others = NIL;
	ListCell   *cell;

	foreach(cell, settings)
	{
		if (!is_among(lfirst(cell), which))
			others = lappend(others, lfirst(cell));
	}
	return others;
}

/*
 * What a session has made for itself comes first in its search_path unless that says otherwise. No
 * worker has such, so where a session does a worker's work it comes last.
 */
static const char *
without_temporary(const char *search_path)
{
	Oid			schema;
	Oid			toast_schema;
	List	   *names;
	ListCell   *cell;
	StringInfoData others;

	GetTempNamespaceState(&schema, &toast_schema);
	if (!OidIsValid(schema) || !SplitIdentifierString(pstrdup(search_path), ',', &names))
		return search_path;
	initStringInfo(&others);
	foreach(cell, names)
	{
		if (strcmp(lfirst(cell), "pg_temp") != 0)
			appendStringInfo(&others, "%s, ", quote_identifier(lfirst(cell)));
	}
	appendStringInfoString(&others, "pg_temp");
	return others.data;
}

void
cq_settings_apply(const List *settings, CqSettingSet which)
{
	for (int i = 0; i < (int) lengthof(kept_settings); i++)
	{
		const char *value = find_value(settings, kept_settings[i]);

		if (value == NULL || (which & ((CqSettingSet) 1 << i)) == 0)
			continue;
		if (((CqSettingSet) 1 << i) == CQ_SETTING_SEARCH_PATH)
			value = without_temporary(value);
		set(kept_settings[i], value);
	}
}

/* Where conversions alone are asked for, of DateStyle only the order counts: "ISO, MDY". */
static bool
is_equal(const char *name, const char *one, const char *other, CqSettingSet which)
{
	const char *order = strrchr(one, ' ');
	const char *other_order = strrchr(other, ' ');

	if (which != CQ_SETTINGS_ALL && strcmp(name, "DateStyle") == 0 && order != NULL &&
		other_order != NULL)
		return pg_strcasecmp(order, other_order) == 0;
	return strcmp(one, other) == 0;
}

bool
cq_settings_agree(const List *one, const List *other, CqSettingSet which)
{
	for (int i = 0; i < (int) lengthof(kept_settings); i++)
	{
		const char *left = find_value(one, kept_settings[i]);
		const char *right = find_value(other, kept_settings[i]);

		if ((which & ((CqSettingSet) 1 << i)) == 0)
			continue;
		if (left == NULL)
			left = GetConfigOption(kept_settings[i], false, false);
		if (right == NULL)
			right = GetConfigOption(kept_settings[i], false, false);
		if (!is_equal(kept_settings[i], left, right, which))
			return false;
	}
	return true;
}

/*
 * As postgres_fdw does it. What money is worth depends on lc_monetary itself, which therefore
 * stays.
 */
int
cq_settings_begin_transmission(void)
{
	int			level = NewGUCNestLevel();

	if (DateStyle != USE_ISO_DATES)
		set("DateStyle", "ISO");
	if (IntervalStyle != INTSTYLE_POSTGRES)
		set("IntervalStyle", "postgres");
	if (extra_float_digits < 1)
		set("extra_float_digits", "1");
	set("bytea_output", "hex");
	set("TimeZone", "UTC");
	set("search_path", "pg_catalog");
	return level;
}

void
cq_settings_end(int level)
{
	AtEOXact_GUC(false, level);
}
