/*
 * generated.c
 *		Generated columns of a stream: computed of the others when a message is read,
	and no part of it.
 *
 * An expression that fails is an error of its row, as a value is that cannot be decoded. A column
 * that is computed of one that is bad is bad.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "access/xact.h"
#include "common/attempt.h"
#include "common/fault.h"
#include "executor/executor.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "stream/reader_state.h"
#include "utils/datum.h"
#include "utils/rel.h"

void
cq_generated_describe(CqReader *reader, Relation relation)
{
	reader->generated = palloc0(sizeof(CqGenerated) * Max(reader->batch.natts, 1));
	for (int i = 0; i < reader->stream->ncolumns; i++)
	{
		int			attno = reader->stream->columns[i].attno;
		CqGenerated *generated = &reader->generated[attno - 1];
		Bitmapset  *found = NULL;
		int			member = -1;

		if (reader->stream->columns[i].origin != CQ_COLUMN_GENERATED)
			continue;
		generated->expression = build_column_default(relation, attno);
		pull_varattnos(generated->expression, 1, &found);
		while ((member = bms_next_member(found, member)) >= 0)
		{
			if (member + FirstLowInvalidHeapAttributeNumber > 0)
				generated->inputs = bms_add_member(generated->inputs,
												   member + FirstLowInvalidHeapAttributeNumber);
		}
	}
}

Bitmapset *
cq_generated_with_inputs(const CqReader *reader, const Bitmapset *columns)
{
	Bitmapset  *all = bms_union(columns, reader->contract_inputs);
	Bitmapset  *wanted = bms_copy(all);
	int			attno = -1;

	while ((attno = bms_next_member(wanted, attno)) >= 0)
		all = bms_add_members(all, reader->generated[attno - 1].inputs);
	return all;
}

/* One column while it is computed. */
typedef struct Computation
{
	CqBatch    *batch;
	const CqColumn *column;
	const CqGenerated *generated;
	ExprState  *state;
	ExprContext *context;
	TupleTableSlot *slot;		/* of the table's columns */
	Bitmapset  *bad_rows;		/* where an input is bad */
	int			next;			/* row */
	bool		is_by_value;
	int16		length;
} Computation;

static void
compute_row(Computation *computation, int row)
{
	CqBatch    *batch = computation->batch;
	int			index = computation->column->attno - 1;
	TupleTableSlot *slot = computation->slot;
	int			input = -1;
	Datum		value;
	bool		is_null;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts);
	while ((input = bms_next_member(computation->generated->inputs, input)) >= 0)
	{
		slot->tts_values[input - 1] = batch->values[input - 1][row];
		slot->tts_isnull[input - 1] = batch->nulls[input - 1][row];
	}
	ExecStoreVirtualTuple(slot);
	ResetExprContext(computation->context);
	value = ExecEvalExprSwitchContext(computation->state, computation->context, &is_null);
	batch->nulls[index][row] = is_null;
	batch->values[index][row] = is_null ? (Datum) 0 : datumCopy(value, computation->is_by_value,
																computation->length);
	if (is_null && computation->column->is_not_null)
		cq_bad_cells_add(&batch->bad, row, computation->column->attno,
						 cq_reject(ERRCODE_NOT_NULL_VIOLATION, "column \"%s\" is null",
								   computation->column->name));
}

/* From the next row on; next is always the one that is being computed. */
static void
compute_rows(void *arg)
{
	Computation *computation = arg;

	for (; computation->next < computation->batch->nrows; computation->next++)
	{
		if (!bms_is_member(computation->next, computation->bad_rows))
			compute_row(computation, computation->next);
	}
}

static void
reject_row(const Computation *computation, int row, CqReject *reject)
{
	int			index = computation->column->attno - 1;

	computation->batch->values[index][row] = (Datum) 0;
	computation->batch->nulls[index][row] = true;
	cq_bad_cells_add(&computation->batch->bad, row, computation->column->attno, reject);
}

