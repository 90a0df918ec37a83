/*
 * transport_model.c
 *		Rows as questions to a model: requests by HTTP (transport_http.c), each about a number of
 *		rows, whose answers come back as rows of a stream.
 *
 *		rows of the outbox ──► known answers (model_cache.c)
 *		                  └──► requests (model_request.c) ──► HTTP ──► answers (model_answer.c)
 *		                                                                  │
 *		            stream, cq.errors, known answers ◄──with the place────┘  (model_outcome.c)
 *
 * Delivery, and what it does where a destination is slow, away or refuses, is that of cq_http. No
 * more is handed over at a time than what can be under way: after a crash no more than that is
 * asked again.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/owner.h"
#include "common/sha2.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "sink/model_parts.h"
#include "sink/sink.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#define MOST_ROWS 2000			/* of a batch */

#define model_of(transport) ((ModelTransport *) (transport))
#define http_of(transport) (&model_of(transport)->http->pub)

/* ---- opening and closing ---- */

static CqModel *
open_model(Oid table, Oid owner)
{
	cq_sink_require_insert(table, owner);
	return cq_model_get(table, owner);
}

static char *
describe_model(const CqViewSink *sink)
{
	Oid			owner = cq_owner_of_relation(sink->view);
	const CqModel *model = open_model(sink->sink, owner);
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text,
						   cq_transport_http_describe(model->destination,
													  cq_model_outcome_stream(model, owner)));
	for (int i = 0; i < model->ncolumns; i++)
		appendStringInfo(&text, " %s %d %u", quote_identifier(model->columns[i].name),
						 model->columns[i].part, model->columns[i].type);
	return text.data;
}

ModelTransport *
cq_transport_model_create(Oid table, Oid owner, Oid responses, int64 epoch)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq model transport",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext requests = AllocSetContextCreate(context, "pg_cq model requests",
												   ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	ModelTransport *transport = palloc0(sizeof(ModelTransport));
	CqModel    *model = open_model(table, owner);

	transport->pub.methods = &cq_transport_model;
	transport->pub.is_one_by_one = true;
	transport->context = context;
	transport->model = model;
	transport->owner = owner;
	transport->pub.max_rows = Min(MOST_ROWS, model->destination->delivery.concurrency *
								  Max(model->batch_size, 1));
	dlist_init(&transport->batches);
	transport->http = cq_transport_http_create(requests, model->destination, owner, responses,
											   epoch);
	transport->http->keeps_bodies = true;
	transport->http->max_response = model->destination->max_response;
	transport->http->write = cq_model_outcome_write;
	transport->http->maker = transport;
	MemoryContextSetParent(context, TopMemoryContext);
	MemoryContextSwitchTo(caller);
	return transport;
}

static CqTransport *
open_transport_to_model(const CqViewSink *sink, const char **trouble)
{
	Oid			owner = cq_owner_of_relation(sink->view);
	Oid			responses = cq_model_outcome_stream(cq_model_get(sink->sink, owner), owner);

	return &cq_transport_model_create(sink->sink, owner, responses, sink->epoch)->pub;
}

static bool
close_model(CqTransport *transport)
{
	MemoryContext context = model_of(transport)->context;

	(void) http_of(transport)->methods->close(http_of(transport));
	MemoryContextDelete(context);	/* and batches, which are below it */
	return true;
}

/* ---- what the emitter asks for ---- */

static CqTransportState
state_of_model(CqTransport *transport)
{
	return http_of(transport)->methods->state(http_of(transport));
}

static CqTransportPlace
place_of_model(const CqTransport *transport)
{
	return http_of(transport)->methods->place(http_of(transport));
}

static CqTransportPlaceText
place_text_of_model(const CqTransport *transport)
{
	return http_of(transport)->methods->place_text(http_of(transport));
}

static CqTransportError
error_of_model(const CqTransport *transport)
{
	return http_of(transport)->methods->error(http_of(transport));
}

