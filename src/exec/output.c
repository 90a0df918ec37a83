/*
 * output.c
 *		Where the changes of a view go: to its sink, to a stream of its changes, to a channel of
 *		NOTIFY, or to several of them.
 *
 * An outbox takes them as they come. Statements over tables, with whatever triggers, wait until the
 * run is over.
 *
 * With late = 'amend', the state of a view is kept when its windows are emitted, until retention
 * has it go. A batch tells what it changes in windows that are closed; what it changes in others is
 * told when they are emitted. Both hold the closing lock, so that a window is one or the other for
 * all of a batch.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/query.h"
#include "common/guc.h"
#include "common/version.h"
#include "common/owner.h"
#include "common/wake.h"
#include "catalog/pg_type.h"
#include "exec/output.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "sink/sink.h"
#include "state/change_buffer.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(cq_unblock_views);

typedef struct Output
{
	CqChangeReceiver pub;
	List	   *receivers;		/* of CqChangeReceiver * */
} Output;

static void
pass_change(CqChangeReceiver *self, TupleTableSlot *before, TupleTableSlot *after)
{
	ListCell   *cell;

	foreach(cell, ((Output *) self)->receivers)
	{
		CqChangeReceiver *receiver = lfirst(cell);

		receiver->take(receiver, before, after);
	}
}

static void
finish_output(CqChangeReceiver *self)
{
	ListCell   *cell;

	foreach(cell, ((Output *) self)->receivers)
	{
		CqChangeReceiver *receiver = lfirst(cell);

		receiver->finish(receiver);
	}
}

static TupleDesc
row_of(Oid relid)
{
	Relation	relation = table_open(relid, AccessShareLock);
	TupleDesc	row = CreateTupleDescCopy(RelationGetDescr(relation));

	table_close(relation, NoLock);
	return row;
}

static CqSinkTarget *
make_target(const CqView *view, Oid owner, const CqViewPlan *plan, Oid sink, TupleDesc row)
{
	CqSinkTarget *target = palloc0(sizeof(CqSinkTarget));

	target->view = view->view;
	target->owner = owner;
	target->sink = sink;
	target->row = row;
	target->no_key = cq_changes_key(plan, &target->key);
	return target;
}

/* The table of closed windows' rows. */
static CqChangeReceiver *
open_result(const CqView *view, Oid owner, const CqViewPlan *plan)
{
	TupleDesc	row = row_of(view->result);

	return cq_change_buffer_open(row, cq_sink_open(make_target(view, owner, plan, view->result,
															   row)));
}

static CqChangeReceiver *
open_sink(const CqView *view, Oid owner, const CqViewPlan *plan, TupleDesc row)
{
	CqSinkTarget *target = make_target(view, owner, plan, view->sink, row);
	CqChangeReceiver *receiver;

	target->outbox = view->outbox;
	target->is_append_only = cq_changes_only_add(plan, view->emits_on_close) &&
		!view->tells_expired;
	target->tells_expired = view->tells_expired;
	receiver = cq_sink_open(target);
	return OidIsValid(view->outbox) ? receiver : cq_change_buffer_open(row, receiver);
}

static List *
open_receivers(const CqView *view, Oid owner, const CqViewPlan *plan)
{
	List	   *receivers = NIL;
	TupleDesc	row;

	if (!OidIsValid(view->sink) && !OidIsValid(view->changes) && view->notify == NULL)
		return NIL;
	row = row_of(view->view);
	if (OidIsValid(view->sink))
		receivers = lappend(receivers, open_sink(view, owner, plan, row));
	if (OidIsValid(view->changes))
		receivers = lappend(receivers,
							cq_change_buffer_open(row, cq_change_stream_open(view->changes, row)));
	if (view->notify != NULL)
		receivers = lappend(receivers, cq_notify_open(view->notify, view->view, row));
	return receivers;
}

static CqChangeReceiver *
open_all(List *receivers)
{
	Output	   *output = palloc0(sizeof(Output));

	output->pub.take = pass_change;
	output->pub.finish = finish_output;
	output->receivers = receivers;
	return &output->pub;
}

CqChangeReceiver *
cq_output_open(const CqView *view, Oid owner, const CqViewPlan *plan)
{
	List	   *receivers = open_receivers(view, owner, plan);

	return receivers != NIL ? open_all(receivers) : NULL;
}

CqChangeReceiver *
cq_output_open_amended(const CqView *view, Oid owner, const CqViewPlan *plan)
{
	return open_all(lcons(open_result(view, owner, plan), open_receivers(view, owner, plan)));
}

const char *
cq_output_full(const CqView *view)
{
	if (OidIsValid(view->outbox) && cq_max_outbox_rows >= 0 &&
		cq_outbox_pending(view->view) > cq_max_outbox_rows)
		return "its sink takes no more: more than cq.max_outbox_rows rows wait to be sent";
	if (view->notify != NULL && cq_notify_usage() > cq_max_notify_queue)
		return "the queue of NOTIFY is too full: some session that listens has been in a "
			   "transaction "
			"for long";
	return NULL;
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
		"WHERE s.view = v.view AND e.next_id - 1 - s.sent_id > $1 / 2)) RETURNING v.view), "
		"active AS (UPDATE _cq.cursor c SET active_at = _cq.clock() FROM _cq.follow f "
		"WHERE f.view IN (SELECT view FROM unblocked) AND f.cursor_id = c.cursor_id) "
		"SELECT count(*) FROM unblocked";
	Oid			types[] = {INT8OID, BOOLOID};
	Datum		args[] = {
		Int64GetDatum(cq_max_outbox_rows),
		BoolGetDatum(cq_notify_usage() <= cq_max_notify_queue / 2)
	};
	int64		nviews;
	bool		is_null;

	cq_version_require();
	SPI_connect();
	cq_query_execute(unblock, SPI_OK_SELECT, lengthof(types), types, args, NULL);
	nviews = DatumGetInt64(cq_query_column(0, 1, &is_null));
	SPI_finish();
	if (nviews > 0)
		cq_wake_catalog_changed();
	PG_RETURN_INT64(nviews);
}
