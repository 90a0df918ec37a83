/*
 * json_test.c
 *		The JSON format, callable from SQL, for tests only.
 */
#include "postgres.h"

#include <time.h>

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "format/format.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/typcache.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(json_decode);
PG_FUNCTION_INFO_V1(json_encode);
PG_FUNCTION_INFO_V1(json_infer);
PG_FUNCTION_INFO_V1(json_bench);

static List *
split_path(const char *name)
{
	List	   *path = NIL;
	char	   *rest = pstrdup(name);
	char	   *part;

	while ((part = strsep(&rest, ".")) != NULL)
		path = lappend(path, part);
	return path;
}

static const CqFormatOptions plain_options = {0};

static CqColumn *
table_columns(Oid relid, int *ncolumns)
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
		columns[i].type = attribute->atttypid;
		columns[i].typmod = attribute->atttypmod;
		columns[i].collation = attribute->attcollation;
		columns[i].is_not_null = attribute->attnotnull;
	}
	table_close(relation, AccessShareLock);
	return columns;
}

/*
 * A copy that ends where the memory ends, so that valgrind sees a byte read too far. Freed with the current context.
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

static CqMessage *
array_messages(ArrayType *array, int *nmessages)
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

	return PointerGetDatum(construct_md_array(elements, nulls, 1, &nelements, &lower_bound, TEXTOID, -1, false, TYPALIGN_INT));
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

static Datum
row_bad(const CqBadCells *bad, int row)
{
	Datum	   *texts = palloc(sizeof(Datum) * (bad->ncells + 1));
	int			ntexts = 0;

	for (int i = 0; i < bad->ncells; i++)
	{
		const CqReject *reject = bad->cells[i].reject;

		if (i > 0 && bad->cells[i].row < bad->cells[i - 1].row)
			elog(ERROR, "bad cells are out of order");
		if (bad->cells[i].row == row)
			texts[ntexts++] = CStringGetTextDatum(psprintf("%d %s %s%s%s", bad->cells[i].attno,
														   unpack_sql_state(reject->sqlerrcode), reject->message,
														   reject->detail ? " | " : "", reject->detail ? reject->detail : ""));
	}
	return text_array(texts, NULL, ntexts);
}

Datum
json_decode(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int			ncolumns;
	CqColumn   *columns = table_columns(PG_GETARG_OID(0), &ncolumns);
	int			nmessages;
	CqMessage  *messages = array_messages(PG_GETARG_ARRAYTYPE_P(1), &nmessages);
	CqBadCells	bad = {0};
	CqDecoder  *decoder;
	Datum	  **values;
	bool	  **nulls;

	InitMaterializedSRF(fcinfo, 0);
	make_batch(ncolumns, nmessages, &values, &nulls);
	decoder = cq_json_format.decoder_open(&plain_options, columns, ncolumns);
	cq_json_format.decode(decoder, messages, nmessages, 0, values, nulls, &bad);
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

Datum
json_encode(PG_FUNCTION_ARGS)
{
	int			ncolumns;
	CqColumn   *columns = table_columns(PG_GETARG_OID(0), &ncolumns);
	HeapTupleHeader row = PG_GETARG_HEAPTUPLEHEADER(1);
	TupleDesc	descriptor = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(row), HeapTupleHeaderGetTypMod(row));
	HeapTupleData tuple;
	Datum	   *values = palloc(sizeof(Datum) * Max(ncolumns, 1));
	bool	   *nulls = palloc(sizeof(bool) * Max(ncolumns, 1));
	StringInfoData out;

	if (descriptor->natts != ncolumns)
		elog(ERROR, "the row has %d columns, the table %d", descriptor->natts, ncolumns);
	tuple.t_len = HeapTupleHeaderGetDatumLength(row);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = row;
	heap_deform_tuple(&tuple, descriptor, values, nulls);
	ReleaseTupleDesc(descriptor);

	initStringInfo(&out);
	cq_json_format.encode(cq_json_format.encoder_open(NULL, columns, ncolumns), values, nulls, &out);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}

Datum
json_infer(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int			nmessages;
	CqMessage  *messages = array_messages(PG_GETARG_ARRAYTYPE_P(0), &nmessages);
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

/* Of this process: other processes' load does not count. */
static double
cpu_nanoseconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

Datum
json_bench(PG_FUNCTION_ARGS)
{
	int			ncolumns;
	CqColumn   *columns = table_columns(PG_GETARG_OID(0), &ncolumns);
	int			nmessages;
	CqMessage  *messages = file_messages(text_to_cstring(PG_GETARG_TEXT_PP(1)), &nmessages);
	int			rounds = PG_GETARG_INT32(2);
	CqDecoder  *decoder = cq_json_format.decoder_open(&plain_options, columns, ncolumns);
	MemoryContext batch = AllocSetContextCreate(CurrentMemoryContext, "batch", ALLOCSET_DEFAULT_SIZES);
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
		cq_json_format.decode(decoder, messages, nmessages, 0, values, nulls, &bad);
		if (bad.ncells > 0)
			elog(ERROR, "%s", bad.cells[0].reject->message);
		MemoryContextSwitchTo(old);
		MemoryContextReset(batch);
	}
	PG_RETURN_FLOAT8((cpu_nanoseconds() - start) / ((double) rounds * Max(nmessages, 1)));
}
