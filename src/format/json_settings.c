/*
 * json_settings.c
 *		Which settings have a say in what a value becomes: see json_settings.h.
 *
 * An input function that is immutable asks for none. Of the server's own that are stable it is
 * known what they ask for. Anything else, which is somebody else's code or may change while it is
 * in use (the attributes of a composite type, the checks of a domain), may ask for all.
 */
#include "postgres.h"

#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "format/json_settings.h"
#include "utils/lsyscache.h"

#define TIME_SETTINGS	(CQ_SETTING_TIMEZONE | CQ_SETTING_DATESTYLE | CQ_SETTING_ABBREVIATIONS)

static CqSettingSet
settings_of_other(Oid type)
{
	Oid			input;
	Oid			typioparam;

	if (get_typtype(type) == TYPTYPE_ENUM)
		return 0;
	getTypeInputInfo(type, &input, &typioparam);
	return func_volatile(input) == PROVOLATILE_IMMUTABLE ? 0 : CQ_SETTINGS_ALL;
}

static CqSettingSet
settings_of(Oid type)
{
	switch (get_typtype(type))
	{
		case TYPTYPE_DOMAIN:
		case TYPTYPE_COMPOSITE:
			return CQ_SETTINGS_ALL;
		case TYPTYPE_RANGE:
			return settings_of(get_range_subtype(type));
		case TYPTYPE_MULTIRANGE:
			return settings_of(get_multirange_range(type));
		default:
			break;
	}
	if (OidIsValid(get_element_type(type)))
		return settings_of(get_element_type(type)) | CQ_SETTING_ARRAY_NULLS;
	switch (type)
	{
		case DATEOID:
		case TIMEOID:
		case TIMETZOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return TIME_SETTINGS;
		case INTERVALOID:
			return CQ_SETTING_INTERVALSTYLE;
		case CASHOID:
			return CQ_SETTING_LC_MONETARY;
		case XMLOID:
			return CQ_SETTING_XMLOPTION;
		default:
			return settings_of_other(type);
	}
}

CqSettingSet
cq_json_settings(const CqColumn *column)
{
	return settings_of(column->type);
}
