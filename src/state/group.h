/*
 * group.h
 *		The groups of a state table: how their keys are hashed and compared, and how two rows of one
 *		group become one.
 */
#ifndef CQ_GROUP_H
#define CQ_GROUP_H

#include "postgres.h"

#include "executor/tuptable.h"
#include "plan/plan.h"
#include "storage/block.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"

/* What there is to know of a view's groups; made once a plan. */
typedef struct CqGroupLayout CqGroupLayout;

/* In CurrentMemoryContext, like all that it looks up. Within a transaction. */
extern CqGroupLayout *cq_group_layout(const CqViewPlan *plan);

/* Columns of the state table: keys, and these and partial states. */
extern int	cq_group_nkeys(const CqGroupLayout *layout);
extern int	cq_group_ncolumns(const CqGroupLayout *layout);

/* Of the keys, which come first among the values. May leave garbage in CurrentMemoryContext. */
extern uint32 cq_group_hash(const CqGroupLayout *layout, const Datum *values, const bool *nulls);

/* Are two deformed rows of the same group? */
extern bool cq_group_same_keys(const CqGroupLayout *layout, TupleTableSlot *a, TupleTableSlot *b);

/*
 * States that are pointers come as the executor has serialized them; afterwards they are as they
 * are stored.
 */
extern void cq_group_pack(const CqGroupLayout *layout, TupleTableSlot *slot);

/*
 * Fills merged, a virtual slot, with the stored row's keys and both rows' states combined. It
 * points into stored and CurrentMemoryContext. aggcontext is one made by cq_combiner_context.
 * Passes on whatever error the aggregates' functions raise.
 */
extern void cq_group_combine(CqGroupLayout *layout, Node *aggcontext, TupleTableSlot *stored,
							 TupleTableSlot *incoming,
							 TupleTableSlot *merged);

/* Called for each row, with the hash of its keys and where it is rooted. */
typedef void (*CqGroupCallback) (void *context, uint32 hash, ItemPointer tid);

/* Can groups with so many keys be scanned? */
extern bool cq_group_can_scan(const CqGroupLayout *layout);

/* The rows that a snapshot sees in nblocks blocks from start on; InvalidBlockNumber: to the end. */
extern void cq_group_scan(Relation state, const CqGroupLayout *layout, BlockNumber start,
						  BlockNumber nblocks,
						  CqGroupCallback callback, void *context);

#endif							/* CQ_GROUP_H */
