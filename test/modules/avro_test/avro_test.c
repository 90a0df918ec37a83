/*
 * avro_test.c
 *		The format avro, callable from SQL, for tests only.
 */
#include "postgres.h"

#include "../format_calls.h"
#include "format/avro_schema.h"
#include "utils/builtins.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(avro_decode);
PG_FUNCTION_INFO_V1(avro_encode);
PG_FUNCTION_INFO_V1(avro_check);
PG_FUNCTION_INFO_V1(avro_fuzz);
PG_FUNCTION_INFO_V1(avro_bench);

Datum
avro_decode(PG_FUNCTION_ARGS)
{
	return format_calls_decode(fcinfo, &cq_avro_format,
							   format_calls_options(PG_GETARG_TEXT_PP(1), NULL),
							   PG_GETARG_ARRAYTYPE_P(2));
}

Datum
avro_encode(PG_FUNCTION_ARGS)
{
	CqFormatOptions *options = format_calls_options(PG_GETARG_TEXT_PP(1), NULL);

	PG_RETURN_BYTEA_P(format_calls_encode(&cq_avro_format, options, PG_GETARG_OID(0),
										  PG_GETARG_HEAPTUPLEHEADER(2)));
}

Datum
avro_check(PG_FUNCTION_ARGS)
{
	CqReject   *reject = cq_avro_schema_check(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);

	if (reject == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(reject->message));
}

Datum
avro_fuzz(PG_FUNCTION_ARGS)
{
	return format_calls_fuzz(fcinfo, &cq_avro_format,
							 format_calls_options(PG_GETARG_TEXT_PP(1), NULL));
}

Datum
avro_bench(PG_FUNCTION_ARGS)
{
	CqFormatOptions *options = format_calls_options(PG_GETARG_TEXT_PP(1), NULL);
	int			nmessages;
	CqMessage  *messages = format_calls_messages(PG_GETARG_ARRAYTYPE_P(2), &nmessages);

	PG_RETURN_FLOAT8(format_calls_bench(&cq_avro_format, options, PG_GETARG_OID(0),
										messages, nmessages, PG_GETARG_INT32(3)));
}
