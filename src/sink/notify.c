/*
 * notify.c
 *		Tells a channel of NOTIFY of the changes of a view, when they are committed: {"view": …,
 *		"op": "insert", "before": null, "after": {…}}.
 *
 * The server takes payloads of less than 8000 bytes. Where the rows are larger they are left out,
 * and "truncated" is true.
 */
#include "postgres.h"

#include "commands/async.h"
#include "common/name.h"
#include "format/format.h"
#include "mb/pg_wchar.h"
#include "sink/sink.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* As the server has it. */
#define MAX_PAYLOAD	8000

typedef struct Notify
{
	CqChangeReceiver pub;
	const char *channel;
	char	   *view;			/* as a JSON string */
	CqEncoder  *encoder;
	MemoryContext row_context;
} Notify;

/* What is encoded is UTF-8, what NOTIFY takes is as the server has it. */
static void
append_row(const Notify *notify, StringInfo payload, const char *name, TupleTableSlot *row)
{
	StringInfoData encoded;

	appendStringInfo(payload, ",\"%s\":", name);
	if (row == NULL)
	{
		appendStringInfoString(payload, "null");
		return;
	}
	initStringInfo(&encoded);
	cq_json_format.encode(notify->encoder, row->tts_values, row->tts_isnull, &encoded);
	appendStringInfoString(payload, pg_any_to_server(encoded.data, encoded.len, PG_UTF8));
}

static void
notify_of_change(CqChangeReceiver *self, TupleTableSlot *before, TupleTableSlot *after)
{
	Notify	   *notify = (Notify *) self;
	MemoryContext caller = MemoryContextSwitchTo(notify->row_context);
	StringInfoData payload;
	int			head;

	initStringInfo(&payload);
	appendStringInfo(&payload, "{\"view\":%s,\"op\":\"%s\"", notify->view,
					 before == NULL ? "insert" : after == NULL ? "delete" : "update");
	head = payload.len;
	append_row(notify, &payload, "before", before);
	append_row(notify, &payload, "after", after);
	appendStringInfoChar(&payload, '}');
	if (payload.len >= MAX_PAYLOAD)
	{
		payload.len = head;
		appendStringInfoString(&payload, ",\"truncated\":true}");
	}
	Async_Notify(notify->channel, payload.data);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(notify->row_context);
}

static void
finish_notifying(CqChangeReceiver *self)
{
	MemoryContextDelete(((Notify *) self)->row_context);
}

static CqEncoder *
open_encoder(TupleDesc row)
{
	CqColumn   *columns = palloc0(sizeof(CqColumn) * Max(row->natts, 1));

	for (int i = 0; i < row->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(row, i);

		columns[i].attno = i + 1;
		columns[i].name = NameStr(attribute->attname);
		columns[i].path = list_make1(NameStr(attribute->attname));
		columns[i].type = attribute->atttypid;
		columns[i].typmod = attribute->atttypmod;
		columns[i].collation = attribute->attcollation;
	}
	return cq_json_format.encoder_open(NULL, columns, row->natts);
}

static char *
json_name(Oid relid)
{
	StringInfoData json;

	initStringInfo(&json);
	escape_json(&json, cq_name_qualified(relid));
	return json.data;
}

double
cq_notify_usage(void)
{
	return DatumGetFloat8(DirectFunctionCall1(pg_notification_queue_usage, (Datum) 0));
}

CqChangeReceiver *
cq_notify_open(const char *channel, Oid view, TupleDesc row)
{
	Notify	   *notify = palloc0(sizeof(Notify));

	notify->pub.take = notify_of_change;
	notify->pub.finish = finish_notifying;
	notify->channel = channel;
	notify->view = json_name(view);
	notify->encoder = open_encoder(row);
	notify->row_context = AllocSetContextCreate(CurrentMemoryContext, "pg_cq notify",
												ALLOCSET_SMALL_SIZES);
	return &notify->pub;
}
