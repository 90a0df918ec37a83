/*
 * expire.h
 *		Deletes groups that have not changed for too long.
 */
#ifndef CQ_EXPIRE_H
#define CQ_EXPIRE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "state/group.h"

/*
 * Deletes groups all of whose rows have a time before horizon in the column after the last key and partial state but one: the last. As many as
 * have at most so many rows; gives how many rows went. Within a transaction, with a snapshot, as the table's owner. Waits for nobody: a group that somebody
 * is at stays. salt: another one each time, so that none stays for ever.
 */
extern int64 cq_expire_groups(Oid state, CqGroupLayout *layout, TimestampTz horizon, int64 max_rows, uint32 salt);

#endif							/* CQ_EXPIRE_H */
