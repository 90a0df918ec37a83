/*
 * expired.c
 *		How far the windows of a view have expired, for its reading view: _cq.expired_through.
 *
 * The reading view calls it with the rights of whoever reads, who may have none on the view itself
 * but on one that is made of it. So it answers whoever may read the view, or any view that depends
 * on it; anybody else could learn from it how far a view that is not theirs has come.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/version.h"
#include "common/owner.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(cq_expired_through);

/* With the caller's snapshot: the answer is that of the query that asks. */
static void
run_for_caller(const char *statement, int nargs, Oid *types, Datum *args)
{
	if (SPI_execute_with_args(statement, nargs, types, args, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not run \"%s\"", statement);
}

static void
require_reader(Oid view, Oid user)
{
	static const char read[] =
		"WITH RECURSIVE above AS (SELECT $1 AS view UNION "
		"SELECT r.ev_class FROM above, pg_catalog.pg_depend d, pg_catalog.pg_rewrite r "
		"WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass "
		"AND d.refobjid = above.view "
		"AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND r.oid = d.objid) "
		"SELECT pg_catalog.bool_or(pg_catalog.has_any_column_privilege($2, view, 'SELECT')) "
		"FROM above";
	Oid			types[] = {OIDOID, OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view), ObjectIdGetDatum(user)};
	bool		isnull;
	Datum		may;

	run_for_caller(read, lengthof(types), types, args);
	may = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (isnull || !DatumGetBool(may))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for view %s", get_rel_name(view))));
}

/* _cq.expired_through(state regclass) */
Datum
cq_expired_through(PG_FUNCTION_ARGS)
{
	static const char read[] =
		"SELECT p.view::pg_catalog.oid, c.closed_through FROM _cq.part p LEFT JOIN _cq.closing c "
		"ON c.view = p.view WHERE p.relation = $1";
	Oid			types[] = {OIDOID};
	Datum		args[] = {PG_GETARG_DATUM(0)};
	Oid			user = GetUserId();
	TimestampTz through = DT_NOBEGIN;
	CqActor		actor;

	cq_version_require();
	cq_owner_begin_catalog(&actor);
	SPI_connect();
	run_for_caller(read, lengthof(types), types, args);
	if (SPI_processed > 0)
	{
		HeapTuple	row = SPI_tuptable->vals[0];
		TupleDesc	descriptor = SPI_tuptable->tupdesc;
		bool		isnull;
		Datum		found = SPI_getbinval(row, descriptor, 2, &isnull);

		if (!isnull)
			through = DatumGetTimestampTz(found);
		require_reader(DatumGetObjectId(SPI_getbinval(row, descriptor, 1, &isnull)), user);
	}
	SPI_finish();
	cq_owner_end(&actor);
	PG_RETURN_TIMESTAMPTZ(through);
}
