/*
 * destination.c
 *		A destination of requests as its catalog options describe it: see destination.h.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/destination.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "common/name.h"
#include "common/options.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#define DEFAULT_RESPONSE	(64 * 1024)

bool
cq_destination_is(Oid relid)
{
	return get_rel_relkind(relid) == RELKIND_FOREIGN_TABLE &&
		strcmp(GetForeignDataWrapper(GetForeignServer(GetForeignTable(relid)->serverid)->fdwid)->
			   fdwname, "cq_http") == 0;
}

/* Of the user's mapping, or else of everybody's, or else none. */
static List *
mapping_options(Oid server, Oid userid)
{
	Oid			users[] = {userid, InvalidOid};

	for (int i = 0; i < (int) lengthof(users); i++)
	{
		if (SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(users[i]),
								  ObjectIdGetDatum(server)))
			return GetUserMapping(users[i], server)->options;
	}
	return NIL;
}

static const char *
option_text(const List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		if (strcmp(lfirst_node(DefElem, cell)->defname, name) == 0)
			return defGetString(lfirst_node(DefElem, cell));
	}
	return NULL;
}

static void
read_interval(const List *options, const char *name, int64 *microseconds)
{
	const char *text = option_text(options, name);

	if (text != NULL)
		cq_reject_raise(cq_options_interval(name, text, microseconds), NULL);
}

static void
read_number(const List *options, const char *name, int *number)
{
	const char *text = option_text(options, name);

	if (text != NULL)
		cq_reject_raise(cq_destination_options_number(name, text, 0, PG_INT32_MAX, number), NULL);
}

static void
read_delivery(CqDelivery *delivery, const List *options)
{
	const char *rate = option_text(options, "rate");

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
	read_number(options, "concurrency", &delivery->concurrency);
	read_number(options, "attempts", &delivery->attempts);
	read_number(options, "breaker", &delivery->breaker);
}

static void
read_server(CqDestination *destination, const ForeignServer *server)
{
	const char *url = option_text(server->options, "url");
	const char *sigv4 = option_text(server->options, "sigv4");

	if (url == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("server \"%s\" has no option \"url\"", server->servername)));
	destination->url = pstrdup(url);
	while (destination->url[strlen(destination->url) - 1] == '/')
		destination->url[strlen(destination->url) - 1] = '\0';
	destination->is_trusted = superuser_arg(server->owner);
	destination->authority = option_text(server->options, "authority");
	destination->sigv4 = sigv4 != NULL ? cq_destination_options_sigv4(sigv4) : NULL;
	read_delivery(&destination->delivery, server->options);
}

static void
read_table(CqDestination *destination, const List *options)
{
	const char *method = option_text(options, "method");
	const char *mode = option_text(options, "mode");
	const char *key = option_text(options, "key");
	const char *ordered = option_text(options, "ordered");
	const char *path = option_text(options, "path");

	destination->method = method != NULL ? method : "POST";
	destination->path = path != NULL ? path : "";
	destination->mode = mode == NULL || strcmp(mode, "append") == 0 ? CQ_MODE_APPEND :
		strcmp(mode, "upsert") == 0 ? CQ_MODE_UPSERT : CQ_MODE_DEBEZIUM;
	if (ordered != NULL)
		(void) parse_bool(ordered, &destination->is_ordered);
	if (key != NULL)
		cq_reject_raise(cq_destination_options_names(key, &destination->key), NULL);
	destination->content_type = option_text(options, "content_type");
	destination->responses = option_text(options, "responses");
	destination->max_response = DEFAULT_RESPONSE;
	read_number(options, "max_response", &destination->max_response);
}

static void
read_column(CqRequestColumn *column, Oid relid, Form_pg_attribute attribute)
{
	List	   *options = GetForeignColumnOptions(relid, attribute->attnum);
	const char *part = option_text(options, "part");
	const char *name = option_text(options, "name");

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
cq_destination_get(Oid relid, Oid userid)
{
	CqDestination *destination = palloc0(sizeof(CqDestination));
	ForeignTable *table = GetForeignTable(relid);
	ForeignServer *server = GetForeignServer(table->serverid);

	destination->relid = relid;
	destination->name = cq_name_qualified(relid);
	read_server(destination, server);
	read_table(destination, table->options);
	destination->secrets = mapping_options(table->serverid, userid);
	destination->options = list_concat_copy(server->options, table->options);
	destination->options = list_concat(destination->options, destination->secrets);
	read_columns(destination);
	return destination;
}

const char *
cq_destination_secret(const CqDestination *destination, const char *name)
{
	return option_text(destination->secrets, name);
}
