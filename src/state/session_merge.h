/*
 * session_merge.h
 *		Takes the sessions that a plan has found among the rows of a batch into the state table.
 */
#ifndef CQ_SESSION_MERGE_H
#define CQ_SESSION_MERGE_H

#include "postgres.h"

#include "state/group.h"
#include "state/merge.h"
#include "tcop/dest.h"

/*
 * A receiver for one run of a plan: unites each session with the stored ones of its key that it
 * overlaps, or appends it. needs_time: rows without a session are left out. It opens the state
 * table at startup, and flushes and closes it at shutdown. The caller holds the view's lock
 * (exec/view_lock.h). changes may be NULL. Raises ERROR where the table or its index is gone.
 */
extern DestReceiver *cq_session_merge_receiver(Oid state, const CqViewPlan *plan,
											   CqGroupLayout *layout, bool needs_time,
											   CqMergeCounts *counts,
											   const CqMergeChanges *changes);

#endif							/* CQ_SESSION_MERGE_H */
