/*
 * fuzz_test.c
 *		Decoders, given any bytes: what a stream makes of them, from the message to the row.
 *
 * Bytes become messages by the stream's mode. Where rows are only added they are one message, its
 * value. Where rows change they are several: each begins with the length of its key, a byte, and that
 * of its value, two bytes; 255, and 65535, stand for none. What is said to be longer than what is left
 * is as long as that.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "format/avro_schema.h"
#include "format/json_infer.h"
#include "format/proto_schema.h"
#include "funcapi.h"
#include "fuzz_test.h"
#include "stream/reader_state.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#define MOST_MESSAGES 64

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(fuzz_one);

/* ---- messages ---- */

static size_t
take_length(const uint8 **at, const uint8 *end, int nbytes, size_t none)
{
	size_t		length = 0;

	for (int i = 0; i < nbytes && *at < end; i++)
		length |= (size_t) *(*at)++ << (8 * i);
	return length == none ? SIZE_MAX : length;
}

/* A copy that ends where the memory ends, so that a byte read too far is seen. */
static const char *
take_bytes(const uint8 **at, const uint8 *end, size_t length, uint32 *taken)
{
	char	   *copy;

	*taken = 0;
	if (length == SIZE_MAX)
		return NULL;
	*taken = Min(length, (size_t) (end - *at));
	copy = palloc(Max(*taken, 1));
	memcpy(copy, *at, *taken);
	*at += *taken;
	return copy;
}

static int
make_messages(const uint8 *bytes, size_t length, bool is_several, CqMessage *messages)
{
	const uint8 *at = bytes;
	const uint8 *end = bytes + length;
	int			nmessages = 0;

	while (nmessages == 0 || (is_several && at < end && nmessages < MOST_MESSAGES))
	{
		CqMessage  *message = &messages[nmessages];
		size_t		key_length = SIZE_MAX;
		size_t		value_length = length;

		if (is_several)
		{
			key_length = take_length(&at, end, 1, 255);
			value_length = take_length(&at, end, 2, 65535);
		}
		memset(message, 0, sizeof(CqMessage));
		message->key = take_bytes(&at, end, key_length, &message->key_length);
		message->value = take_bytes(&at, end, value_length, &message->value_length);
		message->offset = nmessages++;
	}
	return nmessages;
}

/* ---- streams ---- */

/* Those that are open: they live as long as the session. */
static List *readers = NIL;

static CqReader *
get_reader(const char *name)
{
	Oid			relid = DatumGetObjectId(DirectFunctionCall1(regclassin, CStringGetDatum(name)));
	MemoryContext caller;
	CqReader   *reader;
	ListCell   *cell;

	foreach(cell, readers)
	{
		reader = lfirst(cell);
		if (reader->stream->relid == relid)
			return reader;
	}
	caller = MemoryContextSwitchTo(TopMemoryContext);
	reader = cq_reader_open(relid, NULL, 0);
	readers = lappend(readers, reader);
	MemoryContextSwitchTo(caller);
	return reader;
}

/* Values that are none show when they are written. */
static void
write_values(const CqReader *reader, const CqBatch *batch)
{
	for (int i = 0; i < reader->stream->ncolumns; i++)
	{
		const CqColumn *column = &reader->columns[i];
		Oid			output;
		bool		is_varlena;

		getTypeOutputInfo(column->type, &output, &is_varlena);
		for (int row = 0; row < batch->nrows; row++)
		{
			if (batch->values[column->attno - 1] != NULL && !batch->nulls[column->attno - 1][row])
				pfree(OidOutputFunctionCall(output, batch->values[column->attno - 1][row]));
		}
	}
}

static void
check_order(const CqBatch *batch)
{
	for (int i = 0; i < batch->bad.ncells; i++)
	{
		if (batch->bad.cells[i].row >= batch->nrows ||
			(i > 0 && batch->bad.cells[i].row < batch->bad.cells[i - 1].row))
			elog(ERROR, "bad cells are out of order");
	}
}

static void
fuzz_stream(const char *name, const uint8 *bytes, size_t length, FuzzOutcome *outcome)
{
	static CqMessage messages[MOST_MESSAGES];
	static CqReader *reader = NULL;
	static char last[NAMEDATALEN * 2];
	CqBatch    *batch;
	Bitmapset  *columns = NULL;
	MemoryContext caller = CurrentMemoryContext;

	if (reader == NULL || strcmp(last, name) != 0)
	{
		reader = get_reader(name);
		strlcpy(last, name, sizeof(last));
	}
	fuzz_source_set(messages, make_messages(bytes, length, cq_mode_changes(reader->stream->mode), messages));
	batch = cq_reader_fetch(reader, MOST_MESSAGES, 1024 * 1024, 0);
	if (batch == NULL)
		elog(ERROR, "there is nothing to decode");
	for (int i = 0; i < reader->stream->ncolumns; i++)
		columns = bms_add_member(columns, reader->columns[i].attno);
	cq_decode_batch(batch, columns, NIL);
	check_order(batch);
	outcome->nrows = batch->nrows;
	outcome->nbad = batch->bad.ncells;
	MemoryContextSwitchTo(batch->context);
	if (length % 4 == 0)
		write_values(reader, batch);
	MemoryContextSwitchTo(caller);
	cq_reader_release(reader);
}

