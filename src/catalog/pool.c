/*
 * pool.c
 *		Rows of _cq.pool: see pool.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "catalog/pool.h"
#include "catalog/query.h"
#include "common/owner.h"
#include "common/version.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#define COLUMNS "name, owner::oid, users::oid, min_workers, max_workers, nice, EXISTS (SELECT " \
	"FROM _cq.view v WHERE v.pool = p.name AND v.status = 'running')"

/* Of what the last statement returned, in the current context. */
static CqPool *
make_pool(uint64 row)
{
	CqPool	   *pool = palloc(sizeof(CqPool));
	bool		isnull;

	pool->name = TextDatumGetCString(cq_query_column(row, 1, &isnull));
	pool->owner = DatumGetObjectId(cq_query_column(row, 2, &isnull));
	pool->users = DatumGetObjectId(cq_query_column(row, 3, &isnull));
	pool->min_workers = DatumGetInt32(cq_query_column(row, 4, &isnull));
	pool->max_workers = DatumGetInt32(cq_query_column(row, 5, &isnull));
	pool->nice = DatumGetInt32(cq_query_column(row, 6, &isnull));
	pool->is_used = DatumGetBool(cq_query_column(row, 7, &isnull));
	return pool;
}

static List *
read_pools(const char *statement, int nargs, Oid *types, Datum *args)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *pools = NIL;
	CqActor		actor;

	cq_version_require();
	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_execute(statement, SPI_OK_SELECT, nargs, types, args, NULL);
	MemoryContextSwitchTo(caller);
	for (uint64 i = 0; i < SPI_processed; i++)
		pools = lappend(pools, make_pool(i));
	SPI_finish();
	cq_owner_end(&actor);
	return pools;
}

CqPool *
cq_pool_lock(const char *name, bool for_change)
{
	Oid			types[] = {TEXTOID};
	Datum		args[] = {CStringGetTextDatum(name)};
	List	   *pools = read_pools(for_change ?
								   "SELECT " COLUMNS " FROM _cq.pool p WHERE name = $1 "
								   "FOR UPDATE" :
								   "SELECT " COLUMNS " FROM _cq.pool p WHERE name = $1 "
								   "FOR KEY SHARE", lengthof(types), types, args);

	return pools != NIL ? linitial(pools) : NULL;
}

List *
cq_pool_list(void)
{
	return read_pools("SELECT " COLUMNS " FROM _cq.pool p ORDER BY name", 0, NULL, NULL);
}

CqPool *
cq_pool_require(const char *name, bool for_change)
{
	CqPool	   *pool = cq_pool_lock(name, for_change);

	if (pool == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("compute pool \"%s\" does not exist", name),
				 errhint("cq.pools has those that there are, cq.create_pool makes one.")));
	return pool;
}

void
cq_pool_require_usable(const char *name)
{
	const CqPool *pool = cq_pool_require(name, false);

	if (!has_privs_of_role(GetUserId(), pool->users) &&
		!has_privs_of_role(GetUserId(), pool->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for compute pool \"%s\"", name),
				 errhint("Its users are members of the role that cq.alter_pool(…, users => …) "
						 "names.")));
}

static void
write_pool(const char *statement, int expected, const CqPool *pool)
{
	Oid			types[] = {TEXTOID, OIDOID, OIDOID, INT4OID, INT4OID, INT4OID};
	Datum		args[] = {
		CStringGetTextDatum(pool->name), ObjectIdGetDatum(pool->owner),
		ObjectIdGetDatum(pool->users), Int32GetDatum(pool->min_workers),
		Int32GetDatum(pool->max_workers), Int32GetDatum(pool->nice)
	};
	CqActor		actor;

	cq_version_require();
	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_execute(statement, expected, lengthof(types), types, args, NULL);
	SPI_finish();
	cq_owner_end(&actor);
}

void
cq_pool_insert(const CqPool *pool)
{
	write_pool("INSERT INTO _cq.pool (name, owner, users, min_workers, max_workers, nice) "
			   "VALUES ($1, $2, $3, $4, $5, $6)", SPI_OK_INSERT, pool);
}

void
cq_pool_update(const CqPool *pool)
{
	write_pool("UPDATE _cq.pool SET owner = $2, users = $3, min_workers = $4, max_workers = $5, "
			   "nice = $6 WHERE name = $1", SPI_OK_UPDATE, pool);
}

void
cq_pool_delete(const char *name)
{
	Oid			types[] = {TEXTOID};
	Datum		args[] = {CStringGetTextDatum(name)};
	CqActor		actor;

	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_execute("DELETE FROM _cq.pool WHERE name = $1", SPI_OK_DELETE, lengthof(types), types,
					 args, NULL);
	SPI_finish();
	cq_owner_end(&actor);
}

List *
cq_pool_views(const char *name)
{
	Oid			types[] = {TEXTOID};
	Datum		args[] = {CStringGetTextDatum(name)};
	MemoryContext caller = CurrentMemoryContext;
	List	   *views;
	CqActor		actor;

	cq_owner_begin_catalog(&actor);
	SPI_connect();
	cq_query_look("SELECT view::oid FROM _cq.view WHERE pool = $1 ORDER BY view::oid",
				  lengthof(types), types, args);
	views = cq_query_take_oids(caller, 1);
	SPI_finish();
	cq_owner_end(&actor);
	return views;
}
