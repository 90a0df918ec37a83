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

/* Those of the cursors $1 that nobody follows. */
#define ORPHANS \
	"_cq.cursor c WHERE c.cursor_id OPERATOR(pg_catalog.=) ANY ($1) AND NOT EXISTS " \
	"(SELECT FROM _cq.follow f WHERE f.cursor_id OPERATOR(pg_catalog.=) c.cursor_id)"

static void
forget_errors(Oid view)
{
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view)};

	cq_query_execute("DELETE FROM _cq.error WHERE view OPERATOR(pg_catalog.=) $1", SPI_OK_DELETE,
					 lengthof(types), types, args, NULL);
}

/* The cursors that it followed, as an array; null: none. */
static Datum
forget_places(Oid view, bool *is_null)
{
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view)};

	cq_query_execute("WITH gone AS (DELETE FROM _cq.follow "
					 "WHERE view OPERATOR(pg_catalog.=) $1 RETURNING cursor_id) "
					 "SELECT pg_catalog.array_agg(cursor_id) FROM gone", SPI_OK_SELECT,
					 lengthof(types), types, args, NULL);
	return cq_query_column(0, 1, is_null);
}

static void
forget_orphans(Datum cursors)
{
	Oid			types[] = {INT8ARRAYOID};
	bool		is_null;

	cq_query_execute("SELECT pg_catalog.array_agg(cursor_id) FROM (SELECT c.cursor_id FROM " ORPHANS
					 " FOR UPDATE SKIP LOCKED) AS locked", SPI_OK_SELECT, 1, types, &cursors, NULL);
	cursors = cq_query_column(0, 1, &is_null);
	if (!is_null)
		cq_query_execute("DELETE FROM " ORPHANS, SPI_OK_DELETE, 1, types, &cursors, NULL);
}

void
cq_follow_forget(Oid view)
{
	CqActor		actor;

	cq_owner_begin_catalog(&actor);
	SPI_connect();
	forget_errors(view);
	if (!cq_identity_matches())
	{
		bool		is_null;
		Datum		cursors = forget_places(view, &is_null);

		if (!is_null)
			forget_orphans(cursors);
	}
	SPI_finish();
	cq_owner_end(&actor);
}
