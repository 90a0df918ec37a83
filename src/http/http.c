/*
 * http.c
 *		A request, its attempts, and its response: see http.h.
 */
#include "postgres.h"

#include <unistd.h>

#include "common/clock.h"
#include "common/pg_prng.h"
#include "http/http_guard.h"
#include "http/http_private.h"
#include "utils/memutils.h"

#define CONNECT_TIMEOUT_MS	10000
#define FIRST_PAUSE_MS		100		/* before an attempt is repeated; then twice as long, and so on */
#define LONGEST_PAUSE_MS	10000
#define MOST_HEADERS		16384	/* bytes of a response's headers */

/* Seconds that a connection is kept: by then it is asked again where it may lead. */
#define LONGEST_LIFE		60L

/* Bytes of a second below which, for so many seconds, a connection counts as dead. */
#define SLOWEST				1L
#define SLOW_SECONDS		10L

/* ---- libcurl's callbacks: nothing is raised ---- */

static size_t
on_body(char *data, size_t size, size_t count, void *arg)
{
	CqHttpCall *call = arg;
	size_t		all = size * count;
	size_t		length = all;

	if (length > call->max_length - call->length)
	{
		call->is_too_long = true;
		if (!call->cuts)
			return CURL_WRITEFUNC_ERROR;
		length = call->max_length - call->length;
	}
	if (call->length + length + 1 > call->room)
	{
		size_t		room = Max(Max(call->room * 2, 4096), call->length + length + 1);
		char	   *body = realloc(call->body, room);

		if (body == NULL)
		{
			call->has_no_memory = true;
			return CURL_WRITEFUNC_ERROR;
		}
		call->body = body;
		call->room = room;
	}
	memcpy(call->body + call->length, data, length);
	call->length += length;
	call->body[call->length] = '\0';
	return call->is_too_long ? CURL_WRITEFUNC_ERROR : all;
}

/* Those of an earlier response, to a part of the request, are forgotten. */
static size_t
on_header(char *data, size_t size, size_t count, void *arg)
{
	CqHttpCall *call = arg;
	size_t		length = size * count;

	if (length >= 5 && memcmp(data, "HTTP/", 5) == 0)
	{
		call->head_length = 0;
		return length;
	}
	if (call->head_length + length > MOST_HEADERS)
		return length;
	if (call->head == NULL)
		call->head = malloc(MOST_HEADERS + 1);
	if (call->head == NULL)
	{
		call->has_no_memory = true;
		return CURL_WRITEFUNC_ERROR;
	}
	memcpy(call->head + call->head_length, data, length);
	call->head_length += length;
	call->head[call->head_length] = '\0';
	return length;
}

/* The address is what counts, and it is known here, for each that a name has. */
static curl_socket_t
on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	CqHttpCall *call = arg;

	if (address->family != AF_INET && address->family != AF_INET6)
		return CURL_SOCKET_BAD;
	if (!call->is_trusted &&
		(call->host == NULL || !cq_http_guard_allows(call->host, &address->addr)))
	{
		call->is_refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* ---- making a call ---- */

static void
no_memory(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("out of memory"),
			 errdetail("Failed to prepare a request by HTTP.")));
}

static void
set_option(CURLcode code, const char *what)
{
	if (code == CURLE_OUT_OF_MEMORY)
		no_memory();
	if (code != CURLE_OK)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg("could not prepare a request by HTTP: %s: %s", what,
						curl_easy_strerror(code))));
}

#define SET(call, option, value) set_option(curl_easy_setopt((call)->easy, option, value), #option)

static void
set_pem(CqHttpCall *call, CURLoption option, const char *pem, const char *what)
{
	struct curl_blob blob = {.data = (void *) pem, .len = pem != NULL ? strlen(pem) : 0,
							 .flags = CURL_BLOB_COPY};

	if (pem != NULL)
		set_option(curl_easy_setopt(call->easy, option, &blob), what);
}

static void
set_identity(CqHttpCall *call, const CqHttpIdentity *identity)
{
	set_pem(call, CURLOPT_CAINFO_BLOB, identity->authority, "authority");
	set_pem(call, CURLOPT_SSLCERT_BLOB, identity->certificate, "certificate");
	set_pem(call, CURLOPT_SSLKEY_BLOB, identity->key, "key");
	if (identity->certificate != NULL)
	{
		SET(call, CURLOPT_SSLCERTTYPE, "PEM");
		SET(call, CURLOPT_SSLKEYTYPE, "PEM");
	}
	if (identity->key_password != NULL)
		SET(call, CURLOPT_KEYPASSWD, identity->key_password);
	if (identity->token != NULL)
	{
		SET(call, CURLOPT_HTTPAUTH, (long) CURLAUTH_BEARER);
		SET(call, CURLOPT_XOAUTH2_BEARER, identity->token);
	}
	else if (identity->user != NULL)
	{
		SET(call, CURLOPT_HTTPAUTH, (long) CURLAUTH_BASIC);
		SET(call, CURLOPT_USERNAME, identity->user);
		SET(call, CURLOPT_PASSWORD, identity->password != NULL ? identity->password : "");
	}
}

