/*
 * outbox_request.c
 *		Changes of a view as requests by HTTP: see outbox_encoder.h.
 *
 * The columns of the sink say what a request is: parts of the path, parameters, headers, and the
 * body, which is one column as it is, or a JSON object of those that have no other part. Its mode
 * says what a change is:
 *		append		a request for each row that is added; for views whose rows stay
 *		upsert		the row as it is now; one that is gone is a request with method DELETE
 *		debezium	the row before and after, as the body
 *
 * What columns hold is not trusted: paths and parameters are percent-encoded, and a row that cannot
 * be a request is kept in cq.errors, in the transaction of the changes; the view itself has it.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/destination.h"
#include "catalog/error.h"
#include "catalog/pg_type.h"
#include "common/clock.h"
#include "executor/executor.h"
#include "format/format.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "sink/http_parts.h"
#include "sink/outbox_encoder.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#define LONGEST_PATH	8000	/* bytes: what servers take */
#define LONGEST_HEADERS	16000
#define MISFITS_TO_TRIM	1000

typedef struct RequestEncoder
{
	CqOutboxEncoder pub;
	const CqSinkTarget *target;
	CqDestination *destination;
	FmgrInfo   *outputs;		/* of destination->columns */
	CqEncoder  *body;			/* NULL: no column is a field */
	CqEncoder  *key;			/* NULL: there is none */
	int			nmisfits;
} RequestEncoder;

/* Why a row cannot be a request. */
typedef struct Misfit
{
	const char *message;		/* NULL: it can */
	const char *column;
} Misfit;

/* ---- values ---- */

static bool
is_null(TupleTableSlot *row, const CqRequestColumn *column)
{
	return row->tts_isnull[column->attno - 1];
}

/* A value as text in UTF-8; zero-terminated. */
static char *
text_of(RequestEncoder *encoder, TupleTableSlot *row, const CqRequestColumn *column)
{
	FmgrInfo   *output = &encoder->outputs[column - encoder->destination->columns];
	char	   *text = OutputFunctionCall(output, row->tts_values[column->attno - 1]);

	return pg_server_to_any(text, strlen(text), PG_UTF8);
}

static void
mark_misfit(Misfit *misfit, const char *message, const char *column)
{
	if (misfit->message == NULL)
		*misfit = (Misfit) {message, column};
}

/* ---- the path ---- */

static const CqRequestColumn *
find_column(const CqDestination *destination, const char *name, size_t length)
{
	for (int i = 0; i < destination->ncolumns; i++)
	{
		const char *column = destination->columns[i].column;

		if (strlen(column) == length && memcmp(column, name, length) == 0)
			return &destination->columns[i];
	}
	return NULL;
}

static void
append_segment(RequestEncoder *encoder, TupleTableSlot *row, const CqRequestColumn *column,
			   StringInfo path, Misfit *misfit)
{
	char	   *text = is_null(row, column) ? "" : text_of(encoder, row, column);

	if (*text == '\0')
		mark_misfit(misfit, "a part of the path is null, or empty", column->column);
	appendStringInfoString(path, cq_http_escape(text));
}

static bool
is_in_template(const CqDestination *destination, const CqRequestColumn *column)
{
	return strstr(destination->path, psprintf("{%s}", column->column)) != NULL;
}

static void
append_path(RequestEncoder *encoder, TupleTableSlot *row, StringInfo path, Misfit *misfit)
{
	const CqDestination *destination = encoder->destination;
	const char *query = strchr(destination->path, '?');
	const char *rest = destination->path;
	const char *begin;
	const char *end;

	while (cq_destination_options_place(rest, &begin, &end) && (query == NULL || begin < query))
	{
		appendBinaryStringInfo(path, rest, begin - rest);
		append_segment(encoder, row, find_column(destination, begin + 1, end - begin - 2), path,
					   misfit);
		rest = end;
	}
	appendBinaryStringInfo(path, rest, query != NULL ? query - rest : (int) strlen(rest));
	for (int i = 0; i < destination->ncolumns; i++)
	{
		const CqRequestColumn *column = &destination->columns[i];

		if (column->part != CQ_PART_PATH || is_in_template(destination, column))
			continue;
		if (path->len == 0 || path->data[path->len - 1] != '/')
			appendStringInfoChar(path, '/');
		append_segment(encoder, row, column, path, misfit);
	}
	if (query != NULL)
		appendStringInfoString(path, query);
}

