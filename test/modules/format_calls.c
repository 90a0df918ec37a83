/*
 * format_calls.c
 *		A format called from SQL: see format_calls.h.
 */
#include "catalog/stream_path.h"
#include "format_calls.h"

#include <time.h>

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "common/guc.h"
#include "common/pg_prng.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/typcache.h"

/* Of the extension's settings what the clock asks for. */
double		cq_clock = 0;
double		cq_clock_step = 0;

/* With more than that a message takes far more memory than it has bytes. */
#define MOST_MEMORY (64 * 1024 * 1024)

static List *
split_path(const char *name)
{
	List	   *path = NIL;
	char	   *rest = pstrdup(strcmp(name, "*") == 0 ? "" : name);
	char	   *part;

	while ((part = strsep(&rest, ".")) != NULL)
		path = lappend(path, part);
	return path;
}

/* As the option ignore_case of a stream: SET test.ignore_case = on. */
static bool
ignores_case(void)
{
	const char *value = GetConfigOption("test.ignore_case", true, false);

	return value != NULL && strcmp(value, "on") == 0;
}

CqColumn *
format_calls_columns(Oid relid, int *ncolumns)
{
	Relation	relation = table_open(relid, AccessShareLock);
	TupleDesc	descriptor = RelationGetDescr(relation);
	CqColumn   *columns = palloc0(sizeof(CqColumn) * Max(descriptor->natts, 1));

	*ncolumns = descriptor->natts;
	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);

		columns[i].attno = i + 1;
		columns[i].name = pstrdup(NameStr(attribute->attname));
		columns[i].path = split_path(columns[i].name);
		if (strchr(columns[i].name, '[') != NULL)
			cq_reject_raise(cq_stream_path_parse("path", columns[i].name, &columns[i].path,
												 &columns[i].items), NULL);
		columns[i].type = attribute->atttypid;
		columns[i].typmod = attribute->atttypmod;
		columns[i].collation = attribute->attcollation;
		columns[i].is_not_null = attribute->attnotnull;
		columns[i].style.ignores_case = ignores_case();
	}
	table_close(relation, AccessShareLock);
	return columns;
}

/*
 * A copy that ends where the memory ends, so that valgrind sees a byte read too far. Freed with
 * the current context.
 */
static char *
exact_copy(const char *bytes, Size length)
{
	char	   *copy = malloc(Max(length, 1));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	if (copy == NULL)
		elog(ERROR, "out of memory");
	callback->func = free;
	callback->arg = copy;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	return memcpy(copy, bytes, length);
}

CqMessage *
format_calls_messages(ArrayType *array, int *nmessages)
{
	Datum	   *elements;
	bool	   *nulls;
	CqMessage  *messages;

	deconstruct_array(array, BYTEAOID, -1, false, TYPALIGN_INT, &elements, &nulls, nmessages);
	messages = palloc0(sizeof(CqMessage) * Max(*nmessages, 1));
	for (int i = 0; i < *nmessages; i++)
	{
		bytea	   *message;

		if (nulls[i])
			continue;
		message = DatumGetByteaPP(elements[i]);
		messages[i].value_length = VARSIZE_ANY_EXHDR(message);
		messages[i].value = exact_copy(VARDATA_ANY(message), messages[i].value_length);
	}
	return messages;
}

static void
make_batch(int ncolumns, int nrows, Datum ***values, bool ***nulls)
{
	*values = palloc(sizeof(Datum *) * Max(ncolumns, 1));
	*nulls = palloc(sizeof(bool *) * Max(ncolumns, 1));
	for (int i = 0; i < ncolumns; i++)
	{
		(*values)[i] = palloc(sizeof(Datum) * Max(nrows, 1));
		(*nulls)[i] = palloc(sizeof(bool) * Max(nrows, 1));
	}
}

static Datum
text_array(Datum *elements, bool *nulls, int nelements)
{
	int			lower_bound = 1;

	return PointerGetDatum(construct_md_array(elements, nulls, 1, &nelements, &lower_bound,
											  TEXTOID, -1, false, TYPALIGN_INT));
}

