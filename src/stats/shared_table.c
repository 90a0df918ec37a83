/*
 * shared_table.c
 *		Hash tables in shared memory: see shared_table.h.
 */
#include "postgres.h"

#include "common/guc.h"
#include "miscadmin.h"
#include "stats/shared_table.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

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
		RequestAddinShmemSpace(hash_estimate_size(cq_max_views, table->entry_size));
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

		table->lock = &GetNamedLWLockTranche(table->name)->lock;
		table->entries = ShmemInitHash(table->name, cq_max_views, cq_max_views, &control, HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
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
			hash_search(table->entries, key, HASH_REMOVE, NULL);
	}
	LWLockRelease(table->lock);
}
