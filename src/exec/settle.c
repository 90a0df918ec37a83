/*
 * settle.c
 *		Where views begin in each partition, when they are new and when partitions are.
 *
 * The broker is asked first, with nothing locked; then the rows of the stream's views are locked
 * and cursors are written for those partitions that they do not follow yet. So two workers may do
 * it at once, and it may be done again. A view with several streams begins in each by itself.
 *
 * Nobody waits for the broker: cq_settle_lane is called with the same inquiry until that has all
 * the answers. A view may have been made after they were given, so what speaks against its start
 * counts only where they were asked for once more.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/owner.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/stream.h"
#include "common/hashfn.h"
#include "common/wake.h"
#include "exec/exec.h"
#include "exec/start.h"
#include "exec/watermark.h"
#include "source/log.h"
#include "stats/stats.h"
#include "catalog/view.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define EXTENTS_TIMEOUT_MS	5000

List *
cq_settle_has_unsettled(int worker, int nworkers, bool all)
{
	static const char read[] =
		"SELECT DISTINCT i.stream::oid FROM _cq.input i JOIN _cq.view v USING (view) "
		"WHERE v.status = 'running' AND (NOT i.is_started OR $1) ORDER BY 1";
	Oid			types[] = {BOOLOID};
	Datum		args[] = {BoolGetDatum(all)};
	MemoryContext caller = CurrentMemoryContext;
	List	   *streams = NIL;

	SPI_connect();
	cq_query_execute(read, SPI_OK_SELECT, lengthof(types), types, args, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		Oid			stream = DatumGetObjectId(cq_query_column(i, 1, &isnull));

		if (hash_bytes_uint32(stream) % nworkers == (uint32) worker)
		{
			MemoryContext spi = MemoryContextSwitchTo(caller);

			streams = lappend_oid(streams, stream);
			MemoryContextSwitchTo(spi);
		}
	}
	SPI_finish();
	return streams;
}

/* Where a view that has not started in a stream is to begin, as found before anything is locked. */
typedef struct Beginning
{
	Oid			view;
	char	   *start;			/* what was asked for … */
	TimestampTz created_at;		/* … and when */
	CqPosition *positions;		/* one for each extent */
	char	   *fault;			/* why it cannot begin, or NULL */
} Beginning;

/* The topics of a view's other streams (of char *): the option start may name them as well. */
static List *
other_topics(Oid relid, Oid stream)
{
	CqView	   *view = cq_view_get(relid);
	List	   *topics = NIL;
	ListCell   *cell;

	foreach(cell, view != NULL ? view->streams : NIL)
	{
		Oid			other = lfirst_oid(cell);
		CqStream   *options;

		if (other == stream)
			continue;
		options = cq_stream_get(other, cq_owner_of_relation(other));
		topics = options->kind == CQ_STREAM_LOG ? lappend(topics, CQ_LOG_TOPIC) :
			list_concat(topics, options->topics);
	}
	return topics;
}

/*
 * Asks the broker for the partitions, and where each view that has not started begins. False where
 * the inquiry does not know it all yet.
 */
static bool
find_beginnings(Oid stream, CqInquiry *inquiry, bool accepts_faults, List **extents,
				List **beginnings)
{
	static const char read[] =
		"SELECT v.view::oid, v.start, v.created_at FROM _cq.input i JOIN _cq.view v USING (view) "
		"WHERE i.stream = $1 AND v.status = 'running' AND NOT i.is_started";
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(stream)};
	MemoryContext caller = CurrentMemoryContext;
	bool		is_known = true;

	if (!cq_reader_extents(stream, cq_owner_of_relation(stream), inquiry, EXTENTS_TIMEOUT_MS,
						   extents))
		return false;
	SPI_connect();
	cq_query_execute(read, SPI_OK_SELECT, lengthof(types), types, args, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		MemoryContext spi = MemoryContextSwitchTo(caller);
		Beginning  *beginning = palloc(sizeof(Beginning));

		beginning->view = DatumGetObjectId(cq_query_column(i, 1, &isnull));
		beginning->start = TextDatumGetCString(cq_query_column(i, 2, &isnull));
		beginning->created_at = DatumGetTimestampTz(cq_query_column(i, 3, &isnull));
		beginning->fault = cq_start_fault(beginning->start, *extents,
										  other_topics(beginning->view, stream));
		beginning->positions = cq_start_positions(beginning->start, beginning->created_at, stream,
												  *extents, inquiry);
		is_known &= beginning->positions != NULL;
		if (beginning->fault == NULL || accepts_faults)
			*beginnings = lappend(*beginnings, beginning);
		MemoryContextSwitchTo(spi);
	}
	SPI_finish();
	return is_known;
}

