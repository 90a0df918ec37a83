/*
 * http_outcome.c
 *		What became of requests, written down in the transaction that moves the sink's place:
 *		responses as rows of a stream, rows that could not be delivered in cq.errors.
 *
 * What a destination has answered is not trusted: it is read as JSON in a subtransaction, and is
 * text where it is none. Secrets that it says again are struck out.
 */
#include "postgres.h"

#include "catalog/error.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "common/attempt.h"
#include "common/name.h"
#include "common/owner.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "sink/http_parts.h"
#include "sink/sink.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/formatting.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#define LONGEST_QUOTE 200		/* bytes of a response that a reason quotes */

/* What a stream of responses may have, by the names of its columns. */
enum
{
	RESPONSE_REQUEST,
	RESPONSE_KEY,
	RESPONSE_STATUS,
	RESPONSE_HEADERS,
	RESPONSE_BODY,
	RESPONSE_DURATION,
	RESPONSE_ATTEMPTS,
	RESPONSE_ERROR,
	RESPONSE_NATTS
};

static const struct
{
	const char *name;
	Oid			type;
}			response_columns[RESPONSE_NATTS] = {
	{"request", TEXTOID},
	{"key", JSONBOID},
	{"status", INT4OID},
	{"headers", JSONBOID},
	{"body", JSONBOID},
	{"duration", INTERVALOID},
	{"attempts", INT4OID},
	{"error", TEXTOID},
};

/* ---- the stream ---- */

static bool
has_response_column(Oid stream, int column)
{
	return get_attnum(stream, response_columns[column].name) > 0;
}

/* A name without a schema is in that of the destination. */
static Oid
find_stream(const CqDestination *destination)
{
	List	   *names = textToQualifiedNameList(cstring_to_text(destination->responses));
	RangeVar   *name = makeRangeVarFromNameList(names);

	if (name->schemaname == NULL)
		name->schemaname = get_namespace_name(get_rel_namespace(destination->relid));
	return RangeVarGetRelid(name, NoLock, false);
}

Oid
cq_http_outcome_find(const CqDestination *destination, Oid owner)
{
	Oid			stream;

	if (destination->responses == NULL)
		return InvalidOid;
	stream = find_stream(destination);
	if (!cq_stream_is(stream) || cq_stream_get(stream, owner)->kind != CQ_STREAM_LOG)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is no stream of cq_log", get_rel_name(stream)),
				 errdetail("The option responses of %s names it.", destination->name)));
	cq_sink_require_insert(stream, owner);
	return stream;
}

Oid
cq_http_outcome_stream(const CqDestination *destination, Oid owner)
{
	Oid			stream = cq_http_outcome_find(destination, owner);
	int			ncolumns = 0;

	if (!OidIsValid(stream))
		return InvalidOid;
	for (int i = 0; i < RESPONSE_NATTS; i++)
		ncolumns += has_response_column(stream, i);
	if (ncolumns == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("stream \"%s\" has no column for a response", get_rel_name(stream)),
				 errhint("Columns of such a stream are request, key, status, headers, body, "
						 "duration, attempts, error.")));
	return stream;
}

/* ---- texts of a response ---- */

/* Text in UTF-8 as the server has it; NULL: it has not all of its characters. */
static char *
to_server(const char *bytes, Size length)
{
	int			encoding = GetDatabaseEncoding();
	Size		room = length * MAX_CONVERSION_GROWTH + 1;
	Oid			conversion;
	char	   *text;

	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
		return pnstrdup(bytes, length);
	conversion = FindDefaultConversionProc(PG_UTF8, encoding);
	if (!OidIsValid(conversion))
		return NULL;
	text = palloc(room);
	if (pg_do_encoding_conversion_buf(conversion, PG_UTF8, encoding, (unsigned char *) bytes,
									  (int) length, (unsigned char *) text, (int) room, true) <
		(int) length)
		return NULL;
	return text;
}

char *
cq_http_outcome_text(const char *bytes, Size length)
{
	if (memchr(bytes, '\0', length) != NULL || !pg_verify_mbstr(PG_UTF8, bytes, length, true))
		return NULL;
	return to_server(bytes, length);
}

