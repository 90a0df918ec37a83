/*
 * limit.c
 *		What keeps a view from going on: see limit.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "common/guc.h"
#include "common/version.h"
#include "common/wake.h"
#include "exec/limit.h"
#include "exec/output.h"
#include "fmgr.h"
#include "sink/sink.h"
#include "stats/budget.h"

PG_FUNCTION_INFO_V1(cq_block_views);
PG_FUNCTION_INFO_V1(cq_unblock_views);

const char *
cq_limit_reached(const CqView *view)
{
	const char *reason = cq_output_full(view);

	return reason != NULL ? reason : cq_budget_stops(view->view);
}

/* A view is stopped by its status alone: see exec/lane.c. */
static int64
change_views(SPIPlanPtr *plan, const char *statement, int nargs, Oid *types, Datum *args)
{
	int64		nviews;
	bool		is_null;

	SPI_connect();
	cq_query_run(plan, statement, nargs, types, args, SPI_OK_SELECT);
	nviews = DatumGetInt64(cq_query_column(0, 1, &is_null));
	SPI_finish();
	if (nviews > 0)
		cq_wake_catalog_changed();
	return nviews;
}

/* _cq.block_views(): those that have used up a budget, also where nothing is to be read now. */
Datum
cq_block_views(PG_FUNCTION_ARGS)
{
	static const char block[] =
		"WITH spent AS (SELECT b.view, min(b.told) AS told FROM _cq.view_budget b "
		"WHERE b.at_limit = 'stop' AND b.told IS NOT NULL GROUP BY b.view), "
		"unlocked AS (SELECT v.view, s.told FROM _cq.view v JOIN spent s USING (view) "
		"WHERE v.status = 'running' FOR UPDATE OF v SKIP LOCKED), "
		"blocked AS (UPDATE _cq.view v SET status = 'blocked', status_detail = u.told "
		"FROM unlocked u WHERE v.view = u.view RETURNING v.view) "
		"SELECT count(*) FROM blocked";
	static SPIPlanPtr plan = NULL;

	cq_version_require();
	PG_RETURN_INT64(change_views(&plan, block, 0, NULL, NULL));
}

/* _cq.unblock_views(). What such a view has not read meanwhile is not idle. */
Datum
cq_unblock_views(PG_FUNCTION_ARGS)
{
	static const char unblock[] =
		"WITH unlocked AS (SELECT view FROM _cq.view WHERE status = 'blocked' "
		"FOR UPDATE SKIP LOCKED), "
		"unblocked AS (UPDATE _cq.view v SET status = 'running', status_detail = NULL "
		"FROM unlocked WHERE v.view = unlocked.view AND (v.notify IS NULL OR $2) AND ($1 < 0 OR "
		"NOT EXISTS "
		"(SELECT FROM _cq.sink s JOIN _cq.outbox_end e USING (view) "
		"WHERE s.view = v.view AND e.next_id - 1 - s.sent_id > $1 / 2)) "
		"AND NOT EXISTS (SELECT FROM _cq.view_budget b "
		"WHERE b.view = v.view AND b.at_limit = 'stop' AND b.told IS NOT NULL) "
		"RETURNING v.view), "
		"active AS (UPDATE _cq.cursor c SET active_at = _cq.clock() FROM _cq.follow f "
		"WHERE f.view IN (SELECT view FROM unblocked) AND f.cursor_id = c.cursor_id) "
		"SELECT count(*) FROM unblocked";
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {INT8OID, BOOLOID};
	Datum		args[] = {
		Int64GetDatum(cq_max_outbox_rows),
		BoolGetDatum(cq_notify_usage() <= cq_max_notify_queue / 2)
	};

	cq_version_require();
	PG_RETURN_INT64(change_views(&plan, unblock, lengthof(types), types, args));
}
