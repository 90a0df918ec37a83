/*
 * http_parts.h
 *		What the parts of the transport by HTTP have in common, and nobody else needs: see
 *		transport_http.c.
 */
#ifndef CQ_HTTP_PARTS_H
#define CQ_HTTP_PARTS_H

#include "catalog/destination.h"
#include "http/http.h"
#include "lib/ilist.h"
#include "sink/secrets.h"
#include "sink/transport.h"

/* A row of the outbox on its way, and what became of it. */
typedef struct HttpRow
{
	dlist_node	node;			/* of those that wait, or that run */
	const CqOutgoing *outgoing; /* borrowed, until it is settled */
	int64		id;
	const char *method;			/* palloc'd in the batch, as all that follows */
	const char *path;
	List	   *headers;		/* of char *, those that the row has */
	struct HttpRow *before;		/* the one with the same key, to be settled first; or NULL */
	struct HttpRow *next_of_bucket;
	MemoryContext context;		/* of the request that runs */
	CqHttpCall *call;			/* NULL: none runs */
	int64		began;			/* of it: times are on cq_clock_real_monotonic */
	int64		due;			/* of the next one */
	int			attempts;
	int			nseen;			/* of these: that may have arrived */
	bool		is_settled;

	/* once it is settled: copies */
	bool		is_delivered;
	int			status;			/* of the last response; 0: there was none */
	int64		duration;		/* of the last attempt */
	const char *reason;			/* why it was not delivered */
	const char *body;			/* of the response */
	Size		body_length;
	bool		is_cut;
	const char *response_headers;
	const char *key;
	uint32		key_length;
	Datum		sent_headers;	/* what was sent; only where it was not delivered */
	const char *payload;
	uint32		payload_length;
} HttpRow;

/* What was handed over at a time. */
typedef struct HttpBatch
{
	dlist_node	node;			/* of those that are to be written down */
	MemoryContext context;
	HttpRow    *rows;
	int			nrows;
	int			nsettled;
	int64		last_id;
} HttpBatch;

typedef struct HttpTransport HttpTransport;

/*
 * Writes down what became of a batch: see the method record. Where requests are made of rows, and
 * not each of one, by whoever makes them.
 */
typedef void (*HttpWrite) (HttpTransport *http, const CqViewSink *sink, const HttpBatch *batch);

struct HttpTransport
{
	CqTransport pub;
	MemoryContext context;
	CqDestination *destination;
	CqSecrets  *secrets;
	CqHttpPool *pool;
	Oid			owner;			/* of the view */
	Oid			responses;		/* the stream, or InvalidOid */
	char		epoch[20];		/* in idempotency keys */
	const char *content_type;	/* of bodies */
	int			max_response;	/* bytes of a body that are wanted */
	bool		keeps_bodies;	/* also of requests that were delivered */
	HttpBatch  *batch;			/* being sent; NULL: none */
	dlist_head	waiting;		/* of its rows, in their order */
	dlist_head	running;
	int			nrunning;
	dlist_head	done;			/* of HttpBatch */
	int64		next_start;		/* by the rate */
	int64		silent_until;	/* the destination has asked for that, or the breaker is open */
	int			failures;		/* in a row */
	int64		failing_since;	/* 0: it is not */
	int64		heard_at;		/* something has come, or was begun */
	char	   *failure;		/* the last one, for people */
	HttpWrite	write;
	void	   *maker;			/* of requests, for write; or NULL */
};

/* ---- transport_http.c ---- */

/*
 * To a destination that lives in a context, which is the transport's from then on. responses may be
 * InvalidOid. Raises ERROR.
 */
extern HttpTransport *cq_transport_http_create(MemoryContext context, CqDestination *destination,
											   Oid owner, Oid responses, int64 epoch);

/* See describe. */
extern char *cq_transport_http_describe(const CqDestination *destination, Oid responses);

/* ---- http_request.c ---- */

/*
 * Reads method, path and headers of a row, which somebody may have written into the outbox by hand.
 * NULL, or why it cannot be sent. In CurrentMemoryContext, within a transaction.
 */
extern const char *cq_http_request_read(HttpRow *row);

/* Starts its request. In CurrentMemoryContext. */
extern CqHttpCall *cq_http_request_start(HttpTransport *http, HttpRow *row);

/* palloc'd. */
extern char *cq_http_request_idempotency_key(const HttpTransport *http, const HttpRow *row);

/* ---- http_outcome.c ---- */

/*
 * The stream for responses of a destination, or InvalidOid where it wants none. Raises ERROR where
 * it is none that the owner may write to.
 */
extern Oid	cq_http_outcome_find(const CqDestination *destination, Oid owner);

/* The same, with columns for what requests by HTTP bring. */
extern Oid	cq_http_outcome_stream(const CqDestination *destination, Oid owner);

/* Copies what has to be written down of a row that is settled. response may be NULL. */
extern void cq_http_outcome_keep(HttpTransport *http, HttpBatch *batch, HttpRow *row,
								 const CqHttpResponse *response);

/* Writes down responses, and rows that were given up, as the database keeps them. */
extern void cq_http_outcome_write(HttpTransport *http, const CqViewSink *sink,
								  const HttpBatch *batch);

/* The body of a response as jsonb; a string where it is no JSON. Secrets are struck out. */
extern Datum cq_http_outcome_body(const HttpTransport *http, const HttpRow *row);

/* The beginning of a response for a reason: a colon and text, or nothing. */
extern const char *cq_http_outcome_quote(const HttpTransport *http, const HttpRow *row);

/* The text as jsonb, if it is JSON. */
extern bool cq_http_outcome_read_json(char *text, Datum *jsonb);

/* Bytes in UTF-8 as text of the server; NULL: they are none. */
extern char *cq_http_outcome_text(const char *bytes, Size length);

#endif							/* CQ_HTTP_PARTS_H */
