/*
 * group_row.c
 *		The view's row of one group: see group_row.h.
 *
 *		row of the state   k1 k2 s1 s2 ──► finish each aggregate ──► k1 k2 a1 a2 ──► HAVING, target list ──► row of the view
 *
 * The expressions are the same that `read` has over cq.finish, run by the server's expression
 * evaluator.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_agg.h"
#include "state/combiner.h"
#include "state/group_row.h"
#include "utils/datum.h"
#include "utils/memutils.h"

/* An aggregate, and the column of the state that it is finished from. */
typedef struct Finisher
{
	CqCombiner	combiner;
	int			column;
} Finisher;

struct CqGroupRow
{
	EState	   *estate;
	ExprContext *econtext;
	int			nkeys;
	int			naggregates;
	Finisher   *finishers;
	TupleTableSlot *finished;
	ExprState  *having;			/* NULL: none */
	ProjectionInfo *projections[2];	/* by CqGroupRowPlace */
};

static TupleDesc
finished_descriptor(const CqViewPlan *plan)
{
	int			nkeys = cq_plan_nkeys(plan);
	TupleDesc	descriptor = CreateTemplateTupleDesc(nkeys + list_length(plan->aggregates));
	ListCell   *cell;

	for (int i = 0; i < nkeys; i++)
	{
		ColumnDef  *column = list_nth_node(ColumnDef, plan->columns, i);

		TupleDescInitEntry(descriptor, i + 1, column->colname, column->typeName->typeOid,
						   column->typeName->typemod, 0);
		TupleDescInitEntryCollation(descriptor, i + 1, column->collOid);
	}
	foreach(cell, plan->aggregates)
	{
		Aggref	   *aggref = ((CqAggregate *) lfirst(cell))->aggref;
		int			attno = nkeys + foreach_current_index(cell) + 1;

		TupleDescInitEntry(descriptor, attno, NULL, aggref->aggtype, -1, 0);
		TupleDescInitEntryCollation(descriptor, attno, aggref->aggcollid);
	}
	return descriptor;
}

static void
init_finishers(CqGroupRow *row, const CqViewPlan *plan)
{
	ListCell   *cell;

	row->nkeys = cq_plan_nkeys(plan);
	row->naggregates = list_length(plan->aggregates);
	row->finishers = palloc0(sizeof(Finisher) * Max(row->naggregates, 1));
	foreach(cell, plan->aggregates)
	{
		CqAggregate *aggregate = lfirst(cell);
		Aggref	   *aggref = aggregate->aggref;
		Finisher   *finisher = &row->finishers[foreach_current_index(cell)];
		Oid			argtypes[FUNC_MAX_ARGS];
		int			nargs = get_aggregate_argtypes(aggref, argtypes);

		cq_combiner_init(&finisher->combiner, aggref->aggfnoid, argtypes, nargs, aggref->aggtype,
						 OidIsValid(aggref->inputcollid) ? aggref->inputcollid : aggref->aggcollid);
		finisher->column = row->nkeys + aggregate->partial;
	}
}

CqGroupRow *
cq_group_row_open(const CqViewPlan *plan)
{
	EState	   *estate = CreateExecutorState();
	MemoryContext caller = MemoryContextSwitchTo(estate->es_query_cxt);
	CqGroupRow *row = palloc0(sizeof(CqGroupRow));
	TupleDesc	finished = finished_descriptor(plan);
	List	   *targets;
	Node	   *having;

	row->estate = estate;
	row->econtext = CreateExprContext(estate);
	init_finishers(row, plan);
	row->finished = MakeSingleTupleTableSlot(finished, &TTSOpsVirtual);
	cq_reject_raise(cq_read_group(plan, &targets, &having), NULL);
	targets = (List *) expression_planner((Expr *) targets);
	for (int i = 0; i < (int) lengthof(row->projections); i++)
	{
		TupleTableSlot *slot = MakeSingleTupleTableSlot(ExecTypeFromTL(targets), &TTSOpsVirtual);

		row->projections[i] = ExecBuildProjectionInfo(targets, row->econtext, slot, NULL, finished);
	}
	if (having != NULL)
		row->having = ExecInitQual(make_ands_implicit(expression_planner((Expr *) having)), NULL);
	MemoryContextSwitchTo(caller);
	return row;
}

static Datum
finish_aggregate(Finisher *finisher, Node *aggcontext, TupleTableSlot *state, bool *is_null)
{
	Datum		value = (Datum) 0;

	*is_null = state->tts_isnull[finisher->column];
	value = cq_combiner_load(&finisher->combiner, aggcontext, state->tts_values[finisher->column],
							 is_null);
	return cq_combiner_finish(&finisher->combiner, aggcontext, value, is_null);
}

TupleTableSlot *
cq_group_row_make(CqGroupRow *row, Node *aggcontext, TupleTableSlot *state, CqGroupRowPlace place)
{
	TupleTableSlot *finished = ExecClearTuple(row->finished);
	MemoryContext own = row->econtext->ecxt_per_tuple_memory;
	TupleTableSlot *result = NULL;

	memcpy(finished->tts_values, state->tts_values, sizeof(Datum) * row->nkeys);
	memcpy(finished->tts_isnull, state->tts_isnull, sizeof(bool) * row->nkeys);
	for (int i = 0; i < row->naggregates; i++)
		finished->tts_values[row->nkeys + i] =
			finish_aggregate(&row->finishers[i], aggcontext, state,
							 &finished->tts_isnull[row->nkeys + i]);
	ExecStoreVirtualTuple(finished);
	row->econtext->ecxt_scantuple = finished;
	/* What the expressions make lives as long as the caller's rows. */
	row->econtext->ecxt_per_tuple_memory = CurrentMemoryContext;
	if (row->having == NULL || ExecQual(row->having, row->econtext))
		result = ExecProject(row->projections[place]);
	row->econtext->ecxt_per_tuple_memory = own;
	return result;
}

bool
cq_group_row_same(TupleTableSlot *one, TupleTableSlot *other)
{
	TupleDesc	descriptor = one->tts_tupleDescriptor;

	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);

		if (one->tts_isnull[i] != other->tts_isnull[i] ||
			(!one->tts_isnull[i] &&
			 !datum_image_eq(one->tts_values[i], other->tts_values[i], attribute->attbyval,
							 attribute->attlen)))
			return false;
	}
	return true;
}

void
cq_group_row_close(CqGroupRow *row)
{
	FreeExecutorState(row->estate);
}
