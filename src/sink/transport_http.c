/*
 * transport_http.c
 *		Rows as requests by HTTP, each at least once: many at a time, those of a key in their order
 *		where that is asked for.
 *
 *		waiting ──its time, and a place──► running ──2xx──────────────────────► settled
 *		   ▲                                  │  ├────other 3xx, 4xx───────────► settled: cq.errors
 *		   └──── back-off, Retry-After ◄──────┤  └────too many attempts────────► settled: cq.errors
 *		                                      │
 *		                 nothing, 408, 429, 5xx: may be otherwise the next time
 *
 * A destination keeps no place: what the database has written down counts. What was handed over and
 * is not known to have arrived is sent again after a crash, with the same idempotency key, which is
 * made of the sink's epoch and the row's id.
 *
 * Failures in a row, of whichever rows, open a breaker: nothing is sent for a while, and then one
 * request, on which it depends how it goes on. Attempts of which nothing can have arrived cost a
 * row nothing: a destination that is away is waited for.
 *
 * The rows of a batch are settled before the next one is sent, and what became of them is written
 * down in the transaction that moves the place.
 */
#include "postgres.h"

#include "common/clock.h"
#include "common/hashfn.h"
#include "common/owner.h"
#include "common/pg_prng.h"
#include "commands/defrem.h"
#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"
#include "sink/http_parts.h"
#include "sink/sink.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define MOST_ROWS			500 /* of a batch */
#define ROWS_OF_PLACE		16	/* of a batch, for each request at a time */
#define FEWEST_ROWS			64
#define MOST_RESPONSES		(64 * 1024 * 1024)	/* bytes, of a batch */
#define LONGEST_REASON		1024	/* bytes of a body, where responses are not kept */
#define MOST_ROUNDS			64	/* before others have their turn */
#define TROUBLE_US			1500000 /* of failures, before there is a word about it */
#define SILENCE_US			5000000 /* without a response */
#define LONGEST_RETRY_AFTER	3600	/* seconds */
#define NBUCKETS			1024

#define http_of(transport) ((HttpTransport *) (transport))

/* ---- opening and closing ---- */

static CqDestination *
open_destination(const CqViewSink *sink, Oid owner)
{
	cq_sink_require_insert(sink->sink, owner);
	return cq_destination_get(sink->sink, owner);
}

/* What the bodies are, unless the sink says so. */
static const char *
content_type_of(const CqDestination *destination)
{
	if (destination->content_type != NULL)
		return destination->content_type;
	for (int i = 0; i < destination->ncolumns; i++)
	{
		Oid			type = destination->columns[i].type;

		if (destination->columns[i].part != CQ_PART_BODY)
			continue;
		return type == BYTEAOID ? "application/octet-stream" :
			type == JSONOID || type == JSONBOID ? "application/json" :
			type == XMLOID ? "application/xml" : "text/plain; charset=utf-8";
	}
	return "application/json";
}

char *
cq_transport_http_describe(const CqDestination *destination, Oid responses)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "%d %u %s", destination->is_trusted, responses,
					 content_type_of(destination));
	cq_transport_describe(&text, destination->options);
	return text.data;
}

static char *
describe_http(const CqViewSink *sink)
{
	Oid			owner = cq_owner_of_relation(sink->view);
	const CqDestination *destination = open_destination(sink, owner);

	return cq_transport_http_describe(destination, cq_http_outcome_stream(destination, owner));
}

static CqSecrets *
collect_secrets(const CqDestination *destination)
{
	CqSecrets  *secrets = cq_secrets_make();
	const char *user = cq_destination_secret(destination, "user");
	const char *password = cq_destination_secret(destination, "password");
	ListCell   *cell;

	foreach(cell, destination->secrets)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, "user") != 0 && strcmp(option->defname, "certificate") != 0)
			cq_secrets_add(secrets, defGetString(option));
	}
	if (user != NULL)
		cq_secrets_add_basic(secrets, user, password != NULL ? password : "");
	return secrets;
}