static bool
trouble_of_model(CqTransport *transport, char **text)
{
	return http_of(transport)->methods->trouble(http_of(transport), text);
}

static int
fd_of_model(const CqTransport *transport)
{
	return http_of(transport)->methods->fd(http_of(transport));
}

static void
tend_model(CqTransport *transport)
{
	http_of(transport)->methods->tend(http_of(transport));
}

/* ---- sending ---- */

/* Of the outbox, into which somebody may have written what is no text: that is as if null. */
static char *
text_of(const char *bytes, uint32 length)
{
	return bytes != NULL ? cq_http_outcome_text(bytes, length) : NULL;
}

static void
hash_question(const CqModel *model, ModelRow *row)
{
	char	   *body = cq_model_request_body(model, list_make1((char *) row->input));
	bytea	   *hash = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea,
														CStringGetTextDatum(body)));

	memcpy(row->hash, VARDATA_ANY(hash), CQ_MODEL_HASH);
	pfree(body);
}

static ModelBatch *
make_batch(ModelTransport *transport, const CqOutboxRows *rows)
{
	MemoryContext context = AllocSetContextCreate(transport->context, "pg_cq model batch",
												  ALLOCSET_DEFAULT_SIZES);
	ModelBatch *batch = MemoryContextAllocZero(context, sizeof(ModelBatch));
	MemoryContext caller = MemoryContextSwitchTo(context);

	batch->context = context;
	batch->nrows = (int) rows->nrows;
	batch->rows = palloc0(sizeof(ModelRow) * Max(batch->nrows, 1));
	batch->requests = palloc0(sizeof(ModelRequest) * Max(batch->nrows, 1));
	batch->last_id = rows->last_id;
	for (int i = 0; i < batch->nrows; i++)
	{
		const CqOutgoing *outgoing = &rows->rows[i];
		const CqMessage *message = &outgoing->message;
		ModelRow   *row = &batch->rows[i];

		row->id = message->offset;
		row->request = -1;
		row->is_gone = outgoing->topic != NULL && strcmp(outgoing->topic, CQ_MODEL_FORGET) == 0;
		row->key = text_of(message->key, message->key_length);
		row->input = row->is_gone ? NULL : text_of(message->value, message->value_length);
		if (row->input != NULL)
			hash_question(transport->model, row);
	}
	MemoryContextSwitchTo(caller);
	return batch;
}

/* One before it that asks the same, and is asked about. */
static const ModelRow *
find_same(const ModelBatch *batch, const ModelRow *row)
{
	for (const ModelRow *other = batch->rows; other < row; other++)
	{
		if (other->request >= 0 && memcmp(other->hash, row->hash, CQ_MODEL_HASH) == 0)
			return other;
	}
	return NULL;
}

/* Each row that has to be asked about gets a request, and a place in it. */
static void
group_rows(const CqModel *model, ModelBatch *batch)
{
	for (int i = 0; i < batch->nrows; i++)
	{
		ModelRow   *row = &batch->rows[i];
		const ModelRow *same;
		int			last = batch->nrequests - 1;

		if (row->input == NULL || row->cached != NULL)
			continue;
		same = find_same(batch, row);
		if (same == NULL && (last < 0 || batch->requests[last].ninputs >= model->batch_size))
			last = batch->nrequests++;
		row->request = same != NULL ? same->request : last;
		row->position = same != NULL ? same->position : batch->requests[last].ninputs++;
	}
}

static List *
inputs_of(const ModelBatch *batch, int request)
{
	List	   *inputs = NIL;

	for (int i = 0; i < batch->nrows; i++)
	{
		if (batch->rows[i].request == request && batch->rows[i].position == list_length(inputs))
			inputs = lappend(inputs, (char *) batch->rows[i].input);
	}
	return inputs;
}

/*
 * What tells a request from others: the row where it is about one, and else what it says, since
 * rows may be grouped otherwise when they are sent again.
 */
