/*
 * status.c
 *		What SQL sees of workers: the functions behind cq.workers and its like.
 */
#include "postgres.h"

#include "catalog/identity.h"
#include "common/clock.h"
#include "common/guc.h"
#include "common/version.h"
#include "catalog/pg_authid.h"
#include "catalog/pool.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "worker/shared.h"

#define PATIENCE_S	8			/* with a worker that does not answer, or is at one batch */
#define ABSENCE_S	5			/* with one that does not run */

PG_FUNCTION_INFO_V1(cq_worker_status);
PG_FUNCTION_INFO_V1(cq_worker_work);
PG_FUNCTION_INFO_V1(cq_worker_troubles);
PG_FUNCTION_INFO_V1(cq_pool_status);
PG_FUNCTION_INFO_V1(cq_worker_pools);
PG_FUNCTION_INFO_V1(cq_is_copy);

static void
set_time(Datum *value, bool *isnull, TimestampTz time)
{
	*value = TimestampTzGetDatum(time);
	*isnull = time == 0;
}

static int
seconds_since(TimestampTz time)
{
	return (int) Max((GetCurrentTimestamp() - time) / USECS_PER_SEC, 0);
}

/* For so many seconds nothing has been heard of a process that is there, and at no batch. */
static int
silence_of(const CqWorkerSlot *slot)
{
	if (slot->pid == 0 || slot->watch.is_long)
		return 0;
	return (int) ((cq_clock_real_monotonic() - slot->heard_at) / USECS_PER_SEC -
				  cq_linger / 1000);
}

/* Why it reads nothing now; palloc'd. NULL: it does, or is about to. */
static char *
trouble_of(const CqWorkerSlot *slot)
{
	int			silence = silence_of(slot);

	if (slot->pid == 0 && seconds_since(slot->state_since) >= ABSENCE_S)
		return psprintf("%s does not run: %s", cq_shared_worker_name(slot),
						cq_shared_state_name(slot->state));
	if (silence >= PATIENCE_S)
		return psprintf("%s (process %d) has not answered for %d s", cq_shared_worker_name(slot),
						slot->pid, silence);
	if (slot->pid != 0 && slot->watch.is_long && seconds_since(slot->watch.began) >= PATIENCE_S)
		return psprintf("%s (process %d) has been at one batch for %d s",
						cq_shared_worker_name(slot), slot->pid, seconds_since(slot->watch.began));
	return NULL;
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
	values[n++] = CStringGetTextDatum(silence_of(slot) >= PATIENCE_S ? "not answering" :
									  cq_shared_state_name(slot->state));
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

/* The slots of this database's processes from this number on, as they are now. */
static List *
copy_processes(int first)
{
	List	   *copies = NIL;

	if (cq_shared == NULL)
		return NIL;
	LWLockAcquire(cq_shared->lock, LW_SHARED);
	for (int i = 0; i < cq_shared->nslots; i++)
	{
		const CqWorkerSlot *slot = &cq_shared->workers[i];

		if (slot->database == MyDatabaseId && slot->number >= first)
			copies = lappend(copies, memcpy(palloc(sizeof(CqWorkerSlot)), slot,
											sizeof(CqWorkerSlot)));
	}
	LWLockRelease(cq_shared->lock);
	return copies;
}

static List *
copy_workers(void)
{
	return copy_processes(1);
}

/*
 * _cq.worker_status(): the workers of this database. Anybody may call it; errors are for those who
 * may read all statistics.
 */
Datum
cq_worker_status(PG_FUNCTION_ARGS)
{
	ListCell   *cell;

	cq_version_require();
	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, copy_workers())
	{
		CqWorkerSlot *slot = lfirst(cell);

		show_long_batch(slot);
		put_worker((ReturnSetInfo *) fcinfo->resultinfo, slot);
	}
	return (Datum) 0;
}

