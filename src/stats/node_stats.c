/*
 * node_stats.c
 *		Counters of the nodes of views: see node_stats.h.
 *
 * One entry for each view, in a hash table of fixed size. The table's lock is held shared to find
 * an entry, and exclusively to add or remove one; the entry's spinlock guards what is in it.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "stats/node_stats.h"
#include "stats/shared_table.h"
#include "storage/spin.h"
#include "utils/timestamp.h"

typedef struct Entry
{
	CqSharedKey key;
	slock_t		mutex;
	TimestampTz since;
	CqNodeCounts nodes[CQ_COUNTED_NODES];
} Entry;

static void revive(void *entry);

static CqSharedTable table = {
	.name = "pg_cq_nodes", .entry_size = sizeof(Entry), .revive = revive
};

static void
revive(void *entry)
{
	SpinLockInit(&((Entry *) entry)->mutex);
}

void
cq_node_stats_init(void)
{
	cq_shared_table_request(&table);
}

static void
add_entry(const CqSharedKey *key)
{
	Entry	   *entry;
	bool		found;

	LWLockAcquire(table.lock, LW_EXCLUSIVE);
	entry = hash_search(table.entries, key, HASH_ENTER_NULL, &found);
	if (entry != NULL && !found)
	{
		SpinLockInit(&entry->mutex);
		entry->since = GetCurrentTimestamp();
		memset(entry->nodes, 0, sizeof(entry->nodes));
	}
	LWLockRelease(table.lock);
}

/* The view's entry with the table locked, or NULL with nothing locked. */
static Entry *
find_entry(const CqSharedKey *key)
{
	Entry	   *entry;

	LWLockAcquire(table.lock, LW_SHARED);
	entry = hash_search(table.entries, key, HASH_FIND, NULL);
	if (entry == NULL)
		LWLockRelease(table.lock);
	return entry;
}

void
cq_node_stats_add(Oid view, const CqNodeCounts *counts, int ncounts)
{
	CqSharedKey key = {MyDatabaseId, view};
	Entry	   *entry;

	if (table.entries == NULL)
		return;
	entry = find_entry(&key);
	if (entry == NULL)
	{
		add_entry(&key);
		entry = find_entry(&key);
	}
	if (entry == NULL)
		return;					/* stats.c tells of it */
	SpinLockAcquire(&entry->mutex);
	for (int i = 0; i < Min(ncounts, CQ_COUNTED_NODES); i++)
	{
		entry->nodes[i].nbatches += counts[i].nbatches;
		entry->nodes[i].rows_in += counts[i].rows_in;
		entry->nodes[i].rows_read += counts[i].rows_read;
		entry->nodes[i].rows_out += counts[i].rows_out;
		entry->nodes[i].duration_us += counts[i].duration_us;
	}
	SpinLockRelease(&entry->mutex);
	LWLockRelease(table.lock);
}

bool
cq_node_stats_get(Oid view, CqNodeCounts *counts, TimestampTz *since)
{
	CqSharedKey key = {MyDatabaseId, view};
	Entry	   *entry = table.entries != NULL ? find_entry(&key) : NULL;

	if (entry == NULL)
		return false;
	SpinLockAcquire(&entry->mutex);
	memcpy(counts, entry->nodes, sizeof(entry->nodes));
	*since = entry->since;
	SpinLockRelease(&entry->mutex);
	LWLockRelease(table.lock);
	return true;
}

void
cq_node_stats_reset(Oid view, TimestampTz now)
{
	HASH_SEQ_STATUS scan;
	Entry	   *entry;

	if (table.entries == NULL)
		return;
	LWLockAcquire(table.lock, LW_SHARED);
	hash_seq_init(&scan, table.entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (entry->key.database != MyDatabaseId ||
			(OidIsValid(view) && entry->key.relation != view))
			continue;
		SpinLockAcquire(&entry->mutex);
		entry->since = now;
		memset(entry->nodes, 0, sizeof(entry->nodes));
		SpinLockRelease(&entry->mutex);
	}
	LWLockRelease(table.lock);
}

void
cq_node_stats_sweep(void)
{
	cq_shared_table_sweep(&table);
}

void
cq_node_stats_forget_database(Oid database)
{
	cq_shared_table_forget(&table, database, InvalidOid);
}