HttpTransport *
cq_transport_http_create(MemoryContext context, CqDestination *destination, Oid owner,
						 Oid responses, int64 epoch)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	HttpTransport *http = palloc0(sizeof(HttpTransport));
	int			concurrency;

	http->pub.methods = &cq_transport_http;
	http->context = context;
	http->owner = owner;
	http->destination = destination;
	http->responses = responses;
	http->keeps_bodies = OidIsValid(responses);
	http->secrets = collect_secrets(http->destination);
	http->content_type = content_type_of(http->destination);
	http->write = cq_http_outcome_write;
	snprintf(http->epoch, sizeof(http->epoch), "%016llx", (unsigned long long) epoch);
	dlist_init(&http->waiting);
	dlist_init(&http->running);
	dlist_init(&http->done);
	concurrency = http->destination->delivery.concurrency;
	http->max_response = OidIsValid(http->responses) ? http->destination->max_response :
		Min(http->destination->max_response, LONGEST_REASON);
	http->pub.max_rows = Min(Max(FEWEST_ROWS, Min(MOST_ROWS, concurrency * ROWS_OF_PLACE)),
							 Max(1, MOST_RESPONSES / Max(http->max_response, 1)));
	http->pool = cq_http_pool_create(concurrency);
	/* From here on it is closed by close, and nothing else. */
	MemoryContextSetParent(context, TopMemoryContext);
	MemoryContextSwitchTo(caller);
	return http;
}

static CqTransport *
open_http(const CqViewSink *sink, const char **trouble)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq http transport",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	Oid			owner = cq_owner_of_relation(sink->view);
	CqDestination *destination = open_destination(sink, owner);
	Oid			responses = cq_http_outcome_stream(destination, owner);

	MemoryContextSwitchTo(caller);
	return &cq_transport_http_create(context, destination, owner, responses, sink->epoch)->pub;
}

/* Requests are ended, however far they are. */
static void
end_batch(HttpTransport *http)
{
	dlist_iter	iter;

	dlist_foreach(iter, &http->running)
		MemoryContextDelete(dlist_container(HttpRow, node, iter.cur)->context);
	dlist_init(&http->running);
	dlist_init(&http->waiting);
	http->nrunning = 0;
	if (http->batch != NULL)
		MemoryContextDelete(http->batch->context);
	http->batch = NULL;
}

static bool
close_http(CqTransport *transport)
{
	HttpTransport *http = http_of(transport);
	dlist_mutable_iter iter;

	end_batch(http);
	dlist_foreach_modify(iter, &http->done)
		MemoryContextDelete(dlist_container(HttpBatch, node, iter.cur)->context);
	cq_http_pool_end(http->pool);
	MemoryContextDelete(http->context);
	return true;
}

/* ---- how the destination fares ---- */

static void
note_success(HttpTransport *http)
{
	http->failures = 0;
	http->failing_since = 0;
}

/* How long something took is no news, or each failure would be another one. */
static char *
without_times(char *text)
{
	char	   *place = strstr(text, " after ");
	size_t		ndigits = place != NULL ? strspn(place + 7, "0123456789") : 0;
	char	   *unit = ndigits > 0 ? place + 7 + ndigits : NULL;

	if (unit != NULL && (strncmp(unit, " ms", 3) == 0 || strncmp(unit, " milliseconds", 13) == 0))
	{
		unit += unit[2] == 's' ? 3 : 13;
		memmove(place, unit, strlen(unit) + 1);
	}
	return text;
}

static void
note_failure(HttpTransport *http, char *text, int64 retry_after, int64 now)
{
	const CqDelivery *delivery = &http->destination->delivery;

	if (http->failing_since == 0)
		http->failing_since = now;
	http->failures++;
	if (http->failure != NULL)
		pfree(http->failure);
	http->failure = MemoryContextStrdup(http->context,
										cq_secrets_strike(http->secrets, without_times(text)));
	if (delivery->breaker > 0 && http->failures >= delivery->breaker)
		http->silent_until = Max(http->silent_until, now + delivery->breaker_pause);
	if (retry_after > 0)
		http->silent_until = Max(http->silent_until,
								 now + Min(retry_after, LONGEST_RETRY_AFTER) * USECS_PER_SEC);
}

