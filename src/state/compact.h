/*
 * compact.h
 *		Compaction of a state table: rows of one group become one, so that readers do not find many.
 *
 * Groups get a second row where the writer did not know their place: it forgot, or another worker
 * wrote them. Compaction goes over the table in steps, each within a transaction of its own between
 * batches, which readers do not notice. It is done when all of the table was looked at; what was
 * appended meanwhile is left to the next one.
 */
#ifndef CQ_COMPACT_H
#define CQ_COMPACT_H

#include "postgres.h"

#include "state/group.h"
#include "utils/relcache.h"

typedef struct CqCompaction CqCompaction;

/*
 * Lives in a child of parent, in bounded memory: 12 bytes for each of a million rows. Needs an open
 * relation, which is not kept.
 */
extern CqCompaction *cq_compact_begin(MemoryContext parent, Relation state);

/*
 * Goes on for about so many microseconds. False when done. Within a transaction, with a snapshot;
 * the state table is locked for writing. Raises ERROR where a combine function does; then, as after
 * a rollback, the compaction may go on with what comes next.
 */
extern bool cq_compact_step(CqCompaction *compaction, Oid state, CqGroupLayout *layout,
							int64 budget_us);

/* How many rows the table had, as far as it was looked at, and how many of them are gone. */
extern int64 cq_compact_nrows(const CqCompaction *compaction);
extern int64 cq_compact_nmerged(const CqCompaction *compaction);

extern void cq_compact_end(CqCompaction *compaction);

#endif							/* CQ_COMPACT_H */
