/*
 * json_value_slow.c
 *		From a token of a message to a Datum of any type, the slow way, and arrays either way: see
 *		json_value.h.
 *
 * What is wrong with a value raises an error here, as the type's input function words it;
 * json_later.c sees to it that it concerns no other row.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/base64.h"
#include "common/time_text.h"
#include "format/json_value_private.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

/* An array while it is being put together. */
typedef struct Elements
{
	Datum	   *values;
	bool	   *nulls;
	int			count;
	int			capacity;
	int			deepest;		/* level of nesting seen */
	int			ndims;			/* level of the elements that are no arrays; 0: not known yet */
	int			dims[MAXDIM];	/* -1: not known yet */
} Elements;

static bool
is_time(Oid type)
{
	return type == TIMESTAMPOID || type == TIMESTAMPTZOID || type == DATEOID || type == TIMEOID ||
		type == TIMETZOID;
}

/* What a range or multirange is of, or InvalidOid. */
static Oid
type_of_bounds(Oid type)
{
	Oid			range = type_is_multirange(type) ? get_multirange_range(type) : type;

	return type_is_range(range) ? getBaseType(get_range_subtype(range)) : InvalidOid;
}

CqJsonConverter *
cq_json_value_slow_create(Oid type, int32 typmod, const CqValueStyle *style)
{
	CqJsonConverter *converter = palloc0(sizeof(CqJsonConverter));
	Oid			base = getBaseTypeAndTypmod(type, &typmod);
	Oid			element = get_element_type(base);
	Oid			input;

	converter->type = base;
	converter->typmod = typmod;
	converter->context = CurrentMemoryContext;
	converter->style = *style;
	converter->takes_utf8 = GetDatabaseEncoding() == PG_UTF8 ||
		GetDatabaseEncoding() == PG_SQL_ASCII;
	if (base != type)
		converter->domain = type;

	getTypeInputInfo(base, &input, &converter->typioparam);
	fmgr_info(input, &converter->input);
	converter->is_hstore = cq_json_hstore_is(input);
	converter->holds_times = is_time(base) || is_time(type_of_bounds(base));
	converter->holds_offsets = base == TIMETZOID || type_of_bounds(base) == TIMETZOID;
	if (get_typtype(base) == TYPTYPE_COMPOSITE)
		converter->composite = cq_json_composite_create(base, style);
	if (OidIsValid(element))
	{
		converter->element = cq_json_value_slow_create(element, typmod, style);
		converter->element_type = element;
		get_typlenbyvalalign(element, &converter->element_length, &converter->element_byval,
							 &converter->element_align);
	}
	converter->quick = cq_json_value_quick(converter);
	return converter;
}

bool
cq_json_value_slow_checks_nulls(const CqJsonConverter *converter)
{
	return OidIsValid(converter->domain);
}

/* ---- Scalars ---- */

char *
cq_json_value_slow_text(const CqJsonToken *token)
{
	char	   *text = palloc(token->length + 1);
	int64		length = token->length;
	const char *reason;

	if (token->kind == CQ_JSON_STRING && token->is_escaped)
	{
		length = cq_json_token_unescape(token->text, token->length, text, &reason);
		if (length < 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
					 errmsg("unsupported Unicode escape sequence"),
					 errdetail("%s", reason)));
	}
	else
		memcpy(text, token->text, length);
	text[length] = '\0';
	return pg_any_to_server(text, length, PG_UTF8);
}

/* The text that the input function gets, in the server's encoding. */
static char *
server_text(const CqJsonConverter *converter, const CqJsonToken *token)
{
	CqJsonToken document = *token;

	if (token->kind != CQ_JSON_STRING || converter->style.is_text ||
		(converter->type != JSONOID && converter->type != JSONBOID))
		return cq_json_value_slow_text(token);
	document.kind = CQ_JSON_OBJECT;	/* as it is written, quotes and all */
	document.text--;
	document.length += 2;
	return cq_json_value_slow_text(&document);
}

/* Only timestamps may be numbers, and this one the quick way could not make one of. */
static void
refuse_number_as_time(const CqJsonToken *token)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
			 errmsg("number \"%s\" is not a time", pnstrdup(token->text, Min(token->length, 64))),
			 errdetail("Only a timestamp can be a number: whole milliseconds since 1970-01-01, "
					   "within its range.")));
}

