/*
 * group_row.h
 *		The view's row of one group, from its row in the state table: what `read` gives, without a
 *		query.
 */
#ifndef CQ_GROUP_ROW_H
#define CQ_GROUP_ROW_H

#include "postgres.h"

#include "executor/tuptable.h"
#include "plan/plan.h"

typedef struct CqGroupRow CqGroupRow;

/*
 * Of a plan that tells changes. In CurrentMemoryContext; within a transaction, as the user whose
 * rights count for functions.
 */
extern CqGroupRow *cq_group_row_open(const CqViewPlan *plan);

/* Two slots for its rows. */
typedef enum CqGroupRowPlace
{
	CQ_GROUP_ROW_BEFORE,
	CQ_GROUP_ROW_AFTER
} CqGroupRowPlace;

/*
 * The row of the group, with all attributes there, or NULL where HAVING leaves it out. Valid until
 * the next call for the same place; points into state and CurrentMemoryContext, which should be
 * short-lived. aggcontext as in cq_group_combine. Raises whatever the view's expressions raise.
 */
extern TupleTableSlot *cq_group_row_make(CqGroupRow *row, Node *aggcontext, TupleTableSlot *state,
										 CqGroupRowPlace place);

/* Are two rows the same, to the byte? */
extern bool cq_group_row_same(TupleTableSlot *one, TupleTableSlot *other);

extern void cq_group_row_close(CqGroupRow *row);

#endif							/* CQ_GROUP_ROW_H */
