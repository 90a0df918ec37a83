/*
 * moment_value.c
 *		The SQL functions that let texts pass unless they mean the moment: see moment.c.
 *
 * Promises that what they give is what they were given, so that the query is the one that was
 * written.
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "common/time_text.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "plan/check_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(cq_without_moment);
PG_FUNCTION_INFO_V1(cq_without_moments_json);
PG_FUNCTION_INFO_V1(cq_without_moments_jsonb);

/* A text that is read as a type that is, or has, dates or times. */
static void
check_text(const char *text, Oid type)
{
	if (cq_time_text_moment(text, strlen(text)) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_DATETIME_FORMAT),
				 errmsg("\"%s\" means the moment at which it is read, which a continuous view "
						"must not depend on",
						text)));
	if (!cq_check_type_has_offset(type))
		return;
	/* Which of several times in a text has no offset is not looked at. */
	if (getBaseType(type) == TIMETZOID ? cq_time_text_lacks_offset(text) :
		cq_time_text_zone_varies())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_DATETIME_FORMAT),
				 errmsg("\"%s\" would depend on the day on which it is read, which a continuous "
						"view must not do", text),
				 errdetail("Without an offset from UTC a time with time zone has that of the time "
						   "zone \"%s\" on that day.", pg_get_timezone_name(session_timezone))));
}

/* _cq.without_moment(text, type): the text itself, before it is read as that type. */
Datum
cq_without_moment(PG_FUNCTION_ARGS)
{
	check_text(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_OID(1));
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/* ---- JSON that rows are made of ---- */

static void check_value(const JsonbValue *value, Oid type);

static void
check_members(JsonbContainer *object, TupleDesc row)
{
	for (int i = 0; i < row->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(row, i);
		JsonbValue	value;

		if (!column->attisdropped &&
			getKeyJsonValueFromContainer(object, NameStr(column->attname),
										 strlen(NameStr(column->attname)), &value) != NULL)
			check_value(&value, column->atttypid);
	}
}

static void
check_elements(JsonbContainer *array, Oid type, Oid element)
{
	for (uint32 i = 0; i < JsonContainerSize(array); i++)
	{
		JsonbValue *value = getIthJsonbValueFromContainer(array, i);
		bool		is_nested = value->type == jbvBinary &&
			JsonContainerIsArray(value->val.binary.data);

		check_value(value, is_nested ? type : element);
	}
}

static void
check_container(JsonbContainer *container, Oid type)
{
	Oid			base = getBaseType(type);
	Oid			element = get_element_type(base);

	if (JsonContainerIsArray(container) && OidIsValid(element))
		check_elements(container, base, element);
	else if (JsonContainerIsObject(container) && type_is_rowtype(base))
	{
		TupleDesc	row = lookup_rowtype_tupdesc(base, -1);

		check_members(container, row);
		ReleaseTupleDesc(row);
	}
	else						/* its text is what the type's input function gets */
		check_text(JsonbToCString(NULL, container, container->header), type);
}

static void
check_value(const JsonbValue *value, Oid type)
{
	check_stack_depth();
	if (!cq_check_type_is_time(type))
		return;
	switch (value->type)
	{
		case jbvString:
			check_text(pnstrdup(value->val.string.val, value->val.string.len), type);
			break;
		case jbvNumeric:
			check_text(DatumGetCString(DirectFunctionCall1(numeric_out,
														   NumericGetDatum(value->val.numeric))),
					   type);
			break;
		case jbvBinary:
			check_container(value->val.binary.data, type);
			break;
		default:
			break;
	}
}

typedef struct Fields
{
	int			count;
	Datum	   *names;
	Datum	   *types;
} Fields;

static Fields
fields_given(FunctionCallInfo fcinfo)
{
	Fields		fields;
	int			nnames;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &fields.names,
					  NULL, &nnames);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), OIDOID, sizeof(Oid), true, TYPALIGN_INT,
					  &fields.types, NULL, &fields.count);
	if (nnames != fields.count)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("as many names as types are needed")));
	return fields;
}

static void
check_object(JsonbContainer *object, const Fields *fields)
{
	for (int i = 0; i < fields->count; i++)
	{
		text	   *name = DatumGetTextPP(fields->names[i]);
		JsonbValue	value;

		if (getKeyJsonValueFromContainer(object, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name),
										 &value) != NULL)
			check_value(&value, DatumGetObjectId(fields->types[i]));
	}
}

/* An object, or several of them. What else it may be is an error of whoever reads it. */
static void
check_document(JsonbContainer *document, const Fields *fields)
{
	if (JsonContainerIsObject(document))
		check_object(document, fields);
	for (uint32 i = 0; JsonContainerIsArray(document) && i < JsonContainerSize(document); i++)
	{
		JsonbValue *row = getIthJsonbValueFromContainer(document, i);

		if (row->type == jbvBinary && JsonContainerIsObject(row->val.binary.data))
			check_object(row->val.binary.data, fields);
	}
}

/* _cq.without_moments(jsonb, names, types): the document itself, before rows are made of it. */
Datum
cq_without_moments_jsonb(PG_FUNCTION_ARGS)
{
	Fields		fields = fields_given(fcinfo);

	check_document(&PG_GETARG_JSONB_P(0)->root, &fields);
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

static bool
has_offsets(const Fields *fields)
{
	for (int i = 0; i < fields->count; i++)
	{
		if (cq_check_type_has_offset(DatumGetObjectId(fields->types[i])))
			return true;
	}
	return false;
}

/* The same of json, which is looked at only where such a word may be in it: escapes hide it. */
Datum
cq_without_moments_json(PG_FUNCTION_ARGS)
{
	char	   *document = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Fields		fields = fields_given(fcinfo);

	if (strchr(document, '\\') != NULL ||
		cq_time_text_moment(document, strlen(document)) != NULL || has_offsets(&fields))
	{
		Datum		parsed = DirectFunctionCall1(jsonb_in, CStringGetDatum(document));

		check_document(&DatumGetJsonbP(parsed)->root, &fields);
	}
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}
