/*
 * http_private.h
 *		What http.c, which knows calls, and http_loop.c, which moves them, share. Includes libcurl.
 */
#ifndef CQ_HTTP_PRIVATE_H
#define CQ_HTTP_PRIVATE_H

#include "postgres.h"

#include <curl/curl.h>

#include "http/http.h"
#include "lib/ilist.h"

/*
 * Everything but the struct itself is malloc'd: it grows within libcurl's callbacks, where nothing
 * may be raised.
 */
struct CqHttpCall
{
	dlist_node	node;			/* of all of its pool that have not ended */
	CqHttpPool *pool;
	MemoryContextCallback on_reset;
	CURL	   *easy;
	struct curl_slist *headers;
	char	  **urls;
	int			nurls;
	char	   *host;			/* of the URL of the attempt */
	bool		is_trusted;
	bool		is_repeatable;
	bool		is_running;		/* it is with libcurl; else it waits for the next attempt */
	bool		is_refused;		/* by the guard: to try again would not help */
	bool		is_too_long;
	bool		cuts;
	bool		has_no_memory;
	int			attempts;		/* still allowed */
	int			nattempts;		/* so far */
	int64		due;			/* of the next one, on the monotonic clock, in microseconds */
	size_t		max_length;
	char	   *body;
	size_t		length;
	size_t		room;
	char	   *head;			/* headers of the response */
	size_t		head_length;
	bool		is_done;
	CqHttpResponse response;
	char		error[CURL_ERROR_SIZE];
};

/* ---- http_loop.c ---- */

/* What calls without a pool of their own share; opened by the first. Raises ERROR. */
extern CqHttpPool *cq_http_loop_open(void);

/* Begins an attempt, now or when it is due. */
extern void cq_http_loop_add(CqHttpCall *call);

/* Takes it away, however far it is. */
extern void cq_http_loop_remove(CqHttpCall *call);

/* ---- http.c ---- */

/* An attempt has ended. True where there is to be another one, when due. */
extern bool cq_http_call_ended(CqHttpCall *call, CURLcode code);

/* Sets what differs between attempts. */
extern void cq_http_call_prepare(CqHttpCall *call);

#endif							/* CQ_HTTP_PRIVATE_H */
