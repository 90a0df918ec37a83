/*
 * reading.c
 *		What workers know of the partitions that they read: see reading.h.
 *
 * A hash table that grows, in a dynamic shared memory area whose first part lies in the server's
 * own shared memory, as that of the server's statistics.
 */
#include "postgres.h"

#include "common/clock.h"
#include "common/compat.h"
#include "common/version.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/dshash.h"
#include "miscadmin.h"
#include "stats/reading.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/dsa.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define AREA_SIZE	(256 * 1024)	/* what lies in shared memory anyway */
#define FRESH_US	(2 * USECS_PER_SEC)	/* a worker that is not busy looks each second */

typedef struct Key
{
	int64		cursor_id;
	Oid			database;
	uint32		padding;		/* 0: keys are compared as bytes */
} Key;

typedef struct Entry
{
	Key			key;
	int			worker;
	CqReading	reading;
} Entry;

typedef struct Shared
{
	int			area_tranche;
	int			table_tranche;
	dshash_table_handle table;
} Shared;

PG_FUNCTION_INFO_V1(cq_reading_list);

static shmem_request_hook_type prev_shmem_request = NULL;
static shmem_startup_hook_type prev_shmem_startup = NULL;
static Shared *shared = NULL;	/* followed by the area; NULL: the library was not preloaded */
static dshash_table *attached = NULL;

static void *
place(void)
{
	return (char *) shared + MAXALIGN(sizeof(Shared));
}

static dshash_parameters
parameters(void)
{
	dshash_parameters result = {
		.key_size = sizeof(Key),
		.entry_size = sizeof(Entry),
		.compare_function = dshash_memcmp,
		.hash_function = dshash_memhash,
		CQ_COMPAT_DSHASH_COPY
		.tranche_id = shared->table_tranche
	};

	return result;
}

static Size
size(void)
{
	return MAXALIGN(sizeof(Shared)) + AREA_SIZE;
}

static void
request(void)
{
	if (prev_shmem_request)
		prev_shmem_request();
	RequestAddinShmemSpace(size());
}

/* Nothing but the first part is used here: the postmaster must have no dynamic shared memory. */
static void
make_table(void)
{
	dsa_area   *area;
	dshash_table *table;
	dshash_parameters params;

	shared->area_tranche = LWLockNewTrancheId();
	shared->table_tranche = LWLockNewTrancheId();
	params = parameters();
	area = dsa_create_in_place(place(), AREA_SIZE, shared->area_tranche, NULL);
	dsa_pin(area);
	dsa_set_size_limit(area, AREA_SIZE);
	table = dshash_create(area, &params, NULL);
	shared->table = dshash_get_hash_table_handle(table);
	dsa_set_size_limit(area, -1);
	dshash_detach(table);
	dsa_detach(area);
}

static void
startup(void)
{
	bool		found;

	if (prev_shmem_startup)
		prev_shmem_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("pg_cq readings", size(), &found);
	if (!found)
		make_table();
	LWLockRelease(AddinShmemInitLock);
}

void
cq_reading_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	prev_shmem_request = shmem_request_hook;
	shmem_request_hook = request;
	prev_shmem_startup = shmem_startup_hook;
	shmem_startup_hook = startup;
}

/* For as long as the process lives. NULL where there is none. */
static dshash_table *
table(void)
{
	MemoryContext caller;
	dsa_area   *area;
	dshash_parameters params;

	if (attached != NULL || shared == NULL)
		return attached;
	params = parameters();
	caller = MemoryContextSwitchTo(TopMemoryContext);
	LWLockRegisterTranche(shared->area_tranche, "pg_cq_readings_area");
	LWLockRegisterTranche(shared->table_tranche, "pg_cq_readings");
	area = dsa_attach_in_place(place(), NULL);
	dsa_pin_mapping(area);
	attached = dshash_attach(area, &params, shared->table, NULL);
	MemoryContextSwitchTo(caller);
	return attached;
}

static Key
key_of(int64 cursor_id)
{
	return (Key) {cursor_id, MyDatabaseId, 0};
}

void
cq_reading_note(int64 cursor_id, int worker, const CqReading *reading)
{
	Key			key = key_of(cursor_id);
	Entry	   *entry;
	bool		found;

	if (table() == NULL)
		return;
	entry = dshash_find_or_insert(table(), &key, &found);
	entry->worker = worker;
	entry->reading = *reading;
	dshash_release_lock(table(), entry);
}

void
cq_reading_forget(int64 cursor_id)
{
	Key			key = key_of(cursor_id);

	if (table() != NULL)
		(void) dshash_delete_key(table(), &key);
}

bool
cq_reading_get(int64 cursor_id, CqReading *reading)
{
	Key			key = key_of(cursor_id);
	Entry	   *entry = table() != NULL ? dshash_find(table(), &key, false) : NULL;

	if (entry == NULL)
		return false;
	*reading = entry->reading;
	dshash_release_lock(table(), entry);
	return true;
}

bool
cq_reading_is_fresh(const CqReading *reading)
{
	return cq_clock_real_monotonic() - reading->looked_at <= FRESH_US;
}

void
cq_reading_forget_worker(int worker, int first_gone, int end_gone)
{
	dshash_seq_status scan;
	Entry	   *entry;

	if (table() == NULL)
		return;
	dshash_seq_init(&scan, table(), true);
	while ((entry = dshash_seq_next(&scan)) != NULL)
	{
		if (entry->key.database == MyDatabaseId &&
			(entry->worker == worker ||
			 (entry->worker >= first_gone && entry->worker < end_gone)))
			dshash_delete_current(&scan);
	}
	dshash_seq_term(&scan);
}

void
cq_reading_forget_database(Oid database)
{
	dshash_seq_status scan;
	Entry	   *entry;

	if (table() == NULL)
		return;
	dshash_seq_init(&scan, table(), true);
	while ((entry = dshash_seq_next(&scan)) != NULL)
	{
		if (entry->key.database == database)
			dshash_delete_current(&scan);
	}
	dshash_seq_term(&scan);
}

static void
put_entry(ReturnSetInfo *result, const Entry *entry)
{
	const CqReading *reading = &entry->reading;
	Interval	silence = {.time = cq_clock_monotonic() - reading->silent_since};
	Datum		values[] = {
		Int64GetDatum(entry->key.cursor_id), IntervalPGetDatum(&silence),
		CStringGetTextDatum(reading->held_up), Int64GetDatum(reading->next_offset)
	};
	bool		nulls[] = {false, reading->silent_since == 0, reading->held_up[0] == '\0', false};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* _cq.readings(): of the cursors of this database that somebody reads. */
Datum
cq_reading_list(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	List	   *entries = NIL;
	dshash_seq_status scan;
	Entry	   *entry;
	ListCell   *cell;

	cq_version_require();
	InitMaterializedSRF(fcinfo, 0);
	if (table() == NULL)
		return (Datum) 0;
	dshash_seq_init(&scan, table(), false);
	while ((entry = dshash_seq_next(&scan)) != NULL)
	{
		if (entry->key.database == MyDatabaseId && cq_reading_is_fresh(&entry->reading))
			entries = lappend(entries, memcpy(palloc(sizeof(Entry)), entry, sizeof(Entry)));
	}
	dshash_seq_term(&scan);
	foreach(cell, entries)
		put_entry(result, lfirst(cell));
	return (Datum) 0;
}