static Datum
row_fields(const CqColumn *columns, int ncolumns, int row, Datum **values, bool **nulls)
{
	Datum	   *fields = palloc(sizeof(Datum) * Max(ncolumns, 1));
	bool	   *are_null = palloc(sizeof(bool) * Max(ncolumns, 1));

	for (int i = 0; i < ncolumns; i++)
	{
		Oid			output;
		bool		is_varlena;

		are_null[i] = nulls[i][row];
		if (are_null[i])
			continue;
		getTypeOutputInfo(columns[i].type, &output, &is_varlena);
		fields[i] = CStringGetTextDatum(OidOutputFunctionCall(output, values[i][row]));
	}
	return text_array(fields, are_null, ncolumns);
}

static char *
bad_text(const CqBadCell *cell)
{
	const CqReject *reject = cell->reject;

	return psprintf("%d %s %s%s%s", cell->attno, unpack_sql_state(reject->sqlerrcode),
					reject->message, reject->detail ? " | " : "",
					reject->detail ? reject->detail : "");
}

static Datum
row_bad(const CqBadCells *bad, int row)
{
	Datum	   *texts = palloc(sizeof(Datum) * (bad->ncells + 1));
	int			ntexts = 0;

	for (int i = 0; i < bad->ncells; i++)
	{
		if (i > 0 && bad->cells[i].row < bad->cells[i - 1].row)
			elog(ERROR, "bad cells are out of order");
		if (bad->cells[i].row == row)
			texts[ntexts++] = CStringGetTextDatum(bad_text(&bad->cells[i]));
	}
	return text_array(texts, NULL, ntexts);
}

CqFormatOptions *
format_calls_options(text *schema, const char *message)
{
	CqFormatOptions *options = palloc0(sizeof(CqFormatOptions));

	options->schema = text_to_cstring(schema);
	options->message = message;
	return options;
}

Datum
format_calls_decode(FunctionCallInfo fcinfo, const CqFormat *format,
					const CqFormatOptions *options, ArrayType *array)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int			ncolumns;
	CqColumn   *columns = format_calls_columns(PG_GETARG_OID(0), &ncolumns);
	int			nmessages;
	CqMessage  *messages = format_calls_messages(array, &nmessages);
	CqBadCells	bad = {0};
	CqFormatOptions said = *options;
	CqDecoder  *decoder;
	Datum	  **values;
	bool	  **nulls;

	InitMaterializedSRF(fcinfo, 0);
	make_batch(ncolumns, nmessages, &values, &nulls);
	said.ignores_case = ignores_case();
	decoder = format->decoder_open(&said, columns, ncolumns);
	format->decode(decoder, messages, nmessages, 0, values, nulls, &bad);
	for (int i = 0; i < nmessages; i++)
	{
		Datum		out[3];
		bool		out_nulls[3] = {false};

		out[0] = Int32GetDatum(i + 1);
		out[1] = row_fields(columns, ncolumns, i, values, nulls);
		out[2] = row_bad(&bad, i);
		tuplestore_putvalues(result->setResult, result->setDesc, out, out_nulls);
	}
	return (Datum) 0;
}

bytea *
format_calls_encode(const CqFormat *format, const CqFormatOptions *options, Oid relid,
					HeapTupleHeader row)
{
	int			ncolumns;
	CqColumn   *columns = format_calls_columns(relid, &ncolumns);
	TupleDesc	descriptor = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(row),
													HeapTupleHeaderGetTypMod(row));
	HeapTupleData tuple;
	Datum	   *values = palloc(sizeof(Datum) * Max(ncolumns, 1));
	bool	   *nulls = palloc(sizeof(bool) * Max(ncolumns, 1));
	CqFormatOptions said = options != NULL ? *options : (CqFormatOptions) {0};
	StringInfoData out;
	bytea	   *result;

	if (descriptor->natts != ncolumns)
		elog(ERROR, "the row has %d columns, the table %d", descriptor->natts, ncolumns);
	tuple.t_len = HeapTupleHeaderGetDatumLength(row);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = row;
	heap_deform_tuple(&tuple, descriptor, values, nulls);
	ReleaseTupleDesc(descriptor);

	initStringInfo(&out);
	said.ignores_case = ignores_case();
	format->encode(format->encoder_open(&said, columns, ncolumns), values, nulls, &out);
	result = palloc(VARHDRSZ + out.len);
	SET_VARSIZE(result, VARHDRSZ + out.len);
	memcpy(VARDATA(result), out.data, out.len);
	return result;
}

