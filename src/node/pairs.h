/*
 * pairs.h
 *		What a delta of a view's rows tells: which are gone, which have changed, which are new.
 */
#ifndef CQ_PAIRS_H
#define CQ_PAIRS_H

#include "postgres.h"

#include "node/delta.h"
#include "nodes/bitmapset.h"
#include "state/change.h"

/*
 * Tells all of a delta whose rows have weights. A row that is gone and one that is new, with the
 * same bytes in the columns of key (from 1), are one change; key is NULL where nothing tells rows
 * apart, and has_key where no columns are needed for that: there is one row. Rows that are gone
 * come first, so that one may take the place of another.
 */
extern void cq_pairs_tell(CqDelta *delta, const Bitmapset *key, bool has_key,
						  CqChangeReceiver *receiver);

#endif							/* CQ_PAIRS_H */
