/*
 * change.h
 *		Changes: what flows out of a view's state. A row of the view was there before, is there
 *		after, or both.
 */
#ifndef CQ_CHANGE_H
#define CQ_CHANGE_H

#include "postgres.h"

#include "executor/tuptable.h"

typedef struct CqChangeReceiver CqChangeReceiver;

struct CqChangeReceiver
{
	/*
	 * One change, of different rows. before is NULL where the row is new, after where it is gone.
	 * The slots stay the caller's.
	 */
	void		(*take) (CqChangeReceiver *receiver, TupleTableSlot *before, TupleTableSlot *after);

	/* There are no more in this run. */
	void		(*finish) (CqChangeReceiver *receiver);
};

#endif							/* CQ_CHANGE_H */
