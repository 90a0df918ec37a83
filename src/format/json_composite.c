/*
 * json_composite.c
 *		Composite types: an object's fields to attributes, each by the rules of json_value.h.
 *
 * Attributes belong to the fields of exactly their names, or of those but for case; a field that is
 * missing is null, of several of one name the last one counts. ALTER TYPE changes attributes while
 * decoders are kept: the server's type cache gives each shape of a row type a number of its own,
 * which is compared before messages are decoded.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "format/json_value_private.h"
#include "format/name_case.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

typedef struct Attribute
{
	char	   *name;			/* as messages write it */
	uint32		length;
	CqJsonConverter *converter; /* NULL: dropped */
	bool		checks_nulls;
} Attribute;

struct CqJsonComposite
{
	uint64		version;		/* of the descriptor */
	TupleDesc	descriptor;
	Attribute  *attributes;
	MemoryContext context;		/* of all that hangs on the version */
	CqValueStyle style;
};

/* In the composite's context, which is current and empty. */
static void
describe(CqJsonComposite *composite, TypeCacheEntry *type)
{
	TupleDesc	descriptor = CreateTupleDescCopy(type->tupDesc);
	uint64		version = type->tupDesc_identifier;

	composite->attributes = palloc0(sizeof(Attribute) * Max(descriptor->natts, 1));
	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute described = TupleDescAttr(descriptor, i);
		Attribute  *attribute = &composite->attributes[i];
		char	   *name = NameStr(described->attname);

		if (described->attisdropped)
			continue;
		attribute->name = pstrdup(pg_server_to_any(name, strlen(name), PG_UTF8));
		attribute->length = strlen(attribute->name);
		attribute->converter = cq_json_value_slow_create(described->atttypid,
														 described->atttypmod, &composite->style);
		attribute->checks_nulls = cq_json_value_slow_checks_nulls(attribute->converter);
	}
	/* Last: where the catalog could not be read, it is read again. */
	composite->version = version;
	composite->descriptor = descriptor;
}

static void
refresh(CqJsonComposite *composite, Oid type)
{
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_TUPDESC);
	MemoryContext caller;

	if (entry->tupDesc == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("type with OID %u is not composite", type)));
	if (composite->descriptor != NULL && composite->version == entry->tupDesc_identifier)
		return;
	composite->descriptor = NULL;
	MemoryContextReset(composite->context);
	caller = MemoryContextSwitchTo(composite->context);
	describe(composite, entry);
	MemoryContextSwitchTo(caller);
}

CqJsonComposite *
cq_json_composite_create(Oid type, const CqValueStyle *style)
{
	CqJsonComposite *composite = palloc0(sizeof(CqJsonComposite));

	composite->context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq composite type",
											   ALLOCSET_SMALL_SIZES);
	composite->style = *style;
	refresh(composite, type);
	return composite;
}

void
cq_json_composite_refresh(CqJsonConverter *converter)
{
	CqJsonComposite *composite = converter->composite;

	if (converter->element != NULL)
		cq_json_composite_refresh(converter->element);
	if (composite == NULL)
		return;
	refresh(composite, converter->type);
	for (int i = 0; i < composite->descriptor->natts; i++)
	{
		if (composite->attributes[i].converter != NULL)
			cq_json_composite_refresh(composite->attributes[i].converter);
	}
}

bool
cq_json_composite_is_within(const CqJsonConverter *converter)
{
	while (converter->element != NULL)
		converter = converter->element;
	return converter->composite != NULL;
}

bool
cq_json_composite_any(const CqJsonComposite *composite,
					  bool (*is_so) (const CqJsonConverter *converter))
{
	for (int i = 0; i < composite->descriptor->natts; i++)
	{
		const CqJsonConverter *converter = composite->attributes[i].converter;

		if (converter != NULL && is_so(converter))
			return true;
	}
	return false;
}

static bool
is_attribute(const CqJsonComposite *composite, const Attribute *attribute, const char *name,
			 int64 length)
{
	if (attribute->converter == NULL || (int64) attribute->length != length)
		return false;
	if (composite->style.ignores_case)
		return cq_name_case_same(attribute->name, name, true);
	return memcmp(attribute->name, name, length) == 0;
}

/* Which attribute the name of a field means, or -1. */
static int
find_attribute(const CqJsonComposite *composite, const CqJsonToken *name)
{
	char	   *plain = palloc(name->length + 1);
	const char *reason;
	int64		length = cq_json_token_unescape(name->text, name->length, plain, &reason);
	int			found = -1;

	plain[Max(length, 0)] = '\0';
	for (int i = 0; i < composite->descriptor->natts && found < 0; i++)
	{
		if (is_attribute(composite, &composite->attributes[i], plain, length))
			found = i;
	}
	pfree(plain);
	return found;
}

/* The token of each attribute. */
static CqJsonToken *
find_tokens(const CqJsonComposite *composite, const CqJsonToken *object)
{
	int			natts = composite->descriptor->natts;
	CqJsonToken *tokens = palloc(sizeof(CqJsonToken) * Max(natts, 1));
	CqJsonToken *names = palloc(sizeof(CqJsonToken) * Max(natts, 1));
	CqJsonToken name;
	CqJsonToken value;
	uint32		place = 1;

	for (int i = 0; i < natts; i++)
		tokens[i].kind = CQ_JSON_MISSING;
	while (cq_json_token_next_member(object, &place, &name, &value))
	{
		int			i = find_attribute(composite, &name);

		if (i < 0)
			continue;
		if (tokens[i].kind == CQ_JSON_AMBIGUOUS ||
			(tokens[i].kind != CQ_JSON_MISSING && !cq_json_token_same_text(&names[i], &name)))
			value.kind = CQ_JSON_AMBIGUOUS;
		tokens[i] = value;
		names[i] = name;
	}
	pfree(names);
	return tokens;
}

static bool
convert_attribute(const Attribute *attribute, const CqJsonToken *token, CqJsonArena *arena,
				  bool slowly,
				  Datum *value, bool *is_null)
{
	*value = (Datum) 0;
	*is_null = true;
	if (attribute->converter == NULL)
		return true;
	if (token->kind == CQ_JSON_AMBIGUOUS && slowly)
		cq_reject_raise(cq_name_case_twins(attribute->name), NULL);
	if (token->kind == CQ_JSON_AMBIGUOUS)
		return false;
	if (slowly)
	{
		*value = cq_json_convert_slowly(attribute->converter, token, is_null);
		return true;
	}
	if (token->kind == CQ_JSON_MISSING || token->kind == CQ_JSON_NULL)
		return !attribute->checks_nulls;
	*is_null = false;
	return cq_json_value_convert(attribute->converter, token, arena, value);
}

bool
cq_json_composite_build(CqJsonConverter *converter, const CqJsonToken *token, CqJsonArena *arena,
						bool slowly,
						Datum *value)
{
	const CqJsonComposite *composite = converter->composite;
	int			natts = composite->descriptor->natts;
	CqJsonToken *tokens = find_tokens(composite, token);
	Datum	   *values = palloc(sizeof(Datum) * Max(natts, 1));
	bool	   *nulls = palloc(sizeof(bool) * Max(natts, 1));
	bool		is_complete = true;

	for (int i = 0; i < natts && is_complete; i++)
		is_complete = convert_attribute(&composite->attributes[i], &tokens[i], arena, slowly,
										&values[i], &nulls[i]);
	if (is_complete)
		*value = HeapTupleGetDatum(heap_form_tuple(composite->descriptor, values, nulls));
	pfree(tokens);
	pfree(values);
	pfree(nulls);
	return is_complete;
}
