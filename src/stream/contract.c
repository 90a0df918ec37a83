/*
 * contract.c
 *		CHECK constraints of a stream, held against each message that is read.
 *
 * The server itself takes those of foreign tables for true. A row that breaks one is bad as a
 * whole, whichever columns a view needs; so what they are about is decoded for every view. An
 * expression that fails is an error of its row. As elsewhere in SQL null breaks nothing; a row of
 * which some input is bad, or left out since it has not changed, is not looked at: the one is bad
 * already for whoever needs the value, the other was looked at before.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "access/xact.h"
#include "common/attempt.h"
#include "common/compat.h"
#include "common/fault.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "stream/contract.h"
#include "utils/rel.h"

void
cq_contract_describe(CqReader *reader, Relation relation)
{
	TupleConstr *constraints = RelationGetDescr(relation)->constr;

	for (int i = 0; constraints != NULL && i < constraints->num_check; i++)
	{
		CqContract *contract = palloc0(sizeof(CqContract));
		Bitmapset  *found = NULL;
		int			member = -1;

		if (!cq_compat_is_enforced(&constraints->check[i]))
			continue;
		contract->name = pstrdup(constraints->check[i].ccname);
		contract->expression = stringToNode(constraints->check[i].ccbin);
		pull_varattnos(contract->expression, 1, &found);
		while ((member = bms_next_member(found, member)) >= 0)
		{
			if (member + FirstLowInvalidHeapAttributeNumber > 0)
				contract->inputs = bms_add_member(contract->inputs,
												  member + FirstLowInvalidHeapAttributeNumber);
		}
		/* One about system columns, or the whole row, is left to INSERT. */
		if (bms_num_members(contract->inputs) != bms_num_members(found))
			continue;
		reader->contracts = lappend(reader->contracts, contract);
		reader->contract_inputs = bms_add_members(reader->contract_inputs, contract->inputs);
	}
}

/* One constraint while it is held against rows. */
typedef struct Holding
{
	CqBatch    *batch;
	const CqContract *contract;
	ExprState  *state;
	ExprContext *context;
	TupleTableSlot *slot;		/* of the table's columns */
	Bitmapset  *passed_over;	/* rows */
	int			next;			/* row */
} Holding;

static CqReject *
name_contract(const Holding *holding, CqReject *reject)
{
	return cq_reject_constraint(reject, holding->contract->name);
}

static void
check_row(Holding *holding, int row)
{
	CqBatch    *batch = holding->batch;
	TupleTableSlot *slot = holding->slot;
	int			input = -1;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts);
	while ((input = bms_next_member(holding->contract->inputs, input)) >= 0)
	{
		slot->tts_values[input - 1] = batch->values[input - 1][row];
		slot->tts_isnull[input - 1] = batch->nulls[input - 1][row];
	}
	ExecStoreVirtualTuple(slot);
	ResetExprContext(holding->context);
	if (!ExecCheck(holding->state, holding->context))
		cq_bad_cells_add(&batch->bad, row, 0,
						 name_contract(holding,
									   cq_reject(ERRCODE_CHECK_VIOLATION,
												 "the row violates check constraint \"%s\"",
												 holding->contract->name)));
}

/* From the next row on; next is always the one that is being looked at. */
static void
check_rows(void *arg)
{
	Holding    *holding = arg;

	for (; holding->next < holding->batch->nrows; holding->next++)
	{
		if (!bms_is_member(holding->next, holding->passed_over))
			check_row(holding, holding->next);
	}
}

static Bitmapset *
rows_to_pass_over(const CqBatch *batch, const CqContract *contract)
{
	Bitmapset  *rows = bms_union(batch->absent, batch->gone);
	int			input = -1;

	for (int i = 0; i < batch->bad.ncells; i++)
	{
		const CqBadCell *cell = &batch->bad.cells[i];

		if (cell->attno == 0 || bms_is_member(cell->attno, contract->inputs))
			rows = bms_add_member(rows, cell->row);
	}
	while (batch->lacking != NULL && (input = bms_next_member(contract->inputs, input)) >= 0)
		rows = bms_add_members(rows, batch->lacking[input - 1]);
	return rows;
}

static void
hold(Holding *holding)
{
	if (IsInParallelMode())		/* which allows no subtransaction */
		check_rows(holding);
	while (holding->next < holding->batch->nrows)
	{
		ErrorData  *error = cq_attempt(check_rows, holding);

		if (error == NULL)
			break;
		if (!cq_fault_is_of_value(error))
			ReThrowError(error);
		cq_bad_cells_add(&holding->batch->bad, holding->next++, 0,
						 name_contract(holding,
									   cq_reject(error->sqlerrcode,
												 "check constraint \"%s\": %s",
												 holding->contract->name, error->message)));
		FreeErrorData(error);
	}
}

void
cq_contract_hold(CqReader *reader, CqBatch *batch)
{
	Relation	relation;
	EState	   *estate;
	TupleTableSlot *slot;
	ListCell   *cell;

	if (reader->contracts == NIL)
		return;
	relation = table_open(reader->stream->relid, NoLock);
	estate = CreateExecutorState();
	slot = MakeSingleTupleTableSlot(RelationGetDescr(relation), &TTSOpsVirtual);
	slot->tts_tableOid = reader->stream->relid;
	foreach(cell, reader->contracts)
	{
		const CqContract *contract = lfirst(cell);
		Holding		holding = {.batch = batch, .contract = contract, .slot = slot};

		holding.passed_over = rows_to_pass_over(batch, contract);
		holding.context = GetPerTupleExprContext(estate);
		holding.context->ecxt_scantuple = slot;
		holding.state = ExecPrepareExpr((Expr *) contract->expression, estate);
		hold(&holding);
		cq_batch_sort_rejects(batch);
	}
	ExecDropSingleTupleTableSlot(slot);
	FreeExecutorState(estate);
	table_close(relation, NoLock);
}
