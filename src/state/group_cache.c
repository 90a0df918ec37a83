/*
 * group_cache.c
 *		Hash of a group's keys → place in the state table: see group_cache.h.
 */
#include "postgres.h"

#include "port/pg_bitutils.h"
#include "state/group_cache.h"
#include "utils/memutils.h"

#define MIN_SLOTS 1024
#define YOUNG 0
#define OLD 1

typedef struct Entry
{
	uint32		hash;
	ItemPointerData tid;		/* invalid: empty */
} Entry;

StaticAssertDecl(sizeof(Entry) == CQ_GROUP_CACHE_ENTRY_SIZE,
				 "a group takes as much as is promised");

typedef struct Table
{
	Entry	   *entries;
	uint32		nslots;			/* a power of two */
	uint32		nused;
} Table;

struct CqGroupCache
{
	MemoryContext context;
	uint32		max_slots;		/* of one generation */
	bool		is_complete;
	Table		generations[2];
};

static void
table_allocate(CqGroupCache *cache, Table *table, uint32 nslots)
{
	table->entries = MemoryContextAllocExtended(cache->context, sizeof(Entry) * nslots,
												MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	table->nslots = nslots;
	table->nused = 0;
}

static void
table_put(Table *table, uint32 hash, ItemPointer tid)
{
	uint32		mask = table->nslots - 1;
	uint32		slot = hash & mask;

	while (ItemPointerIsValid(&table->entries[slot].tid))
		slot = (slot + 1) & mask;
	table->entries[slot].hash = hash;
	table->entries[slot].tid = *tid;
	table->nused++;
}

static void
table_double(CqGroupCache *cache, Table *table)
{
	Table		before = *table;

	table_allocate(cache, table, before.nslots * 2);
	for (uint32 i = 0; i < before.nslots; i++)
	{
		if (ItemPointerIsValid(&before.entries[i].tid))
			table_put(table, before.entries[i].hash, &before.entries[i].tid);
	}
	pfree(before.entries);
}

CqGroupCache *
cq_group_cache_create(MemoryContext parent, Size max_bytes)
{
	MemoryContext context = AllocSetContextCreate(parent, "pg_cq group cache",
												  ALLOCSET_SMALL_SIZES);
	CqGroupCache *cache = MemoryContextAllocZero(context, sizeof(CqGroupCache));

	cache->context = context;
	cache->is_complete = true;
	cache->max_slots = Max(MIN_SLOTS, pg_prevpower2_size_t(Max(max_bytes / sizeof(Entry) / 2, 1)));
	table_allocate(cache, &cache->generations[YOUNG], MIN_SLOTS);
	return cache;
}

void
cq_group_cache_destroy(CqGroupCache *cache)
{
	MemoryContextDelete(cache->context);
}

void
cq_group_cache_clear(CqGroupCache *cache)
{
	for (int i = 0; i < (int) lengthof(cache->generations); i++)
	{
		if (cache->generations[i].entries != NULL)
			pfree(cache->generations[i].entries);
		memset(&cache->generations[i], 0, sizeof(Table));
	}
	table_allocate(cache, &cache->generations[YOUNG], MIN_SLOTS);
	cache->is_complete = true;
}

void
cq_group_cache_doubt(CqGroupCache *cache)
{
	cache->is_complete = false;
}

bool
cq_group_cache_is_complete(const CqGroupCache *cache)
{
	return cache->is_complete;
}

void
cq_group_cache_probe(CqGroupProbe *probe, uint32 hash)
{
	probe->hash = hash;
	probe->generation = YOUNG;
	probe->slot = hash - 1;		/* before the first; masked in next */
}

bool
cq_group_cache_next(CqGroupCache *cache, CqGroupProbe *probe)
{
	for (; probe->generation <= OLD; probe->generation++, probe->slot = probe->hash - 1)
	{
		Table	   *table = &cache->generations[probe->generation];

		if (table->entries == NULL)
			continue;
		for (;;)
		{
			Entry	   *entry;

			probe->slot = (probe->slot + 1) & (table->nslots - 1);
			entry = &table->entries[probe->slot];
			if (!ItemPointerIsValid(&entry->tid))
				break;
			if (entry->hash == probe->hash)
			{
				probe->tid = entry->tid;
				return true;
			}
		}
	}
	return false;
}

void
cq_group_cache_add(CqGroupCache *cache, uint32 hash, ItemPointer tid)
{
	Table	   *young = &cache->generations[YOUNG];

	if (young->nused >= young->nslots / 4 * 3)
	{
		if (young->nslots < cache->max_slots)
			table_double(cache, young);
		else
		{
			Table	   *old = &cache->generations[OLD];
			Table		fresh;

			table_allocate(cache, &fresh, MIN_SLOTS);
			if (old->entries != NULL)
			{
				pfree(old->entries);
				cache->is_complete = false;
			}
			*old = *young;
			*young = fresh;
		}
	}
	table_put(young, hash, tid);
}

void
cq_group_cache_touch(CqGroupCache *cache, CqGroupProbe *probe, ItemPointer tid)
{
	if (probe->generation == OLD)
		cq_group_cache_add(cache, probe->hash, tid);	/* found first from now on */
	else
		cache->generations[YOUNG].entries[probe->slot].tid = *tid;
}
