/*
 * http.h
 *		Requests by HTTP, many at a time, without waiting for any of them.
 *
 * A request is started and goes on by itself whenever the process calls cq_http_advance, which
 * takes no longer than what has come so far. It ends in a response, or in the reason why there is
 * none. Attempts that fail for what may pass are repeated with growing pauses, at the next of the
 * request's addresses.
 *
 * Promises:
 * - Nothing waits but cq_http_wait, which a signal interrupts. Names are looked up by threads of
 *   libcurl's, which take no signals.
 * - A response is never larger than the request allows, whatever the server says or sends.
 * - A request goes where its URL says and nowhere else: no redirects, no proxies, no .netrc, no
 *   other protocols. Where whoever has written the URL need not be trusted, it goes only to what
 *   the setting cq.http_allowed lists; that is held against the address itself, when it is
 *   connected to.
 * - Nothing that is said for people holds a secret.
 *
 * A call lives in the memory context that was current at its start, and ends with it.
 */
#ifndef CQ_HTTP_H
#define CQ_HTTP_H

#include "postgres.h"

#include "nodes/pg_list.h"

/* Who asks: any of these may be NULL. Certificates and keys are PEM text. */
typedef struct CqHttpIdentity
{
	const char *user;
	const char *password;
	const char *token;			/* for Authorization: Bearer */
	const char *certificate;	/* of the client */
	const char *key;
	const char *key_password;
	const char *authority;		/* who may have signed the server's; NULL: those of the system */
} CqHttpIdentity;

/*
 * Connections of one caller, all of whose requests go to one place as one identity: they are kept
 * for the next request. Requests of a pool are moved on by cq_http_pool_advance.
 */
typedef struct CqHttpPool CqHttpPool;

typedef struct CqHttpRequest
{
	CqHttpPool *pool;			/* NULL: none, connections are not kept */
	const char *method;
	/* of char *: the same thing at several places; one after the other is tried */
	List	   *urls;
	List	   *headers;		/* of char *: "Name: value" */
	const char *body;			/* NULL: none */
	Size		body_length;
	const CqHttpIdentity *identity; /* NULL: nobody */
	bool		is_trusted;		/* the URLs are a superuser's: they may name any address */
	bool		is_repeatable;	/* to send it twice does no harm */
	/* in all; of one that is not repeatable only those count that never arrived */
	int			attempts;
	int			timeout_ms;		/* of an attempt, all of it */
	int			connect_timeout_ms; /* 0: a default */
	bool		is_patient;		/* with who sends nothing for long, within the timeout */
	Size		max_length;		/* of the response's body */
	bool		cuts;			/* a longer one is cut, and else an error */
} CqHttpRequest;

/* How a call ended. Lives as long as the call. */
typedef struct CqHttpResponse
{
	int			status;			/* of HTTP; 0: there was no response */
	const char *body;			/* zero-terminated */
	Size		length;
	bool		is_cut;			/* there was more */
	const char *headers;		/* "Name: value" and line ends, as they came */
	Size		headers_length;
	int64		retry_after;	/* seconds, as the response says; 0: nothing */
	const char *error;			/* a phrase, where status is 0: why */
	bool		never_arrived;	/* where status is 0: the request cannot have been seen */
	const char *url;			/* of the attempt */
} CqHttpResponse;

typedef struct CqHttpCall CqHttpCall;

/*
 * Copies what it needs of the request. Raises ERROR where there is no memory, or no more
 * descriptors.
 */
extern CqHttpCall *cq_http_start(const CqHttpRequest *request);

/* NULL while it goes on. */
extern const CqHttpResponse *cq_http_response(const CqHttpCall *call);

/* Ends it at once, at whatever point. */
extern void cq_http_free(CqHttpCall *call);

/* Takes all calls on as far as that goes without waiting. */
extern void cq_http_advance(void);

/* Readable when there is something for cq_http_advance to do; -1 until the first call. */
extern int	cq_http_fd(void);

/*
 * Waits until the call has ended, and at most so long; true where it has. A signal is answered at
 * once, by ERROR.
 */
extern bool cq_http_wait(const CqHttpCall *call, int timeout_ms);

/* Waits until something has come for any of the calls, and at most so long. */
extern void cq_http_wait_any(int timeout_ms);

/* A pool for so many connections at a time; lives until it is ended. Raises ERROR. */
extern CqHttpPool *cq_http_pool_create(int nconnections);

/* Its calls must have been freed. */
extern void cq_http_pool_end(CqHttpPool *pool);

extern void cq_http_pool_advance(CqHttpPool *pool);

/* Readable when there is something to do, or the alarm's time has come. */
extern int	cq_http_pool_fd(const CqHttpPool *pool);

/*
 * From when on, by cq_clock_real_monotonic, the descriptor is to be readable though nothing has
 * come; PG_INT64_MAX: not by that. The next cq_http_pool_advance forgets it.
 */
extern void cq_http_pool_set_alarm(CqHttpPool *pool, int64 due);

/* What is in a query or a path, encoded; palloc'd. */
extern char *cq_http_escape(const char *text);

/* ---- http_guard.c ---- */

extern void cq_http_guard_init(void);

#endif							/* CQ_HTTP_H */
