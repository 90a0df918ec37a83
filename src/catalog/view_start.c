/*
 * view_start.c
 *		Where a view is to begin: see view_start.h.
 *
 * All of it is checked here. Workers settle the views of a stream together, so one that cannot be
 * understood would be in the way of others; and offsets reach librdkafka as they are, where
 * negative ones have meanings of their own.
 */
#include "postgres.h"

#include "catalog/view_start.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

static void
raise_bad_value(const char *value, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid start of a continuous view: \"%s\"", value),
			 detail != NULL ? errdetail_internal("%s", detail) : 0,
			 errhint("Valid values: earliest, latest, a timestamp, or offsets by partition, "
					 "{\"0\": 100, \"1\": 250}.")));
}

/* Calls a type's input function; its complaint becomes a detail of ours. */
static Datum
read_as(PGFunction input, const char *value)
{
	volatile Datum result = 0;
	MemoryContext caller = CurrentMemoryContext;

	PG_TRY();
	{
		result = DirectFunctionCall3(input, CStringGetDatum(value), ObjectIdGetDatum(InvalidOid),
									 Int32GetDatum(-1));
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		FlushErrorState();
		raise_bad_value(value, input == jsonb_in ? psprintf("%s.", error->message) : NULL);
	}
	PG_END_TRY();
	return result;
}

static bool
is_partition(const JsonbValue *key)
{
	char	   *text = pnstrdup(key->val.string.val, key->val.string.len);
	char	   *end;
	long		number;

	errno = 0;
	number = strtol(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && number <= PG_INT32_MAX;
}

static bool
is_offset(const JsonbValue *value)
{
	Datum		number;
	Datum		whole;

	if (value->type != jbvNumeric)
		return false;
	number = NumericGetDatum(value->val.numeric);
	whole = DirectFunctionCall2(numeric_trunc, number, Int32GetDatum(0));
	return DatumGetBool(DirectFunctionCall2(numeric_eq, number, whole)) &&
		DatumGetBool(DirectFunctionCall2(numeric_ge, number,
										 NumericGetDatum(int64_to_numeric(0)))) &&
		DatumGetBool(DirectFunctionCall2(numeric_lt, number,
										 NumericGetDatum(int64_to_numeric(PG_INT64_MAX))));
}

/* Looks at the members of an object of offsets, and of objects of offsets for topics. */
static void
check_offsets(JsonbContainer *object, bool may_name_topics, const char *text)
{
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	value;

	(void) JsonbIteratorNext(&iterator, &key, true);	/* the object begins */
	while ((token = JsonbIteratorNext(&iterator, &key, true)) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&iterator, &value, true);
		if (may_name_topics && value.type == jbvBinary &&
			JsonContainerIsObject(value.val.binary.data))
			check_offsets(value.val.binary.data, false, text);
		else if (!is_partition(&key))
			raise_bad_value(text, psprintf("\"%.*s\" is not the number of a partition.",
										   key.val.string.len, key.val.string.val));
		else if (!is_offset(&value))
			raise_bad_value(text, psprintf("What is given for partition %.*s is not an offset.",
										   key.val.string.len, key.val.string.val));
	}
}

static char *
parse_offsets(const char *value)
{
	Jsonb	   *offsets = DatumGetJsonbP(read_as(jsonb_in, value));

	check_offsets(&offsets->root, true, value);
	return JsonbToCString(NULL, &offsets->root, VARSIZE(offsets));
}

static char *
parse_time(const char *value)
{
	TimestampTz time = DatumGetTimestampTz(read_as(timestamptz_in, value));

	if (TIMESTAMP_NOT_FINITE(time))
		raise_bad_value(value, NULL);
	return pstrdup(timestamptz_to_str(time));
}

char *
cq_view_start_parse(const char *value)
{
	if (strcmp(value, "earliest") == 0 || strcmp(value, "latest") == 0)
		return pstrdup(value);
	return value[0] == '{' ? parse_offsets(value) : parse_time(value);
}

void
cq_view_start_check(const char *start, int nstreams)
{
	Jsonb	   *offsets;
	JsonbIterator *iterator;
	JsonbValue	value;
	JsonbIteratorToken token;

	if (nstreams <= 1 || start[0] != '{')
		return;
	offsets = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(start)));
	iterator = JsonbIteratorInit(&offsets->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_VALUE && value.type != jbvBinary)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid start of a continuous view: \"%s\"", start),
					 errdetail("The view reads several streams, and a partition alone does not "
							   "say of which."),
					 errhint("Name topics as well: {\"topic\": {\"0\": 100}}.")));
	}
}
