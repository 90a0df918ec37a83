/*
 * modify.c
 *		INSERT and COPY into a stream, and TRUNCATE of one that is kept in this database.
 *
 * A row becomes a message (see outgoing.h). Rows go to the source in batches, except where each has
 * to be known at once, for RETURNING, triggers and the like. Unlike other foreign tables, a
 * stream's constraints are enforced here: nobody behind it would.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "common/compat.h"
#include "executor/executor.h"
#include "source/log.h"
#include "stream/modify.h"
#include "stream/outgoing.h"
#include "stream/reader_state.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#define BATCH_ROWS 1000

typedef struct ModifyState
{
	CqStream   *stream;
	CqOutgoingRows *rows;
	CqSink	   *sink;
	CqOutgoing	outgoing[BATCH_ROWS];
	MemoryContext batch_context;
	TupleTableSlot *returned;	/* a row with what the source has added, made when somebody asks */
} ModifyState;

/* Are rows looked at again once they are written? */
static bool
must_return_rows(const ResultRelInfo *result)
{
	const TriggerDesc *triggers = result->ri_TrigDesc;

	return result->ri_projectReturning != NULL || result->ri_WithCheckOptions != NIL ||
		(triggers != NULL && (triggers->trig_insert_before_row || triggers->trig_insert_after_row));
}

static void
begin_insert(ResultRelInfo *result, EState *estate)
{
	MemoryContext caller = MemoryContextSwitchTo(estate->es_query_cxt);
	Relation	relation = result->ri_RelationDesc;
	ModifyState *modify = palloc0(sizeof(ModifyState));
	CqSourceConfig config;

	modify->stream = cq_stream_get(RelationGetRelid(relation),
								   cq_compat_modify_user(result, estate));
	if (modify->stream->mode == CQ_MODE_DEBEZIUM)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot insert into stream \"%s\"", RelationGetRelationName(relation)),
				 errdetail("Its mode is debezium: messages say what rows were and are.")));
	config = cq_reader_config(modify->stream, true);
	modify->rows = cq_outgoing_open(modify->stream, RelationGetDescr(relation));
	modify->batch_context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq insert",
												  ALLOCSET_DEFAULT_SIZES);
	modify->sink = cq_reader_routine(modify->stream)->sink_open(&config);
	result->ri_FdwState = modify;
	MemoryContextSwitchTo(caller);
}

static void
begin_foreign_modify(ModifyTableState *node, ResultRelInfo *result, List *fdw_private, int subplan,
					 int eflags)
{
	if ((eflags & EXEC_FLAG_EXPLAIN_ONLY) == 0)
		begin_insert(result, node->ps.state);
}

static void
begin_foreign_insert(ModifyTableState *node, ResultRelInfo *result)
{
	begin_insert(result, node->ps.state);
}

static void
end_insert(EState *estate, ResultRelInfo *result)
{
	ModifyState *modify = result->ri_FdwState;

	if (modify == NULL)
		return;
	result->ri_FdwState = NULL;
	cq_reader_routine(modify->stream)->sink_close(modify->sink);
	MemoryContextDelete(modify->batch_context);
}

/*
 * Where a row was written to, in terms of one kind of metadata; false for the kinds that the row
 * itself has said.
 */
static bool
get_place(const CqOutgoing *row, CqColumnOrigin origin, Datum *value)
{
	switch (origin)
	{
		case CQ_COLUMN_TOPIC:
			*value = CStringGetTextDatum(row->topic);
			return true;
		case CQ_COLUMN_PARTITION:
			*value = Int32GetDatum(row->partition);
			return true;
		case CQ_COLUMN_OFFSET:
			*value = Int64GetDatum(row->message.offset);
			return true;
		case CQ_COLUMN_TIMESTAMP:
			*value = TimestampTzGetDatum(row->message.timestamp);
			return true;
		default:
			return false;
	}
}

/* The row with its place, if that is known at once. */
static TupleTableSlot *
complete_row(ModifyState *modify, EState *estate, TupleTableSlot *slot, const CqOutgoing *row)
{
	const CqStream *stream = modify->stream;
	TupleTableSlot *returned;

	if (modify->returned == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(estate->es_query_cxt);

		modify->returned = ExecInitExtraTupleSlot(estate, slot->tts_tupleDescriptor,
												  &TTSOpsVirtual);
		MemoryContextSwitchTo(caller);
	}
	returned = modify->returned;
	ExecCopySlot(returned, slot);
	for (int i = 0; i < stream->ncolumns && row->message.offset >= 0; i++)
	{
		int			index = stream->columns[i].attno - 1;
		Datum		value;

		if (!get_place(row, stream->columns[i].origin, &value))
			continue;
		returned->tts_isnull[index] = false;
		returned->tts_values[index] = value;
	}
	return returned;
}

