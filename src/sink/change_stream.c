/*
 * change_stream.c
 *		The changes of a view as a stream of this database, with the columns old and new, which are
 *		rows of the view.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/query.h"
#include "common/name.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "sink/sink.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

typedef struct ChangeStream
{
	CqChangeReceiver pub;
	Oid			stream;
	TupleDesc	row;
	SPIPlanPtr	insert;			/* NULL: not connected to SPI yet */
	MemoryContext row_context;
} ChangeStream;

/* Whatever they are called: they were made as the first two columns. */
#define OLD_COLUMN 1
#define NEW_COLUMN 2

static const char *
column_name(const ChangeStream *stream, AttrNumber attno)
{
	return quote_identifier(get_attname(stream->stream, attno, false));
}

static SPIPlanPtr
prepare_insert(const ChangeStream *stream)
{
	char	   *name = cq_name_qualified(stream->stream);
	Oid			types[] = {stream->row->tdtypeid, stream->row->tdtypeid};
	char	   *insert = psprintf("INSERT INTO %s (%s, %s) VALUES ($1, $2)", name,
								  column_name(stream, OLD_COLUMN), column_name(stream, NEW_COLUMN));

	return cq_query_prepare(insert, lengthof(types), types);
}

static Datum
row_datum(const ChangeStream *stream, TupleTableSlot *row)
{
	return row ? HeapTupleGetDatum(heap_form_tuple(stream->row, row->tts_values, row->tts_isnull)) :
		(Datum) 0;
}

static void
add_to_stream(CqChangeReceiver *self, TupleTableSlot *before, TupleTableSlot *after)
{
	ChangeStream *stream = (ChangeStream *) self;
	MemoryContext caller = CurrentMemoryContext;
	char		nulls[] = {before ? ' ' : 'n', after ? ' ' : 'n'};
	Datum		values[2];

	if (stream->insert == NULL)
	{
		SPI_connect();
		stream->insert = prepare_insert(stream);
	}
	MemoryContextSwitchTo(stream->row_context);
	values[0] = row_datum(stream, before);
	values[1] = row_datum(stream, after);
	if (SPI_execute_plan(stream->insert, values, nulls, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not write a change: %s", SPI_result_code_string(SPI_result));
	MemoryContextSwitchTo(caller);
	MemoryContextReset(stream->row_context);
}

static void
finish_stream(CqChangeReceiver *self)
{
	ChangeStream *stream = (ChangeStream *) self;

	if (stream->insert != NULL)
		SPI_finish();
	MemoryContextDelete(stream->row_context);
}

CqChangeReceiver *
cq_change_stream_open(Oid relid, TupleDesc row)
{
	ChangeStream *stream = palloc0(sizeof(ChangeStream));

	stream->pub.take = add_to_stream;
	stream->pub.finish = finish_stream;
	stream->stream = relid;
	stream->row = row;
	stream->row_context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq change stream",
												ALLOCSET_SMALL_SIZES);
	return &stream->pub;
}
