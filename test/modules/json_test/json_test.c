/*
 * json_test.c
 *		The JSON format, callable from SQL, for tests only.
 */
#include "postgres.h"

#include "../format_calls.h"
#include "funcapi.h"
#include "storage/fd.h"
#include "utils/builtins.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(json_decode);
PG_FUNCTION_INFO_V1(json_encode);
PG_FUNCTION_INFO_V1(json_infer);
PG_FUNCTION_INFO_V1(json_bench);

static const CqFormatOptions plain_options = {0};

Datum
json_decode(PG_FUNCTION_ARGS)
{
	return format_calls_decode(fcinfo, &cq_json_format, &plain_options, PG_GETARG_ARRAYTYPE_P(1));
}

Datum
json_encode(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(format_calls_encode(&cq_json_format, NULL, PG_GETARG_OID(0),
										 PG_GETARG_HEAPTUPLEHEADER(1)));
}

Datum
json_infer(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int			nmessages;
	CqMessage  *messages = format_calls_messages(PG_GETARG_ARRAYTYPE_P(0), &nmessages);
	List	   *remarks;
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, cq_json_format.infer(messages, nmessages, &remarks))
	{
		CqColumn   *column = lfirst(cell);
		Datum		out[2] = {CStringGetTextDatum(column->name), ObjectIdGetDatum(column->type)};
		bool		out_nulls[2] = {false};

		tuplestore_putvalues(result->setResult, result->setDesc, out, out_nulls);
	}
	foreach(cell, remarks)
		elog(NOTICE, "%s", (char *) lfirst(cell));
	return (Datum) 0;
}

static CqMessage *
file_messages(const char *path, int *nmessages)
{
	FILE	   *file = AllocateFile(path, PG_BINARY_R);
	int			capacity = 1024;
	CqMessage  *messages = palloc0(sizeof(CqMessage) * capacity);
	static char line[1024 * 1024];

	if (file == NULL)
		elog(ERROR, "could not open \"%s\": %m", path);
	*nmessages = 0;
	while (fgets(line, sizeof(line), file) != NULL)
	{
		if (*nmessages == capacity)
		{
			capacity *= 2;
			messages = repalloc(messages, sizeof(CqMessage) * capacity);
		}
		messages[*nmessages].value_length = strcspn(line, "\n");
		messages[*nmessages].value = pnstrdup(line, messages[*nmessages].value_length);
		(*nmessages)++;
	}
	FreeFile(file);
	return messages;
}

Datum
json_bench(PG_FUNCTION_ARGS)
{
	int			nmessages;
	CqMessage  *messages = file_messages(text_to_cstring(PG_GETARG_TEXT_PP(1)), &nmessages);

	PG_RETURN_FLOAT8(format_calls_bench(&cq_json_format, &plain_options, PG_GETARG_OID(0),
										messages, nmessages, PG_GETARG_INT32(2)));
}
