/*
 * merge.h
 *		Takes a plan's output into the state table: groups are merged, rows are kept.
 */
#ifndef CQ_MERGE_H
#define CQ_MERGE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "state/change.h"
#include "state/group.h"
#include "state/group_cache.h"
#include "state/group_row.h"
#include "tcop/dest.h"

typedef struct CqMergeCounts
{
	int64		inserted;		/* rows appended */
	int64		doubtful;		/* of these: with a cache that does not know all groups */
	int64		updated;		/* groups updated in place */
} CqMergeCounts;

/* To whom changes go, and how a group's row is made. */
typedef struct CqMergeChanges
{
	CqChangeReceiver *receiver;
	CqGroupRow *row;			/* for groups */
	bool		is_limited;		/* of these groups only: */
	int			end;			/* a column of the state, from 0, with times */
	int64		after;			/* that lie after this one; groups before are not kept */
	int64		through;		/* and not after this one */
} CqMergeChanges;

/*
 * Makes the cache know the groups that are stored already, as if to build an index over them: for a
 * worker that has the view for itself and would else append a second row for each. Needs a
 * snapshot.
 */
extern void cq_merge_warm_up(Relation state, const CqGroupLayout *layout, CqGroupCache *cache);

/*
 * A receiver for one run of a plan: combines each group with the row that the cache knows of, in
 * place, or appends it. It opens the state table at startup, and flushes and closes it at shutdown.
 * Raises ERROR (undefined table) where that is gone.
 */
extern DestReceiver *cq_merge_groups_receiver(Oid state, CqGroupLayout *layout, CqGroupCache *cache,
											  CqMergeCounts *counts);

/*
 * The same for views that tell changes: a group that the cache does not know is looked up, and has
 * one row in the end. Nobody else may write to the state meanwhile. The changes are told in the
 * order of the groups.
 */
extern DestReceiver *cq_merge_changes_receiver(Oid state, CqGroupLayout *layout,
											   CqGroupCache *cache, CqMergeCounts *counts,
											   const CqMergeChanges *changes);

/* A receiver that appends rows, with the time in the last column. changes may be NULL. */
extern DestReceiver *cq_merge_rows_receiver(Oid state, TimestampTz time, CqMergeCounts *counts,
											CqChangeReceiver *changes);

/*
 * A receiver that appends rows as they are. Raises ERROR where the table does not have their
 * columns. changes may be NULL.
 */
extern DestReceiver *cq_merge_result_receiver(Oid table, CqMergeCounts *counts,
											  CqChangeReceiver *changes);

#endif							/* CQ_MERGE_H */
