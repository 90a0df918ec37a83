/*
 * tail.c
 *		The latest messages of a stream as they are, for people: cq.tail.
 *
 * What cannot be decoded is shown as well: it is what one looks for here.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "common/version.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "stream/bounded.h"
#include "stream/reader_state.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#define MOST_MESSAGES 10000

PG_FUNCTION_INFO_V1(cq_tail_messages);

/* As text where it is one, else in hexadecimal. */
static Datum
text_of(const char *bytes, int length)
{
	char	   *hex;

	if (pg_verify_mbstr(GetDatabaseEncoding(), bytes, length, true))
		return PointerGetDatum(cstring_to_text_with_len(bytes, length));
	hex = palloc((Size) length * 2 + 2);
	memcpy(hex, "\\x", 2);
	(void) hex_encode(bytes, length, hex + 2);
	return PointerGetDatum(cstring_to_text_with_len(hex, length * 2 + 2));
}

/* Of the log it is a row. */
static Datum
text_of_row(const char *row)
{
	HeapTupleHeader tuple = (HeapTupleHeader) unconstify(char *, row);
	char	   *text = OidOutputFunctionCall(F_RECORD_OUT, HeapTupleHeaderGetDatum(tuple));

	return CStringGetTextDatum(text);
}

static void
put_message(ReturnSetInfo *result, CqReader *reader, const CqFetch *fetch, int i)
{
	const CqMessage *message = &fetch->messages[i];
	Datum		values[7];
	bool		nulls[7] = {false};

	values[0] = CStringGetTextDatum(fetch->slices[message->slice].topic);
	values[1] = Int32GetDatum(fetch->slices[message->slice].partition);
	values[2] = Int64GetDatum(message->offset);
	values[3] = TimestampTzGetDatum(message->timestamp);
	nulls[3] = TIMESTAMP_IS_NOBEGIN(message->timestamp);
	nulls[4] = message->key == NULL;
	if (!nulls[4])
		values[4] = text_of(message->key, message->key_length);
	nulls[5] = message->value == NULL;
	if (!nulls[5])
		values[5] = reader->stream->kind == CQ_STREAM_LOG ? text_of_row(message->value) :
			text_of(message->value, message->value_length);
	nulls[6] = !reader->routine->headers(reader->source, message, &values[6]);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* _cq.tail(stream regclass, n integer): the last n of each partition, for who may SELECT all. */
Datum
cq_tail_messages(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	int			n = PG_GETARG_INT32(1);
	AclResult	may = pg_class_aclcheck(relid, GetUserId(), ACL_SELECT);
	CqStream   *stream;
	CqBounded  *bounded;
	CqBatch    *batch;

	cq_version_require();
	InitMaterializedSRF(fcinfo, 0);
	if (may != ACLCHECK_OK)
		aclcheck_error(may, OBJECT_FOREIGN_TABLE, get_rel_name(relid));
	if (n < 1 || n > MOST_MESSAGES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid number of messages: %d", n),
				 errhint("It is from 1 to %d.", MOST_MESSAGES)));
	stream = cq_stream_get(relid, GetUserId());
	bounded = cq_bounded_open_latest(stream, NULL,
									 (int64) n * list_length(cq_bounded_extents(stream)));
	while ((batch = cq_bounded_next(bounded)) != NULL)
	{
		for (int i = 0; i < batch->nrows; i++)
			put_message((ReturnSetInfo *) fcinfo->resultinfo, bounded->reader, &batch->fetch, i);
	}
	cq_bounded_close(bounded);
	return (Datum) 0;
}
