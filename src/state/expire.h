/*
 * expire.h
 *		Deletes groups that have not changed for too long.
 */
#ifndef CQ_EXPIRE_H
#define CQ_EXPIRE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "state/group.h"
#include "tcop/dest.h"

/*
 * Deletes groups whose rows all have a time before horizon in their last column: as many groups as
 * have at most max_rows rows together. Gives how many rows went. Within a transaction, with a
 * snapshot, as who acts for the view. Waits for nobody: a group that somebody is at stays. salt:
 * another one each time, so that none is mistaken for a young one for ever. deleted, unless it is
 * NULL, is given a row of each group that goes.
 */
extern int64 cq_expire_groups(Oid state, CqGroupLayout *layout, TimestampTz horizon, int64 max_rows,
							  uint32 salt, DestReceiver *deleted);

#endif							/* CQ_EXPIRE_H */
