/*
 * flush.c
 *		cq.flush: until what waits in the outbox of a view, or of a stream's dead letters, is in the
 *		topic.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/stream.h"
#include "catalog/view.h"
#include "common/clock.h"
#include "common/owner.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "stats/sink_stats.h"
#include "storage/latch.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"
#include "worker/shared.h"

#define LOOK_MS	10

PG_FUNCTION_INFO_V1(cq_flush);

typedef struct Outbox
{
	int64		end_id;			/* of the last row that is there */
	int64		sent_id;
	bool		has_failed;
} Outbox;

/* As of now, whatever the caller's snapshot. False where the view has none. */
static bool
look(Oid view, Outbox *outbox)
{
	static const char read[] =
		"SELECT e.next_id - 1, s.sent_id, s.status = 'failed' FROM _cq.sink s JOIN _cq.outbox_end "
		"e USING (view) WHERE s.view = $1";
	Oid			types[] = {OIDOID};
	Datum		args[] = {ObjectIdGetDatum(view)};
	bool		is_null;
	bool		is_there;
	SPIPlanPtr	plan;
	CqActor		actor;

	cq_owner_begin_catalog(&actor);
	SPI_connect();
	plan = cq_query_prepare(read, lengthof(types), types);
	if (SPI_execute_snapshot(plan, args, NULL, GetLatestSnapshot(), InvalidSnapshot, true, false,
							 1) != SPI_OK_SELECT)
		elog(ERROR, "could not run \"%s\": %s", read, SPI_result_code_string(SPI_result));
	is_there = SPI_processed > 0;
	if (is_there)
		*outbox = (Outbox) {
			DatumGetInt64(cq_query_column(0, 1, &is_null)),
			DatumGetInt64(cq_query_column(0, 2, &is_null)),
			DatumGetBool(cq_query_column(0, 3, &is_null))
		};
	SPI_finish();
	cq_owner_end(&actor);
	return is_there;
}

/* Of a stream that its owner may ask for: have any had to be sent so far? */
static bool
has_dead_letters(Oid stream)
{
	Outbox		outbox;

	cq_owner_require(stream);
	return look(stream, &outbox);
}

static void
require_outbox(Oid view, Outbox *outbox)
{
	if (!look(view, outbox))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("continuous view \"%s\" has no topic for a sink", get_rel_name(view))));
	if (outbox->has_failed)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the sink of continuous view \"%s\" has failed", get_rel_name(view)),
				 errhint("cq.sinks says why; cq.resume_sink lets it go on.")));
}

/* Tells once why it takes long, where it is known. */
static void
tell_trouble(Oid view, bool *has_told)
{
	char	   *trouble = *has_told ? NULL : cq_sink_stats_trouble(view);

	if (trouble == NULL)
		return;
	*has_told = true;
	ereport(NOTICE,
			(errmsg("the sink of continuous view \"%s\" is down, and is tried again",
					get_rel_name(view)),
			 trouble[0] != '\0' ? errdetail_internal("%s", trouble) : 0));
}

/* cq.flush(view regclass, timeout interval): false where the time was over first. */
Datum
cq_flush(PG_FUNCTION_ARGS)
{
	Oid			view = PG_GETARG_OID(0);
	TimestampTz deadline = DT_NOEND;
	Outbox		outbox;
	int64		goal;
	bool		has_told = false;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	cq_shared_require();
	if (!cq_stream_is(view))
		(void) cq_view_require_readable(view);
	else if (!has_dead_letters(view))
		PG_RETURN_BOOL(true);
	if (!PG_ARGISNULL(1))
		deadline =
			DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
													TimestampTzGetDatum(cq_clock_real_monotonic()),
													PG_GETARG_DATUM(1)));
	require_outbox(view, &outbox);
	goal = outbox.end_id;
	while (outbox.sent_id < goal)
	{
		cq_wait_require_workers();
		tell_trouble(view, &has_told);
		if (cq_clock_real_monotonic() >= deadline)
			PG_RETURN_BOOL(false);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LOOK_MS,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		require_outbox(view, &outbox);
		goal = Min(goal, outbox.end_id);	/* another outbox, where the view was replaced */
	}
	PG_RETURN_BOOL(true);
}
