/*
 * retention.c
 *		_cq.expire_rows(): deletes rows of views without aggregation that are older than the view's option retention.
 *
 * A block range index on the time of processing, made together with the option, finds them: rows come in that order. At most
 * max_rows of each view go at a time, so that no transaction grows large. Takes a bigint, returns how many rows went.
 */
#include "postgres.h"

#include "common/attempt.h"
#include "common/owner.h"
#include "catalog/pg_type.h"
#include "catalog/view.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "plan/plan.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(cq_expire_rows);

typedef struct Expiry
{
	Oid			view;
	int64		max_rows;
	int64		nexpired;
} Expiry;

/* As the view's owner: the table is theirs, and so is whatever might fire on it. */
static int64
delete_rows(const CqView *view, int64 max_rows)
{
	char	   *state = quote_qualified_identifier(get_namespace_name(get_rel_namespace(view->state)),
												   get_rel_name(view->state));
	char	   *statement = psprintf("DELETE FROM %s WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY("
									 "SELECT ctid FROM %s WHERE %s OPERATOR(pg_catalog.<) $1 LIMIT $2))",
									 state, state, CQ_ROW_TIME_COLUMN);
	Datum		horizon = DirectFunctionCall2(timestamptz_mi_interval, TimestampTzGetDatum(GetCurrentTimestamp()),
											  IntervalPGetDatum(view->retention));
	Oid			types[] = {TIMESTAMPTZOID, INT8OID};
	Datum		args[] = {horizon, Int64GetDatum(max_rows)};
	CqActor		actor;
	uint64		ndeleted;

	cq_owner_begin_user(&actor, cq_owner_of_relation(view->state));
	SPI_connect();
	if (SPI_execute_with_args(statement, lengthof(types), types, args, NULL, false, 0) != SPI_OK_DELETE)
		elog(ERROR, "could not expire rows of %s", state);
	ndeleted = SPI_processed;
	SPI_finish();
	cq_owner_end(&actor);
	return (int64) ndeleted;
}

static void
expire_rows_of(void *arg)
{
	Expiry	   *expiry = arg;
	CqView	   *view = cq_view_get(expiry->view);

	if (view != NULL && view->retention != NULL)
		expiry->nexpired = delete_rows(view, expiry->max_rows);
}

Datum
cq_expire_rows(PG_FUNCTION_ARGS)
{
	static char *last_warning = NULL;
	int64		max_rows = PG_GETARG_INT64(0);
	int64		expired = 0;
	SPITupleTable *views;
	uint64		nviews;

	SPI_connect();
	if (SPI_execute("SELECT view FROM _cq.view WHERE retention IS NOT NULL AND status OPERATOR(pg_catalog.<>) 'restored'",
					true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read _cq.view");
	views = SPI_tuptable;
	nviews = SPI_processed;
	for (uint64 i = 0; i < nviews; i++)
	{
		bool		isnull;
		Expiry		expiry = {
			DatumGetObjectId(SPI_getbinval(views->vals[i], views->tupdesc, 1, &isnull)), max_rows, 0
		};
		ErrorData  *error = cq_attempt(expire_rows_of, &expiry);

		/* What is wrong with one view is not the others' concern. */
		if (error != NULL)
			cq_attempt_warn(error, &last_warning);
		expired += error == NULL ? expiry.nexpired : 0;
	}
	SPI_finish();
	PG_RETURN_INT64(expired);
}
