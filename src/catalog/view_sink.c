/*
 * view_sink.c
 *		Rows of _cq.sink and _cq.outbox_end.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/sink.h"
#include "catalog/view_sink.h"
#include "common/owner.h"
#include "executor/spi.h"

static void
execute(const char *statement, int expected, int nargs, Oid *types, Datum *args)
{
	CqActor		actor;

	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_execute(statement, expected, nargs, types, args, NULL);
	SPI_finish();
	cq_owner_end(&actor);
}

void
cq_view_sink_insert(Oid view, Oid sink, Oid outbox)
{
	Oid			types[] = {OIDOID, OIDOID, OIDOID, INT8OID};
	Datum		args[] = {ObjectIdGetDatum(view), ObjectIdGetDatum(sink), ObjectIdGetDatum(outbox), Int64GetDatum(cq_sink_new_epoch())};

	execute("INSERT INTO _cq.outbox_end (view) VALUES ($1)", SPI_OK_INSERT, 1, types, args);
	execute("INSERT INTO _cq.sink (view, sink, outbox, epoch) VALUES ($1, $2, $3, $4)", SPI_OK_INSERT, lengthof(args), types, args);
}

void
cq_view_sink_forget(Oid view)
{
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view)};

	execute("DELETE FROM _cq.sink WHERE view OPERATOR(pg_catalog.=) $1", SPI_OK_DELETE, 1, types, args);
	execute("DELETE FROM _cq.outbox_end WHERE view OPERATOR(pg_catalog.=) $1", SPI_OK_DELETE, 1, types, args);
}
