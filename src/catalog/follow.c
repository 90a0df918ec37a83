/*
 * follow.c
 *		Which cursors a view follows.
 */
#include "postgres.h"

#include "catalog/follow.h"
#include "catalog/identity.h"
#include "common/owner.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "executor/spi.h"

/* Cursors of stream $1 that nobody follows. */
#define ORPHANS \
	"_cq.cursor c WHERE c.stream OPERATOR(pg_catalog.=) $1 AND NOT EXISTS " \
	"(SELECT FROM _cq.follow f WHERE f.cursor_id OPERATOR(pg_catalog.=) c.cursor_id)"

static void
forget_errors(Oid view)
{
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view)};

	cq_query_execute("DELETE FROM _cq.error WHERE view OPERATOR(pg_catalog.=) $1", SPI_OK_DELETE,
					 lengthof(types), types, args, NULL);
}

static void
forget_places(Oid view)
{
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view)};

	cq_query_execute("DELETE FROM _cq.follow WHERE view OPERATOR(pg_catalog.=) $1", SPI_OK_DELETE, 1, types, args, NULL);
}

static void
forget_orphans(Oid stream)
{
	Oid			types[] = {OIDOID, INT8ARRAYOID};
	Datum		args[] = {ObjectIdGetDatum(stream), (Datum) 0};
	bool		isnull;

	cq_query_execute("SELECT pg_catalog.array_agg(cursor_id) FROM (SELECT c.cursor_id FROM " ORPHANS
					 " FOR UPDATE SKIP LOCKED) AS locked", SPI_OK_SELECT, 1, types, args, NULL);
	args[1] = cq_query_column(0, 1, &isnull);
	if (!isnull)
		cq_query_execute("DELETE FROM " ORPHANS " AND c.cursor_id OPERATOR(pg_catalog.=) ANY ($2)", SPI_OK_DELETE,
						 2, types, args, NULL);
}

void
cq_follow_forget(Oid view, Oid stream)
{
	CqActor		actor;

	cq_owner_begin_catalog(&actor);
	SPI_connect();
	forget_errors(view);
	if (!cq_identity_matches())
	{
		forget_places(view);
		forget_orphans(stream);
	}
	SPI_finish();
	cq_owner_end(&actor);
}
