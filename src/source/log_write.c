/*
 * log_write.c
 *		Appends rows to a log, removes old ones, and wakes the workers at commit.
 *
 * Offsets are taken and rows inserted under the insert lock, once for all the rows of an append:
 * see log_table.h. Rows are in the table, with all that a transaction gives them, when append
 * returns.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "commands/sequence.h"
#include "common/compat.h"
#include "common/wake.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "source/log.h"
#include "source/log_table.h"
#include "source/log_write.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#define MAX_BATCH 1000

typedef struct LogSink
{
	CqSink		base;
	Oid			row_type;		/* of the stream */
	Oid			sequence;
	Relation	table;
	EState	   *estate;			/* for the index */
	ResultRelInfo *result;
	TupleTableSlot *slots[MAX_BATCH];
	int			nslots;			/* made */
	MemoryContext scratch;		/* for one append */
} LogSink;

CqSink *
cq_log_write_open(const CqSourceConfig *config)
{
	LogSink    *sink = palloc0(sizeof(LogSink));
	CqLogTable	table;

	cq_log_table_ensure(config->stream, &table);
	sink->base.routine = &cq_log_source;
	sink->row_type = get_rel_type_id(config->stream);
	sink->sequence = cq_log_table_sequence(table.relid);
	sink->table = cq_log_table_open(&table, RowExclusiveLock);
	sink->estate = CreateExecutorState();
	sink->result = makeNode(ResultRelInfo);
	InitResultRelInfo(sink->result, sink->table, 1, NULL, 0);
	ExecOpenIndices(sink->result, false);
	sink->scratch = AllocSetContextCreate(CurrentMemoryContext, "pg_cq log append",
										  ALLOCSET_DEFAULT_SIZES);
	cq_wake_at_end();
	return &sink->base;
}

/* Puts bytes that are no varlena yet into one. */
static Datum
make_bytea(const char *bytes, uint32 length)
{
	return PointerGetDatum(cstring_to_text_with_len(bytes, length));
}

/* All of a row but its offset, which is not known before the lock. */
static void
fill_slot(const LogSink *sink, TupleTableSlot *slot, CqOutgoing *row)
{
	CqMessage  *message = &row->message;
	Datum	   *values = slot->tts_values;
	bool	   *nulls = slot->tts_isnull;

	if (TIMESTAMP_IS_NOBEGIN(message->timestamp))
		message->timestamp = GetCurrentTimestamp();
	ExecClearTuple(slot);
	memset(nulls, 0, sizeof(bool) * CQ_LOG_NCOLUMNS);
	values[CQ_LOG_AT - 1] = TimestampTzGetDatum(message->timestamp);
	nulls[CQ_LOG_KEY - 1] = message->key == NULL;
	if (message->key != NULL)
		values[CQ_LOG_KEY - 1] = make_bytea(message->key, message->key_length);
	nulls[CQ_LOG_HEADERS - 1] = !row->has_headers;
	values[CQ_LOG_HEADERS - 1] = row->headers;
	nulls[CQ_LOG_VALUE - 1] = message->value == NULL;
	if (message->value != NULL)
	{
		HeapTupleHeader value = palloc(message->value_length);

		memcpy(value, message->value, message->value_length);
		HeapTupleHeaderSetTypeId(value, sink->row_type);
		HeapTupleHeaderSetTypMod(value, -1);
		values[CQ_LOG_VALUE - 1] = PointerGetDatum(value);
	}
}

/*
 * Under the insert lock: each offset that is taken is in the table before the lock is given back.
 */
static void
insert_slots(LogSink *sink, CqOutgoing *rows, int nrows)
{
	Oid			relid = RelationGetRelid(sink->table);

	cq_log_table_lock(relid, CQ_LOG_WRITER_LOCK, ShareLock, true);
	cq_log_table_lock(relid, CQ_LOG_INSERT_LOCK, ShareLock, true);
	for (int i = 0; i < nrows; i++)
	{
		rows[i].topic = CQ_LOG_TOPIC;
		rows[i].partition = 0;
		rows[i].message.offset = nextval_internal(sink->sequence, false);
		sink->slots[i]->tts_values[CQ_LOG_OFFSET - 1] = Int64GetDatum(rows[i].message.offset);
		ExecStoreVirtualTuple(sink->slots[i]);
	}
	table_multi_insert(sink->table, sink->slots, nrows, GetCurrentCommandId(true), 0, NULL);
	for (int i = 0; i < nrows; i++)
	{
		cq_compat_insert_index_tuples(sink->result, sink->slots[i], sink->estate);
		ResetPerTupleExprContext(sink->estate);
	}
	cq_log_table_unlock(relid, CQ_LOG_INSERT_LOCK, ShareLock);
}

void
cq_log_write_append(CqSink *base, CqOutgoing *rows, int nrows)
{
	LogSink    *sink = (LogSink *) base;

	while (nrows > 0)
	{
		int			count = Min(nrows, MAX_BATCH);
		MemoryContext caller = MemoryContextSwitchTo(sink->estate->es_query_cxt);

		while (sink->nslots < count)
			sink->slots[sink->nslots++] = table_slot_create(sink->table,
															&sink->estate->es_tupleTable);
		MemoryContextSwitchTo(sink->scratch);
		for (int i = 0; i < count; i++)
			fill_slot(sink, sink->slots[i], &rows[i]);
		insert_slots(sink, rows, count);
		for (int i = 0; i < count; i++)
			ExecClearTuple(sink->slots[i]);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(sink->scratch);
		rows += count;
		nrows -= count;
	}
}

void
cq_log_write_close(CqSink *base)
{
	LogSink    *sink = (LogSink *) base;

	ExecResetTupleTable(sink->estate->es_tupleTable, false);
	ExecCloseIndices(sink->result);
	FreeExecutorState(sink->estate);
	table_close(sink->table, NoLock);
	MemoryContextDelete(sink->scratch);
	pfree(sink);
}

int64
cq_log_write_trim(Oid stream, TimestampTz cutoff, int64 limit, int64 max_rows)
{
	CqLogTable	table;
	CqLogScan	scan;
	int64		ndeleted = 0;
	int64		begin;

	if (!cq_log_table_find(stream, &table))
		return 0;
	/* One at a time. */
	LockRelationOid(table.relid, ShareUpdateExclusiveLock);
	if (!cq_log_table_find(stream, &table))
		return 0;
	begin = table.begin;
	cq_log_scan_begin(&scan, &table, table.begin, false);
	while (ndeleted < max_rows && cq_log_scan_next(&scan) && scan.position <= limit)
	{
		bool		is_null;

		if (DatumGetTimestampTz(slot_getattr(scan.slot, CQ_LOG_AT, &is_null)) >= cutoff)
			break;
		simple_heap_delete(scan.table, &scan.slot->tts_tid);
		begin = scan.position;
		ndeleted++;
	}
	cq_log_scan_end(&scan);
	if (begin > table.begin)
		cq_log_table_set_begin(stream, begin);
	return ndeleted;
}
