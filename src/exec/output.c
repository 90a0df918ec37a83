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
#include "catalog/pg_class.h"
#include "common/guc.h"
#include "common/owner.h"
#include "exec/output.h"
#include "sink/sink.h"
#include "state/change_buffer.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

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

/* ---- the ways out ---- */

/* One of the ways out of a view. */
typedef struct Way
{
	CqChangeReceiver *(*open) (const CqView *view, Oid owner, const CqViewPlan *plan,
							   TupleDesc row);
	const char *(*full) (const CqView *view);	/* why it takes no more, or NULL */
	Oid			written;		/* the stream or table that has the rows then, or InvalidOid */
} Way;

static const char *
never_full(const CqView *view)
{
	return NULL;
}

static CqChangeReceiver *
open_topic(const CqView *view, Oid owner, const CqViewPlan *plan, TupleDesc row)
{
	CqSinkTarget *target = make_target(view, owner, plan, view->sink, row);

	target->outbox = view->outbox;
	target->is_append_only = cq_changes_only_add(plan, view->emits_on_close) &&
		!view->tells_expired;
	target->tells_expired = view->tells_expired;
	return cq_sink_open(target);
}

static const char *
topic_full(const CqView *view)
{
	if (cq_max_outbox_rows < 0 || cq_outbox_pending(view->view) <= cq_max_outbox_rows)
		return NULL;
	return "its sink takes no more: more than cq.max_outbox_rows rows wait to be sent";
}

static CqChangeReceiver *
open_table(const CqView *view, Oid owner, const CqViewPlan *plan, TupleDesc row)
{
	return cq_change_buffer_open(row, open_topic(view, owner, plan, row));
}

static CqChangeReceiver *
open_changes(const CqView *view, Oid owner, const CqViewPlan *plan, TupleDesc row)
{
	return cq_change_buffer_open(row, cq_change_stream_open(view->changes, row));
}

static CqChangeReceiver *
open_channel(const CqView *view, Oid owner, const CqViewPlan *plan, TupleDesc row)
{
	return cq_notify_open(view->notify, view->view, row);
}

static const char *
channel_full(const CqView *view)
{
	if (cq_notify_usage() <= cq_max_notify_queue)
		return NULL;
	return "the queue of NOTIFY is too full: some session that listens has been in a transaction "
		"for long";
}

static List *
add_way(List *ways, Way way)
{
	Way		   *added = palloc(sizeof(Way));

	*added = way;
	return lappend(ways, added);
}

/* Those that the view has: of Way *. */
static List *
ways_of(const CqView *view)
{
	List	   *ways = NIL;

	if (OidIsValid(view->outbox))
		ways = add_way(ways, (Way) {open_topic, topic_full, InvalidOid});
	else if (OidIsValid(view->sink))
		ways = add_way(ways, (Way) {open_table, never_full, view->sink});
	if (OidIsValid(view->changes))
		ways = add_way(ways, (Way) {open_changes, never_full, view->changes});
	if (view->notify != NULL)
		ways = add_way(ways, (Way) {open_channel, channel_full, InvalidOid});
	return ways;
}

static List *
open_receivers(const CqView *view, Oid owner, const CqViewPlan *plan)
{
	List	   *ways = ways_of(view);
	TupleDesc	row = ways != NIL ? row_of(view->view) : NULL;
	List	   *receivers = NIL;
	ListCell   *cell;

	foreach(cell, ways)
		receivers = lappend(receivers, ((Way *) lfirst(cell))->open(view, owner, plan, row));
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
	const char *reason = NULL;
	ListCell   *cell;

	foreach(cell, ways_of(view))
	{
		reason = ((Way *) lfirst(cell))->full(view);
		if (reason != NULL)
			break;
	}
	return reason;
}

static List *
add_relation(List *relations, Oid relid)
{
	return OidIsValid(relid) ? list_append_unique_oid(relations, relid) : relations;
}

List *
cq_output_relations(const CqView *view)
{
	List	   *relations = NIL;

	if (view->amends_late)
		relations = add_relation(relations, view->result);
	relations = add_relation(relations, view->sink);
	relations = add_relation(relations, view->changes);
	return add_relation(relations, view->outbox);
}

List *
cq_output_add_streams(List *streams, const CqView *view)
{
	ListCell   *cell;

	foreach(cell, ways_of(view))
	{
		const Way  *way = lfirst(cell);

		if (OidIsValid(way->written) && get_rel_relkind(way->written) == RELKIND_FOREIGN_TABLE)
			streams = add_relation(streams, way->written);
	}
	return streams;
}