static void
append_query(RequestEncoder *encoder, TupleTableSlot *row, StringInfo path)
{
	bool		has_query = strchr(path->data, '?') != NULL;

	for (int i = 0; i < encoder->destination->ncolumns; i++)
	{
		const CqRequestColumn *column = &encoder->destination->columns[i];

		if (column->part != CQ_PART_QUERY || is_null(row, column))
			continue;
		appendStringInfo(path, "%c%s=%s", has_query ? '&' : '?', cq_http_escape(column->name),
						 cq_http_escape(text_of(encoder, row, column)));
		has_query = true;
	}
}

static char *
make_path(RequestEncoder *encoder, TupleTableSlot *row, Misfit *misfit)
{
	StringInfoData path;

	initStringInfo(&path);
	append_path(encoder, row, &path, misfit);
	append_query(encoder, row, &path);
	if (!cq_destination_is_path(path.data))
		mark_misfit(misfit, "the path has a segment that leads elsewhere", NULL);
	if (path.len > LONGEST_PATH)
		mark_misfit(misfit, "path and query are too long", NULL);
	return path.data;
}

/* ---- headers, body, key ---- */

/* As a JSON object of texts; NULL where there are none. */
static char *
make_headers(RequestEncoder *encoder, TupleTableSlot *row, Misfit *misfit)
{
	StringInfoData headers;

	initStringInfo(&headers);
	for (int i = 0; i < encoder->destination->ncolumns; i++)
	{
		const CqRequestColumn *column = &encoder->destination->columns[i];
		char	   *value;

		if (column->part != CQ_PART_HEADER || is_null(row, column))
			continue;
		value = OutputFunctionCall(&encoder->outputs[i], row->tts_values[column->attno - 1]);
		if (!cq_destination_is_header_value(value))
			mark_misfit(misfit, "a header has a control character", column->column);
		appendStringInfoString(&headers, headers.len > 0 ? ", " : "{");
		escape_json(&headers, column->name);
		appendStringInfoString(&headers, ": ");
		escape_json(&headers, value);
	}
	if (headers.len > LONGEST_HEADERS)
		mark_misfit(misfit, "the headers are too long", NULL);
	if (headers.len == 0)
		return NULL;
	appendStringInfoChar(&headers, '}');
	return headers.data;
}

static const CqRequestColumn *
body_column(const CqDestination *destination)
{
	for (int i = 0; i < destination->ncolumns; i++)
	{
		if (destination->columns[i].part == CQ_PART_BODY)
			return &destination->columns[i];
	}
	return NULL;
}

static void
set_column_as_body(RequestEncoder *encoder, TupleTableSlot *row, const CqRequestColumn *column,
				   CqMessage *message)
{
	if (is_null(row, column))
		return;
	if (column->type == BYTEAOID)
	{
		struct varlena *bytes = PG_DETOAST_DATUM_PACKED(row->tts_values[column->attno - 1]);

		message->value = VARDATA_ANY(bytes);
		message->value_length = VARSIZE_ANY_EXHDR(bytes);
		return;
	}
	message->value = text_of(encoder, row, column);
	message->value_length = strlen(message->value);
}

static void
set_change_as_body(RequestEncoder *encoder, TupleTableSlot *before, TupleTableSlot *after,
				   StringInfo body)
{
	CqChange	change = {
		.before = before != NULL ? before->tts_values : NULL,
		.before_nulls = before != NULL ? before->tts_isnull : NULL,
		.after = after != NULL ? after->tts_values : NULL,
		.after_nulls = after != NULL ? after->tts_isnull : NULL,
		.milliseconds = (cq_clock_now() + (POSTGRES_EPOCH_JDATE -
										   UNIX_EPOCH_JDATE) * USECS_PER_DAY) / 1000
	};

	cq_json_format.encode_change(encoder->body, &change, body);
}

static void
set_body(RequestEncoder *encoder, TupleTableSlot *before, TupleTableSlot *after,
		 CqMessage *message)
{
	const CqRequestColumn *column = body_column(encoder->destination);
	StringInfoData body;

	if (after == NULL && encoder->destination->mode == CQ_MODE_UPSERT)
		return;
	if (column != NULL)
	{
		set_column_as_body(encoder, after, column, message);
		return;
	}
	if (encoder->body == NULL)
		return;
	initStringInfo(&body);
	if (encoder->destination->mode == CQ_MODE_DEBEZIUM)
		set_change_as_body(encoder, before, after, &body);
	else
		cq_json_format.encode(encoder->body, after->tts_values, after->tts_isnull, &body);
	message->value = body.data;
	message->value_length = body.len;
}

