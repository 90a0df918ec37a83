/*
 * sleep.c
 *		Is there something for a compute pool that has no worker? See sleep.h.
 *
 * How far a stream reaches is asked again and again, with one inquiry at a time for each stream.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "common/owner.h"
#include "stream/reader.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "worker/sleep.h"

#define EXTENTS_TIMEOUT_MS	5000	/* of a broker; nobody waits for it */

/* A stream that somebody is asked about. */
typedef struct Asked
{
	Oid			stream;			/* hash key */
	CqInquiry  *inquiry;
} Asked;

static HTAB *inquiries = NULL;

static Asked *
ask(Oid stream)
{
	Asked	   *asked;
	bool		found;

	if (inquiries == NULL)
	{
		HASHCTL		control = {
			.keysize = sizeof(Oid), .entrysize = sizeof(Asked), .hcxt = TopMemoryContext
		};

		inquiries = hash_create("pg_cq streams of sleeping pools", 16, &control,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	asked = hash_search(inquiries, &stream, HASH_ENTER, &found);
	if (!found)
		asked->inquiry = NULL;
	if (asked->inquiry == NULL)
		asked->inquiry = cq_kafka_extent_begin(TopMemoryContext);
	return asked;
}

static void
end_asking(Oid stream)
{
	Asked	   *asked = hash_search(inquiries, &stream, HASH_FIND, NULL);

	if (asked == NULL)
		return;
	cq_kafka_extent_end(asked->inquiry);
	hash_search(inquiries, &stream, HASH_REMOVE, NULL);
}

/* False where it is not known yet. */
static bool
find_extents(Oid stream, List **extents)
{
	const Asked *asked = ask(stream);
	bool volatile is_known = true;

	if (cq_kafka_extent_is_open(asked->inquiry))
		return false;
	PG_TRY();
	{
		is_known = cq_reader_extents(stream, cq_owner_of_relation(stream), asked->inquiry,
									 EXTENTS_TIMEOUT_MS, extents);
	}
	PG_FINALLY();
	{
		if (is_known)
			end_asking(stream);
	}
	PG_END_TRY();
	return is_known;
}

/* Where the pool's views stand in a partition: the one that is furthest behind; -1: nowhere. */
static int64
place_of(const char *pool, Oid stream, const CqExtent *extent)
{
	Oid			types[] = {TEXTOID, OIDOID, TEXTOID, INT4OID};
	Datum		args[] = {CStringGetTextDatum(pool), ObjectIdGetDatum(stream),
						  CStringGetTextDatum(extent->topic), Int32GetDatum(extent->partition)};
	Datum		place;
	bool		isnull;

	cq_query_execute("SELECT min(c.next_offset) FROM _cq.view v "
					 "JOIN _cq.input i ON i.view = v.view AND i.is_started "
					 "JOIN _cq.follow f ON f.view = v.view AND f.stream = i.stream "
					 "JOIN _cq.cursor c USING (cursor_id) "
					 "WHERE v.pool = $1 AND v.status = 'running' AND f.stream = $2 "
					 "AND f.topic = $3 AND f.partition = $4",
					 SPI_OK_SELECT, lengthof(types), types, args, NULL);
	place = cq_query_column(0, 1, &isnull);
	return isnull ? -1 : DatumGetInt64(place);
}

static bool
has_news(const char *pool, Oid stream)
{
	List	   *extents = NIL;
	bool		found = false;
	ListCell   *cell;

	if (!find_extents(stream, &extents))
		return false;
	SPI_connect();
	foreach(cell, extents)
	{
		const CqExtent *extent = lfirst(cell);
		int64		place = place_of(pool, stream, extent);

		found |= place >= 0 && place < extent->end;
	}
	SPI_finish();
	return found;
}

static List *
streams_of(const char *pool)
{
	Oid			types[] = {TEXTOID};
	Datum		args[] = {CStringGetTextDatum(pool)};
	MemoryContext caller = CurrentMemoryContext;
	List	   *streams;

	SPI_connect();
	cq_query_execute("SELECT DISTINCT i.stream::oid FROM _cq.view v JOIN _cq.input i USING (view) "
					 "JOIN pg_class r ON r.oid = i.stream "
					 "WHERE v.pool = $1 AND v.status = 'running' AND i.is_started ORDER BY 1",
					 SPI_OK_SELECT, lengthof(types), types, args, NULL);
	streams = cq_query_take_oids(caller, 1);
	SPI_finish();
	return streams;
}

bool
cq_sleep_has_news(const char *pool)
{
	ListCell   *cell;

	foreach(cell, streams_of(pool))
	{
		if (has_news(pool, lfirst_oid(cell)))
			return true;
	}
	return false;
}
