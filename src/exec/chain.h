/*
 * chain.h
 *		Views that read what other views write to a stream of this database: see chain.c.
 */
#ifndef CQ_CHAIN_H
#define CQ_CHAIN_H

#include "exec/exec.h"

/*
 * Applies to the views on a stream what this transaction has written there, as far as they stand
 * before it. from is the lane that wrote it. False: somebody has changed something, and the
 * transaction must be rolled back.
 */
extern bool cq_chain_follow(CqLane *from, Oid stream,
							CqBatchResult (*apply) (CqLane *lane, CqBatch *batch));

#endif							/* CQ_CHAIN_H */