static void
set_key(RequestEncoder *encoder, TupleTableSlot *row, CqMessage *message)
{
	StringInfoData key;

	if (encoder->key == NULL)
		return;
	initStringInfo(&key);
	cq_json_format.encode(encoder->key, row->tts_values, row->tts_isnull, &key);
	message->key = key.data;
	message->key_length = key.len;
}

/* ---- a change ---- */

static void
keep_misfit(RequestEncoder *encoder, const CqOutgoing *outgoing, const Misfit *misfit)
{
	CqError		error = {
		.view = encoder->target->view,
		.sink = encoder->target->sink,
		.topic = outgoing->topic,
		.key = outgoing->message.key,
		.key_length = outgoing->message.key_length,
		.payload = outgoing->message.value,
		.payload_length = outgoing->message.value_length,
		.sqlstate = ERRCODE_INVALID_PARAMETER_VALUE,
		.message = psprintf("the row cannot be sent to %s: %s", encoder->destination->name,
							misfit->message),
		.column = misfit->column,
	};

	cq_error_add(&error);
	if (encoder->nmisfits++ % MISFITS_TO_TRIM == 0)
		cq_error_trim(error.view);
}

static bool
encode_request(CqOutboxEncoder *self, TupleTableSlot *before, TupleTableSlot *after,
			   CqOutgoing *outgoing)
{
	RequestEncoder *encoder = (RequestEncoder *) self;
	const CqDestination *destination = encoder->destination;
	TupleTableSlot *row = after != NULL ? after : before;
	bool		is_gone = after == NULL && destination->mode == CQ_MODE_UPSERT;
	Misfit		misfit = {0};
	char	   *headers;

	*outgoing = (CqOutgoing) {.partition = -1, .message.timestamp = DT_NOBEGIN};
	if (before != NULL)
		slot_getallattrs(before);
	if (after != NULL)
		slot_getallattrs(after);
	outgoing->topic = psprintf("%s %s", is_gone ? "DELETE" : destination->method,
							   make_path(encoder, row, &misfit));
	headers = make_headers(encoder, row, &misfit);
	set_key(encoder, row, &outgoing->message);
	set_body(encoder, before, after, &outgoing->message);
	if (misfit.message != NULL)
	{
		keep_misfit(encoder, outgoing, &misfit);
		return false;
	}
	outgoing->has_headers = headers != NULL;
	if (headers != NULL)
		outgoing->headers = DirectFunctionCall1(jsonb_in, CStringGetDatum(headers));
	return true;
}

/* ---- opening ---- */

static CqEncoder *
open_fields(const CqDestination *destination, const Bitmapset *columns, bool is_enveloped)
{
	CqFormatOptions *options = palloc0(sizeof(CqFormatOptions));
	CqColumn   *fields = palloc0(sizeof(CqColumn) * Max(destination->ncolumns, 1));
	int			nfields = 0;

	for (int i = 0; i < destination->ncolumns; i++)
	{
		const CqRequestColumn *column = &destination->columns[i];

		if (!bms_is_member(column->attno, columns))
			continue;
		fields[nfields] = (CqColumn) {
			.attno = column->attno, .name = column->name, .path = list_make1(column->name),
			.place = nfields, .type = column->type, .typmod = column->typmod,
			.collation = column->collation,
		};
		nfields++;
	}
	options->is_enveloped = is_enveloped;
	return nfields == 0 ? NULL : cq_json_format.encoder_open(options, fields, nfields);
}

static Bitmapset *
columns_with(const CqDestination *destination, CqRequestPart part)
{
	Bitmapset  *columns = NULL;

	for (int i = 0; i < destination->ncolumns; i++)
	{
		if (destination->columns[i].part == part)
			columns = bms_add_member(columns, destination->columns[i].attno);
	}
	return columns;
}