/* What is computed of a value that is left out cannot be computed. */
static void
reject_lacking(Computation *computation)
{
	CqBatch    *batch = computation->batch;
	int			input = -1;

	while (batch->lacking != NULL &&
		   (input = bms_next_member(computation->generated->inputs, input)) >= 0)
	{
		int			row = -1;

		while ((row = bms_next_member(batch->lacking[input - 1], row)) >= 0)
		{
			if (bms_is_member(row, computation->bad_rows))
				continue;
			computation->bad_rows = bms_add_member(computation->bad_rows, row);
			reject_row(computation, row,
					   cq_reject(ERRCODE_DATA_EXCEPTION,
								 "column \"%s\" is computed of a value that has not "
								 "changed, and is not in the message", computation->column->name));
		}
	}
}

/* Rows with a bad input are bad in this column, too, and rows that are no rows have none. */
static void
pass_on_rejects(Computation *computation)
{
	CqBatch    *batch = computation->batch;
	int			ncells = batch->bad.ncells;
	int			row = -1;

	for (int i = 0; i < ncells; i++)
	{
		CqBadCell	cell = batch->bad.cells[i];

		if (cell.attno != 0 && !bms_is_member(cell.attno, computation->generated->inputs))
			continue;
		if (cell.attno != 0 && !bms_is_member(cell.row, computation->bad_rows))
			reject_row(computation, cell.row, cell.reject);
		computation->bad_rows = bms_add_member(computation->bad_rows, cell.row);
	}
	reject_lacking(computation);
	computation->bad_rows = bms_add_members(computation->bad_rows, batch->absent);
	computation->bad_rows = bms_add_members(computation->bad_rows, batch->gone);
	while ((row = bms_next_member(computation->bad_rows, row)) >= 0)
	{
		batch->values[computation->column->attno - 1][row] = (Datum) 0;
		batch->nulls[computation->column->attno - 1][row] = true;
	}
}

static void
compute_column(Computation *computation)
{
	pass_on_rejects(computation);
	if (IsInParallelMode())		/* which allows no subtransaction */
		compute_rows(computation);
	while (computation->next < computation->batch->nrows)
	{
		ErrorData  *error = cq_attempt(compute_rows, computation);

		if (error == NULL)
			break;
		if (!cq_fault_is_of_value(error))
			ReThrowError(error);
		reject_row(computation, computation->next++,
				   cq_reject_constraint(cq_reject(error->sqlerrcode, "column \"%s\": %s",
												  computation->column->name, error->message),
										error->constraint_name));
		FreeErrorData(error);
	}
}

static void
compute_columns(CqReader *reader, CqBatch *batch, const Bitmapset *columns)
{
	Relation	relation = table_open(reader->stream->relid, NoLock);
	EState	   *estate = CreateExecutorState();
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(relation), &TTSOpsVirtual);

	slot->tts_tableOid = reader->stream->relid;
	for (int i = 0; i < reader->stream->ncolumns; i++)
	{
		const CqColumn *column = &reader->columns[i];
		const CqGenerated *generated = &reader->generated[column->attno - 1];
		Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(relation), column->attno - 1);
		Computation computation = {
			.batch = batch, .column = column, .generated = generated, .slot = slot,
			.is_by_value = attribute->attbyval, .length = attribute->attlen
		};

		if (generated->expression == NULL || !bms_is_member(column->attno, columns))
			continue;
		computation.context = GetPerTupleExprContext(estate);
		computation.context->ecxt_scantuple = slot;
		computation.state = ExecPrepareExpr((Expr *) generated->expression, estate);
		compute_column(&computation);
	}
	ExecDropSingleTupleTableSlot(slot);
	FreeExecutorState(estate);
	table_close(relation, NoLock);
}

bool
cq_generated_fill(CqReader *reader, CqBatch *batch, const Bitmapset *columns)
{
	int			nbad = batch->bad.ncells;
	int			attno = -1;

	while ((attno = bms_next_member(columns, attno)) >= 0)
	{
		if (reader->generated[attno - 1].expression == NULL)
			continue;
		compute_columns(reader, batch, columns);
		break;
	}
	return batch->bad.ncells > nbad;
}
