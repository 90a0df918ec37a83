/*
 * root.h
 *		The root of a view: how what a batch brings there gets into the view's state.
 */
#ifndef CQ_EXEC_ROOT_H
#define CQ_EXEC_ROOT_H

#include "postgres.h"

#include "catalog/view.h"
#include "node/delta.h"
#include "plan/plan.h"
#include "state/change.h"
#include "state/merge.h"
#include "stream/batch.h"

struct CqViewExec;

typedef struct CqRoot
{
	/*
	 * Plans it, and keeps ready what it needs besides: gives the plans (of PlannedStmt *). As who
	 * acts for the view, with its relations locked, in the context of what is prepared.
	 */
	List	   *(*prepare) (struct CqViewExec *exec);

	/* Where plans are: takes what they yield. */
	DestReceiver *(*open) (struct CqViewExec *exec, CqMergeCounts *counts,
						   const CqMergeChanges *changes);

	/* Where its changes go, or NULL: nobody asks for them. */
	CqChangeReceiver *(*open_output) (const CqView *view, Oid owner, const CqViewPlan *plan);

	/*
	 * Takes a batch into the state, or what has come out of the nodes below, by number - 1, and
	 * tells what that changes. binding: NULL where it is not a batch that has come. Gives how many
	 * rows have come to it; -1: there is nothing for it to do.
	 */
	int64		(*run) (struct CqViewExec *exec, CqBinding *binding, CqDelta **deltas,
						CqMergeCounts *counts);

	/* The view is to begin: tells what its nodes have made of nothing. */
	void		(*begin) (const CqView *view, Oid owner, const CqViewPlan *plan,
						  CqDelta **deltas);

	/* Where windows are closed up to a time: the next one to be so is not before … */
	TimestampTz (*next_end) (const CqView *view, Oid owner, const CqViewPlan *plan,
							 TimestampTz closed_through, TimestampTz next);

	/* Takes rows of the state that have expired: as in expired_told.h. */
	DestReceiver *(*tell_expired) (const CqView *view, Oid owner, const CqViewPlan *plan);
} CqRoot;

extern const CqRoot *cq_root_of(const CqViewPlan *plan);

/* How large a batch is, for who plans a query over it. 0: any. */
extern void cq_root_expect_rows(double nrows);

#endif							/* CQ_EXEC_ROOT_H */