/* What the sink says, or else what tells the view's rows apart, where all of it goes there. */
static Bitmapset *
key_columns(const RequestEncoder *encoder)
{
	const CqDestination *destination = encoder->destination;
	Bitmapset  *columns = NULL;
	ListCell   *cell;

	foreach(cell, destination->key)
	{
		const char *name = lfirst(cell);
		const CqRequestColumn *column = find_column(destination, name, strlen(name));

		if (column == NULL)
			cq_outbox_misfit("the option key of %s names a column that it has not",
							 destination->name, "It is names of its columns with commas between.");
		columns = bms_add_member(columns, column->attno);
	}
	for (int i = 0; i < destination->ncolumns && destination->key == NIL; i++)
	{
		AttrNumber	attno = destination->columns[i].attno;

		if (bms_is_member(encoder->pub.map[attno - 1], encoder->target->key))
			columns = bms_add_member(columns, attno);
	}
	if (destination->key == NIL &&
		bms_num_members(columns) < bms_num_members(encoder->target->key))
		return NULL;
	return columns;
}

static void
check_template(const CqDestination *destination)
{
	const char *rest = destination->path;
	const char *begin;
	const char *end;

	for (; cq_destination_options_place(rest, &begin, &end); rest = end)
	{
		const CqRequestColumn *column = find_column(destination, begin + 1, end - begin - 2);

		if (column == NULL || column->part != CQ_PART_PATH)
			cq_outbox_misfit("the path of %s names something that is no part of it",
							 destination->name,
							 "What stands in braces is a column with the option part 'path'.");
		if (strchr(destination->path, '?') != NULL && begin > strchr(destination->path, '?'))
			cq_outbox_misfit("the path of %s has a column behind the question mark",
							 destination->name, "Parameters are columns with the option part "
							 "'query'.");
	}
}

static void
check_parts(const CqSinkTarget *target, const CqDestination *destination)
{
	int			nbodies = bms_num_members(columns_with(destination, CQ_PART_BODY));
	bool		has_fields = columns_with(destination, CQ_PART_FIELD) != NULL;

	if (destination->mode == CQ_MODE_APPEND && !target->is_append_only)
		cq_outbox_misfit("rows of the view change, and the sink %s takes only rows that are added",
						 destination->name,
						 "Set the sink's option mode to upsert or debezium. Rows that are only "
						 "added are those of closed windows that are not amended.");
	if (nbodies > 1 || (nbodies > 0 && has_fields))
		cq_outbox_misfit("the sink %s has more for a body than the column that is the body",
						 destination->name,
						 "One column has the option part 'body', and no other is a part of it.");
	if (nbodies > 0 && destination->mode == CQ_MODE_DEBEZIUM)
		cq_outbox_misfit("the sink %s has a column for the body, and its mode is debezium",
						 destination->name, "In that mode the body is the row before and after.");
	if (strcmp(destination->method, "GET") == 0 && (nbodies > 0 || has_fields))
		cq_outbox_misfit("the sink %s has columns for a body, and its method is GET",
						 destination->name,
						 "Give its columns the option part 'path', 'query' or 'header'.");
}

void
cq_outbox_request_check(const CqSinkTarget *target)
{
	(void) cq_http_outcome_stream(cq_destination_get(target->sink, target->owner), target->owner);
}

CqOutboxEncoder *
cq_outbox_request_open(const CqSinkTarget *target)
{
	RequestEncoder *encoder = palloc0(sizeof(RequestEncoder));
	CqDestination *destination = cq_destination_get(target->sink, target->owner);
	Relation	sink = table_open(target->sink, AccessShareLock);

	encoder->pub.encode = encode_request;
	encoder->pub.columns = CreateTupleDescCopyConstr(RelationGetDescr(sink));
	table_close(sink, NoLock);
	encoder->pub.map = cq_mapping_map(target->sink, encoder->pub.columns, target->row);
	encoder->target = target;
	encoder->destination = destination;
	check_template(destination);
	check_parts(target, destination);
	encoder->outputs = palloc0(sizeof(FmgrInfo) * Max(destination->ncolumns, 1));
	for (int i = 0; i < destination->ncolumns; i++)
	{
		Oid			output;
		bool		is_varlena;

		getTypeOutputInfo(destination->columns[i].type, &output, &is_varlena);
		fmgr_info(output, &encoder->outputs[i]);
	}
	encoder->body = open_fields(destination, columns_with(destination, CQ_PART_FIELD),
								destination->mode == CQ_MODE_DEBEZIUM);
	encoder->key = open_fields(destination, key_columns(encoder), false);
	return &encoder->pub;
}
