/*
 * model_parts.h
 *		What the parts of the transport to models have in common, and nobody else needs: see
 *		transport_model.c.
 */
#ifndef CQ_MODEL_PARTS_H
#define CQ_MODEL_PARTS_H

#include "catalog/model.h"
#include "lib/ilist.h"
#include "sink/http_parts.h"
#include "utils/jsonb.h"

/* What a row of the outbox is, in its column for a topic. */
#define CQ_MODEL_ASK "ask"
#define CQ_MODEL_FORGET "forget"	/* it is gone: that is passed on, and nothing is asked */

#define CQ_MODEL_HASH 32		/* bytes */

/* A row of the outbox on its way. All of it is the batch's. */
typedef struct ModelRow
{
	int64		id;
	bool		is_gone;
	const char *key;			/* a JSON object, or NULL */
	const char *input;			/* NULL: there is nothing to ask */
	uint8		hash[CQ_MODEL_HASH];	/* of what is asked, and how */
	int			request;		/* which of the batch's; -1: none */
	int			position;		/* in it */
	Jsonb	   *cached;			/* the answer, where it was known; or NULL */
	Jsonb	   *answer;			/* once it is written down; or NULL */
} ModelRow;

/* A request: inputs that are asked about together. */
typedef struct ModelRequest
{
	int			ninputs;
	const char *body;
	const HttpRow *sent;
	Jsonb	   *response;		/* once it was looked at */
} ModelRequest;

typedef struct ModelBatch
{
	dlist_node	node;			/* of those that are to be written down */
	MemoryContext context;
	ModelRow   *rows;
	int			nrows;
	ModelRequest *requests;
	int			nrequests;
	const HttpBatch *sent;
	CqSpend		reserved;		/* for it */
	TimestampTz reserved_at;	/* the beginning of that period */
	int64		last_id;
} ModelBatch;

typedef struct ModelTransport
{
	CqTransport pub;
	MemoryContext context;
	CqModel    *model;
	HttpTransport *http;		/* by which requests go */
	Oid			owner;			/* of the view */
	dlist_head	batches;		/* of ModelBatch, in their order */
	CqSpend		reserved;		/* for what is sent next */
	TimestampTz reserved_at;
	int			nstored;		/* answers, since the cache was trimmed */
} ModelTransport;

/* ---- model_request.c ---- */

/* The body that asks about inputs (of char *), in the server's encoding. palloc'd. */
extern char *cq_model_request_body(const CqModel *model, const List *inputs);

/* Inputs that are objects are JSON, others text. */
extern bool cq_model_request_takes_objects(const CqModel *model);

/* ---- model_answer.c ---- */

/*
 * The answer about an input at a position of a request, out of the whole response's JSON: an object
 * with a field for each output. NULL: *reason is why there is none.
 */
extern Jsonb *cq_model_answer_read(const CqModel *model, Jsonb *response, int position, int count,
								   const char **reason);

/* How many tokens a response says that were used; false: it does not. */
extern bool cq_model_answer_usage(Jsonb *response, int64 *input, int64 *output);

/* ---- model_cache.c ---- */

/* Looks up answers: sets cached of rows. */
extern void cq_model_cache_find(const CqModel *model, ModelBatch *batch);

/* Keeps those that are new; at most as many as the model is to have. */
extern void cq_model_cache_store(ModelTransport *transport, const ModelBatch *batch);

/* ---- model_outcome.c ---- */

/*
 * The stream for answers. Raises ERROR where there is none that the owner may write to and that has
 * a column for an answer.
 */
extern Oid	cq_model_outcome_stream(const CqModel *model, Oid owner);

/* Writes down answers, and rows without one. */
extern void cq_model_outcome_write(HttpTransport *http, const CqViewSink *sink,
								   const HttpBatch *requests);

/* The answer about a row that was asked about, or NULL: *reason is why there is none. */
extern Jsonb *cq_model_outcome_answer(const ModelTransport *transport, ModelBatch *batch,
									  const ModelRow *row, const char **reason);

/* The same of a request that was answered. */
extern bool cq_model_outcome_usage(const ModelTransport *transport, ModelBatch *batch,
								   ModelRequest *request, int64 *input, int64 *output);

/* ---- model_budget.c ---- */

/*
 * Takes as much of the budget as rows may cost, and keeps of them those for which there is enough;
 * where that is none, rows->held_because is set.
 */
extern void cq_model_budget_reserve(ModelTransport *transport, CqOutboxRows *rows,
									MemoryContext context);

/* Puts what was spent in the place of what was taken. */
extern void cq_model_budget_settle(ModelTransport *transport, ModelBatch *batch);

/* ---- transport_model.c ---- */

/*
 * For what a table says, as a user; responses may be InvalidOid. Raises ERROR. Closed by its
 * method.
 */
extern ModelTransport *cq_transport_model_create(Oid table, Oid owner, Oid responses,
												 int64 epoch);

/* What was handed over by send, of which nothing is under way any more. */
extern ModelBatch *cq_transport_model_batch(ModelTransport *transport, int64 last_id);

#endif							/* CQ_MODEL_PARTS_H */