/* NULL as well where it is to begin elsewhere by now: the next time finds out where. */
static const Beginning *
beginning_of(Oid view, const char *start, TimestampTz created_at, const List *beginnings)
{
	ListCell   *cell;

	foreach(cell, beginnings)
	{
		const Beginning *beginning = lfirst(cell);

		if (beginning->view == view && strcmp(beginning->start, start) == 0 &&
			beginning->created_at == created_at)
			return beginning;
	}
	return NULL;
}

/* Does it follow as many partitions as there are? */
static bool
follows_all(Oid stream, Oid view, const List *extents)
{
	Oid			types[] = {OIDOID, OIDOID};
	Datum		args[] = {ObjectIdGetDatum(stream), ObjectIdGetDatum(view)};
	bool		isnull;

	cq_query_execute("SELECT count(*) FROM _cq.follow WHERE stream = $1 AND view = $2",
					 SPI_OK_SELECT, lengthof(types), types, args, NULL);
	return DatumGetInt64(cq_query_column(0, 1, &isnull)) >= list_length(extents);
}

/*
 * Has the view follow cursors of its own in those partitions that it does not follow yet. True
 * where there are such.
 */
static bool
follow(Oid stream, Oid view, const List *extents, const CqPosition *positions)
{
	static const char statement[] =
		"WITH place AS (SELECT * FROM unnest($3, $4, $5, $6) AS p (topic, partition, next_offset, "
		"end_offset) WHERE NOT EXISTS "
		"(SELECT FROM _cq.follow f WHERE f.view = $2 AND f.stream = $1 "
		"AND f.topic = p.topic AND f.partition = p.partition)), "
		"own AS (INSERT INTO _cq.cursor (stream, topic, partition, next_offset, end_offset) "
		"SELECT $1, topic, partition, next_offset, end_offset FROM place RETURNING cursor_id, "
		"topic, partition) "
		"INSERT INTO _cq.follow (view, stream, topic, partition, cursor_id) "
		"SELECT $2, $1, topic, partition, cursor_id FROM own";
	int			n = list_length(extents);
	Datum	   *topics = palloc(sizeof(Datum) * n);
	Datum	   *partitions = palloc(sizeof(Datum) * n);
	Datum	   *offsets = palloc(sizeof(Datum) * n);
	Datum	   *ends = palloc(sizeof(Datum) * n);
	Oid			types[] = {OIDOID, OIDOID, TEXTARRAYOID, INT4ARRAYOID, INT8ARRAYOID, INT8ARRAYOID};
	ListCell   *cell;

	foreach(cell, extents)
	{
		const CqExtent *extent = lfirst(cell);
		int			i = foreach_current_index(cell);

		topics[i] = CStringGetTextDatum(extent->topic);
		partitions[i] = Int32GetDatum(extent->partition);
		offsets[i] = Int64GetDatum(positions != NULL ? positions[i].offset : extent->begin);
		ends[i] = Int64GetDatum(extent->end);
	}
	{
		Datum		args[] = {
			ObjectIdGetDatum(stream), ObjectIdGetDatum(view),
			PointerGetDatum(construct_array(topics, n, TEXTOID, -1, false, TYPALIGN_INT)),
			PointerGetDatum(construct_array(partitions, n, INT4OID, sizeof(int32), true,
											TYPALIGN_INT)),
			PointerGetDatum(construct_array(offsets, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
											TYPALIGN_DOUBLE)),
			PointerGetDatum(construct_array(ends, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
											TYPALIGN_DOUBLE))
		};

		cq_query_execute(statement, SPI_OK_INSERT, lengthof(types), types, args, NULL);
	}
	return SPI_processed > 0;
}

