/*
 * row.c
 *		The format of streams kept in the database: a row as a composite Datum of the stream's row
 *		type.
 *
 * A row may be older than the stream's last columns: those that it lacks are null. Columns go by
 * number, which the server keeps for an attribute for good. Metadata columns are in the row type
 * too; in a stored row they are null.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "format/format.h"
#include "nodes/bitmapset.h"
#include "utils/typcache.h"

struct CqDecoder
{
	const CqColumn *columns;
	int			ncolumns;
	Datum	   *values;
	bool	   *nulls;
};

struct CqEncoder
{
	/* up to the last column; those in between that are not ours are always null */
	TupleDesc	descriptor;
	Bitmapset  *attributes;
	Datum	   *values;
	bool	   *nulls;
};

static CqColumn *
copy_columns(const CqColumn *columns, int ncolumns)
{
	CqColumn   *copy = palloc(sizeof(CqColumn) * Max(ncolumns, 1));

	if (ncolumns > 0)
		memcpy(copy, columns, sizeof(CqColumn) * ncolumns);
	return copy;
}

static int
last_attribute(const CqColumn *columns, int ncolumns)
{
	int			last = 0;

	for (int i = 0; i < ncolumns; i++)
		last = Max(last, columns[i].attno);
	return last;
}

static CqDecoder *
row_decoder_open(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	CqDecoder  *decoder = palloc0(sizeof(CqDecoder));

	decoder->columns = copy_columns(columns, ncolumns);
	decoder->ncolumns = ncolumns;
	return decoder;
}

/* What a row holds, by attribute number; those it does not reach are null. */
static void
deform(const CqMessage *message, TupleDesc descriptor, Datum *values, bool *nulls)
{
	HeapTupleData tuple;

	tuple.t_len = message->value_length;
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = (HeapTupleHeader) message->value;
	heap_deform_tuple(&tuple, descriptor, values, nulls);
}

static void
row_decode(CqDecoder *decoder, const CqMessage *messages, int nmessages, int first_row,
		   Datum **values, bool **nulls, CqBadCells *bad)
{
	HeapTupleHeader first = (HeapTupleHeader) messages[0].value;
	TupleDesc	descriptor;
	Datum	   *fields;
	bool	   *field_nulls;

	if (decoder->ncolumns == 0)
		return;
	descriptor = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(first),
										HeapTupleHeaderGetTypMod(first));
	fields = palloc(sizeof(Datum) * descriptor->natts);
	field_nulls = palloc(sizeof(bool) * descriptor->natts);
	for (int i = 0; i < nmessages; i++)
	{
		int			row = first_row + i;

		deform(&messages[i], descriptor, fields, field_nulls);
		for (int c = 0; c < decoder->ncolumns; c++)
		{
			const CqColumn *column = &decoder->columns[c];
			int			field = column->attno - 1;

			values[field][row] = fields[field];
			nulls[field][row] = field_nulls[field];
			if (field_nulls[field] && column->is_not_null)
				cq_bad_cells_add(bad, row, column->attno,
								 cq_reject(ERRCODE_NOT_NULL_VIOLATION, "column \"%s\" is null",
										   column->name));
		}
	}
	ReleaseTupleDesc(descriptor);
	pfree(fields);
	pfree(field_nulls);
}

static CqEncoder *
row_encoder_open(const CqFormatOptions *options, const CqColumn *columns, int ncolumns)
{
	CqEncoder  *encoder = palloc0(sizeof(CqEncoder));
	int			natts = last_attribute(columns, ncolumns);

	encoder->descriptor = CreateTemplateTupleDesc(natts);
	for (int i = 0; i < natts; i++)
		TupleDescInitEntry(encoder->descriptor, i + 1, NULL, INT4OID, -1, 0);
	for (int i = 0; i < ncolumns; i++)
	{
		TupleDescInitEntry(encoder->descriptor, columns[i].attno, NULL, columns[i].type,
						   columns[i].typmod, 0);
		encoder->attributes = bms_add_member(encoder->attributes, columns[i].attno);
	}
	encoder->values = palloc0(sizeof(Datum) * Max(natts, 1));
	encoder->nulls = palloc(sizeof(bool) * Max(natts, 1));
	memset(encoder->nulls, true, natts);
	return encoder;
}

/* The result's type is anonymous: whoever stores it knows the row type. */
static void
row_encode(CqEncoder *encoder, const Datum *values, const bool *nulls, StringInfo out)
{
	HeapTuple	tuple;
	HeapTupleHeader value;
	int			attno = -1;

	while ((attno = bms_next_member(encoder->attributes, attno)) >= 0)
	{
		encoder->values[attno - 1] = values[attno - 1];
		encoder->nulls[attno - 1] = nulls[attno - 1];
	}
	tuple = heap_form_tuple(encoder->descriptor, encoder->values, encoder->nulls);
	value = DatumGetHeapTupleHeader(heap_copy_tuple_as_datum(tuple, encoder->descriptor));
	appendBinaryStringInfo(out, (char *) value, HeapTupleHeaderGetDatumLength(value));
	heap_freetuple(tuple);
	pfree(value);
}

const CqFormat cq_row_format = {
	.name = "row",
	.decoder_open = row_decoder_open,
	.decode = row_decode,
	.encoder_open = row_encoder_open,
	.encode = row_encode,
};