/*
 * What the other side has said as text of the server, without secrets; of what is none the bytes in
 * hex.
 */
static char *
as_text(const HttpTransport *http, const char *bytes, Size length, bool is_cut)
{
	char	   *text;

	bytes = cq_secrets_strike_bytes(http->secrets, bytes, &length, is_cut);
	text = cq_http_outcome_text(bytes, length);
	if (text != NULL)
		return cq_secrets_strike(http->secrets, text);
	text = palloc(length * 2 + 3);
	strcpy(text, "\\x");
	hex_encode(bytes, length, text + 2);
	text[length * 2 + 2] = '\0';
	return text;
}

static char *
as_json_string(const char *text)
{
	StringInfoData json;

	initStringInfo(&json);
	escape_json(&json, text);
	return json.data;
}

typedef struct Reading
{
	char	   *text;
	Datum		jsonb;
} Reading;

static void
read_json(void *arg)
{
	Reading    *reading = arg;

	reading->jsonb = DirectFunctionCall1(jsonb_in, CStringGetDatum(reading->text));
}

bool
cq_http_outcome_read_json(char *text, Datum *jsonb)
{
	Reading		reading = {.text = text};

	if (text[strspn(text, " \t\r\n")] == '\0' ||
		strchr("{[\"-0123456789tfn", text[strspn(text, " \t\r\n")]) == NULL)
		return false;
	if (cq_attempt(read_json, &reading) != NULL)
		return false;
	*jsonb = reading.jsonb;
	return true;
}

/* What escapes say in JSON is plain once it was read: secrets are struck from that, too. */
static Datum
make_jsonb(const HttpTransport *http, char *text, bool is_whole)
{
	Datum		jsonb;
	char	   *plain;
	char	   *struck;

	if (is_whole && cq_http_outcome_read_json(text, &jsonb))
	{
		plain = JsonbToCString(NULL, &DatumGetJsonbP(jsonb)->root, 0);
		struck = cq_secrets_strike(http->secrets, plain);
		if (struck == plain || cq_http_outcome_read_json(struck, &jsonb))
			return jsonb;
		text = struck;
	}
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(as_json_string(text)));
}

typedef struct Header
{
	char	   *name;
	StringInfoData value;
} Header;

static Header *
find_header(List **headers, char *name)
{
	Header	   *header;
	ListCell   *cell;

	foreach(cell, *headers)
	{
		header = lfirst(cell);
		if (strcmp(header->name, name) == 0)
		{
			appendStringInfoString(&header->value, ", ");
			return header;
		}
	}
	header = palloc(sizeof(Header));
	header->name = name;
	initStringInfo(&header->value);
	*headers = lappend(*headers, header);
	return header;
}

Datum
cq_http_outcome_body(const HttpTransport *http, const HttpRow *row)
{
	return make_jsonb(http, as_text(http, row->body, row->body_length, row->is_cut),
					  !row->is_cut);
}

/* "Name: value" lines as an object; values of one name with commas between. */
static Datum
make_headers(const HttpTransport *http, const char *lines)
{
	StringInfoData object;
	List	   *headers = NIL;
	char	   *rest = pstrdup(lines);
	ListCell   *cell;

	for (char *line = strtok(rest, "\r\n"); line != NULL; line = strtok(NULL, "\r\n"))
	{
		char	   *colon = strchr(line, ':');
		char	   *name;
		char	   *value;

		if (colon == NULL)
			continue;
		name = as_text(http, line, colon - line, false);
		value = colon + 1 + strspn(colon + 1, " \t");
		appendStringInfoString(&find_header(&headers, asc_tolower(name, strlen(name)))->value,
							   as_text(http, value, strlen(value), false));
	}
	initStringInfo(&object);
	foreach(cell, headers)
	{
		const Header *header = lfirst(cell);

		appendStringInfoString(&object, object.len > 0 ? ", " : "{");
		escape_json(&object, header->name);
		appendStringInfoString(&object, ": ");
		escape_json(&object, header->value.data);
	}
	appendStringInfoString(&object, object.len > 0 ? "}" : "{}");
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(object.data));
}

