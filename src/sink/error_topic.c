/*
 * error_topic.c
 *		Dead letters on their way to a topic of their own: see error_topic.h.
 *
 *		messages that fail ──► outbox of the stream, in the batch's transaction ─ ─ ─► emitter
 *
 * Key, value, timestamp and headers are the message's own, with headers behind them that say what
 * was wrong: those that Kafka Connect has go by its names.
 *
 * The outbox is one like that of a view (outbox_write.h): a table of the stream's owner, made for
 * the first message, with a row of _cq.sink in which the stream is the view, and the sink. Several
 * workers may be at partitions of the stream: so rows are kept in memory until all else is done,
 * and whoever has the outbox waits for nobody before the commit.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/sink.h"
#include "common/attempt.h"
#include "common/fault.h"
#include "common/guc.h"
#include "common/name.h"
#include "common/owner.h"
#include "common/part_name.h"
#include "common/wake.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "sink/error_topic.h"
#include "sink/outbox_write.h"
#include "sink/sink.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#define STREAM_HEADER	"cq.errors.stream"
#define LONGEST_REASON	1000	/* bytes */

/* A message that has failed in its stream so often, and come back, goes round in a circle. */
#define MOST_ROUNDS		10

static Oid stream = InvalidOid; /* of what is kept */
static List *kept = NIL;		/* of CqOutgoing *, in TopTransactionContext */

/* ---- headers ---- */

static void
push_text(JsonbParseState **state, JsonbIteratorToken token, const char *text)
{
	JsonbValue	value = {.type = jbvString};

	value.val.string.val = (char *) text;
	value.val.string.len = strlen(text);
	(void) pushJsonbValue(state, token, &value);
}

static void
push_header(JsonbParseState **state, const char *key, const char *value)
{
	if (value == NULL)
		return;
	(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	push_text(state, WJB_KEY, "key");
	push_text(state, WJB_VALUE, key);
	push_text(state, WJB_KEY, "value");
	push_text(state, WJB_VALUE, value);
	(void) pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

static bool
is_field(JsonbContainer *object, const char *name, const char *text)
{
	JsonbValue *value = getKeyJsonValueFromContainer(object, name, strlen(name), NULL);

	return value != NULL && value->type == jbvString &&
		value->val.string.len == (int) strlen(text) &&
		memcmp(value->val.string.val, text, value->val.string.len) == 0;
}

/* How often it has been a dead letter of the stream before. */
static int
count_rounds(const CqFailedMessage *failed)
{
	JsonbContainer *array = failed->has_headers ? &DatumGetJsonbP(failed->headers)->root : NULL;
	int			nheaders = array != NULL ? JsonContainerSize(array) : 0;
	int			nrounds = 0;

	for (int i = 0; i < nheaders; i++)
	{
		JsonbValue *header = getIthJsonbValueFromContainer(array, i);

		nrounds += header->type == jbvBinary &&
			is_field(header->val.binary.data, "key", STREAM_HEADER) &&
			is_field(header->val.binary.data, "value", failed->stream->name);
	}
	return nrounds;
}

/*
 * What a view's query says of its rows may quote what the stream's owner is not to see: then only
 * what kind of error it is.
 */
static char *
public_reason(const CqFailedMessage *failed)
{
	Oid			types[] = {TEXTOID};
	Datum		args[] = {CStringGetTextDatum(unpack_sql_state(failed->reject->sqlerrcode))};
	MemoryContext caller = CurrentMemoryContext;
	char	   *reason = pstrdup(failed->reject->message);
	bool		is_null;

	if (!has_privs_of_role(cq_owner_of_relation(failed->stream->relid),
						   cq_owner_of_relation(failed->view)))
	{
		SPI_connect();
		cq_query_execute("SELECT _cq.error_class($1)", SPI_OK_SELECT, lengthof(types), types, args,
						 NULL);
		reason = MemoryContextStrdup(caller,
									 TextDatumGetCString(cq_query_column(0, 1, &is_null)));
		SPI_finish();
	}
	reason[pg_mbcliplen(reason, strlen(reason), LONGEST_REASON)] = '\0';
	/* Headers are UTF-8, and what that encoding has may be anything. */
	for (char *c = reason; GetDatabaseEncoding() == PG_SQL_ASCII && *c != '\0'; c++)
	{
		if (IS_HIGHBIT_SET(*c))
			*c = '?';
	}
	return reason;
}

static Datum
make_headers(const CqFailedMessage *failed)
{
	JsonbParseState *state = NULL;
	Datum		headers;

	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	push_header(&state, "__connect.errors.topic", failed->topic);
	push_header(&state, "__connect.errors.partition", psprintf("%d", failed->partition));
	push_header(&state, "__connect.errors.offset", psprintf(INT64_FORMAT,
															 failed->message->offset));
	push_header(&state, "__connect.errors.exception.message", public_reason(failed));
	push_header(&state, STREAM_HEADER, failed->stream->name);
	push_header(&state, "cq.errors.view", cq_name_qualified(failed->view));
	push_header(&state, "cq.errors.sqlstate", unpack_sql_state(failed->reject->sqlerrcode));
	push_header(&state, "cq.errors.column", failed->column);
	push_header(&state, "cq.errors.constraint", failed->reject->constraint);
	headers = JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL)));
	return failed->has_headers ? DirectFunctionCall2(jsonb_concat, failed->headers, headers) :
		headers;
}

