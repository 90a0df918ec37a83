/*
 * writer.c
 *		Writes rows of one state table: see writer.h.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/hio.h"
#include "access/xact.h"
#include "common/compat.h"
#include "executor/executor.h"
#include "state/writer.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* So many are written together, or as many as have so many bytes. */
#define BUFFERED_ROWS 500
#define BUFFERED_BYTES (1024 * 1024)

struct CqWriter
{
	Relation	relation;
	MemoryContext lifetime;		/* of the slots that are made as they are needed */
	EState	   *estate;
	ResultRelInfo *result;		/* for the indexes that users create */
	BulkInsertState bulk;
	CommandId	command;
	CqAppendedCallback callback;
	void	   *context;
	TupleTableSlot *buffer[BUFFERED_ROWS];
	uint32		tags[BUFFERED_ROWS];
	int			nbuffered;
	Size		buffered_bytes;
	BlockNumber nblocks;		/* at the beginning */
	IndexFetchTableData *fetch;
	TupleTableSlot *fetched;	/* the row fetched last */
};

CqWriter *
cq_writer_open(Oid state, CqAppendedCallback callback, void *context)
{
	Relation	relation = try_table_open(state, RowExclusiveLock);
	CqWriter   *writer;

	if (relation == NULL)
		return NULL;
	writer = palloc0(sizeof(CqWriter));
	writer->relation = relation;
	writer->lifetime = CurrentMemoryContext;
	writer->estate = CreateExecutorState();
	writer->result = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->result, relation, 0, NULL, 0);
	ExecOpenIndices(writer->result, false);
	writer->command = GetCurrentCommandId(true);
	writer->callback = callback;
	writer->context = context;
	writer->fetched = table_slot_create(relation, NULL);
	writer->nblocks = RelationGetNumberOfBlocks(relation);
	writer->fetch = table_index_fetch_begin(relation);
	return writer;
}

Relation
cq_writer_relation(const CqWriter *writer)
{
	return writer->relation;
}

static void
insert_index_entries(CqWriter *writer, TupleTableSlot *slot)
{
	if (writer->result->ri_NumIndices == 0)
		return;
	cq_compat_insert_index_tuples(writer->result, slot, writer->estate);
	ResetPerTupleExprContext(writer->estate);
}

/*
 * Keeps a hold on the page that is being filled. Not so the ring of buffers that comes with it:
 * what was written last is what is read next, and a ring would make this process flush the log and
 * write pages.
 */
static void
open_bulk(CqWriter *writer)
{
	MemoryContext caller = MemoryContextSwitchTo(writer->lifetime);

	writer->bulk = GetBulkInsertState();
	FreeAccessStrategy(writer->bulk->strategy);
	writer->bulk->strategy = NULL;
	MemoryContextSwitchTo(caller);
}

static void
flush(CqWriter *writer)
{
	MemoryContext caller;

	if (writer->nbuffered == 0)
		return;
	if (writer->bulk == NULL)
		open_bulk(writer);
	/* leaks, where rows are toasted */
	caller = MemoryContextSwitchTo(GetPerTupleMemoryContext(writer->estate));
	table_multi_insert(writer->relation, writer->buffer, writer->nbuffered, writer->command, 0,
					   writer->bulk);
	MemoryContextSwitchTo(caller);
	for (int i = 0; i < writer->nbuffered; i++)
	{
		TupleTableSlot *slot = writer->buffer[i];

		insert_index_entries(writer, slot);
		if (writer->callback != NULL)
			writer->callback(writer->context, writer->tags[i], &slot->tts_tid);
		ExecClearTuple(slot);
	}
	writer->nbuffered = 0;
	writer->buffered_bytes = 0;
	ResetPerTupleExprContext(writer->estate);
}

TupleTableSlot *
cq_writer_next_slot(CqWriter *writer)
{
	TupleTableSlot **slot = &writer->buffer[writer->nbuffered];

	if (*slot == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(writer->lifetime);

		*slot = table_slot_create(writer->relation, NULL);
		MemoryContextSwitchTo(caller);
	}
	return ExecClearTuple(*slot);
}

void
cq_writer_append(CqWriter *writer, TupleTableSlot *slot, uint32 tag)
{
	ExecStoreVirtualTuple(slot);
	ExecMaterializeSlot(slot);
	slot->tts_tableOid = RelationGetRelid(writer->relation);
	writer->tags[writer->nbuffered++] = tag;
	writer->buffered_bytes += ExecFetchSlotHeapTuple(slot, false, NULL)->t_len;
	if (writer->nbuffered == BUFFERED_ROWS || writer->buffered_bytes >= BUFFERED_BYTES)
		flush(writer);
}

TupleTableSlot *
cq_writer_fetch(CqWriter *writer, ItemPointer tid)
{
	bool		call_again = false;
	ItemPointerData place = *tid;	/* the fetch moves it along the chain */

	/*
	 * Vacuum may have taken off pages at the end. Those added since the beginning hold groups that
	 * do not come again in this run.
	 */
	if (ItemPointerGetBlockNumber(tid) >= writer->nblocks)
		return NULL;
	if (!table_index_fetch_tuple(writer->fetch, &place, GetActiveSnapshot(), writer->fetched,
								 &call_again, NULL))
		return NULL;
	return writer->fetched;
}

static bool
replace(CqWriter *writer, TupleTableSlot *slot, ItemPointerData place, bool *is_hot)
{
	TM_FailureData failure;

	if (cq_compat_tuple_update(writer->relation, &place, slot, writer->command, GetActiveSnapshot(),
							   &failure,
							   is_hot) != TM_Ok)
		return false;
	if (!*is_hot)
		insert_index_entries(writer, slot);
	return true;
}

bool
cq_writer_replace(CqWriter *writer, TupleTableSlot *slot, ItemPointer root)
{
	bool		is_hot;

	if (!replace(writer, slot, writer->fetched->tts_tid, &is_hot))
		return false;
	if (!is_hot)
		*root = slot->tts_tid;
	return true;
}

bool
cq_writer_replace_at(CqWriter *writer, TupleTableSlot *slot, ItemPointer tid)
{
	bool		is_hot;

	return replace(writer, slot, *tid, &is_hot);
}

bool
cq_writer_delete_at(CqWriter *writer, ItemPointer tid)
{
	TM_FailureData failure;

	return table_tuple_delete(writer->relation, tid, writer->command, GetActiveSnapshot(),
							  InvalidSnapshot, false, &failure, false) == TM_Ok;
}

bool
cq_writer_delete(CqWriter *writer)
{
	return cq_writer_delete_at(writer, &writer->fetched->tts_tid);
}

void
cq_writer_next_command(CqWriter *writer)
{
	CommandCounterIncrement();
	writer->command = GetCurrentCommandId(true);
}

void
cq_writer_close(CqWriter *writer)
{
	flush(writer);
	table_index_fetch_end(writer->fetch);
	ExecDropSingleTupleTableSlot(writer->fetched);
	for (int i = 0; i < BUFFERED_ROWS && writer->buffer[i] != NULL; i++)
		ExecDropSingleTupleTableSlot(writer->buffer[i]);
	if (writer->bulk != NULL)
	{
		FreeBulkInsertState(writer->bulk);
		table_finish_bulk_insert(writer->relation, 0);
	}
	ExecCloseIndices(writer->result);
	FreeExecutorState(writer->estate);
	table_close(writer->relation, NoLock);
}