static void
check_constraints(ModifyState *modify, ResultRelInfo *result, EState *estate, TupleTableSlot *slot)
{
	Relation	relation = result->ri_RelationDesc;
	bool		deletes = modify->stream->mode == CQ_MODE_UPSERT &&
		cq_outgoing_is_tombstone(modify->stream, slot);

	if (RelationGetDescr(relation)->constr != NULL && !deletes)
		ExecConstraints(result, slot, estate);
	/* A row that came through the partitioned table is where it belongs. */
	if (relation->rd_rel->relispartition && result->ri_RootResultRelInfo == NULL)
		ExecPartitionCheck(result, slot, estate, true);
}

static void
append_rows(ModifyState *modify, ResultRelInfo *result, EState *estate, TupleTableSlot **slots,
			int nslots)
{
	MemoryContext caller = CurrentMemoryContext;

	MemoryContextReset(modify->batch_context);
	for (int i = 0; i < nslots; i++)
	{
		check_constraints(modify, result, estate, slots[i]);
		MemoryContextSwitchTo(modify->batch_context);
		cq_outgoing_fill(modify->rows, slots[i], &modify->outgoing[i]);
		MemoryContextSwitchTo(caller);
	}
	cq_reader_routine(modify->stream)->sink_append(modify->sink, modify->outgoing, nslots);
}

static TupleTableSlot *
insert_row(EState *estate, ResultRelInfo *result, TupleTableSlot *slot, TupleTableSlot *plan_slot)
{
	ModifyState *modify = result->ri_FdwState;

	append_rows(modify, result, estate, &slot, 1);
	return must_return_rows(result) ? complete_row(modify, estate, slot, &modify->outgoing[0]) :
		slot;
}

static TupleTableSlot **
insert_rows(EState *estate, ResultRelInfo *result, TupleTableSlot **slots,
			TupleTableSlot **plan_slots, int *nslots)
{
	append_rows(result->ri_FdwState, result, estate, slots, *nslots);
	return slots;
}

static int
get_batch_size(ResultRelInfo *result)
{
	return must_return_rows(result) ? 1 : BATCH_ROWS;
}

/*
 * What a stream cannot do is said here, with the reason; the executor would only say that it
 * cannot.
 */
static List *
plan_modify(PlannerInfo *root, ModifyTable *plan, Index rtindex, int subplan)
{
	const char *name = get_rel_name(planner_rt_fetch(rtindex, root)->relid);

	if (plan->operation != CMD_INSERT)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 plan->operation == CMD_DELETE ? errmsg("cannot delete from stream \"%s\"", name) :
				 errmsg("cannot update stream \"%s\"", name),
				 errdetail("Messages of a stream stay as they were written.")));
	if (plan->onConflictAction != ONCONFLICT_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot use ON CONFLICT with stream \"%s\"", name),
				 errdetail("A stream has no keys that could be in conflict.")));
	return NIL;
}

static int
is_updatable(Relation relation)
{
	return 1 << CMD_INSERT;
}

static void
truncate_streams(List *relations, DropBehavior behavior, bool restart_seqs)
{
	ListCell   *cell;

	foreach(cell, relations)
	{
		Relation	relation = lfirst(cell);

		if (cq_stream_get(RelationGetRelid(relation), InvalidOid)->kind != CQ_STREAM_LOG)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot truncate stream \"%s\"", RelationGetRelationName(relation)),
					 errdetail("The topic's own retention says what goes from it.")));
		cq_log_table_truncate(RelationGetRelid(relation));
	}
}

void
cq_modify_init(FdwRoutine *routine)
{
	routine->PlanForeignModify = plan_modify;
	routine->BeginForeignModify = begin_foreign_modify;
	routine->ExecForeignInsert = insert_row;
	routine->ExecForeignBatchInsert = insert_rows;
	routine->GetForeignModifyBatchSize = get_batch_size;
	routine->EndForeignModify = end_insert;
	routine->BeginForeignInsert = begin_foreign_insert;
	routine->EndForeignInsert = end_insert;
	routine->IsForeignRelUpdatable = is_updatable;
	routine->ExecForeignTruncate = truncate_streams;
}
