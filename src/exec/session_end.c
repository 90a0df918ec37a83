/*
 * session_end.c
 *		When the next session of a view may end: see session_end.h.
 */
#include "postgres.h"

#include "catalog/query.h"
#include "common/int.h"
#include "common/name.h"
#include "exec/session_end.h"
#include "exec/view_actor.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

TimestampTz
cq_session_end_next(const CqView *view, Oid owner, const CqViewPlan *plan,
					TimestampTz closed_through, TimestampTz next)
{
	ColumnDef  *session = list_nth_node(ColumnDef, plan->columns, plan->session->key);
	TimestampTz end;
	CqActor		actor;
	bool		is_null;
	Datum		stored;

	if (pg_add_s64_overflow(closed_through, plan->session->gap, &end))
		end = DT_NOEND;
	cq_view_actor_begin(&actor, view, owner);
	SPI_connect();
	cq_query_execute(psprintf("SELECT pg_catalog.min(pg_catalog.upper(%s)) FROM %s",
							  quote_identifier(session->colname),
							  cq_name_qualified(view->state)),
					 SPI_OK_SELECT, 0, NULL, NULL, NULL);
	stored = cq_query_column(0, 1, &is_null);
	if (!is_null)
		end = Min(end, DatumGetTimestampTz(stored));
	SPI_finish();
	cq_owner_end(&actor);
	return end;
}