/*
 * Only what the request itself says: nothing from the environment, from files, or from the other
 * side.
 */
static void
close_doors(CqHttpCall *call)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	SET(call, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	SET(call, CURLOPT_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	SET(call, CURLOPT_FOLLOWLOCATION, 0L);
	SET(call, CURLOPT_PROXY, "");
	SET(call, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
	SET(call, CURLOPT_NOSIGNAL, 1L);
	SET(call, CURLOPT_OPENSOCKETFUNCTION, on_open);
	SET(call, CURLOPT_OPENSOCKETDATA, call);
#if LIBCURL_VERSION_NUM >= 0x075700
	SET(call, CURLOPT_QUICK_EXIT, 1L);	/* does not wait for a name server when it ends */
#endif
}

/*
 * A connection is one caller's: another may have another identity, or may not go there. Who has a
 * pool goes to one place only.
 */
static void
set_reuse(CqHttpCall *call, const CqHttpRequest *request)
{
	if (request->pool == NULL)
	{
		SET(call, CURLOPT_FORBID_REUSE, 1L);
		SET(call, CURLOPT_FRESH_CONNECT, 1L);
		return;
	}
	SET(call, CURLOPT_TCP_KEEPALIVE, 1L);
#if LIBCURL_VERSION_NUM >= 0x075000
	SET(call, CURLOPT_MAXLIFETIME_CONN, LONGEST_LIFE);
#endif
}

static void
set_method(CqHttpCall *call, const CqHttpRequest *request)
{
	if (request->body != NULL)
	{
		SET(call, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) request->body_length);
		SET(call, CURLOPT_COPYPOSTFIELDS, request->body);
	}
	else if (strcmp(request->method, "HEAD") == 0)
		SET(call, CURLOPT_NOBODY, 1L);
	SET(call, CURLOPT_CUSTOMREQUEST, request->method);
}

static void
add_header(CqHttpCall *call, const char *header)
{
	struct curl_slist *list = curl_slist_append(call->headers, header);

	if (list == NULL)
		no_memory();
	call->headers = list;
}

static void
copy_urls(CqHttpCall *call, const List *urls)
{
	ListCell   *cell;

	call->urls = calloc(list_length(urls), sizeof(char *));
	if (call->urls == NULL)
		no_memory();
	foreach(cell, urls)
	{
		call->urls[call->nurls] = strdup(lfirst(cell));
		if (call->urls[call->nurls++] == NULL)
			no_memory();
	}
}

static void
set_timeouts(CqHttpCall *call, const CqHttpRequest *request)
{
	int			connect_ms = request->connect_timeout_ms > 0 ? request->connect_timeout_ms :
		CONNECT_TIMEOUT_MS;

	SET(call, CURLOPT_CONNECTTIMEOUT_MS, (long) Min(connect_ms, request->timeout_ms));
	SET(call, CURLOPT_TIMEOUT_MS, (long) request->timeout_ms);
	if (request->is_patient)
		return;
	SET(call, CURLOPT_LOW_SPEED_LIMIT, SLOWEST);
	SET(call, CURLOPT_LOW_SPEED_TIME, SLOW_SECONDS);
}

static void
set_up(CqHttpCall *call, const CqHttpRequest *request)
{
	ListCell   *cell;

	call->easy = curl_easy_init();
	if (call->easy == NULL)
		no_memory();
	copy_urls(call, request->urls);
	close_doors(call);
	set_reuse(call, request);
	SET(call, CURLOPT_PRIVATE, call);
	SET(call, CURLOPT_ERRORBUFFER, call->error);
	SET(call, CURLOPT_WRITEFUNCTION, on_body);
	SET(call, CURLOPT_WRITEDATA, call);
	SET(call, CURLOPT_HEADERFUNCTION, on_header);
	SET(call, CURLOPT_HEADERDATA, call);
	SET(call, CURLOPT_PATH_AS_IS, 1L);
	set_timeouts(call, request);
	SET(call, CURLOPT_USERAGENT, "pg_cq/" CQ_VERSION);
	set_method(call, request);
	if (request->identity != NULL)
		set_identity(call, request->identity);
	foreach(cell, request->headers)
		add_header(call, lfirst(cell));
	add_header(call, "Expect:");
	SET(call, CURLOPT_HTTPHEADER, call->headers);
}

static void
release(void *arg)
{
	CqHttpCall *call = arg;

	cq_http_loop_remove(call);
	if (call->easy != NULL)
		curl_easy_cleanup(call->easy);
	curl_slist_free_all(call->headers);
	for (int i = 0; i < call->nurls; i++)
		free(call->urls[i]);
	free(call->urls);
	free(call->host);
	free(call->body);
	free(call->head);
	call->easy = NULL;
	call->headers = NULL;
	call->urls = NULL;
	call->nurls = 0;
	call->host = call->body = call->head = NULL;
}

CqHttpCall *
cq_http_start(const CqHttpRequest *request)
{
	CqHttpPool *pool = request->pool != NULL ? request->pool : cq_http_loop_open();
	CqHttpCall *call = palloc0(sizeof(CqHttpCall));

	call->pool = pool;
	call->is_done = true;		/* until it is with the others */
	call->on_reset.func = release;
	call->on_reset.arg = call;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &call->on_reset);
	call->is_trusted = request->is_trusted;
	call->is_repeatable = request->is_repeatable;
	call->attempts = request->attempts;
	call->max_length = request->max_length;
	call->cuts = request->cuts;
	set_up(call, request);
	call->is_done = false;
	cq_http_loop_add(call);
	return call;
}

