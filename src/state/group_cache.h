/*
 * group_cache.h
 *		Remembers where the groups that were written lately are stored: hash of the keys → place in
 *		the state table.
 *
 * It is a hint and nothing more: the caller fetches the row and compares its keys. A group that is
 * not found is appended again, which is right as well, only larger. So entries may be lost, and
 * stale ones (after a rollback or a vacuum) do no harm.
 *
 * Bounded memory, roughly least recently used: two generations of a hash table with open
 * addressing; when the young one has filled its half, the old one is dropped and the young one
 * becomes the old. 12 bytes an entry.
 */
#ifndef CQ_GROUP_CACHE_H
#define CQ_GROUP_CACHE_H

#include "postgres.h"

#include "storage/itemptr.h"

#define CQ_GROUP_CACHE_ENTRY_SIZE 12

typedef struct CqGroupCache CqGroupCache;

/* A look-up under way. */
typedef struct CqGroupProbe
{
	uint32		hash;
	uint32		slot;
	int			generation;
	ItemPointerData tid;
} CqGroupProbe;

/*
 * Lives in a child of parent and stays below max_bytes (while it grows, half as much again for a
 * moment).
 */
extern CqGroupCache *cq_group_cache_create(MemoryContext parent, Size max_bytes);
extern void cq_group_cache_destroy(CqGroupCache *cache);
extern void cq_group_cache_clear(CqGroupCache *cache);

/*
 * Does it know all groups that were added since it was empty? What it does not know of is appended,
 * and may be there already. doubt is for the caller, who knows of groups that it never had.
 */
extern bool cq_group_cache_is_complete(const CqGroupCache *cache);
extern void cq_group_cache_doubt(CqGroupCache *cache);

/* Starts a look-up; each next gives one candidate in probe->tid, or false. */
extern void cq_group_cache_probe(CqGroupProbe *probe, uint32 hash);
extern bool cq_group_cache_next(CqGroupCache *cache, CqGroupProbe *probe);

/* The candidate that probe stands at is the group, now at tid. */
extern void cq_group_cache_touch(CqGroupCache *cache, CqGroupProbe *probe, ItemPointer tid);

/* A group not found before. Must not be called during a look-up. */
extern void cq_group_cache_add(CqGroupCache *cache, uint32 hash, ItemPointer tid);

#endif							/* CQ_GROUP_CACHE_H */