/* A time that depends on when the message is read would never be the same twice. */
static void
refuse_moment(const char *text)
{
	const char *word = cq_time_text_moment(text, strlen(text));

	if (word != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_DATETIME_FORMAT),
				 errmsg("\"%s\" is not allowed as a time in a message", word)));
}

/*
 * A time of day has an offset only on some day. Which of several times in a text has none is not
 * looked at.
 */
static void
refuse_offset_of_today(const char *text, bool alone)
{
	if (alone ? cq_time_text_lacks_offset(text) : cq_time_text_zone_varies())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_DATETIME_FORMAT),
				 errmsg("\"%s\" is not allowed as a time with time zone in a message", text),
				 errdetail("Without an offset from UTC it would get the one that the time zone "
						   "\"%s\" has on the day on which it is read.",
						   pg_get_timezone_name(session_timezone))));
}

/* As the server's decode() does, whose base64 may be broken into lines. */
static void
remove_white_space(char *text)
{
	char	   *out = text;

	for (; *text != '\0'; text++)
	{
		if (!cq_json_is_space(*text))
			*out++ = *text;
	}
	*out = '\0';
}

bytea *
cq_json_value_base64(const CqJsonToken *token)
{
	char	   *text = cq_json_value_slow_text(token);
	int			room;
	int			length;
	bytea	   *result;

	remove_white_space(text);
	room = pg_b64_dec_len(strlen(text));
	result = palloc(VARHDRSZ + room);
	length = pg_b64_decode(text, strlen(text), (void *) VARDATA(result), room);
	if (length < 0)
		return NULL;
	SET_VARSIZE(result, VARHDRSZ + length);
	return result;
}

static Datum
bytes(CqJsonConverter *converter, const CqJsonToken *token)
{
	char	   *text;
	bytea	   *result;

	if (token->kind != CQ_JSON_STRING)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input for type bytea"),
				 errdetail("Bytes are expected as a string in base64, or in hexadecimal after "
						   "\\x.")));
	text = server_text(converter, token);
	if (text[0] == '\\' && text[1] == 'x')
		return InputFunctionCall(&converter->input, text, converter->typioparam, converter->typmod);
	result = cq_json_value_base64(token);
	if (result == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid base64 sequence"),
				 errdetail("Bytes are expected as a string in base64, or in hexadecimal after "
						   "\\x.")));
	return PointerGetDatum(result);
}

static bool
holds_times(const CqJsonConverter *converter)
{
	while (converter->element != NULL)
		converter = converter->element;
	return converter->holds_times ||
		(converter->composite != NULL && cq_json_composite_any(converter->composite, holds_times));
}

static bool
holds_offsets(const CqJsonConverter *converter)
{
	while (converter->element != NULL)
		converter = converter->element;
	return converter->holds_offsets ||
		(converter->composite != NULL && cq_json_composite_any(converter->composite,
															   holds_offsets));
}

static bool
is_number(const CqJsonToken *token)
{
	return token->kind == CQ_JSON_INTEGER || token->kind == CQ_JSON_NUMBER;
}

static Datum
number(const CqJsonToken *token)
{
	return DirectFunctionCall3(numeric_in, CStringGetDatum(cq_json_value_slow_text(token)),
							   ObjectIdGetDatum(InvalidOid),
							   Int32GetDatum(-1));
}

static Datum
convert_base(CqJsonConverter *converter, const CqJsonToken *token)
{
	CqJsonArena arena = {0};
	Datum		value;
	char	   *text;

	if (converter->quick != NULL && converter->quick(converter, token, &arena, &value))
		return value;
	if (cq_json_style_convert(converter, token, &value))
		return value;
	if (converter->element != NULL && token->kind == CQ_JSON_ARRAY)
	{
		(void) cq_json_value_slow_build_array(converter, token, &arena, true, &value);
		return value;
	}
	if (converter->composite != NULL && token->kind == CQ_JSON_OBJECT)
	{
		(void) cq_json_composite_build(converter, token, &arena, true, &value);
		return value;
	}
	if (converter->is_hstore && token->kind == CQ_JSON_OBJECT)
		return InputFunctionCall(&converter->input, cq_json_hstore_text(token),
								 converter->typioparam,
								 converter->typmod);
	if (converter->type == BYTEAOID && !converter->style.is_text)
		return bytes(converter, token);
	if (converter->type == CASHOID && is_number(token))
		return DirectFunctionCall1(numeric_cash, number(token));
	if (is_time(converter->type) && is_number(token))
		refuse_number_as_time(token);

	text = server_text(converter, token);
	if (holds_times(converter))
		refuse_moment(text);
	if (holds_offsets(converter))
		refuse_offset_of_today(text, converter->type == TIMETZOID);
	return InputFunctionCall(&converter->input, text, converter->typioparam, converter->typmod);
}

