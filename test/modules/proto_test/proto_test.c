/*
 * proto_test.c
 *		The format protobuf, callable from SQL, for tests only.
 */
#include "postgres.h"

#include "../format_calls.h"
#include "format/proto_schema.h"
#include "utils/builtins.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(proto_decode);
PG_FUNCTION_INFO_V1(proto_encode);
PG_FUNCTION_INFO_V1(proto_columns);
PG_FUNCTION_INFO_V1(proto_check);
PG_FUNCTION_INFO_V1(proto_fuzz);
PG_FUNCTION_INFO_V1(proto_bench);

/* Of arguments 1 and 2: a schema, and which one of its messages, or null. */
static CqFormatOptions *
argument_options(FunctionCallInfo fcinfo)
{
	const char *message = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));

	return format_calls_options(PG_GETARG_TEXT_PP(1), message);
}

Datum
proto_decode(PG_FUNCTION_ARGS)
{
	return format_calls_decode(fcinfo, &cq_proto_format, argument_options(fcinfo),
							   PG_GETARG_ARRAYTYPE_P(3));
}

Datum
proto_encode(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(format_calls_encode(&cq_proto_format, argument_options(fcinfo),
										  PG_GETARG_OID(0), PG_GETARG_HEAPTUPLEHEADER(3)));
}

Datum
proto_columns(PG_FUNCTION_ARGS)
{
	int			ncolumns;
	CqColumn   *columns = format_calls_columns(PG_GETARG_OID(0), &ncolumns);
	CqFormatOptions options = {.topic = "a.topic-1", .is_enveloped = PG_GETARG_BOOL(1)};

	PG_RETURN_TEXT_P(cstring_to_text(cq_proto_format.written_schema(&options, columns, ncolumns)));
}

Datum
proto_check(PG_FUNCTION_ARGS)
{
	CqReject   *reject = cq_proto_schema_check(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	if (reject == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(reject->message));
}

Datum
proto_fuzz(PG_FUNCTION_ARGS)
{
	return format_calls_fuzz(fcinfo, &cq_proto_format,
							 format_calls_options(PG_GETARG_TEXT_PP(1), NULL));
}

Datum
proto_bench(PG_FUNCTION_ARGS)
{
	CqFormatOptions *options = format_calls_options(PG_GETARG_TEXT_PP(1), NULL);
	int			nmessages;
	CqMessage  *messages = format_calls_messages(PG_GETARG_ARRAYTYPE_P(2), &nmessages);

	PG_RETURN_FLOAT8(format_calls_bench(&cq_proto_format, options, PG_GETARG_OID(0),
										messages, nmessages, PG_GETARG_INT32(3)));
}