/* ---- schemas ---- */

/*
 * The schema is what whoever makes a table says: what is wrong with its defaults is raised. NULL: it was.
 */
static CqDecoder *
open_decoder(const CqFormat *format, const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	MemoryContext caller = CurrentMemoryContext;
	CqDecoder  *volatile decoder = NULL;

	PG_TRY();
	{
		decoder = format->decoder_open(options, columns, ncolumns);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		if (geterrcode() == ERRCODE_INTERNAL_ERROR)
			PG_RE_THROW();
		FlushErrorState();
	}
	PG_END_TRY();
	return decoder;
}

/* Text that is a schema of the format's. */
static bool
is_schema(const CqFormat *format, const char *text)
{
	CqAvroNames names = {0};
	CqReject   *reject = NULL;

	if (format == &cq_proto_format)
		return cq_proto_schema_parse(list_make1((char *) text), list_make1(""), &reject) != NULL;
	return cq_avro_schema_parse(text, strlen(text), &names, &reject) != NULL;
}

/* Bytes up to a zero are a schema, of Avro or of Protobuf, those behind it one of its values. */
static void
fuzz_schema(const char *name, const uint8 *bytes, size_t length, FuzzOutcome *outcome)
{
	const CqFormat *format = strcmp(name, "schema") == 0 ? &cq_avro_format : &cq_proto_format;
	static char *const paths[] = {"a", "b", "f", "v"};
	CqColumn	columns[5] = {0};
	const uint8 *end = memchr(bytes, '\0', length);
	CqFormatOptions options = {0};
	CqBadCells	bad = {0};
	CqDecoder  *decoder;
	CqMessage	message = {0};
	Datum		values[5];
	bool		nulls[5];
	Datum	   *value_columns[5];
	bool	   *null_columns[5];
	const uint8 *at = end != NULL ? end + 1 : bytes + length;

	options.schema = pnstrdup((const char *) bytes, (end != NULL ? end : bytes + length) - bytes);
	if (!is_schema(format, options.schema))
	{
		outcome->nbad++;
		return;
	}
	for (int i = 0; i < 5; i++)
	{
		columns[i].attno = i + 1;
		columns[i].name = "c";
		columns[i].path = i < 4 ? list_make1(paths[i]) : list_make1("");
		columns[i].type = i == 0 ? INT8OID : i == 1 ? NUMERICOID : i == 2 ? TEXTOID : JSONBOID;
		columns[i].typmod = -1;
		value_columns[i] = &values[i];
		null_columns[i] = &nulls[i];
	}
	message.value = take_bytes(&at, bytes + length, length, &message.value_length);
	decoder = open_decoder(format, &options, columns, 5);
	if (decoder == NULL)
	{
		outcome->nbad++;
		return;
	}
	format->decode(decoder, &message, 1, 0, value_columns, null_columns, &bad);
	outcome->nrows++;
	outcome->nbad += bad.ncells;
}

/* What IMPORT FOREIGN SCHEMA makes of messages. */
static void
fuzz_infer(const char *name, const uint8 *bytes, size_t length, FuzzOutcome *outcome)
{
	CqMessage	messages[MOST_MESSAGES];
	List	   *remarks = NIL;
	int			nmessages = make_messages(bytes, length, true, messages);
	int			nvalues = 0;

	for (int i = 0; i < nmessages; i++)
	{
		if (messages[i].value != NULL)
			messages[nvalues++] = messages[i];
	}
	if (nvalues > 0)
		outcome->nrows = list_length(cq_json_format.infer(messages, nvalues, &remarks));
	outcome->nbad = list_length(remarks);
}

/* ---- SQL ---- */

FuzzTarget
fuzz_target(const char *name)
{
	if (strcmp(name, "registry") == 0)
		return fuzz_registry;
	if (strcmp(name, "schema") == 0 || strcmp(name, "schema_protobuf") == 0)
		return fuzz_schema;
	if (strcmp(name, "infer") == 0)
		return fuzz_infer;
	return fuzz_stream;
}

Datum
fuzz_one(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bytea	   *input = PG_GETARG_BYTEA_PP(1);
	FuzzOutcome outcome = {0};
	TupleDesc	descriptor;
	Datum		out[2];
	bool		nulls[2] = {false};
	uint8	   *exact = palloc(Max(VARSIZE_ANY_EXHDR(input), 1));

	memcpy(exact, VARDATA_ANY(input), VARSIZE_ANY_EXHDR(input));
	fuzz_target(name) (name, exact, VARSIZE_ANY_EXHDR(input), &outcome);
	get_call_result_type(fcinfo, NULL, &descriptor);
	out[0] = Int32GetDatum(outcome.nrows);
	out[1] = Int32GetDatum(outcome.nbad);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), out, nulls)));
}