static int64
id_of(const ModelBatch *batch, int request, const char *body)
{
	bytea	   *hash;
	int64		id;

	for (int i = 0; i < batch->nrows && batch->requests[request].ninputs == 1; i++)
	{
		if (batch->rows[i].request == request)
			return batch->rows[i].id;
	}
	hash = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea, CStringGetTextDatum(body)));
	memcpy(&id, VARDATA_ANY(hash), sizeof(id));
	return id & PG_INT64_MAX;
}

/* In the batch's context. */
static void
send_requests(ModelTransport *transport, ModelBatch *batch, int64 next_id)
{
	HttpTransport *http = transport->http;
	CqOutboxRows requests = {.nrows = batch->nrequests, .last_id = batch->last_id};
	char	   *place = psprintf("POST %s", transport->model->path);

	requests.rows = palloc0(sizeof(CqOutgoing) * Max(batch->nrequests, 1));
	for (int i = 0; i < batch->nrequests; i++)
	{
		CqMessage  *message = &requests.rows[i].message;
		char	   *body = cq_model_request_body(transport->model, inputs_of(batch, i));

		requests.rows[i].topic = place;
		batch->requests[i].body = body;
		message->offset = id_of(batch, i, body);
		message->value = pg_server_to_any(body, strlen(body), PG_UTF8);
		message->value_length = strlen(message->value);
	}
	http->pub.methods->send(&http->pub, &requests, next_id);
	batch->sent = http->batch;
	for (int i = 0; i < batch->nrequests; i++)
		batch->requests[i].sent = &http->batch->rows[i];
}

static void
send_to_model(CqTransport *self, const CqOutboxRows *rows, int64 next_id)
{
	ModelTransport *transport = model_of(self);
	ModelBatch *batch = make_batch(transport, rows);
	MemoryContext caller;

	batch->reserved = transport->reserved;
	batch->reserved_at = transport->reserved_at;
	memset(&transport->reserved, 0, sizeof(CqSpend));
	cq_model_cache_find(transport->model, batch);
	group_rows(transport->model, batch);
	caller = MemoryContextSwitchTo(batch->context);
	send_requests(transport, batch, next_id);
	MemoryContextSwitchTo(caller);
	dlist_push_tail(&transport->batches, &batch->node);
}

static void
prepare_for_model(CqTransport *self, const CqViewSink *sink, CqOutboxRows *rows,
				  MemoryContext context)
{
	cq_model_budget_reserve(model_of(self), rows, context);
}

ModelBatch *
cq_transport_model_batch(ModelTransport *transport, int64 last_id)
{
	dlist_iter	iter;

	dlist_foreach(iter, &transport->batches)
	{
		ModelBatch *batch = dlist_container(ModelBatch, node, iter.cur);

		if (batch->last_id == last_id)
			return batch;
	}
	return NULL;
}

static void
record_of_model(CqTransport *self, const CqViewSink *sink, int64 through_id)
{
	ModelTransport *transport = model_of(self);
	dlist_mutable_iter iter;

	http_of(self)->methods->record(http_of(self), sink, through_id);
	dlist_foreach_modify(iter, &transport->batches)
	{
		ModelBatch *batch = dlist_container(ModelBatch, node, iter.cur);

		if (batch->last_id > sink->sent_id)
			continue;
		dlist_delete(&batch->node);
		MemoryContextDelete(batch->context);
	}
}

const CqTransportMethods cq_transport_model = {
	.describe = describe_model,
	.open = open_transport_to_model,
	.prepare = prepare_for_model,
	.record = record_of_model,
	.state = state_of_model,
	.place = place_of_model,
	.place_text = place_text_of_model,
	.error = error_of_model,
	.trouble = trouble_of_model,
	.send = send_to_model,
	.fd = fd_of_model,
	.tend = tend_model,
	.close = close_model,
};
