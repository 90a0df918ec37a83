/*
 * maintain.h
 *		What is made for a table whose changes count: the stream that has them, and triggers that
 *		write to it.
 */
#ifndef CQ_MAINTAIN_H
#define CQ_MAINTAIN_H

#include "plan/plan.h"

/*
 * Of all tables that a new view reads so, as its owner. They are locked against writers to the end
 * of the transaction. Raises ERROR where the owner lacks a right.
 */
extern void cq_maintain_begin(const CqViewPlan *plan, Oid owner);

/* Of those that no view reads any more, nothing is left. */
extern void cq_maintain_end_unused(void);

/*
 * A command has changed some table: its partitions, children or triggers may be others now. Raises
 * ERROR where what it has become is not supported.
 */
extern void cq_maintain_look_again(void);

/* In a restored database: all of it is made again. */
extern void cq_maintain_restore(void);

#endif							/* CQ_MAINTAIN_H */
