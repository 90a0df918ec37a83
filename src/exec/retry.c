/*
 * retry.c
 *		Dead letters of a view are put through again: see retry.h.
 *
 *		_cq.error ──► messages ──decode──► the view ──► those above it
 *		    └──◄── gone, or with another reason ──◄──┘
 *
 * All in the transaction of whoever asks, which has the view to itself: no cursor moves, and no
 * worker is at it. So a letter counts exactly if its row goes.
 *
 * A message comes out of its place, which is right for rows that are only added: the view is its
 * query over the rows that counted, in whatever order. What has a newest row of each key could go
 * back in time by it, and is refused. Windows may have been closed meanwhile: a row is judged, as
 * late or not, by what its partition has come to by now. It does not take the watermark further.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/destination.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "common/owner.h"
#include "exec/dead_letter.h"
#include "exec/decoding.h"
#include "exec/event_time.h"
#include "exec/graph.h"
#include "exec/lock.h"
#include "exec/retry.h"
#include "exec/view_count.h"
#include "exec/view_exec.h"
#include "exec/view_run.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "sink/sink.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* So many at a time; of the log, where each has a place of its own, one. */
#define LETTERS_OF_KAFKA 32

/* For each look whether schemas have come. */
#define FETCH_TIMEOUT_MS 1000

typedef struct Retry
{
	const CqView *view;
	const CqStream *stream;		/* the one whose letters are at hand */
	CqRetryCounts counts;
} Retry;

/* Some of the letters, in the order of their places. */
typedef struct Letters
{
	CqKeptMessage *messages;
	int64	   *ids;
	int			n;
} Letters;

void
cq_retry_reject(CqLane *lane, int row, const CqReject *reject, const char *column)
{
	cq_dead_letter_fail_again(lane->letters[row], reject, column);
	lane->letters[row] = 0;
}

void
cq_retry_raise(Oid view, const char *reason)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("messages of continuous view \"%s\" cannot be put through again",
					get_rel_name(view)),
			 errdetail("%s", reason != NULL ? reason : "It does not go on for the moment.")));
}

/* ---- letters ---- */

static char *
take_bytes(uint64 row, int number, uint32 *length)
{
	bool		is_null;
	Datum		value = cq_query_column(row, number, &is_null);
	bytea	   *bytes = is_null ? NULL : DatumGetByteaPCopy(value);

	*length = is_null ? 0 : VARSIZE(bytes) - VARHDRSZ;
	return is_null ? NULL : VARDATA(bytes);
}

/* Columns as load asks for them. */
static void
take_letter(Letters *letters, uint64 row)
{
	CqKeptMessage *kept = &letters->messages[letters->n];
	CqMessage  *message = &kept->message;
	bool		is_null;
	Datum		value;

	memset(kept, 0, sizeof(CqKeptMessage));
	letters->ids[letters->n++] = DatumGetInt64(cq_query_column(row, 1, &is_null));
	kept->topic = TextDatumGetCString(cq_query_column(row, 2, &is_null));
	kept->partition = DatumGetInt32(cq_query_column(row, 3, &is_null));
	message->offset = DatumGetInt64(cq_query_column(row, 4, &is_null));
	message->key = take_bytes(row, 5, &message->key_length);
	message->value = take_bytes(row, 6, &message->value_length);
	value = cq_query_column(row, 7, &is_null);
	message->timestamp = is_null ? DT_NOBEGIN : DatumGetTimestampTz(value);
	value = cq_query_column(row, 8, &kept->has_headers);
	kept->has_headers = !kept->has_headers;
	if (kept->has_headers)
		kept->headers = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
}

