/*
 * view_start.c
 *		Where a view is to begin: see view_start.h.
 *
 * All of it is checked here, since workers settle the views of a stream together: one that cannot be understood would be in the way of
 * others.
 */
#include "postgres.h"

#include "catalog/view_start.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

static void
bad_offsets(const char *text)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid offsets: \"%s\"", text),
			 errhint("Offsets are given as {\"0\": 100, \"1\": 200}, by partition, or by topic and partition.")));
}

/* At depth 1 are partitions or topics, at depth 2 the partitions of a topic. */
static void
check_offsets(Jsonb *offsets, const char *text)
{
	JsonbIterator *iterator = JsonbIteratorInit(&offsets->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	int			depth = 0;

	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		if (token == WJB_BEGIN_OBJECT)
			depth++;
		else if (token == WJB_END_OBJECT)
			depth--;
		else if (token == WJB_VALUE)
		{
			if (value.type != jbvNumeric)
				bad_offsets(text);
			if (DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(value.val.numeric))) < 0)
				bad_offsets(text);
		}
		else if (token != WJB_KEY)
			bad_offsets(text);
		if (depth > 2)
			bad_offsets(text);
	}
}

char *
cq_view_start_parse(const char *text)
{
	if (strcmp(text, "earliest") == 0 || strcmp(text, "latest") == 0)
		return pstrdup(text);
	if (text[0] == '{')
	{
		Jsonb	   *offsets = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));

		check_offsets(offsets, text);
		return JsonbToCString(NULL, &offsets->root, VARSIZE(offsets));
	}
	return pstrdup(timestamptz_to_str(DatumGetTimestampTz(
		DirectFunctionCall3(timestamptz_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)))));
}