void
cq_http_free(CqHttpCall *call)
{
	release(call);
}

const CqHttpResponse *
cq_http_response(const CqHttpCall *call)
{
	return call->is_done ? &call->response : NULL;
}

char *
cq_http_escape(const char *text)
{
	char	   *escaped = curl_easy_escape(NULL, text, strlen(text));
	char	   *result;

	if (escaped == NULL)
		no_memory();
	result = pstrdup(escaped);
	curl_free(escaped);
	return result;
}

/* ---- attempts ---- */

/*
 * The host of a URL, without the brackets of an address; NULL: it has none, or there is no memory.
 */
static char *
host_of(const char *url)
{
	CURLU	   *parsed = curl_url();
	char	   *part = NULL;
	char	   *host = NULL;

	if (parsed != NULL && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
		curl_url_get(parsed, CURLUPART_HOST, &part, 0) == CURLUE_OK)
	{
		size_t		length = strlen(part);

		host = part[0] == '[' && length > 2 ? strndup(part + 1, length - 2) : strdup(part);
	}
	curl_free(part);
	curl_url_cleanup(parsed);
	return host;
}

void
cq_http_call_prepare(CqHttpCall *call)
{
	const char *url = call->urls[call->nattempts % call->nurls];

	call->nattempts++;
	call->length = call->head_length = 0;
	call->is_too_long = false;
	call->error[0] = '\0';
	call->is_refused = false;
	free(call->host);
	call->host = host_of(url);
	call->response.url = url;
	/* Where it fails for lack of memory the attempt fails too. */
	(void) curl_easy_setopt(call->easy, CURLOPT_URL, url);
}

/*
 * Nothing of the request has been sent: nobody listens, nobody answers, the certificate is not
 * theirs, or it is no address.
 */
static bool
never_arrived(const CqHttpCall *call, CURLcode code)
{
	long		nsent = 0;

	(void) curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &nsent);
	return code != CURLE_OK && nsent == 0;
}

/* What libcurl says may quote the other side, and be cut anywhere. */
static const char *
make_plain(char *text)
{
	for (char *c = text; *c != '\0'; c++)
	{
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
	return text;
}

static const char *
describe_failure(CqHttpCall *call, CURLcode code)
{
	if (call->is_refused)
		return cq_http_guard_is_open() ? "the setting cq.http_allowed does not list its address" :
			"only a superuser's server may say where to connect, and the setting cq.http_allowed "
			"is empty";
	if (call->is_too_long)
		return "the response is too long";
	if (call->has_no_memory)
		return "out of memory";
	return call->error[0] != '\0' ? make_plain(call->error) : curl_easy_strerror(code);
}

/* May it be otherwise the next time? */
static bool
may_pass(const CqHttpCall *call, CURLcode code, long status)
{
	if (call->is_too_long || code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT)
		return false;
	if (call->is_refused)
		return call->nattempts < call->nurls;
	if (code != CURLE_OK)
		return call->is_repeatable || never_arrived(call, code);
	return status == 429 || status == 503 || (call->is_repeatable && status >= 500);
}

static int64
pause_us(const CqHttpCall *call)
{
	int64		pause = Min((int64) FIRST_PAUSE_MS << Min(call->nattempts - 1, 10),
							LONGEST_PAUSE_MS);

	/* Not all at the same moment. */
	return (int64) (pause * 1000 * (0.5 + pg_prng_double(&pg_global_prng_state) / 2));
}

/* Whatever has come of a response. */
static void
describe_response(CqHttpCall *call, CURLcode code, long status)
{
	curl_off_t	retry_after = 0;

	(void) curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &retry_after);
	call->response.status = (int) status;
	call->response.body = call->body != NULL ? call->body : "";
	call->response.length = call->length;
	call->response.is_cut = status != 0 && call->is_too_long;
	call->response.headers = call->head != NULL ? call->head : "";
	call->response.headers_length = call->head_length;
	call->response.retry_after = Max(retry_after, 0);
	call->response.error = status == 0 ? describe_failure(call, code) : NULL;
	call->response.never_arrived = never_arrived(call, code);
	call->is_done = true;
}

bool
cq_http_call_ended(CqHttpCall *call, CURLcode code)
{
	bool		is_cut = code == CURLE_WRITE_ERROR && call->is_too_long && call->cuts;
	long		status = 0;

	if (code == CURLE_OK || is_cut)
		(void) curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	if (call->nattempts < call->attempts && may_pass(call, code, status))
	{
		call->due = cq_clock_real_monotonic() + pause_us(call);
		return true;
	}
	describe_response(call, code, status);
	return false;
}