/* Where it stood before it was to begin again. */
static void
forget_places(Oid stream, Oid view)
{
	Oid			types[] = {OIDOID, OIDOID};
	Datum		args[] = {ObjectIdGetDatum(stream), ObjectIdGetDatum(view)};

	cq_query_execute("DELETE FROM _cq.follow WHERE stream = $1 AND view = $2", SPI_OK_DELETE,
					 lengthof(types), types, args, NULL);
}

static void
mark_started(Oid stream, Oid view)
{
	Oid			types[] = {OIDOID, OIDOID};
	Datum		args[] = {ObjectIdGetDatum(stream), ObjectIdGetDatum(view)};

	cq_query_execute("UPDATE _cq.input SET is_started = true WHERE stream = $1 AND view = $2",
					 SPI_OK_UPDATE, lengthof(types), types, args, NULL);
}

/* Is the view's row ours to write to? Another worker may have it for another of its streams. */
static bool
lock_view(Oid view)
{
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view)};

	cq_query_execute("SELECT FROM _cq.view WHERE view = $1 FOR UPDATE SKIP LOCKED", SPI_OK_SELECT,
					 lengthof(types), types, args, NULL);
	return SPI_processed > 0;
}

static void
refuse_to_begin(Oid view, const char *fault)
{
	cq_view_set_status(view, "failed", fault);
	cq_stats_view_error(view, fault);
	ereport(WARNING,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("continuous view \"%s\" cannot begin", get_rel_name(view)),
			 errdetail_internal("%s", fault),
			 errhint("Call cq.reset with another start, or cq.resume once the stream reaches that "
					 "far.")));
}

/*
 * Writes what was found, with the rows of the stream's views locked: against commands, not against
 * another worker who settles another of a view's streams. Not of those that somebody else has
 * locked, or of which nothing is known: it is then to be done again.
 */
static CqSettling
write_beginnings(Oid stream, const List *extents, const List *beginnings, bool *added)
{
	static const char lock[] =
		"SELECT v.view::oid, i.is_started, v.start, v.created_at "
		"FROM _cq.input i JOIN _cq.view v USING (view) WHERE i.stream = $1 AND v.status = "
		"'running' "
		"ORDER BY v.view::oid FOR UPDATE OF i SKIP LOCKED FOR SHARE OF v SKIP LOCKED";
	static const char count[] =
		"SELECT count(*) FROM _cq.input i JOIN _cq.view v USING (view) "
		"WHERE i.stream = $1 AND v.status = 'running'";
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(stream)};
	SPITupleTable *views;
	uint64		nviews;
	CqSettling	result = CQ_SETTLING_DONE;
	bool		is_null;

	SPI_connect();
	cq_query_execute(lock, SPI_OK_SELECT, lengthof(types), types, args, NULL);
	views = SPI_tuptable;
	nviews = SPI_processed;
	for (uint64 i = 0; i < nviews; i++)
	{
		bool		isnull;
		Oid			view = DatumGetObjectId(SPI_getbinval(views->vals[i], views->tupdesc, 1,
														  &isnull));
		bool		is_started = DatumGetBool(SPI_getbinval(views->vals[i], views->tupdesc, 2,
															&isnull));
		Datum		start = SPI_getbinval(views->vals[i], views->tupdesc, 3, &isnull);
		Datum		created_at = SPI_getbinval(views->vals[i], views->tupdesc, 4, &isnull);
		const Beginning *beginning = is_started ? NULL :
			beginning_of(view, TextDatumGetCString(start), DatumGetTimestampTz(created_at),
						 beginnings);

		if (!is_started && beginning == NULL)
		{
			result = CQ_SETTLING_AGAIN; /* made, or reset, since */
			continue;
		}
		if (beginning != NULL && beginning->fault != NULL)
		{
			if (lock_view(view))
				refuse_to_begin(view, beginning->fault);
			else
				result = CQ_SETTLING_LOCKED;
			continue;
		}
		if (is_started && !follows_all(stream, view, extents))
			cq_watermark_keep(view);
		if (!is_started)
			forget_places(stream, view);
		if (follow(stream, view, extents, beginning ? beginning->positions : NULL))
			*added = true;
		if (!is_started)
		{
			mark_started(stream, view);
			*added = true;
		}
	}
	cq_query_execute(count, SPI_OK_SELECT, lengthof(types), types, args, NULL);
	if (nviews < (uint64) DatumGetInt64(cq_query_column(0, 1, &is_null)))
		result = CQ_SETTLING_LOCKED;
	SPI_finish();
	if (*added)
		cq_wake_catalog_changed();
	return result;
}