/* ---- keeping ---- */

void
cq_error_topic_begin(void)
{
	kept = NIL;
}

void
cq_error_topic_add(const CqFailedMessage *failed)
{
	MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);
	CqOutgoing *outgoing;

	Assert(kept == NIL || stream == failed->stream->relid);
	if (count_rounds(failed) < MOST_ROUNDS)
	{
		outgoing = palloc0(sizeof(CqOutgoing));
		outgoing->message = *failed->message;
		outgoing->partition = -1;
		outgoing->headers = make_headers(failed);
		outgoing->has_headers = true;
		stream = failed->stream->relid;
		kept = lappend(kept, outgoing);
	}
	MemoryContextSwitchTo(caller);
}

/* ---- the outbox ---- */

static Oid
find_outbox(void)
{
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(stream)};
	Oid			outbox = InvalidOid;
	bool		is_null;

	SPI_connect();
	cq_query_look("SELECT outbox::pg_catalog.oid FROM _cq.sink "
				  "WHERE view OPERATOR(pg_catalog.=) $1", lengthof(types), types, args);
	if (SPI_processed > 0)
		outbox = DatumGetObjectId(cq_query_column(0, 1, &is_null));
	SPI_finish();
	return outbox;
}

static char *
describe_columns(void)
{
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, cq_outbox_columns())
	{
		ColumnDef  *column = lfirst_node(ColumnDef, cell);

		appendStringInfo(&text, "%s%s %s", text.len > 0 ? ", " : "",
						 quote_identifier(column->colname),
						 format_type_be_qualified(column->typeName->typeOid));
	}
	return text.data;
}

/* It goes with the stream. */
static void
adopt_outbox(Oid outbox)
{
	ObjectAddress part;
	ObjectAddress whole;

	ObjectAddressSet(part, RelationRelationId, outbox);
	ObjectAddressSet(whole, RelationRelationId, stream);
	recordDependencyOn(&part, &whole, DEPENDENCY_INTERNAL);
}

/* With the rights of the extension's owner: that of a stream need not be allowed to make tables. */
static Oid
create_outbox(void)
{
	char	   *name = cq_part_name_choose(get_rel_name(stream), NULL, "errors");
	const char *table = quote_qualified_identifier("_cq", name);
	const char *owner = quote_identifier(GetUserNameFromId(cq_owner_of_relation(stream), false));
	CqActor		actor;
	Oid			outbox;

	cq_owner_begin_catalog(&actor);
	(void) set_config_option("default_tablespace", "", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
	cq_query_command(psprintf("CREATE TABLE %s (%s, PRIMARY KEY (id)) USING heap "
							  "WITH (autovacuum_vacuum_scale_factor = 0.1)", table,
							  describe_columns()));
	cq_query_command(psprintf("ALTER TABLE %s OWNER TO %s", table, owner));
	outbox = get_relname_relid(name, get_namespace_oid("_cq", false));
	cq_owner_end(&actor);
	adopt_outbox(outbox);
	cq_sink_insert(stream, stream, outbox);
	CommandCounterIncrement();
	cq_wake_catalog_changed();
	return outbox;
}

static Oid
ensure_outbox(void)
{
	Oid			outbox = find_outbox();

	if (OidIsValid(outbox))
		return outbox;
	/* To the end of the transaction: before that, others would not see what is made here. */
	LockRelationOid(stream, ShareUpdateExclusiveLock);
	outbox = find_outbox();
	return OidIsValid(outbox) ? outbox : create_outbox();
}

/* *arg: whether there was room for them. */
static void
write_kept(void *arg)
{
	Oid			outbox = ensure_outbox();
	CqOutboxWriter *writer = cq_outbox_write_begin(stream, outbox, true);
	bool		is_full = cq_max_outbox_rows >= 0 && cq_outbox_pending(stream) > cq_max_outbox_rows;
	ListCell   *cell;

	foreach(cell, is_full ? NIL : kept)
		cq_outbox_write_row(writer, lfirst(cell));
	cq_outbox_write_end(writer);
	*(bool *) arg = !is_full;
}

static void
warn_of_full(void)
{
	static Oid	told = InvalidOid;

	if (told == stream)
		return;
	told = stream;
	ereport(WARNING,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("dead letters of stream \"%s\" are not sent to its error_topic",
					get_rel_name(stream)),
			 errdetail("More than cq.max_outbox_rows rows wait to be sent: see cq.sinks. They are "
					   "in cq.errors.")));
}

bool
cq_error_topic_write(void)
{
	static char *last_warning = NULL;
	ErrorData  *error;
	bool		had_room = true;

	if (kept == NIL)
		return false;
	error = cq_attempt(write_kept, &had_room);
	kept = NIL;
	if (error != NULL && cq_fault_passes(error))
		ReThrowError(error);
	if (error != NULL)
		cq_attempt_warn(error, &last_warning);
	else if (!had_room)
		warn_of_full();
	return error == NULL && had_room;
}
