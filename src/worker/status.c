/*
 * status.c
 *		What SQL sees of workers: the functions behind cq.workers and its like.
 */
#include "postgres.h"

#include "catalog/identity.h"
#include "common/version.h"
#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "worker/shared.h"

PG_FUNCTION_INFO_V1(cq_worker_status);
PG_FUNCTION_INFO_V1(cq_is_copy);

static void
set_time(Datum *value, bool *isnull, TimestampTz time)
{
	*value = TimestampTzGetDatum(time);
	*isnull = time == 0;
}

/* What it notes of itself is of between batches; one that takes long is known by its watch. */
static void
show_long_batch(CqWorkerSlot *slot)
{
	if (slot->pid == 0 || !slot->watch.is_long)
		return;
	slot->state = CQ_WORKER_RUNNING;
	slot->state_since = slot->watch.began;
}

static void
put_worker(ReturnSetInfo *result, const CqWorkerSlot *slot)
{
	Datum		values[13];
	bool		nulls[13] = {false};
	int			n = 0;

	values[n++] = Int32GetDatum(slot->number);
	values[n++] = Int32GetDatum(slot->total);
	values[n] = Int32GetDatum(slot->pid);
	nulls[n++] = slot->pid == 0;
	values[n++] = CStringGetTextDatum(cq_shared_state_name(slot->state));
	set_time(&values[n], &nulls[n], slot->state_since);
	n++;
	set_time(&values[n], &nulls[n], slot->started_at);
	n++;
	values[n++] = Int64GetDatum(slot->nrestarts);
	values[n++] = Int64GetDatum(slot->rows);
	values[n++] = Int64GetDatum(slot->bytes);
	values[n++] = Int64GetDatum(slot->nbatches);
	set_time(&values[n], &nulls[n], slot->last_batch_time);
	n++;
	values[n] = CStringGetTextDatum(slot->last_error);
	nulls[n++] = slot->last_error_time == 0 || !has_privs_of_role(GetUserId(),
																  ROLE_PG_READ_ALL_STATS);
	set_time(&values[n], &nulls[n], slot->last_error_time);
	n++;
	Assert(n == result->setDesc->natts);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * _cq.worker_status(): the workers of this database. Anybody may call it; errors are for those who
 * may read all statistics.
 */
Datum
cq_worker_status(PG_FUNCTION_ARGS)
{
	CqWorkerSlot *slots;

	cq_version_require();
	InitMaterializedSRF(fcinfo, 0);
	if (cq_shared == NULL)
		return (Datum) 0;
	slots = palloc(sizeof(CqWorkerSlot) * cq_shared->nslots);
	LWLockAcquire(cq_shared->lock, LW_SHARED);
	memcpy(slots, cq_shared->workers, sizeof(CqWorkerSlot) * cq_shared->nslots);
	LWLockRelease(cq_shared->lock);
	for (int i = 0; i < cq_shared->nslots; i++)
	{
		if (slots[i].database != MyDatabaseId || slots[i].number < 1)
			continue;
		show_long_batch(&slots[i]);
		put_worker((ReturnSetInfo *) fcinfo->resultinfo, &slots[i]);
	}
	return (Datum) 0;
}

/* _cq.is_copy(): is the database a copy of another one, or restored, so that nothing runs in it? */
Datum
cq_is_copy(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!cq_identity_matches());
}