/* A message with some bytes changed, cut off or added, in memory of exactly its length. */
static char *
spoil(pg_prng_state *chance, const char *bytes, int length, int *spoilt_length)
{
	char	   *copy = malloc(length + 8);
	char	   *exact;
	int			nchanges = 1 + pg_prng_uint64_range(chance, 0, 3);

	memcpy(copy, bytes, length);
	for (int i = 0; i < nchanges; i++)
	{
		int			place = length > 0 ? (int) pg_prng_uint64_range(chance, 0, length - 1) : 0;

		switch (pg_prng_uint64_range(chance, 0, 5))
		{
			case 0:
				length = place;
				break;
			case 1:
				if (length < *spoilt_length + 8)
				{
					memmove(copy + place + 1, copy + place, length - place);
					copy[place] = (char) pg_prng_uint64(chance);
					length++;
				}
				break;
			case 2:
				if (length > 0)
					copy[place] = "\0\1\2\177\200\377\376\100"[pg_prng_uint64_range(chance, 0, 7)];
				break;
			default:
				if (length > 0)
					copy[place] ^= 1 << pg_prng_uint64_range(chance, 0, 7);
				break;
		}
	}
	exact = malloc(Max(length, 1));
	memcpy(exact, copy, length);
	free(copy);
	*spoilt_length = length;
	return exact;
}

Datum
format_calls_fuzz(FunctionCallInfo fcinfo, const CqFormat *format, const CqFormatOptions *options)
{
	int			ncolumns;
	CqColumn   *columns = format_calls_columns(PG_GETARG_OID(0), &ncolumns);
	bytea	   *original = PG_GETARG_BYTEA_PP(2);
	int			rounds = PG_GETARG_INT32(3);
	CqDecoder  *decoder = format->decoder_open(options, columns, ncolumns);
	MemoryContext batch = AllocSetContextCreate(CurrentMemoryContext, "batch",
												ALLOCSET_DEFAULT_SIZES);
	TupleDesc	descriptor;
	pg_prng_state chance;
	Datum	  **values;
	bool	  **nulls;
	Datum		out[2];
	bool		out_nulls[2] = {false};
	int			counts[2] = {0};

	pg_prng_seed(&chance, PG_GETARG_INT32(4));
	make_batch(ncolumns, 1, &values, &nulls);
	for (int i = 0; i < rounds; i++)
	{
		CqBadCells	bad = {0};
		MemoryContext old = MemoryContextSwitchTo(batch);
		int			length = VARSIZE_ANY_EXHDR(original);
		char	   *spoilt = spoil(&chance, VARDATA_ANY(original), length, &length);
		CqMessage	message = {.value = spoilt, .value_length = length};
		Size		memory;

		CHECK_FOR_INTERRUPTS();
		format->decode(decoder, &message, 1, 0, values, nulls, &bad);
		counts[bad.ncells > 0]++;
		free(spoilt);
		memory = MemoryContextMemAllocated(batch, true);
		if (memory > MOST_MEMORY)
			elog(ERROR, "a message of %d bytes took %zu", length, memory);
		MemoryContextSwitchTo(old);
		MemoryContextReset(batch);
	}
	get_call_result_type(fcinfo, NULL, &descriptor);
	out[0] = Int32GetDatum(counts[0]);
	out[1] = Int32GetDatum(counts[1]);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), out, out_nulls));
}

/* Of this process: other processes' load does not count. */
static double
cpu_nanoseconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

double
format_calls_bench(const CqFormat *format, const CqFormatOptions *options, Oid relid,
				   const CqMessage *messages, int nmessages, int rounds)
{
	int			ncolumns;
	CqColumn   *columns = format_calls_columns(relid, &ncolumns);
	CqDecoder  *decoder = format->decoder_open(options, columns, ncolumns);
	MemoryContext batch = AllocSetContextCreate(CurrentMemoryContext, "batch",
												ALLOCSET_DEFAULT_SIZES);
	Datum	  **values;
	bool	  **nulls;
	double		start;

	make_batch(ncolumns, nmessages, &values, &nulls);
	start = cpu_nanoseconds();
	for (int i = 0; i < rounds; i++)
	{
		CqBadCells	bad = {0};
		MemoryContext old = MemoryContextSwitchTo(batch);

		CHECK_FOR_INTERRUPTS();
		format->decode(decoder, messages, nmessages, 0, values, nulls, &bad);
		if (bad.ncells > 0)
			elog(ERROR, "%s", bad.cells[0].reject->message);
		MemoryContextSwitchTo(old);
		MemoryContextReset(batch);
	}
	return (cpu_nanoseconds() - start) / ((double) rounds * Max(nmessages, 1));
}
