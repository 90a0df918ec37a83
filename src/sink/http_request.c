/*
 * http_request.c
 *		From a row of the outbox to a request by HTTP.
 *
 * The outbox is a table of the view's owner: what is read there is checked again. It says method,
 * path, headers and body, and never where to.
 */
#include "postgres.h"

#include "common/clock.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "nodes/parsenodes.h"
#include "sink/http_parts.h"
#include "sink/signing.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

char *
cq_http_request_idempotency_key(const HttpTransport *http, const HttpRow *row)
{
	return psprintf("%s-" INT64_FORMAT, http->epoch, row->id);
}

/* ---- headers of a row ---- */

static const char *
read_header(const JsonbValue *name, const JsonbValue *value, char **header)
{
	char	   *name_text = pnstrdup(name->val.string.val, name->val.string.len);
	char	   *text;

	if (value->type != jbvString)
		return "a header is no text";
	text = pnstrdup(value->val.string.val, value->val.string.len);
	if (!cq_destination_is_header_name(name_text) || !cq_destination_is_header_value(text))
		return "a header has what no header may have";
	/* Of one without a value libcurl has a notation of its own. */
	*header = *text != '\0' ? psprintf("%s: %s", name_text, pg_server_to_any(text, strlen(text),
																			 PG_UTF8)) :
		psprintf("%s;", name_text);
	return NULL;
}

/* Those that the row has. NULL, or why they cannot be. */
static const char *
read_headers(const CqOutgoing *outgoing, List **headers)
{
	Jsonb	   *object;
	JsonbIterator *iterator;
	JsonbValue	name;
	JsonbValue	value;
	JsonbIteratorToken token;

	if (!outgoing->has_headers)
		return NULL;
	object = DatumGetJsonbP(outgoing->headers);
	if (!JB_ROOT_IS_OBJECT(object))
		return "its headers are no object";
	iterator = JsonbIteratorInit(&object->root);
	while ((token = JsonbIteratorNext(&iterator, &name, true)) != WJB_DONE)
	{
		const char *reason;
		char	   *header;

		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &value, true);
		reason = read_header(&name, &value, &header);
		if (reason != NULL)
			return reason;
		*headers = lappend(*headers, header);
	}
	return NULL;
}

/* ---- method and path ---- */

const char *
cq_http_request_read(HttpRow *row)
{
	const char *topic = row->outgoing->topic;
	const char *space = topic != NULL ? strchr(topic, ' ') : NULL;

	if (space == NULL)
		return "it has no method and path";
	row->method = pnstrdup(topic, space - topic);
	row->path = pstrdup(space + 1);
	if (!cq_destination_is_method(row->method))
		return "it has no method that is allowed";
	if (!cq_destination_is_path(row->path))
		return "it has no path that is one";
	return read_headers(row->outgoing, &row->headers);
}

/* ---- headers of the delivery ---- */

/* Of two parts, as base64. */
static char *
sign(const char *key, const char *first, const char *second, uint32 second_length)
{
	bytea	   *result = palloc(VARHDRSZ + CQ_SIGNING_BYTES);

	cq_signing_hmac(key, strlen(key), first, second, second_length, (uint8 *) VARDATA(result));
	SET_VARSIZE(result, VARHDRSZ + CQ_SIGNING_BYTES);
	return TextDatumGetCString(DirectFunctionCall2(binary_encode, PointerGetDatum(result),
												   CStringGetTextDatum("base64")));
}

static pg_time_t
unix_seconds(void)
{
	return (cq_clock_now() + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY) /
		USECS_PER_SEC;
}

/* Standard Webhooks: of the id, the time and the body. */
static List *
add_signature(List *headers, const char *key, const char *id, const CqMessage *message)
{
	int64		seconds = unix_seconds();
	char	   *first = psprintf("%s." INT64_FORMAT ".", id, seconds);
	char	   *signature = sign(key, first, message->value != NULL ? message->value : "",
								 message->value_length);

	headers = lappend(headers, psprintf("webhook-id: %s", id));
	headers = lappend(headers, psprintf("webhook-timestamp: " INT64_FORMAT, seconds));
	return lappend(headers, psprintf("webhook-signature: v1,%s", signature));
}

static List *
add_secret_headers(List *headers, const CqDestination *destination)
{
	ListCell   *cell;

	foreach(cell, destination->secrets)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strncmp(option->defname, CQ_SECRET_HEADER, strlen(CQ_SECRET_HEADER)) == 0)
			headers = lappend(headers, psprintf("%s: %s",
												option->defname + strlen(CQ_SECRET_HEADER),
												cq_destination_secret(destination,
																	  option->defname)));
	}
	return headers;
}

/* ---- the request ---- */

/* Where requests are signed as AWS wants it, user and password are what they are signed with. */
static CqHttpIdentity
make_identity(const CqDestination *destination)
{
	bool		is_signed = destination->sigv4 != NULL;

	return (CqHttpIdentity) {
		.user = is_signed ? NULL : cq_destination_secret(destination, "user"),
		.password = is_signed ? NULL : cq_destination_secret(destination, "password"),
		.token = cq_destination_secret(destination, "token"),
		.certificate = cq_destination_secret(destination, "certificate"),
		.key = cq_destination_secret(destination, "certificate_key"),
		.key_password = cq_destination_secret(destination, "certificate_key_password"),
		.authority = destination->authority,
	};
}

static void
sign_for_aws(CqHttpRequest *request, const CqDestination *destination)
{
	const char *user = cq_destination_secret(destination, "user");
	const char *password = cq_destination_secret(destination, "password");
	CqAwsRequest signing = {
		.place = destination->sigv4,
		.user = user != NULL ? user : "",
		.password = password != NULL ? password : "",
		.method = request->method,
		.url = linitial(request->urls),
		.body = request->body,
		.body_length = request->body_length,
		.time = unix_seconds(),
	};

	request->headers = cq_signing_aws(request->headers, &signing);
}

CqHttpCall *
cq_http_request_start(HttpTransport *http, HttpRow *row)
{
	const CqDestination *destination = http->destination;
	const CqMessage *message = &row->outgoing->message;
	const char *hmac_key = cq_destination_secret(destination, "hmac_key");
	char	   *id = cq_http_request_idempotency_key(http, row);
	CqHttpIdentity identity = make_identity(destination);
	bool		wants_body = strcmp(row->method, "GET") != 0 && strcmp(row->method, "DELETE") != 0;
	CqHttpRequest request = {
		.pool = http->pool,
		.method = row->method,
		.urls = list_make1(psprintf("%s%s", destination->url, row->path)),
		.body = message->value != NULL || !wants_body ? message->value : "",
		.body_length = message->value_length,
		.identity = &identity,
		.is_trusted = destination->is_trusted,
		.attempts = 1,
		.timeout_ms = (int) (destination->delivery.timeout / 1000),
		.connect_timeout_ms = (int) (destination->delivery.connect_timeout / 1000),
		.is_patient = true,
		.max_length = http->max_response,
		.cuts = true,
	};

	request.headers = list_copy(row->headers);
	if (request.body != NULL)
		request.headers = lappend(request.headers, psprintf("Content-Type: %s",
															http->content_type));
	request.headers = lappend(request.headers, psprintf("Idempotency-Key: %s", id));
	request.headers = add_secret_headers(request.headers, destination);
	if (hmac_key != NULL)
		request.headers = add_signature(request.headers, hmac_key, id, message);
	if (destination->sigv4 != NULL)
		sign_for_aws(&request, destination);
	return cq_http_start(&request);
}
