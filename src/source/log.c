/*
 * log.c
 *		The source of streams kept in this database: reading. See log_scan.c for the order of rows,
 *		log_table.c for where they are.
 *
 * It reads the database, so it wants a transaction, and never waits: timeouts are for the caller's
 * latch, which writers set at commit.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "source/log.h"
#include "source/log_table.h"
#include "source/log_write.h"
#include "source/source.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

typedef struct LogSource
{
	CqSource	base;
	Oid			stream;
	bool		bounded;
	bool		sees_own;
	int64		position;		/* -1: not opened for any partition */
	/* what the position says is not there, and the reader has been told or will be */
	bool		has_gap;
	bool		gap_is_told;
	int64		gap_end;
	bool		is_at_end;		/* as of the last fetch */
	bool		is_held_up;		/* then, by a transaction that is open */
	MemoryContext rows;			/* what a fetch returned */
	CqMessage  *messages;		/* kept from fetch to fetch */
	int			capacity;
	CqSlice		slice;
} LogSource;

static bool
log_extents(const CqSourceConfig *config, int timeout_ms, List **extents)
{
	CqExtent   *extent = palloc0(sizeof(CqExtent));
	CqLogTable	table;

	extent->topic = CQ_LOG_TOPIC;
	if (cq_log_table_find(config->stream, &table))
	{
		extent->begin = table.begin;
		extent->end = config->bounded ? cq_log_table_end(table.relid) :
			cq_log_scan_stable_end(&table);
	}
	*extents = list_make1(extent);
	return true;
}

static bool
log_seek_time(const CqSourceConfig *config, TimestampTz time, CqPosition *positions, int npositions,
			  int timeout_ms)
{
	CqLogTable	table;
	CqLogScan	scan;
	bool		is_null;

	if (npositions == 0)
		return true;
	positions[0].offset = 0;
	if (!cq_log_table_find(config->stream, &table))
		return true;
	cq_log_scan_begin(&scan, &table, table.begin, config->bounded);
	for (;;)
	{
		positions[0].offset = scan.position;
		if (!cq_log_scan_next(&scan) ||
			DatumGetTimestampTz(slot_getattr(scan.slot, CQ_LOG_AT, &is_null)) >= time)
			break;
	}
	cq_log_scan_end(&scan);
	return true;
}

static CqSource *
log_open(const CqSourceConfig *config, const CqPosition *positions, int npositions)
{
	LogSource  *source = palloc0(sizeof(LogSource));

	source->base.routine = &cq_log_source;
	source->stream = config->stream;
	source->bounded = config->bounded;
	source->sees_own = config->sees_own;
	source->position = npositions > 0 ? positions[0].offset : -1;
	source->rows = AllocSetContextCreate(CurrentMemoryContext, "pg_cq log rows",
										 ALLOCSET_DEFAULT_SIZES);
	return &source->base;
}

/*
 * The varlena in a column of the row, copied out of the page, without toast; its length is without
 * the header.
 */
static char *
copy_column(TupleTableSlot *slot, CqLogColumn column)
{
	bool		is_null;
	Datum		value = slot_getattr(slot, column, &is_null);

	return is_null ? NULL : (char *) PG_DETOAST_DATUM_COPY(value);
}

static void
take_message(LogSource *source, CqFetch *fetch, const CqLogScan *scan)
{
	CqMessage  *message;
	bool		is_null;
	char	   *key = copy_column(scan->slot, CQ_LOG_KEY);
	char	   *value = copy_column(scan->slot, CQ_LOG_VALUE);

	if (fetch->nmessages == source->capacity)
	{
		source->capacity *= 2;
		source->messages = repalloc_huge(source->messages, sizeof(CqMessage) * source->capacity);
	}
	message = &source->messages[fetch->nmessages++];
	message->offset = scan->position - 1;
	message->timestamp = DatumGetTimestampTz(slot_getattr(scan->slot, CQ_LOG_AT, &is_null));
	message->slice = 0;
	message->key = key != NULL ? VARDATA(key) : NULL;
	message->key_length = key != NULL ? VARSIZE(key) - VARHDRSZ : 0;
	message->value = value;
	message->value_length = value != NULL ? VARSIZE(value) : 0;
	message->origin = copy_column(scan->slot, CQ_LOG_HEADERS);
	source->slice.nmessages++;
	source->slice.nbytes += message->key_length + message->value_length;
}

/*
 * False where the rows at the position have gone, or it lies past the end: then poll_event tells,
 * and nothing is read.
 */
static bool
position_is_there(LogSource *source, const CqLogTable *table)
{
	int64		end = cq_log_table_end(table->relid);

	source->has_gap = source->position < table->begin || source->position > end;
	source->gap_end = source->position < table->begin ? table->begin : end;
	return !source->has_gap;
}