Datum
cq_json_convert_slowly(CqJsonConverter *converter, const CqJsonToken *token, bool *is_null)
{
	Datum		value = (Datum) 0;

	*is_null = token->kind == CQ_JSON_NULL || token->kind == CQ_JSON_MISSING;
	if (!*is_null)
		value = convert_base(converter, token);
	if (OidIsValid(converter->domain))
		domain_check(value, *is_null, converter->domain, &converter->domain_checks,
					 converter->context);
	return value;
}

/* ---- Arrays ---- */

static void
add_element(Elements *elements, Datum value, bool is_null)
{
	if (elements->count == elements->capacity)
	{
		elements->capacity = Max(16, elements->capacity * 2);
		if (elements->values == NULL)
		{
			elements->values = palloc(sizeof(Datum) * elements->capacity);
			elements->nulls = palloc(sizeof(bool) * elements->capacity);
		}
		else
		{
			elements->values = repalloc_huge(elements->values, sizeof(Datum) * elements->capacity);
			elements->nulls = repalloc_huge(elements->nulls, sizeof(bool) * elements->capacity);
		}
	}
	elements->values[elements->count] = value;
	elements->nulls[elements->count++] = is_null;
}

/*
 * Adds what is in one JSON array, at a level of nesting counted from 1. False: not the same shape
 * all over, or not quick.
 */
static bool
collect(CqJsonConverter *converter, const CqJsonToken *array, int level, CqJsonArena *arena,
		bool slowly, Elements *elements)
{
	CqJsonConverter *type = converter->element;
	bool		nests = type->type != JSONOID && type->type != JSONBOID;
	CqJsonToken token;
	uint32		place = 1;
	int			count = 0;

	elements->deepest = Max(elements->deepest, level);
	while (cq_json_token_next_element(array, &place, &token))
	{
		Datum		value = (Datum) 0;
		bool		is_null = token.kind == CQ_JSON_NULL;

		count++;
		if (nests && token.kind == CQ_JSON_ARRAY)
		{
			if (level == MAXDIM || (elements->ndims > 0 && level >= elements->ndims) ||
				!collect(converter, &token, level + 1, arena, slowly, elements))
				return false;
			continue;
		}
		if (elements->ndims == 0)
			elements->ndims = level;
		if (elements->ndims != level)
			return false;
		if (slowly)
			value = cq_json_convert_slowly(type, &token, &is_null);
		else if ((is_null && cq_json_value_slow_checks_nulls(type)) ||
				 (!is_null && !cq_json_value_convert(type, &token, arena, &value)))
			return false;
		add_element(elements, value, is_null);
	}
	if (elements->dims[level - 1] < 0)
		elements->dims[level - 1] = count;
	return elements->dims[level - 1] == count;
}

bool
cq_json_value_slow_build_array(CqJsonConverter *converter, const CqJsonToken *token,
							   CqJsonArena *arena, bool slowly, Datum *value)
{
	Elements	elements = {0};
	int			lower_bounds[MAXDIM] = {1, 1, 1, 1, 1, 1};
	bool		is_regular;

	memset(elements.dims, -1, sizeof(elements.dims));
	is_regular = collect(converter, token, 1, arena, slowly, &elements) &&
		(elements.count == 0 || elements.ndims == elements.deepest);
	if (!is_regular && slowly)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("malformed JSON array"),
				 errdetail("Nested arrays must all have the same number of elements, and at most "
						   "%d levels.", MAXDIM)));
	if (is_regular)
		*value = PointerGetDatum(elements.count == 0
								 ? construct_empty_array(converter->element_type)
								 : construct_md_array(elements.values, elements.nulls,
													  elements.ndims, elements.dims,
													  lower_bounds, converter->element_type,
													  converter->element_length,
													  converter->element_byval,
													  converter->element_align));
	if (elements.values != NULL)
	{
		pfree(elements.values);
		pfree(elements.nulls);
	}
	return is_regular;
}