/* In CurrentMemoryContext. */
static Letters
load(const Retry *retry, const int64 *ids, int nids)
{
	static const char statement[] =
		"SELECT error_id, topic, partition, \"offset\", key, payload, \"timestamp\", headers "
		"FROM _cq.error WHERE error_id = ANY ($1) ORDER BY topic, partition, \"offset\", error_id";
	MemoryContext caller = CurrentMemoryContext;
	Oid			types[] = {INT8ARRAYOID};
	Datum		elements[LETTERS_OF_KAFKA];
	Datum		args[lengthof(types)];
	Letters		letters = {.n = 0};

	letters.messages = palloc0(sizeof(CqKeptMessage) * nids);
	letters.ids = palloc0(sizeof(int64) * nids);
	for (int i = 0; i < nids; i++)
		elements[i] = Int64GetDatum(ids[i]);
	args[0] = PointerGetDatum(construct_array(elements, nids, INT8OID, sizeof(int64),
											  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	SPI_connect();
	cq_query_execute(statement, SPI_OK_SELECT, lengthof(types), types, args, NULL);
	MemoryContextSwitchTo(caller);
	for (uint64 row = 0; row < SPI_processed; row++)
		take_letter(&letters, row);
	SPI_finish();
	return letters;
}

/* Those that have passed are gone. */
static void
delete_passed(Retry *retry, const Letters *letters)
{
	Oid			types[] = {INT8OID};

	SPI_connect();
	for (int i = 0; i < letters->n; i++)
	{
		Datum		args[] = {Int64GetDatum(letters->ids[i])};

		if (letters->ids[i] == 0)
		{
			retry->counts.nfailed++;
			continue;
		}
		cq_query_execute("DELETE FROM _cq.error WHERE error_id = $1", SPI_OK_DELETE,
						 lengthof(types), types, args, NULL);
		retry->counts.npassed++;
	}
	SPI_finish();
}

/* ---- a batch of them ---- */

/* The highest event time that the view has come to in a partition; DT_NOBEGIN: none. */
static TimestampTz
event_time_of(const Retry *retry, const CqSlice *slice)
{
	Oid			types[] = {OIDOID, OIDOID, TEXTOID, INT4OID};
	Datum		args[] = {ObjectIdGetDatum(retry->view->view),
						  ObjectIdGetDatum(retry->stream->relid),
						  CStringGetTextDatum(slice->topic), Int32GetDatum(slice->partition)};
	bool		is_null = true;
	TimestampTz event_time = DT_NOBEGIN;
	Datum		value = 0;

	SPI_connect();
	cq_query_execute("SELECT c.event_time FROM _cq.follow f JOIN _cq.cursor c USING (cursor_id) "
					 "WHERE f.view = $1 AND f.stream = $2 AND f.topic = $3 AND f.partition = $4",
					 SPI_OK_SELECT, lengthof(types), types, args, NULL);
	if (SPI_processed > 0)
		value = cq_query_column(0, 1, &is_null);
	if (!is_null)
		event_time = DatumGetTimestampTz(value);
	SPI_finish();
	return event_time;
}

/* So that event times can be found; it has none that could be moved. */
static void
set_cursors(const Retry *retry, CqLane *lane, const CqFetch *fetch)
{
	lane->cursors = palloc0(sizeof(CqCursor) * fetch->nslices);
	for (int i = 0; i < fetch->nslices; i++)
	{
		const CqSlice *slice = &fetch->slices[i];

		lane->cursors[i] = (CqCursor) {
			.topic = (char *) slice->topic, .partition = slice->partition,
				.event_time = event_time_of(retry, slice)
		};
	}
	lane->ncursors = fetch->nslices;
}

/* Each is judged by what was read, and not by the others. */
static void
judge_apart(CqLane *lane, const CqBatch *batch)
{
	for (int row = 0; lane->event_times != NULL && row < batch->nrows; row++)
		lane->event_times->before[row] =
			lane->cursors[batch->fetch.messages[row].slice].event_time;
	lane->ncursors = 0;
}

static CqViewExec *
get_exec(const Retry *retry)
{
	const char *reason;
	CqViewExec *exec = cq_view_run_get(retry->view->view, retry->stream->relid, true, &reason);

	if (exec == NULL)
		cq_retry_raise(retry->view->view, reason);
	/* What fails again does not stop it: it stays where it is. */
	exec->row->pause_on_error = false;
	exec->is_hopeful = true;
	return exec;
}

static void
apply(Retry *retry, CqReader *reader, CqBatch *batch, int64 *ids)
{
	CqLane		lane = {.stream = retry->stream->relid, .reader = reader, .letters = ids,
						.views = list_make1_oid(retry->view->view)};
	CqViewExec *exec = get_exec(retry);
	List	   *execs = list_make1(exec);
	CqGraph    *graph = cq_graph_open(exec->is_exclusive ? execs : NIL);

	set_cursors(retry, &lane, &batch->fetch);
	cq_decoding_run(&lane, batch, execs);
	lane.event_times = cq_event_time_find(&lane, batch);
	judge_apart(&lane, batch);
	cq_graph_lock(graph);
	if (!cq_view_run(&lane, cq_decoding_of_view(&lane, batch, exec), exec))
		cq_retry_raise(retry->view->view, cq_view_require(retry->view->view)->status_detail);
	(void) cq_graph_follow(graph);
	cq_graph_close(graph);
}

static CqBatch *
fetch(CqReader *reader, int nletters)
{
	CqBatch    *batch;

	while ((batch = cq_reader_fetch(reader, nletters, SIZE_MAX, FETCH_TIMEOUT_MS)) == NULL)
		CHECK_FOR_INTERRUPTS();
	return batch;
}

static void
put_through_kafka(Retry *retry, Letters *letters)
{
	CqReader   *reader = cq_reader_open_kept(retry->stream->relid, letters->messages, letters->n);

	apply(retry, reader, fetch(reader, letters->n), letters->ids);
	cq_reader_close(reader);
	delete_passed(retry, letters);
}

/*
 * A row of the log is read where it is: its bytes are of the server's own making, and as of the
 * columns that the stream had then.
 */
static void
put_through_log(Retry *retry, Letters *letters)
{
	const CqMessage *kept = &letters->messages[0].message;
	CqPosition	position = {.topic = letters->messages[0].topic,
							.partition = letters->messages[0].partition, .offset = kept->offset};
	CqReader   *reader = cq_reader_open_own(retry->stream->relid, &position, 1);
	CqBatch    *batch = cq_reader_fetch(reader, 1, SIZE_MAX, 0);
	bool		is_there = batch != NULL && batch->nrows == 1 &&
		batch->fetch.messages[0].offset == kept->offset;

	if (is_there)
		apply(retry, reader, batch, letters->ids);
	else
		retry->counts.ngone++;
	cq_reader_close(reader);
	if (is_there)
		delete_passed(retry, letters);
}

/* In memory of its own, and with a snapshot that sees what the one before has done. */
static void
put_through(Retry *retry, const int64 *ids, int nids)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq retry",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	Letters		letters;

	CHECK_FOR_INTERRUPTS();
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	letters = load(retry, ids, nids);
	if (letters.n > 0 && retry->stream->kind == CQ_STREAM_LOG)
		put_through_log(retry, &letters);
	else if (letters.n > 0)
		put_through_kafka(retry, &letters);
	PopActiveSnapshot();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}

/* ---- all of them ---- */

/*
 * Locks the stream's letters among ids; those that are whole, in the order of their places: in
 * CurrentMemoryContext.
 */
static int64 *
find_letters(Retry *retry, Datum ids, int *nletters)
{
	static const char statement[] =
		"SELECT error_id, coalesce(is_cut, false) OR "
		"payload_length IS DISTINCT FROM coalesce(octet_length(payload), 0) "
		"FROM _cq.error WHERE view = $1 AND stream = $2 AND error_id = ANY ($3) "
		"ORDER BY topic, partition, \"offset\", error_id FOR UPDATE";
	MemoryContext caller = CurrentMemoryContext;
	Oid			types[] = {OIDOID, OIDOID, INT8ARRAYOID};
	Datum		args[] = {ObjectIdGetDatum(retry->view->view),
						  ObjectIdGetDatum(retry->stream->relid), ids};
	int64	   *letters;
	bool		is_null;

	*nletters = 0;
	SPI_connect();
	cq_query_execute(statement, SPI_OK_SELECT, lengthof(types), types, args, NULL);
	letters = MemoryContextAlloc(caller, sizeof(int64) * Max(SPI_processed, 1));
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		/* A row of the log is read from there. */
		if (retry->stream->kind != CQ_STREAM_LOG &&
			DatumGetBool(cq_query_column(row, 2, &is_null)))
			retry->counts.ncut++;
		else
			letters[(*nletters)++] = DatumGetInt64(cq_query_column(row, 1, &is_null));
	}
	SPI_finish();
	return letters;
}