/* ---- keeping, until it is written down ---- */

static const char *
copy_bytes(const char *bytes, Size length)
{
	char	   *copy = palloc(length + 1);

	memcpy(copy, bytes, length);
	copy[length] = '\0';
	return copy;
}

void
cq_http_outcome_keep(HttpTransport *http, HttpBatch *batch, HttpRow *row,
					 const CqHttpResponse *response)
{
	const CqMessage *message = &row->outgoing->message;
	bool		is_wanted = http->keeps_bodies || !row->is_delivered;
	MemoryContext caller = MemoryContextSwitchTo(batch->context);

	if (is_wanted && response != NULL && response->status != 0)
	{
		row->status = response->status;
		row->body_length = response->length;
		row->body = copy_bytes(response->body, response->length);
		row->is_cut = response->is_cut;
		row->response_headers = copy_bytes(response->headers, response->headers_length);
	}
	if (is_wanted && message->key != NULL)
	{
		row->key_length = message->key_length;
		row->key = copy_bytes(message->key, message->key_length);
	}
	if (!row->is_delivered && row->outgoing->has_headers)
		row->sent_headers = datumCopy(row->outgoing->headers, false, -1);
	if (!row->is_delivered && message->value != NULL)
	{
		row->payload_length = message->value_length;
		row->payload = copy_bytes(message->value, message->value_length);
	}
	MemoryContextSwitchTo(caller);
}

/* ---- writing down ---- */

/* What a row of the stream is made of, while one is. */
typedef struct Writing
{
	HttpTransport *http;
	const CqViewSink *sink;
	const HttpRow *row;
	MemoryContext context;		/* of a row */
	SPIPlanPtr	insert;
	int			columns[RESPONSE_NATTS];	/* of its parameters */
	int			ncolumns;
} Writing;

static void
prepare_insert(void *arg)
{
	Writing    *writing = arg;
	Oid			stream = writing->http->responses;
	Oid			types[RESPONSE_NATTS];
	StringInfoData columns;
	StringInfoData values;

	initStringInfo(&columns);
	initStringInfo(&values);
	for (int i = 0; i < RESPONSE_NATTS; i++)
	{
		if (!has_response_column(stream, i))
			continue;
		types[writing->ncolumns] = response_columns[i].type;
		writing->columns[writing->ncolumns++] = i;
		appendStringInfo(&columns, "%s%s", columns.len > 0 ? ", " : "", response_columns[i].name);
		appendStringInfo(&values, "%s$%d", values.len > 0 ? ", " : "", writing->ncolumns);
	}
	writing->insert = cq_query_prepare(psprintf("INSERT INTO %s (%s) VALUES (%s)",
												cq_name_qualified(stream), columns.data,
												values.data), writing->ncolumns, types);
}

static Datum
duration_datum(int64 microseconds)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = microseconds;
	return IntervalPGetDatum(interval);
}

/* One of response_columns; false: null. */
static bool
make_value(const Writing *writing, int column, Datum *value)
{
	HttpTransport *http = writing->http;
	const HttpRow *row = writing->row;

	switch (column)
	{
		case RESPONSE_REQUEST:
			*value = CStringGetTextDatum(cq_http_request_idempotency_key(http, row));
			return true;
		case RESPONSE_KEY:
			if (row->key != NULL)
				*value = make_jsonb(http, as_text(http, row->key, row->key_length, false), true);
			return row->key != NULL;
		case RESPONSE_STATUS:
			*value = Int32GetDatum(row->status);
			return row->status != 0;
		case RESPONSE_HEADERS:
			if (row->response_headers != NULL)
				*value = make_headers(http, row->response_headers);
			return row->response_headers != NULL;
		case RESPONSE_BODY:
			if (row->body_length > 0)
				*value = cq_http_outcome_body(http, row);
			return row->body_length > 0;
		case RESPONSE_DURATION:
			*value = duration_datum(row->duration);
			return true;
		case RESPONSE_ATTEMPTS:
			*value = Int32GetDatum(row->attempts);
			return true;
		case RESPONSE_ERROR:
			if (row->reason != NULL)
				*value = CStringGetTextDatum(row->reason);
			return row->reason != NULL;
		default:
			return false;
	}
}