static bool
is_breaker_open(const HttpTransport *http)
{
	int			most = http->destination->delivery.breaker;

	return most > 0 && http->failures >= most;
}

/* When the next request may begin. */
static int64
next_start(const HttpTransport *http)
{
	if (is_breaker_open(http) && http->nrunning > 0)
		return PG_INT64_MAX;	/* on what runs it depends how it goes on */
	return Max(http->silent_until, http->next_start);
}

static int64
backoff_us(const HttpTransport *http, const HttpRow *row)
{
	const CqDelivery *delivery = &http->destination->delivery;
	int64		pause = Min(delivery->backoff << Min(row->attempts - 1, 16), delivery->max_backoff);

	/* Not all at the same moment. */
	return (int64) (pause * (0.5 + pg_prng_double(&pg_global_prng_state) / 2));
}

/* ---- rows ---- */

static void
settle_row(HttpTransport *http, HttpRow *row, const char *reason, const CqHttpResponse *response)
{
	row->is_settled = true;
	row->is_delivered = reason == NULL;
	if (reason != NULL)
		row->reason = MemoryContextStrdup(http->batch->context, reason);
	http->batch->nsettled++;
	cq_http_outcome_keep(http, http->batch, row, response);
}

/* Why it is not delivered, and will not be; NULL: it is, or may be: *is_to_repeat. */
static const char *
judge_response(const HttpTransport *http, const HttpRow *row, const CqHttpResponse *response,
			   bool *is_to_repeat)
{
	int			status = response->status;
	int			most = http->destination->delivery.attempts;

	*is_to_repeat = status == 0 || status == 408 || status == 425 || status == 429 ||
		status >= 500;
	if (!*is_to_repeat)
		return status >= 200 && status < 300 ? NULL :
			status >= 300 && status < 400 ?
			psprintf("status %d, and redirects are not followed", status) :
			psprintf("status %d", status);
	if (most == 0 || row->nseen < most)
		return NULL;
	return status != 0 ? psprintf("status %d", status) : response->error;
}

static void
end_attempt(HttpTransport *http, HttpRow *row, const CqHttpResponse *response)
{
	int64		now = cq_clock_real_monotonic();
	bool		is_to_repeat;
	const char *reason;

	dlist_delete(&row->node);
	http->nrunning--;
	http->heard_at = now;
	row->duration = now - row->began;
	row->attempts++;
	row->nseen += !response->never_arrived;
	reason = judge_response(http, row, response, &is_to_repeat);
	if (is_to_repeat)
		note_failure(http, response->status != 0 ? psprintf("status %d", response->status) :
					 pstrdup(response->error), response->retry_after, now);
	else
		note_success(http);
	if (is_to_repeat && reason == NULL)
	{
		row->due = now + backoff_us(http, row);
		dlist_push_head(&http->waiting, &row->node);
	}
	else
		settle_row(http, row, reason != NULL ? cq_secrets_strike(http->secrets, pstrdup(reason)) :
				   NULL, response);
	MemoryContextDelete(row->context);
	row->context = NULL;
	row->call = NULL;
}

