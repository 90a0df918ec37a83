/*
 * net.h
 *		Brings equal rows together: new ones, so many more or less, and stored ones.
 *
 * Rows are the same where they have the same bytes, apart from how these are compressed or stored:
 * json has no equality, and 1.0 is not 1.00. All is sorted by hashes, more than work_mem on disk.
 */
#ifndef CQ_NET_H
#define CQ_NET_H

#include "postgres.h"

#include "access/attnum.h"
#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "storage/itemptr.h"
#include "tcop/dest.h"

typedef struct CqNet CqNet;

/*
 * Called for each row that is not like another one. Slots are valid during the call, virtual, and
 * have all columns. weight is that of all new rows that are like this one together.
 */
typedef struct CqNetWalk
{
	/* A stored row. May change the weight. NULL: no rows are stored. */
	void		(*stored) (void *context, TupleTableSlot *row, ItemPointer tid, int64 *weight);

	/* There are no more rows like this one. */
	void		(*end) (void *context, TupleTableSlot *row, int64 weight);

	void	   *context;
} CqNetWalk;

/*
 * columns are those of the rows; hash is the column with the hash of the row's key, by which they
 * come, or InvalidAttrNumber. In CurrentMemoryContext, until the end of the (sub)transaction at
 * most.
 */
extern CqNet *cq_net_make(TupleDesc columns, AttrNumber hash);
extern void cq_net_free(CqNet *net);

/* New rows. What comes behind the columns is not looked at. */
extern void cq_net_add(CqNet *net, TupleTableSlot *row, int32 weight);

/* A row of a table, in a slot of it. */
extern void cq_net_add_stored(CqNet *net, TupleTableSlot *row);

/* A receiver for one run of a plan whose rows are new, once each. */
extern DestReceiver *cq_net_receiver(CqNet *net);

/* Once. */
extern void cq_net_walk(CqNet *net, const CqNetWalk *walk);

#endif							/* CQ_NET_H */
