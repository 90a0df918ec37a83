/*
 * shared_table.c
 *		Hash tables in shared memory: see shared_table.h.
 */
#include "postgres.h"

#include "common/guc.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "stats/shared_table.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/syscache.h"

static shmem_request_hook_type prev_shmem_request = NULL;
static shmem_startup_hook_type prev_shmem_startup = NULL;
static CqSharedTable *tables = NULL;

static void
request(void)
{
	if (prev_shmem_request)
		prev_shmem_request();
	for (CqSharedTable *table = tables; table != NULL; table = table->next)
	{
		RequestAddinShmemSpace(hash_estimate_size(cq_max_views, table->entry_size) +
							   MAXALIGN(sizeof(bool)));
		RequestNamedLWLockTranche(table->name, 1);
	}
}

static void
startup(void)
{
	if (prev_shmem_startup)
		prev_shmem_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (CqSharedTable *table = tables; table != NULL; table = table->next)
	{
		HASHCTL		control = {.keysize = sizeof(CqSharedKey), .entrysize = table->entry_size};

		bool		found;

		table->lock = &GetNamedLWLockTranche(table->name)->lock;
		table->was_full = ShmemInitStruct(psprintf("%s full", table->name), sizeof(bool), &found);
		if (!found)
			*table->was_full = false;
		table->entries = ShmemInitHash(table->name, cq_max_views, cq_max_views, &control,
									   HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
cq_shared_table_request(CqSharedTable *table)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	if (tables == NULL)
	{
		prev_shmem_request = shmem_request_hook;
		shmem_request_hook = request;
		prev_shmem_startup = shmem_startup_hook;
		shmem_startup_hook = startup;
	}
	table->next = tables;
	tables = table;
}

void
cq_shared_table_forget(CqSharedTable *table, Oid database, Oid relation)
{
	HASH_SEQ_STATUS scan;
	CqSharedKey *key;

	if (table->entries == NULL)
		return;
	LWLockAcquire(table->lock, LW_EXCLUSIVE);
	hash_seq_init(&scan, table->entries);
	while ((key = hash_seq_search(&scan)) != NULL)
	{
		if (key->database == database && (!OidIsValid(relation) || key->relation == relation))
		{
			hash_search(table->entries, key, HASH_REMOVE, NULL);
			*table->was_full = false;
		}
	}
	LWLockRelease(table->lock);
}

void
cq_shared_table_sweep(CqSharedTable *table)
{
	HASH_SEQ_STATUS scan;
	CqSharedKey *key;
	List	   *relations = NIL;
	ListCell   *cell;

	if (table->entries == NULL)
		return;
	LWLockAcquire(table->lock, LW_SHARED);
	hash_seq_init(&scan, table->entries);
	while ((key = hash_seq_search(&scan)) != NULL)
	{
		if (key->database == MyDatabaseId)
			relations = lappend_oid(relations, key->relation);
	}
	LWLockRelease(table->lock);
	foreach(cell, relations)
	{
		if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(lfirst_oid(cell))))
			cq_shared_table_forget(table, MyDatabaseId, lfirst_oid(cell));
	}
	list_free(relations);
}

void
cq_shared_table_tell_full(CqSharedTable *table)
{
	bool		is_told;

	LWLockAcquire(table->lock, LW_EXCLUSIVE);
	is_told = *table->was_full;
	*table->was_full = true;
	LWLockRelease(table->lock);
	if (!is_told)
		ereport(LOG,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("there is no room for statistics of more than %d continuous views and "
						"streams",
						cq_max_views),
				 errdetail("Others are maintained all the same, without counters."),
				 errhint("Consider increasing cq.max_views, which needs a restart of the "
						 "server.")));
}