/* Is there nothing to be written? Without a lock: patterns of topics are looked at often. */
static bool
are_settled(Oid stream, const List *extents)
{
	static const char statement[] =
		"SELECT count(*) FROM _cq.input i JOIN _cq.view v USING (view) WHERE i.stream = $1 AND "
		"v.status = 'running' AND (NOT i.is_started OR EXISTS (SELECT FROM unnest($2, $3) AS "
		"p (topic, partition) WHERE NOT EXISTS (SELECT FROM _cq.follow f WHERE f.stream = $1 "
		"AND f.view = i.view AND f.topic = p.topic AND f.partition = p.partition)))";
	int			n = list_length(extents);
	Datum	   *topics = palloc(sizeof(Datum) * n);
	Datum	   *partitions = palloc(sizeof(Datum) * n);
	Oid			types[] = {OIDOID, TEXTARRAYOID, INT4ARRAYOID};
	Datum		args[lengthof(types)] = {ObjectIdGetDatum(stream)};
	bool		is_null;
	bool		are_settled;
	ListCell   *cell;

	foreach(cell, extents)
	{
		const CqExtent *extent = lfirst(cell);

		topics[foreach_current_index(cell)] = CStringGetTextDatum(extent->topic);
		partitions[foreach_current_index(cell)] = Int32GetDatum(extent->partition);
	}
	args[1] = PointerGetDatum(construct_array(topics, n, TEXTOID, -1, false, TYPALIGN_INT));
	args[2] = PointerGetDatum(construct_array(partitions, n, INT4OID, sizeof(int32), true,
											  TYPALIGN_INT));
	SPI_connect();
	cq_query_execute(statement, SPI_OK_SELECT, lengthof(types), types, args, NULL);
	are_settled = DatumGetInt64(cq_query_column(0, 1, &is_null)) == 0;
	SPI_finish();
	return are_settled;
}

static void
begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
commit(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
}

CqSettling
cq_settle_lane(Oid stream, CqInquiry *inquiry, bool accepts_faults, bool *added)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "pg_cq settling", ALLOCSET_DEFAULT_SIZES);
	List	   *extents = NIL;
	List	   *beginnings = NIL;
	CqSettling	result = CQ_SETTLING_DONE;

	*added = false;
	begin();
	MemoryContextSwitchTo(context);
	if (get_rel_name(stream) != NULL &&
		!find_beginnings(stream, inquiry, accepts_faults, &extents, &beginnings))
		result = CQ_SETTLING_ASKS;
	commit();
	if (result == CQ_SETTLING_DONE && extents != NIL)
	{
		begin();
		if (!are_settled(stream, extents))
			result = write_beginnings(stream, extents, beginnings, added);
		commit();
	}
	else if (result == CQ_SETTLING_DONE && beginnings != NIL)
		result = CQ_SETTLING_LOCKED;	/* no topic matches yet */
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return result;
}