static void
insert_response(void *arg)
{
	const Writing *writing = arg;
	Datum		values[RESPONSE_NATTS] = {0};
	char		nulls[RESPONSE_NATTS + 1] = {0};

	for (int i = 0; i < writing->ncolumns; i++)
		nulls[i] = make_value(writing, writing->columns[i], &values[i]) ? ' ' : 'n';
	if (SPI_execute_plan(writing->insert, values, nulls, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not write a response: %s", SPI_result_code_string(SPI_result));
}

static void
add_error(const Writing *writing, int sqlstate, const char *message, bool is_in_part)
{
	const HttpRow *row = writing->row;
	CqError		error = {
		.view = writing->sink->view,
		.sink = writing->sink->sink,
		.topic = psprintf("%s %s%s", row->method != NULL ? row->method : "",
						  writing->http->destination->url, row->path != NULL ? row->path : ""),
		.id = row->id,
		.key = row->key,
		.key_length = row->key_length,
		.payload = row->payload,
		.payload_length = row->payload_length,
		.headers = row->sent_headers,
		.has_headers = row->sent_headers != 0,
		.is_in_part = is_in_part,
		.sqlstate = sqlstate,
		.message = message,
	};

	cq_error_add(&error);
}

const char *
cq_http_outcome_quote(const HttpTransport *http, const HttpRow *row)
{
	char	   *text;

	if (row->body_length == 0)
		return "";
	text = as_text(http, row->body, row->body_length, row->is_cut);
	text[pg_mbcliplen(text, strlen(text), LONGEST_QUOTE)] = '\0';
	return psprintf(": %s", text);
}

static void
write_failure(const Writing *writing)
{
	const HttpRow *row = writing->row;

	add_error(writing, ERRCODE_FDW_ERROR,
			  psprintf("not delivered after %d attempts: %s%s", row->attempts, row->reason,
					   cq_http_outcome_quote(writing->http, row)), false);
}

static void
write_response(Writing *writing, ErrorData *error)
{
	if (error == NULL)
		error = cq_attempt(insert_response, writing);
	if (error != NULL)
		add_error(writing, error->sqlerrcode,
				  psprintf("the response could not be kept: %s", error->message), true);
}

/* As the view's owner, who has the stream. A response that it does not take holds up nothing. */
static void
write_responses(Writing *writing, const HttpBatch *batch)
{
	ErrorData  *error;
	CqActor		actor;

	cq_owner_begin_user(&actor, writing->http->owner);
	SPI_connect();
	error = cq_attempt(prepare_insert, writing);
	for (int i = 0; i < batch->nrows; i++)
	{
		MemoryContext caller = MemoryContextSwitchTo(writing->context);

		writing->row = &batch->rows[i];
		write_response(writing, error);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(writing->context);
	}
	SPI_finish();
	cq_owner_end(&actor);
}

void
cq_http_outcome_write(HttpTransport *http, const CqViewSink *sink, const HttpBatch *batch)
{
	Writing		writing = {.http = http, .sink = sink};
	MemoryContext caller = CurrentMemoryContext;
	bool		has_failures = false;

	writing.context = AllocSetContextCreate(caller, "pg_cq http outcome", ALLOCSET_DEFAULT_SIZES);
	if (OidIsValid(http->responses))
		write_responses(&writing, batch);
	for (int i = 0; i < batch->nrows; i++)
	{
		if (batch->rows[i].is_delivered)
			continue;
		writing.row = &batch->rows[i];
		MemoryContextSwitchTo(writing.context);
		write_failure(&writing);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(writing.context);
		has_failures = true;
	}
	MemoryContextDelete(writing.context);
	if (has_failures)
		cq_error_trim(sink->view);
}
