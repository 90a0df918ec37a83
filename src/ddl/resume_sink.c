/*
 * resume_sink.c
 *		cq.resume_sink: somebody decides what becomes of a sink that has failed.
 *
 * It has failed because it cannot be known which of the rows in the outbox are in Kafka. So there
 * are two answers:
 *		resend        all of them are sent; those that were sent come twice
 *		not resend those that may have been sent are taken as sent; those that were not are never
 *		sent
 * Rows of which is known that they were not sent are sent either way. The sink gets a new epoch, so
 * that no place that Kafka has, and no emitter that may still be alive somewhere, has anything to
 * do with it any more.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/sink.h"
#include "catalog/stream.h"
#include "catalog/view.h"
#include "common/owner.h"
#include "common/wake.h"
#include "ddl/ddl.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(cq_resume_sink);

/*
 * Locks the sink's row. Raises ERROR where the view has none, or where there is nothing to decide.
 */
static void
require_failed(Oid view)
{
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view)};

	cq_query_execute("SELECT status FROM _cq.sink WHERE view = $1 FOR UPDATE", SPI_OK_SELECT, 1,
					 types, args, NULL);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("continuous view \"%s\" has no sink", get_rel_name(view))));
	if (strcmp(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1), "failed") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the sink of continuous view \"%s\" has not failed", get_rel_name(view)),
				 errhint("Look at cq.sinks: what is down is tried again by itself.")));
}

/*
 * The last id that may have been sent: of those handed over, or up to where Kafka says, as far as
 * the outbox goes.
 */
static void
decide(Oid view, bool resend)
{
	Oid			types[] = {OIDOID, BOOLOID, INT8OID};
	Datum		args[] = {ObjectIdGetDatum(view), BoolGetDatum(resend),
						  Int64GetDatum(cq_sink_new_epoch())};

	cq_query_execute("UPDATE _cq.sink s SET epoch = $3, status = 'running', detail = NULL, "
					 "kafka_id = NULL, sent_id = d.sent_id, sending_id = d.sent_id"
					 " FROM (SELECT CASE WHEN $2 THEN k.sent_id"
					 "                   ELSE greatest(k.sending_id, least(coalesce(k.kafka_id, "
					 "0), e.next_id - 1)) END AS sent_id"
					 "       FROM _cq.sink k LEFT JOIN _cq.outbox_end e USING (view) WHERE k.view "
					 "= $1) d"
					 " WHERE s.view = $1", SPI_OK_UPDATE, lengthof(types), types, args, NULL);
}

/* cq.resume_sink(view regclass, resend boolean) */
Datum
cq_resume_sink(PG_FUNCTION_ARGS)
{
	Oid			view = PG_GETARG_OID(0);
	CqActor		actor;

	PreventCommandIfReadOnly("cq.resume_sink()");
	if (!cq_stream_is(view))
		(void) cq_view_require(view);
	cq_owner_require(view);
	LockRelationOid(view, ShareUpdateExclusiveLock);
	cq_owner_begin_catalog(&actor);
	SPI_connect();
	require_failed(view);
	decide(view, PG_GETARG_BOOL(1));
	SPI_finish();
	cq_owner_end(&actor);
	cq_wake_catalog_changed();
	PG_RETURN_VOID();
}

void
cq_resume_sink_renew_all(void)
{
	List	   *sinks = cq_sink_list();
	ListCell   *cell;

	foreach(cell, sinks)
	{
		const CqViewSink *sink = lfirst(cell);
		Oid			types[] = {OIDOID, INT8OID};
		Datum		args[] = {ObjectIdGetDatum(sink->view), Int64GetDatum(cq_sink_new_epoch())};

		cq_query_execute("UPDATE _cq.sink SET epoch = $2 WHERE view = $1", SPI_OK_UPDATE,
						 lengthof(types), types, args, NULL);
	}
}