/* Locks it to the end of the transaction. False: the stream has just been dropped. */
static bool
lock_log(const CqLogTable *table)
{
	Relation	relation = try_table_open(table->relid, AccessShareLock);

	if (relation == NULL)
		return false;
	table_close(relation, NoLock);
	return true;
}

static bool
log_fetch(CqSource *base, CqFetch *fetch, int max_messages, Size max_bytes, int timeout_ms)
{
	LogSource  *source = (LogSource *) base;
	MemoryContext caller;
	CqLogTable	table;
	CqLogScan	scan;

	memset(fetch, 0, sizeof(CqFetch));
	source->is_at_end = source->is_held_up = false;
	if (source->position < 0)
		return false;
	if (!cq_log_table_find(source->stream, &table) || !lock_log(&table))
	{
		source->is_at_end = true;	/* nobody has written anything yet */
		return false;
	}
	if (!source->bounded && !position_is_there(source, &table))
		return false;
	caller = MemoryContextSwitchTo(source->rows);
	if (source->messages == NULL)
	{
		source->capacity = 1024;
		source->messages = MemoryContextAlloc(GetMemoryChunkContext(source),
											  sizeof(CqMessage) * source->capacity);
	}
	source->slice = (CqSlice) {.topic = CQ_LOG_TOPIC, .from = source->position};
	cq_log_scan_begin(&scan, &table, source->position, source->bounded);
	scan.takes_own = source->sees_own;
	while (fetch->nmessages < max_messages && (Size) source->slice.nbytes < max_bytes &&
		   cq_log_scan_next(&scan))
		take_message(source, fetch, &scan);
	cq_log_scan_end(&scan);
	MemoryContextSwitchTo(caller);
	source->is_at_end = scan.position >= scan.end;
	source->is_held_up = !source->is_at_end && fetch->nmessages < max_messages &&
		(Size) source->slice.nbytes < max_bytes;
	if (scan.position == source->position)
		return false;
	source->position = source->slice.next = scan.position;
	source->slice.end = scan.end;
	fetch->messages = source->messages;
	fetch->slices = &source->slice;
	fetch->nslices = 1;
	fetch->has_backlog = fetch->nmessages == max_messages ||
		(Size) source->slice.nbytes >= max_bytes;
	return true;
}

static void
log_seek(CqSource *base, int64 offset)
{
	LogSource  *source = (LogSource *) base;

	source->position = offset;
	source->has_gap = source->gap_is_told = false;
}

static void
log_release(CqSource *base, CqFetch *fetch)
{
	MemoryContextReset(((LogSource *) base)->rows);
}

static bool
log_is_at_end(const CqSource *base, const char *topic, int32 partition, char *held_up, Size size)
{
	const LogSource *source = (const LogSource *) base;

	held_up[0] = '\0';
	if (source->is_held_up)
		snprintf(held_up, size,
				 "an open transaction that has written to it holds it up at offset " INT64_FORMAT,
				 source->position);
	return source->is_at_end;
}

static bool
log_poll_event(CqSource *base, CqSourceEvent *event)
{
	LogSource  *source = (LogSource *) base;

	if (!source->has_gap || source->gap_is_told)
		return false;
	source->gap_is_told = true;
	event->kind = CQ_SOURCE_GAP;
	event->topic = CQ_LOG_TOPIC;
	event->partition = 0;
	event->from = source->position;
	event->to = source->gap_end;
	event->text = psprintf("offset " INT64_FORMAT " is no longer there; the oldest "
												  "is " INT64_FORMAT,
						   source->position, source->gap_end);
	return true;
}

static int
log_wakeup_fd(CqSource *source)
{
	return -1;
}

static void
log_wakeup_clear(CqSource *source)
{
}

static bool
log_headers(CqSource *source, const CqMessage *message, Datum *headers)
{
	*headers = PointerGetDatum(message->origin);
	return message->origin != NULL;
}

static void
log_close(CqSource *base)
{
	LogSource  *source = (LogSource *) base;

	MemoryContextDelete(source->rows);
	if (source->messages != NULL)
		pfree(source->messages);
	pfree(source);
}

const CqSourceRoutine cq_log_source = {
	.name = "cq_log",
	.fetch_in_transaction = true,
	.extents = log_extents,
	.seek_time = log_seek_time,
	.open = log_open,
	.fetch = log_fetch,
	.seek = log_seek,
	.release = log_release,
	.is_at_end = log_is_at_end,
	.poll_event = log_poll_event,
	.wakeup_fd = log_wakeup_fd,
	.wakeup_clear = log_wakeup_clear,
	.headers = log_headers,
	.close = log_close,
	.sink_open = cq_log_write_open,
	.sink_append = cq_log_write_append,
	.sink_close = cq_log_write_close,
};