/* NULL, or why it could not be started: of memory, or of what this libcurl is not able to. */
static char *
start_request(HttpTransport *http, HttpRow *row)
{
	MemoryContext caller = CurrentMemoryContext;
	ErrorData  *volatile error = NULL;

	PG_TRY();
	{
		MemoryContextSwitchTo(row->context);
		row->call = cq_http_request_start(http, row);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	return error != NULL ? error->message : NULL;
}

static void
begin_attempt(HttpTransport *http, HttpRow *row, int64 now)
{
	const CqDelivery *delivery = &http->destination->delivery;
	char	   *trouble;

	dlist_delete(&row->node);
	row->context = AllocSetContextCreate(http->context, "pg_cq http request",
										 ALLOCSET_SMALL_SIZES);
	row->began = http->heard_at = now;
	trouble = start_request(http, row);
	if (trouble != NULL)
	{
		note_failure(http, trouble, 0, now);
		MemoryContextDelete(row->context);
		row->attempts++;
		row->due = now + backoff_us(http, row);
		dlist_push_tail(&http->waiting, &row->node);
		return;
	}
	dlist_push_tail(&http->running, &row->node);
	http->nrunning++;
	if (delivery->rate > 0)
		http->next_start = Max(http->next_start, now) + (int64) (USECS_PER_SEC / delivery->rate);
}

static int
end_attempts(HttpTransport *http)
{
	dlist_mutable_iter iter;
	int			nended = 0;

	dlist_foreach_modify(iter, &http->running)
	{
		HttpRow    *row = dlist_container(HttpRow, node, iter.cur);
		const CqHttpResponse *response = cq_http_response(row->call);

		if (response == NULL)
			continue;
		end_attempt(http, row, response);
		nended++;
	}
	return nended;
}

/* Those whose time has come; *alarm is when that will be so for another one. */
static int
begin_attempts(HttpTransport *http, int64 *alarm)
{
	int64		now = cq_clock_real_monotonic();
	int			nbegun = 0;
	dlist_mutable_iter iter;

	*alarm = PG_INT64_MAX;
	dlist_foreach_modify(iter, &http->waiting)
	{
		HttpRow    *row = dlist_container(HttpRow, node, iter.cur);

		if (http->nrunning >= http->destination->delivery.concurrency)
			break;
		if (row->before != NULL && !row->before->is_settled)
			continue;
		if (next_start(http) > now)
		{
			*alarm = Min(*alarm, next_start(http));
			break;
		}
		if (row->due > now)
		{
			*alarm = Min(*alarm, row->due);
			continue;
		}
		begin_attempt(http, row, now);
		nbegun++;
	}
	return nbegun;
}

static void
move_batch(HttpTransport *http)
{
	int64		alarm = 0;

	cq_http_pool_advance(http->pool);
	for (int round = 0; round < MOST_ROUNDS; round++)
	{
		int			nended = end_attempts(http);
		int			nbegun = begin_attempts(http, &alarm);

		if (nended + nbegun == 0)
			break;
		alarm = 0;
	}
	cq_http_pool_set_alarm(http->pool, http->batch->nsettled == http->batch->nrows ?
						   PG_INT64_MAX : alarm);
}

/* ---- what the emitter asks for ---- */

static CqTransportState
state_of_http(CqTransport *transport)
{
	HttpTransport *http = http_of(transport);

	if (http->batch == NULL)
		return CQ_TRANSPORT_READY;
	move_batch(http);
	if (http->batch->nsettled < http->batch->nrows)
		return CQ_TRANSPORT_SENDING;
	dlist_push_tail(&http->done, &http->batch->node);
	http->batch = NULL;
	return CQ_TRANSPORT_READY;
}

static CqTransportPlace
place_of_http(const CqTransport *transport)
{
	return (CqTransportPlace) {.is_of_database = true};
}

static CqTransportPlaceText
place_text_of_http(const CqTransport *transport)
{
	return (CqTransportPlaceText) {0};
}

static CqTransportError
error_of_http(const CqTransport *transport)
{
	return (CqTransportError) {0};
}

static bool
trouble_of_http(CqTransport *transport, char **text)
{
	const HttpTransport *http = http_of(transport);
	const CqDestination *destination = http->destination;
	int64		now = cq_clock_real_monotonic();

	if (http->failing_since != 0 && is_breaker_open(http))
		*text = psprintf("%s: %s; nothing is sent for a while, since %d requests in a row have "
						 "failed", destination->url, http->failure,
						 destination->delivery.breaker);
	else if (http->failing_since != 0 && now - http->failing_since > TROUBLE_US)
		*text = psprintf("%s: %s", destination->url, http->failure);
	else if (http->nrunning > 0 && now - http->heard_at > SILENCE_US)
		*text = psprintf("%s does not answer", destination->url);
	else
		return false;
	return true;
}

static int
fd_of_http(const CqTransport *transport)
{
	return cq_http_pool_fd(http_of(transport)->pool);
}

static void
tend_http(CqTransport *transport)
{
	cq_http_pool_advance(http_of(transport)->pool);
}

/* ---- sending ---- */

/* Rows are checked one by one when they are sent: one that cannot be is no reason not to go on. */
static void
prepare_for_http(CqTransport *transport, const CqViewSink *sink, CqOutboxRows *rows,
				 MemoryContext context)
{
}

/* Each waits for the last one before it with the same key; those without one are of one key. */
static void
put_in_order(HttpBatch *batch)
{
	HttpRow   **buckets = palloc0(sizeof(HttpRow *) * NBUCKETS);

	for (int i = 0; i < batch->nrows; i++)
	{
		HttpRow    *row = &batch->rows[i];
		const CqMessage *message = &row->outgoing->message;
		uint32		bucket = hash_bytes((const unsigned char *) message->key,
										message->key_length) % NBUCKETS;
		HttpRow    *other = buckets[bucket];

		while (other != NULL &&
			   (other->outgoing->message.key_length != message->key_length ||
				memcmp(other->outgoing->message.key ? other->outgoing->message.key : "",
					   message->key ? message->key : "", message->key_length) != 0))
			other = other->next_of_bucket;
		row->before = other;
		row->next_of_bucket = buckets[bucket];
		buckets[bucket] = row;
	}
	pfree(buckets);
}

static HttpBatch *
make_batch(HttpTransport *http, const CqOutboxRows *rows)
{
	MemoryContext context = AllocSetContextCreate(http->context, "pg_cq http batch",
												  ALLOCSET_DEFAULT_SIZES);
	HttpBatch  *batch = MemoryContextAllocZero(context, sizeof(HttpBatch));

	batch->context = context;
	batch->nrows = (int) rows->nrows;
	batch->rows = MemoryContextAllocZero(context, sizeof(HttpRow) * Max(batch->nrows, 1));
	batch->last_id = rows->last_id;
	for (int i = 0; i < batch->nrows; i++)
	{
		batch->rows[i].outgoing = &rows->rows[i];
		batch->rows[i].id = rows->rows[i].message.offset;
	}
	return batch;
}

static void
send_by_http(CqTransport *transport, const CqOutboxRows *rows, int64 next_id)
{
	HttpTransport *http = http_of(transport);
	HttpBatch  *batch = make_batch(http, rows);
	MemoryContext caller = MemoryContextSwitchTo(batch->context);

	http->batch = batch;
	for (int i = 0; i < batch->nrows; i++)
	{
		HttpRow    *row = &batch->rows[i];
		const char *reason = cq_http_request_read(row);

		if (reason != NULL)
			settle_row(http, row, reason, NULL);
		else
			dlist_push_tail(&http->waiting, &row->node);
	}
	if (http->destination->is_ordered)
		put_in_order(batch);
	MemoryContextSwitchTo(caller);
	http->heard_at = cq_clock_real_monotonic();
	cq_http_pool_set_alarm(http->pool, 0);	/* they begin when the transaction is over */
}

static void
record_of_http(CqTransport *transport, const CqViewSink *sink, int64 through_id)
{
	HttpTransport *http = http_of(transport);
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &http->done)
	{
		HttpBatch  *batch = dlist_container(HttpBatch, node, iter.cur);

		if (batch->last_id <= sink->sent_id)
		{
			/* The transaction that wrote it down is committed. */
			dlist_delete(&batch->node);
			MemoryContextDelete(batch->context);
		}
		else if (batch->last_id <= through_id)
			http->write(http, sink, batch);
	}
}

const CqTransportMethods cq_transport_http = {
	.describe = describe_http,
	.open = open_http,
	.prepare = prepare_for_http,
	.record = record_of_http,
	.state = state_of_http,
	.place = place_of_http,
	.place_text = place_text_of_http,
	.error = error_of_http,
	.trouble = trouble_of_http,
	.send = send_by_http,
	.fd = fd_of_http,
	.tend = tend_http,
	.close = close_http,
};
