/*
 * budget.h
 *		Which continuous views have budgets, and what these allow now.
 *
 * A process of ours that works for views looks at all budgets (_cq.view_budget) now and then, in a
 * transaction of its own; what it asks of a view between is answered from memory. So what is used
 * up is seen at most a second later, whoever has used it, and whatever another process is at.
 */
#ifndef CQ_BUDGET_H
#define CQ_BUDGET_H

#include "postgres.h"

#include "nodes/pg_list.h"

/* Looks at them where that is due, or at once. No transaction is open before or after. */
extern void cq_budget_look(bool at_once);

/*
 * Why the view is to stop: it has used up a budget. NULL: it may go on. Good until the next look.
 */
extern const char *cq_budget_stops(Oid view);

/* Has it used up one that makes it slow? */
extern bool cq_budget_slows(Oid view);

/* Has one of the views any budget? */
extern bool cq_budget_has_any(const List *views);

#endif							/* CQ_BUDGET_H */
