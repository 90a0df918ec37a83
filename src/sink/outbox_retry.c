/*
 * outbox_retry.c
 *		Requests by HTTP that were given up are sent once more: cq.retry_errors.
 *
 * Each goes behind all others, as a row of the outbox with an id of its own, and so an idempotency
 * key of its own. It has the method, path, headers, key and body that it had, but for what its
 * owner has changed of the body; where to is what the server says now.
 */
#include "postgres.h"

#include "catalog/destination.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "common/owner.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "sink/outbox_write.h"
#include "sink/sink.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

typedef struct Retry
{
	const CqDestination *destination;
	Oid			view;
	CqOutboxWriter *writer;
	int64		npassed;
	int64		nin_part;
} Retry;

/* Older ones could undo newer ones of their key. */
static void
require_order_free(const CqDestination *destination)
{
	if (!cq_mode_changes(destination->mode))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("requests to %s cannot be sent again", destination->name),
			 errdetail("Each takes the place of the one before it with the same key: out of its "
					   "place it could undo a newer one.")));
}

/* Behind the name of a host. */
static const char *
path_of_url(const char *url)
{
	const char *host = strstr(url, "://");

	return host != NULL ? host + 3 + strcspn(host + 3, "/?") : url;
}

/*
 * "POST https://example.com/api/x" as the outbox has it, "POST /x", where the server's URL ends
 * with /api. NULL: it leads elsewhere than the server's.
 */
static char *
request_line(const CqDestination *destination, const char *topic)
{
	const char *space = strchr(topic, ' ');
	const char *base = path_of_url(destination->url);
	const char *path = space != NULL ? path_of_url(space + 1) : NULL;

	if (path == NULL || strncmp(path, base, strlen(base)) != 0)
		return NULL;
	return psprintf("%.*s %s", (int) (space - topic), topic, path + strlen(base));
}

static const char *
take_bytes(int number, uint32 *length)
{
	bool		is_null;
	Datum		value = cq_query_column(0, number, &is_null);
	bytea	   *bytes = is_null ? NULL : DatumGetByteaP(value);

	*length = is_null ? 0 : VARSIZE(bytes) - VARHDRSZ;
	return is_null ? NULL : VARDATA(bytes);
}

static void
put_back(Retry *retry, int64 id)
{
	static const char take[] =
		"DELETE FROM _cq.error WHERE error_id = $1 RETURNING topic, key, payload, headers";
	Oid			types[] = {INT8OID};
	Datum		args[] = {Int64GetDatum(id)};
	CqOutgoing	outgoing = {.partition = -1, .message.timestamp = DT_NOBEGIN};
	bool		is_null;

	SPI_connect();
	cq_query_execute(take, SPI_OK_DELETE_RETURNING, lengthof(types), types, args, NULL);
	outgoing.topic = request_line(retry->destination,
								  TextDatumGetCString(cq_query_column(0, 1, &is_null)));
	outgoing.message.key = take_bytes(2, &outgoing.message.key_length);
	outgoing.message.value = take_bytes(3, &outgoing.message.value_length);
	outgoing.headers = cq_query_column(0, 4, &is_null);
	outgoing.has_headers = !is_null;
	cq_outbox_write_row(retry->writer, &outgoing);
	SPI_finish();
	retry->npassed++;
}

/* Locks them; those that can go, in their order, palloc'd. */
static int64 *
find_letters(Retry *retry, Oid sink, Datum ids, int *nletters)
{
	static const char find[] =
		"SELECT error_id, coalesce(is_cut, false) OR "
		"payload_length IS DISTINCT FROM coalesce(octet_length(payload), 0), topic "
		"FROM _cq.error WHERE view = $1 AND stream = $2 AND error_id = ANY ($3) "
		"AND \"offset\" IS NOT NULL ORDER BY error_id FOR UPDATE";
	MemoryContext caller = CurrentMemoryContext;
	Oid			types[] = {OIDOID, OIDOID, INT8ARRAYOID};
	Datum		args[] = {ObjectIdGetDatum(retry->view), ObjectIdGetDatum(sink), ids};
	int64	   *letters;
	bool		is_null;

	*nletters = 0;
	SPI_connect();
	cq_query_execute(find, SPI_OK_SELECT, lengthof(types), types, args, NULL);
	letters = MemoryContextAlloc(caller, sizeof(int64) * Max(SPI_processed, 1));
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		char	   *topic = TextDatumGetCString(cq_query_column(row, 3, &is_null));

		if (DatumGetBool(cq_query_column(row, 2, &is_null)))
			retry->nin_part++;
		else if (request_line(retry->destination, topic) != NULL)
			letters[(*nletters)++] = DatumGetInt64(cq_query_column(row, 1, &is_null));
	}
	SPI_finish();
	return letters;
}

void
cq_outbox_retry(Oid view, Oid sink, Oid outbox, Datum ids, int64 *npassed, int64 *nin_part)
{
	Retry		retry = {.view = view,
						 .destination = cq_destination_get(sink, cq_owner_of_relation(view))};
	int			nletters;
	int64	   *letters = find_letters(&retry, sink, ids, &nletters);

	if (nletters > 0)
	{
		require_order_free(retry.destination);
		retry.writer = cq_outbox_write_begin(view, outbox, true);
	}
	for (int i = 0; i < nletters; i++)
	{
		CHECK_FOR_INTERRUPTS();
		put_back(&retry, letters[i]);
	}
	if (nletters > 0)
		cq_outbox_write_end(retry.writer);
	*npassed += retry.npassed;
	*nin_part += retry.nin_part;
}
