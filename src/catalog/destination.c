/*
 * destination.c
 *		A destination of requests as its catalog options describe it: see destination.h.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/destination.h"
#include "catalog/pg_foreign_table.h"
#include "commands/defrem.h"
#include "common/name.h"
#include "common/options.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#define DEFAULT_RESPONSE	(64 * 1024)

CqDestinationKind
cq_destination_kind(Oid relid)
{
	static const char *const wrappers[] = {
		[CQ_DESTINATION_REQUEST] = "cq_http",
		[CQ_DESTINATION_MODEL] = "cq_model",
	};
	const char *wrapper;

	if (get_rel_relkind(relid) != RELKIND_FOREIGN_TABLE)
		return CQ_DESTINATION_NONE;
	wrapper = GetForeignDataWrapper(GetForeignServer(GetForeignTable(relid)->serverid)->fdwid)->
		fdwname;
	for (int i = CQ_DESTINATION_REQUEST; i < CQ_DESTINATION_NKINDS; i++)
	{
		if (strcmp(wrapper, wrappers[i]) == 0)
			return i;
	}
	return CQ_DESTINATION_NONE;
}

bool
cq_destination_is(Oid relid)
{
	return cq_destination_kind(relid) != CQ_DESTINATION_NONE;
}

static void
read_interval(const List *options, const char *name, int64 *microseconds)
{
	const char *text = cq_options_value(options, name);

	if (text != NULL)
		cq_reject_raise(cq_options_interval(name, text, microseconds), NULL);
}

static void
read_delivery(CqDelivery *delivery, const List *options)
{
	const char *rate = cq_options_value(options, "rate");

	*delivery = (CqDelivery) {
		.timeout = 30 * USECS_PER_SEC,
		.connect_timeout = 10 * USECS_PER_SEC,
		.concurrency = 8,
		.rate = rate != NULL ? strtod(rate, NULL) : 0,
		.attempts = 10,
		.backoff = USECS_PER_SEC / 2,
		.max_backoff = USECS_PER_MINUTE,
		.breaker = 5,
		.breaker_pause = 10 * USECS_PER_SEC,
	};
	read_interval(options, "timeout", &delivery->timeout);
	read_interval(options, "connect_timeout", &delivery->connect_timeout);
	read_interval(options, "backoff", &delivery->backoff);
	read_interval(options, "max_backoff", &delivery->max_backoff);
	read_interval(options, "breaker_pause", &delivery->breaker_pause);
	cq_options_read_number(options, "concurrency", &delivery->concurrency);
	cq_options_read_number(options, "attempts", &delivery->attempts);
	cq_options_read_number(options, "breaker", &delivery->breaker);
}

static void
read_server(CqDestination *destination, const ForeignServer *server)
{
	const char *url = cq_options_value(server->options, "url");

	if (url == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("server \"%s\" has no option \"url\"", server->servername)));
	destination->url = pstrdup(url);
	while (destination->url[strlen(destination->url) - 1] == '/')
		destination->url[strlen(destination->url) - 1] = '\0';
	destination->is_trusted = superuser_arg(server->owner);
	destination->authority = cq_options_value(server->options, "authority");
	destination->sigv4 = cq_options_value(server->options, "sigv4");
	read_delivery(&destination->delivery, server->options);
}

static void
read_table(CqDestination *destination, const List *options)
{
	const char *method = cq_options_value(options, "method");
	const char *mode = cq_options_value(options, "mode");
	const char *key = cq_options_value(options, "key");
	const char *ordered = cq_options_value(options, "ordered");
	const char *path = cq_options_value(options, "path");

	destination->method = method != NULL ? method : "POST";
	destination->path = path != NULL ? path : "";
	destination->mode = mode == NULL || strcmp(mode, "append") == 0 ? CQ_MODE_APPEND :
		strcmp(mode, "upsert") == 0 ? CQ_MODE_UPSERT : CQ_MODE_DEBEZIUM;
	if (ordered != NULL)
		(void) parse_bool(ordered, &destination->is_ordered);
	if (key != NULL)
		cq_reject_raise(cq_destination_options_names(key, &destination->key), NULL);
	destination->content_type = cq_options_value(options, "content_type");
	destination->responses = cq_options_value(options, "responses");
	destination->max_response = DEFAULT_RESPONSE;
	cq_options_read_number(options, "max_response", &destination->max_response);
}

static void
read_column(CqRequestColumn *column, Oid relid, Form_pg_attribute attribute)
{
	List	   *options = GetForeignColumnOptions(relid, attribute->attnum);
	const char *part = cq_options_value(options, "part");
	const char *name = cq_options_value(options, "name");

	column->attno = attribute->attnum;
	column->column = pstrdup(NameStr(attribute->attname));
	column->name = name != NULL ? pstrdup(name) : column->column;
	column->type = attribute->atttypid;
	column->typmod = attribute->atttypmod;
	column->collation = attribute->attcollation;
	for (int i = 0; part != NULL && cq_destination_parts[i] != NULL; i++)
	{
		if (strcmp(part, cq_destination_parts[i]) == 0)
			column->part = i;
	}
	if (column->part == CQ_PART_HEADER && !cq_destination_is_header_name(column->name))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_COLUMN_NAME),
				 errmsg("column \"%s\" of \"%s\" cannot be the header \"%s\"", column->column,
						get_rel_name(relid), column->name),
				 errhint("The option name says which header it is. Some are set by the delivery "
						 "itself.")));
}

static void
read_columns(CqDestination *destination)
{
	Relation	relation = table_open(destination->relid, AccessShareLock);
	TupleDesc	descriptor = RelationGetDescr(relation);

	destination->columns = palloc0(sizeof(CqRequestColumn) * Max(descriptor->natts, 1));
	for (int i = 0; i < descriptor->natts; i++)
	{
		if (!TupleDescAttr(descriptor, i)->attisdropped)
			read_column(&destination->columns[destination->ncolumns++], destination->relid,
						TupleDescAttr(descriptor, i));
	}
	table_close(relation, NoLock);
}

CqDestination *
cq_destination_get_server(Oid relid, Oid userid)
{
	CqDestination *destination = palloc0(sizeof(CqDestination));
	ForeignTable *table = GetForeignTable(relid);
	ForeignServer *server = GetForeignServer(table->serverid);

	destination->relid = relid;
	destination->name = cq_name_qualified(relid);
	read_server(destination, server);
	destination->secrets = cq_stream_mapping_options(table->serverid, userid);
	destination->options = list_concat_copy(server->options, table->options);
	destination->options = list_concat(destination->options, destination->secrets);
	return destination;
}

CqDestination *
cq_destination_get(Oid relid, Oid userid)
{
	CqDestination *destination = cq_destination_get_server(relid, userid);

	read_table(destination, GetForeignTable(relid)->options);
	read_columns(destination);
	return destination;
}

const char *
cq_destination_secret(const CqDestination *destination, const char *name)
{
	return cq_options_value(destination->secrets, name);
}
