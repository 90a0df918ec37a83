/*
 * shared_table.c
 *		Hash tables in shared memory: see shared_table.h.
 */
#include "postgres.h"

#include <unistd.h>

#include "common/guc.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "stats/shared_table.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/syscache.h"

#define FILE_NAME	"pg_stat/pg_cq.stat"

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

/* ---- while the server is down ---- */

/*
 * The file has each table's header, and then its entries, as they are in memory. It is of this
 * very build, else it is not read.
 */
typedef struct Header
{
	char		build[64];
	char		name[NAMEDATALEN];	/* of the table */
	Size		entry_size;
	int64		nentries;
} Header;

static void
fill_header(Header *header, const CqSharedTable *table)
{
	memset(header, 0, sizeof(Header));
	snprintf(header->build, sizeof(header->build), "pg_cq %s, PostgreSQL %s", CQ_VERSION,
			 PG_MAJORVERSION);
	strlcpy(header->name, table->name, NAMEDATALEN);
	header->entry_size = table->entry_size;
}

static bool
write_table(FILE *file, const CqSharedTable *table)
{
	Header		header;
	HASH_SEQ_STATUS scan;
	void	   *entry;
	bool		went_well;

	fill_header(&header, table);
	header.nentries = hash_get_num_entries(table->entries);
	went_well = fwrite(&header, sizeof(header), 1, file) == 1;
	hash_seq_init(&scan, table->entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
		went_well &= fwrite(entry, table->entry_size, 1, file) == 1;
	return went_well;
}

/* In the postmaster, once all others have ended. After a crash nothing is to be trusted. */
static void
save(int code, Datum arg)
{
	FILE	   *file;
	bool		went_well = true;

	if (code != 0 || tables == NULL || tables->entries == NULL)
		return;
	file = AllocateFile(FILE_NAME ".tmp", PG_BINARY_W);
	for (CqSharedTable *table = tables; table != NULL && file != NULL; table = table->next)
		went_well &= write_table(file, table);
	if (file == NULL || (FreeFile(file) != 0) || !went_well ||
		durable_rename(FILE_NAME ".tmp", FILE_NAME, LOG) != 0)
	{
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", FILE_NAME)));
		unlink(FILE_NAME ".tmp");
	}
}

/* False at the end of what can be read. */
static bool
read_table(FILE *file, CqSharedTable *table)
{
	Header		header;
	Header		expected;
	char	   *entry;

	fill_header(&expected, table);
	if (fread(&header, sizeof(header), 1, file) != 1)
		return false;
	expected.nentries = header.nentries;
	if (memcmp(&header, &expected, sizeof(Header)) != 0)
		return false;
	entry = palloc(table->entry_size);
	for (int64 i = 0; i < header.nentries; i++)
	{
		void	   *place;
		bool		found;

		if (fread(entry, table->entry_size, 1, file) != 1)
			return false;
		place = hash_search(table->entries, entry, HASH_ENTER_NULL, &found);
		if (place == NULL)
			continue;			/* there is room for fewer */
		memcpy(place, entry, table->entry_size);
		table->revive(place);
	}
	pfree(entry);
	return true;
}

/* It counts once: should the server crash, what it says is no more so. */
static void
load(void)
{
	FILE	   *file = AllocateFile(FILE_NAME, PG_BINARY_R);

	if (file == NULL)
		return;
	for (CqSharedTable *table = tables; table != NULL; table = table->next)
	{
		if (!read_table(file, table))
			break;
	}
	FreeFile(file);
	unlink(FILE_NAME);
}

static void
startup(void)
{
	bool		is_new = false;

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
		is_new |= !found;
		table->entries = ShmemInitHash(table->name, cq_max_views, cq_max_views, &control,
									   HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
	}
	LWLockRelease(AddinShmemInitLock);
	if (!IsUnderPostmaster)
		on_shmem_exit(save, (Datum) 0);
	if (is_new)
		load();
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
cq_shared_table_forget_others(const List *databases)
{
	for (CqSharedTable *table = tables; table != NULL && table->entries != NULL;
		 table = table->next)
	{
		HASH_SEQ_STATUS scan;
		CqSharedKey *key;

		LWLockAcquire(table->lock, LW_EXCLUSIVE);
		hash_seq_init(&scan, table->entries);
		while ((key = hash_seq_search(&scan)) != NULL)
		{
			if (!list_member_oid(databases, key->database))
				hash_search(table->entries, key, HASH_REMOVE, NULL);
		}
		*table->was_full = false;
		LWLockRelease(table->lock);
	}
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