static void
require_order_free(const Retry *retry)
{
	if (!cq_mode_changes(retry->stream->mode))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("messages of stream %s cannot be put through again", retry->stream->name),
			 errdetail("Each takes the place of the one before it with the same key: out of its "
					   "place it could undo a newer one."),
			 errhint("Produce the row's newest state again, and delete the message from "
					 "cq.errors.")));
}

static void
retry_stream(Retry *retry, Oid stream, Datum ids)
{
	int			nletters;
	int64	   *letters;
	int			nat_once;

	retry->stream = cq_stream_get(stream, cq_owner_of_relation(stream));
	letters = find_letters(retry, ids, &nletters);
	if (nletters > 0)
		require_order_free(retry);
	nat_once = retry->stream->kind == CQ_STREAM_LOG ? 1 : LETTERS_OF_KAFKA;
	for (int i = 0; i < nletters; i += nat_once)
		put_through(retry, &letters[i], Min(nletters - i, nat_once));
}

CqRetryCounts
cq_retry_run(const CqView *view, Datum ids)
{
	Retry		retry = {.view = view};
	CqActor		actor;
	ListCell   *cell;

	/* An error may have left some. */
	cq_view_exec_forget();
	cq_view_count_forget();
	cq_graph_begin_order();
	cq_owner_begin_catalog(&actor);
	cq_lock_as_command(true);
	PG_TRY();
	{
		foreach(cell, view->streams)
			retry_stream(&retry, lfirst_oid(cell), ids);
		if (OidIsValid(view->outbox) && cq_destination_is(view->sink))
			cq_outbox_retry(view->view, view->sink, view->outbox, ids, &retry.counts.npassed,
							&retry.counts.ncut);
	}
	PG_FINALLY();
	{
		cq_lock_as_command(false);
	}
	PG_END_TRY();
	cq_owner_end(&actor);
	cq_view_exec_forget();
	/* Its messages have been counted when they came. */
	cq_view_count_forget();
	return retry.counts;
}
