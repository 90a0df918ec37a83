/*
 * group_index.h
 *		Finds the row of a group by its keys, in the state of a view that tells changes: there each
 *		group has one row.
 */
#ifndef CQ_GROUP_INDEX_H
#define CQ_GROUP_INDEX_H

#include "postgres.h"

#include "executor/tuptable.h"
#include "plan/plan.h"
#include "state/group.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"

typedef struct CqGroupIndex CqGroupIndex;

/* The reason why the keys cannot be indexed, or NULL. */
extern CqReject *cq_group_index_check(const CqViewPlan *plan);

/*
 * The index is one over the table's first nkeys columns. Raises ERROR where there is none. In
 * CurrentMemoryContext, with a snapshot.
 */
extern CqGroupIndex *cq_group_index_open(Relation state, const CqGroupLayout *layout, int nkeys);
extern void cq_group_index_close(CqGroupIndex *index);

/*
 * Starts to look for the group with these keys, the first values of the slot; each next gives the
 * place of a row that may be it, or false. Rows that the snapshot does not see are given as well.
 */
extern void cq_group_index_probe(CqGroupIndex *index, const TupleTableSlot *keys);
extern bool cq_group_index_next(CqGroupIndex *index, ItemPointer tid);

#endif							/* CQ_GROUP_INDEX_H */