static const char *
kind_of(const CqWorkerSlot *slot)
{
	switch (slot->number)
	{
		case CQ_EMITTER_NUMBER:
			return "emitter";
		case CQ_KEEPER_NUMBER:
			return "keeper";
		default:
			return "worker";
	}
}

/* _cq.worker_work(): what the processes of this database have used. Anybody may call it. */
Datum
cq_worker_work(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *cell;

	cq_version_require();
	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, copy_processes(CQ_KEEPER_NUMBER))
	{
		const CqWorkerSlot *slot = lfirst(cell);
		Datum		values[] = {
			CStringGetTextDatum(kind_of(slot)),
			Int32GetDatum(slot->number),
			Int32GetDatum(slot->pid),
			Int64GetDatum(slot->rows),
			Int64GetDatum(slot->bytes),
			Int64GetDatum(slot->nbatches),
			TimestampTzGetDatum(slot->last_batch_time),
			Float8GetDatum(slot->used.cpu_ns / 1e6),
			Int64GetDatum(slot->ncommits),
			Int64GetDatum(slot->used.wal_bytes),
		};
		bool		nulls[lengthof(values)] = {false};

		nulls[1] = slot->number < 1;
		nulls[2] = slot->pid == 0;
		nulls[6] = slot->last_batch_time == 0;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* _cq.worker_pools(): the pool of each worker of this database. Anybody may call it. */
Datum
cq_worker_pools(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *cell;

	cq_version_require();
	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, copy_workers())
	{
		const CqWorkerSlot *slot = lfirst(cell);
		Datum		values[] = {
			Int32GetDatum(slot->number),
			CStringGetTextDatum(slot->pool[0] != '\0' ? slot->pool : CQ_POOL_DEFAULT)
		};
		bool		nulls[lengthof(values)] = {false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* The compute pools of this database, as they are now. */
static List *
copy_pools(void)
{
	List	   *pools = NIL;

	if (cq_shared == NULL)
		return NIL;
	LWLockAcquire(cq_shared->lock, LW_SHARED);
	for (int i = 1; i < cq_shared->nslots; i++)
	{
		const CqPoolSlot *pool = &cq_shared->pools[i];

		if (pool->database == MyDatabaseId && pool->is_there)
			pools = lappend(pools, memcpy(palloc(sizeof(CqPoolSlot)), pool, sizeof(CqPoolSlot)));
	}
	LWLockRelease(cq_shared->lock);
	return pools;
}

/* _cq.pool_status(): what there is of each. Anybody may call it. */
Datum
cq_pool_status(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *cell;

	cq_version_require();
	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, copy_pools())
	{
		const CqPoolSlot *pool = lfirst(cell);
		const CqPoolChange *last = &pool->changes[(pool->nchanges + CQ_POOL_CHANGES - 1) %
												  CQ_POOL_CHANGES];
		Datum		values[] = {
			CStringGetTextDatum(pool->name),
			Int32GetDatum(pool->wanted),
			Float8GetDatum(pool->busy),
			Float8GetDatum(pool->backlog),
			Int64GetDatum(pool->lag),
			TimestampTzGetDatum(last->at),
			CStringGetTextDatum(psprintf("from %d to %d: %s", last->from, last->to,
										 last->reason))
		};
		bool		nulls[lengthof(values)] = {false};

		nulls[5] = nulls[6] = pool->nchanges == 0;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* _cq.worker_troubles(): of workers of this database that do not read, why. */
Datum
cq_worker_troubles(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *cell;

	cq_version_require();
	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, copy_workers())
	{
		const CqWorkerSlot *slot = lfirst(cell);
		char	   *trouble = trouble_of(slot);
		Datum		values[2] = {Int32GetDatum(slot->number)};
		bool		nulls[2] = {false, false};

		if (trouble == NULL)
			continue;
		values[1] = CStringGetTextDatum(trouble);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* _cq.is_copy(): is the database a copy of another one, or restored, so that nothing runs in it? */
Datum
cq_is_copy(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!cq_identity_matches());
}
