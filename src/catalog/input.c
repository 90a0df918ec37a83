/*
 * input.c
 *		Rows of _cq.input: see input.h.
 */
#include "postgres.h"

#include "catalog/input.h"
#include "catalog/rows.h"

/* Columns of _cq.input, as in schema/catalog.sql. */
enum
{
	INPUT_VIEW = 1,
	INPUT_STREAM,
	INPUT_NUMBER,
	INPUT_IS_STARTED,
	INPUT_NATTS = INPUT_IS_STARTED
};

typedef struct Input
{
	int			number;
	Oid			stream;
} Input;

static int
compare_numbers(const ListCell *one, const ListCell *other)
{
	return ((const Input *) lfirst(one))->number - ((const Input *) lfirst(other))->number;
}

List *
cq_input_list(Oid view, bool *is_started)
{
	List	   *inputs = NIL;
	List	   *streams = NIL;
	CqRows		rows;
	Datum		values[INPUT_NATTS];
	bool		nulls[INPUT_NATTS];
	ListCell   *cell;

	*is_started = true;
	cq_rows_begin(&rows, "input", "input_pkey", INPUT_VIEW, view);
	while (cq_rows_next(&rows, INPUT_NATTS, values, nulls))
	{
		Input	   *input = palloc(sizeof(Input));

		input->number = DatumGetInt32(values[INPUT_NUMBER - 1]);
		input->stream = DatumGetObjectId(values[INPUT_STREAM - 1]);
		*is_started &= DatumGetBool(values[INPUT_IS_STARTED - 1]);
		inputs = lappend(inputs, input);
	}
	cq_rows_end(&rows);
	*is_started &= inputs != NIL;
	list_sort(inputs, compare_numbers);
	foreach(cell, inputs)
		streams = lappend_oid(streams, ((const Input *) lfirst(cell))->stream);
	list_free_deep(inputs);
	return streams;
}

void
cq_input_insert(Oid view, const List *streams)
{
	bool		nulls[INPUT_NATTS] = {false};
	ListCell   *cell;

	foreach(cell, streams)
	{
		Datum		values[] = {
			ObjectIdGetDatum(view), ObjectIdGetDatum(lfirst_oid(cell)),
			Int32GetDatum(foreach_current_index(cell) + 1), BoolGetDatum(false)
		};

		cq_rows_insert("input", INPUT_NATTS, values, nulls);
	}
}

void
cq_input_forget(Oid view)
{
	cq_rows_delete("input", "input_pkey", INPUT_VIEW, view);
}
