/*
 * json_hstore.c
 *		The type of the extension hstore, as to_json writes it: an object, whose values are text.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "format/json_value_private.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

bool
cq_json_hstore_is(Oid input)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(input));
	bool		is_it = false;
	bool		is_null;
	Datum		symbol;

	if (!HeapTupleIsValid(tuple))
		return false;
	symbol = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &is_null);
	if (((Form_pg_proc) GETSTRUCT(tuple))->prolang == ClanguageId && !is_null)
		is_it = strcmp(TextDatumGetCString(symbol), "hstore_in") == 0;
	ReleaseSysCache(tuple);
	return is_it;
}

static void
append_quoted(StringInfo out, const char *text)
{
	appendStringInfoChar(out, '"');
	for (; *text != '\0'; text++)
	{
		if (*text == '"' || *text == '\\')
			appendStringInfoChar(out, '\\');
		appendStringInfoChar(out, *text);
	}
	appendStringInfoChar(out, '"');
}

typedef struct Pair
{
	char	   *key;
	char	   *value;			/* NULL: null */
	int			place;			/* in the object */
} Pair;

static int
compare_pairs(const void *a, const void *b)
{
	const Pair *left = a;
	const Pair *right = b;
	int			order = strcmp(left->key, right->key);

	return order != 0 ? order : left->place - right->place;
}

static Pair *
collect_pairs(const CqJsonToken *object, int *npairs)
{
	int			capacity = 16;
	Pair	   *pairs = palloc(sizeof(Pair) * capacity);
	CqJsonToken name;
	CqJsonToken value;
	uint32		place = 1;

	*npairs = 0;
	while (cq_json_token_next_member(object, &place, &name, &value))
	{
		if (*npairs == capacity)
			pairs = repalloc_huge(pairs, sizeof(Pair) * (capacity *= 2));
		pairs[*npairs].key = cq_json_value_slow_text(&name);
		pairs[*npairs].value = value.kind == CQ_JSON_NULL ? NULL : cq_json_value_slow_text(&value);
		pairs[*npairs].place = *npairs;
		(*npairs)++;
	}
	return pairs;
}

/* Of several fields of one name the last one counts, where hstore would take any. */
char *
cq_json_hstore_text(const CqJsonToken *object)
{
	StringInfoData text;
	int			npairs;
	Pair	   *pairs = collect_pairs(object, &npairs);

	initStringInfo(&text);
	qsort(pairs, npairs, sizeof(Pair), compare_pairs);
	for (int i = 0; i < npairs; i++)
	{
		if (i + 1 < npairs && strcmp(pairs[i].key, pairs[i + 1].key) == 0)
			continue;
		appendStringInfoString(&text, text.len > 0 ? "," : "");
		append_quoted(&text, pairs[i].key);
		appendStringInfoString(&text, "=>");
		if (pairs[i].value != NULL)
			append_quoted(&text, pairs[i].value);
		else
			appendStringInfoString(&text, "NULL");
	}
	return text.data;
}
